"""`Predictor`: every window of a recording, prepared as the corpus was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biot.corpus import load_corpus, prepare
from biot.corpus.batch import batches
from biot.errors import ChannelError, ConfigError, ContractError, RecordingError
from biot.inference import PredictionWarning, Predictor
from biot.model import BIOT
from biot.signals import Annotation, Recording, read_recording, resample
from biot.signals.grid import grid_starts
from biot.simulate import simulate_eeg, write_edf

MakeModel = Callable[..., BIOT]
MakePredictor = Callable[..., Predictor]
MakeRecording = Callable[..., Recording]


# which windows ------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(1, 60), st.floats(1, 120))
def test_windows_cover_the_recording_and_none_lies_beyond_it(
    n_times: int, window: int, step: float
) -> None:
    starts = grid_starts(n_times, window, step, covering=True)
    assert starts == [int(k * step + 0.5) for k in range(len(starts))]
    assert starts[-1] < n_times
    if step <= window:
        assert starts[-1] + window >= n_times
        assert all(start + window < n_times for start in starts[:-1])
    else:
        assert int(len(starts) * step + 0.5) >= n_times or starts[-1] + window >= n_times


def test_the_tail_gets_a_row_that_ends_with_the_recording(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    predictions = make_predictor().predict(make_recording(7.5))
    assert predictions.start.tolist() == [0, 2, 4, 6]
    assert predictions.stop.tolist() == [2, 4, 6, 7.5]
    assert predictions.usable.all()
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1)


def test_the_stride_may_be_shorter_or_longer_than_the_window(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    predictor, recording = make_predictor(), make_recording(5.0)
    assert predictor.predict(recording, stride=0.5).start.tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert predictor.predict(recording, stride=3).start.tolist() == [0, 3]
    with pytest.raises(ConfigError, match=r"at least one sample \(0\.02 s\), got 0\.001 s"):
        predictor.predict(recording, stride=0.001)


def test_progress_is_a_bar_of_windows_on_stderr_and_only_where_asked(
    make_predictor: MakePredictor, make_recording: MakeRecording, capsys: pytest.CaptureFixture[str]
) -> None:
    predictor, recording = make_predictor(), make_recording(8.0)
    predictor.predict(recording)
    assert capsys.readouterr() == ("", "")
    predictor.predict(recording, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "4/4" in err
    assert "window/s" in err


def test_a_recording_shorter_than_a_window_gives_one_row(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    predictions = make_predictor().predict(make_recording(1.5))
    assert (predictions.start.tolist(), predictions.stop.tolist()) == ([0], [1.5])
    assert predictions.usable.all()
    with pytest.warns(PredictionWarning, match="nothing was recorded that the model could use"):
        shorter_than_a_token = make_predictor().predict(make_recording(0.5))
    assert shorter_than_a_token.labels == ("",)


def test_padding_a_tail_does_not_change_what_its_data_say(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    """The tail of 1.5 s holds the tokens of a window of 1.5 s, no more and no fewer."""
    predictor, recording = make_predictor(), make_recording(3.5)
    tail = predictor.predict(recording).probabilities[1]
    data = recording.data[:, 100:]
    scaled = data / np.quantile(np.abs(data), 0.95, axis=1, keepdims=True)
    with torch.no_grad():
        alone = predictor._model(torch.from_numpy(scaled)[None]).softmax(dim=1)[0]
    np.testing.assert_allclose(tail, alone.numpy(), atol=1e-6)


def test_many_windows_are_predicted_as_each_alone(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    predictor, recording = make_predictor(), make_recording(300.0)
    together = predictor.predict(recording).probabilities
    assert len(together) == 150
    for index in (0, 63, 64, 149):
        part = Recording.from_array(
            recording.read(100 * index, 100 * (index + 1)),
            ch_names=recording.ch_names,
            sfreq=50,
            units=recording.units,
        )
        np.testing.assert_allclose(
            predictor.predict(part).probabilities[0], together[index], atol=1e-6
        )


# missing data -------------------------------------------------------------------------------


def test_a_window_without_usable_data_keeps_its_row(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = make_recording(8.0)
    data = recording.data
    data[:, 100:200] = np.nan
    gap = Recording.from_array(data, ch_names=recording.ch_names, sfreq=50, units=recording.units)
    predictions = make_predictor().predict(gap)
    assert predictions.usable.tolist() == [True, False, True, True]
    assert predictions.labels[1] == ""
    assert np.isnan(predictions.probabilities[1]).all()
    others = [0, 2, 3]
    whole = make_predictor().predict(recording).probabilities
    np.testing.assert_allclose(predictions.probabilities[others], whole[others], atol=1e-6)


def test_what_an_annotation_marks_as_bad_is_missing(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = make_recording(6.0, annotations=(Annotation(2.0, 2.0, "BAD_movement"),))
    assert make_predictor().predict(recording).usable.tolist() == [True, False, True]


def test_an_infinite_value_is_refused_with_its_channel(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    data = make_recording().data
    data[1, 7] = np.inf
    broken = Recording.from_array(data, ch_names=("Fp1", "C3", "O1"), sfreq=50, units=("µV",) * 3)
    with pytest.raises(RecordingError, match="channel C3 holds an infinite value"):
        make_predictor().predict(broken)


# channels and units -------------------------------------------------------------------------


def test_channels_are_found_by_name_in_any_order_and_spelling(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = make_recording()
    shuffled = Recording.from_array(
        np.concatenate([recording.data[[2, 0, 1]], np.ones((1, recording.n_times))]),
        ch_names=("EEG O1-REF", "FP1", "EEG C3", "ECG"),
        sfreq=50,
        units=("µV", "µV", "µV", "mV"),
    )
    predictor = make_predictor()
    np.testing.assert_array_equal(
        predictor.predict(shuffled).probabilities, predictor.predict(recording).probabilities
    )


def test_an_absent_channel_gives_no_token(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    """As if the model were called with the other channels only."""
    predictor, recording = make_predictor(), make_recording(2.0, ch_names=("Fp1", "O1"))
    assert predictor.montage(recording).absent == ("C3",)
    scaled = recording.data / np.quantile(np.abs(recording.data), 0.95, axis=1, keepdims=True)
    with torch.no_grad():
        expected = predictor._model(
            torch.from_numpy(scaled)[None], channel_ids=torch.tensor([[0, 2]])
        ).softmax(dim=1)
    np.testing.assert_allclose(
        predictor.predict(recording).probabilities, expected.numpy(), atol=1e-6
    )


def test_a_bipolar_channel_is_derived_from_its_electrodes(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = make_recording(4.0, ch_names=("FP1", "F7"))
    derived = Recording.from_array(
        recording.data[:1] - recording.data[1:], ch_names=("FP1-F7",), sfreq=50, units=("µV",)
    )
    predictor = make_predictor(ch_names=("FP1-F7",))
    np.testing.assert_array_equal(
        predictor.predict(recording).probabilities, predictor.predict(derived).probabilities
    )


def test_a_recording_without_any_of_the_channels_is_refused(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = make_recording(ch_names=("Pz", "Cz"))
    with pytest.raises(ChannelError, match=r"The recording has Pz, Cz; the vocabulary is Fp1, C3"):
        make_predictor().predict(recording)


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e-6), ("mV", 1e-3), ("uV", 1.0), ("nV", 1e3)])
def test_voltages_are_brought_to_the_unit_of_the_model(
    unit: str, factor: float, make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    predictor = make_predictor()
    expected = predictor.predict(make_recording()).probabilities
    found = predictor.predict(make_recording(unit=unit, factor=factor)).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_unit_that_cannot_be_converted_is_refused(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    message = r"Fp1 must be in 'µV', the recording has 'Fp1' in 'g'\. Correct the recording's"
    with pytest.raises(ContractError, match=message):
        make_predictor().predict(make_recording(unit="g"))
    movement = make_predictor(ch_names=("ACC_X", "ACC_Y"), units=("g", "g"))
    assert movement.predict(make_recording(ch_names=("acc x", "acc y"), unit="g")).usable.all()


def test_windows_keep_within_a_segment(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = make_recording(7.5)
    middle = round(3 * recording.sfreq)
    predictions = make_predictor().predict(replace(recording, starts=(0, middle)))
    assert predictions.start.tolist() == [0, 2, 3, 5, 7]
    assert predictions.stop.tolist() == [2, 3, 5, 7, 7.5]
    second = Recording.from_array(
        recording.read(middle),
        ch_names=recording.ch_names,
        sfreq=recording.sfreq,
        units=recording.units,
    )
    np.testing.assert_allclose(
        predictions.probabilities[2:],
        make_predictor().predict(second).probabilities,
        atol=1e-6,
        equal_nan=True,
    )


# the same as the corpus ---------------------------------------------------------------------


def test_predictions_equal_those_of_the_corpus(tmp_path: Path, make_model: MakeModel) -> None:
    """From a file at 256 Hz: equal but for the corpus's 16 bits."""
    path = write_edf(simulate_eeg(0, duration=40), tmp_path / "sub-01_eeg.edf")
    prepare(path, tmp_path / "corpus", sfreq=100, window=3, stride=1.5)
    corpus = load_corpus(tmp_path / "corpus")
    contract = corpus.preprocessing.with_labels(("a", "b"))
    predictor = Predictor(make_model(contract), contract, device="cpu")
    predictions = predictor.predict(read_recording(path), stride=1.5)
    with torch.no_grad():
        expected = torch.cat(
            [
                predictor._model(b.signal).softmax(dim=1)
                for b in batches(corpus, range(len(corpus)), 8)
            ]
        )
    assert len(corpus) == 25
    assert len(predictions) == 26  # and the tail
    np.testing.assert_array_equal(predictions.start[:25], corpus.starts)
    np.testing.assert_allclose(predictions.probabilities[:25], expected.numpy(), atol=1e-4)
    assert np.ptp(expected.numpy()[:, 0]) > 0.01  # the windows do differ


def test_a_recording_of_another_rate_is_resampled_at_once(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    recording = make_recording(10.0, sfreq=128)
    at_once = Recording.from_array(
        resample(recording.data, 128, 50),
        ch_names=recording.ch_names,
        sfreq=50,
        units=recording.units,
    )
    predictor = make_predictor()
    np.testing.assert_allclose(
        predictor.predict(recording, stride=0.7).probabilities,
        predictor.predict(at_once, stride=0.7).probabilities,
        atol=1e-5,
    )


def test_a_model_that_returns_features_too_predicts_the_same(
    make_predictor: MakePredictor, make_model: MakeModel, make_recording: MakeRecording
) -> None:
    predictor, recording = make_predictor(), make_recording()
    model = make_model(predictor.preprocessing)
    model.return_feature = True
    both = Predictor(model, predictor.preprocessing, device="cpu")
    expected = predictor.predict(recording).probabilities
    np.testing.assert_array_equal(both.predict(recording).probabilities, expected)
