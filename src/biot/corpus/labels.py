"""Which windows a recording is cut into, and which label each takes. All in whole samples."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from biot.signals.recording import Annotation

__all__ = [
    "Event",
    "Label",
    "LabelRule",
    "Stretch",
    "event_starts",
    "grid_labels",
    "grid_starts",
    "to_events",
    "window_tags",
]

Label = str | tuple[Any, ...]
"""A class; or a class for each label column, the tags that hold, or a number for each target."""
LabelRule = Literal["overlap", "centre", "any"]
Span = tuple[int, int]


class Stretch(NamedTuple):
    """A labelled part of a recording; both times in seconds."""

    onset: float
    duration: float
    label: Label


@dataclass(frozen=True, order=True)
class Event:
    """A labelled stretch, from sample ``start`` to before sample ``stop``; both equal: an instant.

    Events sort by start, then by length.
    """

    start: int
    stop: int
    label: Label


def to_events(annotations: Iterable[Annotation | Stretch], sfreq: float) -> list[Event]:
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


def grid_labels(
    spans: Sequence[Span],
    events: Sequence[Event],
    rule: LabelRule = "overlap",
    min_overlap: float = 0.5,
) -> list[Label | None]:
    """Label of each window: that of the event, among those that count, that it shares most with.

    An event touches a window if they share a sample, or if it is an instant inside the window.
    Ties go to the earlier event, then to the shorter one. A window fully inside an event takes
    its label, whatever the rule.

    Parameters
    ----------
    spans
        First sample of each window, and the one after its last.
    events
        Sorted, as :func:`to_events` gives them.
    rule
        Which event counts. ``"overlap"``: that which the window shares most with, if this is at
        least `min_overlap` of the shorter of the two. ``"centre"``: those that hold the window's
        middle sample, ``start + n_times // 2``, or are instants there. ``"any"``: those that
        touch the window.
    min_overlap
        Above 0, at most 1.
    """
    labels: list[Label | None] = []
    for (start, stop), near in zip(spans, _nearby(spans, events), strict=True):
        most, chosen = -1, None
        for event in near:
            shared = _shared(start, stop, event)
            if shared > most and (rule != "centre" or _holds_middle(start, stop, event)):
                most, chosen = shared, event
        if chosen is None or (
            rule == "overlap" and not _enough(most, start, stop, chosen, min_overlap)
        ):
            labels.append(None)
        else:
            labels.append(chosen.label)
    return labels


def window_tags(
    spans: Sequence[Span],
    events: Sequence[Event],
    rule: LabelRule = "overlap",
    min_overlap: float = 0.5,
) -> list[Label | None]:
    """Tags of each window, sorted: those of all events that count; None if none does.

    Parameters are those of :func:`grid_labels`, save that with ``"overlap"`` every event counts
    that shares at least `min_overlap` of the shorter of the two.
    """
    labels: list[Label | None] = []
    for (start, stop), near in zip(spans, _nearby(spans, events), strict=True):
        counting = [
            event
            for event in near
            if (shared := _shared(start, stop, event)) >= 0
            and (rule != "centre" or _holds_middle(start, stop, event))
            and (rule != "overlap" or _enough(shared, start, stop, event, min_overlap))
        ]
        tags = {tag for event in counting for tag in event.label}
        labels.append(tuple(sorted(tags)) if counting else None)
    return labels


def _nearby(spans: Sequence[Span], events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """The events that may touch each window: all that do, and few that do not."""
    reached = list(itertools.accumulate((event.stop for event in events), max))
    for start, stop in spans:
        # Every event before this one has ended; the sort makes the rest one short stretch.
        first = bisect.bisect_left(reached, start)
        last = bisect.bisect_left(events, stop, key=lambda event: event.start)
        yield events[first:last]


def _shared(start: int, stop: int, event: Event) -> int:
    """Samples that a window shares with an event; −1 if it does not touch it."""
    shared = min(stop, event.stop) - max(start, event.start)
    instant_inside = event.start == event.stop and start <= event.start < stop
    return shared if shared > 0 or instant_inside else -1


def _holds_middle(start: int, stop: int, event: Event) -> bool:
    middle = start + (stop - start) // 2
    return event.start <= middle < max(event.stop, event.start + 1)


def _enough(shared: int, start: int, stop: int, event: Event, min_overlap: float) -> bool:
    # str: 0.55 means 55/100, not the nearest binary fraction
    return shared >= Fraction(str(min_overlap)) * min(stop - start, event.stop - event.start)


def _nearest(value: float) -> int:
    """The nearest integer; halves go up, so equal durations are equal wherever they begin."""
    return int(value + 0.5) if value >= 0 else -int(0.5 - value)
