"""Train, validation and test windows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biot.corpus import Corpus
from biot.corpus.split import Split, split
from biot.errors import ConfigError, CorpusError


@dataclass
class Columns:
    """What `split` looks at, without a folder on disk."""

    subjects: Any
    labels: Any
    recordings: Any = None
    starts: Any = None
    n_times: int = 10
    splits: Any = None
    path: str = "corpus"

    def __post_init__(self) -> None:
        self.subjects = np.array(self.subjects, dtype=str)
        self.recordings = self.subjects if self.recordings is None else np.array(self.recordings)
        self.splits = np.array([""] * len(self.subjects) if self.splits is None else self.splits)
        names, self.label_ids = np.unique(self.labels, return_inverse=True)
        default = np.arange(len(self.subjects)) * float(self.n_times)
        self.starts = default if self.starts is None else np.array(self.starts, dtype=float)
        self.preprocessing = SimpleNamespace(
            sfreq=1.0, n_times=self.n_times, label_names=tuple(names)
        )

    def __len__(self) -> int:
        return len(self.subjects)


def groups_of(result: Split) -> dict[str, set[str]]:
    return dict(zip(("train", "valid", "test"), map(set, result.groups), strict=True))


def columns(n_subjects: int, labels: str, n_each: int = 3) -> Columns:
    """Subjects with `n_each` windows of every label that they have: labels[i % len(labels)]."""
    subjects, names = [], []
    for i in range(n_subjects):
        for label in labels.split("|")[i % len(labels.split("|"))]:
            subjects += [f"s{i}"] * n_each
            names += [label] * n_each
    return Columns(subjects, names)


@given(st.integers(3, 30), st.integers(0, 5), st.sampled_from(["ab", "a|b", "ab|a|b|ab"]))
def test_no_subject_is_in_two_parts_and_every_window_in_one(
    n_subjects: int, seed: int, labels: str
) -> None:
    corpus = columns(n_subjects, labels)
    try:
        result = split(corpus, seed=seed)
    except CorpusError:
        assert n_subjects < 6
        return
    parts = [result.train, result.valid, result.test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(corpus)))
    for part, groups in zip(parts, result.groups, strict=True):
        assert set(corpus.subjects[part].tolist()) == set(groups)
    assert sum(map(len, result.groups)) == n_subjects


@given(st.integers(6, 40), st.integers(0, 20))
def test_every_part_holds_every_class_where_subjects_hold_one_each(n: int, seed: int) -> None:
    corpus = columns(n, "a|b")
    result = split(corpus, seed=seed)
    for part in (result.train, result.valid, result.test):
        assert set(corpus.label_ids[part].tolist()) == {0, 1}


def test_parts_have_their_shares_of_the_subjects_and_of_each_class() -> None:
    corpus = columns(40, "a|b|b|b")
    result = split(corpus, seed=3)
    assert [len(groups) for groups in result.groups] == [24, 8, 8]
    for part, n_subjects in ((result.train, 24), (result.valid, 8), (result.test, 8)):
        counts = np.bincount(corpus.label_ids[part])
        assert counts.tolist() == [n_subjects / 4 * 3, n_subjects * 3 / 4 * 3]


def test_a_rare_class_is_dealt_to_every_part_first() -> None:
    corpus = Columns(
        np.repeat([f"s{i}" for i in range(20)], 2),
        ["a", "a"] * 17 + ["a", "rare"] * 3,
    )
    for seed in range(10):
        result = split(corpus, seed=seed)
        for part in (result.train, result.valid, result.test):
            assert set(corpus.label_ids[part].tolist()) == {0, 1}


def test_the_order_of_rows_does_not_matter() -> None:
    corpus = columns(12, "ab|a|b")
    turned = Columns(corpus.subjects[::-1], np.array(["a", "b"])[corpus.label_ids][::-1])
    assert groups_of(split(corpus, seed=4)) == groups_of(split(turned, seed=4))


def test_the_seed_decides_who_is_where() -> None:
    corpus = columns(20, "ab")
    assert groups_of(split(corpus, seed=1)) == groups_of(split(corpus, seed=1))
    assert len({split(corpus, seed=seed).groups for seed in range(5)}) == 5


def test_a_split_by_recording_keeps_recordings_whole() -> None:
    corpus = Columns(["s"] * 12, ["a", "b"] * 6, np.repeat(["r1", "r2", "r3"], 4))
    result = split(corpus, "recording")
    assert sorted(name for part in result.groups for name in part) == ["r1", "r2", "r3"]
    assert [len(part) for part in (result.train, result.valid, result.test)] == [4, 4, 4]


def test_without_a_test_share_there_is_no_test_part() -> None:
    for by in ("subject", "recording", "time"):
        result = split(columns(10, "ab", n_each=5), by, (0.8, 0.2, 0.0))
        assert (len(result.train), len(result.valid), len(result.test)) == (80, 20, 0)


def test_by_time_the_earliest_windows_of_each_class_are_for_training() -> None:
    corpus = Columns(["s"] * 20, ["a"] * 10 + ["b"] * 10)
    result = split(corpus, "time")
    assert result.train.tolist() == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
    assert result.valid.tolist() == [6, 7, 16, 17]
    assert result.test.tolist() == [8, 9, 18, 19]
    assert result.n_overlapping == 0


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 1), st.integers(0, 1)), min_size=40),
)
def test_by_time_no_window_overlaps_one_of_another_part(rows: list[tuple[int, int, int]]) -> None:
    starts, recordings, labels = (list(column) for column in zip(*rows, strict=True))
    corpus = Columns(["s"] * len(rows), labels, [f"r{i}" for i in recordings], starts)
    try:
        result = split(corpus, "time")
    except CorpusError:
        return
    parts = [result.train, result.valid, result.test]
    assert sum(map(len, parts)) + result.n_overlapping == len(rows)
    for i, part in enumerate(parts):
        for other in parts[i + 1 :]:
            near = np.abs(corpus.starts[part][:, None] - corpus.starts[other]) < 10
            same = corpus.recordings[part][:, None] == corpus.recordings[other]
            assert not (near & same).any()


def test_half_overlapping_windows_lose_one_at_each_border() -> None:
    corpus = Columns(["s"] * 20, ["a"] * 20, starts=np.arange(20) * 5)
    result = split(corpus, "time")
    assert (len(result.train), len(result.valid), len(result.test)) == (12, 3, 3)
    assert result.n_overlapping == 2


@pytest.mark.parametrize(
    ("corpus", "by", "message"),
    [
        (columns(2, "ab"), "subject", r"has 2 subjects; .*at least 3.*--split recording\|time"),
        (columns(1, "ab"), "recording", r"has 1 recording; .*Use --split time"),
        (columns(3, "a|b|c"), "subject", "without [abc]: too few subjects hold it"),
        (columns(1, "ab", n_each=1), "time", "leaves no window for the valid part"),
    ],
)
def test_too_few_to_split_names_the_way_out(corpus: Columns, by: Any, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        split(corpus, by)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.6, 0.3, 0.3), (0.0, 0.5, 0.5), (0.9, 0.2, -0.1)])
def test_shares_that_are_none_are_refused(shares: Any) -> None:
    with pytest.raises(ConfigError, match="shares must be three numbers that add up to 1"):
        split(columns(9, "ab"), shares=shares)


def test_another_way_to_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="by subject, recording, time or column, got 'site'"):
        split(columns(9, "ab"), "site")  # type: ignore[arg-type]


def test_a_split_can_be_kept_with_a_run(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(["a", "b"] * 5, [f"s{i // 2}" for i in range(10)])
    kept = split(corpus, seed=2).to_dict()
    assert json.loads(json.dumps(kept)) == kept
    assert (kept["by"], kept["seed"], kept["shares"]) == ("subject", 2, [0.6, 0.2, 0.2])
    assert kept["train"]["n_windows"] == 6
    assert len(kept["train"]["subjects"]) == 3
    by_time = split(make_corpus(["a", "b"] * 5, ["s"] * 10, "one"), "time").to_dict()
    assert by_time["train"] == {"n_windows": 6}


def test_a_corpus_without_labels_is_split_too(make_corpus: Callable[..., Corpus]) -> None:
    result = split(make_corpus(None, [f"s{i}" for i in range(10)]))
    assert [len(part) for part in (result.train, result.valid, result.test)] == [6, 2, 2]


OFFICIAL = ["train", "train", "train", "valid", "test"]


def official(parts: list[str], subjects: list[str] | None = None) -> Columns:
    """Two windows, of the classes a and b, of each subject."""
    names = subjects or [f"s{i}" for i in range(len(parts))]
    return Columns(np.repeat(names, 2), ["a", "b"] * len(parts), splits=np.repeat(parts, 2))


def test_a_split_by_column_is_the_official_one() -> None:
    result = split(official([*OFFICIAL, ""]), "column")
    assert result.train.tolist() == [0, 1, 2, 3, 4, 5]
    assert (result.valid.tolist(), result.test.tolist()) == ([6, 7], [8, 9])
    assert result.groups == (("s0", "s1", "s2"), ("s3",), ("s4",))
    assert (result.n_in_no_part, result.n_overlapping) == (2, 0)
    assert result.notes == ("2 windows have no official part and are not used.",)
    assert result.to_dict()["test"] == {"n_windows": 2, "subjects": ["s4"]}


def test_without_an_official_validation_part_training_subjects_are_taken() -> None:
    parts = ["train"] * 10 + ["test"] * 5
    result = split(official(parts), "column", (0.5, 0.3, 0.2), seed=3)
    assert result.test.tolist() == list(range(20, 30))
    assert [len(groups) for groups in result.groups] == [7, 3, 5]
    assert not set(result.groups[0]) & set(result.groups[1])
    (note,) = result.notes
    assert note.endswith("3 of 10 subjects of the training part are taken for it.")
    again = split(official(parts), "column", (0.5, 0.3, 0.2), seed=3)
    assert again.groups == result.groups
    assert len({split(official(parts), "column", seed=seed).groups for seed in range(5)}) > 1


def test_with_a_test_corpus_the_official_test_part_is_not_used() -> None:
    result = split(official(OFFICIAL), "column", (0.8, 0.2, 0))
    assert (len(result.test), result.n_in_no_part) == (0, 2)
    assert result.notes == ("2 windows of the official test part are not used.",)


def test_subjects_in_two_official_parts_are_told() -> None:
    result = split(official(OFFICIAL, ["p", "q", "r", "s", "p"]), "column")
    assert result.notes == (
        "The official parts train and test share 1 subject (p): the scores flatter the model.",
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["", ""], "corpus knows no official parts .* with --split-column NAME"),
        (["train", "valid"], "parts train and valid, but none of test.* --test"),
        (["test", "valid"], "parts valid and test, but none of train"),
        (["train", "test"], r"has 1 subject; a split by subject into 2 parts needs at least 2"),
    ],
)
def test_official_parts_that_do_not_suffice_are_refused(parts: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        split(official(parts), "column")


def test_training_subjects_of_one_class_each_leave_none_for_validation() -> None:
    parts, labels = ["train"] * 4 + ["test"] * 2, ["a", "a", "b", "b", "a", "b"]
    corpus = Columns(np.repeat(["p", "q", "r"], 2), labels, splits=np.array(parts))
    with pytest.raises(
        CorpusError, match=r"no window for the valid part. Use another --valid-shar"
    ):
        split(corpus, "column")
    with pytest.raises(CorpusError, match=r"without [ab]: too few of its subjects hold it"):
        split(corpus, "column", (0.3, 0.5, 0.2))


def test_without_a_share_for_validation_all_others_train() -> None:
    result = split(columns(10, "ab", n_each=5), shares=(0.8, 0.0, 0.2), seed=1)
    assert len(result.valid) == 0
    assert result.groups[1] == ()
    assert [len(names) for names in result.groups] == [8, 0, 2]
    whole = split(columns(10, "ab", n_each=5), shares=(1.0, 0.0, 0.0))
    assert len(whole.train) == len(columns(10, "ab", n_each=5))


def test_without_a_share_for_validation_the_official_validation_part_trains() -> None:
    result = split(official(OFFICIAL), "column", (0.8, 0.0, 0.2))
    assert result.train.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert (result.valid.tolist(), result.test.tolist()) == ([], [8, 9])
    assert result.notes == ("2 windows of the official validation part train too.",)
    without = split(official(["train", "train", "test"]), "column", (0.8, 0.0, 0.2))
    assert (without.train.tolist(), without.notes) == ([0, 1, 2, 3], ())
