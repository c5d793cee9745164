"""Which label a window on the grid gets, where events touch it."""

from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

from biot.choices import LabelRule
from biot.corpus.builder.windows.events import LabelSpan
from biot.corpus.schema import Label

__all__ = [
    "Span",
    "grid_labels",
    "nearby",
    "samples_shared",
    "window_tags",
]

Span = tuple[int, int]


def grid_labels(
    spans: Sequence[Span],
    events: Sequence[LabelSpan],
    rule: LabelRule = "overlap",
    min_overlap: float = 0.5,
) -> list[Label | None]:
    """Label of each window: that of the event, among those that count, that it shares most with.

    An event touches a window if they share a sample, or if it is an instant inside the window.
    Ties go to the event that the window is fully inside of before rounding, then to the earlier
    event, then to the shorter one. A window fully inside an event takes its label, whatever the
    rule. Where only instants count, the label of most of them is the window's, of labels that are
    equally frequent the one that comes first.

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
    for (start, stop), near in zip(spans, nearby(spans, events), strict=True):
        counting = [
            (shared, event)
            for event in near
            if (shared := samples_shared(start, stop, event)) >= 0
            and (rule != "centre" or _holds_middle(start, stop, event))
        ]
        most = max((shared for shared, _ in counting), default=0)
        if most == 0:
            labels.append(_most_frequent([event for _, event in counting]))
            continue
        among = [event for shared, event in counting if shared == most]
        chosen = next((e for e in among if _is_inside(start, stop, e)), among[0])
        enough = rule != "overlap" or _enough(most, start, stop, chosen, min_overlap)
        labels.append(chosen.label if enough else None)
    return labels


def _most_frequent(instants: Sequence[LabelSpan]) -> Label | None:
    """Of labels that are equally frequent, the first."""
    counts = Counter(event.label for event in instants)
    return counts.most_common(1)[0][0] if counts else None


def window_tags(
    spans: Sequence[Span],
    events: Sequence[LabelSpan],
    rule: LabelRule = "overlap",
    min_overlap: float = 0.5,
) -> list[Label | None]:
    """Tags of each window, sorted: those of all events that count; None if none does.

    Parameters are those of :func:`grid_labels`, save that with ``"overlap"`` every event counts
    that shares at least `min_overlap` of the shorter of the two.
    """
    labels: list[Label | None] = []
    for (start, stop), near in zip(spans, nearby(spans, events), strict=True):
        counting = [
            event
            for event in near
            if (shared := samples_shared(start, stop, event)) >= 0
            and (rule != "centre" or _holds_middle(start, stop, event))
            and (rule != "overlap" or _enough(shared, start, stop, event, min_overlap))
        ]
        tags = {tag for event in counting for tag in event.label}
        labels.append(tuple(sorted(tags)) if counting else None)
    return labels


def nearby(spans: Sequence[Span], events: Sequence[LabelSpan]) -> Iterator[Sequence[LabelSpan]]:
    """The events that may touch each window: all that do, and few that do not."""
    reached = list(itertools.accumulate((event.stop for event in events), max))
    for start, stop in spans:
        # Every event before this one has ended; the sort makes the rest one short stretch.
        first = bisect.bisect_left(reached, start)
        last = bisect.bisect_left(events, stop, key=lambda event: event.start)
        yield events[first:last]


def samples_shared(start: int, stop: int, event: LabelSpan) -> int:
    """Samples that a window shares with an event; −1 if it does not touch it."""
    shared = min(stop, event.stop) - max(start, event.start)
    instant_inside = event.start == event.stop and start <= event.start < stop
    return shared if shared > 0 or instant_inside else -1


def _is_inside(start: int, stop: int, event: LabelSpan) -> bool:
    """Whether a window is fully inside an event, in exact times."""
    onset, end = event.exact or (event.start, event.stop)
    return onset <= start and stop <= end


def _holds_middle(start: int, stop: int, event: LabelSpan) -> bool:
    middle = start + (stop - start) // 2
    return event.start <= middle < max(event.stop, event.start + 1)


def _enough(shared: int, start: int, stop: int, event: LabelSpan, min_overlap: float) -> bool:
    # str: 0.55 means 55/100, not the nearest binary fraction
    return shared >= Fraction(str(min_overlap)) * min(stop - start, event.stop - event.start)
