"""A corpus from arrays in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.corpus import Corpus, from_arrays, load_corpus
from biot.errors import ConfigError, CorpusError


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, Any]:
    X = np.random.default_rng(1).normal(size=(6, 2, 30)) * 40
    return {
        "X": X,
        "y": [0, 1, 0, 1, 0, 1],
        "subject": [2, 2, 1, 1, 2, 1],
        "sfreq": 10.0,
        "ch_names": ["C3", "C4"],
        "units": "µV",
        "label_names": ["rest", "task"],
        "out": tmp_path / "corpus",
    }


def digest(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_datasets_opens_the_folder_and_the_numbers_agree(arguments: dict[str, Any]) -> None:
    datasets = pytest.importorskip("datasets")
    arguments["X"][4, 1, 3:7] = np.nan
    from_arrays(**arguments)
    rows = datasets.load_from_disk(str(arguments["out"]))
    assert rows.num_rows == 6
    row = rows[2]  # the last window of subject 2, which comes first
    assert (row["subject"], row["recording"], row["start"], row["label"]) == ("2", "2", 6.0, "rest")
    assert (row["n_times"], row["sfreq"]) == (30, 10.0)
    assert (row["ch_names"], row["units"]) == (["C3", "C4"], ["µV", "µV"])
    digital = np.frombuffer(row["signal"], dtype="<i2").reshape(2, 30)
    physical = digital * np.array(row["scale"])[:, None] + np.array(row["offset"])[:, None]
    physical[digital == -32768] = np.nan
    np.testing.assert_allclose(physical, arguments["X"][4], atol=np.max(row["scale"]))
    expected = np.nanquantile(np.abs(arguments["X"][4]), 0.95, axis=-1)
    np.testing.assert_allclose(row["q95"], expected, rtol=1e-6)


def test_rows_are_grouped_by_subject_and_keep_their_order(arguments: dict[str, Any]) -> None:
    corpus = from_arrays(**arguments)
    assert corpus.subjects.tolist() == ["2", "2", "2", "1", "1", "1"]
    assert corpus.recordings.tolist() == corpus.subjects.tolist()
    assert corpus.label_ids.tolist() == [0, 1, 0, 0, 1, 1]
    assert corpus.starts.tolist() == [0.0, 3.0, 6.0, 0.0, 3.0, 6.0]


def test_the_contract_says_what_was_given(arguments: dict[str, Any]) -> None:
    contract = from_arrays(**arguments | {"units": ["µV", "mV"], "scale": "none"}).preprocessing
    assert (contract.sfreq, contract.window, contract.n_times) == (10.0, 3.0, 30)
    assert (contract.ch_names, contract.units) == (("C3", "C4"), ("µV", "mV"))
    assert (contract.scale, contract.label_names) == ("none", ("rest", "task"))


def test_the_same_input_gives_the_same_bytes_wherever_it_is_written(
    arguments: dict[str, Any], tmp_path: Path
) -> None:
    from_arrays(**arguments)
    from_arrays(**arguments | {"out": tmp_path / "elsewhere" / "again"})
    assert digest(tmp_path / "corpus") == digest(tmp_path / "elsewhere" / "again")


def test_another_sample_gives_another_fingerprint(
    arguments: dict[str, Any], tmp_path: Path
) -> None:
    first = from_arrays(**arguments)
    arguments["X"][0, 0, 0] += 1
    assert from_arrays(**arguments | {"out": tmp_path / "b"}).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("y", "label_names", "expected"),
    [
        ([3, 1, 3, 1, 10, 1], None, ("1", "3", "10")),
        (["b", "a", "b", "a", "b", "a"], None, ("a", "b")),
        (["b", "a", "b", "a", "b", "a"], ["b", "a", "unused"], ("b", "a", "unused")),
        ([5, 6, 5, 6, 5, 6], {6: "six", 5: "five"}, ("six", "five")),
        ([1, 2, 3, 1, 2, 3], {1: "sleep", 2: "sleep", 3: "wake"}, ("sleep", "wake")),
        (None, None, None),
    ],
)
def test_classes_are_named_by_position_by_code_or_by_themselves(
    arguments: dict[str, Any], y: Any, label_names: Any, expected: Any
) -> None:
    corpus = from_arrays(**arguments | {"y": y, "label_names": label_names})
    assert corpus.preprocessing.label_names == expected


def test_without_labels_every_label_is_absent(arguments: dict[str, Any]) -> None:
    corpus = from_arrays(**arguments | {"y": None, "label_names": None})
    assert set(corpus.label_ids.tolist()) == {-1}
    assert set(corpus.labels.tolist()) == {""}


def test_integers_are_taken_as_they_are(arguments: dict[str, Any]) -> None:
    X = np.arange(6 * 2 * 30, dtype=np.int16).reshape(6, 2, 30)
    rows = from_arrays(**arguments | {"X": X, "subject": ["s"] * 6}).rows(range(6))
    decoded = rows.digital * rows.scale[..., None] + rows.offset[..., None]
    np.testing.assert_allclose(decoded, X, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.zeros((3, 4))}, r"X must be \(windows, channels, samples\), got shape \(3, 4\)"),
        ({"X": np.zeros((0, 2, 30))}, r"got shape \(0, 2, 30\)"),
        ({"X": np.zeros((6, 2, 30), dtype=complex)}, "X must hold real numbers, got complex128"),
        ({"ch_names": ["C3"]}, r"ch_names must name the 2 channels of X, got \['C3'\]"),
        ({"ch_names": "C3"}, "ch_names must name the 2 channels"),
        ({"ch_names": ["C3", "C3"]}, "names one channel twice: 'C3' and 'C3'"),
        ({"y": [0, 1]}, r"y must hold one label a window, 6 in all; got shape \(2,\)"),
        ({"y": [0, 1, 2, 0, 0, 0]}, r"y\[2\] is 2; label_names knows 0, 1"),
        ({"y": [0, 1, 0.5, 0, 0, 0]}, "integers or names, found 0.0"),
        ({"y": list("ababab")}, r"y\[0\] is 'a'; label_names knows 'rest', 'task'"),
        ({"y": None}, "label_names are given, but y is None"),
        ({"label_names": ["rest", "rest"]}, "names a class twice: rest, rest"),
        ({"label_names": ["rest", ""]}, "A label is empty"),
        (
            {"subject": [1, 2]},
            r"subject must name one subject a window, 6 in all; got shape \(2,\)",
        ),
        ({"subject": "S01"}, r"got shape \(\)"),
        ({"subject": ["a", "a", "", "a", "a", "a"]}, r"subject\[2\] is empty"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    arguments: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        from_arrays(**arguments | change)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": ["µV"]}, "1 unit for 2 channels"),
        ({"sfreq": 0}, "sfreq must be above 0"),
        ({"sfreq": -5}, "sfreq must be above 0"),
        ({"scale": "max"}, "scale must be 'q95' or 'none'"),
    ],
)
def test_parameters_out_of_range_are_refused(
    arguments: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        from_arrays(**arguments | change)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_an_infinite_value_is_named_by_its_window(arguments: dict[str, Any], value: float) -> None:
    arguments["X"][3, 0, 2] = value
    with pytest.raises(CorpusError, match=r"X\[3\] holds an infinite value. Write NaN"):
        from_arrays(**arguments)


def test_a_window_without_any_sample_is_named(arguments: dict[str, Any]) -> None:
    arguments["X"][[2, 5]] = np.nan
    with pytest.raises(CorpusError, match=r"X\[2\] holds no sample at all \(2 such windows\)"):
        from_arrays(**arguments)


def test_a_folder_that_holds_something_is_left_alone(
    arguments: dict[str, Any], make_corpus: Callable[..., Corpus]
) -> None:
    make_corpus(["a", "b"], ["s", "t"])
    with pytest.raises(CorpusError, match=r"corpus exists already. Choose another folder"):
        from_arrays(**arguments)
    assert len(load_corpus(arguments["out"])) == 2


def test_an_empty_folder_is_used(arguments: dict[str, Any]) -> None:
    arguments["out"].mkdir()
    assert len(from_arrays(**arguments)) == 6


def test_tags_are_given_as_ones_and_zeros(arguments: dict[str, Any]) -> None:
    y = [[1, 0, 1], [0, 0, 0], [-1, -1, -1], [0, 1, 0], [1, 1, 1], [0, 0, 1]]
    names = ["spike", "blink", "sweat"]
    changes = {"y": y, "label_names": names, "task": "multilabel", "subject": ["s"] * 6}
    corpus = from_arrays(**arguments | changes)
    np.testing.assert_array_equal(corpus.targets, np.where(np.array(y) < 0, np.nan, y))
    assert corpus.preprocessing.label_names == tuple(names)
    assert corpus.preprocessing.task == "multilabel"
    rows = corpus.dataset["labels"][:]
    assert rows == [["spike", "sweat"], [], None, ["blink"], ["blink", "spike", "sweat"], ["sweat"]]
    assert set(corpus.label_ids.tolist()) == {-1}


def test_targets_are_numbers(arguments: dict[str, Any], tmp_path: Path) -> None:
    changes = {"task": "regression", "label_names": None, "subject": ["s"] * 6}
    y = [1.5, np.nan, 3, 4, 5, -6e-3]
    corpus = from_arrays(**arguments | changes | {"y": y})
    np.testing.assert_array_equal(corpus.targets, np.array(y)[:, None])
    assert corpus.preprocessing.label_names == ("label",)
    y = np.arange(12.0).reshape(6, 2)
    changes |= {"y": y, "label_names": ["age", "score"], "out": tmp_path / "two"}
    corpus = from_arrays(**arguments | changes)
    np.testing.assert_array_equal(corpus.targets, y)
    assert corpus.preprocessing.label_columns == ("age", "score")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "multilabel"}, r"in shape \(6, tags\); got int64 of shape \(6,\)"),
        ({"task": "multilabel", "y": [[0, 2]] * 6}, r"y\[0\] is \[0, 2\]; each must be 0 or 1"),
        ({"task": "multilabel", "y": [[0, -1]] * 6}, "or all −1 where nothing is known"),
        ({"task": "multilabel", "y": [[0, 1, 1]] * 6}, "must name the 3 columns of y"),
        ({"task": "regression", "y": [["a", "b"]] * 6}, "y must hold numbers in shape"),
        ({"task": "regression", "y": [[1, np.nan]] * 6}, "targets must be finite, or all NaN"),
        ({"task": "regression", "y": [[1, np.inf]] * 6}, "targets must be finite"),
        ({"task": "regression", "y": None, "label_names": None}, "'regression', but y is None"),
        ({"task": "regression", "y": [1.0] * 6, "label_names": {1: "a"}}, "must be a sequence"),
    ],
)
def test_tags_and_targets_that_do_not_fit_are_refused(
    arguments: dict[str, Any], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        from_arrays(**arguments | change)
    assert list(tmp_path.iterdir()) == []


def test_names_that_differ_by_case_or_space_only_are_warned_of(arguments: dict[str, Any]) -> None:
    changes = {"subject": ["a", "a", "A", "A", "a", "a"], "y": ["x"] * 6, "label_names": None}
    with pytest.warns(UserWarning, match=r"subjects 'A' \(1 recording\) and 'a'.*in subject\."):
        from_arrays(**arguments | changes)
    changes = {"y": ["x", "X ", "x", "x", "x", "x"], "label_names": None, "subject": ["a"] * 6}
    out = arguments["out"].with_name("again")
    with pytest.warns(UserWarning, match=r"labels 'X ' \(1 window\) and 'x' .* alike in y\."):
        from_arrays(**arguments | changes | {"out": out})
