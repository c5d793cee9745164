"""Which windows there are, and which label each takes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.corpus.labels import (
    Event,
    event_starts,
    grid_labels,
    grid_starts,
    to_events,
)
from biot.signals.recording import Annotation

seconds = st.integers(0, 400).map(lambda hundredths: hundredths / 100)
annotations = st.lists(
    st.builds(Annotation, seconds, seconds, st.sampled_from("abcdef")), max_size=8
)
rates = st.sampled_from([7.0, 12.5, 100.0, 128.0, 250.0])


def label_of(start: int, window: int, events: list[Event]) -> str | None:
    return grid_labels([(start, start + window)], sorted(events))[0]


@given(annotations, rates, st.integers(1, 60), st.integers(0, 400))
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
        ([Event(0, 110, "a")], "a"),
        ([Event(0, 100, "a")], None),
        ([Event(105, 300, "a")], "a"),  # exactly half of the window
        ([Event(106, 300, "a")], None),
        ([Event(108, 112, "a")], "a"),  # exactly half of the event
        ([Event(109, 113, "a")], None),
        ([Event(100, 104, "b"), Event(106, 110, "a")], "b"),  # equal: the earlier
        ([Event(90, 120, "a"), Event(90, 110, "b")], "b"),  # equal: the shorter
        ([Event(100, 103, "a"), Event(103, 110, "b")], "b"),
        ([Event(103, 103, "a")], "a"),  # an instant
        ([Event(100, 100, "a")], "a"),
        ([Event(110, 110, "a")], None),
        ([Event(101, 101, "a"), Event(109, 110, "b")], "b"),
        ([], None),
    ],
)
def test_the_label_of_a_window_from_100_to_110(events: list[Event], expected: str | None) -> None:
    assert label_of(100, 10, events) == expected


def test_the_grid_holds_every_window_that_fits() -> None:
    assert grid_starts(100, 30, 30) == [0, 30, 60]
    assert grid_starts(90, 30, 30) == [0, 30, 60]
    assert grid_starts(100, 30, 12.5) == [0, 13, 25, 38, 50, 63]
    assert grid_starts(29, 30, 30) == []


def test_an_events_windows_start_with_it_and_stay_inside() -> None:
    assert list(event_starts(Event(7, 107, "a"), 30, 30)) == [7, 37, 67]
    assert list(event_starts(Event(7, 37, "a"), 30, 10)) == [7]
    assert list(event_starts(Event(7, 8, "a"), 30, 10)) == [7]


@given(st.integers(0, 10_000).map(lambda n: n / 1000), rates, st.integers(1, 50))
def test_an_event_as_long_as_a_window_gives_one_wherever_it_begins(
    onset: float, sfreq: float, window: int
) -> None:
    (event,) = to_events([Annotation(onset, window / sfreq, "a")], sfreq)
    assert list(event_starts(event, window, 1)) == [event.start]
    assert event.stop - event.start == window
