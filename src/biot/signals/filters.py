"""Band-pass and notch: FIR filters, aware of gaps, window by window as on the whole.

They are zero-phase: a sample depends as much on what follows as on what went before. Their causal
forms depend on nothing that follows, and delay what they pass instead, each frequency by another
time.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError
from biot.signals.convolution import convolve, minimum_phase, windowed_sinc
from biot.signals.recording import Array, Recording, by_segment

__all__ = ["filter_signal", "filtered", "fir"]

Coefficients = npt.NDArray[np.float64]
Part = tuple[int, tuple[tuple[float, float], ...]]
"""Coefficients of a filter, and the bands in Hz that it passes."""
_NOTCH_WIDTH = 1.0
"""Hz on each side of the notch at which the response is down to a half."""
_LONGEST_TRANSFORM = 2**22
"""Points at which a causal filter's magnitude is taken, unless the filter itself is as long."""


def fir(
    sfreq: float,
    *,
    l_freq: float | None = None,
    h_freq: float | None = None,
    notch: float | None = None,
    causal: bool = False,
) -> Coefficients:
    """Coefficients of an FIR filter of odd length, designed with a Hamming window.

    Each part equals ``scipy.signal.firwin``: a high-pass whose response is a half at `l_freq`, a
    low-pass at `h_freq`, a band-stop 1 Hz to either side of `notch`; they are convolved with each
    other. A part is 3.3 s long for each Hz of its transition band, whose width is a quarter of the
    frequency, at least 2 Hz, and never wider than what lies between the frequency and 0 or
    half the rate; 1 Hz for the notch.

    These filters are symmetric. With `causal` each part is replaced by the minimum-phase filter of
    the same length and the same magnitude (``scipy.signal.minimum_phase``): of all causal filters
    with this magnitude it delays least.

    Parameters
    ----------
    sfreq
        Rate of the signal in Hz.
    l_freq, h_freq
        Lowest and highest frequency that is kept, in Hz; None: no limit.
    notch
        Frequency that is removed, in Hz, such as that of the mains.
    causal
        Whether the output may depend on earlier samples only.

    Raises
    ------
    ConfigError
        If a frequency does not lie between 0 and half the rate, or `l_freq` is not below `h_freq`.
    """
    for name, frequency in (("l_freq", l_freq), ("h_freq", h_freq), ("notch", notch)):
        margin = _NOTCH_WIDTH if name == "notch" else 0
        if frequency is not None and not margin < frequency < sfreq / 2 - margin:
            raise ConfigError(
                f"{name} must lie above {margin:g} and below {sfreq / 2 - margin:g} Hz for a "
                f"signal of {sfreq:g} Hz, got {frequency:g} Hz."
            )
    if l_freq is not None and h_freq is not None and not l_freq < h_freq:
        raise ConfigError(f"l_freq must be below h_freq, got {l_freq:g} and {h_freq:g} Hz.")
    parts: list[Part] = []
    half = sfreq / 2
    if l_freq is not None:
        width = min(max(l_freq / 4, 2.0), l_freq)
        parts.append((_length(width, sfreq, "l_freq", l_freq), ((l_freq, half),)))
    if h_freq is not None:
        width = min(max(h_freq / 4, 2.0), half - h_freq)
        parts.append((_length(width, sfreq, "h_freq", h_freq), ((0.0, h_freq),)))
    if notch is not None:
        bands = ((0.0, notch - _NOTCH_WIDTH), (notch + _NOTCH_WIDTH, half))
        parts.append((_length(_NOTCH_WIDTH, sfreq, "notch", notch), bands))
    return np.array(_convolution(tuple(parts), sfreq, causal))


@lru_cache(maxsize=16)
def _convolution(parts: tuple[Part, ...], sfreq: float, causal: bool) -> Coefficients:
    """The filters of these lengths that pass these bands, convolved with each other."""
    taps: Coefficients = np.ones(1)
    for length, bands in parts:
        shares = [(2 * low / sfreq, 2 * high / sfreq) for low, high in bands]
        part = windowed_sinc(np.hamming(length), *shares)
        if causal:
            most = max(_LONGEST_TRANSFORM, 16 * length)
            n_fft = 2 ** int(np.ceil(np.log2(min(400 * length, most))))
            part = minimum_phase(part, n_fft)
        taps = np.convolve(taps, part)
    return taps


def filter_signal(
    data: npt.ArrayLike, taps: Coefficients, *, causal: bool = False
) -> npt.NDArray[np.floating[Any]]:
    """Apply a symmetric FIR filter without delay, or a causal one as it is.

    Beyond an end the signal goes on with its first or last sample, which is felt in half the
    filter's length at that end; with a causal filter in its length after the start, and nowhere
    at the stop: it begins as if the first sample had been there for ever. A missing sample (NaN)
    stays missing, and is an end for what lies before and after it: no other sample becomes missing.

    Parameters
    ----------
    data
        (…, n_times); NaN where a sample is missing.
    taps
        From :func:`fir`.
    causal
        Whether they are those of a causal filter.

    Returns
    -------
    numpy.ndarray
        Shape of `data`; float32 for float32 data, else float64.
    """
    array = np.asarray(data)
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    rows = array.reshape(-1, array.shape[-1]) if array.size else array.reshape(0, 0)
    out = np.full(rows.shape, np.nan, dtype=np.float64)
    complete = ~np.isnan(rows).any(axis=-1)
    if complete.any():
        out[complete] = _convolved(rows[complete], taps, causal)
    for row in np.flatnonzero(~complete):
        for start, stop in _runs(rows[row]):
            out[row, start:stop] = _convolved(rows[row : row + 1, start:stop], taps, causal)[0]
    return out.reshape(array.shape).astype(array.dtype)


def filtered(
    recording: Recording,
    *,
    l_freq: float | None = None,
    h_freq: float | None = None,
    notch: float | None = None,
    causal: bool = False,
) -> Recording:
    """The same recording, filtered by :func:`fir`, still read lazily; each segment for itself.

    Whichever stretch is read, its samples are, to rounding, those of the whole segment filtered at
    once by :func:`filter_signal`. Mark bad stretches as missing before, so that they do not leak.

    Raises
    ------
    ConfigError
        If a frequency does not lie between 0 and half the rate, or `l_freq` is not below `h_freq`.
    """
    if l_freq is None and h_freq is None and notch is None:
        return recording
    taps = fir(recording.sfreq, l_freq=l_freq, h_freq=h_freq, notch=notch, causal=causal)
    return by_segment(recording, lambda part: _filtered(part, taps, causal))


def _filtered(recording: Recording, taps: Coefficients, causal: bool) -> Recording:
    before, after = _reach(taps, causal)

    def read_samples(start: int, stop: int) -> Array:
        first, last = max(0, start - before), min(recording.n_times, stop + after)
        piece = filter_signal(recording.read(first, last), taps, causal=causal)
        return piece[:, start - first : stop - first].astype(np.float32)

    return replace(recording, read_samples=read_samples)


LONGEST_SECONDS = 3600
"""Of a filter; a lower `l_freq` would need samples that no recording has."""


def _length(width: float, sfreq: float, name: str, frequency: float) -> int:
    """Odd number of coefficients of a Hamming window with this transition band, in Hz."""
    if 3.3 / width > LONGEST_SECONDS:
        raise ConfigError(
            f"{name}={frequency:g} Hz needs a filter of {3.3 / width:,.0f} s, longer than the "
            f"{LONGEST_SECONDS} s that are allowed. Choose a frequency further from 0 and from "
            f"half the rate ({sfreq / 2:g} Hz)."
        )
    return 2 * int(np.ceil(3.3 / width * sfreq / 2)) + 1


def _reach(taps: Coefficients, causal: bool) -> tuple[int, int]:
    """How many samples before and after its own a filtered sample depends on."""
    return (len(taps) - 1, 0) if causal else (len(taps) // 2, len(taps) // 2)


def _convolved(rows: npt.NDArray[Any], taps: Coefficients, causal: bool) -> npt.NDArray[np.float64]:
    """Each row, float64, with its first and last value continued beyond its ends."""
    # about the first value: an offset may be a thousand times the signal, and costs digits
    level = rows[:, :1].astype(np.float64)
    padded = np.pad(rows - level, ((0, 0), _reach(taps, causal)), mode="edge")
    return np.asarray(convolve(padded, taps) + level * taps.sum())


def _runs(row: npt.NDArray[Any]) -> list[tuple[int, int]]:
    """Where the samples of one channel lie that are not missing."""
    present = np.concatenate([[False], ~np.isnan(row), [False]])
    borders = np.flatnonzero(np.diff(present.astype(np.int8)))
    return [(int(a), int(b)) for a, b in borders.reshape(-1, 2)]
