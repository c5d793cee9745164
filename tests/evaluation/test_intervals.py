"""Bootstrap intervals: the weighted ranking, and that they hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from biot.evaluation.metrics import SCORES, _ranking_scores, bootstrap_intervals, scores


def predictions(generator, n_windows, n_classes, skill=1.0):
    labels = generator.integers(0, n_classes, n_windows)
    logits = generator.normal(size=(n_windows, n_classes))
    logits[np.arange(n_windows), labels] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, np.round(probabilities, 2)


@given(seed=st.integers(0, 10_000), n_classes=st.integers(2, 4))
@settings(max_examples=25, deadline=None)
def test_weighted_ranking_agrees_with_scikit_learn(seed, n_classes):
    generator = np.random.default_rng(seed)
    labels, probabilities = predictions(generator, 40, n_classes)
    weights = generator.integers(0, 3, 40)
    auroc, auprc = _ranking_scores(labels, probabilities, weights[None])
    used, expected = weights > 0, []
    for k in [1] if n_classes == 2 else range(n_classes):
        positive = labels[used] == k
        if positive.any() and not positive.all():
            arguments = (positive, probabilities[used, k])
            expected.append(
                [
                    reference.roc_auc_score(*arguments, sample_weight=weights[used]),
                    reference.average_precision_score(*arguments, sample_weight=weights[used]),
                ]
            )
    if expected:
        np.testing.assert_allclose([auroc[0], auprc[0]], np.mean(expected, axis=0), atol=1e-12)
    else:
        assert math.isnan(auroc[0])


def test_intervals_are_percentiles_of_the_scores_of_resampled_subjects():
    generator = np.random.default_rng(0)
    labels, probabilities = predictions(generator, 90, 3)
    subjects = np.array([f"s{index % 5}" for index in range(90)])
    intervals = bootstrap_intervals(labels, probabilities, subjects, n_bootstrap=50, seed=7)

    draws = np.random.default_rng(7).multinomial(5, [0.2] * 5, 50)
    by_hand = []
    for counts in draws:
        rows = np.concatenate(
            [np.flatnonzero(subjects == f"s{s}") for s in range(5) for _ in range(counts[s])]
        )
        by_hand.append(scores(labels[rows], probabilities[rows]))
    assert set(intervals) == set(SCORES)
    for name in SCORES:
        expected = np.quantile([values[name] for values in by_hand], [0.025, 0.975])
        np.testing.assert_allclose(intervals[name], expected, atol=1e-12)


def test_intervals_cover_the_true_accuracy_where_subjects_differ():
    generator = np.random.default_rng(1)
    covered = 0
    for repeat in range(40):
        skill = np.clip(generator.normal(0.75, 0.12, 25), 0, 1)  # of subjects: mean 0.75
        labels = np.tile([0, 1], 25 * 10)
        right = generator.random(500) < np.repeat(skill, 20)
        given_label = np.where(right, labels, 1 - labels)
        probabilities = np.eye(2)[given_label]
        subjects = np.repeat([f"s{index:02d}" for index in range(25)], 20)
        low, high = bootstrap_intervals(
            labels, probabilities, subjects, n_bootstrap=200, seed=repeat
        )["balanced_accuracy"]
        covered += low <= 0.75 <= high
    assert 34 <= covered <= 40


def test_one_subject_gives_no_interval():
    labels, probabilities = predictions(np.random.default_rng(0), 20, 2)
    assert bootstrap_intervals(labels, probabilities, np.array(["s1"] * 20)) is None


def test_a_score_that_no_resample_defines_has_no_interval():
    labels = np.zeros(20, dtype=int)
    probabilities = np.tile([0.8, 0.2], (20, 1))
    subjects = np.array(["a", "b"] * 10)
    intervals = bootstrap_intervals(labels, probabilities, subjects, n_bootstrap=20)
    assert intervals["accuracy"] == (1.0, 1.0)
    assert all(math.isnan(value) for value in intervals["balanced_accuracy"])
    assert all(math.isnan(value) for value in intervals["auroc"])


def test_intervals_depend_on_the_seed_only():
    labels, probabilities = predictions(np.random.default_rng(0), 60, 2)
    subjects = np.array([f"s{index % 6}" for index in range(60)])
    first, again, other = (
        bootstrap_intervals(labels, probabilities, subjects, n_bootstrap=40, seed=seed)
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other
    assert first["auroc"] != pytest.approx(other["auroc"])
