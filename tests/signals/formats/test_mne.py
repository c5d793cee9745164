"""MNE's objects in memory, and files of epochs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from biot.errors import RecordingError
from biot.signals import from_mne, read_recording

mne = pytest.importorskip("mne")

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(6, 2, 50)) * 1e-5
EVENTS = np.column_stack([np.arange(6) * 100, np.zeros(6, int), [1, 2, 1, 2, 1, 2]])


@pytest.fixture
def epochs():
    info = mne.create_info(["Fp1", "X7"], 100.0, ["eeg", "ecg"])
    return mne.EpochsArray(
        DATA, info, EVENTS, tmin=-0.1, event_id={"rest": 1, "task/hard": 2}, verbose="ERROR"
    )


def _check(recording):
    assert (recording.ch_names, recording.units) == (("Fp1", "X7"), ("µV", "mV"))
    assert (recording.sfreq, recording.n_times) == (100, 300)
    assert recording.starts == (0, 50, 100, 150, 200, 250)
    labels = [(a.onset, a.duration, a.label) for a in recording.annotations]
    assert labels[:2] == [(0, 0.5, "rest"), (0.5, 0.5, "task/hard")]
    assert len(labels) == 6
    expected = np.concatenate(list(DATA), axis=1) * [[1e6], [1e3]]
    np.testing.assert_allclose(recording.data, expected, rtol=1e-5)
    np.testing.assert_allclose(recording.read(49, 151), expected[:, 49:151], rtol=1e-5)
    assert recording.read(7, 7).shape == (2, 0)


def test_epochs_in_memory_are_segments_with_their_events_names(epochs):
    _check(from_mne(epochs))


def test_fif_epochs_are_segments_with_their_events_names(epochs, tmp_path):
    epochs.save(tmp_path / "made-epo.fif", verbose="ERROR")
    recording = read_recording(tmp_path / "made-epo.fif")
    assert recording.path == tmp_path / "made-epo.fif"
    _check(recording)


def test_dropped_epochs_are_left_out_and_the_object_is_not_changed(epochs):
    epochs.drop([0], verbose="ERROR")
    epochs.info["bads"] = ["Fp1"]
    recording = from_mne(epochs)
    assert recording.n_times == 250
    assert recording.bad == ("Fp1",)
    assert np.isnan(recording.data[0]).all()
    np.testing.assert_allclose(recording.read(0, 50)[1], DATA[1, 1] * 1e3, rtol=1e-5)
    assert len(epochs) == 5


def test_bad_stretches_of_epochs_are_annotations():
    raw = mne.io.RawArray(RNG.normal(size=(1, 600)) * 1e-5, mne.create_info(["Cz"], 100.0, "eeg"))
    raw.set_annotations(mne.Annotations([1.2, 1.3], [0.1, 0.1], ["BAD_jump", "other"]))
    made = mne.Epochs(
        raw,
        EVENTS[:4],
        tmin=0,
        tmax=0.49,
        baseline=None,
        reject_by_annotation=False,
        preload=True,
        verbose="ERROR",
    )
    marks = [a for a in from_mne(made).annotations if a.label == "BAD_jump"]
    assert [(a.onset, a.duration) for a in marks] == [pytest.approx((0.7, 0.1))]
    assert [a.label for a in from_mne(made).annotations if a not in marks] == ["1", "2", "1", "2"]


@pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")
def test_the_epochs_of_the_shared_file_agree_with_mne(shared_data):
    path = shared_data / "readers/fif/ssvep_subject01-epo.fif"
    recording = read_recording(path)
    assert (len(recording.ch_names), recording.sfreq, recording.n_times) == (8, 256, 16 * 1280)
    labels = [annotation.label for annotation in recording.annotations]
    assert {name: labels.count(name) for name in labels} == {
        "rest": 8,
        "13Hz": 3,
        "21Hz": 3,
        "17Hz": 2,
    }
    expected = mne.read_epochs(path, verbose="ERROR").get_data(item=[7])[0] * 1e6
    np.testing.assert_allclose(recording.read(7 * 1280, 8 * 1280), expected, rtol=1e-6)


@pytest.fixture
def eeglab_epochs(tmp_path):
    """An EEGLAB file of three epochs, as EEGLAB writes it: a struct whose data are (C, T, N)."""
    data = RNG.normal(size=(2, 50, 3)) * 20
    events = [
        {"type": name, "latency": 50.0 * i + 11, "epoch": i + 1} for i, name in enumerate("aba")
    ]
    epochs = [
        {"event": i + 1, "eventtype": e["type"], "eventlatency": 0.0} for i, e in enumerate(events)
    ]
    eeg = {
        "setname": "made",
        "nbchan": 2,
        "trials": 3,
        "pnts": 50,
        "srate": 100.0,
        "xmin": -0.1,
        "xmax": 0.39,
        "data": data.astype(np.float32),
        "chanlocs": [{"labels": name} for name in ("C3", "C4")],
        "event": events,
        "epoch": epochs,
        "icawinv": [],
        "icaweights": [],
        "icasphere": [],
        "icaact": [],
        "ref": "common",
    }
    savemat(tmp_path / "made.set", {"EEG": eeg}, appendmat=False)
    return tmp_path / "made.set", data


def test_eeglab_epochs_are_segments_with_their_events_names(eeglab_epochs):
    path, data = eeglab_epochs
    recording = read_recording(path)
    assert (recording.ch_names, recording.units) == (("C3", "C4"), ("µV", "µV"))
    assert (recording.sfreq, recording.starts, recording.n_times) == (100, (0, 50, 100), 150)
    assert [a.label for a in recording.annotations] == ["a", "b", "a"]
    expected = np.concatenate([data[..., i] for i in range(3)], axis=1)
    np.testing.assert_allclose(recording.data, expected, rtol=1e-5)


def test_a_raw_object_in_memory_is_a_recording():
    data = RNG.normal(size=(2, 300)) * 1e-5
    raw = mne.io.RawArray(data, mne.create_info(["Fp1", "Cz"], 100.0, "eeg"), verbose="ERROR")
    raw.set_annotations(mne.Annotations([1.0], [0.5], ["task"]))
    recording = from_mne(raw)
    assert (recording.path, recording.starts, recording.units) == (None, (0,), ("µV", "µV"))
    np.testing.assert_allclose(recording.read(10, 20), data[:, 10:20] * 1e6, rtol=1e-6)
    assert recording.annotations[0].label == "task"


def test_joins_and_pauses_of_a_raw_object_begin_a_segment():
    data = RNG.normal(size=(1, 300)) * 1e-5
    raw = mne.io.RawArray(data, mne.create_info(["Cz"], 100.0, "eeg"), verbose="ERROR")
    marks = {0.0: "New Segment/", 0.995: "boundary", 1.5: "New Segment/", 2.0: "boundary line"}
    raw.set_annotations(mne.Annotations(list(marks), [0] * 4, list(marks.values())))
    assert from_mne(raw).starts == (0, 100, 150)
    joined = mne.concatenate_raws([raw.copy().crop(0, 0.89), raw.copy().crop(0, 0.49)])
    assert from_mne(joined).starts == (0, 90)


def test_implausible_objects_are_told_of(epochs):
    louder = mne.EpochsArray(DATA * 1e5, epochs.info, verbose="ERROR")
    with pytest.warns(UserWarning, match="in memory>: as eeg, Fp1 have implausible"):
        from_mne(louder)


def test_what_is_no_recording_is_refused(epochs):
    with pytest.raises(RecordingError, match=r"takes an MNE Raw or Epochs object, got EvokedArray"):
        from_mne(epochs.average())
    with pytest.raises(RecordingError, match=r"holds no epoch that was not dropped"):
        from_mne(epochs.drop(range(6), verbose="ERROR"))
