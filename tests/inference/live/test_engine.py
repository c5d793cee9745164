"""The engine without any network: its rows are those of `Predictor.predict`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biot.errors import ChannelError, ContractError
from biot.inference import Predictor
from biot.inference.live.engine import LiveEngine
from biot.inference.live.replay import replayed
from biot.inference.live.rows import LiveRow
from biot.preprocessing import Preprocessing
from biot.signals import Recording
from biot.signals.recording import Annotation

Make = Callable[..., Any]
CAUSAL = {"l_freq": 1.0, "h_freq": 20.0, "causal": True}


def predictor_of(make_model: Make, **changes: Any) -> Predictor:
    how: dict[str, Any] = {
        "sfreq": 50, "window": 2, "ch_names": ("Fp1", "C3", "O1"), "units": ("µV",) * 3,
        "label_names": ("rest", "event"),
    }  # fmt: skip
    contract = Preprocessing(**how | changes)
    return Predictor(make_model(contract), contract, device="cpu")


def assert_same(
    rows: list[LiveRow], predictor: Predictor, recording: Recording, stride: float
) -> None:
    """As a file's predictions, to 1e-5; the windows that only its end completes may be lacking."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = predictor.predict(recording, stride=stride)
    assert len(rows) == len(expected)
    found = np.array([list(row.probabilities.values()) for row in rows])
    np.testing.assert_allclose([row.start for row in rows], expected.start, rtol=0, atol=1e-9)
    np.testing.assert_allclose([row.stop for row in rows], expected.stop, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found, expected.probabilities, rtol=0, atol=1e-5)
    assert [row.label or "" for row in rows] == list(expected.labels)


def play(predictor: Predictor, recording: Recording, stride: float, cuts: Any = 7) -> list[LiveRow]:
    """Every sample pushed in small pieces, and rows asked for after each."""
    engine = LiveEngine(predictor, recording, stride=stride, queue=None)
    found: list[LiveRow] = []
    data = engine.recording.read()
    for first, last in engine.recording.segments:
        if first:
            found += engine.end_segment()
        edges = [*range(first, last, cuts), last] if isinstance(cuts, int) else cuts
        for start, stop in pairwise(edges):
            engine.push(data[:, start:stop], np.arange(start, stop) / recording.sfreq)
            found += engine.rows()
    return found + engine.finish()


@pytest.mark.parametrize(
    ("how", "sfreq"),
    [
        *(({}, sfreq) for sfreq in (40.0, 50.0, 64.0, 250.0)),
        *((CAUSAL, sfreq) for sfreq in (50.0, 64.0, 250.0)),
        (CAUSAL | {"notch": 15.0}, 64.0),
        ({"scale": "none", "keep_flat": True}, 50.0),
    ],
    ids=str,
)
def test_rows_are_those_of_the_file(
    make_model: Make, make_recording: Make, how: dict[str, Any], sfreq: float
) -> None:
    predictor = predictor_of(make_model, **how)
    recording = make_recording(11.3, sfreq=sfreq)
    assert_same(play(predictor, recording, 0.7), predictor, recording, 0.7)


def test_a_last_window_between_the_last_two_samples_has_a_row(
    make_model: Make, make_recording: Make
) -> None:
    predictor, recording = predictor_of(make_model), make_recording(194 / 64, sfreq=64.0)
    rows = play(predictor, recording, 3.02)  # sample 151 at 50 Hz lies at 193.28 of those at 64 Hz
    assert_same(rows, predictor, recording, 3.02)
    assert [row.start for row in rows] == [0.0, 3.02]
    assert np.isnan(list(rows[1].probabilities.values())).all()


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_chunks_gaps_and_flat_stretches_change_nothing(
    make_model: Make, make_recording: Make, data: st.DataObject
) -> None:
    causal = data.draw(st.booleans())
    reference = data.draw(st.sampled_from(["none", "average"]))
    predictor = predictor_of(make_model, reference=reference, **(CAUSAL if causal else {}))
    recording = make_recording(9.0, sfreq=data.draw(st.sampled_from([50.0, 64.0])))
    values = recording.data.copy()
    for _ in range(data.draw(st.integers(0, 4))):
        row, start = data.draw(st.integers(0, 2)), data.draw(st.integers(0, len(values[0]) - 2))
        length = data.draw(st.integers(2, 150))
        values[row, start : start + length] = data.draw(st.sampled_from([np.nan, 3.0]))
    changed = Recording.from_array(
        values, ch_names=recording.ch_names, sfreq=recording.sfreq, units=recording.units
    )
    cuts = sorted({0, values.shape[1], *data.draw(st.lists(st.integers(1, values.shape[1] - 1)))})
    stride = data.draw(st.sampled_from([0.3, 1.0, 2.0, 3.0]))
    assert_same(play(predictor, changed, stride, cuts), predictor, changed, stride)


def test_segments_bad_stretches_converter_limits_and_units_are_those_of_the_file(
    make_model: Make, make_recording: Make
) -> None:
    predictor = predictor_of(make_model)
    one = make_recording(12.0, sfreq=64.0, unit="mV", factor=1e-3, ch_names=("O1", "ECG", "C3"))
    values = np.clip(one.data, -0.03, 0.03)
    values[0, 100:200] = 0.03
    recording = Recording.from_array(
        values, ch_names=one.ch_names, sfreq=64.0, units=one.units, starts=(0, 301, 500),
        annotations=[Annotation(2.0, 0.5, "BAD_jump"), Annotation(9.0, 0.0, "event")],
    )  # fmt: skip
    recording = replace(recording, limits=((-0.03, 0.03),) * 3)
    assert_same(play(predictor, recording, 0.5), predictor, recording, 0.5)


def test_a_recording_shorter_than_a_window_gives_one_row(
    make_predictor: Make, make_recording: Make
) -> None:
    predictor, recording = make_predictor(), make_recording(1.2)
    assert_same(play(predictor, recording, 2.0), predictor, recording, 2.0)


def test_replay_gives_the_rows_of_the_file(make_model: Make, make_recording: Make) -> None:
    predictor = predictor_of(make_model, **CAUSAL)
    recording = make_recording(31.0, sfreq=100.0)
    engine = LiveEngine(predictor, recording, stride=0.5, queue=None)
    rows = [row for some in replayed(engine, speed=0) for row in some]
    assert_same(rows, predictor, recording, 0.5)
    assert len(engine.latencies) == len(rows)
    assert (engine.n_lost, engine.n_dropped) == (0, 0)
    engine = LiveEngine(predictor, recording, stride=0.5)
    rows = [row for some in replayed(engine, speed=200, seconds=10) for row in some]
    assert rows[-1].stop == 10.0 - 0.5 * (rows[-1].stop != 10.0)
    assert all(row.latency > 0 for row in rows)


def test_lost_samples_are_missing_data_and_counted(
    make_predictor: Make, make_recording: Make
) -> None:
    predictor, recording = make_predictor(), make_recording(10.0)
    holed = recording.data.copy()
    holed[:, 120:250] = np.nan
    engine = LiveEngine(predictor, recording, stride=1.0)
    data = recording.data
    engine.push(data[:, :120], np.arange(120) / 50)
    engine.miss(130)
    rows = engine.rows()
    engine.push(data[:, 250:], np.arange(250, 500) / 50)
    engine._queue = None
    rows += engine.rows() + engine.finish()
    expected = Recording.from_array(
        holed, ch_names=recording.ch_names, sfreq=50, units=recording.units
    )
    assert_same(rows, predictor, expected, 1.0)
    assert engine.n_lost == 130
    assert [row.lost for row in rows] == [0, 30, 80, 100, 50, 0, 0, 0, 0]
    assert rows[3].label is None
    assert rows[3].to_dict()["p"] == {"rest": None, "event": None}


def test_the_newest_windows_are_predicted_and_the_others_counted(
    make_predictor: Make, make_recording: Make
) -> None:
    recording = make_recording(20.0)
    engine = LiveEngine(make_predictor(), recording, stride=0.5, queue=3)
    engine.push(recording.data[:, :501], np.arange(501) / 50)
    rows = engine.rows()
    assert [row.start for row in rows] == [7.0, 7.5, 8.0]
    assert [row.dropped for row in rows] == [14, 0, 0]
    engine.push(recording.data[:, 501:527], np.arange(501, 527) / 50)
    assert [(row.start, row.dropped) for row in engine.rows()] == [(8.5, 0)]
    assert engine.n_dropped == 14


def test_a_window_waits_until_it_is_known_whether_its_end_is_flat(
    make_predictor: Make, make_recording: Make
) -> None:
    values = make_recording(10.0).data.copy()
    values[1, 95:120] = 7.0  # half a second: not flat, which only sample 120 shows
    recording = Recording.from_array(
        values, ch_names=("Fp1", "C3", "O1"), sfreq=50, units=("µV",) * 3
    )
    engine = LiveEngine(make_predictor(), recording)
    engine.push(values[:, :120], np.arange(120) / 50)
    assert engine.rows() == []
    engine.push(values[:, 120:121], np.array([120 / 50]))
    assert [row.stop for row in engine.rows()] == [2.0]


def test_when_nothing_more_comes_what_has_come_is_the_end(
    make_model: Make, make_recording: Make
) -> None:
    predictor, recording = predictor_of(make_model), make_recording(4.0, sfreq=100.0)
    engine = LiveEngine(predictor, recording)
    engine.push(recording.data, np.arange(400) / 100)
    rows = engine.rows()
    assert [row.stop for row in rows] == [2.0]
    rows += engine.rows(at_end=True)
    assert_same(rows, predictor, recording, 2.0)


def test_hours_need_no_more_memory_than_minutes(make_predictor: Make, make_recording: Make) -> None:
    recording = make_recording(60.0)
    engine = LiveEngine(make_predictor(), recording, stride=30.0)
    for minute in range(60):
        for start in range(0, 3000, 500):
            stamps = minute * 60 + np.arange(start, start + 500) / 50
            engine.push(recording.data[:, start : start + 500], stamps)
            engine.rows()
    assert engine._buffer.stop == 60 * 3000
    assert engine._buffer._data.shape[1] < 10_000


def test_latency_counts_from_the_last_sample_of_a_window(
    make_predictor: Make, make_recording: Make
) -> None:
    recording = make_recording(10.0)
    engine = LiveEngine(make_predictor(), recording, clock=lambda: 100.0)
    engine.push(recording.data[:, :101], 90 + np.arange(101) / 50)
    (row,) = engine.rows()
    assert row.stamp == pytest.approx(90 + 99 / 50)
    assert row.latency == pytest.approx(100 - (90 + 99 / 50))


def test_zero_phase_filters_are_refused_with_the_way_out(
    make_model: Make, make_recording: Make
) -> None:
    message = r"zero-phase filters \(1 to 20 Hz\).*again with causal=True, and train on that"
    with pytest.raises(ContractError, match=message):
        LiveEngine(predictor_of(make_model, l_freq=1.0, h_freq=20.0), make_recording())


def test_resampling_of_the_whole_is_refused_unless_there_is_nothing_to_resample(
    make_model: Make, make_recording: Make
) -> None:
    predictor = predictor_of(make_model, resample="fft")
    LiveEngine(predictor, make_recording(sfreq=50.0))
    with pytest.raises(ContractError, match=r"is at 64 Hz, the model at 50 Hz, .*resample=poly"):
        LiveEngine(predictor, make_recording(sfreq=64.0))


def test_wrong_names_wrong_units_and_low_rates_are_told_as_of_files(
    make_predictor: Make, make_recording: Make
) -> None:
    with pytest.raises(ChannelError, match="recording in memory"):
        LiveEngine(make_predictor(), make_recording(ch_names=("X1", "X2", "X3")))
    with pytest.raises(ContractError, match=r"must be in 'µV'.*units=µV"):
        LiveEngine(make_predictor(), make_recording(unit=""))
    (note,) = LiveEngine(make_predictor(), make_recording(sfreq=32.0)).notes
    assert "nothing above 16 Hz; the model's rate is 50 Hz" in note
