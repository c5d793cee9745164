"""A flat channel is missing data: what counts as flat, whichever stretch is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.preprocessing import Preprocessing
from biot.signals import Recording, read_recording
from biot.signals.flat import FlatChannels, find_flat, varying_windows, without_flat
from biot.signals.preprocess import preprocessed
from biot.signals.units import tell_of_amplitudes


def recording_of(data: Any, sfreq: float = 20.0, **more: Any) -> Recording:
    array = np.atleast_2d(np.asarray(data, dtype=np.float32))
    names = [f"EEG {i}" for i in range(len(array))]
    return Recording.from_array(
        array, ch_names=names, sfreq=sfreq, units=["µV"] * len(array), **more
    )


def flat_one_by_one(row: Any, least: int) -> np.ndarray:
    """The rule as it is told: sample by sample, without a library."""
    flat = np.zeros(len(row), dtype=bool)
    first = 0
    for i in range(1, len(row) + 1):
        if i == len(row) or row[i] != row[first]:
            if i - first >= least and np.isfinite(row[first]):
                flat[first:i] = True
            first = i
    return flat


@st.composite
def stepwise_recordings(draw: st.DrawFn) -> tuple[Recording, int, int]:
    """A channel of runs and noise, in segments of any length, and a stretch to read."""
    lengths = draw(st.lists(st.integers(1, 35), min_size=1, max_size=12))
    values = [draw(st.sampled_from([0.0, 1.0, 7.5, np.nan])) for _ in lengths]
    data = np.repeat(values, lengths)
    noisy = draw(st.booleans())
    data = data + (np.arange(len(data)) % 2 if noisy else 0)
    cuts = draw(st.sets(st.integers(1, len(data)), max_size=3))
    starts = (0, *sorted(cut for cut in cuts if cut < len(data)))
    start = draw(st.integers(0, len(data)))
    return recording_of(data, starts=starts), start, draw(st.integers(start, len(data)))


@given(stepwise_recordings())
def test_any_stretch_has_the_samples_of_the_whole(case: tuple[Recording, int, int]) -> None:
    recording, start, stop = case
    expected = recording.data[0]
    for first, last in recording.segments:
        least = max(10, min(20, last - first))
        expected[first:last][flat_one_by_one(recording.data[0, first:last], least)] = np.nan
    np.testing.assert_array_equal(without_flat(recording).data[0], expected)
    np.testing.assert_array_equal(
        without_flat(recording).read(start, stop)[0], expected[start:stop]
    )


@pytest.mark.parametrize(
    ("sfreq", "length", "is_flat"),
    [
        (100.0, 100, True),  # a second
        (100.0, 99, False),
        (4.0, 10, True),  # a second is 4 samples, but ten are needed
        (4.0, 9, False),
        (99.5, 100, True),
        (99.5, 99, False),
    ],
)
def test_a_flat_stretch_lasts_a_second_and_ten_samples(
    sfreq: float, length: int, is_flat: bool
) -> None:
    data = np.arange(500.0)
    data[200 : 200 + length] = 3.25
    found = find_flat(recording_of(data, sfreq))
    assert bool(found) is is_flat
    if is_flat:
        assert found.seconds["EEG 0"] == pytest.approx(length / sfreq, abs=1e-3)


def test_a_constant_epoch_is_flat_though_it_is_shorter_than_a_second() -> None:
    data = np.arange(48.0)
    data[16:32] = 5.0
    cleaned = without_flat(recording_of(data, 20.0, starts=(0, 16, 32))).data[0]
    np.testing.assert_array_equal(np.isnan(cleaned), np.isin(np.arange(48), np.arange(16, 32)))


def test_flat_stretches_do_not_reach_over_a_break() -> None:
    data = np.concatenate([np.arange(40.0), np.full(30, 5.0), np.arange(40.0)])
    broken = recording_of(data, 20.0, starts=(0, 55))
    assert not find_flat(broken)
    assert find_flat(recording_of(data, 20.0)).seconds == {"EEG 0": 1.5}


def test_an_infinite_value_is_no_flat_stretch() -> None:
    assert not find_flat(recording_of(np.full(100, np.inf)))


def test_what_is_flat_is_told_by_name_and_seconds() -> None:
    data = np.random.default_rng(0).normal(size=(4, 400))
    data[0] = 2999
    data[1, :60] = 0
    data[2, 50:350] = -1
    found = find_flat(recording_of(data, 20.0))
    assert found == FlatChannels(
        whole=("EEG 0",), seconds={"EEG 1": 3.0, "EEG 2": 15.0}, mostly=("EEG 2",)
    )
    assert str(found) == (
        "1 channel throughout (EEG 0); "
        "18.0 s of stretches in 2 channels (EEG 2 15.0 s, EEG 1 3.0 s)"
    )
    assert FlatChannels.from_dict(dataclasses.asdict(found)) == found
    assert found.among(["EEG 1", "EEG 3"]) == FlatChannels(seconds={"EEG 1": 3.0})
    assert str(FlatChannels()) == ""


def test_what_may_be_at_rest_is_named_with_the_option() -> None:
    found = FlatChannels(whole=("Cz",), seconds={"ACC_X": 9.0, "TEMP": 5.0, "Pz": 30.0, "O1": 1.0})
    assert found.way_out == (
        "ACC_X, TEMP may be at rest, or slow and stored with repeated values: preparing with "
        "keep_flat would keep them"
    )
    assert "Pz" in dataclasses.replace(found, mostly=("Pz",)).way_out
    assert FlatChannels(whole=("Cz",)).way_out == "preparing with keep_flat would keep them"


def test_a_slow_signal_that_is_held_is_flat_throughout_and_named_as_such() -> None:
    heart_rate = np.repeat([60.0, 62.0, 61.0, 64.0], 100)
    found = find_flat(recording_of([heart_rate, np.full(400, 3.0)], 100.0))
    assert found == FlatChannels(whole=("EEG 0", "EEG 1"), mostly=("EEG 0",))
    assert found.way_out.startswith("EEG 0 may be at rest, or slow and stored with repeated values")


def test_raw_samples_decide_before_filters_and_resampling() -> None:
    data = np.random.default_rng(1).normal(size=(2, 4000))
    data[0, 1000:2000] = 100  # a filter would let the neighbours ring into it
    contract = Preprocessing(
        sfreq=50, window=1, ch_names=("EEG 0", "EEG 1"), units=("µV", "µV"), l_freq=1.0
    )
    clean = preprocessed(recording_of(data, 100.0), contract).data
    assert np.isnan(clean[0, 500:1000]).all()
    assert np.isfinite(clean[0, :490]).all()
    assert np.isfinite(clean[0, 1010:]).all()
    assert np.isfinite(clean[1]).all()
    kept = dataclasses.replace(contract, keep_flat=True)
    assert np.isfinite(preprocessed(recording_of(data, 100.0), kept).data).all()


@pytest.mark.parametrize("name", ["made.edf", "made.bdf"])
def test_samples_at_the_ends_of_the_converter_are_flat(
    write_edf: Callable[..., Path], make_signal: Callable[..., Any], name: str
) -> None:
    digital = np.random.default_rng(0).integers(-2000, 2000, 400)
    digital[40:80] = 2047
    digital[100:140] = np.where(np.arange(40) % 3, 2047, -2048)  # from rail to rail
    digital[200:240] = np.arange(2047, 2087)  # beyond the range
    digital[300:340] = np.where(np.arange(40) % 3, 2047, 2000)  # comes back each time
    signal = dataclasses.replace(
        make_signal(), digital=digital, per_record=20, range=("-2048", "2047")
    )
    path = write_edf([signal], name=name)
    flat = np.isnan(without_flat(read_recording(path)).data[0])
    expected = np.zeros(400, dtype=bool)
    for first, last in ((40, 80), (100, 140), (200, 240)):
        expected[first:last] = True
    np.testing.assert_array_equal(flat[: 300 - 5], expected[: 300 - 5])
    assert not flat[300:340].any()


def test_a_signal_of_few_values_is_not_at_the_ends_of_its_range(
    write_edf: Callable[..., Path], make_signal: Callable[..., Any]
) -> None:
    digital = np.arange(400) // 7 % 2
    signal = dataclasses.replace(make_signal(), digital=digital, per_record=20, range=("0", "1"))
    assert not find_flat(read_recording(write_edf([signal])))


def test_the_own_samples_of_a_slow_signal_decide(
    write_edf: Callable[..., Path], make_signal: Callable[..., Any]
) -> None:
    """A constant is no constant any more once it is resampled; its own rate counts."""
    fast = make_signal(4000, 100, seed=1, label="EEG Cz")
    slow = make_signal(800, 20, seed=2, label="Resp")
    dead = dataclasses.replace(slow, digital=np.full(800, 500), label="EEG Pz")
    held = slow.digital.copy()
    held[200:260] = 7
    partly = dataclasses.replace(slow, digital=held, label="EEG Oz")
    with pytest.warns(UserWarning, match="rates 20, 100 Hz"):
        recording = read_recording(write_edf([fast, slow, dead, partly]))
    assert np.ptp(recording.data[2]) > 0  # the filter's ripple
    assert recording.rates == (100, 20, 20, 20)
    found = find_flat(recording)
    assert found.whole == ("EEG Pz",)
    assert found.seconds["EEG Oz"] == pytest.approx(3.0, abs=1.2)  # the filter's reach with it
    clean = without_flat(recording)
    assert np.isnan(clean.data[2]).all()
    assert np.isfinite(clean.data[:2]).all()
    assert np.isnan(clean.read(1000, 1300)[3]).all()
    np.testing.assert_array_equal(clean.read(900, 1500), clean.data[:, 900:1500])


def test_windows_in_memory_are_segments_of_their_own() -> None:
    X = np.random.default_rng(0).normal(size=(5, 2, 60))
    X[1, 0] = 3.0
    X[2, 1, 10:30] = 0.0
    X[3, 1, 10:29] = 0.0
    before = X.copy()
    clean, found = varying_windows(X, 20.0, ("C3", "C4"))
    expected = X.copy()
    expected[1, 0] = expected[2, 1, 10:30] = np.nan
    np.testing.assert_array_equal(clean, expected)
    np.testing.assert_array_equal(X, before)
    assert found.seconds == {"C3": 3.0, "C4": 1.0}
    same, nothing = varying_windows(X[4:], 20.0, ("C3", "C4"))
    assert np.shares_memory(same, X)
    assert not nothing


def test_amplitudes_are_not_told_of_flat_channels() -> None:
    assert tell_of_amplitudes(recording_of(np.full(100, 2999.0)))


def test_gaps_of_days_are_passed_over() -> None:
    n_times = 10**12
    data = np.arange(100.0)
    data[20:60] = 5

    def read_samples(start: int, stop: int) -> Any:
        assert stop - start < 10**6
        places = np.arange(start, stop)
        first, last = places % 100, (places < 100) | (places >= n_times - 100)
        return np.where(last, data[first], np.nan).astype(np.float32)[np.newaxis]

    recording = Recording(
        path=None, ch_names=("Cz",), sfreq=20.0, n_times=n_times, units=("µV",),
        gaps=((100, n_times - 100),), read_samples=read_samples,
    )  # fmt: skip
    assert find_flat(recording).seconds == {"Cz": 4.0}
