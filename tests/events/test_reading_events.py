"""Files of events are read back, ours and what others write."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from biot.errors import RecordingError
from biot.events.event import Event, Events
from biot.events.files.writing import write_events
from biot.events.reading import read_events

START = datetime(2021, 3, 4, 5, 6, 7, 250_000)
MADE = Events(
    name="night.edf",
    events=(
        Event(onset=10.25, duration=20.5, label="seiz", confidence=0.75),
        Event(onset=50.0, duration=9.0, label="=Anfall 中文"),
    ),
    duration=100.0,
    label_names=("bckg", "seiz", "=Anfall 中文"),
    background="bckg",
    sfreq=256.0,
    meas_date=START,
)


@pytest.mark.parametrize("suffix", ["events.tsv", "events.edf", "annot.fif", "annot.csv", ".atr"])
def test_what_we_write_is_read_back(tmp_path, suffix):
    written = write_events(MADE, tmp_path, ["bids", "edf", "mne", "wfdb"])
    (path,) = [path for path in written if path.name.endswith(suffix)]
    read = read_events(path, duration=100.0, meas_date=START, background="bckg")
    assert [event.label for event in read] == ["seiz", "=Anfall 中文"]
    assert [event.onset for event in read] == pytest.approx([10.25, 50.0], abs=1 / 256)
    assert [event.duration for event in read] == pytest.approx([20.5, 9.0], abs=1 / 256)
    assert read.duration == 100


def test_a_table_of_mne_without_a_start_may_begin_at_0(tmp_path):
    """MNE gives no date then, since its table has 1970-01-01 00:00:00."""
    for onset in (0.0, 2.5):
        one = Event(onset=onset, duration=2.0, label="seiz")
        made = Events(name="n.edf", events=(one,), duration=60.0)
        path = made.save(tmp_path / f"{onset}_annot.csv")
        assert [(event.onset, event.duration) for event in read_events(path)] == [(onset, 2.0)]


def test_szcore_says_how_long_the_recording_is(tmp_path):
    (path,) = write_events(MADE, tmp_path, ["szcore"], seizure_label=["seiz"])
    read = read_events(path)
    assert (read.duration, [event.label for event in read]) == (100, ["sz"])
    assert read.events[0].confidence == 0.75
    none = Events(name="n", events=(), duration=60.0)
    (path,) = write_events(none, tmp_path, ["szcore"], stem="none")
    assert (len(read_events(path)), read_events(path).duration) == (0, 60)


@pytest.mark.parametrize("name", ["bids", "edf", "mne", "wfdb"])
def test_no_events_are_read_as_none(tmp_path, name):
    none = Events(name="n.edf", events=(), duration=60.0, sfreq=100.0)
    for path in write_events(none, tmp_path, [name]):
        if path.suffix != ".json":
            assert len(read_events(path, duration=60.0)) == 0


def test_a_hypnogram_is_runs_of_stages(tmp_path):
    path = tmp_path / "hypno.txt"
    path.write_text("W\nW\nUNS\nN2\nN2\n")
    read = read_events(path, duration=140.0)
    assert [(e.onset, e.duration, e.label) for e in read] == [(0, 60, "W"), (90, 50, "N2")]
    path.write_text("W\nhello\n")
    with pytest.raises(RecordingError, match=r"hypno.txt, line 2: 'hello' is no stage"):
        read_events(path)


def test_a_table_of_somebody_else_is_read(tmp_path):
    path = tmp_path / "sub-1_events.tsv"
    path.write_text("onset\tduration\tvalue\ttrial_type\n1.5\tn/a\t7\tspike\n3\t2\t8\tn/a\n")
    (event,) = read_events(path)
    assert event == Event(onset=1.5, duration=0.0, label="spike")
    path.write_text("onset\tduration\ttrial_type\nsoon\t1\tspike\n")
    with pytest.raises(RecordingError, match="line 2: onset should be a number, and is 'soon'"):
        read_events(path)
    path.write_text("onset\tlength\n1\t2\n")
    with pytest.raises(RecordingError, match="has the columns onset, length"):
        read_events(path)


def test_dates_need_the_start_of_the_recording(tmp_path):
    _, table = write_events(MADE, tmp_path, ["mne"])
    with pytest.raises(RecordingError, match="its events have dates, the first 2021-03-04"):
        read_events(table)


def test_what_is_no_file_of_events_is_told(tmp_path):
    with pytest.raises(RecordingError, match="no such file of events"):
        read_events(tmp_path / "nothing.tsv")
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    with pytest.raises(RecordingError, match=r"x.png: is no file of events"):
        read_events(tmp_path / "x.png")
    (tmp_path / "x.edf").write_bytes(b"0       no")
    with pytest.raises(RecordingError, match=r"x.edf: cannot be read as a file of events"):
        read_events(tmp_path / "x.edf")


def test_real_annotations_are_read(shared_data: Path):
    beats = read_events(shared_data / "readers" / "wfdb" / "100.atr", sfreq=360.0, duration=1800.0)
    assert [event.label for event in beats] == ["N"]  # one rhythm all along
    stages = read_events(shared_data / "readers" / "edf" / "SC4001EC-Hypnogram.edf")
    assert len(stages) == 154
    assert stages.events[0].label == "Sleep stage W"
