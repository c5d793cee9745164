"""Cutting one recording into windows with labels."""

# C channels, T samples of a window
from __future__ import annotations

import bisect
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from biot.choices import Align, LabelRule
from biot.corpus.builder.windows.events import LabelSpan, event_starts
from biot.corpus.builder.windows.rules import grid_labels, window_tags
from biot.corpus.builder.windows.several import SeveralLabels, other_labels
from biot.corpus.schema import CHUNK_VALUES, Label, WindowBlock
from biot.errors import RecordingError
from biot.signals.grid import grid_starts
from biot.signals.recording import Recording

__all__ = [
    "Windowing",
    "cut",
]

_Span = tuple[int, int]


class _Place(NamedTuple):
    """Where a window lies, and its label."""

    span: _Span
    label: Label | None
    others: tuple[Label, ...] = ()
    """Labels that it holds besides."""


@dataclass(frozen=True, kw_only=True)
class Windowing:
    """How recordings are cut; lengths in samples at the rate of the corpus."""

    n_times: int
    """Samples of a window."""
    step: float
    """From one window's start to the next; starts are rounded to whole samples."""
    align: Align
    """``"grid"``: from the recording's start on; ``"events"``: from each event's start on."""
    offset: int | None = None
    """Of an epoch: from an event's first sample to its one window's, which may lie before it; None:
    an event has the windows that begin with it and fit inside."""
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


def cut(
    recording: Recording,
    events: list[LabelSpan],
    how: Windowing,
    left_out: Counter[str],
    several: SeveralLabels | None = None,
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
    several
        Counts windows that hold several labels.
    """
    find = _on_grid if how.align == "grid" else _on_events
    places = _recorded(recording, find(recording, events, how, left_out), left_out)
    for group in _groups(places, how, len(recording.ch_names)):
        first = group[0].span[0]
        try:
            block = recording.read(first, group[-1].span[1])
        except OSError as error:
            raise RecordingError(f"{recording.name}: {error.strerror or error}.") from error
        windows = np.stack([block[:, a - first : b - first] for (a, b), *_ in group])
        usable = np.asarray(~np.isnan(windows).all(axis=(1, 2)))
        if not usable.all():
            left_out["windows without any sample"] += int((~usable).sum())
        kept = [place for place, good in zip(group, usable, strict=True) if good]
        if kept:
            starts = [place.span[0] / recording.sfreq for place in kept]
            signal = windows if usable.all() else windows[usable]
            yield WindowBlock(signal, starts, [place.label for place in kept])
        if several is not None:
            for place in kept:
                several.add(place.label, place.others)


def _recorded(
    recording: Recording, places: Iterable[_Place], left_out: Counter[str]
) -> Iterable[_Place]:
    """Those that do not lie in a gap: it may last days, and need not be read."""
    if not recording.gaps:
        return places
    every = list(places)
    kept = [place for place in every if not recording.is_gap(*place.span)]
    if len(kept) < len(every):
        left_out["windows without any sample"] += len(every) - len(kept)
    return kept


def _on_grid(
    recording: Recording, events: list[LabelSpan], how: Windowing, left_out: Counter[str]
) -> Iterable[_Place]:
    spans = [
        (first + start, min(first + start + how.n_times, stop))
        for first, stop in recording.segments  # windows keep within a segment
        for start in _starts(stop - first, how)
    ]
    if not spans:
        left_out["recordings shorter than a window"] += 1
    if not how.labelled:
        return [_Place(span, None) for span in spans]
    find = window_tags if how.tags else grid_labels
    found = find(spans, events, how.rule, how.min_overlap)
    # tags do not compete: a window has them all
    others = [()] * len(spans) if how.tags else other_labels(spans, events, found)
    labels = [how.background if label is None else label for label in found]
    unlabelled = labels.count(None)
    if unlabelled:
        left_out["windows without a label"] += unlabelled
    places = map(_Place, spans, labels, others)
    return [place for place in places if place.label is not None]


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
    recording: Recording, events: list[LabelSpan], how: Windowing, left_out: Counter[str]
) -> Iterable[_Place]:
    places: list[_Place] = []
    segments = recording.segments
    for event in events:
        first, stop = segments[max(0, bisect.bisect_right(recording.starts, event.start) - 1)]
        last = stop - (1 if how.keep_short else how.n_times)
        starts: Iterable[int] = event_starts(event, how.n_times, how.step)
        begin = event.start
        if how.offset is not None:
            begin += how.offset
            starts = [begin]
        if not first <= begin <= last:
            left_out["events without room for a window"] += 1
            continue
        for start in starts:
            if start <= last:
                places.append(_Place((start, min(start + how.n_times, stop)), event.label))
    places.sort(key=lambda place: place.span)
    return _with_all_tags(places, events, how) if how.tags else list(_with_others(places))


def _with_others(places: list[_Place]) -> Iterator[_Place]:
    """Windows in order of place, with the other labels of windows at the same place."""
    for _, group in itertools.groupby(places, key=lambda place: place.span):
        alike = list(group)
        for place in alike:
            others = dict.fromkeys(p.label for p in alike if p.label not in (None, place.label))
            yield place._replace(others=tuple(label for label in others if label is not None))


def _with_all_tags(places: list[_Place], events: list[LabelSpan], how: Windowing) -> list[_Place]:
    """Each window once, with the tags of the events that it begins with and of those that count."""
    own: dict[_Span, set[str]] = {}
    for span, label, _ in places:
        own.setdefault(span, set()).update(label or ())
    found = window_tags(list(own), events, how.rule, how.min_overlap)
    return [
        _Place(span, tuple(sorted(tags.union(label or ()))))
        for (span, tags), label in zip(own.items(), found, strict=True)
    ]


def _groups(places: Iterable[_Place], how: Windowing, n_chans: int) -> Iterator[list[_Place]]:
    """Neighbouring windows of one length, as many as are read and encoded at a time."""
    most = max(how.n_times, CHUNK_VALUES // n_chans)
    for length, equal in itertools.groupby(places, key=lambda place: place.span[1] - place.span[0]):
        group: list[_Place] = []
        for place in equal:
            too_many = (len(group) + 1) * length > most
            if group and (too_many or place.span[1] - group[0].span[0] > most):
                yield group
                group = []
            group.append(place)
        yield group
