"""Thresholds chosen on validation windows: the best there is, against a plain search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from biot.errors import ConfigError
from biot.evaluation.tasks import Classes, MultiLabel, best_threshold
from biot.preprocessing import Preprocessing

AIMS = {"f1": reference.f1_score, "balanced_accuracy": reference.balanced_accuracy_score}


@pytest.mark.parametrize("aim", list(AIMS))
@given(seed=st.integers(0, 10_000), decimals=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_no_other_threshold_is_better(aim, seed, decimals):
    generator = np.random.default_rng(seed)
    positive = generator.random(25) < 0.4
    positive[:2] = True, False
    score = np.round(np.clip(generator.normal(0.4 + 0.2 * positive, 0.2), 0, 1), decimals)
    threshold = best_threshold(positive, score, aim)
    assert 0 <= threshold <= 1
    reached = AIMS[aim](positive, score >= threshold)
    others = [AIMS[aim](positive, score >= t) for t in (*np.unique(score), 2.0)]
    assert reached >= max(others) - 1e-12


def test_of_equal_thresholds_the_plainest_is_taken():
    positive = np.array([False, False, True, True])
    assert best_threshold(positive, np.array([0.1, 0.2, 0.8, 0.9]), "f1") == 0.5
    assert best_threshold(positive, np.array([0.1, 0.2, 0.3, 0.9]), "f1") == pytest.approx(0.25)
    assert best_threshold(np.ones(4, bool), np.array([0.1, 0.2, 0.3, 0.9]), "f1") == 0.5


def test_two_classes_have_one_threshold_tags_one_each_and_more_classes_none():
    p = np.array([0.1, 0.2, 0.3, 0.9])
    truth = np.array([0, 0, 1, 1])
    both = np.stack((1 - p, p), axis=1)
    assert Classes(names=("a", "b")).thresholds(truth, both) == (pytest.approx(0.25),)
    assert Classes(names=("a", "b", "c")).thresholds(truth, np.ones((4, 3))) is None
    tags = MultiLabel(names=("x", "y")).thresholds(np.stack((1 - truth, truth), axis=1), both)
    assert tags == (pytest.approx(0.75), pytest.approx(0.25))


def test_a_contract_decides_by_its_thresholds_and_keeps_them(tmp_path):
    contract = Preprocessing(
        sfreq=10.0, window=1.0, ch_names=("I",), units=("mV",), label_names=("a", "b"),
        thresholds=(0.25,),
    )  # fmt: skip
    probabilities = np.array([[0.8, 0.2], [0.7, 0.3]])
    assert contract.decide(probabilities).tolist() == [0, 1]
    contract.save(tmp_path)
    assert Preprocessing.load(tmp_path) == contract
    other = contract.with_labels(("a", "b"))
    assert other.thresholds is None
    assert other.decide(probabilities).tolist() == [0, 0]
    contract.require_same(other, where="data")


@pytest.mark.parametrize(
    ("label_names", "task", "thresholds", "message"),
    [
        (("a", "b", "c"), "classes", (0.5,), r"got 1 for 3 label names and the task 'classes'"),
        (("a", "b"), "multilabel", (0.5,), r"got 1 for 2 label names and the task 'multilabel'"),
        (("a", "b"), "regression", (0.5, 0.5), r"the task 'regression'"),
        (("a", "b"), "classes", (1.5,), r"thresholds must lie in 0 to 1, got \(1\.5,\)"),
    ],
)
def test_thresholds_that_cannot_be_are_refused(label_names, task, thresholds, message):
    with pytest.raises(ConfigError, match=message):
        Preprocessing(
            sfreq=10.0, window=1.0, ch_names=("I",), units=("mV",), label_names=label_names,
            task=task, thresholds=thresholds,
        )  # fmt: skip
