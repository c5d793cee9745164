"""Labelled parts of a recording: in seconds as a `Stretch`, in samples as a `LabelSpan`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from biot.corpus.schema import Label
from biot.signals.grid import nearest
from biot.signals.recording import Annotation

__all__ = [
    "LabelSpan",
    "Stretch",
    "event_starts",
    "to_events",
]


class Stretch(NamedTuple):
    """A labelled part of a recording; both times in seconds."""

    onset: float
    duration: float
    label: Label


@dataclass(frozen=True, order=True)
class LabelSpan:
    """A labelled stretch, from sample ``start`` to before sample ``stop``; both equal: an instant.

    Events sort by start, then by length.
    """

    start: int
    stop: int
    label: Label
    exact: tuple[Fraction, Fraction] | None = field(default=None, compare=False)
    """Both in samples before rounding; None: the same as ``start`` and ``stop``."""


def to_events(annotations: Iterable[Annotation | Stretch], sfreq: float) -> list[LabelSpan]:
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
        events.append(LabelSpan(start, stop, annotation.label, exact))
    return sorted(events)


def event_starts(event: LabelSpan, window: int, step: float) -> Iterator[int]:
    """First samples of an event's windows: from its start on, as long as they fit inside it.

    An event shorter than a window gives one, which reaches beyond it.
    """
    yield event.start
    n_done = 1
    while (start := event.start + nearest(n_done * step)) + window <= event.stop:
        yield start
        n_done += 1
