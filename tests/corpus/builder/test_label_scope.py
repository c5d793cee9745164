"""Labels of whole recordings, and labels in time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from biot.cli import main
from biot.corpus import prepare
from biot.corpus.builder.settings import PrepareConfig
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]


def prepared(path: Path, **settings: Any) -> Any:
    return prepare(path, path.parent / "corpus", sfreq=100, window=4, **settings)


def table(folder: Path, text: str) -> Path:
    path = folder.parent / "labels.csv"
    path.write_text(text)
    return path


def test_a_note_labels_its_whole_recording(write_edf: WriteEdf) -> None:
    write_edf("a.edf", annotations=[(12.0, 0, "abnormal")])
    folder = write_edf("b.edf", annotations=[(3.0, 1.0, "normal"), (9.0, 0, "normal")]).parent
    report = prepared(folder, labels="annotations", label_scope="recording")
    assert report.labels == {"abnormal": 5, "normal": 5}  # 20 s each
    assert report.dropped == {}
    assert "labels count for whole recordings (label_scope=recording); times are not used" in (
        report.notes
    )
    in_time = prepare(folder, folder.parent / "other", sfreq=100, window=4, labels="annotations")
    assert in_time.labels == {"abnormal": 1, "normal": 2}


def test_a_recording_of_several_labels_is_set_aside_with_their_numbers(
    write_edf: WriteEdf, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = [(0.0, 1.0, "n"), (2.0, 1.0, "n"), (4.0, 0, "a")]
    path = write_edf("a.edf", annotations=notes)
    folder = write_edf("b.edf", annotations=[(1.0, 1.0, "n")]).parent
    report = prepared(folder, labels="annotations", label_scope="recording")
    assert report.labels == {"n": 5}
    assert report.quarantined == (
        (
            "a.edf",
            "a.edf: has 2 different labels, but with label_scope=recording one must hold for all "
            "of it: n 2, a 1. Keep one, or leave the others out with label_map.",
        ),
    )
    words = ["--out", str(path.parents[1] / "c"), "--sfreq", "100", "--window", "4"]
    words += ["--labels", "annotations", "--label-scope", "recording"]
    assert main(["prepare", str(folder), *words]) == 0
    told = capsys.readouterr().out
    assert "with --label-scope recording one must hold" in told
    assert "told         labels count for whole recordings (--label-scope recording)" in told
    mapped = prepare(
        folder, folder.parent / "mapped", sfreq=100, window=4, labels="annotations",
        label_scope="recording", label_map="a=",
    )  # fmt: skip
    assert mapped.labels == {"n": 10}


def test_tags_of_a_recording_are_those_of_all_its_labels(write_edf: WriteEdf) -> None:
    path = write_edf("a.edf", annotations=[(0.0, 1.0, "a;b"), (2.0, 1.0, "c")])
    report = prepared(path.parent, labels="annotations", label_scope="recording", task="multilabel")
    assert report.labels == {"a": 5, "b": 5, "c": 5}


def test_different_numbers_of_a_recording_are_no_target(write_edf: WriteEdf) -> None:
    write_edf("a.edf", annotations=[(0.0, 0, "61.5"), (2.0, 0, "60")])
    folder = write_edf("b.edf", annotations=[(1.0, 0, "7"), (2.0, 0, "7.0")]).parent
    report = prepared(folder, labels="annotations", label_scope="recording", task="regression")
    assert str(report.targets["label"]) == "mean 7, 7 to 7"
    assert report.quarantined[0][1].endswith("of it: 61.5 1, 60 1. Keep one.")


@pytest.mark.parametrize("rows", ["99,5", "n/a,n/a", "1,2"])
def test_times_of_a_table_are_neither_used_nor_checked(write_edf: WriteEdf, rows: str) -> None:
    path = write_edf("a.edf")
    text = f"file,onset,duration,label\na.edf,{rows},x\na.edf,3,1,x\n"
    report = prepared(path.parent, labels=table(path.parent, text), label_scope="recording")
    assert report.labels == {"x": 5}


def test_rows_that_differ_set_their_recording_aside(write_edf: WriteEdf) -> None:
    write_edf("a.edf")
    folder = write_edf("b.edf").parent
    text = "file,label\na.edf,x\na.edf,y\nb.edf,y\nb.edf,y\n"
    report = prepared(folder, labels=table(folder, text), label_scope="recording")
    assert report.labels == {"y": 5}
    assert "has 2 different labels" in report.quarantined[0][1]


def test_labels_in_time_need_times(write_edf: WriteEdf) -> None:
    path = write_edf("a.edf", annotations=[(0.0, 8.0, "x")])
    labels = table(path.parent, "file,label\na.edf,x\n")
    with pytest.raises(
        ConfigError,
        match=r"^label_scope=window goes with labels in time, but .*labels.csv labels whole "
        r"recordings. Give its rows an onset and a duration, or leave the option out.$",
    ):
        prepared(path.parent, labels=labels, label_scope="window")
    report = prepared(path.parent, labels="annotations", label_scope="window")
    assert report.labels == {"x": 2}
    assert "labels are in time (label_scope=window)" in report.notes


def test_another_scope_is_another_corpus(write_edf: WriteEdf) -> None:
    path = write_edf("a.edf", annotations=[(0.0, 8.0, "x")])
    prepared(path.parent, labels="annotations")
    with pytest.raises(CorpusError, match="label_scope None, not 'recording'"):
        prepared(path.parent, labels="annotations", label_scope="recording")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "none"}, "label_scope goes with labels, but labels is 'none'."),
        (
            {"labels": "folder", "label_scope": "window"},
            "label_scope=window goes with labels in time, but labels is 'folder', which label "
            "whole recordings.",
        ),
        (
            {"background": "rest"},
            "background goes with labels in time, but with label_scope=recording they count for "
            "whole recordings. Leave one of them out.",
        ),
        (
            {"epoch": (0, 2), "window": None},
            "epoch goes with labels in time, but with label_scope=recording they count for whole "
            "recordings. Leave one of them out.",
        ),
    ],
)
def test_what_does_not_go_with_a_scope_is_refused(settings: dict[str, Any], message: str) -> None:
    given = {"window": 2, "labels": "annotations", "label_scope": "recording", **settings}
    with pytest.raises(ConfigError) as caught:
        PrepareConfig(sfreq=100, **given)
    assert str(caught.value) == message
