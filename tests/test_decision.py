"""From outputs to probabilities and to what is said: exact, and the same whatever was corrected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from biot.decision import Decision
from biot.errors import ConfigError, ContractError
from biot.preprocessing import Preprocessing

PLAIN: dict[str, Any] = {"sfreq": 200, "window": 2, "ch_names": ("C3",), "units": ("µV",)}


def outputs(seed: int, n_outputs: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (40, n_outputs))


def test_probabilities_are_those_of_scaled_outputs_without_the_weights_share() -> None:
    z = outputs(0, 3)
    weights = np.array([0.4, 1.0, 5.0])
    decision = Decision(class_weights=tuple(weights), temperature=1.7)
    found = decision.probabilities(z)
    np.testing.assert_allclose(found, softmax(z / 1.7 - np.log(weights), axis=1), rtol=1e-12)
    tags = Decision(task="multilabel", class_weights=(0.5, 2.0, 9.0), temperature=0.5)
    expected = expit(z / 0.5 - np.log([0.5, 2.0, 9.0]))
    np.testing.assert_allclose(tags.probabilities(z), expected, rtol=1e-9)
    assert Decision(task="regression").probabilities(z) is not None
    np.testing.assert_array_equal(Decision(task="regression").probabilities(z), z)


def test_a_weighted_optimum_is_corrected_to_the_true_probabilities() -> None:
    true = softmax(outputs(1, 3), axis=1)
    weights = np.array([0.4, 1.3, 6.0])
    learned = np.log(true * weights)  # what a weighted cross-entropy is lowest at
    found = Decision(class_weights=tuple(weights)).probabilities(learned)
    np.testing.assert_allclose(found, true, rtol=1e-12)
    held = expit(outputs(2, 3))
    odds = weights * held / (1 - held)  # of tags: a window with the tag counts so much more
    decision = Decision(task="multilabel", class_weights=tuple(weights))
    np.testing.assert_allclose(decision.probabilities(np.log(odds)), held, rtol=1e-9)


def test_missing_and_extreme_outputs_stay_what_they_are() -> None:
    z = np.array([[np.nan, np.nan], [800.0, -800.0], [0.0, 0.0]])
    for task in ("classes", "multilabel"):
        found = Decision(task=task, temperature=0.1).probabilities(z)
        assert np.isnan(found[0]).all()
        np.testing.assert_array_equal(found[1:], [[1.0, 0.0], [0.5, 0.5]])


@given(
    seed=st.integers(0, 10_000),
    temperature=st.floats(0.1, 10),
    rare=st.floats(1, 50),
    n_outputs=st.integers(2, 5),
)
@settings(max_examples=50, deadline=None)
def test_a_temperature_changes_no_ranking_and_no_decision(
    seed: int, temperature: float, rare: float, n_outputs: int
) -> None:
    z = outputs(seed, n_outputs)
    weights = (1.0,) * (n_outputs - 1) + (rare,)
    plain = Decision(class_weights=weights)
    scaled = Decision(class_weights=weights, temperature=temperature)
    p, q = plain.probabilities(z), scaled.probabilities(z)
    np.testing.assert_array_equal(scaled.decide(q), plain.decide(p))
    np.testing.assert_array_equal(scaled.decide(q), z.argmax(axis=1))
    uncorrected = Decision(temperature=temperature).probabilities(z)
    np.testing.assert_array_equal(np.argsort(uncorrected, axis=1), np.argsort(z, axis=1))
    if n_outputs == 2:
        order = np.argsort(z[:, 1] - z[:, 0], kind="stable")
        assert (np.diff(q[order, 1]) >= 0).all()
    tags = Decision(task="multilabel", class_weights=weights, temperature=temperature)
    for column, p_of_tag in zip(z.T, tags.probabilities(z).T, strict=True):
        assert (np.diff(p_of_tag[np.argsort(column)]) >= 0).all()


def test_without_thresholds_every_class_is_served_alike() -> None:
    rare = Decision(class_weights=(0.5, 4.5))
    assert rare.limits(2) == (pytest.approx(0.1),)
    assert rare.decide(np.array([[0.91, 0.09], [0.89, 0.11]])).tolist() == [0, 1]
    assert Decision().limits(2) == (0.5,)
    assert Decision().limits(3) is None
    tags = Decision(task="multilabel", class_weights=(1.0, 9.0))
    assert tags.limits(2) == (0.5, pytest.approx(0.1))
    assert tags.decide(np.array([[0.4, 0.2]])).tolist() == [[0, 1]]


def test_the_rule_is_told_in_words() -> None:
    names = ("rest", "task")
    two = Decision(thresholds=(0.3125,), class_weights=(1.0, 2.0))
    assert two.described(names) == "task from p ≥ 0.312 on, else rest"
    assert Decision().described(names) == "task from p ≥ 0.5 on, else rest"
    tags = Decision(task="multilabel", thresholds=(0.2, 0.75))
    assert tags.described(names) == "rest from p ≥ 0.2 on, task from p ≥ 0.75 on"
    three = Decision(class_weights=(0.5, 1.0, 4.0))
    assert three.described("abc") == "the class with the largest p × weight (a 0.5, b 1, c 4)"
    assert Decision().described("abc") == "the most probable class"
    assert Decision(task="regression").described(("age",)) == "the numbers themselves"


def test_the_contract_keeps_it_and_meets_data_without_one(tmp_path: Any) -> None:
    decision = Decision(class_weights=(0.5, 4.0), temperature=1.25, thresholds=(0.2,))
    contract = Preprocessing(**PLAIN, label_names=("a", "b")).deciding(decision)
    contract.save(tmp_path)
    assert Preprocessing.load(tmp_path).decision == decision
    contract.require_same(Preprocessing(**PLAIN, label_names=("a",)), where="data")
    assert contract.deciding(None).decision == Decision()
    assert contract.with_labels(("x", "y")).decision == Decision()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_weights": (1.0,)}, "got 1 for 2 label names and the task 'classes'"),
        ({"class_weights": (1.0, 0.0)}, r"class_weights must be above 0, got \(1.0, 0.0\)"),
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ({"temperature": float("nan")}, "temperature must be above 0, got nan"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Preprocessing(**PLAIN, label_names=("a", "b"), **change)


@pytest.mark.parametrize("value", ["hot", [1.0], "1"])
def test_a_temperature_in_a_file_that_is_no_number_is_refused(value: Any) -> None:
    values = {"version": 1, **PLAIN, "temperature": value}
    with pytest.raises(ContractError, match=r"preprocessing\.json"):
        Preprocessing.from_dict(values)
