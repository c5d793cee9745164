"""The contract between data and model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.errors import ConfigError, ContractError
from biot.events.rules import EventRules
from biot.preprocessing import FILE_NAME, Preprocessing

PLAIN: dict[str, Any] = {"sfreq": 200, "window": 2, "ch_names": ("C3",), "units": ("µV",)}


def test_every_field_survives_the_file(tmp_path: Path) -> None:
    contract = Preprocessing(
        **PLAIN,
        scale="none",
        label_names=("age", "score"),
        resample="fft",
        l_freq=0.5,
        h_freq=40,
        notch=50,
        task="regression",
        label_columns=("age", "score"),
    )
    contract.save(tmp_path)
    assert Preprocessing.load(tmp_path) == contract
    written = json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))
    assert written["version"] == 1
    assert (written["l_freq"], written["task"]) == (0.5, "regression")


def test_causal_filters_survive_the_file_and_files_from_before_have_none(tmp_path: Path) -> None:
    contract = Preprocessing(**PLAIN, l_freq=0.5, causal=True)
    contract.save(tmp_path)
    assert Preprocessing.load(tmp_path) == contract
    written = json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))
    assert written.pop("causal") is True
    assert Preprocessing.from_dict(written).causal is False


def test_a_file_from_before_filters_and_tasks_means_none_and_classes() -> None:
    values = {"version": 1, **PLAIN, "scale": "q95", "label_names": ["a", "b"]}
    contract = Preprocessing.from_dict(values)
    assert contract == Preprocessing(**PLAIN, label_names=("a", "b"), keep_flat=True)
    assert (contract.resample, contract.filter, contract.task) == ("polyphase", "", "classes")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resample": "cubic"}, "resample must be 'polyphase' or 'fft', got 'cubic'"),
        ({"task": "tags"}, "task must be 'classes', 'multilabel' or 'regression', got 'tags'"),
        ({"task": ["classes"]}, "task must be .*, got"),
        ({"l_freq": 0}, "l_freq must be above 0 Hz, got 0"),
        ({"h_freq": float("nan")}, "h_freq must be above 0 Hz, got nan"),
        ({"notch": float("inf")}, "notch must be above 0 Hz, got inf"),
        ({"l_freq": 40, "h_freq": 40}, "l_freq must be below h_freq, got 40 and 40 Hz"),
        ({"causal": "yes"}, "causal must be True or False, got 'yes'"),
        ({"causal": True, "resample": "fft"}, "causal goes with resample='polyphase'"),
        ({"label_columns": ()}, "label_columns must name one column or more"),
        ({"label_columns": ("a", "a")}, r"each once; got \['a', 'a'\]"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Preprocessing(**PLAIN | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"l_freq": 0.5}, "l_freq is 0.5, expected None"),
        ({"notch": 60}, "notch is 60.0, expected None"),
        ({"resample": "fft"}, "resample is 'fft', expected 'polyphase'"),
        ({"task": "multilabel"}, "task is 'multilabel', expected 'classes'"),
        ({"causal": True}, "causal is True, expected False"),
    ],
)
def test_data_prepared_differently_are_refused(change: dict[str, Any], message: str) -> None:
    contract = Preprocessing(**PLAIN, label_names=("a", "b"))
    with pytest.raises(ContractError, match=f"data was prepared differently: {message}. Prepare"):
        contract.require_same(replace(contract, **change), where="data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sfreq": None}, r"^x\.json: sfreq cannot be null"),
        ({"sfreq": "fast"}, r"^x\.json: sfreq must be a number, got 'fast'"),
        ({"h_freq": [30]}, r"^x\.json: h_freq must be a number, got \[30\]"),
        ({"temperature": "x"}, r"^x\.json: temperature must be a number, got 'x'"),
        ({"window": 1e309}, r"^x\.json: window must hold at least one sample, got inf s"),
        ({"ch_names": "C3"}, r"^x\.json: ch_names must be a list, got 'C3'"),
        ({"ch_names": [3]}, r"^x\.json: ch_names must be a list"),
        ({"units": 5}, r"^x\.json: units must be a list, got 5"),
        ({"units": []}, r"^x\.json: units must name one unit a channel"),
        ({"recorded_references": None}, "recorded_references cannot be null"),
        ({"ch_names": None}, "ch_names cannot be null"),
        ({"notch": True}, "notch cannot be true"),
        ({"causal": None}, "causal cannot be null"),
        ({"causal": 1}, "causal must be True or False, got 1"),
        ({"temperature": False}, "temperature cannot be false"),
    ],
)
def test_a_file_that_was_spoilt_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Preprocessing.from_dict({"version": 1, **PLAIN, **change}, where="x.json")


@pytest.mark.parametrize("number", [np.float32(100), np.int64(100)])
def test_a_number_of_numpy_is_a_number(number: Any) -> None:
    made = Preprocessing.from_dict({"version": 1, **PLAIN, "sfreq": number}, where="x.json")
    assert (type(made.sfreq), made.sfreq) == (float, 100.0)


def test_long_lists_are_told_by_their_first_difference() -> None:
    names = tuple(f"C{i}" for i in range(198))
    contract = Preprocessing(**PLAIN | {"ch_names": names, "units": ("µV",) * 198})
    other = replace(contract, ch_names=(*names[:100], "X", *names[101:]))
    message = "ch_names has 198 entries, expected 198; the first that differs is number 101: 'X', "
    with pytest.raises(ContractError, match=message + "expected 'C100'") as caught:
        contract.require_same(other, where="data")
    assert len(str(caught.value)) < 250
    fewer = replace(contract, ch_names=names[:-1], units=contract.units[:-1])
    with pytest.raises(ContractError, match="differs is number 198: nothing, expected 'C197'"):
        contract.require_same(fewer, where="data")


def test_names_of_labels_and_their_columns_may_differ() -> None:
    contract = Preprocessing(**PLAIN, label_names=("a", "b"))
    contract.require_same(replace(contract, label_columns=("stage",)), where="data")
    tags = replace(contract, task="multilabel")
    tags.require_same(contract.with_labels(None), where="data without labels")


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"l_freq": 0.5}, "above 0.5 Hz"),
        ({"h_freq": 40}, "below 40 Hz"),
        ({"l_freq": 0.5, "h_freq": 40, "notch": 50}, "0.5 to 40 Hz, without 50 Hz"),
        ({"notch": 60}, "without 60 Hz"),
        ({"notch": 60, "causal": True}, "without 60 Hz, causal"),
        ({"causal": True}, ""),
    ],
)
def test_filters_are_told_in_words(filters: dict[str, Any], words: str) -> None:
    assert Preprocessing(**PLAIN, **filters).filter == words


def test_rules_for_events_stand_in_the_file_only_where_there_are_some(tmp_path: Path) -> None:
    plain = Preprocessing(**PLAIN, label_names=("bckg", "seiz"))
    assert "events" not in plain.to_dict()  # so that earlier releases read it
    rules = EventRules(smoothing=5, on=0.7, off=0.4, min_duration=2, background="bckg")
    contract = replace(plain, events=rules)
    contract.save(tmp_path)
    assert Preprocessing.load(tmp_path) == contract
    contract.require_same(plain, where="a corpus")
    assert contract.deciding(None).events is None
    assert contract.with_labels(("a", "b")).events is None


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({"on": 2}, r"at\.json: on must be 0 or more and at most 1, got 2"),
        ({"smoothign": 2}, r"at\.json: There is no rule 'smoothign' for events"),
        ({"background": "x"}, r"at\.json: background 'x' is none of the labels bckg, seiz"),
        ([3], r"at\.json: rules for events must be names with values"),
        (True, r"at\.json: events cannot be true"),
    ],
)
def test_rules_that_cannot_be_name_the_file(events: Any, message: str) -> None:
    values = {"version": 1, **PLAIN, "label_names": ["bckg", "seiz"], "events": events}
    with pytest.raises(ContractError, match=message):
        Preprocessing.from_dict(values, where="at.json")


def test_numbers_and_unnamed_outputs_have_no_rules_for_events() -> None:
    with pytest.raises(ConfigError, match="events need label names of classes or tags"):
        Preprocessing(**PLAIN, events=EventRules())
    with pytest.raises(ConfigError, match="events need label names of classes or tags"):
        Preprocessing(**PLAIN, label_names=("age",), task="regression", events=EventRules())
