"""Brier score, calibration error and temperature against plain references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn import metrics as reference

from biot.decision import Decision
from biot.evaluation.calibration import (
    brier_of_each,
    expected_calibration_error,
    fitted_temperature,
    reliability,
)
from biot.evaluation.tasks import Classes, MultiLabel


def world(seed: int, n_windows: int, n_classes: int, factor: float = 1.0):
    """Outputs that are `factor` times too large, and labels drawn from what is true."""
    generator = np.random.default_rng(seed)
    true = generator.normal(0, 1.5, (n_windows, n_classes))
    p = softmax(true, axis=1)
    labels = (p.cumsum(axis=1) < generator.random((n_windows, 1))).sum(axis=1)
    return np.minimum(labels, n_classes - 1), true * factor


def error_by_hand(holds, p, n_bins=10):
    total = 0.0
    for number in range(n_bins):
        low, high = number / n_bins, (number + 1) / n_bins
        inside = (p >= low) & ((p < high) | (number == n_bins - 1))
        if inside.any():
            total += inside.sum() * abs(p[inside].mean() - holds[inside].mean())
    return total / len(p)


@pytest.mark.parametrize("n_classes", [2, 4])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_brier_score_and_calibration_error_agree_with_references(n_classes, seed):
    labels, z = world(seed, 60, n_classes)
    p = softmax(z, axis=1)
    asked = [1] if n_classes == 2 else range(n_classes)
    brier = float(brier_of_each(labels, p).mean())
    if n_classes == 2:
        assert brier == pytest.approx(reference.brier_score_loss(labels, p[:, 1]))
    else:
        assert brier == pytest.approx(((p - np.eye(n_classes)[labels]) ** 2).sum(axis=1).mean())
    expected = np.mean([error_by_hand(labels == k, p[:, k]) for k in asked])
    assert expected_calibration_error(labels, p) == pytest.approx(expected)


def test_of_tags_they_are_means_over_the_tags():
    generator = np.random.default_rng(0)
    truth, p = (generator.random((50, 3)) < 0.3).astype(float), generator.random((50, 3))
    expected = np.mean([reference.brier_score_loss(truth[:, k], p[:, k]) for k in range(3)])
    assert float(brier_of_each(truth, p).mean()) == pytest.approx(expected)
    errors = [error_by_hand(truth[:, k], p[:, k]) for k in range(3)]
    assert expected_calibration_error(truth, p) == pytest.approx(np.mean(errors))


def test_the_bins_of_a_reliability_curve_hold_every_window_once():
    p = np.array([0.0, 0.05, 0.1, 0.95, 1.0])
    found = reliability(np.array([False, True, False, True, True]), p)
    assert found.n_windows.tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found.frequency[[0, 1, 9]].tolist() == [0.5, 0.0, 1.0]
    assert found.mean_probability[9] == pytest.approx(0.975)
    assert math.isnan(found.frequency[5])


@pytest.mark.parametrize(("factor", "n_classes"), [(3.0, 2), (0.4, 2), (2.0, 4)])
def test_the_temperature_undoes_what_made_outputs_too_sure(factor, n_classes):
    labels, z = world(3, 4000, n_classes, factor)
    found = fitted_temperature(labels, z, Decision())
    assert found == pytest.approx(factor, rel=0.1)
    losses = {
        t: reference.log_loss(labels, softmax(z / t, axis=1)) for t in (found * 0.8, found * 1.25)
    }
    best = reference.log_loss(labels, softmax(z / found, axis=1))
    assert best < min(losses.values())


def test_the_temperature_of_tags_is_one_for_all_of_them():
    generator = np.random.default_rng(1)
    true = generator.normal(0, 1.5, (4000, 2))
    truth = (generator.random(true.shape) < expit(true)).astype(float)
    weights = (1.0, 6.0)
    found = fitted_temperature(
        truth, 2.5 * (true + np.log(weights)), Decision(task="multilabel", class_weights=weights)
    )
    assert found == pytest.approx(2.5, rel=0.15)


def test_a_few_windows_told_apart_perfectly_do_not_make_it_certain():
    labels = np.array([0, 1] * 5)
    z = np.where(labels[:, None] == np.arange(2), 1.0, -1.0)
    found = fitted_temperature(labels, z, Decision())
    p = Decision(temperature=found).probabilities(z)
    assert p.max() == pytest.approx(6 / 7, abs=1e-3)  # five of five, by Laplace's rule


def test_one_class_gives_no_temperature_and_the_weights_alone_correct():
    task = Classes(names=("a", "b"), weights=(0.5, 4.5))
    z = world(0, 20, 2)[1]
    decision = task.fitted(z, np.zeros(20, dtype=int))
    assert decision.temperature is None
    assert decision.class_weights == (0.5, 4.5)
    assert decision.thresholds == (pytest.approx(0.1),)
    tags = MultiLabel(names=("a", "b"), weights=((0.5, 4.5), (1.0, 1.0)))
    decision = tags.fitted(z, np.zeros((20, 2)))
    assert (decision.temperature, decision.class_weights) == (None, (9.0, 1.0))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_calibration_moves_no_decision_of_two_classes(seed):
    labels, z = world(seed, 60, 2, 2.0)
    task = Classes(names=("a", "b"), weights=(0.55, 5.0))
    calibrated, plain = task.fitted(z, labels), task.fitted(z, labels, calibrated=False)
    assert (plain.class_weights, plain.temperature) == (None, None)
    scores = [
        task.scores(labels, task.predicted(z, d), task.decided(task.predicted(z, d), d))
        for d in (calibrated, plain)
    ]
    for name in ("auroc", "auprc", "balanced_accuracy"):
        assert scores[0][name] == pytest.approx(scores[1][name])


def test_shown_and_weighted_classes_are_corrected_alike():
    weighted = Classes(names=("a", "b"), weights=(0.6, 3.0))
    shown = Classes(names=("a", "b"), shown=(0.6, 3.0))
    labels, z = world(5, 100, 2)
    assert weighted.fitted(z, labels) == shown.fitted(z, labels)
    assert Classes(names=("a", "b")).learned_weights() is None
