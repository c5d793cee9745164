"""Which windows there are, and which label each takes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from biot.choices import LabelRule
from biot.corpus.builder.windows.events import LabelSpan, event_starts, to_events
from biot.corpus.builder.windows.rules import grid_labels, window_tags
from biot.corpus.schema import Label
from biot.signals.grid import grid_starts
from biot.signals.recording import Annotation

seconds = st.integers(0, 400).map(lambda hundredths: hundredths / 100)
annotations = st.lists(
    st.builds(Annotation, seconds, seconds, st.sampled_from("abcdef")), max_size=8
)
rates = st.sampled_from([7.0, 12.5, 100.0, 128.0, 250.0])


def label_of(start: int, window: int, events: list[LabelSpan]) -> Label | None:
    return grid_labels([(start, start + window)], sorted(events))[0]


@given(annotations, rates, st.integers(1, 60), st.integers(0, 400))
@example([Annotation(0.08, 0.22, "a"), Annotation(0.08, 0.35, "b")], 7.0, 1, 2)
def test_a_window_fully_inside_an_event_takes_a_label_of_such_an_event(
    notes: list[Annotation], sfreq: float, window: int, start: int
) -> None:
    first, last = Fraction(start) / Fraction(sfreq), Fraction(start + window) / Fraction(sfreq)
    around = {
        note.label
        for note in notes
        if Fraction(str(note.onset)) <= first
        and last <= Fraction(str(note.onset)) + Fraction(str(note.duration))
    }
    label = label_of(start, window, to_events(notes, sfreq))
    assert label in around or not around


@given(annotations, st.integers(1, 60), st.lists(st.integers(0, 400), unique=True))
def test_labels_follow_the_rule_counted_sample_by_sample(
    notes: list[Annotation], window: int, starts: list[int]
) -> None:
    events = to_events(notes, 100.0)
    expected = []
    for start in sorted(starts):
        samples = set(range(start, start + window))
        shared = [len(samples & set(range(event.start, event.stop))) for event in events]
        touching = [
            (-n, event)
            for n, event in zip(shared, events, strict=True)
            if n or (event.start == event.stop and event.start in samples)
        ]
        chosen = min(touching, default=None)
        enough = chosen and -2 * chosen[0] >= min(window, chosen[1].stop - chosen[1].start)
        expected.append(chosen[1].label if chosen and enough else None)
    assert grid_labels([(a, a + window) for a in sorted(starts)], events) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([LabelSpan(0, 110, "a")], "a"),
        ([LabelSpan(0, 100, "a")], None),
        ([LabelSpan(105, 300, "a")], "a"),  # exactly half of the window
        ([LabelSpan(106, 300, "a")], None),
        ([LabelSpan(108, 112, "a")], "a"),  # exactly half of the event
        ([LabelSpan(109, 113, "a")], None),
        ([LabelSpan(100, 104, "b"), LabelSpan(106, 110, "a")], "b"),  # equal: the earlier
        ([LabelSpan(90, 120, "a"), LabelSpan(90, 110, "b")], "b"),  # equal: the shorter
        ([LabelSpan(100, 103, "a"), LabelSpan(103, 110, "b")], "b"),
        ([LabelSpan(103, 103, "a")], "a"),  # an instant
        ([LabelSpan(100, 100, "a")], "a"),
        ([LabelSpan(110, 110, "a")], None),
        ([LabelSpan(101, 101, "a"), LabelSpan(109, 110, "b")], "b"),
        ([], None),
    ],
)
def test_the_label_of_a_window_from_100_to_110(
    events: list[LabelSpan], expected: str | None
) -> None:
    assert label_of(100, 10, events) == expected


def test_the_grid_holds_every_window_that_fits() -> None:
    assert grid_starts(100, 30, 30) == [0, 30, 60]
    assert grid_starts(90, 30, 30) == [0, 30, 60]
    assert grid_starts(100, 30, 12.5) == [0, 13, 25, 38, 50, 63]
    assert grid_starts(29, 30, 30) == []


def test_an_events_windows_start_with_it_and_stay_inside() -> None:
    assert list(event_starts(LabelSpan(7, 107, "a"), 30, 30)) == [7, 37, 67]
    assert list(event_starts(LabelSpan(7, 37, "a"), 30, 10)) == [7]
    assert list(event_starts(LabelSpan(7, 8, "a"), 30, 10)) == [7]


@given(st.integers(0, 10_000).map(lambda n: n / 1000), rates, st.integers(1, 50))
def test_an_event_as_long_as_a_window_gives_one_wherever_it_begins(
    onset: float, sfreq: float, window: int
) -> None:
    (event,) = to_events([Annotation(onset, window / sfreq, "a")], sfreq)
    assert list(event_starts(event, window, 1)) == [event.start]
    assert event.stop - event.start == window


# rules, counted sample by sample --------------------------------------------------------------

shares = st.sampled_from([0.1, 0.3, 0.5, 0.55, 0.7, 1.0])
spans = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=6).map(
    lambda pairs: sorted((start, start + n_times) for start, n_times in pairs)
)
rules: st.SearchStrategy[LabelRule] = st.sampled_from(["overlap", "centre", "any"])


def counted(span: tuple[int, int], event: LabelSpan) -> int:
    """Samples shared; −1 without contact."""
    samples = set(range(*span))
    shared = len(samples & set(range(event.start, event.stop)))
    return shared if shared or (event.start == event.stop and event.start in samples) else -1


def counts(span: tuple[int, int], event: LabelSpan, rule: LabelRule, share: float) -> bool:
    shared = counted(span, event)
    if shared < 0:
        return False
    if rule == "centre":
        samples = list(range(*span))
        return samples[len(samples) // 2] in {event.start, *range(event.start, event.stop)}
    length = min(span[1] - span[0], event.stop - event.start)
    return rule == "any" or Fraction(shared) >= Fraction(str(share)) * length


@given(annotations, spans, rules, shares)
def test_each_rule_is_that_of_a_plain_count(
    notes: list[Annotation], windows: list[tuple[int, int]], rule: LabelRule, share: float
) -> None:
    events = to_events(notes, 100.0)
    expected: list[Label | None] = []
    for span in windows:
        # the overlap rule looks at the event shared most; the others choose among those that count
        among = [e for e in events if counted(span, e) >= 0]
        if rule != "overlap":
            among = [e for e in among if counts(span, e, rule, share)]
        best = min(among, key=lambda e: (-counted(span, e), e), default=None)
        expected.append(best.label if best and counts(span, best, rule, share) else None)
    assert grid_labels(windows, events, rule, share) == expected


@given(annotations, spans, rules, shares)
def test_a_window_has_the_tags_of_all_events_that_count(
    notes: list[Annotation], windows: list[tuple[int, int]], rule: LabelRule, share: float
) -> None:
    events = sorted(
        LabelSpan(e.start, e.stop, (e.label, "also") if e.label == "a" else (e.label,))
        for e in to_events(notes, 100.0)
    )
    expected: list[Label | None] = []
    for span in windows:
        counting = [e for e in events if counts(span, e, rule, share)]
        tags = sorted({tag for e in counting for tag in e.label})
        expected.append(tuple(tags) if counting else None)
    assert window_tags(windows, events, rule, share) == expected


@given(annotations, st.integers(0, 400), st.integers(1, 60), rules, shares)
def test_a_window_fully_inside_an_event_takes_its_label_whatever_the_rule(
    notes: list[Annotation], start: int, n_times: int, rule: LabelRule, share: float
) -> None:
    events = to_events(notes, 100.0)
    around = {e.label for e in events if e.start <= start and start + n_times <= e.stop}
    (label,) = grid_labels([(start, start + n_times)], events, rule, share)
    assert label in around or not around


@pytest.mark.parametrize(
    ("events", "rule", "expected"),
    [
        ([LabelSpan(105, 106, "a")], "centre", "a"),  # the middle sample of 100 to 110
        ([LabelSpan(90, 105, "a")], "centre", None),
        ([LabelSpan(105, 105, "a")], "centre", "a"),
        ([LabelSpan(90, 107, "a"), LabelSpan(105, 120, "b")], "centre", "a"),  # 7 samples, not 5
        ([LabelSpan(90, 101, "a")], "any", "a"),
        ([LabelSpan(90, 100, "a"), LabelSpan(110, 120, "b")], "any", None),
        ([LabelSpan(90, 102, "a"), LabelSpan(107, 200, "b")], "any", "b"),
    ],
)
def test_the_rules_on_the_window_from_100_to_110(
    events: list[LabelSpan], rule: LabelRule, expected: str | None
) -> None:
    assert grid_labels([(100, 110)], events, rule) == [expected]
