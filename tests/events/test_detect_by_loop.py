"""Events from probabilities, beside plain loops over ticks of time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from biot.decision import Decision
from biot.events.detect import detect
from biot.events.rules import EventRules

TICK = 0.1
"""Seconds. Edges of windows lie on even ticks, so that the middle of a piece is a tick."""


@dataclass
class Study:
    """Windows of a recording, in ticks."""

    windows: list[tuple[int, int]]
    probabilities: np.ndarray
    breaks: list[int] = field(default_factory=list)

    @property
    def start(self) -> np.ndarray:
        return np.array([first for first, _ in self.windows]) * TICK

    @property
    def stop(self) -> np.ndarray:
        return np.array([last for _, last in self.windows]) * TICK

    def segment(self, tick: float) -> int:
        return sum(tick >= cut for cut in self.breaks)


def moments(study: Study) -> list[np.ndarray | None]:
    """What is said of each tick: the mean over the windows that cover it."""
    end = max(last for _, last in study.windows)
    said: list[np.ndarray | None] = []
    for tick in range(end):
        rows = [
            row
            for (first, last), row in zip(study.windows, study.probabilities, strict=True)
            if first <= tick < last and np.isfinite(row).all()
        ]
        said.append(sum(rows) / len(rows) if rows else None)
    return said


def smoothed(study: Study, width: int) -> list[np.ndarray | None]:
    """The mean over so many ticks around the middle of each piece."""
    said = moments(study)
    if not width:
        return said
    edges = sorted({*(t for window in study.windows for t in window), *study.breaks})
    result: list[np.ndarray | None] = []
    for tick, value in enumerate(said):
        first = max(edge for edge in edges if edge <= tick)
        last = min(edge for edge in edges if edge > tick)
        middle = (first + last) // 2
        near = [
            said[other]
            for other in range(max(0, middle - width // 2), min(len(said), middle + width // 2))
            if study.segment(other) == study.segment(tick) and said[other] is not None
        ]
        result.append(None if value is None else sum(near) / len(near))
    return result


def states(study, values, labels, decide, on, off, alone):
    """Which of the labels holds at each tick, by a loop; None: none."""
    state, found = None, []
    for tick, value in enumerate(values):
        if tick in study.breaks:
            state = None
        if value is None:
            found.append(None)
            state = None
            continue
        decided = decide(value)
        for label in labels:
            if on is None:
                begins = decided == label and (off is None or value[label] >= off - 1e-9)
            else:
                begins = value[label] >= on - 1e-9 and (alone or decided == label)
            if begins:
                state = label
                break
        else:
            if state is not None:
                goes_on = decided == state if off is None else value[state] >= off - 1e-9
                state = state if goes_on else None
        found.append(state)
    return found


def events(study, values, found, rules):
    """(label, first tick, tick after the last) after closing gaps and leaving events out."""
    spans = []
    for tick, label in enumerate(found):
        if label is None:
            continue
        if spans and spans[-1][0] == label and spans[-1][2] == tick and tick not in study.breaks:
            spans[-1][2] = tick + 1
        else:
            spans.append([label, tick, tick + 1])
    spans = join(study, values, spans, rules)
    spans = [s for s in spans if s[2] - s[1] >= ticks(rules.min_duration)]
    spans = join(study, values, spans, rules)
    kept = []
    for span in spans:
        before = [k for k in kept if k[0] == span[0]]
        same = before and study.segment(before[-1][1]) == study.segment(span[1])
        if not (same and span[1] - before[-1][2] < ticks(rules.refractory)):
            kept.append(span)
    return join(study, values, kept, rules)


def join(study, values, spans, rules):
    joined = []
    for label, first, last in spans:
        if joined and joined[-1][0] == label:
            end = joined[-1][2]
            whole = all(values[tick] is not None for tick in range(end, first))
            inside = study.segment(end - 1) == study.segment(first)
            if first - end < ticks(rules.merge_gap) and whole and inside:
                joined[-1][2] = last
                continue
        joined.append([label, first, last])
    return joined


def ticks(seconds: float) -> int:
    return math.ceil(seconds / TICK - 1e-9)


def confidence(values, span) -> float:
    return float(np.mean([values[tick][span[0]] for tick in range(span[1], span[2])]))


BINARY = ("bckg", "seiz")
NUMBERS = st.integers(0, 10).map(lambda tenths: tenths / 10)


@st.composite
def studies(draw, n_labels: int, *, tags: bool = False) -> Study:
    """Windows on a grid in each of some segments; now and then one without usable data."""
    length, stride = draw(st.integers(1, 5)) * 2, draw(st.integers(1, 7)) * 2
    begin, windows, breaks = 0, [], []
    for _ in range(draw(st.integers(1, 3))):
        n_ticks = draw(st.integers(1, 20)) * 2
        starts = [s for s in range(0, n_ticks, stride) if s == 0 or s - stride + length < n_ticks]
        windows += [(begin + s, begin + min(s + length, n_ticks)) for s in starts]
        begin += n_ticks
        breaks.append(begin)
    rows = []
    for _ in windows:
        row = np.array([draw(NUMBERS) for _ in range(n_labels)])
        if not tags:
            row = row + 0.01 * np.arange(1, n_labels + 1)
            row = row / row.sum()
        rows.append(np.full(n_labels, np.nan) if draw(st.integers(0, 9)) == 0 else row)
    return Study(windows, np.array(rows), [b for b in breaks[:-1] if b < windows[-1][1]])


@st.composite
def rules(draw) -> EventRules:
    limits = draw(st.tuples(NUMBERS, NUMBERS).map(sorted))
    on, off = (draw(st.sampled_from([None, limits[1]])), draw(st.sampled_from([None, limits[0]])))
    times = [draw(st.integers(0, 8)) * TICK for _ in range(3)]
    return EventRules(
        smoothing=draw(st.integers(0, 6)) * 2 * TICK, on=on, off=off, merge_gap=times[0],
        min_duration=times[1], refractory=times[2], background="",
    )  # fmt: skip


def found_in(study: Study, names, decision, chosen) -> list[tuple]:
    events = detect(
        study.start, study.stop, study.probabilities, names, decision, chosen,
        breaks=np.array(study.breaks) * TICK,
    )  # fmt: skip
    return [
        (names.index(e.label), round(e.onset / TICK), round(e.stop / TICK), e.confidence)
        for e in events
    ]


def expected(study: Study, labels, decide, chosen, *, alone: bool) -> list[tuple]:
    values = smoothed(study, round(chosen.smoothing / TICK))
    off = chosen.off
    found = states(study, values, labels, decide, chosen.on, off, alone)
    spans = events(study, values, found, chosen)
    return [(*span, confidence(values, span)) for span in spans]


def require_equal(found, wanted):
    assert [one[:3] for one in found] == [tuple(one[:3]) for one in wanted]
    np.testing.assert_allclose([f[3] for f in found], [w[3] for w in wanted], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(studies(2), rules())
def test_events_of_one_class_against_a_background_are_those_of_a_loop(study, chosen):
    chosen = replace(chosen, background="bckg")
    decision = Decision(thresholds=(0.45,))
    wanted = expected(
        study, [1], lambda p: int(p[1] >= 0.45 - 1e-9), chosen, alone=True
    )  # fmt: skip
    require_equal(found_in(study, BINARY, decision, chosen), wanted)


@settings(max_examples=40, deadline=None)
@given(studies(3), rules())
def test_of_three_classes_one_holds_at_a_time_as_in_a_loop(study, chosen):
    weights = np.array([1.0, 2.0, 0.5])
    decision = Decision(class_weights=tuple(weights))
    wanted = expected(
        study, [0, 1, 2], lambda p: int(np.round(p * weights, 9).argmax()), chosen, alone=False
    )
    require_equal(found_in(study, ("a", "b", "c"), decision, chosen), wanted)


@settings(max_examples=30, deadline=None)
@given(studies(2, tags=True), rules())
def test_tags_are_found_each_by_itself(study, chosen):
    decision = Decision(task="multilabel", thresholds=(0.3, 0.6))
    wanted = []
    for tag, limit in enumerate((0.3, 0.6)):
        wanted += expected(
            study, [tag], lambda p, t=tag, x=limit: t if p[t] >= x - 1e-9 else None, chosen,
            alone=True,
        )  # fmt: skip
    wanted.sort(key=lambda one: (one[1], one[0]))
    require_equal(found_in(study, ("x", "y"), decision, chosen), wanted)


@settings(max_examples=40, deadline=None)
@given(studies(3), rules())
def test_what_holds_of_all_events(study, chosen):
    names = ("a", "b", "c")
    events = found_in(study, names, Decision(), replace(chosen, background="c"))
    said = moments(study)
    for index, (label, first, last, sure) in enumerate(events):
        assert label != 2
        assert last - first >= ticks(chosen.min_duration)
        assert all(said[tick] is not None for tick in range(first, last))
        assert not any(first < cut < last for cut in study.breaks)
        assert 0 <= sure <= 1
        for other, begins, _, _ in events[index + 1 :]:
            assert begins >= last  # classes exclude each other
            same = other == label and study.segment(begins) == study.segment(first)
            if same and not any(e[1] >= last and e[2] <= begins for e in events):
                assert begins - last >= ticks(chosen.refractory)
                missing = any(said[tick] is None for tick in range(last, begins))
                assert missing or begins - last >= ticks(chosen.merge_gap)


@settings(max_examples=20, deadline=None)
@given(studies(2), rules(), st.integers(1, 10**6))
def test_events_move_with_their_windows(study, chosen, shift):
    moved = Study(
        [(a + shift, b + shift) for a, b in study.windows], study.probabilities,
        [cut + shift for cut in study.breaks],
    )  # fmt: skip
    found = found_in(moved, BINARY, Decision(), chosen)
    here = found_in(study, BINARY, Decision(), chosen)
    assert [(a, b - shift, c - shift) for a, b, c, _ in found] == [one[:3] for one in here]
