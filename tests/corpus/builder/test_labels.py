"""Where labels come from, and the tasks that they are for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.corpus import load_corpus, prepare
from biot.corpus.builder.labels.source import LabelSource
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.sources import find_sources
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]
HOW: dict[str, Any] = {"sfreq": 100, "window": 4}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "corpus"


@pytest.fixture
def folder(write_edf: WriteEdf) -> Path:
    """Three subjects of 8 s, two of them patients."""
    names = ("patients/sub-01_eeg.edf", "patients/sub-02_eeg.edf", "controls/sub-03_eeg.edf")
    for seed, name in enumerate(names):
        data = np.random.default_rng(seed).integers(-200, 200, (2, 800))
        path = write_edf(name, data)
    return path.parents[1]


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "participants.tsv") -> Path:
        path = tmp_path / name
        path.write_text(text.replace("|", "\t"))
        return path

    return write


# sources ------------------------------------------------------------------------------------


def test_the_folder_that_a_file_lies_in_names_its_label(folder: Path, out: Path) -> None:
    report = prepare(folder, out, **HOW, labels="folder")
    assert report.labels == {"controls": 2, "patients": 4}
    with pytest.raises(CorpusError, match=r"sub-03_eeg\.edf lies directly in the folder given"):
        prepare(folder / "controls", out.parent / "again", **HOW, labels="folder")


def test_a_table_of_participants_labels_all_recordings_of_a_subject(
    folder: Path, out: Path, table: Callable[..., Path]
) -> None:
    path = table(
        "participant_id|age|diagnosis\nsub-01|30|ill\n02|40|n/a\nsub-03|50|well\nsub-99|1|ill\n"
    )
    report = prepare(folder, out, **HOW, labels=path, label_columns=["diagnosis"])
    assert report.labels == {"ill": 2, "well": 2}
    assert report.dropped == {"recordings without a row that counts in participants.tsv": 1}
    corpus = load_corpus(out)
    assert corpus.subjects.tolist() == ["03"] * 2 + ["01"] * 2
    assert corpus.preprocessing.label_columns == ("diagnosis",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("participant_id|diagnosis\nsub-77|ill\n", "is the subject of a recording; the first"),
        ("participant_id|diagnosis\n01|a\nsub-01|b\n", "lines 2 and 3 both label"),
        ("participant_id|sex\n01|f\n", "the column diagnosis is missing"),
        ("participant_id|diagnosis\n01|\n", "no row can be used. 1 row .* without a label"),
    ],
)
def test_a_fault_in_a_table_of_participants_is_named(
    folder: Path, out: Path, table: Callable[..., Path], text: str, message: str
) -> None:
    with pytest.raises(CorpusError, match=rf"participants\.tsv.*{message}"):
        prepare(folder, out, **HOW, labels=table(text), label_columns=["diagnosis"])
    assert not out.exists()


def test_marks_of_breaks_and_spoilt_data_are_never_labels(write_edf: WriteEdf, out: Path) -> None:
    notes = [
        (0.0, 4.0, "rest"),
        (4.0, 4.0, "New Segment/"),
        (8.0, 4.0, "boundary"),
        (12.0, 2.0, "EDGE boundary"),
        (12.0, 2.0, "BAD_move"),
        (16.0, 4.0, "boundary layer"),
    ]
    path = write_edf("a.edf", seconds=20, annotations=notes)
    report = prepare(path, out, **HOW, labels="annotations")
    assert report.labels == {"boundary layer": 1, "rest": 1}


def test_a_source_may_be_sent_to_another_process(folder: Path, table: Callable[..., Path]) -> None:
    path = table("participant_id|label\nsub-01|ill\n")
    sources = find_sources(folder / "patients")
    source = LabelSource.open(PrepareConfig(**HOW, labels=path), sources, None)
    assert pickle.loads(pickle.dumps(source)) == source


# tasks --------------------------------------------------------------------------------------


def test_overlapping_annotations_give_all_their_tags(write_edf: WriteEdf, out: Path) -> None:
    notes = [(0.0, 8.0, "blink; sweat"), (4.0, 4.0, "spike"), (10.0, 2.0, "late")]
    path = write_edf("a.edf", seconds=20, annotations=notes)
    how: dict[str, Any] = HOW | {"labels": "annotations", "task": "multilabel"}
    report = prepare(path, out, **how)
    corpus = load_corpus(out)
    assert corpus.preprocessing.label_names == ("blink", "late", "spike", "sweat")
    assert corpus.targets.tolist() == [[1, 0, 0, 1], [1, 0, 1, 1], [0, 1, 0, 0]]
    assert report.labels == {"blink": 2, "late": 1, "spike": 1, "sweat": 2}
    prepare(path, out.parent / "b", **how, background="")
    assert load_corpus(out.parent / "b").targets[3:].tolist() == [[0, 0, 0, 0]] * 2
    prepare(path, out.parent / "c", **how, label_rule="centre")
    assert len(load_corpus(out.parent / "c")) == 3  # 10 s is the middle of 8 to 12 s


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("file|label\nsub-01_eeg|a;b\nsub-02_eeg|\nsub-03_eeg|b\n", ["label"]),
        ("file|a|b\nsub-01_eeg|1|1\nsub-02_eeg|0|0\nsub-03_eeg|0|1\n", ["a", "b"]),
    ],
)
def test_tags_stand_in_one_column_or_have_one_each(
    folder: Path, out: Path, table: Callable[..., Path], text: str, columns: list[str]
) -> None:
    how = HOW | {"task": "multilabel", "label_columns": columns}
    report = prepare(folder, out, labels=table(text, "t.tsv"), **how)
    corpus = load_corpus(out)
    assert corpus.preprocessing.label_names == ("a", "b")
    assert corpus.targets.tolist() == [[0, 1]] * 2 + [[1, 1]] * 2 + [[0, 0]] * 2
    assert report.labels == {"a": 2, "b": 4}


def test_targets_are_the_numbers_of_the_columns(
    folder: Path, out: Path, table: Callable[..., Path]
) -> None:
    path = table("participant_id|Age|score\nsub-01|30|-1.5\nsub-02|41.5|0\nsub-03|50|1e2\n")
    how = HOW | {"task": "regression", "label_columns": ["age", "score"]}
    report = prepare(folder, out, labels=path, **how)
    corpus = load_corpus(out)
    assert corpus.preprocessing.label_names == ("age", "score")
    expected = np.repeat([[50, 100], [30, -1.5], [41.5, 0]], 2, axis=0)
    np.testing.assert_array_equal(corpus.targets, expected)
    assert corpus.dataset["targets"][:] == expected.tolist()
    assert report.labels == {}
    assert "targets     age: mean 40.5, 30 to 50\n" in str(report)
    spread = report.targets["score"]
    assert (spread.total / spread.n, spread.least, spread.most) == (98.5 / 3, -1.5, 100)


def test_annotations_may_hold_the_numbers_of_a_regression(write_edf: WriteEdf, out: Path) -> None:
    path = write_edf("a.edf", seconds=8, annotations=[(0, 4, "2.5"), (4, 4, "-1")])
    write_edf("b.edf", seconds=8, annotations=[(0, 4, "tired")])
    how = HOW | {"labels": "annotations", "task": "regression"}
    report = prepare(path.parent, out, **how)
    assert load_corpus(out).targets.tolist() == [[2.5], [-1.0]]
    ((file, reason),) = report.quarantined
    assert file == "b.edf"
    assert "b.edf: the annotation 'tired' at 0 s must be a number" in reason


def test_several_columns_of_classes_are_kept_side_by_side(
    folder: Path, out: Path, table: Callable[..., Path]
) -> None:
    text = "file|sex|hand\nsub-01_eeg|f|left\nsub-02_eeg|m|right\nsub-03_eeg|f|right\n"
    path = table(text, "t.tsv")
    report = prepare(folder, out, **HOW, labels=path, label_columns=["sex", "hand"])
    corpus = load_corpus(out)
    assert corpus.preprocessing.label_columns == ("sex", "hand")
    assert corpus.preprocessing.label_names == ("f", "m")
    assert corpus.labels.tolist() == ["f", "f", "f", "f", "m", "m"]
    assert corpus.dataset["labels"][:][::2] == [["f", "right"], ["f", "left"], ["m", "right"]]
    assert report.labels == {"f": 4, "m": 2}


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        ("file|age\nsub-01_eeg|old\n", {}, r"line 2: the column age must be a number.*got 'old'"),
        ("file|age\nsub-01_eeg|inf\n", {}, "line 2: the column age must be a number"),
        (
            "file|age|b\nsub-01_eeg|2|1\n",
            {"task": "multilabel", "label_columns": ["age", "b"]},
            r"line 2: the column age must be 0 or 1, .* got '2'",
        ),
    ],
)
def test_a_cell_that_the_task_cannot_use_is_named(
    folder: Path,
    out: Path,
    table: Callable[..., Path],
    text: str,
    change: dict[str, Any],
    message: str,
) -> None:
    how = HOW | {"task": "regression", "label_columns": ["age"]} | change
    with pytest.raises(CorpusError, match=rf"t\.tsv, {message}"):
        prepare(folder, out, **how, labels=table(text, "t.tsv"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_columns": ["a"], "labels": "annotations"}, "are those of a table, or of files"),
        ({"task": "multilabel"}, "task is 'multilabel', but labels is 'none'"),
        ({"task": "tags"}, "task must be one of classes, multilabel, regression; got 'tags'"),
        ({"label_rule": "most"}, "label_rule must be one of overlap, centre, any; got 'most'"),
        ({"min_overlap": 1.5}, "min_overlap must be above 0 and at most 1"),
        ({"min_overlap": 0.5, "label_rule": "any"}, "goes with label_rule 'overlap'; got 0.5"),
        (
            {"label_rule": "any", "labels": "annotations", "align": "events"},
            "label_rule and min_overlap are for windows on a grid, or for tags",
        ),
        ({"table_sfreq": 100}, "table_sfreq and table_units are for tables and NumPy archives"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    folder: Path, out: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(folder, out, **HOW | change)
    assert not out.exists()


def test_a_filter_that_suits_no_recording_is_told_once(folder: Path, out: Path) -> None:
    message = r"^notch must lie above 1 and below 49 Hz .*\(controls/sub-03_eeg\.edf, .*sub-02"
    with pytest.raises(CorpusError, match=message):
        prepare(folder, out, **HOW | {"notch": 50})
    assert not out.exists()


def test_rate_and_unit_of_a_table_may_be_said(write_edf: WriteEdf, tmp_path: Path) -> None:
    data = np.random.default_rng(3).normal(0, 0.05, size=(800, 2)).round(3)
    table = tmp_path / "a.csv"
    np.savetxt(table, data, delimiter=",", header="C3,C4", comments="", fmt="%.3f")
    edf = write_edf("b.edf", seconds=8)
    out = tmp_path / "corpus"
    prepare([table, edf], out, **HOW, table_sfreq=100, table_units="mV")
    corpus = load_corpus(out)
    assert corpus.recordings.tolist() == ["a.csv"] * 2 + ["b.edf"] * 2
    assert corpus.preprocessing.units == ("µV", "µV")
    rows = corpus.rows([0])
    physical = rows.digital * rows.scale[..., None] + rows.offset[..., None]
    np.testing.assert_allclose(physical[0], data[:400].T * 1000, atol=0.1)
    with pytest.raises(CorpusError, match=r"a\.csv: nothing says its sampling rate"):
        prepare(table, tmp_path / "again", **HOW)


def test_short_recordings_are_kept_whole_when_asked_for(write_edf: WriteEdf, out: Path) -> None:
    path = write_edf("a.edf", seconds=10)
    write_edf("b.edf", seconds=3)
    report = prepare(path.parent, out, **HOW, keep_short=True)
    rows = load_corpus(out).dataset
    assert rows["n_times"][:] == [400, 400, 200, 300]
    assert rows["start"][:] == [0, 4, 8, 0]
    assert [len(signal) for signal in rows["signal"][:]] == [1600, 1600, 800, 1200]
    assert report.n_recordings == 2
