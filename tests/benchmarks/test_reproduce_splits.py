"""Folds by subject, kept as files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reproduce.protocols import PROTOCOLS
from benchmarks.reproduce.sets import SETS, Problem
from benchmarks.reproduce.splits import SPLITS, folds_by_subject, folds_of, write_split
from biot.errors import ConfigError


def problem_of(subject, y=None, part=None):
    n = len(subject)
    return Problem(
        x=np.zeros((n, 1, 4), np.float32), y=np.arange(n) % 2 if y is None else y,
        subject=np.array(subject), record=np.array(subject), sfreq=1.0, ch_names=("A",),
        units=("µV",), label_names=("no", "yes"), part=np.array(part or ["train"] * n),
    )  # fmt: skip


def test_every_set_has_a_protocol_and_a_split():
    assert list(PROTOCOLS) == list(SETS)
    assert sorted(file.stem for file in SPLITS.glob("*.json")) == sorted(SETS)


@pytest.mark.parametrize("name", sorted(set(SETS) - {"uci_har"}))
def test_a_kept_split_has_folds_without_gaps(name):
    about = json.loads((SPLITS / f"{name}.json").read_text())
    folds = set(about["fold_of_subject"].values())
    assert about["set"] == name
    assert folds == set(range(len(folds)))
    assert 2 <= len(folds) <= PROTOCOLS[name].n_folds


@given(st.lists(st.integers(0, 8), min_size=2, max_size=60).filter(lambda who: len(set(who)) > 1))
def test_a_subject_is_in_one_fold_and_every_fold_has_one(who):
    subject = [f"s{i}" for i in who]
    found = folds_by_subject(problem_of(subject), 4)
    assert set(found) == set(subject)
    assert set(found.values()) == set(range(min(4, len(set(subject)))))


def test_a_kept_split_is_read_again(tmp_path):
    problem = problem_of(["a", "b", "c", "d", "e", "f", "a"])
    write_split("eegmat", problem, tmp_path)
    fold_of = folds_of("eegmat", problem, tmp_path)
    assert fold_of[0] == fold_of[6]
    assert set(fold_of) == {0, 1, 2, 3}


def test_a_test_part_is_the_only_fold(tmp_path):
    problem = problem_of(["a", "a", "b", "c"], part=["train", "train", "train", "test"])
    np.testing.assert_array_equal(folds_of("eegmat", problem, tmp_path), [-1, -1, -1, 0])
    file = write_split("eegmat", problem, tmp_path)
    assert json.loads(file.read_text()) == {
        "set": "eegmat", "split": "official", "train": ["a", "b"], "test": ["c"],
    }  # fmt: skip


def test_nobody_is_in_training_and_test(tmp_path):
    problem = problem_of(["a", "b", "a"], part=["train", "train", "test"])
    with pytest.raises(ConfigError, match=r"eegmat: 1 subjects are in the training and .* \(a\)"):
        folds_of("eegmat", problem, tmp_path)


def test_other_subjects_than_those_of_the_file_are_named(tmp_path):
    write_split("eegmat", problem_of(["a", "b"]), tmp_path)
    told = r"1 subjects are in the data only \(c\); 1 subjects are in the file only \(b\).*--test"
    with pytest.raises(ConfigError, match=told):
        folds_of("eegmat", problem_of(["a", "c"]), tmp_path)


@pytest.mark.parametrize("text", [None, "{", "[]", '{"set": "eegmat"}'])
def test_a_split_that_is_missing_or_damaged_is_told_with_the_way_out(tmp_path, text):
    if text is not None:
        (tmp_path / "eegmat.json").write_text(text)
    with pytest.raises(ConfigError, match=r"eegmat\.json.*reproduce\.splits eegmat --again"):
        folds_of("eegmat", problem_of(["a", "b"]), tmp_path)


def test_one_subject_makes_no_folds():
    with pytest.raises(ConfigError, match="The data hold one subject"):
        folds_by_subject(problem_of(["a", "a"]), 5)
