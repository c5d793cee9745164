"""Windows of recordings that have several segments."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from biot.corpus.builder.windows.events import LabelSpan
from biot.corpus.builder.windows.placing import Windowing, cut
from biot.signals import Recording

DATA = np.arange(60, dtype=np.float32).reshape(2, 30)
EVENTS = [LabelSpan(0, 12, "a"), LabelSpan(12, 24, "b"), LabelSpan(22, 30, "late")]


def _cut(align: str, labelled: bool) -> tuple[list[float], list[str | None], Counter[str]]:
    recording = Recording.from_array(
        DATA, ch_names=("C3", "C4"), sfreq=1, units=("µV", "µV"), starts=(0, 12, 24)
    )
    how = Windowing(n_times=5, step=5, align=align, labelled=labelled, background=None)
    left_out: Counter[str] = Counter()
    starts, labels = [], []
    for windows in cut(recording, EVENTS, how, left_out):
        starts += windows.starts
        labels += windows.labels
        for signal, start in zip(windows.signal, windows.starts, strict=True):
            np.testing.assert_array_equal(signal, DATA[:, int(start) : int(start) + 5])
    return starts, labels, left_out


def test_a_grid_begins_anew_in_each_segment() -> None:
    starts, _, left_out = _cut("grid", False)
    assert starts == [0, 5, 12, 17, 24]
    assert not left_out


def test_windows_at_events_end_within_the_segment() -> None:
    starts, labels, left_out = _cut("events", True)
    assert starts == [0, 5, 12, 17]
    assert labels == ["a", "a", "b", "b"]
    assert left_out == {"events without room for a window": 1}


def _spans(keep_short: bool, starts: tuple[int, ...], step: float, align: str = "grid") -> Any:
    recording = Recording.from_array(
        DATA, ch_names=("C3", "C4"), sfreq=1, units=("µV", "µV"), starts=starts
    )
    how = Windowing(
        n_times=5,
        step=step,
        align=align,
        labelled=align == "events",
        background=None,
        keep_short=keep_short,
    )
    left_out: Counter[str] = Counter()
    found = []
    for windows in cut(recording, EVENTS, how, left_out):
        for signal, start in zip(windows.signal, windows.starts, strict=True):
            stop = int(start) + signal.shape[1]
            np.testing.assert_array_equal(signal, DATA[:, int(start) : stop])
            found.append((start, stop))
    return found, left_out


def test_the_rest_of_a_segment_is_kept_as_a_shorter_window() -> None:
    found, left_out = _spans(True, (0, 12, 15), 5)
    assert found == [(0, 5), (5, 10), (10, 12), (12, 15), (15, 20), (20, 25), (25, 30)]
    assert not left_out
    assert _spans(False, (0, 12, 15), 5)[0] == [(0, 5), (5, 10), (15, 20), (20, 25), (25, 30)]


def test_no_shorter_window_repeats_what_others_hold() -> None:
    assert _spans(True, (0,), 2.5)[0][-1] == (25, 30)
    assert _spans(True, (0, 19), 2)[0][7:] == [(14, 19), (19, 24), (21, 26), (23, 28), (25, 30)]
    assert _spans(True, (0,), 4)[0][-2:] == [(24, 29), (28, 30)]
    assert _spans(True, (0, 10), 8)[0] == [(0, 5), (8, 10), (10, 15), (18, 23), (26, 30)]


def test_a_window_at_an_event_ends_with_the_segment() -> None:
    found, left_out = _spans(True, (0, 12, 24), 5, "events")
    assert found == [(0, 5), (5, 10), (12, 17), (17, 22), (22, 24)]
    assert not left_out


def test_tags_of_windows_at_events_are_those_of_all_events_that_count() -> None:
    recording = Recording.from_array(
        DATA, ch_names=("C3", "C4"), sfreq=1, units=("µV", "µV"), starts=(0,)
    )
    events = [LabelSpan(0, 9, ("a",)), LabelSpan(3, 9, ("b", "c")), LabelSpan(3, 30, ("d",))]
    how = Windowing(n_times=5, step=5, align="events", labelled=True, background=None, tags=True)
    (windows,) = cut(recording, events, how, Counter())
    assert dict(zip(windows.starts, windows.labels, strict=True)) == {
        0: ("a",),
        3: ("a", "b", "c", "d"),
        8: ("d",),
        13: ("d",),
        18: ("d",),
        23: ("d",),
    }
