"""Decisions on recordings and subjects, and their scores, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from biot.decision import Decision
from biot.errors import ConfigError, CorpusError
from biot.evaluation.group_scores import assess_groups
from biot.evaluation.groups import grouped
from biot.evaluation.tasks import plain_task
from biot.preprocessing import Preprocessing


def contract(task: str = "classes", names: tuple[str, ...] = ("no", "yes")) -> Preprocessing:
    plain = {"sfreq": 100, "window": 1, "ch_names": ("C3",), "units": ("µV",)}
    return Preprocessing(**plain, task=task, label_names=names)  # type: ignore[arg-type]


def test_the_mean_of_usable_windows_decides_under_the_models_rule() -> None:
    nan = np.nan
    p = np.array([[0.9, 0.1], [0.5, 0.5], [nan, nan], [0.8, 0.2], [nan, nan]])
    names = np.array(["b", "a", "b", "b", "c"])
    found = grouped(names, p, Decision(thresholds=(0.15,)))
    assert found.names == ("a", "b", "c")
    assert found.n_windows.tolist() == [1, 3, 1]
    assert found.n_usable.tolist() == [1, 2, 0]
    np.testing.assert_allclose(found.probabilities[:2], [[0.5, 0.5], [0.85, 0.15]])
    assert np.isnan(found.probabilities[2]).all()
    assert found.labels(("no", "yes"), "classes") == ("yes", "yes", "")


def test_most_windows_decide_and_of_equals_the_more_probable() -> None:
    p = np.array([[0.9, 0.1, 0], [0.3, 0.4, 0.3], [0.3, 0.4, 0.3], [0.6, 0.4, 0], [0, 0.9, 0.1]])
    names = np.array(["a", "a", "a", "b", "b"])
    mean, vote = (grouped(names, p, Decision(), by) for by in ("mean", "vote"))  # type: ignore[arg-type]
    assert mean.decided.tolist() == [0, 1]
    assert vote.decided.tolist() == [1, 1]  # b: one window each, and 0.65 against 0.3
    assert vote.votes.tolist() == [[1, 2, 0], [1, 1, 0]]


def test_a_tag_holds_where_more_than_half_of_the_windows_say_so() -> None:
    p = np.array([[0.9, 0.6], [0.1, 0.1], [0.6, 0.2]])
    rule = Decision(task="multilabel")
    found = grouped(["a"] * 3, p, rule, "vote")
    assert found.labels(("x", "y"), "multilabel") == ("x",)
    half = grouped(["a"] * 2, p[:2], rule, "vote")  # at half the means decide: 0.5 and 0.35
    assert half.decided.tolist() == [[1, 0]]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["mean", "vote"]))
def test_decisions_are_those_of_a_plain_loop(seed: int, by: str) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([1, 1, 1], 30)
    p[rng.random(30) < 0.2] = np.nan
    names = rng.choice(list("abcd"), 30)
    rule = Decision(class_weights=(1.0, 2.0, 0.5))
    found = grouped(names, p, rule, by)  # type: ignore[arg-type]
    for row, name in enumerate(found.names):
        own = [values for values, of in zip(p, names, strict=True) if of == name]
        known = np.array([values for values in own if np.isfinite(values).all()]).reshape(-1, 3)
        assert found.n_usable[row] == len(known)
        if not len(known):
            continue
        weighted = known.mean(axis=0) * [1.0, 2.0, 0.5]
        votes = [int((values * [1.0, 2.0, 0.5]).argmax()) for values in known]
        most = max(votes.count(k) for k in range(3))
        among = [k for k in range(3) if by == "mean" or votes.count(k) == most]
        assert found.decided[row] == max(among, key=lambda k: weighted[k])


def test_scores_are_those_of_scikit_learn_on_the_decisions() -> None:
    rng = np.random.default_rng(3)
    recordings = np.repeat([f"r{i:02}" for i in range(40)], 5)
    subjects = np.repeat([f"s{i:02}" for i in range(20)], 10)
    truth = np.repeat(rng.integers(0, 2, 40), 5)
    p = np.clip(0.5 + 0.15 * (2 * truth - 1) + 0.3 * rng.standard_normal(200), 0.01, 0.99)
    values = np.stack([1 - p, p], axis=1)
    values[recordings == "r07"] = np.nan
    task = plain_task(contract())
    found = assess_groups(
        truth, values, recordings, subjects, task, Decision(), per="recording", n_bootstrap=50
    )
    kept = [r for r in np.unique(recordings) if r != "r07"]
    means = np.array([values[recordings == r, 1].mean() for r in kept])
    true = np.array([truth[recordings == r][0] for r in kept])
    assert found.scores["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(true, means >= 0.5)
    )
    assert found.scores["auroc"] == pytest.approx(roc_auc_score(true, means))
    assert (found.n_windows, found.n_left_out, found.n_windows_behind) == (39, 1, 195)
    assert found.intervals is not None
    plain = found.to_dict()
    assert (plain["per"], plain["by"], plain["n_recordings"]) == ("recording", "mean", 39)
    assert plain["n_windows"] == 195
    assert str(found).startswith(
        "39 recordings of 20 subjects, each decided once by what their mean probability says "
        "(195 windows); 1 more without usable data is left out."
    )
    assert found.counted == "39 recordings of 20 subjects"


def test_a_recording_with_several_labels_is_set_aside_and_told() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1])
    recordings = np.array(["a", "a", "b", "b", "c", "c"])
    p = np.array([[0.9, 0.1]] * 3 + [[0.2, 0.8]] * 3)
    task = plain_task(contract())
    found = assess_groups(
        truth, p, recordings, recordings, task, Decision(), per="recording", n_bootstrap=0
    )
    assert found.notes == ("1 of 3 recordings carry several labels and are set aside: b.",)
    assert found.n_windows == 2
    with pytest.raises(CorpusError, match=r"the windows of each of 1 subject carry several label"):
        assess_groups(truth, p, np.array(["x"] * 6), recordings, task, Decision(), per="subject")


def test_numbers_cannot_vote() -> None:
    with pytest.raises(ConfigError, match="by is 'vote', but this model says numbers"):
        grouped(["a"], np.zeros((1, 1)), Decision(task="regression"), "vote")
    found = grouped(["a", "a"], np.array([[1.0], [3.0]]), Decision(task="regression"))
    assert found.decided.tolist() == [[2.0]]
