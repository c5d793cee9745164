"""Losses and scores of each task against scikit-learn and plain sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from biot.errors import ConfigError
from biot.evaluation.metrics import tag_intervals, target_intervals
from biot.evaluation.tasks import Classes, MultiLabel, Regression

SUBJECTS = np.array([f"s{index % 5}" for index in range(60)])


def tags(seed: int = 0):
    generator = np.random.default_rng(seed)
    truth = (generator.random((60, 3)) < (0.2, 0.5, 0.7)).astype(float)
    outputs = generator.normal(size=(60, 3)) + 1.5 * truth - 0.7
    return truth, outputs


def numbers(seed: int = 0):
    generator = np.random.default_rng(seed)
    truth = generator.normal((50, -3), (10, 0.1), (60, 2))
    return truth, truth + generator.normal(0, (5, 0.05), (60, 2))


def test_weighted_and_smoothed_cross_entropy_is_the_plain_sum():
    task = Classes(names=("a", "b", "c"), weights=(0.5, 1.0, 2.0), label_smoothing=0.3)
    outputs, target = torch.randn(7, 3, dtype=torch.float64), torch.arange(7) % 3
    log_p, weights = outputs.log_softmax(1), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    expected = [
        -0.7 * weights[k] * log_p[i, k] - 0.3 / 3 * (weights * log_p[i]).sum()
        for i, k in enumerate(target.tolist())
    ]
    torch.testing.assert_close(task.losses(outputs, target), torch.stack(expected))


def test_the_loss_of_tags_is_the_mean_of_binary_cross_entropies():
    truth, outputs = tags()
    weights = ((1.0, 2.0), (0.5, 3.0), (1.0, 1.0))
    task = MultiLabel(names=("x", "y", "z"), weights=weights, label_smoothing=0.2)
    p = 1 / (1 + np.exp(-outputs))
    smooth = truth + 0.2 * (0.5 - truth)
    each = -(smooth * np.log(p) + (1 - smooth) * np.log(1 - p))
    factor = np.array([[weights[k][int(t)] for k, t in enumerate(row)] for row in truth])
    found = task.losses(torch.from_numpy(outputs), torch.from_numpy(truth))
    np.testing.assert_allclose(found.numpy(), (each * factor).mean(axis=1), rtol=1e-12)


def test_numbers_are_learned_in_units_of_their_spread():
    truth, outputs = numbers()
    task = Regression(names=("a", "b"), mean=(50.0, -3.0), spread=(10.0, 0.1))
    found = task.losses(torch.from_numpy(outputs), torch.from_numpy(truth)).numpy()
    standard = (truth - (50, -3)) / (10, 0.1)
    np.testing.assert_allclose(found, ((outputs - standard) ** 2).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(task.predicted(standard), truth, rtol=1e-12)
    huber = Regression(names=("a", "b"), loss="huber")
    far = huber.losses(torch.full((1, 2), 5.0), torch.zeros(1, 2))
    assert far.tolist() == [4.5]


def test_scores_of_tags_agree_with_scikit_learn():
    truth, outputs = tags()
    task = MultiLabel(names=("x", "y", "z"))
    p = task.predicted(outputs)
    decided = task.decided(p)
    found = task.scores(truth, p, decided)
    assert found["auroc"] == pytest.approx(reference.roc_auc_score(truth, p, average="macro"))
    expected = reference.average_precision_score(truth, p, average="macro")
    assert found["auprc"] == pytest.approx(expected)
    assert found["f1"] == pytest.approx(reference.f1_score(truth, decided, average="macro"))
    for tag, scored in enumerate(task.details(truth, p, decided)):
        given = truth[:, tag], decided[:, tag]
        assert scored.precision == pytest.approx(reference.precision_score(*given))
        assert scored.recall == pytest.approx(reference.recall_score(*given))
        assert scored.support == truth[:, tag].sum()


def test_scores_of_numbers_agree_with_scikit_learn():
    truth, predicted = numbers()
    task = Regression(names=("a", "b"))
    found = task.scores(truth, predicted, predicted)
    assert found["r2"] == pytest.approx(reference.r2_score(truth, predicted))
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(truth, predicted))
    correlations = [np.corrcoef(truth[:, k], predicted[:, k])[0, 1] for k in range(2)]
    assert found["pearson"] == pytest.approx(np.mean(correlations))


def test_what_is_undefined_is_nan_and_does_not_spoil_the_mean():
    truth, outputs = tags()
    truth[:, 0] = 0
    task = MultiLabel(names=("x", "y", "z"))
    p = task.predicted(outputs)
    expected = reference.roc_auc_score(truth[:, 1:], p[:, 1:], average="macro")
    assert task.scores(truth, p, task.decided(p))["auroc"] == pytest.approx(expected)
    constant = Regression(names=("a",)).scores(np.ones((4, 1)), np.ones((4, 1)), None)
    assert np.isnan(constant["r2"])
    assert np.isnan(constant["pearson"])
    assert constant["mae"] == 0


@pytest.mark.parametrize("kind", ["tags", "numbers"])
def test_intervals_are_percentiles_of_the_scores_of_resampled_subjects(kind):
    draws = np.random.default_rng(7).multinomial(5, [0.2] * 5, 40)
    given = {"n_bootstrap": 40, "seed": 7}
    if kind == "tags":
        task, (truth, outputs) = MultiLabel(names=("x", "y", "z")), tags()
        predicted = task.predicted(outputs)
        decided = task.decided(predicted)
        found = tag_intervals(truth > 0.5, predicted, decided, SUBJECTS, **given)
    else:
        task, (truth, predicted) = Regression(names=("a", "b")), numbers()
        decided = predicted
        found = target_intervals(truth, predicted, SUBJECTS, **given)
    by_hand = []
    for counts in draws:
        rows = np.concatenate(
            [np.flatnonzero(f"s{s}" == SUBJECTS) for s in range(5) for _ in range(counts[s])]
        )
        by_hand.append(task.scores(truth[rows], predicted[rows], decided[rows]))
    assert set(found) == set(task.score_names)
    for name in found:
        expected = np.quantile([values[name] for values in by_hand], [0.025, 0.975])
        np.testing.assert_allclose(found[name], expected, atol=1e-9)


def test_a_metric_must_be_one_of_the_tasks_and_less_can_be_more():
    task = Regression(names=("a",))
    assert task.require_metric(None) == "r2"
    assert task.rank("mae", 3.0) < task.rank("mae", 2.0)
    assert task.rank("r2", float("nan")) == -np.inf
    with pytest.raises(ConfigError, match=r"metric must be one of r2, mae, pearson, loss here"):
        task.require_metric("auroc")
