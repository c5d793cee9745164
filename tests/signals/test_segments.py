"""Recordings of several segments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.signals import Annotation, Recording
from biot.signals.recording import by_segment, joined, segments_of

DATA = np.arange(40.0).reshape(2, 20)


def _recording(annotations=(), starts=(0, 7, 11)):
    return Recording.from_array(
        DATA,
        ch_names=("A", "B"),
        sfreq=10,
        units=("", ""),
        annotations=annotations,
        starts=starts,
    )


def test_a_recording_is_one_segment_unless_it_says_otherwise():
    assert _recording(starts=(0,)).segments == ((0, 20),)
    assert _recording().segments == ((0, 7), (7, 11), (11, 20))


@given(st.integers(0, 20), st.integers(0, 20))
def test_taken_apart_and_joined_it_is_the_same(one, other):
    start, stop = sorted((one, other))
    spans = [Annotation(0.1, 0.2, "a"), Annotation(0.7, 0.4, "b"), Annotation(1.5, 0, "c")]
    recording = _recording(spans)
    again = joined(segments_of(recording))
    np.testing.assert_array_equal(again.read(start, stop), DATA[:, start:stop])
    assert (again.starts, again.n_times) == (recording.starts, 20)
    for found, span in zip(again.annotations, spans, strict=True):
        assert found.label == span.label
        assert (found.onset, found.duration) == pytest.approx((span.onset, span.duration))


def test_an_annotation_over_a_break_has_a_part_on_each_side():
    parts = segments_of(_recording([Annotation(0.5, 0.4, "over")]))
    found = [[(a.onset, a.duration) for a in part.annotations] for part in parts]
    assert found == [[pytest.approx((0.5, 0.2))], [pytest.approx((0, 0.2))], []]


def test_a_change_does_not_reach_across_a_break():
    seen = []

    def change(part):
        seen.append(part.data[0].tolist())
        return part

    by_segment(_recording(), change)
    assert seen == [DATA[0, :7].tolist(), DATA[0, 7:11].tolist(), DATA[0, 11:].tolist()]
