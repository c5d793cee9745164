"""Events from probabilities over time: smoothing, two thresholds, gaps, durations, dead times.

Times are whole nanoseconds, so that equal stretches are equal wherever they lie.
"""

# R windows, P pieces of time, K labels, E events
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from biot.decision import Decision
from biot.errors import ConfigError
from biot.events.event import Event
from biot.events.rules import EventRules

__all__ = ["Pieces", "covered", "detect", "pieces_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_NS = 1_000_000_000
_CLOSE = 1e-9
"""What means of equal probabilities may differ by."""
_ROUNDED = 0.05
"""A gap between two windows up to this share of a window comes of rounding to whole samples."""


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """The time of a recording, cut wherever a window or a segment begins or ends."""

    edges: Ints
    """(P + 1,) ascending, in nanoseconds."""
    segment: Ints
    """(P,) number of the segment that a piece lies in."""
    probabilities: Floats
    """(P, K) mean over the windows that cover a piece; NaN where none with usable data does."""

    @property
    def known(self) -> Flags:
        """(P,) whether anything is said of a piece."""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1))


def detect(
    start: Floats,
    stop: Floats,
    probabilities: Floats,
    label_names: Sequence[str],
    decision: Decision,
    rules: EventRules,
    *,
    breaks: Sequence[float] = (),
) -> tuple[Event, ...]:
    """Events of one recording, in the order of time.

    A moment's probability is the mean over the windows that cover it. Of classes at most one holds
    at a time; tags are found each by itself. No event reaches over a break, nor over time of which
    nothing is said.

    Parameters
    ----------
    start, stop
        (R,) of the windows, in seconds; both ascending.
    probabilities
        (R, K) NaN in windows without usable data.
    label_names
        Of the K classes or tags.
    decision
        What holds where the rules give no probabilities for it.
    rules
        See :class:`EventRules`.
    breaks
        Seconds at which a new segment begins.

    Raises
    ------
    ConfigError
        If numbers were predicted, windows are not in the order of time, or the background is no
        label.
    """
    if decision.task == "regression":
        raise ConfigError(
            "The model predicts numbers, and events come of classes or tags. Use the table of "
            "predictions, or train on labels."
        )
    background = rules.background_among(label_names)
    pieces = pieces_of(start, stop, probabilities, breaks)
    smoothed = _smoothed(pieces, rules.smoothing)
    found = []
    for group, begins, keeps in _conditions(smoothed, label_names, background, decision, rules):
        state = _state(begins, keeps, pieces)
        for label, first, last in _ruled(_spans(state, pieces), pieces, rules):
            found.append((first, group[label], last))
    found.sort()
    return _events(found, pieces, smoothed, label_names)


def pieces_of(
    start: Floats, stop: Floats, probabilities: Floats, breaks: Sequence[float] = ()
) -> Pieces:
    """The pieces of time between the edges of windows, with what the windows say of them.

    Parameters
    ----------
    start, stop, probabilities, breaks
        As in :func:`detect`.

    Raises
    ------
    ConfigError
        If the windows are not in the order of time.
    """
    begin, end, cuts = (np.rint(np.asarray(x, float) * _NS).astype(np.int64)
                        for x in (start, stop, breaks))  # fmt: skip
    if (np.diff(begin) < 0).any() or (np.diff(end) < 0).any() or (end < begin).any():
        raise ConfigError(
            "The windows of predictions must be in the order of time, each with its stop after its "
            "start. Sort the rows by start."
        )
    cuts = np.unique(cuts)
    begin, end = _within_segments(begin, end, cuts)
    edges = np.unique(np.concatenate([begin, end]))
    if len(edges):
        edges = np.union1d(edges, cuts[(cuts > edges[0]) & (cuts < edges[-1])])
    at = edges[:-1]
    # The windows that cover a piece are neighbours: those from `first` on, before `last`.
    first = np.searchsorted(end, at, side="right")
    last = np.searchsorted(begin, at, side="right")
    return Pieces(
        edges=edges, segment=np.searchsorted(cuts, at, side="right"),
        probabilities=_means(probabilities, first, last),
    )  # fmt: skip


def covered(
    start: Floats, stop: Floats, probabilities: Floats, breaks: Sequence[float] = ()
) -> float:
    """Seconds of which windows with usable data say something."""
    pieces = pieces_of(start, stop, probabilities, breaks)
    return float(np.diff(pieces.edges)[pieces.known].sum() / _NS)


def _within_segments(begin: Ints, end: Ints, cuts: Ints) -> tuple[Ints, Ints]:
    """Windows that end where their segment does, without the gaps that rounding leaves."""
    # A window lies in the segment of its middle: at another rate its ends are rounded.
    number = np.searchsorted(cuts, (begin + end) // 2, side="right")
    bounds = np.concatenate([[np.iinfo(np.int64).min], cuts, [np.iinfo(np.int64).max]])
    begin, end = np.maximum(begin, bounds[number]), np.minimum(end, bounds[number + 1])
    gap = begin[1:] - end[:-1]
    rounded = (gap > 0) & (gap <= _ROUNDED * (end - begin)[:-1]) & (np.diff(number) == 0)
    end[:-1] = np.where(rounded, begin[1:], end[:-1])
    return begin, end


def _means(values_RK: Floats, first: Ints, last: Ints) -> Floats:
    """(P, K) means over ranges of rows that are not NaN; NaN where there is none."""
    usable = np.asarray(np.isfinite(values_RK).all(axis=1))
    n_before = np.concatenate([[0], np.cumsum(usable)])
    n_usable = n_before[last] - n_before[first]
    means, there = np.full((len(first), values_RK.shape[1]), np.nan), n_usable > 0
    if there.any():
        values = np.where(usable[:, None], values_RK, 0.0)
        padded = np.concatenate([values, np.zeros_like(values[:1])])
        ranges = np.stack([first[there], last[there]], axis=1).ravel()
        means[there] = np.add.reduceat(padded, ranges, axis=0)[::2] / n_usable[there][:, None]
    return means


def _smoothed(pieces: Pieces, seconds: float) -> Floats:
    """(P, K) mean over time around the middle of each piece; NaN stays NaN, and counts nowhere."""
    width = _nanoseconds(seconds)
    if width == 0 or not len(pieces.segment):
        return pieces.probabilities
    edges = (pieces.edges - pieces.edges[0]).astype(np.float64)
    known, lengths = pieces.known, np.diff(edges) * pieces.known
    is_first = np.diff(pieces.segment, prepend=-1) > 0
    place, firsts = np.cumsum(is_first) - 1, np.flatnonzero(is_first)
    middle = (edges[:-1] + edges[1:]) / 2
    low = np.maximum(middle - width / 2, edges[firsts][place])
    high = np.minimum(middle + width / 2, edges[np.append(firsts[1:], len(lengths))][place])

    def over_time(values: Floats) -> Floats:
        total = np.concatenate([[0.0], np.cumsum(values * lengths)])
        return np.asarray(np.interp(high, edges, total) - np.interp(low, edges, total))

    # Where the stretch lies within its piece the mean is the piece's own, to the last digit.
    mixed = known & ((low < edges[:-1]) | (high > edges[1:]))
    duration, smoothed = over_time(np.ones(len(lengths))), pieces.probabilities.copy()
    for column, values in enumerate(np.where(known[:, None], smoothed, 0.0).T):
        smoothed[mixed, column] = over_time(values)[mixed] / duration[mixed]
    return smoothed


def _conditions(
    smoothed: Floats,
    label_names: Sequence[str],
    background: str | None,
    decision: Decision,
    rules: EventRules,
) -> list[tuple[list[int], Flags, Flags]]:
    """Labels of which one holds at a time, and where each may begin and go on, (P, labels) each."""
    labels = [index for index, name in enumerate(label_names) if name != background]
    known = np.isfinite(smoothed).all(axis=1, keepdims=True)
    values = np.where(known, smoothed, 0.0)
    decided = _decided(values, decision)[:, labels]
    chosen = values[:, labels]
    one_by_one = decision.task == "multilabel"
    alone = one_by_one or len(labels) == 1  # nothing else than the background competes
    if rules.on is None:
        begins = decided if rules.off is None else decided & (chosen >= rules.off - _CLOSE)
    else:
        begins = chosen >= rules.on - _CLOSE
        begins = begins if alone else begins & decided
    keeps = decided if rules.off is None else chosen >= rules.off - _CLOSE
    begins, keeps = begins & known, (keeps | begins) & known
    if not one_by_one:
        return [(labels, begins, keeps)]
    return [
        ([label], begins[:, [column]], keeps[:, [column]]) for column, label in enumerate(labels)
    ]


def _decided(values: Floats, decision: Decision) -> Flags:
    """(P, K) what the model's decision says of smoothed probabilities."""
    n_names = values.shape[1]
    if decision.task == "multilabel":
        return np.asarray(values >= np.asarray(decision.limits(n_names)) - _CLOSE)
    if decision.thresholds is not None:
        second = values[:, 1] >= decision.thresholds[0] - _CLOSE
        return np.stack([~second, second], axis=1)
    weighted = np.round(values * np.asarray(decision.class_weights or 1.0), 9)
    return np.asarray(weighted.argmax(axis=1)[:, None] == np.arange(n_names))


def _state(begins: Flags, keeps: Flags, pieces: Pieces) -> Ints:
    """(P,) which label holds, −1 for none: the last that began, while it has gone on since."""
    n_pieces = len(begins)
    places = np.arange(n_pieces)
    began = begins.any(axis=1)
    last = np.maximum.accumulate(np.where(began, places, -1)) if n_pieces else places
    label = np.where(last >= 0, begins[last].argmax(axis=1), -1) if n_pieces else places
    goes_on = keeps[places, label] & (label >= 0)
    # At a break nothing goes on; what begins there is new.
    goes_on &= began | (np.diff(pieces.segment, prepend=-1) == 0)
    n_ended = np.cumsum(~goes_on)
    holds = goes_on & (n_ended == n_ended[last])
    return np.where(holds, label, -1)


def _spans(state: Ints, pieces: Pieces) -> list[tuple[int, int, int]]:
    """Label, first piece, and the piece after the last, of each stretch with one label."""
    if not len(state):
        return []
    changes = (np.diff(state) != 0) | (np.diff(pieces.segment) != 0)
    firsts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    lasts = np.append(firsts[1:], len(state))
    held = state[firsts] >= 0
    listed = np.stack([state[firsts], firsts, lasts], axis=1)[held].tolist()
    return [(label, first, last) for label, first, last in listed]


def _ruled(
    spans: list[tuple[int, int, int]], pieces: Pieces, rules: EventRules
) -> list[tuple[int, int, int]]:
    """What is left after gaps are closed, and short and too early events are left out."""
    edges = pieces.edges
    shortest, n_unknown = _nanoseconds(rules.min_duration), np.cumsum(~pieces.known)
    gap = _nanoseconds(rules.merge_gap)

    def may_join(last: int, first: int) -> bool:
        return bool(
            edges[first] - edges[last] < gap
            and pieces.segment[last - 1] == pieces.segment[first]
            and n_unknown[first] == n_unknown[last - 1]
        )

    spans = _merged(spans, may_join)
    spans = _merged([s for s in spans if edges[s[2]] - edges[s[1]] >= shortest], may_join)
    return _merged(_rested(spans, pieces, _nanoseconds(rules.refractory)), may_join)


def _merged(
    spans: list[tuple[int, int, int]], may_join: Callable[[int, int], bool]
) -> list[tuple[int, int, int]]:
    """Neighbours of one label are one where they may be; others between them keep them apart."""
    merged: list[tuple[int, int, int]] = []
    for label, first, last in spans:
        if merged and merged[-1][0] == label and may_join(merged[-1][2], first):
            merged[-1] = (label, merged[-1][1], last)
        else:
            merged.append((label, first, last))
    return merged


def _rested(
    spans: list[tuple[int, int, int]], pieces: Pieces, rest: int
) -> list[tuple[int, int, int]]:
    """Without those that begin too soon after another of their label, in the same segment."""
    if not rest:
        return spans
    kept, ends = [], dict[int, int]()
    for label, first, last in spans:
        before = ends.get(label)
        if (
            before is not None
            and pieces.segment[before - 1] == pieces.segment[first]
            and pieces.edges[first] - pieces.edges[before] < rest
        ):
            continue
        kept.append((label, first, last))
        ends[label] = last
    return kept


def _events(
    found: list[tuple[int, int, int]],
    pieces: Pieces,
    smoothed: Floats,
    label_names: Sequence[str],
) -> tuple[Event, ...]:
    """Spans as events; the confidence is the mean smoothed probability over the event."""
    lengths = np.diff(pieces.edges)
    events = []
    for first, label, last in found:
        weight, values = lengths[first:last], smoothed[first:last, label]
        confidence = float(np.clip((values * weight).sum() / weight.sum(), 0.0, 1.0))
        begin, end = int(pieces.edges[first]), int(pieces.edges[last])
        events.append(
            Event(
                onset=begin / _NS, duration=(end - begin) / _NS, label=label_names[label],
                confidence=confidence,
            )
        )  # fmt: skip
    return tuple(events)


def _nanoseconds(seconds: float) -> int:
    """At most as many as a recording may have."""
    return min(round(seconds * _NS), 2**62)
