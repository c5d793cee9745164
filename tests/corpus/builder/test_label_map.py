"""Labels under other names, several as one, or left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from biot.cli import main
from biot.corpus import load_corpus, prepare
from biot.corpus.builder.labels.mapping import LabelMap
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]
STAGES = ("Sleep stage 3", "Sleep stage 4", "Sleep stage W", "Sleep stage ?", "Sleep stage W")


@pytest.fixture
def night(write_edf: WriteEdf) -> Path:
    """Five windows of 4 s, each with a stage."""
    notes = [(4.0 * i, 4.0, stage) for i, stage in enumerate(STAGES)]
    return write_edf("a.edf", annotations=notes)


def prepared(path: Path, **settings: Any) -> Any:
    return prepare(path, path.parents[1] / "corpus", sfreq=100, window=4, **settings)


TEXT = "Sleep stage 3,Sleep stage 4=N3,Sleep stage ?="


@pytest.mark.parametrize("suffix", [None, ".tsv", ".csv"])
def test_labels_are_renamed_merged_and_left_out(night: Path, suffix: str | None) -> None:
    label_map: Any = TEXT
    if suffix is not None:
        label_map = night.parents[1] / f"map{suffix}"
        rows = ["label,new", "Sleep stage 3,N3", "Sleep stage 4,N3", "Sleep stage ?,"]
        label_map.write_text("\n".join(rows).replace(",", "\t" if suffix == ".tsv" else ","))
    report = prepared(night, labels="annotations", label_map=label_map)
    assert report.labels == {"N3": 2, "Sleep stage W": 2}
    assert report.dropped == {"windows without a label": 1}
    assert load_corpus(report.out).preprocessing.label_names == ("N3", "Sleep stage W")
    assert report.label_map == (
        "left out: Sleep stage ? 1",
        "N3: Sleep stage 3 1, Sleep stage 4 1",
        "not in the map, so as they were: Sleep stage W 2",
    )
    assert "\nlabel map   left out: Sleep stage ? 1" in str(report)


def test_a_label_that_no_recording_has_is_told_with_a_near_one(night: Path) -> None:
    report = prepared(night, labels="annotations", label_map="Sleep stage w=W")
    assert report.label_map[-1] == (
        "no recording has the label 'Sleep stage w'. Did you mean 'Sleep stage W'?"
    )


def test_labels_of_folders_are_mapped(write_edf: WriteEdf) -> None:
    write_edf("normal/a.edf")
    root = write_edf("other/b.edf").parents[1]
    out = root.parent / "corpus"
    report = prepare(root, out, sfreq=100, window=4, labels="folder", label_map="other=abnormal")
    assert report.labels == {"abnormal": 5, "normal": 5}


def test_labels_of_a_table_are_mapped(night: Path) -> None:
    table = night.parents[1] / "labels.csv"
    table.write_text("file,label,onset,duration\na.edf,x,0,8\na.edf,y,8,4\n")
    report = prepared(night, labels=table, label_map="x=one,y=")
    assert report.labels == {"one": 2}


def test_tags_are_mapped_one_by_one(night: Path) -> None:
    table = night.parents[1] / "labels.csv"
    table.write_text("file,label,onset,duration\na.edf,x;y,0,4\na.edf,z,4,4\na.edf,,8,4\n")
    report = prepared(night, labels=table, task="multilabel", label_map="x,y=one,z=")
    assert report.labels == {"one": 1}
    assert report.n_windows == 2  # that of no tag stays, that of a tag that is left out does not


def test_another_map_is_refused_on_the_same_corpus(night: Path) -> None:
    prepared(night, labels="annotations", label_map=TEXT)
    prepared(night, labels="annotations", label_map=TEXT)
    with pytest.raises(CorpusError, match="label_map"):
        prepared(night, labels="annotations", label_map="Sleep stage 3=N3")


@pytest.mark.parametrize("text", ["a", "a=b,c", "=b", "a=b=c", "", "a=b,,c=d"])
def test_what_is_no_map_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="label_map must be OLD=NEW, several"):
        LabelMap.read(text)


def test_a_label_with_two_new_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="'a' is to be 'b' and 'c'"):
        LabelMap.read("a=b,a=c")


def test_a_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("W,N3\na,b\n")
    with pytest.raises(ConfigError, match=r"columns label and new; .*map\.csv: it has W, N3"):
        LabelMap.read(str(tmp_path / "map.csv"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "regression", "labels": "annotations"}, "label_map is for classes and tags"),
        ({"labels": "none"}, "label_map goes with labels, but labels is 'none'"),
        ({"labels": "t.csv", "label_columns": ("a", "b")}, "label_map is for one column"),
    ],
)
def test_a_map_without_names_to_change_is_refused(
    night: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepared(night, label_map="a=b", **settings)


def test_the_command_names_the_option(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", str(night), "--out", str(night.parents[1] / "c"), "--sfreq", "100"]
    words += ["--window", "4", "--labels", "annotations", "--label-map"]
    assert main([*words, "a"]) == 1
    assert "--label-map must be OLD=NEW" in capsys.readouterr().err
    assert main([*words, TEXT]) == 0
    assert "label map   left out: Sleep stage ? 1" in capsys.readouterr().out


def test_the_table_of_the_map_is_not_written_over(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = night.parents[1] / "c" / "map.csv"
    table.parent.mkdir()
    table.write_text("label,new\na,b\n")
    words = ["prepare", str(night), "--out", str(table.parent), "--sfreq", "100", "--window", "4"]
    assert main([*words, "--labels", "annotations", "--label-map", str(table)]) == 1
    assert "holds the input" in capsys.readouterr().err
    assert table.is_file()


def test_a_map_that_leaves_out_all_labels_is_told(night: Path) -> None:
    label_map = ",".join(STAGES) + "="
    with pytest.raises(CorpusError, match=r"label_map leaves out all labels \(Sleep stage W 2, "):
        prepared(night, labels="annotations", label_map=label_map)
