"""What is no signal in a recording that is predicted: left out as in the corpus, and told."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from biot.cli import main
from biot.inference import PredictionWarning, Predictor
from biot.model import BIOT
from biot.preprocessing import Preprocessing
from biot.signals import Recording

MakePredictor = Callable[..., Predictor]
MakeRecording = Callable[..., Recording]
MakeModel = Callable[..., BIOT]


def changed(recording: Recording, change: Callable[[np.ndarray], object]) -> Recording:
    data = recording.data
    change(data)
    return Recording.from_array(
        data, ch_names=recording.ch_names, sfreq=recording.sfreq, units=recording.units
    )


def quietly(predictor: Predictor, recording: Recording) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PredictionWarning)
        return predictor.predict(recording).probabilities


@pytest.mark.parametrize("value", [0.0, 2999.0])
def test_nothing_is_said_of_a_recording_of_flat_channels(
    make_predictor: MakePredictor, make_recording: MakeRecording, value: float
) -> None:
    dead = changed(make_recording(), lambda data: data.fill(value))
    with pytest.warns(PredictionWarning) as told:
        predictions = make_predictor().predict(dead)
    assert not predictions.usable.any()
    assert predictions.labels == ("",) * len(predictions)
    said = [str(each.message) for each in told]
    assert predictions.notes == tuple(said)
    assert "flat: 3 channels throughout (Fp1, C3, O1); they are missing data" in said[0]
    assert "nothing was recorded that the model could use" in said[1]


def test_a_flat_channel_counts_as_a_missing_one(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    def flatten(data: np.ndarray) -> None:
        data[1] = -7.25
        data[2, 100:200] = 3.0

    def lose(data: np.ndarray) -> None:
        data[1] = data[2, 100:200] = np.nan

    predictor, recording = make_predictor(), make_recording()
    flat, lost = changed(recording, flatten), changed(recording, lose)
    np.testing.assert_array_equal(quietly(predictor, flat), quietly(predictor, lost))
    with pytest.warns(PredictionWarning, match=r"\(C3\); 2.0 s of stretches in 1 channel \(O1"):
        predictor.predict(flat)


def test_a_flat_channel_that_the_model_does_not_know_is_not_told(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = make_recording(ch_names=("Fp1", "C3", "O1", "Pz"))
    other = changed(recording, lambda data: data[3].fill(0))
    assert make_predictor().predict(other).notes == ()


def test_a_model_from_before_the_rule_keeps_flat_channels_and_this_is_told(
    make_model: MakeModel, make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    contract = make_predictor().preprocessing
    values = {k: v for k, v in contract.to_dict().items() if k not in ("keep_flat", "reference")}
    old = Preprocessing.from_dict(json.loads(json.dumps(values)))
    assert (old.keep_flat, old.reference) == (True, "none")
    dead = changed(make_recording(), lambda data: data.fill(5))
    with pytest.warns(PredictionWarning, match="count as signals, since the model was trained"):
        predictions = Predictor(make_model(old), old, device="cpu").predict(dead)
    assert predictions.usable.all()


def test_a_recording_slower_than_the_model_is_told(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    with pytest.warns(PredictionWarning) as told:
        predictions = make_predictor().predict(make_recording(sfreq=32))
    assert predictions.notes == tuple(str(each.message) for each in told)
    assert predictions.notes[0] == (
        "<recording in memory>: recorded at 32 Hz: nothing above 16 Hz; the model's rate is 50 Hz, "
        "and its windows hold up to 25 Hz."
    )
    assert make_predictor().predict(make_recording(sfreq=128)).notes == ()


def test_a_channel_that_is_stored_slower_than_the_others_is_told(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = replace(make_recording(), rates=(50.0, 20.0, 20.0))
    with pytest.warns(PredictionWarning, match=r"C3, O1 recorded at 20 Hz: nothing above 10 Hz"):
        make_predictor().predict(recording)


def test_the_reference_of_the_contract_is_applied(
    make_model: MakeModel, make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    plain = make_predictor().preprocessing
    contract = replace(plain, reference="average")
    recording = make_recording(ch_names=("Fp1", "C3", "O1", "Pz"))
    data = recording.data
    averaged = changed(recording, lambda data: np.subtract(data, data.mean(0), out=data))
    found = Predictor(make_model(contract), contract, device="cpu").predict(recording)
    expected = make_predictor().predict(averaged)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_array_equal(recording.data, data)


def test_predict_and_info_print_what_is_no_signal(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    rows = np.random.default_rng(0).normal(size=(320, 3)) * 20
    rows[:, 0] = 2999
    np.savez(
        tmp_path / "night.npz", data=rows.T, ch_names=["Fp1", "C3", "O1"], sfreq=32, units="µV"
    )
    night, out = str(tmp_path / "night.npz"), str(tmp_path / "night.parquet")
    assert main(["predict", str(model_folder), night, "--out", out]) == 0
    printed = capsys.readouterr()
    assert "night.npz: recorded at 32 Hz: nothing above 16 Hz" in printed.out
    assert "night.npz: flat: 1 channel throughout (Fp1); they are missing data" in printed.out
    assert "preparing with --keep-flat would keep them" in printed.out
    assert printed.err == ""
    import pyarrow.parquet as parquet

    notes = json.loads(parquet.read_schema(out).metadata[b"notes"])
    assert [note in printed.out.replace("--keep-flat", "keep_flat") for note in notes] == [True] * 2
    assert main(["info", night, "--vocabulary", str(model_folder)]) == 0
    printed = capsys.readouterr()
    assert "Flat: 1 channel throughout (Fp1)." in printed.out
    assert "Flat is missing data; preparing with --keep-flat would keep them." in printed.out
    assert "nothing above 16 Hz" in printed.out
    assert main(["info", str(model_folder)]) == 0
    printed = capsys.readouterr()
    assert "reference" in printed.out
    assert "flat channels" in printed.out


def test_channels_marked_as_bad_are_told(
    make_predictor: MakePredictor,
    make_recording: MakeRecording,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mne = pytest.importorskip("mne")
    data = np.random.default_rng(0).normal(size=(5, 3200)) * 2e-5
    data[4] = 0
    names = ["Fp1", "C3", "O1", "ECG", "STATUS"]
    raw = mne.io.RawArray(data, mne.create_info(names, 100, "eeg"), verbose="ERROR")
    raw.info["bads"] = ["C3", "ECG"]
    path = tmp_path / "made_raw.fif"
    raw.save(path, verbose="ERROR")
    with pytest.warns(PredictionWarning, match="marked as bad") as told:
        make_predictor().predict(raw)
    text = "<recording in memory>: marked as bad, so missing data: C3."  # no model takes its ECG
    assert text in [str(each.message) for each in told]
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "Marked as bad, so missing data: C3, ECG." in printed
    assert "Flat: nothing." in printed  # triggers rest, and are no signal
    prepared = ["prepare", str(path), "--out", str(tmp_path / "c"), "--sfreq", "100"]
    assert main([*prepared, "--window", "4"]) == 0
    assert "2 channels marked as bad" in capsys.readouterr().out
