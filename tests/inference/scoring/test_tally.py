"""What is told of recordings that are scored."""

from __future__ import annotations

from biot.corpus.builder.windows.events import Stretch
from biot.inference.scoring.recordings import Tally, events_of


def test_notes_on_recordings_are_counted_and_one_is_shown():
    tally = Tally(predicted={"a.edf": ("a.edf: C3 is flat.", "more"), "b.edf": ("b.edf: slow.",)})
    assert tally.notes() == ["2 recordings have notes, such as: a.edf: C3 is flat."]
    assert Tally().notes() == []


def test_stretches_become_events_in_the_order_of_time():
    found = events_of([Stretch(5.0, 1.0, "b"), Stretch(1.0, 2.0, "a")])
    assert [(one.onset, one.stop, one.label) for one in found] == [(1, 3, "a"), (5, 6, "b")]
