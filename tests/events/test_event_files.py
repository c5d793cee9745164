"""Files of events, each read back by a reader that is not ours."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biot.errors import ConfigError
from biot.events.event import Event, Events
from biot.events.files.bids import bids_stem, write_dataset_description
from biot.events.files.szcore import is_seizure
from biot.events.files.writing import (
    EVENT_FORMATS,
    files_of_events,
    formats_of,
    require_event_formats,
    write_events,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # wfdb's use of pandas
    import wfdb

START = datetime(2021, 3, 4, 5, 6, 7, 250_000)
HOSTILE = "=1+1\t\n\"q'<script>"


def found(*events: tuple[float, float, str], duration: float = 86_400.0, **more) -> Events:
    values = {
        "name": "sub-01_task-rest_eeg.edf",
        "label_names": ("bckg", "seiz"),
        "background": "bckg",
        "sfreq": 512.0,
        "meas_date": START,
        "path": Path("sub-01_task-rest_eeg.edf"),
        "rules": "an event begins at 0.7",
        **more,
    }
    made = tuple(Event(onset=o, duration=d, label=name, confidence=0.75) for o, d, name in events)
    return Events(events=made, duration=duration, **values)


SEIZURES = found((10.123456, 20.5, "seiz"), (86_000.001953, 3.0, "seiz"))
NONE = found(duration=3600.0)


def read_atr(path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wfdb.rdann(str(path.with_suffix("")), "atr")


def require_times(onset, duration, events: Events) -> None:
    np.testing.assert_allclose(onset, [e.onset for e in events], atol=1e-6)
    np.testing.assert_allclose(duration, [e.duration for e in events], atol=2e-6)


def test_bids_names_keep_entities_in_order():
    assert bids_stem("sub-01_task-rest_eeg") == "sub-01_task-rest_desc-biot"
    assert bids_stem("sub-01_ses-2_task-rest_run-1_desc-clean_eeg") == (
        "sub-01_ses-2_task-rest_run-1_desc-cleanbiot"
    )
    assert bids_stem("night") == "night_desc-biot"


def test_a_bids_table_is_read_by_pandas_and_explained_beside_it(tmp_path):
    table, sidecar = write_events(SEIZURES, tmp_path, ["bids"])
    assert table.name == "sub-01_task-rest_desc-biot_events.tsv"
    read = pd.read_csv(table, sep="\t")
    assert list(read) == ["onset", "duration", "trial_type", "confidence"]
    require_times(read.onset, read.duration, SEIZURES)
    assert read.trial_type.tolist() == ["seiz", "seiz"]
    assert read.confidence.tolist() == [0.75, 0.75]
    described = json.loads(sidecar.read_text())
    assert set(read) <= set(described)
    assert list(described["trial_type"]["Levels"]) == ["seiz"]
    assert described["GeneratedBy"] == [{"Name": "biot", "Description": "an event begins at 0.7"}]
    assert described["Sources"] == ["sub-01_task-rest_eeg.edf"]


def test_a_bids_table_without_events_has_its_header(tmp_path):
    table, _ = write_events(NONE, tmp_path, ["bids"])
    assert table.read_text() == "onset\tduration\ttrial_type\tconfidence\n"


def test_edf_annotations_begin_with_the_recording(tmp_path):
    (path,) = write_events(SEIZURES, tmp_path, ["edf"])
    assert path.name == "sub-01_task-rest_desc-biot_events.edf"
    read = mne.read_annotations(path)
    require_times(read.onset, read.duration, SEIZURES)
    file = edfio.read_edf(path)
    assert (file.startdate, file.starttime) == (START.date(), START.time())
    assert file.data_record_duration == 0
    assert not file.signals
    assert file.local_patient_identification == "X X X X"  # nobody's name
    assert file.local_recording_identification == "Startdate 04-MAR-2021 X X X"
    assert path.read_bytes()[192:197] == b"EDF+C"


def test_edf_annotations_of_an_unknown_start_say_so(tmp_path):
    (path,) = write_events(found((1, 2, "seiz"), meas_date=None), tmp_path, ["edf"])
    assert path.read_bytes()[168:184] == b"01.01.8500.00.00"
    assert edfio.read_edf(path).local_recording_identification == "Startdate X X X X"


def test_edf_annotations_may_be_none(tmp_path):
    (path,) = write_events(NONE, tmp_path, ["edf"])
    assert len(mne.read_annotations(path)) == 0
    assert edfio.read_edf(path).annotations == ()


def test_edf_annotations_hold_any_text(tmp_path):
    events = found(
        (1, 2, "Müller 中文"), (3, 1, "a@@Fp1"), (5, 1, HOSTILE), (7, 0, "x\x14\x00y"),
        (8, 1, "{COLON}"), (9, 1, "  "),
    )  # fmt: skip
    (path,) = write_events(events, tmp_path, ["edf"])
    read = mne.read_annotations(path)
    assert read.description.tolist() == [
        "Müller 中文", "a@ @Fp1", "=1+1\\t\\n\"q'<script>", "x\\x14\\x00y", ":", "n/a",
    ]  # fmt: skip
    assert all(not names for names in read.ch_names)


def test_a_year_that_edf_cannot_hold_is_told(tmp_path):
    events = found((1, 2, "seiz"), meas_date=datetime(2109, 5, 6))
    with pytest.warns(UserWarning, match="in the year 2109, and EDF holds 1985 to 2084"):
        write_events(events, tmp_path, ["edf"])


def test_mne_reads_its_own_two_files_to_the_microsecond(tmp_path):
    fif, csv = write_events(SEIZURES, tmp_path, ["mne"])
    assert (fif.name, csv.name) == (
        "sub-01_task-rest_desc-biot_annot.fif",
        "sub-01_task-rest_desc-biot_annot.csv",
    )
    read = mne.read_annotations(fif)  # warns of names that are not MNE's
    require_times(read.onset, read.duration, SEIZURES)
    assert read.orig_time == START.replace(tzinfo=UTC)
    assert read.description.tolist() == ["seiz", "seiz"]
    table = mne.read_annotations(csv)
    first = (table.orig_time - START.replace(tzinfo=UTC)).total_seconds()
    require_times(table.onset + first, table.duration, SEIZURES)


def test_mne_lays_annotations_over_the_recording(tmp_path):
    info = mne.create_info(["Cz"], 100.0, "eeg")
    raw = mne.io.RawArray(np.zeros((1, 6000)), info, verbose="ERROR")
    raw.set_meas_date(START.replace(tzinfo=UTC))
    fif, csv = write_events(found((10.25, 5, "seiz"), duration=60.0), tmp_path, ["mne"])
    for path in (fif, csv):
        raw.set_annotations(mne.read_annotations(path))
        assert raw.annotations.onset == pytest.approx([10.25])


def test_mne_reads_a_file_without_events(tmp_path):
    fif, csv = write_events(NONE, tmp_path, ["mne"])
    assert len(mne.read_annotations(fif)) == 0
    assert pd.read_csv(csv).empty


def test_szcore_has_one_row_a_seizure(tmp_path):
    (path,) = write_events(SEIZURES, tmp_path, ["szcore"])
    assert path.name == "sub-01_task-rest_desc-szcore_events.tsv"
    read = pd.read_csv(path, sep="\t")
    header = "onset duration eventType confidence channels dateTime recordingDuration"
    assert list(read) == header.split()
    require_times(read.onset, read.duration, SEIZURES)
    assert read.eventType.tolist() == ["sz", "sz"]
    assert read.channels.tolist() == ["all", "all"]
    assert read.dateTime.tolist() == ["2021-03-04 05:06:07"] * 2
    assert read.recordingDuration.tolist() == [86_400, 86_400]


@pytest.mark.parametrize("meas_date", [START, None])
def test_szcore_without_seizures_is_one_row_of_background(tmp_path, meas_date):
    (path,) = write_events(found(duration=3600.0, meas_date=meas_date), tmp_path, ["szcore"])
    (row,) = pd.read_csv(path, sep="\t", keep_default_na=False).to_dict("records")
    assert (row["onset"], row["duration"], row["eventType"]) == (0, 3600, "bckg")
    when = datetime.strptime(row["dateTime"], "%Y-%m-%d %H:%M:%S")
    assert when == (datetime(1985, 1, 1) if meas_date is None else START.replace(microsecond=0))


@pytest.mark.parametrize("label", ["seiz", "Seizure", "sz", "sz_foc_ia", "fnsz", "Ictal", "GNSZ"])
def test_words_for_a_seizure_are_known(label):
    assert is_seizure(label)


@pytest.mark.parametrize(
    "label",
    ["bckg", "no seizure", "non-seizure", "interictal", "pre-ictal", "seizure_free", "nesz"],
)
def test_words_for_no_seizure_are_known(label):
    assert not is_seizure(label)


def test_szcore_needs_a_label_that_means_a_seizure(tmp_path):
    events = found((1, 2, "1"), label_names=("0", "1"), background="0")
    with pytest.raises(
        ConfigError, match=r"none of the labels 1 is known to mean a seizure.*--seiz"
    ):
        write_events(events, tmp_path / "out", ["bids", "szcore"])
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match=r"x: is none of the model.s labels that make"):
        write_events(events, tmp_path / "out", ["szcore"], seizure_label=["x"])
    (path,) = write_events(events, tmp_path / "out", ["szcore"], seizure_label=["1"])
    assert pd.read_csv(path, sep="\t").eventType.tolist() == ["sz"]


def test_kinds_of_seizures_that_touch_are_one(tmp_path):
    events = found(
        (10, 20, "fnsz"), (30, 5, "gnsz"), (60, 5, "gnsz"), (70, 5, "slow"),
        label_names=("bckg", "fnsz", "gnsz", "slow"),
    )  # fmt: skip
    (path,) = write_events(events, tmp_path, ["szcore"])
    read = pd.read_csv(path, sep="\t")
    assert list(zip(read.onset, read.duration, strict=True)) == [(10, 25), (60, 5)]


def test_wfdb_rhythms_begin_and_end_within_a_sample(tmp_path):
    (path,) = write_events(SEIZURES, tmp_path, ["wfdb"])
    assert path.name == "sub-01_task-rest_eeg.atr"
    read = read_atr(path)
    assert read.fs == 512
    assert read.aux_note == ["(bckg", "(seiz", "(bckg", "(seiz", "(bckg"]
    assert set(read.symbol) == {"+"}
    times = [0, 10.123456, 30.623456, 86_000.001953, 86_003.001953]
    np.testing.assert_allclose(read.sample / read.fs, times, atol=0.5 / 512)


def test_wfdb_beats_are_beats(tmp_path):
    events = found((0.1, 0, "N"), (0.9, 0, "V"), label_names=("N", "V"), background=None)
    read = read_atr(write_events(events, tmp_path, ["wfdb"])[0])
    assert read.symbol == ["N", "V"]
    assert read.sample.tolist() == [51, 461]


def test_minutes_of_normal_beats_are_no_beat(tmp_path):
    events = found((0, 60, "N"), (60, 5, "V"), label_names=("N", "V"), background=None, duration=65)
    read = read_atr(write_events(events, tmp_path, ["wfdb"])[0])
    assert (read.symbol, read.aux_note) == (["+", "+"], ["(N", "(V"])


def test_wfdb_without_events_is_background(tmp_path):
    read = read_atr(write_events(NONE, tmp_path, ["wfdb"])[0])
    assert (read.sample.tolist(), read.aux_note) == ([0], ["(bckg"])
    read = read_atr(write_events(found(background=None), tmp_path / "b", ["wfdb"])[0])
    assert read.aux_note == ["(NONE"]


def test_wfdb_never_replaces_a_reference(tmp_path):
    for _ in range(2):  # ours may be replaced
        write_events(SEIZURES, tmp_path, ["wfdb"], stem="100")
    reference = tmp_path / "101.atr"
    reference.write_bytes(b"\x12\x70\x05\x00\x00\x00")
    with pytest.raises(ConfigError, match=r"is there already.*such as a reference"):
        write_events(SEIZURES, tmp_path, ["wfdb"], stem="101")
    assert reference.read_bytes() == b"\x12\x70\x05\x00\x00\x00"


def test_wfdb_texts_are_utf8_and_fit(tmp_path):
    events = found((1, 1, "Müller 中文"), (3, 1, "ü" * 300))
    with pytest.warns(UserWarning, match="is shortened to 254 bytes"):
        (path,) = write_events(events, tmp_path, ["wfdb"], stem="a b.c")
    assert path.name == "a_b_c.atr"
    texts = [note.encode("latin-1").decode() for note in read_atr(path).aux_note]
    assert texts[1] == "(Müller 中文"
    assert texts[3] == "(" + "ü" * 126


def test_wfdb_needs_a_rate_and_one_label_at_a_time(tmp_path):
    with pytest.raises(ConfigError, match="its sampling rate is not known"):
        write_events(found(sfreq=None), tmp_path, ["wfdb"])
    with pytest.raises(ConfigError, match="overlap at 2 s"):
        write_events(found((1, 2, "a"), (2, 2, "b")), tmp_path, ["wfdb"])


def test_a_hypnogram_has_a_line_an_epoch(tmp_path):
    events = found(
        (0, 60, "Sleep stage W"), (90, 30, "Sleep stage R"), (120, 10, "Sleep stage 2"),
        label_names=("Sleep stage W", "Sleep stage 2", "Sleep stage 4", "Sleep stage R"),
        background=None, duration=130.0,
    )  # fmt: skip
    (path,) = write_events(events, tmp_path, ["hypnogram"])
    assert path.name == "sub-01_task-rest_desc-biot_hypnogram.txt"
    assert path.read_text().split() == ["W", "W", "UNS", "R", "N2"]
    yasa = {"W": 0, "N1": 1, "N2": 2, "N3": 3, "S4": 3, "R": 4, "ART": -1, "MT": -1, "UNS": -2}
    assert set(path.read_text().split()) <= set(yasa)


def test_an_epoch_has_the_stage_of_most_of_it(tmp_path):
    events = found(
        (0, 20, "1"), (20, 40, "2"), (70, 20, "0"),
        label_names=("0", "1", "2"), background=None, duration=120.0,
    )  # fmt: skip
    (path,) = write_events(events, tmp_path, ["hypnogram"])
    assert path.read_text().split() == ["1", "2", "0", "-2"]


def test_a_hypnogram_takes_stages_of_sleep_only(tmp_path):
    with pytest.raises(ConfigError, match="which bckg, seiz is not"):
        write_events(SEIZURES, tmp_path, ["hypnogram"])
    assert not list(tmp_path.iterdir())


def test_formats_that_cannot_hold_labels_are_refused_beforehand():
    require_event_formats(["bids", "edf", "mne"], ["a", "b"], several=True)
    with pytest.raises(ConfigError, match=r"predicts tags.*wfdb holds one"):
        require_event_formats(["wfdb"], ["a", "b"], several=True)
    with pytest.raises(ConfigError, match="Did you mean 'edf'"):
        formats_of("bids,edff")
    assert formats_of("EDF, bids,edf") == ("edf", "bids")


@pytest.mark.parametrize("name", ["bids", "edf", "mne", "wfdb"])
def test_very_many_events_are_written(tmp_path, name):
    n = 20_000
    events = found(*((i * 0.8 + 1 / 3, 0.4, "NV"[i % 2]) for i in range(n)), label_names=())
    path = write_events(events, tmp_path, [name], stem="many")[0]
    if name == "wfdb":
        np.testing.assert_allclose(
            read_atr(path).sample / 512, [e.onset for e in events], atol=0.5 / 512
        )
        return
    read = pd.read_csv(path, sep="\t") if name == "bids" else mne.read_annotations(path)
    require_times(read.onset, read.duration, events)


def test_a_cell_is_nothing_that_a_spreadsheet_runs(tmp_path):
    table, sidecar = write_events(found((1, 2, HOSTILE), label_names=()), tmp_path, ["bids"])
    (label,) = pd.read_csv(table, sep="\t").trial_type
    assert label == "'=1+1\\t\\n\"q'<script>"
    assert list(json.loads(sidecar.read_text())["trial_type"]["Levels"]) == [label]


def test_a_folder_of_derivatives_says_what_it_is(tmp_path):
    path = write_dataset_description(tmp_path, version="1.2")
    described = json.loads(path.read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"] == [{"Name": "biot", "Version": "1.2"}]
    assert {"Name", "BIDSVersion"} <= set(described)
    path.write_text('{"Name": "of somebody", "BIDSVersion": "1.8.0"}')
    with pytest.raises(ConfigError, match="describes a data set of the kind 'raw'"):
        write_dataset_description(tmp_path, version="1.2")


def test_events_save_themselves(tmp_path):
    assert SEIZURES.save(tmp_path / "x" / "a.tsv").read_text().startswith("onset\tduration\ttrial")
    assert SEIZURES.save(tmp_path / "b.tsv", "szcore").read_text().startswith("onset\tduration\tev")
    assert SEIZURES.save(tmp_path / "c_annot.fif").exists()
    table = SEIZURES.to_dataframe()
    assert table.columns.tolist() == ["onset", "duration", "label", "confidence", "channels"]
    assert len(NONE.to_dataframe()) == 0
    with pytest.raises(ConfigError, match=r"files of events end in \.tsv"):
        SEIZURES.save(tmp_path / "a.xlsx")
    with pytest.raises(ConfigError, match="is the recording itself"):
        found(path=tmp_path / "night.edf").save(tmp_path / "night.edf")


def test_names_of_files_are_known_beforehand(tmp_path):
    stages = ("W", "N1")
    events = found((0, 30, "W"), label_names=stages, background=None, duration=60.0)
    formats = [name for name in EVENT_FORMATS if name != "szcore"]
    names = [name for each in files_of_events(formats, "night").values() for name in each]
    assert [p.name for p in write_events(events, tmp_path, formats, stem="night")] == names


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
LISTS = st.lists(
    st.tuples(st.floats(0, 86_000), st.floats(0, 400), TEXTS.filter(lambda t: "{COLON}" not in t)),
    max_size=8,
)
many = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@many
@given(LISTS)
def test_any_events_come_back_within_a_microsecond(tmp_path, listed):
    events = found(*sorted(listed), label_names=(), background=None)
    written = write_events(events, tmp_path, ["bids", "edf", "mne"])
    table, _, edf, fif, csv = written
    readings = [pd.read_csv(table, sep="\t", keep_default_na=False)]
    readings += [mne.read_annotations(path) for path in (edf, fif)]
    for read in readings:
        assert sorted(read.onset) == pytest.approx(sorted(o for o, _, _ in listed), abs=1e-6)
        assert sorted(read.duration) == pytest.approx(sorted(d for _, d, _ in listed), abs=2e-6)
    assert len(pd.read_csv(csv)) == len(listed)


@many
@given(st.lists(st.floats(0.1, 500), max_size=10), st.sampled_from([100.0, 256.0, 360.0, 487.5]))
def test_any_rhythms_come_back_within_a_sample(tmp_path, lengths, sfreq):
    ends = np.cumsum(lengths)
    onsets = [0.0, *ends[:-1]] if lengths else []
    rows = [(o, n, f"L{i}") for i, (o, n) in enumerate(zip(onsets, lengths, strict=True))]
    events = found(*rows, sfreq=sfreq, duration=float(sum(lengths)) + 1, label_names=())
    read = read_atr(write_events(events, tmp_path, ["wfdb"])[0])
    labels = [note[1:] for note in read.aux_note]
    assert labels == [*(f"L{i}" for i in range(len(rows))), "bckg"]
    np.testing.assert_allclose(read.sample[: len(rows)] / sfreq, onsets, atol=0.51 / sfreq)
