"""`Arrivals`: what the time stamps of a stream say of lost samples, and of its clock."""

# T samples of a chunk
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LONGEST_GAP", "Arrivals", "Consecutive"]

LONGEST_GAP = 60.0
"""Seconds; after a longer one, as after a clock that was set back so far, a new segment begins."""
_BACK = 1.0
"""Seconds by which stamps go back before it is told."""

_USUAL = 0.1
"""Seconds by which a sample may come late before the stream's own jitter is known, and at most."""
_LEAST = 0.003
"""Seconds by which it always may: corrections of clocks are of this size."""
_TIMES_JITTER = 3
_MEMORY = 30.0
"""Seconds in which a large jitter is forgotten but for a third."""
_RATE_SECONDS, _RATE_PART = 10.0, 0.01
"""How long, and by which part, the rate of the stamps has to differ before it is told."""


@dataclass(frozen=True, kw_only=True)
class Consecutive:
    """Samples of a chunk that follow each other, and what is missing before them."""

    start: int
    stop: int
    """Of the chunk: first sample, and the one after the last."""
    missing: int = 0
    """Samples that are missing before the first one."""
    breaks: bool = False
    """Whether a new segment begins, because nobody knows what lies between, or it is too long."""
    seconds: float = 0.0
    """Of a new segment: how long nothing came, as far as the stamps say it; else 0."""
    back: float = 0.0
    """Seconds by which the stamps go back, where these samples follow all the same; else 0."""


class Arrivals:
    """Compares the time stamps of a stream with its rate.

    A sample that comes later after the one before it than the rate says, by more than the stream's
    jitter explains, has a gap before it. The jitter is the largest deviation of the last half
    minute: from 3 ms, or three quarters of a sample, for stamps that are exact, up to 100 ms.
    A step back of up to a minute, as after a sender that was held up, changes nothing: samples
    follow each other as they come.

    Parameters
    ----------
    sfreq
        The stream's rate, in Hz.
    """

    def __init__(self, sfreq: float) -> None:
        self._sfreq = sfreq
        self._last: float | None = None
        self._came_back = False
        self._jitter, self._seen = 0.0, 0.0
        self._n_samples, self._seconds = 0, 0.0

    def came_back(self) -> None:
        """The stream was lost and is there again: a clock that runs otherwise is another one."""
        self._came_back = True

    def stretches(self, stamps: npt.NDArray[np.float64]) -> Iterator[Consecutive]:
        """The chunk with these (T,) time stamps, in seconds, cut where something is missing."""
        if not len(stamps):
            return
        before = stamps[0] - 1 / self._sfreq if self._last is None else self._last
        late = np.diff(stamps, prepend=before) - 1 / self._sfreq
        if self._came_back and self._last is not None and late[0] < -1 / self._sfreq:
            late[0] = -np.inf
        limit = self._tolerance()
        jumps = np.flatnonzero((late > limit) | (late < -_BACK))
        starts = [0, *(int(i) for i in jumps if i > 0)]
        for start, stop in zip(starts, [*starts[1:], len(stamps)], strict=True):
            jump = float(late[start])
            if jump < -LONGEST_GAP:
                yield Consecutive(start=start, stop=stop, breaks=True)
            elif jump > LONGEST_GAP:
                yield Consecutive(start=start, stop=stop, breaks=True, seconds=jump)
            elif jump < -_BACK:
                yield Consecutive(start=start, stop=stop, back=-jump)
            elif jump > limit:
                missing = round(jump * self._sfreq)
                yield Consecutive(start=start, stop=stop, missing=missing)
            else:
                yield Consecutive(start=start, stop=stop)
        self._remember(stamps, np.delete(late, jumps), limit)

    def _tolerance(self) -> float:
        """Seconds by which a sample may come late."""
        most = max(_USUAL, 1.5 / self._sfreq)
        if self._seen < 1:
            return most
        least = max(_LEAST, 0.75 / self._sfreq)
        return min(max(least, _TIMES_JITTER * self._jitter), most)

    def _remember(
        self, stamps: npt.NDArray[np.float64], late: npt.NDArray[np.float64], limit: float
    ) -> None:
        seconds = len(stamps) / self._sfreq
        largest = float(np.abs(late).max()) if len(late) else 0.0
        self._jitter = max(self._jitter * np.exp(-seconds / _MEMORY), largest)
        self._seen += seconds
        usual = late[late >= -limit]  # the way back from a gap that was none says no rate
        self._n_samples += len(usual)
        self._seconds += float(usual.sum()) + len(usual) / self._sfreq
        self._last, self._came_back = float(stamps[-1]), False

    @property
    def other_rate(self) -> float | None:
        """The rate that the stamps say, in Hz, if it is another than the stream's; else None."""
        if self._seconds < _RATE_SECONDS:
            return None
        rate = self._n_samples / self._seconds
        return rate if abs(rate / self._sfreq - 1) > _RATE_PART else None
