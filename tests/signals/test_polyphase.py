"""The polyphase filter as matrix products."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from biot.signals.resampling import grain, polyphase

TERMS = st.integers(1, 300)  # on both sides of the largest term that becomes a matrix
COMMON = [(2, 5), (25, 32), (4, 5), (5, 4), (1, 5), (25, 64), (125, 256), (256, 1), (1, 256)]


def _noise(n_times, n_chans=2):
    return np.random.default_rng(n_times).normal(size=(n_chans, n_times))


@given(up=TERMS, down=TERMS, n_times=st.integers(1, 2000))
def test_every_ratio_gives_what_scipy_gives(up, down, n_times):
    assume(up != down)
    data = _noise(n_times)
    divisor = np.gcd(up, down)
    up, down = int(up // divisor), int(down // divisor)
    expected = resample_poly(data, up, down, axis=-1, padtype="edge")
    np.testing.assert_allclose(polyphase(data, up, down), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("up", "down"), COMMON)
def test_common_ratios_give_what_scipy_gives_over_several_products(up, down):
    data = _noise(3 * grain(up, down) + 7)
    expected = resample_poly(data, up, down, axis=-1, padtype="edge")
    np.testing.assert_allclose(polyphase(data, up, down), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("up", "down"), [*COMMON, (257, 300), (300, 7)])
def test_an_anchored_stretch_has_the_bits_of_the_whole_but_at_its_ends(up, down):
    step = grain(up, down)
    assert step % down == 0
    data = _noise(-(-4000 // step) * step + 5 * step, n_chans=1) + 1000
    whole = polyphase(data, up, down)
    reach = -(-10 * max(up, down) // down)  # of the filter, in output samples
    for first in (step, 2 * step):
        for n_times in (step // 2 + 1, 2 * step + 1, data.shape[1] - first):
            part = polyphase(data[:, first : first + n_times], up, down)
            begin = first * up // down
            found = part[:, reach : part.shape[1] - reach]
            expected = whole[:, begin + reach : begin + part.shape[1] - reach]
            np.testing.assert_array_equal(found, expected)


def test_the_dtype_and_the_other_axes_stay():
    data = _noise(100, n_chans=6).astype(np.float32)
    found = polyphase(data.reshape(2, 3, 100), 2, 5)
    assert (found.dtype, found.shape) == (np.float32, (2, 3, 40))
    expected = polyphase(data.astype(np.float64), 2, 5).astype(np.float32)
    np.testing.assert_array_equal(found.reshape(6, 40), expected)


def test_an_offset_a_thousand_times_the_signal_costs_no_precision():
    data = (_noise(5000, n_chans=1) + 2e5).astype(np.float32)
    expected = resample_poly(data.astype(np.float64), 2, 5, axis=-1, padtype="edge")
    np.testing.assert_array_equal(polyphase(data, 2, 5), expected.astype(np.float32))
