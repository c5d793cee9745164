"""Scores against numbers worked out by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from biot.evaluation.metrics import SCORES, confusion_counts, count_scores, per_class, scores


def random_predictions(seed: int, n_windows: int = 60, n_classes: int = 4):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, n_classes, n_windows)
    logits = generator.normal(size=(n_windows, n_classes))
    logits[np.arange(n_windows), labels] += 1.0
    # Few distinct values, so that the ranking has ties.
    probabilities = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1)
    return labels, probabilities


def test_confusion_has_true_classes_in_rows():
    counts = confusion_counts(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0]), 3)
    assert counts.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]


def test_scores_of_counts_are_those_worked_out_by_hand():
    # 8 of 10 and 3 of 5 found; agreement 11/15, by chance (10·10 + 5·5) / 15² = 125/225.
    values = count_scores(np.array([[8, 2], [2, 3]]))
    assert values["balanced_accuracy"] == pytest.approx((0.8 + 0.6) / 2)
    assert values["cohen_kappa"] == pytest.approx((11 / 15 - 125 / 225) / (1 - 125 / 225))
    assert values["weighted_f1"] == pytest.approx((10 * 0.8 + 5 * 0.6) / 15)


def test_scores_of_each_class_are_those_worked_out_by_hand():
    first, second, third = per_class(np.array([[8, 2, 0], [1, 3, 0], [0, 0, 0]]))
    assert (first.precision, first.recall, first.support) == (8 / 9, 0.8, 10)
    assert second.f1 == pytest.approx(2 * 3 / (5 + 4))
    assert third.support == 0
    assert all(math.isnan(value) for value in (third.precision, third.recall, third.f1))


def test_a_class_that_is_there_but_never_predicted_has_no_precision():
    scored = per_class(np.array([[3, 0], [2, 0]]))[1]
    assert math.isnan(scored.precision)
    assert (scored.recall, scored.f1) == (0.0, 0.0)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_all_scores_agree_with_scikit_learn(n_classes, seed):
    labels, probabilities = random_predictions(seed, n_classes=n_classes)
    predicted = probabilities.argmax(axis=1)
    values = scores(labels, probabilities)
    assert list(values) == list(SCORES)
    assert values["balanced_accuracy"] == pytest.approx(
        reference.recall_score(labels, predicted, average="macro", labels=np.unique(labels))
    )
    assert values["cohen_kappa"] == pytest.approx(reference.cohen_kappa_score(labels, predicted))
    assert values["weighted_f1"] == pytest.approx(
        reference.f1_score(labels, predicted, average="weighted", zero_division=0)
    )
    if n_classes == 2:
        expected = reference.average_precision_score(labels, probabilities[:, 1])
        assert values["auprc"] == pytest.approx(expected)


def test_ranking_of_two_classes_is_that_of_the_second():
    labels = np.array([0, 0, 1, 1])
    high = np.array([0.1, 0.4, 0.35, 0.8])
    values = scores(labels, np.stack((1 - high, high), axis=1))
    assert values["auroc"] == pytest.approx(0.75)
    assert values["auprc"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_ranking_of_several_classes_is_the_mean_of_those_that_occur():
    labels, probabilities = random_predictions(3, n_classes=4)
    kept = labels != 2
    labels, probabilities = labels[kept], probabilities[kept]
    expected = np.mean(
        [reference.roc_auc_score(labels == k, probabilities[:, k]) for k in (0, 1, 3)]
    )
    assert scores(labels, probabilities)["auroc"] == pytest.approx(expected)


def test_one_class_alone_leaves_undefined_what_weighs_classes_against_each_other():
    values = scores(np.zeros(3, dtype=int), np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]]))
    assert values["accuracy"] == 1.0
    assert math.isnan(values["balanced_accuracy"])
    assert math.isnan(values["auroc"])
    assert math.isnan(values["auprc"])
    assert math.isnan(values["cohen_kappa"])
