"""`Predictor.predict` takes a recording in any of its forms, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from biot.errors import BiotError, InputTypeError, RecordingError
from biot.inference import Predictor
from biot.signals import from_mne, read_recording, resample
from biot.simulate import simulate_eeg, write_edf

mne = pytest.importorskip("mne")

NAMES = ("Fp1", "C3", "O1")


def raw_of(recording):
    info = mne.create_info(list(recording.ch_names), recording.sfreq, "eeg")
    return mne.io.RawArray(recording.data.astype(float) * 1e-6, info, verbose="ERROR")


def epochs_of(data, sfreq=50.0):
    info = mne.create_info(list(NAMES), sfreq, "eeg")
    return mne.EpochsArray(data * 1e-6, info, verbose="ERROR")


def test_a_path_a_raw_and_a_recording_are_predicted_alike(make_predictor, tmp_path):
    recording = simulate_eeg(subject=0, duration=40.0, seed=0)
    path = write_edf(recording, tmp_path / "night.edf")
    predictor = make_predictor(ch_names=recording.ch_names[:3])
    expected = predictor.predict(read_recording(path))
    raw = mne.io.read_raw_edf(path, preload=False, verbose="ERROR")
    for form in (str(path), path, raw, from_mne(raw)):
        found = predictor.predict(form)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        np.testing.assert_array_equal(found.start, expected.start)
        np.testing.assert_array_equal(found.stop, expected.stop)
        assert found.labels == expected.labels
    assert predictor.predict(path).name == "night.edf"
    assert predictor.montage(raw).matched == predictor.montage(path).matched


def test_epochs_as_long_as_the_window_give_one_prediction_each(make_predictor, make_recording):
    predictor, recording = make_predictor(), make_recording(10.0)
    expected = predictor.predict(recording).probabilities
    data = np.moveaxis(recording.data.reshape(3, 5, 100), 1, 0)
    found = predictor.predict(epochs_of(data))
    assert len(found) == 5
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)


def test_longer_epochs_are_cut_within_and_a_window_reaches_over_no_break(
    make_predictor, make_recording
):
    predictor, recording = make_predictor(), make_recording(12.0)
    data = np.moveaxis(recording.data.reshape(3, 4, 150), 1, 0)  # 3 s each, windows of 2 s
    found = predictor.predict(epochs_of(data))
    assert found.start.tolist() == [0, 2, 3, 5, 6, 8, 9, 11]
    assert found.stop.tolist() == [2, 3, 5, 6, 8, 9, 11, 12]
    alone = predictor.predict(raw_of(make_recording(12.0)).crop(3, 6 - 1 / 50))
    np.testing.assert_allclose(found.probabilities[2:4], alone.probabilities, atol=1e-5)


@pytest.mark.filterwarnings("ignore:<recording in memory>. recorded at 25 Hz")
@pytest.mark.parametrize("sfreq", [25, 50, 62.5, 100])
def test_the_last_instant_of_epochs_makes_no_window_of_its_own(
    sfreq, make_predictor, make_recording
):
    n_times = round(2 * sfreq) + 1  # tmin=0, tmax=2
    data = resample(np.stack([make_recording(4.0, seed=s).data for s in range(4)]), 50, sfreq)
    epochs = epochs_of(data[..., :n_times], sfreq)
    assert epochs.times[-1] == 2
    found = make_predictor().predict(epochs)
    assert len(found) == 4
    assert found.usable.all()
    shorter = make_predictor().predict(epochs_of(data[..., : n_times // 2], sfreq))
    assert len(shorter) == 4


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((3, 100)), [[0.0] * 100] * 3, None, 5, {"data": 1}, object()],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_recording_is_refused_with_what_is_taken(wrong, make_predictor):
    predictor: Predictor = make_predictor()
    taken = r"path of a file \(str or Path\), an mne\.io\.Raw, an mne\.Epochs or a biot\.Recording"
    with pytest.raises(InputTypeError, match=rf"{taken}; got {type(wrong).__name__}\.") as caught:
        predictor.predict(wrong)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, BiotError)
    of_numbers = isinstance(wrong, np.ndarray | list)
    assert ("Recording.from_array(data, ch_names=" in str(caught.value)) == of_numbers


def test_a_path_that_is_not_there_is_told_by_name(make_predictor, tmp_path):
    with pytest.raises(RecordingError, match=r"gone\.edf: does not exist"):
        make_predictor().predict(tmp_path / "gone.edf")


def test_a_table_gives_a_model_no_column_of_labels_unless_it_learnt_from_it(
    make_predictor, make_recording, tmp_path
):
    recording = make_recording(seconds=20)
    activity = np.repeat([0, 1], recording.n_times // 2)
    path = tmp_path / "made.csv"
    rows = np.column_stack([recording.data.T, activity])
    names = [*recording.ch_names, "activity"]
    np.savetxt(path, rows, delimiter=",", header=",".join(names), comments="", fmt="%.6g")
    with pytest.warns(UserWarning, match="not read as channels: activity"):
        table = read_recording(path, sfreq=50, units="µV")
    plain, found = make_predictor().predict(recording), make_predictor().predict(table)
    np.testing.assert_allclose(found.probabilities, plain.probabilities, atol=1e-3)
    kept = read_recording(path, sfreq=50, units="µV", columns=(*recording.ch_names, "ACTIVITY"))
    assert kept.ch_names == tuple(names)
    path.write_text("sfreq," + path.read_text().replace("\n", "\n50,").removesuffix("50,"))
    learnt = make_predictor(ch_names=("activity",), units=("",))
    assert learnt.montage(path).entries[0].plus is not None
