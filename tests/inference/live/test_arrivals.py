"""Gaps, breaks and jitter in the time stamps of streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biot.inference.live.arrivals import Arrivals

RATE = 250.0


def regular(n: int, start: float = 1000.0) -> np.ndarray:
    return start + np.arange(n) / RATE


def found(
    arrivals: Arrivals, stamps: np.ndarray, chunk: int = 25
) -> list[tuple[int, int, bool, float]]:
    """Of each stretch that something lies before: its first sample, and what."""
    out = []
    for begin in range(0, len(stamps), chunk):
        for one in arrivals.stretches(stamps[begin : begin + chunk]):
            if one.missing or one.breaks:
                out.append((begin + one.start, one.missing, one.breaks, round(one.seconds, 3)))
    return out


def test_a_regular_stream_has_no_gap():
    assert found(Arrivals(RATE), regular(5000)) == []


@settings(max_examples=30)
@given(chunk=st.integers(10, 200), lost=st.integers(1, 2000), at=st.integers(500, 900))
def test_lost_samples_of_an_exact_stream_are_counted_to_the_sample(chunk, lost, at):
    stamps = np.delete(regular(3500), np.arange(at, at + lost))
    assert found(Arrivals(RATE), stamps, chunk) == [(at, lost, False, 0.0)]


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), jitter=st.floats(0.0, 0.03))
def test_jitter_is_no_gap(seed, jitter):
    noise = np.random.default_rng(seed).uniform(-jitter, jitter, 200).repeat(25)
    assert found(Arrivals(RATE), regular(5000) + noise) == []


@pytest.mark.parametrize("rate", [100.0, 240.0, 255.0, 300.0])
def test_another_rate_is_no_gap_but_is_told(rate):
    arrivals = Arrivals(RATE)
    assert found(arrivals, np.arange(int(rate * 12)) / rate) == []
    assert arrivals.other_rate == pytest.approx(rate, rel=1e-3)


def test_the_rate_announced_is_not_told_and_gaps_do_not_change_it():
    arrivals = Arrivals(RATE)
    found(arrivals, np.delete(regular(6000), np.arange(3000, 3500)))
    assert arrivals.other_rate is None


def test_a_long_gap_and_a_clock_set_back_begin_a_segment():
    stamps = np.concatenate([regular(500), regular(500, 1102.0), regular(500, 5.0)])
    assert found(Arrivals(RATE), stamps) == [(500, 0, True, 100.0), (1000, 0, True, 0.0)]


def test_a_stream_that_came_back_has_a_gap_or_another_clock():
    arrivals = Arrivals(RATE)
    found(arrivals, regular(500))
    arrivals.came_back()
    assert found(arrivals, regular(500, 1007.0)) == [(0, 1250, False, 0.0)]
    arrivals.came_back()
    assert found(arrivals, regular(500, 1006.0)) == [(0, 0, True, 0.0)]
    assert found(arrivals, np.zeros(0)) == []


def test_a_clock_that_is_set_back_a_little_is_told_and_loses_nothing():
    arrivals = Arrivals(RATE)
    stamps = np.concatenate([regular(1500), regular(3000, 1001.0)])
    stretches = [one for i in range(0, 4500, 25) for one in arrivals.stretches(stamps[i : i + 25])]
    assert [one.back for one in stretches if one.back] == [pytest.approx(5.0)]
    assert not any(one.missing or one.breaks for one in stretches)
    assert arrivals.other_rate is None


def test_a_sender_that_was_held_up_has_no_other_rate():
    arrivals, stamps = Arrivals(RATE), regular(3000)
    stamps[1000:1025] += 0.5  # stamped when the chunk was sent
    assert found(arrivals, stamps) == [(1000, 125, False, 0.0)]
    assert arrivals.other_rate is None
