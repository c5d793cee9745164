"""The grid of windows: where windows of a corpus, and of a prediction, begin."""

from __future__ import annotations

__all__ = ["grid_starts", "nearest"]


def grid_starts(n_times: int, window: int, step: float, *, covering: bool = False) -> list[int]:
    """First sample of each window of a segment.

    Parameters
    ----------
    n_times
        Samples of the segment.
    window
        Samples a window.
    step
        Samples between the starts of windows, which may be a fraction: each start is rounded, so
        that nothing drifts.
    covering
        Whether a last window may reach beyond the end, so that no sample is left over; else only
        windows that fit are given.

    Returns
    -------
    list of int
        Ascending. Covering, there is at least one, and none begins beyond the end.
    """
    starts: list[int] = []
    while (start := nearest(len(starts) * step)) + window <= n_times:
        starts.append(start)
    is_open = not starts or (starts[-1] + window < n_times and start < n_times)
    return [*starts, start] if covering and is_open else starts


def nearest(position: float) -> int:
    """The sample nearest to a position; of two, the one further from 0.

    So equal durations are equal wherever they begin.
    """
    return int(position + 0.5) if position >= 0 else -int(0.5 - position)
