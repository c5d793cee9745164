"""`Recording`: one biosignal recording in physical units, read lazily."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, counted

__all__ = [
    "Annotation",
    "Array",
    "Mask",
    "ReadFlat",
    "ReadSamples",
    "Recording",
    "by_segment",
    "joined",
    "segments_of",
]

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class ReadSamples(Protocol):
    """Reads samples ``start`` to ``stop`` of every channel: (n_chans, stop − start) float32."""

    def __call__(self, start: int, stop: int) -> Array: ...


class ReadFlat(Protocol):
    """Tells where samples ``start`` to ``stop`` are flat: (n_chans, stop − start) bool."""

    def __call__(self, start: int, stop: int) -> Mask: ...


@dataclass(frozen=True)
class Annotation:
    """A labelled stretch of a recording."""

    onset: float
    """Start in seconds from the recording's first sample."""
    duration: float
    """Length in seconds; 0 for an instant."""
    label: str
    column: str = "label"
    """Which column of labels it belongs to, where a file holds labels of several kinds: of WFDB
    records ``"beat"``, ``"rhythm"``, ``"wave"`` and ``"note"``; else ``"label"``."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording: channels by name, in the units given, read when asked for."""

    path: Path | None
    """The file it was read from; None for one made in memory."""
    ch_names: tuple[str, ...]
    sfreq: float
    """Samples a second, in Hz, of every channel."""
    n_times: int
    """Samples in each channel."""
    units: tuple[str, ...]
    """Unit of each channel's numbers: ``"µV"`` for EEG, ``"mV"`` for ECG, else as the file says."""
    annotations: tuple[Annotation, ...] = ()
    bad: tuple[str, ...] = ()
    """Channels that the file, or a table beside it, marks as bad: all their samples are NaN."""
    starts: tuple[int, ...] = (0,)
    """First sample of each segment: a stretch recorded without a break, such as an epoch.

    Segments lie end to end, though time passed between them: no filter and no window may reach
    from one into the next.
    """
    read_samples: ReadSamples = field(repr=False)
    """How samples are fetched; use :meth:`read`."""
    gaps: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    """Stretches in which nothing was recorded, where the reader knows of any: the first sample of
    each, and the one after its last. They may last days, so who can passes over them."""
    meas_date: datetime | None = None
    """When its first sample was recorded, where the file says so; without a time zone, the clock of
    the place."""
    reference: str | None = None
    """What its EEG was measured against, where the file says so elsewhere than in channel names."""
    rates: tuple[float, ...] = field(default=(), repr=False)
    """Samples a second of each channel as it is stored, where the reader brought them to one rate;
    empty where that is :attr:`sfreq` for all."""
    limits: tuple[tuple[float, float], ...] = field(default=(), repr=False)
    """For each channel, the numbers at or below and at or above which a sample lies at an end of
    the converter's range; empty where that is not known."""
    declared: tuple[str, ...] = field(default=(), repr=False)
    """The unit of each channel as the file spells it; empty where that is not known."""
    read_flat: ReadFlat | None = field(default=None, repr=False)
    """Where samples are flat, see :mod:`biot.signals.flat`, if what is stored says more about it
    than what is read: of slow signals that the reader has resampled."""

    def __repr__(self) -> str:
        channels = ", ".join(self.ch_names[:4]) + (", …" if len(self.ch_names) > 4 else "")
        parts = [
            f"{counted(len(self.ch_names), 'channel')} ({channels}) at {self.sfreq:g} Hz",
            f"{self.duration:g} s",
            *([counted(len(self.starts), "segment")] if len(self.starts) > 1 else []),
            *([counted(len(self.annotations), "annotation")] if self.annotations else []),
            *([counted(len(self.bad), "bad channel")] if self.bad else []),
        ]
        return f"Recording({self.name}: {', '.join(parts)})"

    @property
    def name(self) -> str:
        """File name for messages."""
        return self.path.name if self.path is not None else "<recording in memory>"

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_times / self.sfreq

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """First sample of each segment, and the one after its last."""
        return tuple(pairwise((*self.starts, self.n_times)))

    def is_gap(self, start: int, stop: int) -> bool:
        """Whether all of a stretch lies in one of :attr:`gaps`."""
        place = bisect.bisect_right(self.gaps, (start, self.n_times)) - 1
        return place >= 0 and stop <= self.gaps[place][1]

    def read(self, start: int = 0, stop: int | None = None) -> Array:
        """Samples ``start`` to ``stop`` of every channel.

        Parameters
        ----------
        start, stop
            First sample and the one after the last, as in a slice; None reads to the end.

        Returns
        -------
        numpy.ndarray
            (n_chans, stop − start) float32 in :attr:`units`; NaN where nothing was recorded.

        Raises
        ------
        RecordingError
            If the range lies outside the recording.
        """
        end = self.n_times if stop is None else stop
        if not 0 <= start <= end <= self.n_times:
            raise RecordingError(
                f"{self.name}: cannot read samples {start} to {end}; it has 0 to {self.n_times}."
            )
        return self.read_samples(start, end)

    def pick(self, rows: Sequence[int]) -> Recording:
        """The same recording with some of its channels, by their positions, in this order."""
        chosen = list(rows)
        ch_names = tuple(self.ch_names[row] for row in chosen)

        def read_samples(start: int, stop: int) -> Array:
            return self.read(start, stop)[chosen]

        def read_flat(start: int, stop: int) -> Mask:
            assert self.read_flat is not None
            return self.read_flat(start, stop)[chosen]

        return replace(
            self,
            ch_names=ch_names,
            bad=tuple(name for name in self.bad if name in ch_names),
            units=tuple(self.units[row] for row in chosen),
            read_samples=read_samples,
            rates=tuple(self.rates[row] for row in chosen) if self.rates else (),
            limits=tuple(self.limits[row] for row in chosen) if self.limits else (),
            declared=tuple(self.declared[row] for row in chosen) if self.declared else (),
            read_flat=None if self.read_flat is None else read_flat,
        )

    @property
    def data(self) -> Array:
        """All samples: (n_chans, n_times) float32 in :attr:`units`."""
        return self.read()

    @classmethod
    def from_array(
        cls,
        data: npt.ArrayLike,
        *,
        ch_names: Sequence[str],
        sfreq: float,
        units: Sequence[str],
        annotations: Sequence[Annotation] = (),
        starts: Sequence[int] = (0,),
        path: Path | None = None,
        meas_date: datetime | None = None,
    ) -> Recording:
        """A recording from an array in memory, (n_chans, n_times) in `units`."""
        array = np.asarray(data, dtype=np.float32)
        if array.ndim != 2 or array.shape[0] != len(ch_names) or len(units) != len(ch_names):
            raise RecordingError(
                f"data of shape {array.shape} needs one row, one name and one unit a channel; "
                f"got {counted(len(ch_names), 'name')} and {counted(len(units), 'unit')}."
            )
        return cls(
            path=path,
            ch_names=tuple(ch_names),
            sfreq=float(sfreq),
            n_times=array.shape[1],
            units=tuple(units),
            annotations=tuple(annotations),
            starts=tuple(starts),
            meas_date=meas_date,
            read_samples=lambda start, stop: array[:, start:stop].copy(),
        )


def by_segment(recording: Recording, change: Callable[[Recording], Recording]) -> Recording:
    """Change each segment as a recording of its own, so that nothing reaches across a break."""
    if len(recording.starts) == 1:
        return change(recording)
    return joined([change(part) for part in segments_of(recording)])


def segments_of(recording: Recording) -> list[Recording]:
    """Each segment as a recording of its own.

    Its annotations are those that begin in it or reach into it, counted from its first sample; one
    that reaches over a break has a part in each. When a segment began is known of the first alone.
    """
    return [_segment(recording, start, stop) for start, stop in recording.segments]


def joined(parts: Sequence[Recording]) -> Recording:
    """Recordings of the same channels, units and rate, end to end, one segment each."""
    first = parts[0]
    ends = np.cumsum([part.n_times for part in parts])
    starts = (0, *(int(end) for end in ends[:-1]))

    def read_samples(start: int, stop: int) -> Array:
        out = np.empty((len(first.ch_names), stop - start), dtype=np.float32)
        for i in range(int(np.searchsorted(ends, start, side="right")), len(parts)):
            low, high = max(start, starts[i]), min(stop, int(ends[i]))
            if low >= stop:
                break
            out[:, low - start : high - start] = parts[i].read(low - starts[i], high - starts[i])
        return out

    return replace(
        first,
        n_times=int(ends[-1]),
        annotations=tuple(
            replace(annotation, onset=annotation.onset + start / first.sfreq)
            for part, start in zip(parts, starts, strict=True)
            for annotation in part.annotations
        ),
        starts=starts,
        gaps=tuple(
            (start + first, start + last)
            for part, start in zip(parts, starts, strict=True)
            for first, last in part.gaps
        ),
        read_samples=read_samples,
        read_flat=None,
    )


def _segment(recording: Recording, start: int, stop: int) -> Recording:
    return replace(
        recording,
        n_times=stop - start,
        annotations=tuple(_within(recording, start / recording.sfreq, stop / recording.sfreq)),
        starts=(0,),
        meas_date=recording.meas_date if start == 0 else None,  # how long did the break last?
        gaps=tuple(
            (max(first, start) - start, min(last, stop) - start)
            for first, last in recording.gaps
            if first < stop and last > start
        ),
        read_samples=lambda first, last: recording.read(start + first, start + last),
        read_flat=None,
    )


def _within(recording: Recording, begin: float, end: float) -> list[Annotation]:
    rounding = 0.01 / recording.sfreq  # seconds are rounded: a hundredth of a sample is no overlap
    found = []
    for annotation in recording.annotations:
        onset = max(annotation.onset, begin)
        stop = min(annotation.onset + annotation.duration, end)
        starts_here = begin - rounding <= annotation.onset < end - rounding
        if starts_here or (annotation.onset < begin and stop > begin + rounding):
            duration = max(0.0, stop - onset)
            found.append(replace(annotation, onset=onset - begin, duration=duration))
    return found
