"""One grid of windows for corpora and predictions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from biot.signals.grid import grid_starts

sizes = st.integers(1, 300)
steps = st.floats(1.0, 200.0)


@given(sizes, sizes, steps)
def test_windows_that_fit_are_those_of_the_rounded_grid(n_times: int, window: int, step: float):
    expected = [int(k * step + 0.5) for k in range(n_times + 1)]
    assert grid_starts(n_times, window, step) == [s for s in expected if s + window <= n_times]


@given(sizes, sizes, steps)
def test_covering_windows_are_the_same_and_at_most_one_more_that_reaches_the_end(
    n_times: int, window: int, step: float
):
    whole, covering = (grid_starts(n_times, window, step, covering=c) for c in (False, True))
    assert covering[: len(whole)] == whole
    assert len(covering) - len(whole) in (0, 1)
    assert covering
    assert covering[-1] < n_times
    if step <= window:
        assert covering[-1] + window >= n_times


def test_a_recording_shorter_than_a_window_has_none_or_one():
    assert grid_starts(5, 8, 4.0) == []
    assert grid_starts(5, 8, 4.0, covering=True) == [0]
