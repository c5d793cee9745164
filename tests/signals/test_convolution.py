"""FIR filters in NumPy, beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from biot.signals.convolution import convolve, minimum_phase, resize, windowed_sinc

ODD = st.integers(0, 400).map(lambda half: 2 * half + 1)


def _noise(*shape):
    return np.random.default_rng(shape).normal(size=shape)


@pytest.mark.parametrize(
    ("kind", "cutoff", "bands"),
    [
        ("lowpass", 0.3, [(0, 0.3)]),
        ("highpass", 0.3, [(0.3, 1)]),
        ("bandpass", [0.2, 0.6], [(0.2, 0.6)]),
        ("bandstop", [0.2, 0.6], [(0, 0.2), (0.6, 1)]),
    ],
)
@given(length=ODD)
def test_coefficients_are_those_of_firwin(kind, cutoff, bands, length):
    expected = signal.firwin(length, cutoff, pass_zero=kind, window=("kaiser", 5.0))
    found = windowed_sinc(np.kaiser(length, 5.0), *bands)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@given(n_taps=st.integers(1, 300), more=st.integers(0, 5000), n_rows=st.integers(0, 3))
def test_a_convolution_by_blocks_is_the_convolution(n_taps, more, n_rows):
    rows, taps = _noise(n_rows, n_taps + more), _noise(n_taps)
    expected = np.array([np.convolve(row, taps, "valid") for row in rows])
    np.testing.assert_allclose(
        convolve(rows, taps), expected.reshape(n_rows, more + 1), rtol=0, atol=1e-11
    )


def test_a_convolution_of_an_hour_equals_scipys():
    rows, taps = _noise(2, 720_000), signal.firwin(2641, 0.2)
    expected = signal.oaconvolve(rows, taps[np.newaxis], "valid", axes=-1)
    np.testing.assert_allclose(convolve(rows, taps), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [3, 31, 331, 661])
def test_minimum_phase_keeps_the_magnitude_and_equals_scipys(length):
    taps = signal.firwin(length, 0.3)
    n_fft = 2 ** int(np.ceil(np.log2(400 * length)))
    found = minimum_phase(taps, n_fft)
    expected = signal.minimum_phase(np.convolve(taps, taps), n_fft=n_fft)
    # between the lobes the magnitude is 0, and its logarithm that of a rounding error
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    magnitude = np.abs(np.fft.rfft(taps, 4096))
    np.testing.assert_allclose(np.abs(np.fft.rfft(found, 4096)), magnitude, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("length", "bands"),
    [(577, [(2 / 173.61, 1)]), (827, [(0, 98 / 250), (102 / 250, 1)]), (221, [(0, 60 / 500)])],
)
def test_minimum_phase_does_not_depend_on_the_last_bits_of_the_coefficients(length, bands):
    # other processors round the coefficients otherwise
    taps = windowed_sinc(np.hamming(length), *bands)
    n_fft = 2 ** int(np.ceil(np.log2(400 * length)))
    other = taps * (1 + np.finfo(float).eps * np.sign(_noise(length)))
    difference = np.abs(minimum_phase(taps, n_fft) - minimum_phase(other, n_fft)).sum()
    assert difference < 1e-10 * np.abs(taps).sum()


@given(n_in=st.integers(1, 300), n_out=st.integers(1, 300))
def test_another_number_of_samples_is_that_of_scipy(n_in, n_out):
    data = _noise(2, n_in)
    np.testing.assert_allclose(
        resize(data, n_out), signal.resample(data, n_out, axis=-1), rtol=0, atol=1e-12
    )


def test_of_less_than_half_a_sample_none_is_left():
    assert resize(_noise(2, 3), 0).shape == (2, 0)
