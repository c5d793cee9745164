"""Counts of found, missed and false events in one recording, by the rules of SzCORE.

The rules are those of Dan et al., "SzCORE: Seizure Community Open-Source Research Evaluation
framework for the validation of electroencephalography-based automated seizure detection
algorithms", Epilepsia 2024 (doi:10.1111/epi.18113). The numbers equal those of the authors' package
timescoring 0.0.7, its rounding to a grid included.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError
from biot.evaluation.events.rules import EventScoring

__all__ = [
    "Counts",
    "EventCounts",
    "SampleCounts",
    "Span",
    "event_counts",
    "sample_counts",
]

Span = tuple[float, float]
"""Onset and end of an event in seconds from the recording's first sample."""

Ints = npt.NDArray[np.int64]

_DAY = 24 * 3600
_HOUR = 3600
_ANY = 1e-6  # an overlap has to exceed the least one by this share, so that 0 means: any


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was found, missed and false, as events or as samples; counts of recordings add up."""

    reference: int
    """Reference events, after merging and splitting; or samples in them."""
    tp: int
    """Reference events that were found; or samples in events of both."""
    fp: int
    """False events; or samples in predicted events only."""
    duration: float
    """Seconds that they are of."""

    @property
    def fn(self) -> int:
        """Reference events that were missed; or samples in reference events only."""
        return self.reference - self.tp

    @property
    def sensitivity(self) -> float:
        """Share of the reference that was found; NaN without reference."""
        return _ratio(self.tp, self.reference)

    @property
    def precision(self) -> float:
        """True positives over true and false positives; NaN without either."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two, 2·tp / (2·tp + fp + fn); NaN without any event."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def fp_per_day(self) -> float:
        """False positives in 24 hours; NaN where nothing was recorded."""
        return _ratio(self.fp, self.duration / _DAY)

    @property
    def fp_per_hour(self) -> float:
        """False positives in an hour; NaN where nothing was recorded."""
        return _ratio(self.fp, self.duration / _HOUR)

    @property
    def scores(self) -> dict[str, float]:
        """The scores by name; NaN where one is undefined."""
        names = ("sensitivity", "precision", "f1", "fp_per_day", "fp_per_hour")
        return {name: float(getattr(self, name)) for name in names}

    @property
    def undefined(self) -> dict[str, str]:
        """Why a score is NaN, by its name."""
        nothing = self.duration <= 0
        reasons = {
            "sensitivity": "no reference event",
            "precision": "nothing was predicted that could be right or wrong",
            "f1": "no event, neither in the reference nor predicted",
        }
        return {
            name: "nothing was recorded" if nothing else reasons[name]
            for name, value in self.scores.items()
            if math.isnan(value)
        }

    def _added(self, other: Counts) -> dict[str, Any]:
        names = ("reference", "tp", "fp", "duration")
        return {name: getattr(self, name) + getattr(other, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class SampleCounts(Counts):
    """Counts of the samples of a grid."""

    tn: int
    """Samples in no event."""

    def __add__(self, other: SampleCounts) -> SampleCounts:
        return SampleCounts(**self._added(other), tn=self.tn + other.tn)


@dataclass(frozen=True, kw_only=True)
class EventCounts(Counts):
    """Counts of the events of one recording, or of several where they were added up."""

    predicted: int
    """Predicted events, after merging and splitting."""
    sample: SampleCounts = field(repr=False)
    """The same sample by sample, before merging and splitting and without tolerances."""

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(
            **self._added(other),
            predicted=self.predicted + other.predicted,
            sample=self.sample + other.sample,
        )


def event_counts(
    reference: Sequence[Span],
    predicted: Sequence[Span],
    duration: float,
    scoring: EventScoring | None = None,
) -> EventCounts:
    """Found, missed and false events of one kind in one recording.

    Parameters
    ----------
    reference, predicted
        Onset and end of each event in seconds, in any order; overlapping ones are one event. What
        lies outside the recording does not count.
    duration
        Length of the recording in seconds.
    scoring
        The rules; None: SzCORE's.

    Returns
    -------
    EventCounts
        With scores as properties. `tp` counts reference events: two predicted events in one
        reference event are one true positive.

    Raises
    ------
    ConfigError
        If a time is not finite, an event ends before it starts, or the duration is below 0.
    """
    how = scoring or EventScoring()
    if not (math.isfinite(duration) and duration >= 0):
        raise ConfigError(f"duration must be 0 or more seconds, got {duration}.")
    true, said = (_inside(spans, duration) for spans in (reference, predicted))
    n_samples = round(duration * how.rate)
    end = n_samples / how.rate
    events = [_split(_merged(spans, how.min_gap), how.max_event_duration) for spans in (true, said)]
    extended = [
        (max(0, start - how.tolerance_start), min(end, stop + how.tolerance_end))
        for start, stop in events[0]
    ]
    covered = _Cover(events[1], how.rate, n_samples)
    found = [span for span in extended if _overlap(covered, span, how) > how.min_overlap + _ANY]
    explained = _Cover(found, how.rate, n_samples)
    n_false = sum(explained.within(span) == 0 for span in events[1])
    return EventCounts(
        reference=len(events[0]),
        tp=len(found),
        fp=int(n_false),
        duration=end,
        predicted=len(events[1]),
        sample=sample_counts(true, said, duration, how.sample_rate),
    )


def sample_counts(
    reference: Sequence[Span], predicted: Sequence[Span], duration: float, rate: float
) -> SampleCounts:
    """Samples of a grid of `rate` Hz in events of both, of one, and of neither; see above."""
    n_samples = round(duration * rate)
    true, said = (_Cover(spans, rate, n_samples) for spans in (reference, predicted))
    both = said.within_all(true)
    return SampleCounts(
        reference=true.total,
        tp=both,
        fp=said.total - both,
        tn=n_samples - true.total - said.total + both,
        duration=n_samples / rate,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _inside(spans: Iterable[Span], duration: float) -> list[Span]:
    """What lies in the recording, in the order of time."""
    kept = []
    for start, stop in spans:
        if not (math.isfinite(start) and math.isfinite(stop) and start <= stop):
            raise ConfigError(
                f"An event goes from {start} s to {stop} s; both must be finite, and the end not "
                "before the start."
            )
        if (start < duration or stop <= duration) and (stop > 0 or start >= 0):
            kept.append((max(0.0, float(start)), min(float(stop), float(duration))))
    return sorted(kept)


def _merged(spans: Iterable[Span], gap: float) -> list[Span]:
    """Sorted events, of which those that overlap or lie closer than `gap` are one."""
    merged: list[Span] = []
    for start, stop in spans:
        if merged and start - merged[-1][1] < gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def _split(spans: Iterable[Span], longest: float | None) -> list[Span]:
    """Events, those that are too long in parts."""
    parts = []
    for start, stop in spans:
        while longest is not None and stop - start > longest:
            parts.append((start, start + longest))
            start += longest
        parts.append((start, stop))
    return parts


def _overlap(covered: _Cover, span: Span, how: EventScoring) -> float:
    """Share of a span that is covered."""
    length = span[1] - span[0]
    return covered.within(span) / how.rate / length if length > 0 else 0.0


class _Cover:
    """The samples of a grid that lie in some event."""

    def __init__(self, spans: Sequence[Span], rate: float, n_samples: int) -> None:
        self._rate, self._n = rate, n_samples
        first, last = self._grid(spans)
        order = np.argsort(first, kind="stable")
        first, last = first[order], np.maximum.accumulate(last[order])
        # An event that starts within what earlier ones cover adds only what lies beyond.
        before = np.concatenate((np.zeros(1, np.int64), last))[: len(last)]
        self._first, self._last = np.maximum(first, before), last
        self._sum = np.concatenate((np.zeros(1, np.int64), np.cumsum(self._last - self._first)))

    @property
    def total(self) -> int:
        """Samples in all."""
        return int(self._sum[-1])

    def within(self, span: Span) -> int:
        """Samples of a span that are covered."""
        first, last = self._grid([span])
        return int(self._before(last)[0] - self._before(first)[0]) if last > first else 0

    def within_all(self, other: _Cover) -> int:
        """Samples that both cover."""
        return int((self._before(other._last) - self._before(other._first)).sum())

    def _grid(self, spans: Sequence[Span]) -> tuple[Ints, Ints]:
        """First and last sample of spans, halves to the even number, as Python's `round`."""
        times = np.asarray(spans, dtype=np.float64).reshape(-1, 2)
        places = np.clip(np.rint(times * self._rate), 0, self._n).astype(np.int64)
        return places[:, 0], places[:, 1]

    def _before(self, places: Ints) -> Ints:
        """Covered samples before each place."""
        at = np.searchsorted(self._first, places, side="right") - 1
        if not len(self._first):
            return np.zeros(len(places), np.int64)
        inside = np.minimum(places, self._last[at]) - self._first[at]
        return np.where(at < 0, 0, self._sum[at] + np.maximum(inside, 0))
