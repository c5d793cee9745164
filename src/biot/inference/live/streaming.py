"""`streamed`: the rows of a stream, until it is enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event

import numpy as np

from biot.inference.live.arrivals import Arrivals
from biot.inference.live.engine import LiveEngine
from biot.inference.live.lsl import LslStream, StreamLostError
from biot.inference.live.rows import LiveRow
from biot.signals.recording import Recording

__all__ = ["streamed"]

_QUIET = 1.0
"""Seconds without a sample after which what has come is predicted as if it were the end."""


def streamed(
    engine: LiveEngine,
    stream: LslStream,
    *,
    seconds: float | None = None,
    stopped: Event | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[list[LiveRow]]:
    """The rows of a stream, as its samples come.

    What was lost on the way is missing data; a stream that goes away is waited for.

    Parameters
    ----------
    engine
        Made for the recording that the stream gave when it was found; with its clock.
    stream
        Found already.
    seconds
        How long, from now; None: for ever.
    stopped
        Ends it when it is set.
    tell
        Takes what is to be told meanwhile: that the stream is lost, or that its rate is another.

    Yields
    ------
    list of LiveRow
        Whenever samples came; often empty.
    """
    stopped = stopped or Event()
    until = None if seconds is None else time.monotonic() + seconds
    arrivals, feed = Arrivals(engine.recording.sfreq), _Feed(engine)

    def goes_on() -> bool:
        return not stopped.is_set() and (until is None or time.monotonic() < until)

    heard, told_rate = time.monotonic(), False
    while goes_on():
        try:
            data, stamps = stream.pull()
        except StreamLostError as error:
            yield engine.rows(at_end=True)
            tell(f"{error} Waiting until it is back.")
            if stream.find(goes_on) is None:
                break
            tell(f"{stream.name}: is back.")
            arrivals.came_back()
            heard = time.monotonic()
            continue
        if not len(stamps):
            yield engine.rows(at_end=time.monotonic() - heard > _QUIET)
            continue
        heard = time.monotonic()
        for stretch in arrivals.stretches(stamps):
            if stretch.breaks:
                tell(_break_told(stream.name, stretch.seconds))
                yield engine.end_segment(seconds=stretch.seconds, whole=False)
            if stretch.back:
                tell(_back_told(stream.name, stretch.back))
            if stretch.missing:
                engine.miss(stretch.missing)
            feed.push(data[:, stretch.start : stretch.stop], stamps[stretch.start : stretch.stop])
        yield engine.rows()
        if not told_rate and arrivals.other_rate is not None:
            told_rate = True
            tell(_rate_told(stream.name, engine.recording.sfreq, arrivals.other_rate))
    yield engine.rows(at_end=True)


class _Feed:
    """Brings the channels of a stream to those of the engine."""

    def __init__(self, engine: LiveEngine) -> None:
        self._engine = engine
        marks = _marks(engine.recording)
        self._factors_C1 = marks[:, 1:].astype(np.float32)
        self._rows = np.rint(marks[:, 0] / marks[:, 1]).astype(int) - 1

    def push(self, data: np.ndarray, stamps: np.ndarray) -> None:
        self._engine.push(data[self._rows] * self._factors_C1, stamps)


def _marks(recording: Recording) -> np.ndarray:
    """See :func:`biot.inference.live.lsl.described`."""
    return recording.read(0, 2).astype(np.float64)


def _break_told(name: str, seconds: float) -> str:
    if seconds:
        return (
            f"{name}: nothing came for {seconds:.1f} s. Windows begin anew, none lies in the gap."
        )
    return f"{name}: the time stamps went back, so another clock runs. Windows begin anew."


def _back_told(name: str, seconds: float) -> str:
    return (
        f"{name}: the time stamps went back by {seconds:.1f} s. The samples are taken to follow "
        "each other; latencies count from the new stamps."
    )


def _rate_told(name: str, announced: float, found: float) -> str:
    return (
        f"{name}: announces {announced:g} Hz, but its time stamps say {found:.4g} Hz. Nothing was "
        "changed: the samples are taken to be at the rate announced. Correct the sender."
    )
