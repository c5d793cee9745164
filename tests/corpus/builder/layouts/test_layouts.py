"""Layouts as a user meets them: recognised, named, overridden, listed, written as a table."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from biot.cli import main
from biot.corpus import drop, load_corpus, prepare
from biot.corpus.builder.layouts import DatasetLayout, layout, layouts, register, whole
from biot.corpus.builder.settings import PrepareConfig
from biot.errors import ConfigError, CorpusError

Lay = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
TRIALS = [(0, 4.2, "T0"), (4.2, 4.1, "T1"), (8.3, 4.2, "T0"), (12.5, 4.1, "T2")]


@pytest.fixture
def folder(lay_edf: Lay, tmp_path: Path) -> Path:
    """Two subjects of eegmmidb."""
    for subject in ("S001", "S002"):
        path = tmp_path / "eegmmidb" / subject / f"{subject}R04.edf"
        lay_edf(path, ("Fc5.", "C3..", "Cz.."), seconds=20, sfreq=160, notes=TRIALS)
    return tmp_path / "eegmmidb"


def test_a_layout_is_recognised_where_rate_and_window_are_left_out(
    folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(["prepare", str(folder), "--out", str(tmp_path / "corpus")]) == 0
    told = capsys.readouterr().out
    assert "recognised as EEG Motor Movement/Imagery Dataset; --layout none turns that off" in told
    assert "--sfreq 160 --window 4 --align events" in told
    assert load_corpus(tmp_path / "corpus").preprocessing.label_names == (
        "left fist", "rest", "right fist",
    )  # fmt: skip


def test_a_layout_is_only_told_of_where_rate_and_window_are_given(
    folder: Path, tmp_path: Path
) -> None:
    report = prepare(folder, tmp_path / "corpus", sfreq=100, window=2)
    assert report.labels == {}
    assert "looks like EEG Motor Movement/Imagery Dataset: --layout eegmmidb would give" in str(
        report
    )


def test_without_a_layout_rate_and_window_are_asked_for(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sfreq is not given.*`biot layouts` lists"):
        prepare(folder, tmp_path / "corpus", layout="none", window=2)
    with pytest.raises(ConfigError, match="window is not given"):
        prepare(folder, tmp_path / "corpus", layout="none", sfreq=100)


def test_what_is_given_goes_before_what_the_layout_says(folder: Path, tmp_path: Path) -> None:
    report = prepare(
        folder, tmp_path / "corpus", layout="eegmmidb", sfreq=80, window=1, align="grid",
        label_map="rest=", channels="C3",
    )  # fmt: skip
    assert (report.preprocessing.sfreq, report.preprocessing.window) == (80, 1)
    assert report.preprocessing.ch_names == ("C3..",)
    assert set(report.labels) == {"left fist", "right fist"}


def test_a_default_that_is_given_is_given(folder: Path) -> None:
    assert PrepareConfig(align="grid").given == {"align"}
    assert replace(PrepareConfig(align="grid"), window=2).given >= {"align", "window"}


def test_own_labels_may_be_used_with_the_other_settings_of_a_layout(
    folder: Path, tmp_path: Path
) -> None:
    report = prepare(folder, tmp_path / "corpus", layout="eegmmidb", labels="annotations")
    assert set(report.labels) == {"T0", "T1", "T2"}
    assert report.preprocessing.sfreq == 160
    assert not (tmp_path / "corpus" / "labels.tsv").exists()


def test_a_layout_that_is_not_known_is_refused_with_a_near_word(
    folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = ["prepare", str(folder), "--layout", "eegmidb", "--out", str(tmp_path / "corpus")]
    assert main(words) == 1
    assert "--layout must be none or one of sleep-edf" in (told := capsys.readouterr().err)
    assert "Did you mean 'eegmmidb'?" in told


def test_a_folder_that_is_not_as_published_is_told_what_was_expected_and_found(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError) as caught:
        prepare(folder, tmp_path / "corpus", layout="tuab")
    assert str(caught.value) == (
        "What is given does not look like TUH Abnormal EEG Corpus, the layout tuab, which expects "
        "edf/{train,eval}/{normal,abnormal}/01_tcp_ar/…/aaaaaaaa_s001_t000.edf. Found: 2 .edf "
        "(S001/S001R04.edf, S002/S002R04.edf); none of them is named so. Give the folder as it was "
        "published, or another layout: `biot layouts` lists them."
    )


def test_files_that_are_absent_beside_the_recordings_are_named(
    lay_edf: Lay, tmp_path: Path
) -> None:
    lay_edf(tmp_path / "chb01" / "chb01_03.edf", ("FP1-F7",))
    with pytest.raises(CorpusError, match=r"there is no chb01-summary.txt in the folder of"):
        prepare(tmp_path / "chb01", tmp_path / "corpus", layout="chb-mit")


def test_recordings_of_other_names_are_left_out_and_named(
    folder: Path, lay_edf: Lay, tmp_path: Path
) -> None:
    lay_edf(folder / "notes.edf", ("Cz",))
    report = prepare(folder, tmp_path / "corpus", layout="eegmmidb")
    what = "recordings not named as in the layout eegmmidb"
    assert report.dropped[what] == 1
    assert f"{what}: notes.edf" in report.notes


def test_a_recording_that_cannot_be_read_is_quarantined(folder: Path, tmp_path: Path) -> None:
    (folder / "S003").mkdir()
    (folder / "S003" / "S003R04.edf").write_bytes(b"0       ")
    report = prepare(folder, tmp_path / "corpus", layout="eegmmidb")
    assert [name for name, _ in report.quarantined] == ["S003/S003R04.edf"]
    assert report.n_recordings == 2


def test_two_workers_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        prepare(folder, tmp_path / f"corpus{workers}", layout="eegmmidb", workers=workers)
    one, two = (load_corpus(tmp_path / f"corpus{workers}") for workers in (1, 2))
    assert one.fingerprint == two.fingerprint


# labels.tsv -----------------------------------------------------------------------------------


def test_the_table_of_labels_makes_the_same_corpus(folder: Path, tmp_path: Path) -> None:
    table, settings = tmp_path / "labels.tsv", {"sfreq": 160, "window": 4, "align": "events"}
    assert main(["labels", str(folder), "--layout", "eegmmidb", "--out", str(table)]) == 0
    one = prepare(folder, tmp_path / "one", layout="eegmmidb")
    other = prepare(folder, tmp_path / "other", layout="none", labels=table, **settings)
    assert one.labels == other.labels
    assert (tmp_path / "one" / "labels.tsv").read_bytes() == table.read_bytes()
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[:2] == [
        ["file", "subject", "session", "onset", "duration", "label", "split"],
        ["S001/S001R04.edf", "S001", "R04", "0", "4.2", "rest", ""],
    ]


def test_labels_are_written_without_a_layout_too(
    folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "labels.tsv"
    words = ["labels", str(folder), "--labels", "annotations", "--label-map", "T1,T2=fist,T0="]
    assert main([*words, "--out", str(out)]) == 0
    assert "fist: 4" in capsys.readouterr().out
    assert out.read_text().count("\tfist\t") == 4


def test_labels_without_anything_to_say_what_they_are_is_refused(
    lay_edf: Lay, tmp_path: Path, capsys: Capture
) -> None:
    lay_edf(tmp_path / "mine" / "a.edf", ("Cz",))
    assert main(["labels", str(tmp_path / "mine"), "--out", str(tmp_path / "labels.tsv")]) == 1
    assert "--labels must say where labels come from" in capsys.readouterr().err
    assert not (tmp_path / "labels.tsv").exists()


def test_a_table_of_labels_that_was_lost_or_changed_is_written_anew(
    folder: Path, tmp_path: Path
) -> None:
    prepare(folder, tmp_path / "corpus", layout="eegmmidb")
    table = tmp_path / "corpus" / "labels.tsv"
    content = table.read_bytes()
    for spoil, how in ((table.unlink, "missing"), (lambda: table.write_text("x"), "damaged")):
        spoil()
        report = prepare(folder, tmp_path / "corpus", layout="eegmmidb")
        assert report.changes == (f"labels.tsv was {how} and is written anew",)
        assert table.read_bytes() == content


def test_a_subject_that_is_removed_leaves_the_table_of_labels(folder: Path, tmp_path: Path) -> None:
    prepare(folder, tmp_path / "corpus", layout="eegmmidb")
    drop(tmp_path / "corpus", "S002")
    text = (tmp_path / "corpus" / "labels.tsv").read_text()
    assert "S001" in text
    assert "S002" not in text
    prepare(folder, tmp_path / "corpus", layout="eegmmidb")
    assert "S002" not in (tmp_path / "corpus" / "labels.tsv").read_text()


# the list -------------------------------------------------------------------------------------


def test_all_layouts_are_listed(capsys: Capture) -> None:
    assert main(["layouts"]) == 0
    told = capsys.readouterr().out
    for name, known in layouts().items():
        assert re.search(rf"^{name}: ", told, re.MULTILINE)
        assert known.licence in told
    assert max(map(len, told.splitlines())) <= 100


@pytest.mark.parametrize("name", list(layouts()))
def test_the_settings_of_a_layout_are_settings(name: str) -> None:
    known = layout(name)
    config = PrepareConfig(**{"labels": "layout", **known.settings})
    assert config.is_complete


def test_a_layout_of_ones_own_is_registered(
    lay_edf: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("biot.corpus.builder.layouts.registry._KNOWN", dict(layouts()))
    mine = DatasetLayout(
        name="mine", title="Mine", expects="rest/p01.edf, task/p01.edf", licence="own",
        recordings=r"(?P<label>rest|task)/(?P<subject>p\d+)\.edf",
        labels=lambda found: [whole(found.groups["label"])],
        label_names=("rest", "task"), settings={"sfreq": 100, "window": 5},
    )  # fmt: skip
    register(mine)
    for place in ("rest", "task"):
        lay_edf(tmp_path / "data" / place / f"p0{len(place) + (place == 'rest')}.edf", ("Cz",))
        lay_edf(tmp_path / "data" / place / f"p1{place == 'rest':d}.edf", ("Cz",))
    report = prepare(tmp_path / "data", tmp_path / "corpus", layout="mine")
    assert report.labels == {"rest": 8, "task": 8}
    with pytest.raises(ConfigError, match="cannot be called 'tuab'"):
        register(replace(mine, name="tuab"))
