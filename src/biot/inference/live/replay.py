"""`replayed`: a recording played through the engine, as fast as it was recorded or otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event

import numpy as np

from biot.inference.live.engine import LiveEngine
from biot.inference.live.rows import LiveRow

__all__ = ["replayed"]

_BREATH = 0.02
"""Seconds of a chunk, where it is played in time."""
_AT_ONCE = 10.0
"""Seconds of a chunk, where it is played as fast as possible."""


def replayed(
    engine: LiveEngine,
    *,
    speed: float = 1.0,
    seconds: float | None = None,
    stopped: Event | None = None,
) -> Iterator[list[LiveRow]]:
    """The rows of a recording, as its samples come.

    Parameters
    ----------
    engine
        Made for the recording; its clock must be ``time.monotonic``.
    speed
        How many times faster than it was recorded; 0: as fast as possible.
    seconds
        How much of the recording is played; None: all. Only at its own end a last window that is
        not whole gives a row.
    stopped
        Ends it when it is set.

    Yields
    ------
    list of LiveRow
        After every chunk; often empty.
    """
    recording, stopped = engine.recording, stopped or Event()
    sfreq = recording.sfreq
    end = recording.n_times if seconds is None else min(recording.n_times, round(seconds * sfreq))
    length = max(1, round(sfreq * (_BREATH * speed if speed else _AT_ONCE)))
    began = time.monotonic()
    for place, (begin, after) in enumerate(recording.segments):
        if begin >= end:
            break
        if place:
            yield engine.end_segment()
        for start in range(begin, min(after, end), length):
            stop = min(start + length, after, end)
            now = time.monotonic()
            due = began + stop / (sfreq * speed) if speed else now
            if stopped.wait(max(0.0, due - now)):
                return
            ago = np.arange(start - stop + 1, 1) / (sfreq * speed) if speed else 0.0
            engine.push(recording.read(start, stop), due + ago + np.zeros(stop - start))
            yield engine.rows()
    yield engine.finish() if end == recording.n_times else engine.rows(at_end=True)
