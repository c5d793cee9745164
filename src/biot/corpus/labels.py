"""Which windows a recording is cut into, and which label each takes. All in whole samples."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from biot.signals.recording import Annotation

__all__ = ["Event", "event_starts", "grid_labels", "grid_starts", "to_events"]


@dataclass(frozen=True, order=True)
class Event:
    """A labelled stretch, from sample ``start`` to before sample ``stop``; both equal: an instant.

    Events sort by start, then by length.
    """

    start: int
    stop: int
    label: str


def to_events(annotations: Iterable[Annotation], sfreq: float) -> list[Event]:
    """Annotations as sorted events at a rate of `sfreq` Hz.

    Onset and duration are rounded each for itself: an event as long as a window stays as long,
    and a window fully inside an event in seconds is fully inside it in samples too.
    """
    events = []
    for annotation in annotations:
        start = _nearest(annotation.onset * sfreq)
        stop = start + _nearest(annotation.duration * sfreq)
        events.append(Event(start, stop, annotation.label))
    return sorted(events)


def grid_starts(n_times: int, window: int, step: float) -> list[int]:
    """First samples of the windows of `window` samples that fit, each about `step` samples on."""
    starts: list[int] = []
    while (start := _nearest(len(starts) * step)) + window <= n_times:
        starts.append(start)
    return starts


def event_starts(event: Event, window: int, step: float) -> Iterator[int]:
    """First samples of an event's windows: from its start on, as long as they fit inside it.

    An event shorter than a window gives one, which reaches beyond it.
    """
    yield event.start
    n_done = 1
    while (start := event.start + _nearest(n_done * step)) + window <= event.stop:
        yield start
        n_done += 1


def grid_labels(starts: Sequence[int], window: int, events: Sequence[Event]) -> list[str | None]:
    """Label of each window: that of the event that it shares most samples with.

    The shared samples must be at least half of the shorter of the two; so a window fully inside
    an event takes its label, and so does one that holds an instant and touches nothing longer.
    Ties go to the earlier event, then to the shorter one.

    Parameters
    ----------
    starts, window
        First samples and length of the windows.
    events
        Sorted, as :func:`to_events` gives them.
    """
    reached = list(itertools.accumulate((event.stop for event in events), max))
    labels = []
    for start in starts:
        # Every event before this one has ended; the sort makes the rest one short stretch.
        first = bisect.bisect_left(reached, start)
        last = bisect.bisect_left(events, start + window, key=lambda event: event.start)
        labels.append(_label(start, start + window, events[first:last]))
    return labels


def _label(start: int, stop: int, events: Sequence[Event]) -> str | None:
    most, chosen = -1, None
    for event in events:
        shared = min(stop, event.stop) - max(start, event.start)
        inside = event.start == event.stop and event.start >= start
        if (shared > 0 or inside) and shared > most:
            most, chosen = shared, event
    if chosen is None or 2 * most < min(stop - start, chosen.stop - chosen.start):
        return None
    return chosen.label


def _nearest(value: float) -> int:
    """The nearest integer; halves go up, so equal durations are equal wherever they begin."""
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)
