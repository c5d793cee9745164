"""Scores of parts, beside numbers that are worked out without the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import firwin

from biot import Explanation
from biot.decision import Decision
from biot.errors import ConfigError, RecordingError
from biot.inference import Predictor
from biot.inference.explaining.parts import stretches_of
from biot.preprocessing import Preprocessing
from biot.signals import Annotation, Recording

from .conftest import DETECTED, GAIN, HOP, N_FFT, OFFSET, detector_contract

MakeDetector = Callable[[Preprocessing], Predictor]
MakeBurst = Callable[..., Recording]
NAMES = ("Fp1", "Fp2", "F3", "F4")
FIELDS = ("channel_scores", "stretch_scores", "cell_scores", "band_scores", "channel_band_scores")


def log_odds(scaled: np.ndarray) -> float:
    """What the detector says of a scaled window (C, T), by its formula; NaN is missing."""
    patches = sliding_window_view(scaled, N_FFT, axis=-1)[:, ::HOP]
    whole = np.isfinite(patches).all(axis=-1)
    magnitude = np.abs(np.fft.rfft(np.nan_to_num(patches)))[..., DETECTED[0] : DETECTED[1] + 1]
    if not whole.any():
        return np.nan
    return float(GAIN * magnitude.mean(axis=-1)[whole].mean() - OFFSET)


def scaled_at(recording: Recording, first: int) -> np.ndarray:
    window = recording.data[:, first : first + 400].astype(float)
    return window / np.nanquantile(np.abs(window), 0.95, axis=1, keepdims=True)


# values -------------------------------------------------------------------------------------


def test_scores_are_what_the_log_odds_lose_when_a_part_is_nan(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    recording = make_burst()
    found = make_detector(detector_contract(NAMES)).explain(recording, at=1, bands="", step=1)
    window = scaled_at(recording, 0)
    whole = log_odds(window)
    assert found.target == "alpha" if whole > 0 else "rest"
    sign = 1 if whole > 0 else -1
    assert found.baseline == pytest.approx(sign * whole, abs=1e-4)

    def score(rows: Any, samples: slice) -> float:
        without = window.copy()
        without[rows, samples] = np.nan
        return sign * (whole - log_odds(without))

    spans = [slice(100 * k, 100 * k + 100) for k in range(4)]
    everything = slice(None)
    np.testing.assert_allclose(
        found.channel_scores, [score(c, everything) for c in range(4)], atol=1e-4
    )
    np.testing.assert_allclose(
        found.stretch_scores, [score(everything, span) for span in spans], atol=1e-4
    )
    cells = [[score(c, span) for span in spans] for c in range(4)]
    np.testing.assert_allclose(found.cell_scores, cells, atol=1e-4)


def test_a_band_is_filtered_out_of_the_whole_recording_and_the_scale_stays(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    recording = make_burst()
    found = make_detector(detector_contract(NAMES)).explain(
        recording, start=5, target="alpha", bands=[(4, 8), (8, 16)]
    )
    window = recording.data[:, 500:900]
    scale = np.quantile(np.abs(window), 0.95, axis=1, keepdims=True)

    def without(low: float, high: float) -> np.ndarray:
        taps = np.ones(1)
        for edge, kind in ((low, "highpass"), (high, "lowpass")):
            n_taps = 2 * int(np.ceil(3.3 / max(edge / 4, 2.0) * 100 / 2)) + 1
            taps = np.convolve(taps, firwin(n_taps, edge, pass_zero=kind, fs=100))
        passed = [np.convolve(row, taps, mode="same") for row in recording.data.astype(float)]
        return (window - np.array(passed)[:, 500:900]) / scale

    whole = log_odds(window / scale)
    for f, edges in enumerate(((4, 8), (8, 16))):
        assert found.band_scores[f] == pytest.approx(whole - log_odds(without(*edges)), abs=1e-3)
        for c in range(4):
            one = window / scale
            one[c] = without(*edges)[c]
            expected = whole - log_odds(one)
            assert found.channel_band_scores[c, f] == pytest.approx(expected, abs=1e-3)
    assert found.band_scores[1] > 5 * abs(found.band_scores[0])


def test_the_other_class_has_the_opposite_scores(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    predictor = make_detector(detector_contract(NAMES))
    one, other = (
        predictor.explain(make_burst(), at=1, target=target) for target in ("rest", "alpha")
    )
    for name in FIELDS:
        np.testing.assert_allclose(getattr(one, name), -getattr(other, name), atol=1e-9)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_log_odds_are_those_of_the_probabilities(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outputs = rng.normal(0, 3, (5, 3))
    for decision in (
        Decision(class_weights=(1, 2, 0.5), temperature=1.5),
        Decision(task="multilabel", class_weights=(1, 2, 0.5)),
    ):
        p = decision.probabilities(outputs)
        np.testing.assert_allclose(decision.log_odds(outputs), np.log(p / (1 - p)), rtol=1e-6)
    far = Decision().log_odds(np.array([[900.0, -900.0, 0.0], [np.nan, 1, 2]]))
    assert far[0] == pytest.approx([900, -1800, -900])
    assert np.isnan(far[1]).all()


def test_a_regression_is_explained_in_its_own_number(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    contract = detector_contract(NAMES, label_names=("power",), task="regression")
    found = make_detector(contract).explain(make_burst(), at=1)
    assert (found.target, found.label, found.measure) == ("power", "", "power")
    assert found.baseline == pytest.approx(log_odds(scaled_at(make_burst(), 0)), abs=1e-4)
    assert "power is" in str(found)
    several = detector_contract(NAMES, label_names=("a", "b"), task="regression")
    with pytest.raises(ConfigError, match="target must be one of the model's numbers, a, b"):
        make_detector(several).explain(make_burst(), at=1)


def test_the_tag_furthest_above_its_threshold_is_explained(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    contract = detector_contract(NAMES, task="multilabel", thresholds=(0.9, 0.1))
    found = make_detector(contract).explain(make_burst(), at=1)
    assert (found.target, found.label) == ("alpha", "alpha")
    swapped = replace(contract, thresholds=(0.1, 0.9999))
    found = make_detector(swapped).explain(make_burst(), at=9)
    assert (found.target, found.label) == ("rest", "rest")


# what is found ------------------------------------------------------------------------------


def test_the_channel_stretch_and_band_of_a_burst_score_highest_in_ten_of_ten(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    predictor = make_detector(detector_contract(NAMES, scale="none"))
    for seed in range(10):
        channel, stretch = seed % 4, seed * 3 % 4
        recording = make_burst(channel, 4 + stretch, 5 + stretch, seed=seed)
        found = predictor.explain(recording, at=5, target="alpha", step=1)
        assert found.channel_scores.argmax() == channel
        assert found.stretch_scores.argmax() == stretch
        assert np.unravel_index(found.cell_scores.argmax(), (4, 4)) == (channel, stretch)
        assert found.bands[found.band_scores.argmax()].name == "alpha"
        c, f = np.unravel_index(found.channel_band_scores.argmax(), (4, 5))
        assert (c, found.bands[f].name) == (channel, "alpha")


def test_the_order_of_the_channels_does_not_matter(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    recording = make_burst()
    order = [2, 0, 3, 1]
    one = make_detector(detector_contract(NAMES)).explain(recording, at=1)
    names = tuple(NAMES[row] for row in order)
    other = make_detector(detector_contract(names)).explain(recording.pick([3, 1, 0, 2]), at=1)
    np.testing.assert_allclose(other.cell_scores, one.cell_scores[order], atol=1e-5)
    np.testing.assert_allclose(other.band_scores, one.band_scores, atol=1e-5)


def test_two_calls_give_the_same_numbers_to_the_last_bit(trained: Predictor) -> None:
    from biot.simulate import simulate_eeg

    recording = simulate_eeg(50, duration=40)
    one, other = (trained.explain(recording, at=20) for _ in range(2))
    for name in FIELDS:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_all_occlusions_go_through_one_pass_of_batches(
    make_detector: MakeDetector, make_burst: MakeBurst, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = make_detector(detector_contract(NAMES))
    sizes: list[int] = []
    forward = predictor._model.forward

    def counted(signals: Any) -> Any:
        sizes.append(len(signals))
        return forward(signals)

    monkeypatch.setattr(predictor._model, "forward", counted)
    predictor.explain(make_burst(), at=1)
    # the whole, 4 channels, 8 stretches, 32 cells, 5 bands and 20 of single channels
    assert sizes == [64, 1 + 4 + 8 + 32 + 5 + 20 - 64]


# what is missing ----------------------------------------------------------------------------


def test_without_everything_nothing_is_said(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    predictor = make_detector(detector_contract(NAMES))
    alone = predictor.explain(make_burst().pick([1]), at=1)
    assert np.isnan(alone.channel_scores).all()
    assert np.isfinite(alone.stretch_scores).all()
    np.testing.assert_array_equal(alone.cell_scores[1], alone.stretch_scores)
    assert "Without Fp2 nothing is left to predict from: it has no score." in alone.notes
    at_once = predictor.explain(make_burst(), at=1, step=4)
    assert at_once.stretches.tolist() == [[0, 4]]
    assert np.isnan(at_once.stretch_scores).all()
    np.testing.assert_array_equal(at_once.cell_scores[:, 0], at_once.channel_scores)
    both = predictor.explain(make_burst().pick([1]), at=1, step=4)
    assert np.isnan(both.cell_scores).all()
    assert "No part has a score." not in str(both)  # bands have
    assert "No part has a score." in str(
        predictor.explain(make_burst().pick([1]), at=1, step=4, bands="")
    )


def test_absent_channels_and_gaps_have_no_score_and_change_no_other(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    contract = detector_contract((*NAMES, "Cz"))
    recording = replace(make_burst(), annotations=(Annotation(3.0, 0.5, "BAD_blink"),))
    found = make_detector(contract).explain(recording, at=1, step=0.5)
    assert found.absent == ("Cz",)
    assert any(note.startswith("Absent from the recording: Cz;") for note in found.notes)
    absent = [found.channel_scores[4], *found.cell_scores[4], *found.channel_band_scores[4]]
    assert np.isnan(absent).all()
    # tokens are 1 s long: of those that touch 3.0 to 3.5 s none is whole
    bad = found.stretches[:, 0] == 3.0
    assert np.isnan(found.stretch_scores[bad]).all()
    assert np.isfinite(found.stretch_scores[found.stretches[:, 1] <= 3.0]).all()
    assert np.isnan(found.signal[:, 300:350]).all()
    window = recording.data[:, :400].astype(float)
    window[:, 300:350] = np.nan
    window /= np.nanquantile(np.abs(window), 0.95, axis=1, keepdims=True)
    assert abs(found.baseline) == pytest.approx(abs(log_odds(window)), abs=1e-4)


def test_a_window_that_reaches_beyond_the_end_is_explained_as_far_as_it_was_recorded(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    recording = make_burst(seconds=10.0)
    found = make_detector(detector_contract(NAMES)).explain(recording, at=9.9, step=1)
    assert (found.start, found.stop) == (8.0, 10.0)
    assert np.isfinite(found.stretch_scores).tolist() == [True, True, False, False]
    assert make_detector(detector_contract(NAMES)).explain(recording, at=10).start == 8.0


def test_a_window_without_usable_data_is_refused(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    recording = replace(make_burst(), annotations=(Annotation(4.0, 4.0, "BAD"),))
    with pytest.raises(RecordingError, match=r"in the window of 4 to 8 s no channel of the model"):
        make_detector(detector_contract(NAMES)).explain(recording, at=5)


# which window, and which stretches ----------------------------------------------------------


def test_the_window_is_the_one_of_the_grid_whose_middle_is_nearest(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    predictor, recording = make_detector(detector_contract(NAMES)), make_burst()

    def start(**given: Any) -> float:
        return predictor.explain(recording, bands="", **given).start

    assert [start(at=second) for second in (0, 3.99, 4, 11.99, 12)] == [0, 0, 4, 8, 8]
    assert [start(at=second, stride=1) for second in (0, 3.2, 5.5, 11)] == [0, 1, 3, 8]
    assert start(start=2.5) == 2.5
    with pytest.raises(ConfigError, match=r"at=5 lies in none of the windows of 4 s"):
        start(at=5, stride=6)
    for wrong in (-1, 12.5, float("nan")):
        with pytest.raises(ConfigError, match=rf"at={wrong:g} lies outside .* from 0 to 12 s"):
            start(at=wrong)
    with pytest.raises(ConfigError, match="give one of at=, event= and start="):
        start()
    with pytest.raises(ConfigError, match="give one of at=, event= and start="):
        start(at=1, start=2)
    with pytest.raises(ConfigError, match=r"target must be one of rest, alpha, got 'Alpha'"):
        start(at=1, target="Alpha")


def test_an_event_is_explained_by_its_surest_window(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    predictor = make_detector(detector_contract(NAMES, thresholds=(0.4,)))
    recording = make_burst(1, 5.0, 8.0)
    predictions = predictor.predict(recording)
    events = [event for event in predictions.to_events() if event.label == "alpha"]
    number = list(predictions.to_events()).index(events[0]) + 1
    found = predictor.explain(recording, event=number)
    assert (found.start, found.target) == (4.0, "alpha")
    assert predictor.explain(recording, event=events[0]).to_dict() == found.to_dict()
    n_events = len(predictions.to_events())
    with pytest.raises(ConfigError, match="event must be a number, counted from 1, or an Event"):
        predictor.explain(recording, event="first")  # type: ignore[arg-type]
    assert predictor.explain(recording, event=np.int64(number)).to_dict() == found.to_dict()
    with pytest.raises(ConfigError, match=rf"event=99 is not among the events .* has {n_events}"):
        predictor.explain(recording, event=99)


@given(
    n_fft=st.integers(1, 60), hop=st.integers(1, 60), more=st.integers(0, 300),
    step=st.none() | st.floats(0.01, 1),
)  # fmt: skip
@settings(deadline=None)
def test_stretches_cover_what_tokens_see_once_and_begin_where_tokens_do(
    n_fft: int, hop: int, more: int, step: float | None
) -> None:
    n_times = n_fft + more
    seconds = None if step is None else step * n_times / 100
    found = stretches_of(n_times, n_fft, hop, step=seconds, sfreq=100)
    last = (n_times - n_fft) // hop * hop + n_fft
    assert found[0, 0] == 0
    assert found[-1, 1] == last
    assert (found[1:, 0] == found[:-1, 1]).all()
    assert (found[:, 0] < found[:, 1]).all()
    assert (found[:, 0] % hop == 0).all()
    if step is None:
        assert len(found) <= 10


def test_a_step_longer_than_the_window_is_refused() -> None:
    for wrong in (0, -1, 4.1, float("nan")):
        with pytest.raises(ConfigError, match="step must be above 0 s and at most the window of 4"):
            stretches_of(400, 100, 50, step=wrong, sfreq=100)


def test_the_explanation_is_public() -> None:
    import biot

    assert biot.Explanation is Explanation
