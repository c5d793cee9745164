"""Scores of the reproduction kit beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from benchmarks.reproduce.protocols import Metric
from benchmarks.reproduce.score import _units as units_of
from benchmarks.reproduce.score import compared, scored, seeds_of
from benchmarks.reproduce.sets import Problem
from biot.errors import ConfigError

NAMES = ("normal", "fibrillation", "other", "noisy")
AUROC = Metric(score="auroc")


def problem_of(y, subject, record=None, names=NAMES, task="classes"):
    n = len(y)
    return Problem(
        x=np.zeros((n, 1, 4), np.float32), y=y, subject=subject,
        record=subject if record is None else record, sfreq=1.0, ch_names=("A",), units=("µV",),
        label_names=names, task=task,
    )  # fmt: skip


@pytest.fixture
def drawn():
    """120 windows of 12 subjects in 3 folds; outputs of 2 seeds, some of them equal."""
    generator = np.random.default_rng(1)
    y, who = generator.integers(0, 4, 120), np.arange(120) // 10
    outputs = generator.normal(size=(2, 120, 4)).round(1)
    outputs[:, np.arange(120), y] += 0.7
    subject = np.array([f"s{i:02d}" for i in who])
    return problem_of(y, subject), who % 3, outputs


def test_balanced_accuracy_is_scikit_learn_s(drawn):
    problem, fold_of, outputs = drawn
    found = scored(problem, fold_of, {"ours": outputs}, Metric())["ours"]
    expected = [balanced_accuracy_score(problem.y, one.argmax(axis=1)) for one in outputs]
    np.testing.assert_allclose(found.values, expected)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.sd == pytest.approx(np.std(expected, ddof=1))
    assert found.interval[0] < found.mean < found.interval[1]


def test_mean_f1_is_of_the_classes_that_count(drawn):
    problem, fold_of, outputs = drawn
    metric = Metric(score="mean_f1", classes=NAMES[:3])
    found = scored(problem, fold_of, {"ours": outputs}, metric)["ours"]
    said = outputs[0].argmax(axis=1)
    expected = f1_score(problem.y, said, labels=[0, 1, 2], average="macro")
    assert found.values[0] == pytest.approx(expected)


def test_auroc_is_scikit_learn_s_within_one_fold(drawn):
    problem, _, outputs = drawn
    found = scored(problem, np.zeros(120, int), {"ours": outputs}, AUROC)["ours"]
    expected = [
        np.mean([roc_auc_score(problem.y == k, one[:, k]) for k in range(4)]) for one in outputs
    ]
    np.testing.assert_allclose(found.values, expected)


def test_auroc_compares_windows_of_one_fold_only(drawn):
    """So that a model whose outputs are all higher than another's changes nothing."""
    problem, fold_of, outputs = drawn
    outputs = (10 * outputs).round()  # so that adding changes no order by rounding
    moved = outputs + 100 * fold_of[:, None]
    found = scored(problem, fold_of, {"a": outputs, "b": moved}, AUROC)
    np.testing.assert_allclose(found["a"].values, found["b"].values)


def test_auroc_of_tags_and_of_resampled_subjects_is_scikit_learn_s(drawn):
    problem, _, outputs = drawn
    tags = np.eye(4, dtype=int)[problem.y]
    tags[::3, 0] = 1
    tagged = problem_of(tags, problem.subject, task="multilabel")
    units = units_of(tagged, np.zeros(120, int), outputs, AUROC)
    draws = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), 5)
    found = seeds_of(units, tagged, AUROC, draws)
    for r, times in enumerate(draws):
        rows = np.repeat(np.arange(120), times[np.arange(120) // 10])
        columns = [roc_auc_score(tags[rows, k], outputs[0][rows, k]) for k in range(4)]
        assert found[0, r] == pytest.approx(np.mean(columns))


def test_the_windows_of_a_record_vote_together():
    y = np.array([0, 0, 1, 1])
    problem = problem_of(y, np.array(["a", "a", "b", "b"]), names=("no", "yes"))
    # The first record is right on average only, the second wrong.
    outputs = np.array([[[0.9, 0.1], [0.4, 0.6], [0.9, 0.1], [0.3, 0.7]]])
    fold_of = np.zeros(4, int)
    by_record = scored(problem, fold_of, {"ours": outputs}, Metric(per="record"))["ours"]
    by_window = scored(problem, fold_of, {"ours": outputs}, Metric())["ours"]
    assert (by_record.mean, by_window.mean) == (0.5, 0.5)
    outputs[0, 2] = [0.6, 0.4]
    assert scored(problem, fold_of, {"o": outputs}, Metric(per="record"))["o"].mean == 1.0


def test_a_record_of_two_classes_cannot_vote():
    problem = problem_of(np.array([0, 1, 1]), np.array(["a", "a", "b"]), names=("no", "yes"))
    with pytest.raises(ConfigError, match=r"1 of 2 records differ in their class \(a, say\)"):
        scored(problem, np.zeros(3, int), {"o": np.ones((1, 3, 2))}, Metric(per="record"))


def test_windows_that_only_train_do_not_count(drawn):
    problem, _, outputs = drawn
    fold_of = np.where(np.arange(120) < 60, -1, 0)
    outputs[:, :60] = np.nan
    found = scored(problem, fold_of, {"ours": outputs}, Metric())["ours"]
    expected = balanced_accuracy_score(problem.y[60:], outputs[0, 60:].argmax(axis=1))
    assert found.values[0] == pytest.approx(expected)
    outputs[0, 70] = np.nan
    with pytest.raises(ConfigError, match="Some windows have no outputs"):
        scored(problem, fold_of, {"ours": outputs}, Metric())


def test_a_difference_is_paired_by_subject(drawn):
    """Of a method and itself it is 0 whoever is drawn; of two it is that of their scores."""
    problem, fold_of, outputs = drawn
    same = compared(problem, fold_of, outputs, outputs, Metric())
    assert (same.mean, same.interval) == (0.0, (0.0, 0.0))
    other = np.random.default_rng(3).normal(size=(1, 120, 4))
    found = compared(problem, fold_of, outputs, other, Metric())
    both = scored(problem, fold_of, {"ours": outputs, "other": other}, Metric())
    assert found.mean == pytest.approx(both["ours"].mean - both["other"].mean)
    assert found.interval[0] < found.mean < found.interval[1]


def test_a_class_that_the_set_lacks_is_named(drawn):
    problem, fold_of, outputs = drawn
    metric = Metric(score="mean_f1", classes=("flutter",))
    with pytest.raises(ConfigError, match="there is no class 'flutter'"):
        scored(problem, fold_of, {"ours": outputs}, metric)
