"""Official parts: what the column of folds says, and that a corpus keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from biot.corpus import load_corpus, prepare
from biot.corpus.builder.labels.parts import parts_of
from biot.corpus.manifest import Manifest
from biot.corpus.summary import overview
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]


def test_of_folds_the_highest_is_the_test_and_the_one_below_the_validation() -> None:
    values = [str(fold) for fold in range(1, 11)]
    found, told = parts_of(values, None, "t.csv: the column 'strat_fold'")
    assert found == {**dict.fromkeys(values[:8], "train"), "9": "valid", "10": "test"}
    assert told == (
        "t.csv: the column 'strat_fold': train is 1, 2, 3, 4, 5, 6, 7, 8; valid is 9; test is 10"
    )


def test_numbers_as_pandas_writes_them_are_the_same_folds() -> None:
    found, _ = parts_of(["1.0", "2", "3.", "", "n/a"], None, "t")
    assert found == {"1.0": "train", "2": "valid", "3.": "test", "": None, "n/a": None}


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("train", "train"), ("Training", "train"), ("dev", "valid"), ("val", "valid"),
        ("valid", "valid"), ("validation", "valid"), ("eval", "test"), ("TEST", "test"),
        ("testing", "test"),
    ],
)  # fmt: skip
def test_words_are_parts_in_any_case(word: str, part: str) -> None:
    assert parts_of([word], None, "t")[0] == {word: part}


def test_values_may_be_given_to_parts() -> None:
    given = "train=1-2,5,dev=3,test=B,none=x"
    found, told = parts_of(["1", "2.0", "3", "5", "B", "x"], given, "t")
    assert list(found.values()) == ["train", "train", "valid", "train", "test", None]
    assert told == "t: train is 1, 2, 5; valid is 3; test is B; no part is x"


@pytest.mark.parametrize(
    ("values", "given", "error", "message"),
    [
        (["train", "A", "B"], None, CorpusError, "holds A, B, which are no parts; known are train"),
        (["0", "1"], None, CorpusError, "holds the numbers 0, 1; folds are 3 or more"),
        (["eval", "test", "train"], None, CorpusError, "both eval and test: which is the test"),
        (["", "n/a"], None, CorpusError, "is empty in every line"),
        (["1", "7"], "train=1", CorpusError, "holds 7, which split_parts does not name"),
        (["1"], "1-8", ConfigError, "must be PART=VALUE.*got '1-8'"),
        (["1"], "learn=1", ConfigError, "parts are train, valid, test and none"),
        (["1"], "train=1,test=1-3", ConfigError, "each value once; 1 is there twice"),
    ],
)
def test_values_that_are_not_understood_are_refused(
    values: list[str], given: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        parts_of(values, given, "t")


@pytest.fixture
def folder(write_edf: WriteEdf) -> Path:
    noise = np.random.default_rng(0).integers(-200, 200, (7, 2, 400))
    return [write_edf(f"r{n}.edf", one, seconds=4) for n, one in enumerate(noise, 1)].pop().parent


def table(tmp_path: Path, folds: str, *, subjects: str = "1234567") -> Path:
    rows = zip(range(1, 8), folds, subjects, strict=True)
    lines = [f"r{n},{'ab'[n % 2]},{fold.strip()},p{who}\n" for n, fold, who in rows]
    path = tmp_path / "labels.csv"
    path.write_text("file,label,fold,subject\n" + "".join(lines))
    return path


def test_a_corpus_keeps_the_official_parts(folder: Path, tmp_path: Path) -> None:
    out, how = tmp_path / "corpus", {"sfreq": 100, "window": 2, "split_column": "Fold"}
    report = prepare(folder, out, labels=table(tmp_path, "1122344"), **how)
    found = Manifest.load(out)
    assert found is not None
    assert [record.split for record in found.recordings.values()] == [
        "train", "train", "train", "train", "valid", "test", "test",
    ]  # fmt: skip
    assert list(load_corpus(out).splits) == ["train"] * 8 + ["valid"] * 2 + ["test"] * 4
    parts = (
        "train: 4 recordings of 4 subjects, 8 windows",
        "valid: 1 recording of 1 subject, 2 windows",
        "test: 2 recordings of 2 subjects, 4 windows",
    )
    assert report.parts == overview(out).parts == parts
    assert "official parts" in str(report)
    assert "official parts" in str(overview(out))
    assert any("valid is 3; test is 4" in note for note in report.notes)


def test_a_part_that_changes_is_written_down_without_preparing_anew(
    folder: Path, tmp_path: Path
) -> None:
    out, how = tmp_path / "corpus", {"sfreq": 100, "window": 2, "split_column": "fold"}
    prepare(folder, out, labels=table(tmp_path, "1122344"), **how)
    before = load_corpus(out).fingerprint
    report = prepare(folder, out, labels=table(tmp_path, "1422344"), **how)
    assert report.changes == ("the official parts of 1 recording were written down anew",)
    assert list(load_corpus(out).splits[2:4]) == ["test", "test"]
    assert load_corpus(out).fingerprint != before


def test_a_recording_without_a_part_and_a_subject_in_two_parts_are_told(
    folder: Path, tmp_path: Path
) -> None:
    labels = table(tmp_path, "12 3345", subjects="1234561")
    report = prepare(
        folder, tmp_path / "corpus", sfreq=100, window=2, labels=labels, split_column="fold"
    )
    assert report.parts[3:] == (
        "no part: 1 recording of 1 subject, 2 windows",
        "1 subject is both in train and test: p1",
    )


def test_rows_of_one_recording_must_agree_on_its_part(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,label,onset,duration,part\nr1,a,0,1,train\nr1,b,2,1,test\n")
    with pytest.raises(CorpusError, match=r"lines 2 and 3 give r1\.edf the parts train and test"):
        prepare(folder, tmp_path / "c", sfreq=100, window=2, labels=path, split_column="part")


def test_a_damaged_part_in_the_manifest_is_named(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    prepare(folder, out, sfreq=100, window=2, labels=table(tmp_path, "1122344"))
    content = json.loads((out / "manifest.json").read_text())
    content["recordings"]["r1.edf"]["split"] = "both"
    (out / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(CorpusError, match="split is 'both'"):
        Manifest.load(out)


def test_options_of_parts_need_a_table(folder: Path, tmp_path: Path) -> None:
    how = {"sfreq": 100, "window": 2, "labels": "folder"}
    with pytest.raises(ConfigError, match="split_column goes with a table of labels"):
        prepare(folder, tmp_path / "c", **how, split_column="fold")
    with pytest.raises(ConfigError, match="split_parts goes with split_column"):
        prepare(folder, tmp_path / "c", **how, split_parts="train=1")
