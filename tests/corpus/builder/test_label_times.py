"""Columns of a table that say from when to when a label holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from biot.corpus import load_corpus, prepare
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.labels.table import LabelTable
from biot.corpus.builder.labels.table_columns import TableColumns
from biot.corpus.builder.windows.events import Stretch
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., LabelTable]:
    def make(header: str, *rows: str, label: str = "label", **columns: str) -> LabelTable:
        path = tmp_path / "events.csv"
        path.write_text("\n".join([f"file,label,{header}", *(f"one,x,{row}" for row in rows), ""]))
        how = LabelFormat(columns=(label,))
        return LabelTable.read(path, ["one.edf"], how, columns=TableColumns(**columns))

    return make


@pytest.mark.parametrize("start", ["start", "Start_Time", "begin", "t start", "tstart", "from"])
@pytest.mark.parametrize("stop", ["stop", "stop_time", "End", "end time", "offset", "to"])
def test_start_and_stop_are_understood_by_the_names_people_use(
    read: Callable[..., LabelTable], start: str, stop: str
) -> None:
    table = read(f"{start},{stop}", "14.5,30.25")
    assert table.stretches("one.edf", 60.0) == [Stretch(14.5, 15.75, "x")]
    assert table.notes == (f"events.csv: onset from {start!r}, duration from {stop!r} - {start!r}",)


@pytest.mark.parametrize("name", ["duration", "length", "dur", "duration_s", "Duration (sec)"])
def test_a_duration_has_several_names_and_perhaps_a_unit(
    read: Callable[..., LabelTable], name: str
) -> None:
    assert read(f"onset,{name}", "1.1,2").stretches("one.edf", 9.0) == [Stretch(1.1, 2.0, "x")]


def test_other_units_are_converted_and_said(read: Callable[..., LabelTable]) -> None:
    table = read("start_ms,stop (ms)", "1500,2750")
    assert table.stretches("one.edf", 9.0) == [Stretch(1.5, 1.25, "x")]
    assert table.notes[0].endswith("converted to seconds: 'start_ms' in ms and 'stop (ms)' in ms")


def test_differences_are_exact_in_decimals(read: Callable[..., LabelTable]) -> None:
    assert read("start,stop", "0.1,0.3").stretches("one.edf", 9.0) == [Stretch(0.1, 0.2, "x")]


def test_without_a_duration_a_row_is_an_instant(read: Callable[..., LabelTable]) -> None:
    table = read("onset,duration", "1,n/a", "2,", "3,NaN")
    assert [one.duration for one in table.stretches("one.edf", 9.0)] == [0.0, 0.0, 0.0]


def test_rows_without_an_onset_are_left_out_and_counted(read: Callable[..., LabelTable]) -> None:
    table = read("onset,duration", "n/a,1", "2,1", "nan,1", ",1")
    assert table.stretches("one.edf", 9.0) == [Stretch(2.0, 1.0, "x")]
    (told,) = table.left_out
    assert told == "3 rows of events.csv without an onset are left out: lines 2, 4, 5"


def test_columns_that_say_the_same_are_fine_and_said(read: Callable[..., LabelTable]) -> None:
    table = read("onset,start,duration,stop", "1,1.0,2.001,3", "n/a,4,1,5")
    assert table.stretches("one.edf", 9.0) == [Stretch(1.0, 2.001, "x")]
    assert table.notes[0].endswith("start, stop would give the same")


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("onset,start,duration", "1,2,3", "onset and start both may say when labels begin"),
        ("onset,duration,stop", "1,2,9", "duration and stop both may say when labels end"),
        ("onset,stop,end", "1,2,3", "stop and end both may say when labels end.*line 2"),
        ("start,stop", "5,3", "line 2: the column stop says 3.* before start, 5"),
        ("start,stop", "12:03:04,12:03:09", "number of seconds .* Clock times are not understood"),
        ("onset,label2", "1,2", "the column duration is missing"),
        ("stop_time,label2", "1,2", "the column onset is missing"),
        ("time,a", "3.5,b", "column time looks like times of events.*--label-scope recording"),
        ("sample,a", "100,b", "column sample looks like"),
        ("seizure_start,seizure_end", "3,4", "columns seizure_start, seizure_end look like"),
        ("start_sample,a", "100,b", "start_sample looks like.*divided by the rate"),
        ("onset_clock,a", "12:03:04,b", "onset_clock looks like"),
        ("start,end", "12:30,12:40", "convert them to seconds.*--label-scope recording"),
        ("Start,End", "10 s,20 s", "column Start must be a number of seconds.*got '10 s'"),
        ("start,end", "00h01m,00h02m", "column start must be a number of seconds"),
        ("start,end", "2020-01-03 12:00:00,2020-01-03 12:00:10", "Clock times are not"),
        ("start,end", '"10,5","20,5"', "got '10,5'. Decimals have a point where commas separate"),
        ("start_h,end_h", "1,2", "columns start_h, end_h look like times"),
        ("StartSec,EndSec", "1,2", "columns StartSec, EndSec look like times"),
        ("tmin,tmax", "1,2", "columns tmin, tmax look like times"),
    ],
)
def test_times_that_are_not_understood_are_refused(
    read: Callable[..., LabelTable], header: str, row: str, message: str
) -> None:
    with pytest.raises(CorpusError, match=rf"events\.csv.*{message}"):
        read(header, row)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("recording_date,age", "1984-11-14 12:55:37,30"),
        ("recording_time,strat_fold", "12:55:37,3"),
        ("length,to", "180,ward"),
        ("from,to", "ward A,ward B"),
        ("age_onset,start_date", "30,2020-01-01"),
        ("end_stage,duration_of_illness", "3,12"),
    ],
)
def test_columns_of_other_things_are_no_times(
    read: Callable[..., LabelTable], header: str, row: str
) -> None:
    assert not read(header, row).has_events


@pytest.mark.parametrize("row", ["2020-01-03,2020-01-04", "03.01.2020,4.1.20", "spring,autumn"])
def test_dates_and_words_under_the_names_of_times_are_told(
    read: Callable[..., LabelTable], row: str
) -> None:
    table = read("start,end", row)
    assert not table.has_events
    assert table.notes == (
        "events.csv: rows label whole recordings; of dates or words, and no times of events, are "
        "'start', 'end'",
    )


def test_decimal_commas_are_read_where_commas_separate_no_cells(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("File;Start;End;Label\none.edf;0,0;10,5;x\none.edf;10,50;12;y\n")
    table = LabelTable.read(path, ["one.edf"], LabelFormat(columns=("Label",)))
    assert table.stretches("one.edf", 60.0) == [Stretch(0, 10.5, "x"), Stretch(10.5, 1.5, "y")]
    told = "events.csv: onset from 'Start', duration from 'End' - 'Start'; their commas are decimal"
    assert table.notes == (told,)


def test_a_label_column_is_never_a_time(read: Callable[..., LabelTable]) -> None:
    assert not read("onset", "3", label="onset").has_events


def test_the_user_may_name_the_columns(read: Callable[..., LabelTable]) -> None:
    table = read("seizure_start,seizure_end", "3,5", onset="Seizure_Start", stop="seizure_end")
    assert table.stretches("one.edf", 9.0) == [Stretch(3.0, 2.0, "x")]
    table = read("a,onset,duration", "3,1,1", onset="a")
    assert table.stretches("one.edf", 9.0) == [Stretch(3.0, 1.0, "x")]
    with pytest.raises(CorpusError, match=r"onset_sample counts samples"):
        read("onset_sample,stop_sample", "1,2", onset="onset_sample", stop="stop_sample")
    with pytest.raises(CorpusError, match="there is no column 'begins', as onset_column says"):
        read("onset,duration", "1,2", onset="begins")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("ptbxl/records500/ptbxl_database_rows.csv", "sex"),
        ("readers/bids_tiny/participants.tsv", "sex"),
        ("eegmat/subject-info.csv", "Gender"),
    ],
)
def test_real_tables_of_recordings_have_no_times(shared_data: Path, name: str, label: str) -> None:
    recordings = ["records500/00000/00002_hr.hea", "sub-01_eeg.edf", "Subject00_2.edf"]
    who = {"sub-01_eeg.edf": "sub-01", "Subject00_2.edf": "Subject00"}
    table = LabelTable.read(
        shared_data / name, recordings, LabelFormat(columns=(label,)), lambda r: who.get(r, r)
    )
    assert not table.has_events


def test_a_seizure_by_start_and_stop_does_not_label_the_whole_recording(
    write_edf: WriteEdf, tmp_path: Path
) -> None:
    folder = write_edf("rec1.edf", seconds=40).parent
    table = tmp_path / "labels.csv"
    table.write_text("file,start_time,stop_time,label\nrec1.edf,14,30.5,seiz\nrec1.edf,n/a,3,x\n")
    report = prepare(folder, tmp_path / "corpus", sfreq=100, window=2, labels=table)
    assert load_corpus(tmp_path / "corpus").starts.tolist() == [14 + 2 * i for i in range(8)]
    assert any("onset from 'start_time'" in note for note in report.notes)
    assert any("without an onset" in note for note in report.notes)
    with pytest.raises(CorpusError, match=r"without an onset .* strict forbids that"):
        prepare(folder, tmp_path / "c2", sfreq=100, window=2, labels=table, strict=True)


def test_two_columns_for_the_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="duration_column and stop_column both say"):
        prepare(
            tmp_path, tmp_path / "c", sfreq=100, window=2, labels=tmp_path / "t.csv",
            duration_column="a", stop_column="b",
        )  # fmt: skip
