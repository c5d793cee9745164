"""Folders of reference files, as other programs and `biot predict` lay them out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfSignal

from biot.corpus.builder.reference import ReferenceLabels
from biot.corpus.builder.settings import PrepareConfig
from biot.errors import CorpusError
from biot.events.event import Event, Events
from biot.events.files.writing import write_events
from biot.inference.scoring.evaluate import evaluate_events
from biot.signals.readers import read_recording

STARTED = datetime(2024, 3, 5, 22, 15, 30)
EVENTS = (
    Event(onset=10.0, duration=8.0, label="sz", confidence=0.5),
    Event(onset=60.0, duration=20.5, label="sz", confidence=0.5),
)
SZCORE = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"


def recording(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).standard_normal(50 * 100)
    signal = EdfSignal(data, 50, label="C3", physical_dimension="uV", physical_range=(-9, 9))
    Edf([signal], starttime=STARTED.time(), recording=None).write(path)
    return path


def table(path: Path, text: str = "1\t2\tsz\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("onset\tduration\ttrial_type\n" + text)
    return path


def found(where: Path, place: Path, **settings) -> dict[str, list[tuple[float, float, str]]]:
    """Stretches of each recording of which something is known."""
    config = PrepareConfig(labels="annotations", **settings)
    known = ReferenceLabels.open(where, config, place=place)
    read = {one.recording: known.read(one) for one in known.sources}
    lacking = [name for name in read if known.lacks(name) is not None]
    stretches = {
        one.recording: known.stretches(one, read[one.recording], {}, [])
        for one in known.sources
        if one.recording not in lacking
    }
    return {
        name: [(round(s.onset, 2), round(s.duration, 2), str(s.label)) for s in those]
        for name, those in stretches.items()
    }


@pytest.mark.parametrize("form", ["bids", "szcore", "edf", "mne", "wfdb"])
def test_a_folder_that_predict_wrote_is_a_reference(tmp_path, form):
    path = recording(tmp_path / "eeg" / "sub-1_task-x_eeg.edf")
    read = read_recording(path)
    events = Events(
        name=path.name, events=EVENTS, duration=100.0, label_names=("bckg", "sz"),
        background="bckg", sfreq=50.0, meas_date=read.meas_date, path=path,
    )  # fmt: skip
    write_events(events, tmp_path / "out" / "events", [form])
    for place in (tmp_path / "out" / "events", tmp_path / "out"):
        (rows,) = found(path.parent, place).values()
        kept = [row for row in rows if row[2] == "sz"]
        assert kept == [(10.0, 8.0, "sz"), (60.0, 20.5, "sz")]


def test_a_folder_as_szcore_lays_it_out_meets_recordings_that_lie_flat(tmp_path):
    for subject, row in (("01", "10\t5\tsz"), ("02", "0\t100\tbckg")):
        stem = f"sub-{subject}_ses-01_task-szMonitoring_run-00"
        recording(tmp_path / "eeg" / f"{stem}_eeg.edf")
        place = tmp_path / "ref" / f"sub-{subject}" / "ses-01" / "eeg" / f"{stem}_events.tsv"
        table(place)
        place.write_text(f"{SZCORE}{row}\tn/a\tn/a\t1985-01-01 00:00:00\t100\n")
    rows = found(tmp_path / "eeg", tmp_path / "ref")
    assert list(rows.values()) == [[(10.0, 5.0, "sz")], [(0.0, 100.0, "bckg")]]


def test_one_file_is_not_taken_for_two_recordings(tmp_path):
    for subject in ("a", "b"):
        recording(tmp_path / "eeg" / subject / "night.edf")
    table(tmp_path / "ref" / "night_events.tsv")
    with pytest.raises(CorpusError, match="may be the file of labels of 2 recordings: a/night"):
        found(tmp_path / "eeg", tmp_path / "ref")
    (tmp_path / "ref" / "night_events.tsv").unlink()
    table(tmp_path / "ref" / "x" / "b" / "night_events.tsv", "3\t4\tsz\n")
    table(tmp_path / "ref" / "x" / "a" / "night_events.tsv", "1\t2\tsz\n")
    rows = found(tmp_path / "eeg", tmp_path / "ref")
    assert rows == {"a/night.edf": [(1.0, 2.0, "sz")], "b/night.edf": [(3.0, 4.0, "sz")]}


def test_two_files_for_one_recording_are_told_and_chosen_by_their_ends(tmp_path):
    recording(tmp_path / "eeg" / "night.edf")
    for expert, onset in (("anna", 1), ("berta", 2)):
        table(tmp_path / "ref" / f"night_desc-{expert}_events.tsv", f"{onset}\t2\tsz\n")
    with pytest.raises(CorpusError, match=r"2 files of labels may be those of night\.edf.*sidecar"):
        found(tmp_path / "eeg", tmp_path / "ref")
    rows = found(tmp_path / "eeg", tmp_path / "ref", sidecar="_desc-berta_events.tsv")
    assert rows == {"night.edf": [(2.0, 2.0, "sz")]}


def test_files_of_other_recordings_are_no_labels_of_these(tmp_path):
    recording(tmp_path / "eeg" / "sub-1_task-x_eeg.edf")
    table(tmp_path / "ref" / "pat7_events.tsv")  # BIDS inherits entities, and this has none
    with pytest.raises(CorpusError, match="no file of labels there belongs to one of the 1"):
        found(tmp_path / "eeg", tmp_path / "ref")


def test_a_summary_in_another_folder_tells_of_its_recordings(tmp_path):
    for name in ("chb01_03", "chb01_04", "chb01_05"):
        recording(tmp_path / "eeg" / f"{name}.edf")
    summary = tmp_path / "ref" / "chb01" / "chb01-summary.txt"
    summary.parent.mkdir(parents=True)
    summary.write_text(
        "Data Sampling Rate: 256 Hz\n\nFile Name: chb01_03.edf\nNumber of Seizures in File: 1\n"
        "Seizure Start Time: 27 seconds\nSeizure End Time: 34 seconds\n\n"
        "File Name: chb01_04.edf\nNumber of Seizures in File: 0\n"
    )
    for place in (summary, summary.parent, tmp_path / "ref"):
        rows = found(tmp_path / "eeg", place)
        assert rows == {"chb01_03.edf": [(27.0, 7.0, "seizure")], "chb01_04.edf": []}
        known = ReferenceLabels.open(
            tmp_path / "eeg", PrepareConfig(labels="annotations"), place=place
        )
        assert not any("--background" in note for note in known.notes)  # it says nothing here


def test_one_table_without_names_is_refused_for_several_recordings(model_folder, tmp_path):
    for name in ("a", "b"):
        recording(tmp_path / "eeg" / f"{name}.edf")
    with pytest.raises(CorpusError, match=r"does not say which of the 2 recordings.*a column file"):
        evaluate_events(model_folder, tmp_path / "eeg", table(tmp_path / "t.tsv"), device="cpu")


def test_labels_of_another_start_are_moved_also_from_another_folder(tmp_path):
    recording(tmp_path / "eeg" / "night.edf")
    events = Events(
        name="night.edf", events=EVENTS, duration=100.0, label_names=("sz",),
        meas_date=datetime(1985, 1, 1, 22, 15, 40),
    )  # fmt: skip
    write_events(events, tmp_path / "ref", ["edf"], stem="night")
    rows = found(tmp_path / "eeg", tmp_path / "ref")
    assert rows == {"night.edf": [(20.0, 8.0, "sz"), (70.0, 20.5, "sz")]}
