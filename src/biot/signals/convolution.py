"""FIR filters as arrays: designed with a window, of minimum phase, applied by FFT.

NumPy alone: SciPy, with whose functions the tests compare these, is nearly as much as all else that
prediction needs, on disk and at the start of a program.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["convolve", "minimum_phase", "resize", "windowed_sinc"]

Floats = npt.NDArray[np.float64]

_BLOCK = 8
"""Lengths of the filter in one transform: longer ones gain little, and take more memory."""
_LEAST_GAIN = 1e-10
"""Of the largest: 200 dB below it, and far above what rounding leaves of a zero."""
_AT_ONCE = 2**16
"""Samples of some rows, so that what is computed of them stays in the cache."""


def windowed_sinc(window: Floats, *bands: tuple[float, float]) -> Floats:
    """Coefficients of the filter that passes `bands`: ``scipy.signal.firwin`` with this window.

    Parameters
    ----------
    window
        (L,) such as ``numpy.hamming(L)``; L is odd.
    *bands
        First and last frequency of each, as shares of half the sampling rate.

    Returns
    -------
    numpy.ndarray
        (L,); the gain is exactly 1 at 0 if that passes, else at half the rate if that does, else
        in the middle of the first band.
    """
    times = np.arange(len(window)) - (len(window) - 1) / 2
    ideal = sum((high * np.sinc(high * times) - low * np.sinc(low * times)) for low, high in bands)
    taps: Floats = ideal * window
    low, high = bands[0]
    exact = 0.0 if low == 0 else 1.0 if high == 1 else (low + high) / 2
    return np.asarray(taps / (taps * np.cos(np.pi * exact * times)).sum())


def minimum_phase(taps: Floats, n_fft: int) -> Floats:
    """The causal filter of the same length and magnitude that delays least.

    The logarithm of its spectrum has the logarithm of the magnitude as its real part, and nothing
    before time 0 (Oppenheim and Schafer, Discrete-Time Signal Processing, section 13.5). It equals
    ``scipy.signal.minimum_phase(numpy.convolve(taps, taps), n_fft=n_fft)`` but for what rounding
    does to that, about 1e-5 of the largest coefficient.

    Parameters
    ----------
    taps
        (L,) symmetric, L odd.
    n_fft
        Points at which the magnitude is taken; even, and many times L.
    """
    # of the taps, not of their convolution, whose rounding errors are as large as its zeros: taken
    # so, the result differs from one processor to another only in its last bits
    magnitude = np.abs(np.fft.fft(taps, n_fft))
    least = _LEAST_GAIN * magnitude.max()  # at a zero there is no logarithm
    cepstrum = np.fft.ifft(np.log(np.maximum(magnitude, least))).real
    cepstrum[1 : n_fft // 2] *= 2
    cepstrum[n_fft // 2 :] = 0
    return np.asarray(np.fft.ifft(np.exp(np.fft.fft(cepstrum))).real[: len(taps)])


def convolve(rows: Floats, taps: Floats) -> Floats:
    """Each row convolved with `taps` where they overlap wholly, block by block (overlap-save).

    Parameters
    ----------
    rows
        (R, N) with N at least L.
    taps
        (L,)

    Returns
    -------
    numpy.ndarray
        (R, N - L + 1), as ``scipy.signal.oaconvolve(rows, taps[None], "valid", axes=-1)``.
    """
    n_out = rows.shape[-1] - len(taps) + 1
    n_fft = 2 ** int(np.ceil(np.log2(min(rows.shape[-1], _BLOCK * len(taps)))))
    step = n_fft - len(taps) + 1
    n_padded = (-(-n_out // step) - 1) * step + n_fft
    at_once = max(1, _AT_ONCE // n_padded)
    padded = np.zeros((min(at_once, len(rows)), n_padded))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=-1)[:, ::step]
    response = np.fft.rfft(taps, n_fft)
    out = np.empty((len(rows), n_out))
    for first in range(0, len(rows), at_once):
        some = rows[first : first + at_once]
        padded[: len(some), : rows.shape[-1]] = some
        products = np.fft.irfft(np.fft.rfft(blocks[: len(some)]) * response, n_fft)
        whole = products[..., len(taps) - 1 :].reshape(len(some), -1)
        out[first : first + at_once] = whole[:, :n_out]
    return out


def resize(data: npt.NDArray[Any], n_out: int) -> Floats:
    """Another number of samples of a periodic signal: ``scipy.signal.resample``, last axis."""
    n_in = data.shape[-1]
    if n_out == 0:  # of a segment shorter than half a sample of the new rate
        return np.zeros((*data.shape[:-1], 0))
    kept = min(n_in, n_out)
    spectrum = np.fft.rfft(data)[..., : kept // 2 + 1]
    if kept % 2 == 0 and n_in != n_out:  # half the shorter rate stands for both its signs
        spectrum[..., -1] *= 2 if n_out < n_in else 0.5
    return np.asarray(np.fft.irfft(spectrum, n_out) * (n_out / n_in))
