"""Resampling and amplitude scale."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample as fourier_resample
from scipy.signal import resample_poly

from biot.errors import ConfigError
from biot.signals import Annotation, Recording, q95_scale, resample, resampled

RATES = st.sampled_from([(256, 200), (160, 200), (500, 200), (12.8, 100), (487.5, 500), (1, 100)])


def _noise(n_times, n_chans=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n_chans, n_times))


@pytest.mark.parametrize(
    ("sfreq", "new_sfreq", "up", "down"),
    [(256, 200, 25, 32), (500, 200, 2, 5), (128, 200, 25, 16), (12.8, 100, 125, 16)],
)
def test_resampling_equals_scipy(sfreq, new_sfreq, up, down):
    data = _noise(1000)
    expected = resample_poly(data, up, down, axis=-1, padtype="edge")
    np.testing.assert_allclose(resample(data, sfreq, new_sfreq), expected, rtol=0, atol=1e-12)


def test_away_from_the_ends_resampling_equals_scipys_default():
    data = _noise(1000)
    expected = resample_poly(data, 2, 5, axis=-1)[:, 12:-12]
    np.testing.assert_allclose(resample(data, 500, 200)[:, 12:-12], expected, rtol=0, atol=1e-12)


def test_a_tone_below_both_rates_keeps_its_time_and_amplitude():
    tone = np.sin(2 * np.pi * 10 * np.arange(2560) / 256)
    expected = np.sin(2 * np.pi * 10 * np.arange(2000) / 200)
    np.testing.assert_allclose(resample(tone, 256, 200)[50:-50], expected[50:-50], atol=2e-3)


def test_a_constant_offset_stays_constant_to_the_ends():
    np.testing.assert_allclose(resample(np.full(100, 2e5), 256, 200), 2e5, rtol=1e-3)


def test_the_same_rate_changes_nothing():
    data = _noise(10)
    np.testing.assert_array_equal(resample(data, 200, 200.0), data)


def test_float32_stays_float32_and_integers_become_float64():
    assert resample(_noise(50).astype(np.float32), 2, 1).dtype == np.float32
    assert resample(np.arange(50), 2, 1).dtype == np.float64


@given(rates=RATES, start=st.integers(0, 299), length=st.integers(1, 60))
def test_missing_samples_stay_missing_and_spread_only_as_far_as_the_filter_reaches(
    rates, start, length
):
    data = _noise(300)
    complete = resample(data, *rates)
    data[0, start : start + length] = np.nan
    found = resample(data, *rates)
    np.testing.assert_allclose(found[1], complete[1], atol=1e-12)
    missing = np.isnan(found[0])
    np.testing.assert_allclose(found[0, ~missing], complete[0, ~missing], atol=1e-12)
    old_times = np.arange(start, min(start + length, 300)) / rates[0]
    new_times = np.arange(found.shape[1]) / rates[1]
    reach = 10 / min(rates)
    distance = np.abs(new_times[:, None] - old_times).min(axis=1)
    assert missing[distance < reach - 1e-9].all()
    assert not missing[distance > reach + 1e-9].any()


def test_an_infinite_sample_spoils_what_a_missing_one_would():
    data = _noise(300)
    data[0, 100] = np.nan
    expected = resample(data, 500, 200)
    for value in (np.inf, -np.inf):
        data[0, 100] = value
        np.testing.assert_array_equal(resample(data, 500, 200), expected)


def test_all_samples_missing_gives_none():
    assert np.isnan(resample(np.full((2, 50), np.nan), 256, 200)).all()


@given(rates=RATES, cuts=st.lists(st.integers(0, 700), min_size=1, max_size=5))
def test_pieces_of_a_resampled_recording_equal_the_whole(rates, cuts):
    data = _noise(700).astype(np.float32) + 1000
    data[0, 300:310] = np.nan
    names = {"ch_names": ("A", "B"), "units": ("µV", "µV")}
    recording = resampled(Recording.from_array(data, sfreq=rates[0], **names), rates[1])
    whole = resample(data, *rates)
    assert recording.n_times == whole.shape[1]
    assert recording.sfreq == rates[1]
    edges = sorted({0, recording.n_times, *(min(cut, recording.n_times) for cut in cuts)})
    pieces = [recording.read(a, b) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_an_empty_stretch_of_a_resampled_recording_is_empty():
    recording = Recording.from_array(_noise(50), ch_names=("A", "B"), sfreq=2, units=("", ""))
    assert resampled(recording, 1).read(3, 3).shape == (2, 0)
    assert resampled(recording, 2) is recording


def test_a_rate_without_a_short_ratio_is_met_as_long_as_nothing_drifts():
    sfreq = 600.614990234375
    assert resample(np.zeros(6006), sfreq, 200).shape == (2000,)
    with pytest.raises(ConfigError, match=r"Resampling 600.614990234375 Hz to 200 Hz.*no ratio"):
        resample(np.zeros(10**8, dtype=np.float32), sfreq, 200)


def test_a_rate_that_would_fill_memory_is_refused():
    with pytest.raises(ConfigError, match=r"Resampling 100 Hz to 1000000000.0 Hz.*no ratio"):
        resample(np.zeros(10), 100, 1e9)


@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf])
def test_a_rate_that_is_none_raises(rate):
    with pytest.raises(ConfigError, match="must be positive and finite"):
        resample(np.zeros(10), rate, 200)


def test_fft_resampling_is_that_of_the_authors():
    data = _noise(2560)
    expected = fourier_resample(data, 2000, axis=-1)
    found = resample(data, 256, 200, method="fft")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    names = {"ch_names": ("A", "B"), "units": ("µV", "µV")}
    recording = resampled(Recording.from_array(data, sfreq=256, **names), 200, method="fft")
    assert (recording.n_times, recording.sfreq) == (2000, 200)
    np.testing.assert_allclose(recording.read(99, 500), expected[:, 99:500], atol=1e-6)


def test_a_segment_too_short_for_a_sample_has_none_by_fft():
    recording = Recording.from_array(
        _noise(801), ch_names=["C3", "C4"], sfreq=1000, units=["uV"] * 2, starts=[0, 400, 401]
    )
    data = recording.data
    found = resampled(recording, 200, method="fft")
    expected = [fourier_resample(part, 80, axis=-1) for part in (data[:, :400], data[:, 401:])]
    np.testing.assert_allclose(found.data, np.hstack(expected), rtol=0, atol=1e-5)


def test_fft_resampling_refuses_a_gap_but_keeps_an_absent_channel():
    data = _noise(256)
    data[0] = np.nan
    found = resample(data, 256, 200, method="fft")
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], fourier_resample(data[1], 200), atol=1e-12)
    data[1, 3] = np.nan
    with pytest.raises(ConfigError, match=r"'fft' needs every sample.*Use method='polyphase'"):
        resample(data, 256, 200, method="fft")


def test_a_method_that_is_none_raises():
    recording = Recording.from_array(_noise(9), ch_names=("A", "B"), sfreq=2, units=("", ""))
    for call in (
        lambda **k: resample(_noise(9), 2, 1, **k),
        lambda **k: resampled(recording, 1, **k),
    ):
        with pytest.raises(ConfigError, match="must be 'polyphase' or 'fft', got 'sinc'"):
            call(method="sinc")


@pytest.mark.parametrize("method", ["polyphase", "fft"])
def test_segments_are_resampled_each_for_itself(method):
    data = _noise(3 * 101)
    spans = [Annotation(i * 101 / 256, 101 / 256, f"epoch {i}") for i in range(3)]
    recording = Recording.from_array(
        data,
        ch_names=("A", "B"),
        sfreq=256,
        units=("µV", "µV"),
        annotations=spans,
        starts=(0, 101, 202),
    )
    found = resampled(recording, 200, method=method)
    n_each = 79  # 101 × 25 / 32 = 78.9
    assert found.segments == ((0, 79), (79, 158), (158, 237))
    parts = [resample(data[:, i : i + 101], 256, 200, method=method) for i in (0, 101, 202)]
    whole = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(found.data, whole, atol=1e-6)
    np.testing.assert_allclose(found.read(70, 170), whole[:, 70:170], atol=1e-6)
    onsets = [annotation.onset * 200 for annotation in found.annotations]
    np.testing.assert_allclose(onsets, [0, n_each, 2 * n_each], atol=1e-9)
    assert [annotation.label for annotation in found.annotations] == [s.label for s in spans]


def test_the_scale_is_the_95th_percentile_of_the_magnitude():
    data = _noise(2001, n_chans=3)
    expected = np.quantile(np.abs(data), 0.95, axis=-1, method="linear")
    np.testing.assert_allclose(q95_scale(data), expected, rtol=1e-15)
    assert q95_scale(data.astype(np.float32)).dtype == np.float32


@given(st.integers(0, 19), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_missing_samples_do_not_count_for_the_scale(n_missing, value):
    data = _noise(20, n_chans=2)
    data[0, :n_missing] = value
    expected = [np.quantile(np.abs(data[0, n_missing:]), 0.95), np.quantile(np.abs(data[1]), 0.95)]
    np.testing.assert_allclose(q95_scale(data), expected, rtol=1e-14)


def test_a_flat_or_empty_channel_has_the_scale_one():
    data = np.array([[0.0, 0.0], [np.nan, np.nan], [3.0, np.nan]])
    np.testing.assert_array_equal(q95_scale(data), [1, 1, 3])
    np.testing.assert_array_equal(q95_scale(np.zeros((4, 2, 0))), np.ones((4, 2)))
    assert q95_scale(np.array([[3, -4]])) == pytest.approx(3.95)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_times", [1, 2, 20, 21, 2000])
def test_the_scale_of_a_channel_does_not_depend_on_gaps_in_others(dtype, n_times):
    data = _noise(n_times, n_chans=3).astype(dtype)
    before = data.copy()
    complete = q95_scale(data)
    expected = np.quantile(np.abs(data.astype(np.float64)), 0.95, axis=-1)
    np.testing.assert_allclose(complete, expected, rtol=1e-6 if dtype == np.float32 else 1e-15)
    np.testing.assert_array_equal(data, before)
    data[1, 0] = np.nan
    np.testing.assert_array_equal(q95_scale(data)[[0, 2]], complete[[0, 2]])
