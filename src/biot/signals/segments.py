"""Recordings of several segments: taken apart, and laid end to end again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from biot.signals.recording import Annotation, Array, Recording

__all__ = ["by_segment", "joined", "segments_of"]


def by_segment(recording: Recording, change: Callable[[Recording], Recording]) -> Recording:
    """Change each segment as a recording of its own, so that nothing reaches across a break."""
    if len(recording.starts) == 1:
        return change(recording)
    return joined([change(part) for part in segments_of(recording)])


def segments_of(recording: Recording) -> list[Recording]:
    """Each segment as a recording of its own.

    Its annotations are those that begin in it or reach into it, counted from its first sample; one
    that reaches over a break has a part in each.
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
        read_samples=read_samples,
    )


def _segment(recording: Recording, start: int, stop: int) -> Recording:
    return replace(
        recording,
        n_times=stop - start,
        annotations=tuple(_within(recording, start / recording.sfreq, stop / recording.sfreq)),
        starts=(0,),
        read_samples=lambda first, last: recording.read(start + first, start + last),
    )


def _within(recording: Recording, begin: float, end: float) -> list[Annotation]:
    rounding = 0.01 / recording.sfreq  # seconds are rounded: a hundredth of a sample is no overlap
    found = []
    for annotation in recording.annotations:
        onset = max(annotation.onset, begin)
        stop = min(annotation.onset + annotation.duration, end)
        starts_here = begin - rounding <= annotation.onset < end - rounding
        if starts_here or (annotation.onset < begin and stop > begin + rounding):
            found.append(Annotation(onset - begin, max(0.0, stop - onset), annotation.label))
    return found
