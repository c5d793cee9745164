"""A flat channel is missing data: what stays at one value, or at its converter's ends.

The rule: in one channel and one segment, a stretch is flat if it lasts at least :data:`SECONDS`
(or the whole segment, where that is shorter) and at least :data:`SAMPLES` samples, and if either
all its samples are equal, or none of them lies between the ends of the converter's range (which
EDF and BDF files declare). It is found in the samples as they are stored, before any filter.
"""

# C channels, T samples; n windows
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import listed
from biot.signals.channels import kind
from biot.signals.recording import Array, Mask, Recording

__all__ = [
    "SAMPLES",
    "SECONDS",
    "FlatChannels",
    "FlatFinder",
    "find_flat",
    "varying_windows",
    "way_out",
    "without_flat",
]

SECONDS = 1.0
"""A shorter stretch is not flat, unless it is the whole segment: a token's length by default."""
SAMPLES = 10
"""Nor is one of fewer samples: at a low rate a second may repeat a value by chance."""

_VALUES_AT_ONCE = 2**20
_ALWAYS_MOVING = ("eeg", "ecg", "eog", "emg")
_MOSTLY = 0.5
"""Share of a channel from which on it is named in messages as one that repeats its values."""


@dataclass(frozen=True, kw_only=True)
class FlatChannels:
    """What of a recording is flat; ``str()`` says it in a sentence, and is empty if nothing is."""

    whole: tuple[str, ...] = ()
    """Channels that are flat wherever they were recorded."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Of each other channel that has flat stretches, how long they last together."""
    mostly: tuple[str, ...] = ()
    """Channels that are flat for more than half of the time, and yet have several values."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FlatChannels:
        """The inverse of ``dataclasses.asdict``, by way of JSON.

        Raises
        ------
        TypeError, ValueError, KeyError
            If they are not such values.
        """
        return cls(
            whole=tuple(map(str, values["whole"])),
            seconds={str(name): float(time) for name, time in dict(values["seconds"]).items()},
            mostly=tuple(map(str, values["mostly"])),
        )

    def among(self, ch_names: Collection[str]) -> FlatChannels:
        """The same of some channels only."""
        return FlatChannels(
            whole=tuple(name for name in self.whole if name in ch_names),
            seconds={name: time for name, time in self.seconds.items() if name in ch_names},
            mostly=tuple(name for name in self.mostly if name in ch_names),
        )

    @property
    def way_out(self) -> str:
        """See :func:`way_out`."""
        return way_out((*self.whole, *self.seconds), self.mostly)

    def __bool__(self) -> bool:
        return bool(self.whole or self.seconds)

    def __str__(self) -> str:
        parts = []
        if self.whole:
            parts.append(f"{_channels(self.whole)} throughout ({listed(self.whole, 10)})")
        if self.seconds:
            names = sorted(self.seconds, key=lambda name: -self.seconds[name])
            longest = [f"{name} {self.seconds[name]:.1f} s" for name in names]
            parts.append(
                f"{sum(self.seconds.values()):.1f} s of stretches in "
                f"{_channels(names)} ({listed(longest)})"
            )
        return "; ".join(parts)


def _channels(names: Sequence[str]) -> str:
    return f"{len(names)} channel{'s' * (len(names) != 1)}"


def way_out(names: Iterable[str], mostly: Iterable[str] = ()) -> str:
    """For messages: how to keep flat channels, and which of `names` may be no mistake.

    That are those which are flat `mostly`, and those that are not EEG, ECG, EOG or EMG by name.
    """
    repeating = set(mostly)
    own = [n for n in dict.fromkeys(names) if n in repeating or kind(n) not in _ALWAYS_MOVING]
    if not own:
        return "preparing with keep_flat would keep them"
    return (
        f"{listed(own)} may be at rest, or slow and stored with repeated values: preparing with "
        "keep_flat would keep them"
    )


def without_flat(recording: Recording) -> Recording:
    """The same recording with NaN where a channel is flat, still read lazily.

    Whichever stretch is read, its samples are those of the whole recording read at once.
    """
    find = FlatFinder(recording)

    def read_samples(start: int, stop: int) -> Array:
        data, flat = find(start, stop)
        if flat.any():
            data = np.array(data)  # the reader may keep its own
            data[flat] = np.nan
        return data

    return replace(recording, read_samples=read_samples, read_flat=None, limits=())


def find_flat(recording: Recording) -> FlatChannels:
    """Which channels of a recording are flat, and for how long; reads all samples."""
    find = FlatFinder(recording)
    n_flat = np.zeros(len(recording.ch_names), np.int64)
    for _, flat in _pieces(recording, find):
        n_flat += np.count_nonzero(flat, axis=1)
    there = _Presence(len(n_flat))
    if n_flat.any():
        for data, _ in _pieces(recording, find):
            there.add(data)
    return _summed(recording.ch_names, n_flat, there, recording.sfreq)


def _pieces(recording: Recording, find: FlatFinder) -> Iterator[tuple[Array, Mask]]:
    step = max(1, _VALUES_AT_ONCE // max(1, len(recording.ch_names)))
    borders = [0, *(border for gap in recording.gaps for border in gap), recording.n_times]
    for begin, end in zip(borders[::2], borders[1::2], strict=True):  # between the gaps
        for start in range(begin, end, step):
            yield find(start, min(start + step, end))


def varying_windows(
    X: npt.NDArray[Any], sfreq: float, ch_names: Sequence[str]
) -> tuple[npt.NDArray[Any], FlatChannels]:
    """Windows in memory with NaN where they are flat, each being a segment of its own.

    Parameters
    ----------
    X
        (n, C, T) windows of floating type; NaN where a sample is missing. It is not changed.

    Returns
    -------
    windows
        X itself where nothing is flat, else a copy.
    found
        What is flat, over all windows.
    """
    n, n_chans, n_times = X.shape
    out, least = X, _least(sfreq, n_times)
    n_flat, there = np.zeros(n_chans, np.int64), _Presence(n_chans)
    step = max(1, _VALUES_AT_ONCE // max(1, n_chans * n_times))
    for first in range(0, n, step):
        part = X[first : first + step]
        flat = _equal(part.reshape(-1, n_times), least).reshape(part.shape)
        n_flat += np.count_nonzero(flat, axis=(0, 2))
        if flat.any():
            out = X.copy() if out is X else out
            out[first : first + step][flat] = np.nan
    if n_flat.any():
        for first in range(0, n, step):
            there.add(np.moveaxis(X[first : first + step], 1, 0).reshape(n_chans, -1))
    return out, _summed(ch_names, n_flat, there, sfreq)


class _Presence:
    """How many samples each channel has, and between which values."""

    def __init__(self, n_chans: int) -> None:
        self.n = np.zeros(n_chans, np.int64)
        self.low, self.high = np.full(n_chans, np.nan), np.full(n_chans, np.nan)

    def add(self, data: npt.NDArray[Any]) -> None:
        """Count (C, T) samples in."""
        self.n += np.count_nonzero(~np.isnan(data), axis=1)
        self.low = np.fmin(self.low, np.fmin.reduce(data, axis=1))
        self.high = np.fmax(self.high, np.fmax.reduce(data, axis=1))


def _summed(
    ch_names: Sequence[str], n_flat: npt.NDArray[Any], there: _Presence, sfreq: float
) -> FlatChannels:
    rows = list(zip(ch_names, n_flat.tolist(), there.n.tolist(), strict=True))
    varies = (there.low < there.high).tolist()
    return FlatChannels(
        whole=tuple(name for name, flat, n in rows if flat and flat == n),
        seconds={name: round(flat / sfreq, 3) for name, flat, n in rows if 0 < flat < n},
        mostly=tuple(
            name
            for (name, flat, n), many in zip(rows, varies, strict=True)
            if many and flat > _MOSTLY * n
        ),
    )


class FlatFinder:
    """Reads a stretch of a recording, and where it is flat: both (C, stop − start)."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._segments = recording.segments
        limits = recording.limits or ((-np.inf, np.inf),) * len(recording.ch_names)
        self._low_C1, self._high_C1 = np.array(limits, np.float64).reshape(-1, 2, 1).swapaxes(0, 1)

    def __call__(self, start: int, stop: int) -> tuple[Array, Mask]:
        recording = self._recording
        if recording.read_flat is not None:
            return recording.read(start, stop), recording.read_flat(start, stop)
        if start == stop:
            data = recording.read(start, stop)
            return data, np.zeros(data.shape, dtype=bool)
        starts = recording.starts
        places = range(bisect_right(starts, start) - 1, bisect_right(starts, stop - 1))
        # how far a stretch that is seen in part may reach beyond what is asked for
        first = self._reach(places[0], start, -1)
        last = self._reach(places[-1], stop, 1)
        data = recording.read(first, last)
        parts = []
        for place in places:
            begin, end = self._segments[place]
            own = data[:, max(begin, first) - first : min(end, last) - first]
            parts.append(self._flat(own, _least(recording.sfreq, end - begin)))
        flat = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        asked = slice(start - first, stop - first)
        return data[:, asked], flat[:, asked]

    def _reach(self, place: int, border: int, direction: int) -> int:
        begin, end = self._segments[place]
        margin = _least(self._recording.sfreq, end - begin) - 1
        return min(max(border + direction * margin, begin), end)

    def _flat(self, data: Array, least: int) -> Mask:
        flat = _equal(data, least)
        if self._recording.limits:
            points = data[:, :: least // 2]
            at_end = (points <= self._low_C1) | (points >= self._high_C1)
            rows = np.flatnonzero((at_end[:, 1:] & at_end[:, :-1]).any(axis=1))
            low, high = self._low_C1[rows], self._high_C1[rows]
            flat[rows] |= _runs((data[rows] <= low) | (data[rows] >= high), least)
        return flat


def _least(sfreq: float, n_times: int) -> int:
    """Samples of the shortest flat stretch in a segment."""
    return max(SAMPLES, min(ceil(SECONDS * sfreq), n_times))


def _equal(data: npt.NDArray[Any], least: int) -> Mask:
    """Where a row of (rows, T) keeps one finite value for at least `least` samples."""
    flat = np.zeros(data.shape, dtype=bool)
    points = data[:, :: least // 2]  # a flat stretch holds two neighbours of these
    candidates = np.flatnonzero((points[:, 1:] == points[:, :-1]).any(axis=1))
    if candidates.size:
        rows = data[candidates]
        same = (rows[:, 1:] == rows[:, :-1]) & np.isfinite(rows[:, 1:])
        found = _runs(same, least - 1)
        flat[candidates, 1:] = found
        flat[candidates, :-1] |= found
    return flat


def _runs(marked: Mask, least: int) -> Mask:
    """Where a row has at least `least` marks in succession."""
    out = np.zeros(marked.shape, dtype=bool)
    for row in np.flatnonzero(marked.sum(axis=1) >= least):
        borders = np.flatnonzero(np.diff(np.concatenate([[0], marked[row].view(np.int8), [0]])))
        for first, last in borders.reshape(-1, 2):
            if last - first >= least:
                out[row, first:last] = True
    return out
