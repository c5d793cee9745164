"""Signals made small enough for a page, such that no spike is lost.

A night has more samples than a page can hold, and a thousand times more than a screen has dots.
Of each *column*, which is so many samples in succession, the smallest and the largest are kept:
drawn as a line from one to the other, they look as all the samples would, and a spike of a single
sample stays as high as it was. Where every sample fits, every sample is kept.

Numbers are stored as whole numbers of 8 or 16 bits over the range of a *block*: 128 columns of one
channel. A block with an artefact is coarser than others, by at most a 508th of its own range.
"""

# C channels, M columns, B blocks
from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError
from biot.signals.flat import FlatFinder
from biot.signals.recording import Array, Mask, Recording

__all__ = [
    "BLOCK",
    "DETAIL_BYTES",
    "WHOLE_BYTES",
    "Scan",
    "SignalStretch",
    "base64_of",
    "columns",
    "details",
    "encode",
    "scan",
]

Bits = Literal[8, 16]
Floats = npt.NDArray[np.floating[Any]]

BLOCK = 128
"""Columns that share a range."""
WHOLE_BYTES = 9 * 2**19
"""Of the whole recording, where it has to be made smaller. The page holds 4/3 of it, as text."""
DETAIL_BYTES = 3 * 2**20
"""Of the stretches around events that are kept sample by sample, where the whole is not."""

_VALUES_AT_ONCE = 2**21
_HIGHEST_DETAIL = 512.0
"""Columns a second that are enough for whoever looks at an event, in Hz."""


@dataclass(frozen=True, kw_only=True)
class SignalStretch:
    """A stretch of some channels as whole numbers; :meth:`decoded` gives the signal back."""

    start: float
    """Seconds from the recording's first sample."""
    step: float
    """Seconds from one column to the next."""
    per_column: int
    """Samples in a column: 1 where all are kept."""
    bits: Bits
    middle: npt.NDArray[np.float32]
    """(C, B) middle of the range of each block, in the channel's unit."""
    unit: npt.NDArray[np.float32]
    """(C, B) what one whole number stands for in each block."""
    codes: npt.NDArray[np.signedinteger[Any]]
    """(C, M) whole numbers. Of a column with several samples the smallest, then the largest, so
    that there are twice as many. The lowest number of all stands for *missing*."""

    @property
    def pairs(self) -> bool:
        """Whether a column is a smallest and a largest value, instead of one."""
        return self.per_column > 1

    @property
    def n_columns(self) -> int:
        """Columns of each channel."""
        return int(self.codes.shape[1]) // (2 if self.pairs else 1)

    @property
    def stop(self) -> float:
        """End in seconds from the recording's first sample."""
        return self.start + self.n_columns * self.step

    def decoded(self) -> Floats:
        """(C, M, 2) smallest and largest value of each column; NaN where nothing was recorded."""
        wide = 2 if self.pairs else 1
        block = np.arange(self.codes.shape[1]) // (wide * BLOCK)
        values = self.middle[:, block] + self.codes * self.unit[:, block].astype(float)
        values[self.codes == np.iinfo(self.codes.dtype).min] = np.nan
        both = values.reshape(len(values), -1, wide)
        return both if self.pairs else np.repeat(both, 2, axis=2)

    def to_dict(self) -> dict[str, Any]:
        """For the page: numbers, and arrays as Base64 of little-endian numbers."""
        return {
            "start": self.start, "step": self.step, "pairs": self.pairs, "bits": self.bits,
            "perColumn": self.per_column, "columns": self.n_columns, "block": BLOCK,
            "middle": base64_of(self.middle, "<f4"), "unit": base64_of(self.unit, "<f4"),
            "codes": base64_of(self.codes, f"<i{self.bits // 8}"),
        }  # fmt: skip


def base64_of(array: npt.NDArray[Any], dtype: str) -> str:
    """An array, row after row, as Base64 of numbers of a type."""
    return b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode("ascii")


def columns(data_CN: Array, per_column: int) -> Array:
    """Smallest and largest value of each column.

    Parameters
    ----------
    data_CN
        (C, samples); NaN where nothing was recorded. What is not a whole column at the end is one
        of fewer samples.
    per_column
        Samples in a column.

    Returns
    -------
    numpy.ndarray
        (C, 2 · columns): smallest, largest, smallest, …; NaN where a column holds no sample. With
        one sample a column, the samples themselves.
    """
    if per_column == 1:
        return data_CN
    n_chans, n = data_CN.shape
    lacking = -n % per_column
    if lacking:
        last = np.full((n_chans, lacking), np.nan, data_CN.dtype)
        data_CN = np.concatenate([data_CN, last], axis=1)
    cut = data_CN.reshape(n_chans, -1, per_column)
    with_nan = np.isnan(cut).any()
    low, high = (np.fmin, np.fmax) if with_nan else (np.minimum, np.maximum)
    both = np.stack([low.reduce(cut, axis=2), high.reduce(cut, axis=2)], axis=2)
    return both.reshape(n_chans, -1)


def encode(
    values_CM: Array, bits: Bits, *, pairs: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[Any]]:
    """Middles and units of the blocks, and whole numbers, of values from a block's beginning on."""
    kind = np.dtype(f"i{bits // 8}")
    most = np.iinfo(kind).max
    wide = BLOCK * (2 if pairs else 1)
    n_chans, n = values_CM.shape
    n_blocks = ceil(n / wide)
    padded = np.full((n_chans, n_blocks * wide), np.nan, np.float64)
    padded[:, :n] = values_CM
    cut = padded.reshape(n_chans, n_blocks, wide)
    low, high = np.fmin.reduce(cut, axis=2), np.fmax.reduce(cut, axis=2)
    middle = np.nan_to_num((low + high) / 2).astype(np.float32)
    unit = np.nan_to_num((high - low) / (2 * most)).astype(np.float32)
    steps = np.where(unit > 0, unit, 1).astype(np.float64)
    codes = (cut - middle[..., None]) / steps[..., None]
    whole = np.clip(np.rint(np.nan_to_num(codes)), -most, most).astype(kind)
    whole[np.isnan(codes)] = np.iinfo(kind).min
    return middle, unit, whole.reshape(n_chans, -1)[:, :n]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What one pass over a recording finds: the drawn channels, and counts of every channel."""

    whole: SignalStretch
    """All of the recording, of the drawn channels."""
    n_times: int
    n_missing: npt.NDArray[np.int64]
    """(C,) samples of each channel that are not recorded."""
    n_flat: npt.NDArray[np.int64]
    """(C,) samples that are flat, see :mod:`biot.signals.flat`."""
    n_at_ends: npt.NDArray[np.int64]
    """(C,) samples at an end of the converter's range."""
    lowest: Floats
    """(C,) smallest value; NaN without any."""
    highest: Floats
    """(C,) largest value; NaN without any."""


def scan(recording: Recording, rows: Sequence[int], *, budget: int = WHOLE_BYTES) -> Scan:
    """Read a recording once, piece by piece, in memory that does not grow with its length.

    Parameters
    ----------
    recording
        As it was read.
    rows
        Channels to draw, by their positions; the others are counted only.
    budget
        Bytes of whole numbers; where all samples fit in 8/5 of it, they are kept.
    """
    bits, per_column = _resolution(len(rows), recording.n_times, budget)
    counts = _Counts(recording)
    parts = []
    for data, flat in _pieces(recording, per_column * BLOCK):
        counts.add(data, flat)
        parts.append(encode(columns(data[rows], per_column), bits, pairs=per_column > 1))
    return Scan(
        whole=_stretch(parts, 0, recording.sfreq, per_column, bits),
        n_times=recording.n_times, n_missing=counts.missing, n_flat=counts.flat,
        n_at_ends=counts.at_ends, lowest=counts.low, highest=counts.high,
    )  # fmt: skip


def details(
    recording: Recording,
    rows: Sequence[int],
    spans: Sequence[tuple[float, float]],
    *,
    budget: int = DETAIL_BYTES,
) -> list[SignalStretch]:
    """Stretches sample by sample (above 512 Hz, column by column), as many as the budget allows.

    Parameters
    ----------
    recording, rows
        As for :func:`scan`.
    spans
        Starts and stops in seconds, the most wanted first. What overlaps is kept once.
    budget
        Bytes of whole numbers.

    Returns
    -------
    list of SignalStretch
        In the order of time.
    """
    per_column = max(1, ceil(recording.sfreq / _HIGHEST_DETAIL))
    bytes_a_sample = len(rows) * (1 if per_column == 1 else 2 / per_column)
    taken: list[tuple[int, int]] = []
    for start, stop in spans:
        first = max(0, int(start * recording.sfreq))
        last = min(recording.n_times, ceil(stop * recording.sfreq))
        joined = _with(taken, first, last)
        if sum(end - begin for begin, end in joined) * bytes_a_sample > budget:
            break
        taken = joined
    found = []
    for first, last in taken:
        part = encode(
            columns(_finite(recording.read(first, last)[rows]), per_column), 8, pairs=per_column > 1
        )
        found.append(_stretch([part], first, recording.sfreq, per_column, 8))
    return found


def _with(spans: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """The spans, in order and apart from each other, with one more; an empty one is left out."""
    if last <= first:
        return spans
    merged: list[tuple[int, int]] = []
    for begin, end in sorted([*spans, (first, last)]):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _resolution(n_chans: int, n_times: int, budget: int) -> tuple[Bits, int]:
    """Bits of a number and samples in a column."""
    n_values = max(1, n_chans) * max(1, n_times)
    if 2 * n_values <= budget * 8 / 5:
        return 16, 1
    if n_values <= budget * 8 / 5:
        return 8, 1
    return 8, max(3, ceil(2 * n_values / budget))


def _stretch(
    parts: Sequence[tuple[Any, Any, Any]], first: int, sfreq: float, per_column: int, bits: Bits
) -> SignalStretch:
    middle, unit, codes = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    return SignalStretch(
        start=first / sfreq, step=per_column / sfreq, per_column=per_column, bits=bits,
        middle=middle, unit=unit, codes=codes,
    )  # fmt: skip


def _pieces(recording: Recording, block: int) -> Iterator[tuple[Array, Mask]]:
    """Samples and where they are flat, whole blocks at a time; what lies in a gap is not read."""
    if recording.n_times == 0:
        raise RecordingError(f"{recording.name}: it holds no samples, so there is nothing to draw.")
    find = FlatFinder(recording)
    n_chans = len(recording.ch_names)
    step = block * max(1, _VALUES_AT_ONCE // (block * n_chans))
    for start in range(0, recording.n_times, step):
        stop = min(start + step, recording.n_times)
        if recording.is_gap(start, stop):
            shape = (n_chans, stop - start)
            yield np.full(shape, np.nan, np.float32), np.zeros(shape, bool)
        else:
            data, flat = find(start, stop)
            yield _finite(data), flat


def _finite(data: Array) -> Array:
    """The samples; an infinite one is missing."""
    return data if not np.isinf(data).any() else np.where(np.isinf(data), np.nan, data)


class _Counts:
    """Adds up what pieces of a recording hold."""

    def __init__(self, recording: Recording) -> None:
        n_chans = len(recording.ch_names)
        self.missing, self.flat, self.at_ends = np.zeros((3, n_chans), np.int64)
        self.low, self.high = np.full(n_chans, np.nan), np.full(n_chans, np.nan)
        limits = np.array(recording.limits, np.float64).reshape(-1, 2)
        self._limits = limits.T[:, :, None] if len(limits) else None

    def add(self, data: Array, flat: Mask) -> None:
        """Count a piece in, (C, samples)."""
        missing = np.isnan(data)
        self.missing += np.count_nonzero(missing, axis=1)
        self.flat += np.count_nonzero(flat, axis=1)
        self.low = np.fmin(self.low, np.fmin.reduce(data, axis=1))
        self.high = np.fmax(self.high, np.fmax.reduce(data, axis=1))
        if self._limits is not None:
            low, high = self._limits
            self.at_ends += np.count_nonzero((data <= low) | (data >= high), axis=1)
