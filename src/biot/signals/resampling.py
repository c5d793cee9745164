"""Resampling and amplitude scale, aware of missing samples.

An output sample that rests on a missing input sample (NaN) is missing; every other one is what the
same filter gives on complete data.
"""

# K input samples of a block, M output samples of it
from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache, lru_cache
from math import ceil
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError
from biot.signals.convolution import resize, windowed_sinc
from biot.signals.recording import Array, Recording, by_segment

__all__ = [
    "ResampleMethod",
    "grain",
    "inputs_of",
    "polyphase",
    "resample",
    "resampled",
]

Floats = npt.NDArray[np.floating[Any]]


_LARGEST_TERM = 256
"""Of a ratio of rates that are met by matrix products; beyond, most of a matrix would be zeros."""


_AT_ONCE = 2**21
"""Inputs of output samples that are laid out beside each other, where a ratio has larger terms."""


_ROWS = 16
"""Blocks in one product. Products of one shape round alike, wherever a stretch begins."""


def polyphase(data: Floats, up: int, down: int) -> Floats:
    """``scipy.signal.resample_poly(data, up, down, axis=-1, padtype="edge")`` of complete data.

    Computed in float64: the offset of some recordings is a thousand times their signal.

    Parameters
    ----------
    data
        (…, n_times), n_times at least 1.
    up, down
        Without a common divisor, and not both 1.

    Returns
    -------
    numpy.ndarray
        (…, ceil(n_times × up / down)), of the dtype of `data`. What begins at a multiple of
        :func:`grain` has the same bits as that part of the whole, but for its ends.
    """
    if max(up, down) > _LARGEST_TERM:
        return _sample_by_sample(data, up, down)
    matrix_KM, reach = _matrix(up, down)
    n_in, n_out = data.shape[-1], -(-data.shape[-1] * up // down)
    step = matrix_KM.shape[0] - 2 * reach
    n_products = -(-n_in // (step * _ROWS))
    padded = np.empty(n_products * _ROWS * step + 2 * reach)
    blocks = np.lib.stride_tricks.sliding_window_view(padded, len(matrix_KM))[::step]
    out = np.empty((*data.shape[:-1], n_out), data.dtype)
    for channel, result in zip(data.reshape(-1, n_in), out.reshape(-1, n_out), strict=True):
        padded[:reach] = channel[0]
        padded[reach : reach + n_in] = channel
        padded[reach + n_in :] = channel[-1]
        products = np.ascontiguousarray(blocks).reshape(n_products, _ROWS, -1) @ matrix_KM
        result[:] = products.reshape(-1)[:n_out]
    return out


def grain(up: int, down: int) -> int:
    """Input samples to whose multiples a stretch must be anchored to give the bits of the whole."""
    if max(up, down) > _LARGEST_TERM:
        return down
    matrix_KM, reach = _matrix(up, down)
    return (len(matrix_KM) - 2 * reach) * _ROWS


@lru_cache(maxsize=8)
def _matrix(up: int, down: int) -> tuple[npt.NDArray[np.float64], int]:
    """What takes a block and its `reach` neighbours on either side to the block's output."""
    half, taps = _low_pass(up, down)
    reach = -(-half // up)
    n_cycles = max(1, round(1.5 * reach / down))  # few zeros, and little read twice
    inputs = np.arange(-reach, n_cycles * down + reach)
    tap = np.arange(n_cycles * up) * down - inputs[:, None] * up + half
    inside = (tap >= 0) & (tap < len(taps))
    return np.where(inside, taps[np.clip(tap, 0, len(taps) - 1)], 0.0), reach


def _low_pass(up: int, down: int) -> tuple[int, npt.NDArray[np.float64]]:
    """Its reach and coefficients, at `up` times the rate: those that resample_poly designs."""
    half = 10 * max(up, down)
    return half, up * windowed_sinc(np.kaiser(2 * half + 1, 5.0), (0.0, 1 / max(up, down)))


def _sample_by_sample(data: Floats, up: int, down: int) -> Floats:
    """:func:`polyphase` for any ratio; slower, since each output sample has a sum of its own."""
    half, taps = _low_pass(up, down)
    n_in, n_out = data.shape[-1], -(-data.shape[-1] * up // down)
    reach = -(-half // up)
    # those that one output sample of each of the `up` phases rests on, and their coefficients
    inputs = np.arange(-reach, reach + 1)
    tap = (np.arange(up) * down % up)[:, None] - inputs * up + half
    inside = (tap >= 0) & (tap < len(taps))
    weights = np.where(inside, taps[np.clip(tap, 0, len(taps) - 1)], 0.0)
    out = np.empty((*data.shape[:-1], n_out), data.dtype)
    step = max(1, _AT_ONCE // len(inputs))
    for channel, result in zip(data.reshape(-1, n_in), out.reshape(-1, n_out), strict=True):
        padded = np.pad(channel.astype(np.float64), reach, mode="edge")
        around = np.lib.stride_tricks.sliding_window_view(padded, len(inputs))
        for first in range(0, n_out, step):
            times = np.arange(first, min(first + step, n_out))
            result[times] = np.einsum("ni,ni->n", around[times * down // up], weights[times % up])
    return out


ResampleMethod = Literal["polyphase", "fft"]


_LONGEST_TERM = 10_000
"""Largest term of the ratio of two rates; the filter has 20 times as many coefficients."""


_LARGEST_DRIFT = 0.1
"""How far a shortened ratio may shift the last output sample, in output samples."""


_NOT_BY_FFT = (
    "method='fft' needs every sample of a channel, but some are missing: lost, marked as bad, or "
    "flat. Use method='polyphase', which leaves out what rests on a missing sample."
)


def resample(
    data: npt.ArrayLike, sfreq: float, new_sfreq: float, *, method: ResampleMethod = "polyphase"
) -> Floats:
    """Change the sampling rate, keeping what lies below both rates.

    With ``"polyphase"`` it equals
    ``scipy.signal.resample_poly(data, up, down, axis=-1, padtype="edge")`` with ``up/down`` the
    ratio of the rates: exact where its terms are at most 10,000, else the nearest such ratio,
    if that shifts no sample by more than a tenth of a sample. Beyond its ends the signal goes on
    with its first and last sample, which is felt in the ten samples, of the slower rate, at an end.

    With ``"fft"``, as the authors of BIOT do window by window, it equals
    ``scipy.signal.resample(data, round(n_times × up / down), axis=-1)``: the signal is taken to
    begin again where it ends, so every sample depends on every other.

    Parameters
    ----------
    data
        (…, n_times); NaN where a sample is missing.
    sfreq, new_sfreq
        Rates in Hz, now and wanted.

    Returns
    -------
    numpy.ndarray
        (…, ceil(n_times × up / down)), for ``"fft"`` rounded instead, float32 for float32 data,
        else float64; NaN where the filter reaches a missing or, with ``"polyphase"``, an infinite
        sample.

    Raises
    ------
    ConfigError
        If a rate is not positive and finite, no short ratio comes near that of the rates, or
        ``"fft"`` meets a channel of which only a part is missing.
    """
    if method not in get_args(ResampleMethod):
        raise ConfigError(f"method must be 'polyphase' or 'fft', got {method!r}.")
    array = np.asarray(data)
    if array.dtype != np.float32:
        array = array.astype(np.float64)
    up, down = _ratio(sfreq, new_sfreq, array.shape[-1])
    if up == down or array.shape[-1] == 0:
        return array.copy()
    return _polyphase(array, up, down) if method == "polyphase" else _fft(array, up, down)


def resampled(
    recording: Recording, new_sfreq: float, *, method: ResampleMethod = "polyphase"
) -> Recording:
    """The same recording at another rate; each segment for itself.

    Whichever stretch is read, its samples are those of the whole segment resampled at once by
    :func:`resample`. With ``"polyphase"`` it is read lazily; ``"fft"`` needs whole segments, and
    keeps in memory those that were read.

    Raises
    ------
    ConfigError
        If the rate is not positive and finite, or no short ratio comes near that of the rates.
    """
    if method not in get_args(ResampleMethod):
        raise ConfigError(f"method must be 'polyphase' or 'fft', got {method!r}.")
    if _ratio(recording.sfreq, new_sfreq, recording.n_times) == (1, 1):
        return recording
    change = _resampled_lazily if method == "polyphase" else _resampled_at_once
    return by_segment(recording, lambda part: change(part, new_sfreq))


def inputs_of(
    start: int, stop: int, sfreq: float, new_sfreq: float, *, n_times: int = 0
) -> tuple[int, int]:
    """Which samples are read to compute the resampled ones from `start` to `stop` by polyphase.

    A resampled sample depends on the ten samples, of the slower rate, to either side of it.

    Parameters
    ----------
    start, stop
        First sample at `new_sfreq`, and the one after the last; `start` is below `stop`.
    sfreq, new_sfreq
        Rates in Hz, now and wanted.
    n_times
        How many samples at `sfreq` there may be, see Raises.

    Returns
    -------
    first, last
        At `sfreq`: 0 or more, and the one after the last, which may lie beyond the segment's end.

    Raises
    ------
    ConfigError
        If no short ratio comes near that of the rates over `n_times` samples.
    """
    up, down = _ratio(sfreq, new_sfreq, n_times)
    if up == down:
        return start, stop
    half, step = 10 * max(up, down), grain(up, down)
    # the first sample read is anchored, and at or before the filter's reach
    first = max(0, (start * down - half) // (up * step)) * step
    return first, ((stop - 1) * down + half) // up + 1


def _resampled_lazily(recording: Recording, new_sfreq: float) -> Recording:
    up, down = _ratio(recording.sfreq, new_sfreq, recording.n_times)

    def read_samples(start: int, stop: int) -> Array:
        if start == stop:
            return recording.read(0, 0)
        first, last = inputs_of(start, stop, recording.sfreq, new_sfreq)
        last = min(recording.n_times, last)
        skipped = first * up // down
        piece = _polyphase(recording.read(first, last), up, down)
        return piece[:, start - skipped : stop - skipped].astype(np.float32, copy=False)

    return replace(
        recording,
        sfreq=float(new_sfreq),
        n_times=-(-recording.n_times * up // down),
        gaps=tuple(
            (first, last)
            for first, last in ((-(-a * up // down), b * up // down) for a, b in recording.gaps)
            if first < last
        ),
        read_samples=read_samples,
    )


def _resampled_at_once(recording: Recording, new_sfreq: float) -> Recording:
    up, down = _ratio(recording.sfreq, new_sfreq, recording.n_times)
    if recording.gaps:  # found without reading what may be days
        raise ConfigError(_NOT_BY_FFT)

    @cache
    def whole() -> Array:
        return _fft(recording.read(), up, down).astype(np.float32)

    return replace(
        recording,
        sfreq=float(new_sfreq),
        n_times=round(Fraction(recording.n_times * up, down)),
        read_samples=lambda start, stop: whole()[:, start:stop].copy(),
    )


def _polyphase(array: Floats, up: int, down: int) -> Floats:
    present = np.isfinite(array)
    if present.all():
        return polyphase(array, up, down)
    missing = ~present
    result = polyphase(np.where(missing, array.dtype.type(0), array), up, down)
    result[_touched(missing, up, down, result.shape[-1])] = np.nan
    return result


def _fft(array: Floats, up: int, down: int) -> Floats:
    missing = np.isnan(array)
    absent = missing.all(axis=-1)
    if (missing.any(axis=-1) & ~absent).any():
        raise ConfigError(_NOT_BY_FFT)
    n_out = round(Fraction(array.shape[-1] * up, down))
    filled = np.where(missing, 0, array).astype(np.float64)
    result: Floats = resize(filled, n_out)
    result[absent] = np.nan
    return result.astype(array.dtype)


@lru_cache(maxsize=256)
def _ratio(sfreq: float, new_sfreq: float, n_times: int) -> tuple[int, int]:
    """Both rates as small whole numbers (up, down) of the same ratio."""
    for rate in (sfreq, new_sfreq):
        if not (np.isfinite(rate) and rate > 0):
            raise ConfigError(f"A sampling rate must be positive and finite, got {rate:g} Hz.")
    # str: 12.8 means 64/5, not the nearest binary fraction
    exact = Fraction(str(float(new_sfreq))) / Fraction(str(float(sfreq)))
    ratio = exact.limit_denominator(max(1, _LONGEST_TERM // max(1, ceil(exact))))
    drifts = abs(ratio - exact) * n_times > _LARGEST_DRIFT
    if not ratio or ratio.numerator > _LONGEST_TERM or drifts:
        raise ConfigError(
            f"Resampling {sfreq!r} Hz to {new_sfreq!r} Hz needs the ratio {exact}, which no ratio "
            f"with terms up to {_LONGEST_TERM} meets over {n_times} samples. "
            f"Choose a rate that is a simple fraction of {sfreq!r} Hz."
        )
    return ratio.numerator, ratio.denominator


def _touched(missing: npt.NDArray[np.bool_], up: int, down: int, n_out: int) -> Any:
    """Which output samples the filter computes from at least one missing input sample."""
    n_in = missing.shape[-1]
    half = 10 * max(up, down)
    centre = np.arange(n_out) * down
    first = np.clip(-((half - centre) // up), 0, n_in - 1)
    last = np.clip((centre + half) // up, 0, n_in - 1)
    count = np.zeros((*missing.shape[:-1], n_in + 1), dtype=np.int64)
    np.cumsum(missing, axis=-1, out=count[..., 1:])
    return count[..., last + 1] > count[..., first]
