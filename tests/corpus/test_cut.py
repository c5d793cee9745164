"""Windows of recordings that have several segments."""

from __future__ import annotations

from collections import Counter

import numpy as np

from biot.corpus.cut import Windowing, cut
from biot.corpus.labels import Event
from biot.signals import Recording

DATA = np.arange(60, dtype=np.float32).reshape(2, 30)
EVENTS = [Event(0, 12, "a"), Event(12, 24, "b"), Event(22, 30, "late")]


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
