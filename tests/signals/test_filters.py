"""Band-pass and notch against SciPy, their causal forms against SciPy and MNE."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import convolve1d
from scipy.signal import firwin, freqz, lfilter, lfilter_zi

from biot.errors import ConfigError
from biot.signals import Recording, filtered
from biot.signals.filters import filter_signal, fir

BAND = {"l_freq": 4.0, "h_freq": 30.0, "notch": 50.0}


def _noise(n_times=700, n_chans=2):
    return np.random.default_rng(0).normal(size=(n_chans, n_times))


def _recording(data, sfreq=200.0, starts=(0,)):
    names = [f"C{i}" for i in range(1, len(data) + 1)]
    units = ["µV"] * len(data)
    return Recording.from_array(data, ch_names=names, sfreq=sfreq, units=units, starts=starts)


@pytest.mark.parametrize(
    ("options", "length", "cutoff", "kind"),
    [
        ({"l_freq": 0.5}, 1321, 0.5, "highpass"),  # 3.3 / 0.5 Hz at 200 Hz
        ({"h_freq": 40.0}, 67, 40.0, "lowpass"),
        ({"h_freq": 99.0}, 661, 99.0, "lowpass"),
        ({"notch": 50.0}, 661, [49.0, 51.0], "bandstop"),
    ],
)
def test_coefficients_are_those_of_scipy(options, length, cutoff, kind):
    expected = firwin(length, cutoff, pass_zero=kind, fs=200)
    np.testing.assert_allclose(fir(200, **options), expected, rtol=0, atol=1e-15)


def test_the_band_passes_and_the_rest_does_not():
    taps = fir(200, **BAND)
    np.testing.assert_allclose(taps, taps[::-1], rtol=0, atol=1e-15)  # zero phase
    frequencies = [0, 1, 2, 10, 25, 45, 50, 90]
    gain = np.abs(freqz(taps, worN=frequencies, fs=200)[1])
    np.testing.assert_allclose(gain, [0, 0, 0, 1, 1, 0, 0, 0], atol=0.02)
    assert np.abs(freqz(fir(200, notch=50), worN=[50], fs=200)[1]) < 0.01
    np.testing.assert_allclose(np.abs(freqz(taps, worN=[4, 30], fs=200)[1]), 0.5, atol=0.01)


def test_a_filter_equals_scipys_convolution_with_its_ends_continued():
    data, taps = _noise() + 1e4, fir(200, **BAND)
    expected = convolve1d(data, taps, axis=-1, mode="nearest")
    np.testing.assert_allclose(filter_signal(data, taps), expected, rtol=0, atol=1e-9)


def test_a_signal_shorter_than_the_filter_is_filtered_too():
    data, taps = _noise(5), fir(200, l_freq=0.5)
    expected = convolve1d(data, taps, axis=-1, mode="nearest")
    np.testing.assert_allclose(filter_signal(data, taps), expected, rtol=0, atol=1e-12)


@given(cuts=st.lists(st.integers(0, 700), min_size=1, max_size=5))
def test_pieces_of_a_filtered_recording_equal_the_whole(cuts):
    data = _noise().astype(np.float32) + 1000
    data[0, 300:310] = np.nan
    recording = filtered(_recording(data), **BAND)
    whole = filter_signal(data, fir(200, **BAND))
    edges = sorted({0, 700, *cuts})
    pieces = [recording.read(a, b) for a, b in pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(np.isnan(np.concatenate(pieces, axis=1)), np.isnan(data))


def test_a_gap_is_an_end_for_what_lies_on_either_side():
    data, taps = _noise(), fir(200, **BAND)
    data[0, 300:310] = np.nan
    found = filter_signal(data, taps)
    np.testing.assert_allclose(found[0, :300], filter_signal(data[0, :300], taps), atol=1e-12)
    np.testing.assert_allclose(found[0, 310:], filter_signal(data[0, 310:], taps), atol=1e-12)
    assert np.isnan(found[0, 300:310]).all()
    np.testing.assert_allclose(found[1], filter_signal(data[1], taps), atol=1e-12)


def test_segments_are_filtered_each_for_itself():
    data, taps = _noise(), fir(200, **BAND)
    found = filtered(_recording(data, starts=(0, 250)), **BAND)
    assert found.starts == (0, 250)
    expected = np.hstack([filter_signal(data[:, a:b], taps) for a, b in ((0, 250), (250, 700))])
    np.testing.assert_allclose(found.read(100, 400), expected[:, 100:400], atol=1e-6)


def test_without_a_frequency_nothing_is_done():
    recording = _recording(_noise())
    assert filtered(recording) is recording
    assert filtered(recording, l_freq=1).read(3, 3).shape == (2, 0)


def test_types_are_kept():
    taps = fir(200, h_freq=40)
    assert filter_signal(np.zeros((2, 9), np.float32), taps).dtype == np.float32
    assert filter_signal(np.arange(9), taps).dtype == np.float64
    assert filter_signal(np.zeros((3, 0)), taps).shape == (3, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l_freq": 0}, "l_freq must lie above 0 and below 100 Hz.*got 0 Hz"),
        ({"h_freq": 100}, "h_freq must lie above 0 and below 100 Hz.*got 100 Hz"),
        ({"notch": 99.5}, "notch must lie above 1 and below 99 Hz"),
        ({"l_freq": float("nan")}, "got nan Hz"),
        ({"l_freq": 30, "h_freq": 4}, "l_freq must be below h_freq, got 30 and 4 Hz"),
    ],
)
def test_a_frequency_out_of_range_raises(options, message):
    with pytest.raises(ConfigError, match=message):
        fir(200, **options)


@pytest.mark.parametrize(
    ("given", "named"),
    [({"l_freq": 1e-9}, "l_freq=1e-09 Hz"), ({"l_freq": 1e-4}, "l_freq=0.0001 Hz"),
     ({"h_freq": 100 - 1e-7}, "h_freq=100 Hz")],
)  # fmt: skip
def test_a_filter_longer_than_any_recording_is_refused_before_it_is_designed(given, named):
    with pytest.raises(ConfigError, match=rf"{named} needs a filter of .* s, longer than the 3600"):
        fir(200.0, **given)
    assert len(fir(200.0, l_freq=0.01)) > 60_000


# causal --------------------------------------------------------------------------------------

PARTS = [{"l_freq": 0.5}, {"l_freq": 4.0}, {"h_freq": 30.0}, {"notch": 50.0}, BAND]


@pytest.mark.parametrize("options", PARTS, ids=str)
@pytest.mark.parametrize("sfreq", [128.0, 200.0, 512.0])
def test_a_causal_filter_has_the_length_and_the_magnitude_of_the_zero_phase_one(options, sfreq):
    plain, causal = fir(sfreq, **options), fir(sfreq, **options, causal=True)
    assert len(plain) == len(causal)
    expected, found = (np.abs(freqz(taps, worN=4096, fs=sfreq)[1]) for taps in (plain, causal))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("options", "edges"),
    [
        ({"l_freq": 4.0}, {"l_freq": 5.0, "h_freq": None, "l_trans_bandwidth": 2.0}),
        ({"h_freq": 30.0}, {"l_freq": None, "h_freq": 26.25, "h_trans_bandwidth": 7.5}),
    ],
)
def test_a_causal_filter_is_the_minimum_phase_filter_of_mne(options, edges):
    design = pytest.importorskip("mne.filter").create_filter
    expected = design(None, 200, **edges, phase="minimum", verbose="error")
    found = fir(200, **options, causal=True)
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


def test_a_causal_filter_delays_less_than_half_its_length():
    taps = fir(200, **BAND, causal=True)
    energy = np.cumsum(taps**2) / np.sum(taps**2)
    assert np.searchsorted(energy, 0.9) < len(taps) // 8  # the zero-phase one: half


def test_a_causal_filter_equals_scipys_lfilter_that_has_settled_on_the_first_sample():
    data, taps = _noise() + 1e4, fir(200, **BAND, causal=True)
    state = lfilter_zi(taps, [1.0])
    expected = [lfilter(taps, [1.0], row, zi=state * row[0])[0] for row in data]
    np.testing.assert_allclose(filter_signal(data, taps, causal=True), expected, rtol=0, atol=1e-8)


@given(cut=st.integers(1, 699), options=st.sampled_from(PARTS))
def test_a_causal_filter_never_depends_on_later_samples(cut, options):
    data = _noise().astype(np.float32)
    data[0, 300:310] = np.nan
    other = data.copy()
    other[:, cut:] = 1e3
    whole, changed = (
        filtered(_recording(part), **options, causal=True).read() for part in (data, other)
    )
    np.testing.assert_allclose(changed[:, :cut], whole[:, :cut], rtol=0, atol=1e-4)
    alone = filtered(_recording(data[:, :cut]), **options, causal=True).read()
    np.testing.assert_allclose(alone, whole[:, :cut], rtol=0, atol=1e-4)


@given(cuts=st.lists(st.integers(0, 700), min_size=1, max_size=5))
def test_pieces_of_a_causally_filtered_recording_equal_the_whole(cuts):
    data = _noise().astype(np.float32) + 1000
    data[0, 300:310] = np.nan
    recording = filtered(_recording(data, starts=(0, 500)), **BAND, causal=True)
    taps = fir(200, **BAND, causal=True)
    parts = [filter_signal(data[:, a:b], taps, causal=True) for a, b in ((0, 500), (500, 700))]
    edges = sorted({0, 700, *cuts})
    pieces = np.concatenate([recording.read(a, b) for a, b in pairwise(edges)], axis=1)
    np.testing.assert_allclose(pieces, np.concatenate(parts, axis=1), rtol=0, atol=1e-3)


def test_a_causal_filter_begins_anew_after_a_gap():
    data, taps = _noise(), fir(200, **BAND, causal=True)
    data[0, 300:310] = np.nan
    found = filter_signal(data, taps, causal=True)
    after = filter_signal(data[0, 310:], taps, causal=True)
    np.testing.assert_allclose(found[0, 310:], after, rtol=0, atol=1e-12)
    assert np.isnan(found[0, 300:310]).all()


def test_a_design_is_not_changed_by_who_got_it_before():
    first = fir(200, h_freq=40)
    first *= 0
    assert fir(200, h_freq=40).sum() == pytest.approx(1)
