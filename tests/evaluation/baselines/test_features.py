"""Log band powers of windows, against spectra computed by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.errors import ConfigError
from biot.evaluation.baselines import band_edges, band_powers, signal_kinds


def by_hand(x, sfreq, low, high, length):
    """The mean logarithm of a band's power, over half-overlapping Hann segments."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    logs = []
    for first in range(0, len(x) - length + 1, length - length // 2):
        part = x[first : first + length]
        spectrum = np.abs(np.fft.rfft((part - part.mean()) * window)) ** 2
        spectrum = spectrum / (sfreq * (window**2).sum())
        spectrum[1 : None if length % 2 else -1] *= 2  # the negative frequencies
        frequencies = np.arange(len(spectrum)) * sfreq / length
        logs.append(np.log(spectrum[(frequencies >= low) & (frequencies < high)].mean()))
    return np.mean(logs)


def test_each_feature_is_the_mean_logarithm_of_the_power_in_its_band():
    x = np.random.default_rng(0).normal(size=(2, 3, 500))
    found = band_powers(x, 100.0, kinds=["potential"] * 3)
    edges = band_edges(100.0, 500)
    assert len(edges) == 46
    assert found.shape == (2, 3 * 46)
    expected = [by_hand(x[1, 2], 100.0, *edge, 100) for edge in edges]
    assert found[1, 2 * 46 :] == pytest.approx(expected, abs=1e-9)


def test_bands_are_one_hertz_wide_up_to_45_and_one_holds_the_rest():
    edges = band_edges(250.0, 2500)
    assert edges[0] == (0.5, 1.5)
    assert edges[44] == (44.5, 45.5)
    assert edges[45] == (45.5, pytest.approx(125.0))
    assert edges[45][1] > 125.0  # half the rate belongs to it
    assert len(edges) == 46


@given(sfreq=st.floats(0.5, 5000), seconds=st.floats(0.01, 60))
def test_bands_lie_beside_each_other_up_to_half_the_rate(sfreq, seconds):
    edges = band_edges(sfreq, max(1, int(sfreq * seconds)))
    for (low, high), (following, _) in itertools.pairwise(edges):
        assert 0 < low < high <= following
    assert all(high <= np.nextafter(sfreq / 2, np.inf) for _, high in edges)
    assert len(edges) <= 46


def test_a_slow_rate_has_narrower_bands():
    edges = band_edges(10.0, 1000)
    assert edges[0] == (0.125, 0.375)
    assert len(edges) == 20


def test_a_short_window_has_the_bands_that_it_resolves():
    edges = band_edges(200.0, 10)  # 20, 40, ... 100 Hz
    assert edges == ((19.5, 20.5), (39.5, 40.5), (45.5, pytest.approx(100.0)))


def test_a_rhythm_stands_out_in_its_own_band_only():
    time = np.arange(800) / 200
    x = np.random.default_rng(0).normal(0, 0.1, (2, 1, 800))
    x[1, 0] += np.sin(2 * np.pi * 17 * time)
    quiet, loud = band_powers(x, 200.0, kinds=["potential"])
    assert np.argmax(loud - quiet) == 16
    assert (loud - quiet)[16] > 4
    assert abs((loud - quiet)[12]) < 3


def test_channels_with_a_level_have_their_mean_last_and_potentials_have_none():
    x = np.random.default_rng(0).normal(size=(4, 3, 128))
    found = band_powers(x, 50.0, kinds=["level", "potential", "level"])
    n_bands = len(band_edges(50.0, 128))
    assert found.shape == (4, 3 * n_bands + 2)
    assert found[:, -2:] == pytest.approx(x[:, [0, 2]].mean(axis=2))
    shifted = band_powers(x + 100, 50.0, kinds=["potential"] * 3)
    assert shifted == pytest.approx(found[:, :-2], abs=1e-6)


def test_units_say_which_channels_have_a_level():
    units = ("µV", "mV", "g", "rad/s", "°C", "µS", "")
    assert signal_kinds(units) == (
        "potential", "potential", "level", "level", "level", "level", "potential"
    )  # fmt: skip


def test_what_is_missing_is_nan_and_whole_segments_still_count():
    x = np.random.default_rng(0).normal(size=(3, 2, 600))
    x[0, 0, 460:] = np.nan  # the segments of 100 samples up to 450 are whole
    x[1, 1] = np.nan
    x[2, 0, ::10] = np.nan
    found = band_powers(x, 100.0, kinds=["potential", "level"])
    n_bands = len(band_edges(100.0, 600))
    whole = band_powers(x[:1, :, :450], 100.0, kinds=["potential", "level"])
    assert found[0, :n_bands] == pytest.approx(whole[0, :n_bands])
    assert np.isnan(found[1, n_bands:]).all()  # no mean either
    assert np.isfinite(found[1, :n_bands]).all()
    assert np.isnan(found[2, :n_bands]).all()
    assert np.isfinite(found[2, n_bands:]).all()


def test_a_constant_channel_has_no_powers_but_its_level():
    x = np.random.default_rng(0).normal(size=(1, 2, 200))
    x[0, 1] = 0.5
    found = band_powers(x, 100.0, kinds=["level", "level"])
    n_bands = len(band_edges(100.0, 200))
    assert np.isnan(found[0, n_bands : 2 * n_bands]).all()
    assert found[0, -1] == 0.5


def test_pieces_do_not_change_a_number(monkeypatch):
    x = np.random.default_rng(0).normal(size=(7, 2, 100)).astype(np.float32)
    whole = band_powers(x, 50.0, kinds=["potential", "level"])
    monkeypatch.setattr("biot.evaluation.baselines.features._LARGEST_PIECE", 500)
    assert np.array_equal(band_powers(x, 50.0, kinds=["potential", "level"]), whole)


def test_no_window_has_as_many_features_as_one():
    x = np.zeros((0, 3, 100))
    assert band_powers(x, 50.0, kinds=["level"] * 3).shape == (0, 3 * 25 + 3)


@pytest.mark.parametrize(
    ("shape", "sfreq", "kinds", "told"),
    [
        ((3, 100), 50.0, ["level"], r"got \(3, 100\)"),
        ((3, 1, 100), 0.0, ["level"], "sfreq must be above 0 Hz, got 0"),
        ((3, 2, 100), 50.0, ["level"], "got 1 for 2 channels"),
        ((3, 1, 100), 50.0, ["eeg"], "among them 'eeg'. signal_kinds"),
    ],
)
def test_what_does_not_fit_is_refused(shape, sfreq, kinds, told):
    with pytest.raises(ConfigError, match=told):
        band_powers(np.zeros(shape), sfreq, kinds=kinds)
