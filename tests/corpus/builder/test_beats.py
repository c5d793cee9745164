"""Beats, rhythms and notes of WFDB records as columns of labels, and the classes of AAMI."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.corpus import prepare
from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.labels.source import LabelSource
from biot.corpus.builder.sources import Source
from biot.corpus.manifest import Record
from biot.errors import CorpusError
from biot.signals import read_recording
from biot.signals.summary import overview

wfdb = pytest.importorskip("wfdb")

Write = Callable[..., Path]
EVENTS: dict[str, Any] = {"sfreq": 100, "window": 0.5, "align": "events", "labels": "annotations"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(
        samples: list[int], symbols: list[str], notes: list[str], name: str = "a", **options: Any
    ) -> Path:
        folder = tmp_path / "records"
        folder.mkdir(exist_ok=True)
        signal = np.random.default_rng(0).normal(size=(options.pop("n_times", 3600), 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # wfdb's own, about pandas
            wfdb.wrsamp(
                name, fs=360, units=["mV"], sig_name=["II"], p_signal=signal, fmt=["16"],
                write_dir=str(folder),
            )  # fmt: skip
            wfdb.wrann(
                name, "atr", np.array(samples), symbols, aux_note=notes, write_dir=str(folder),
                **options,
            )  # fmt: skip
        return folder / f"{name}.hea"

    return write


def found(path: Path) -> list[tuple[str, str, int, int]]:
    return [
        (a.column, a.label, round(a.onset * 360), round(a.duration * 360))
        for a in read_recording(path).annotations
    ]


def test_rhythms_last_until_the_next_and_other_marks_have_columns_of_their_own(
    write: Write,
) -> None:
    path = write(
        [20, 40, 60, 80, 100, 1000, 1200, 1400, 1500, 2000],
        ["+", "N", "~", "V", "p", "[", "]", "N", '"', "+"],
        ["(AFIB\0", "", "", "", "", "", "", "MISSB", "hello", "(VT"],
    )
    assert found(path) == [
        ("rhythm", "AFIB", 20, 1980), ("beat", "N", 40, 0), ("note", "~", 60, 0),
        ("beat", "V", 80, 0), ("wave", "p", 100, 0), ("note", "[", 1000, 200),
        ("note", "]", 1200, 0), ("beat", "N", 1400, 0), ("note", "MISSB", 1400, 0),
        ("note", "hello", 1500, 0), ("rhythm", "VT", 2000, 1600),
    ]  # fmt: skip
    assert "rhythm: AFIB" in str(overview(read_recording(path)))


def test_annotations_may_count_in_another_rate_and_have_several_numbers(write: Write) -> None:
    numbers = {"chan": np.array([0, 1, 0]), "num": np.array([0, 2, 0])}
    numbers["subtype"] = np.array([0, 3, 0])
    path = write([20, 20, 720], ["N", "V", "A"], ["", "", ""], fs=720, **numbers)
    assert found(path) == [("beat", "N", 10, 0), ("beat", "V", 10, 0), ("beat", "A", 360, 0)]


def test_beats_are_the_labels_and_rhythms_are_told(write: Write, tmp_path: Path) -> None:
    path = write([20, 400, 800], ["+", "N", "V"], ["(AFIB", "", ""])
    report = prepare(path, tmp_path / "c", **EVENTS)
    assert report.labels == {"N": 1, "V": 1}
    assert "'beat'; others with --label-column rhythm, in 1: a.hea" in "".join(report.notes)
    rhythm = EVENTS | {"align": "grid", "label_columns": ("rhythm",)}
    assert prepare(path, tmp_path / "r", **rhythm).labels == {"AFIB": 20}


def test_rhythms_are_the_labels_where_there_is_nothing_else(write: Write, tmp_path: Path) -> None:
    path = write([0, 1800], ["+", "+"], ["(AFL", "(N"])
    report = prepare(path, tmp_path / "c", **EVENTS | {"align": "grid"})
    assert report.labels == {"AFL": 10, "N": 10}


def test_a_column_that_is_not_there_is_refused_with_those_that_are(
    write: Write, tmp_path: Path
) -> None:
    path = write([20, 400], ["+", "N"], ["(N", ""])
    with pytest.raises(CorpusError, match=r"label_columns must be .*beat, rhythm.*got 'rythm'"):
        prepare(path, tmp_path / "c", **EVENTS, label_columns=("rythm",))


def test_labels_that_are_no_beats_are_refused_for_aami(write: Write, tmp_path: Path) -> None:
    path = write([20, 400], ["+", "+"], ["(AFIB", "(N"])
    with pytest.raises(CorpusError, match=r"label_map 'aami' is for symbols of beats.*'AFIB'"):
        prepare(path, tmp_path / "c", **EVENTS, label_map="aami")


def test_the_map_of_aami_has_the_classes_of_its_table() -> None:
    pairs = LabelMap.read("AAMI").pairs
    classes = {"N": "NLReBj", "S": "AaJSn", "V": "VEr", "F": "F", "Q": "/fQ?"}
    assert {old: new for old, new in pairs.items() if new} == {
        symbol: new for new, symbols in classes.items() for symbol in symbols
    }


def test_windows_of_record_100_are_its_raw_symbols(shared_data: Path, tmp_path: Path) -> None:
    record = shared_data / "readers/wfdb/100"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb's own, about pandas
        symbols = [s for s in wfdb.rdann(str(record), "atr").symbol if s != "+"]
    how = EVENTS | {"window": 0.2}
    report = prepare(record.with_suffix(".hea"), tmp_path / "c", **how, label_map="aami")
    raw = Counter({"A": "S", "V": "V", "N": "N"}[symbol] for symbol in symbols)
    room = report.dropped.get("events without room for a window", 0)
    assert sum(report.labels.values()) == len(symbols) - room
    assert room <= 1
    raw["N"] -= room  # the last beat is one
    assert report.labels == dict(raw)


def test_classes_of_mitdb_are_those_of_its_authors(
    shared_data: Path, write: Write, tmp_path: Path
) -> None:
    data = np.load(shared_data / "mitdb/mitdb_dev.npz")
    expected: Counter[str] = Counter()
    for name in data["records"].tolist()[4:7]:
        at = np.concatenate([data[f"{name}_beat_sample"], data[f"{name}_other_sample"]])
        symbols = np.concatenate([data[f"{name}_beat_symbol"], data[f"{name}_other_symbol"]])
        notes = [""] * len(data[f"{name}_beat_sample"]) + data[f"{name}_other_note"].tolist()
        order = np.argsort(at, kind="stable")
        path = write(
            at[order], symbols[order].tolist(), [notes[i] for i in order], name, n_times=216100
        )
        expected.update(data[f"{name}_beat_aami"].tolist())
    how = EVENTS | {"window": 0.1, "subject": r"(\d+)"}
    report = prepare(path.parent, tmp_path / "c", **how, label_map="aami")
    assert report.labels == dict(expected)


@pytest.mark.filterwarnings("ignore")  # the signals are equal
def test_a_corpus_has_labels_of_one_column(write: Write, tmp_path: Path) -> None:
    write([0, 1800], ["+", "+"], ["(AFL", "(N"], "rhythm")
    folder = write([0, 1800], ["+", "+"], ["(AFL", "(N"], "rhythm2").parent
    how, out = EVENTS | {"align": "grid"}, tmp_path / "c"
    assert prepare(folder, out, **how).labels == {"AFL": 20, "N": 20}
    write([20, 400, 800], ["+", "N", "V"], ["(AFIB", "", ""], "beats")
    report = prepare(folder, out, **how)
    assert report.labels == {"N": 1, "V": 1}  # and nothing of the rhythm N
    assert [name for name, _ in report.quarantined] == ["rhythm.hea", "rhythm2.hea"]
    assert report.quarantined[0][1] == (
        "rhythm.hea: has no labels in the column 'beat', which 1 of 3 recordings have, only in "
        "'rhythm', and a corpus has labels of one column. Choose another with "
        "label_columns=rhythm, or prepare it apart."
    )
    for file in folder.glob("beats.*"):
        file.unlink()
    assert prepare(folder, out, **how).labels == {"AFL": 20, "N": 20}


def test_a_column_that_was_asked_for_is_that_of_all_recordings(
    write: Write, tmp_path: Path
) -> None:
    write([0, 1800], ["+", "+"], ["(AFL", "(N"], "rhythm")
    folder = write([0, 400, 800], ["+", "N", "V"], ["(AFIB", "", ""], "beats").parent
    rhythm = EVENTS | {"align": "grid", "label_columns": ("rhythm",)}
    report = prepare(folder, tmp_path / "c", **rhythm)
    assert (report.labels, report.quarantined) == ({"AFIB": 20, "AFL": 10, "N": 10}, ())


def test_labels_of_wfdb_that_nobody_chose_a_column_for_are_chosen_anew() -> None:
    labels = LabelSource("annotations")
    old = Record(size=1, sha256="0", subject="a", labelled=True)
    assert labels.is_unchosen(Source("a.hea", Path("a.hea")), old)
    assert not labels.is_unchosen(Source("a.edf", Path("a.edf")), old)
    assert not labels.is_unchosen(Source("a.hea", Path("a.hea")), replace(old, labelled=False))
    chosen = replace(old, label_column="beat")
    assert not labels.is_unchosen(Source("a.hea", Path("a.hea")), chosen)


def test_files_of_labels_beside_records_have_the_same_columns(write: Write, tmp_path: Path) -> None:
    path = write([20, 400, 800], ["+", "N", "V"], ["(AFIB", "", ""])
    report = prepare(path, tmp_path / "c", **EVENTS | {"labels": "sidecars"})
    assert report.labels == {"N": 1, "V": 1}
    assert report.notes[-1] == (
        "labels are the annotations of the column 'beat'; others with --label-column rhythm, in "
        "1: a.hea"
    )


def test_a_table_of_labels_is_of_one_column_too(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write([0, 1800], ["+", "+"], ["(AFL", "(N"], "rhythm")
    folder = write([20, 400, 800], ["+", "N", "V"], ["(AFIB", "", ""], "beats").parent
    out = tmp_path / "labels.tsv"
    assert main(["labels", str(folder), "--labels", "annotations", "--out", str(out)]) == 0
    assert out.read_text().splitlines()[1:] == [
        "beats.hea\tbeats\t\t1.111111111\t0\tN\t", "beats.hea\tbeats\t\t2.222222222\t0\tV\t",
    ]  # fmt: skip
    assert "has no labels in the column 'beat'" in capsys.readouterr().out


def test_a_record_with_a_hypnogram_beside_it_is_not_prepared_again(
    write: Write, tmp_path: Path
) -> None:
    path = write([20], ["N"], [""], n_times=360 * 60)
    path.with_name("a_hypno.txt").write_text("W\nN1\n")
    how = EVENTS | {"window": 30, "labels": "annotations"}
    assert prepare(path, tmp_path / "c", **how).labels == {"N1": 1, "W": 1}
    (change,) = prepare(path, tmp_path / "c", **how).changes
    assert change.startswith("none: ")
