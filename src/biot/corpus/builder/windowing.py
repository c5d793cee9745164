"""Cutting one recording into windows with labels."""

# C channels, T samples of a window
from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from biot.choices import Align, LabelRule
from biot.corpus.schema import CHUNK_VALUES, Label, WindowBlock
from biot.errors import ConfigError, RecordingError
from biot.signals.grid import grid_starts, nearest
from biot.signals.recording import Annotation, Recording

__all__ = [
    "Align",
    "Event",
    "LabelRule",
    "Stretch",
    "Windowing",
    "cut",
    "event_starts",
    "grid_labels",
    "rule_options",
    "to_events",
    "window_tags",
]

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
    exact: tuple[Fraction, Fraction] | None = field(default=None, compare=False)
    """Both in samples before rounding; None: the same as ``start`` and ``stop``."""


def to_events(annotations: Iterable[Annotation | Stretch], sfreq: float) -> list[Event]:
    """Annotations as sorted events at a rate of `sfreq` Hz.

    Onset and duration are rounded each for itself: an event as long as a window stays as long,
    and a window fully inside an event in seconds is fully inside it in samples too.
    """
    events = []
    for annotation in annotations:
        start = nearest(annotation.onset * sfreq)
        stop = start + nearest(annotation.duration * sfreq)
        onset, duration, rate = (
            Fraction(str(float(x))) for x in (annotation.onset, annotation.duration, sfreq)
        )
        exact = (onset * rate, (onset + duration) * rate)
        events.append(Event(start, stop, annotation.label, exact))
    return sorted(events)


def event_starts(event: Event, window: int, step: float) -> Iterator[int]:
    """First samples of an event's windows: from its start on, as long as they fit inside it.

    An event shorter than a window gives one, which reaches beyond it.
    """
    yield event.start
    n_done = 1
    while (start := event.start + nearest(n_done * step)) + window <= event.stop:
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
    Ties go to the event that the window is fully inside of before rounding, then to the earlier
    event, then to the shorter one. A window fully inside an event takes its label, whatever the
    rule.

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
        most, within, chosen = -1, False, None
        for event in near:
            shared = _shared(start, stop, event)
            if shared < max(most, 0) or (
                rule == "centre" and not _holds_middle(start, stop, event)
            ):
                continue
            inside = _is_inside(start, stop, event)
            if (shared, inside) > (most, within):
                most, within, chosen = shared, inside, event
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


def _is_inside(start: int, stop: int, event: Event) -> bool:
    """Whether a window is fully inside an event, in exact times."""
    onset, end = event.exact or (event.start, event.stop)
    return onset <= start and stop <= end


def _holds_middle(start: int, stop: int, event: Event) -> bool:
    middle = start + (stop - start) // 2
    return event.start <= middle < max(event.stop, event.start + 1)


def _enough(shared: int, start: int, stop: int, event: Event, min_overlap: float) -> bool:
    # str: 0.55 means 55/100, not the nearest binary fraction
    return shared >= Fraction(str(min_overlap)) * min(stop - start, event.stop - event.start)


_Place = tuple[Span, Label | None]  # where a window lies, and its label


@dataclass(frozen=True, kw_only=True)
class Windowing:
    """How recordings are cut; lengths in samples at the rate of the corpus."""

    n_times: int
    """Samples of a window."""
    step: float
    """From one window's start to the next; starts are rounded to whole samples."""
    align: Align
    """``"grid"``: from the recording's start on; ``"events"``: from each event's start on."""
    labelled: bool
    """Whether windows without a label are left out; else labels are not looked at."""
    background: Label | None
    """Label of the windows that would have none; they are kept then."""
    rule: LabelRule = "overlap"
    """Which event gives a window on the grid its label, see :func:`grid_labels`."""
    min_overlap: float = 0.5
    tags: bool = False
    """Whether labels are tags, so that several events may label a window."""
    keep_short: bool = False
    """Whether what is left at a segment's end is kept as a window shorter than the others."""


def rule_options(
    rule: LabelRule, min_overlap: float | None, *, tags: bool, align: Align
) -> dict[str, Any]:
    """The rule of a :class:`Windowing` and its share, by name.

    Raises
    ------
    ConfigError
        If they would have no effect.
    """
    if align == "events" and not tags and (rule != "overlap" or min_overlap is not None):
        raise ConfigError(
            "label_rule and min_overlap are for windows on a grid, or for tags; where "
            "align is 'events', a window has the label of its event."
        )
    if min_overlap is not None and rule != "overlap":
        raise ConfigError(
            f"min_overlap goes with label_rule 'overlap'; got {min_overlap} and {rule!r}."
        )
    return {"rule": rule, "min_overlap": 0.5 if min_overlap is None else min_overlap}


def cut(
    recording: Recording, events: list[Event], how: Windowing, left_out: Counter[str]
) -> Iterator[WindowBlock]:
    """The windows of a recording that are worth keeping, some at a time, in order of start.

    Parameters
    ----------
    recording
        At the rate of the corpus.
    events
        Sorted, in samples at that rate.
    left_out
        Counts by reason what is left out.
    """
    find = _on_grid if how.align == "grid" else _on_events
    places = _recorded(recording, find(recording, events, how, left_out), left_out)
    for group in _groups(places, how, len(recording.ch_names)):
        first = group[0][0][0]
        try:
            block = recording.read(first, group[-1][0][1])
        except OSError as error:
            raise RecordingError(f"{recording.name}: {error.strerror or error}.") from error
        windows = np.stack([block[:, a - first : b - first] for (a, b), _ in group])
        usable = np.asarray(~np.isnan(windows).all(axis=(1, 2)))
        if not usable.all():
            left_out["windows without any sample"] += int((~usable).sum())
        kept = [place for place, good in zip(group, usable, strict=True) if good]
        if kept:
            starts = [start / recording.sfreq for (start, _), _ in kept]
            signal = windows if usable.all() else windows[usable]
            yield WindowBlock(signal, starts, [label for _, label in kept])


def _recorded(
    recording: Recording, places: Iterable[_Place], left_out: Counter[str]
) -> Iterable[_Place]:
    """Those that do not lie in a gap: it may last days, and need not be read."""
    if not recording.gaps:
        return places
    every = list(places)
    kept = [place for place in every if not recording.is_gap(*place[0])]
    if len(kept) < len(every):
        left_out["windows without any sample"] += len(every) - len(kept)
    return kept


def _on_grid(
    recording: Recording, events: list[Event], how: Windowing, left_out: Counter[str]
) -> Iterable[_Place]:
    spans = [
        (first + start, min(first + start + how.n_times, stop))
        for first, stop in recording.segments  # windows keep within a segment
        for start in _starts(stop - first, how)
    ]
    if not spans:
        left_out["recordings shorter than a window"] += 1
    if not how.labelled:
        return [(span, None) for span in spans]
    find = window_tags if how.tags else grid_labels
    labels = [
        how.background if label is None else label
        for label in find(spans, events, how.rule, how.min_overlap)
    ]
    unlabelled = labels.count(None)
    if unlabelled:
        left_out["windows without a label"] += unlabelled
    return [place for place in zip(spans, labels, strict=True) if place[1] is not None]


def _starts(n_times: int, how: Windowing) -> list[int]:
    """First samples of a segment's windows; the last one may reach beyond its end."""
    if not how.keep_short:
        return grid_starts(n_times, how.n_times, how.step)
    # those that fit into a longer segment: one more is kept if it holds a sample that none has
    starts = grid_starts(n_times + how.n_times - 1, how.n_times, how.step)
    n_whole = len(grid_starts(n_times, how.n_times, how.step))
    covered = starts[n_whole - 1] + how.n_times if n_whole else 0
    return starts[: n_whole + 1] if covered < n_times else starts[:n_whole]


def _on_events(
    recording: Recording, events: list[Event], how: Windowing, left_out: Counter[str]
) -> Iterable[_Place]:
    places: list[_Place] = []
    for event in events:
        segment = bisect.bisect_right(recording.starts, event.start) - 1
        stop = recording.segments[segment][1]
        last = stop - (1 if how.keep_short else how.n_times)
        if not 0 <= event.start <= last:
            left_out["events without room for a window"] += 1
            continue
        for start in event_starts(event, how.n_times, how.step):
            if start <= last:
                places.append(((start, min(start + how.n_times, stop)), event.label))
    places.sort(key=lambda place: place[0])
    return _with_all_tags(places, events, how) if how.tags else places


def _with_all_tags(places: list[_Place], events: list[Event], how: Windowing) -> list[_Place]:
    """Each window once, with the tags of the events that it begins with and of those that count."""
    own: dict[Span, set[str]] = {}
    for span, label in places:
        own.setdefault(span, set()).update(label or ())
    found = window_tags(list(own), events, how.rule, how.min_overlap)
    return [
        (span, tuple(sorted(tags.union(label or ()))))
        for (span, tags), label in zip(own.items(), found, strict=True)
    ]


def _groups(places: Iterable[_Place], how: Windowing, n_chans: int) -> Iterator[list[_Place]]:
    """Neighbouring windows of one length, as many as are read and encoded at a time."""
    most = max(how.n_times, CHUNK_VALUES // n_chans)
    for length, equal in itertools.groupby(places, key=lambda place: place[0][1] - place[0][0]):
        group: list[_Place] = []
        for place in equal:
            too_many = (len(group) + 1) * length > most
            if group and (too_many or place[0][1] - group[0][0][0] > most):
                yield group
                group = []
            group.append(place)
        yield group
