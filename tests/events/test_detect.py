"""Events from probabilities: what each rule does."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from biot.decision import Decision
from biot.errors import ConfigError
from biot.events.detect import detect
from biot.events.rules import EventRules

BINARY = ("bckg", "seiz")


def of(p, *, rules=None, names=BINARY, decision=None, start=None, stop=None, breaks=(), **changes):
    """Events of windows of 1 s with these probabilities of the second class."""
    p = np.asarray(p, float)
    start = np.arange(len(p), dtype=float) if start is None else np.asarray(start, float)
    stop = start + 1 if stop is None else np.asarray(stop, float)
    events = detect(
        start, stop, np.stack([1 - p, p], axis=1), names, decision or Decision(),
        (rules or EventRules()).changed(**changes), breaks=breaks,
    )  # fmt: skip
    return [(e.onset, e.stop, e.label) for e in events]


NAN = float("nan")


def test_without_rules_an_event_is_a_stretch_of_windows_of_its_label():
    assert of([0.1, 0.6, 0.9, 0.2, 0.5001]) == [(1, 3, "seiz"), (4, 5, "seiz")]
    own = Decision(thresholds=(0.8,))
    assert of([0.1, 0.6, 0.9, 0.2, 0.5], decision=own) == [(2, 3, "seiz")]


def test_one_threshold_begins_an_event_and_a_lower_one_ends_it():
    p = [0.5, 0.8, 0.4, 0.35, 0.2, 0.6, 0.1]
    assert of(p, on=0.7, off=0.3) == [(1, 4, "seiz")]
    assert of(p, on=0.7) == [(1, 2, "seiz")]  # ends where the model no longer decides for it
    assert of(p, on=0.3) == [(0, 4, "seiz"), (5, 6, "seiz")]
    assert of(p, off=0.6) == [(1, 2, "seiz"), (5, 6, "seiz")]
    assert of(p, on=0.7, off=0.7) == [(1, 2, "seiz")]


def test_without_off_an_event_of_several_classes_goes_on_while_its_class_is_decided():
    values = np.array([[0.2, 0.8], [0.4, 0.6], [0.45, 0.55], [0.6, 0.4], [0.4, 0.6]])
    (found,) = detect(
        np.arange(5.0), np.arange(5.0) + 1, values, ("a", "b"), Decision(), EventRules(on=0.7)
    )
    assert (found.onset, found.stop, found.label) == (0, 3, "b")
    assert found.confidence == pytest.approx((0.8 + 0.6 + 0.55) / 3)


def test_short_events_are_left_out_after_gaps_are_closed():
    p = [0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9]
    assert of(p, min_duration=2) == []
    assert of(p, merge_gap=1.5) == [(0, 3, "seiz"), (6, 7, "seiz")]
    assert of(p, merge_gap=1) == [(0, 1, "seiz"), (2, 3, "seiz"), (6, 7, "seiz")]
    assert of(p, merge_gap=1.5, min_duration=3) == [(0, 3, "seiz")]


def test_none_begins_in_the_refractory_time_of_the_last_that_was_kept():
    p = [0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9]
    assert of(p, refractory=2) == [(0, 1, "seiz"), (4, 5, "seiz")]
    assert of(p, refractory=1) == [(0, 1, "seiz"), (2, 3, "seiz"), (4, 5, "seiz"), (6, 7, "seiz")]


def test_missing_data_ends_an_event_and_is_not_closed():
    p = [0.9, NAN, 0.9, 0.9]
    assert of(p, merge_gap=60) == [(0, 1, "seiz"), (2, 4, "seiz")]
    # Smoothing takes what is there: 0.9 beside 0.2, without the missing window between them.
    assert of([0.9, NAN, 0.2, 0.2], smoothing=5) == [(0, 1, "seiz")]  # (0.9 + 0.2) / 2
    assert of([0.9, NAN, 0.2, 0.2], smoothing=7) == []  # (0.9 + 0.2 + 0.2) / 3


def test_nothing_reaches_over_a_break():
    p = [0.1, 0.9, 0.9, 0.1]
    assert of(p, breaks=(2,)) == [(1, 2, "seiz"), (2, 3, "seiz")]
    assert of(p, breaks=(2,), merge_gap=60, refractory=60) == [(1, 2, "seiz"), (2, 3, "seiz")]
    assert of([0.9, 0.9, 0.2, 0.2], breaks=(2,), smoothing=60) == [(0, 2, "seiz")]


def test_a_moment_has_the_mean_of_the_windows_that_cover_it():
    # 0-2 s: 0.9; 1-3 s: 0.3; 2-4 s: 0.6. Means: 0.9, 0.6, 0.45, 0.6.
    found = of([0.9, 0.3, 0.6], start=[0, 1, 2], stop=[2, 3, 4])
    assert found == [(0, 2, "seiz"), (3, 4, "seiz")]
    # A window without usable data counts as nothing.
    assert of([0.9, NAN, 0.4], start=[0, 1, 2], stop=[2, 3, 4]) == [(0, 2, "seiz")]
    assert of([0.7] * 3, start=[0, 1, 2], stop=[3, 4, 5], on=0.7) == [(0, 5, "seiz")]


def test_time_between_windows_is_not_predicted():
    far = {"start": [0, 5, 10], "stop": [2, 7, 12]}
    assert of([0.9, 0.9, 0.9], **far, merge_gap=60) == [
        (0, 2, "seiz"), (5, 7, "seiz"), (10, 12, "seiz"),
    ]  # fmt: skip
    # A sample between two windows of 33 samples is the rounding of their starts.
    near = {"start": [0, 0.33, 0.67], "stop": [0.33, 0.66, 1.0]}
    assert of([0.9, 0.9, 0.9], **near) == [(0, 1, "seiz")]


def test_the_last_window_ends_with_the_recording():
    assert of([0.1, 0.9], start=[0, 10], stop=[10, 13.5]) == [(10, 13.5, "seiz")]


def test_all_labels_make_events_where_none_is_the_background():
    assert of([0.1, 0.9, 0.9], names=("W", "N1")) == [(0, 1, "W"), (1, 3, "N1")]
    assert of([0.1, 0.9, 0.9], background="") == [(0, 1, "bckg"), (1, 3, "seiz")]
    assert of([0.1, 0.9, 0.9], background="seiz") == [(0, 1, "bckg")]


def test_a_short_event_between_two_of_another_class_lets_them_become_one():
    values = np.eye(3)[[0, 0, 1, 0, 0]]
    found = detect(
        np.arange(5.0), np.arange(5.0) + 1, values, ("W", "N1", "R"), Decision(),
        EventRules(min_duration=2, merge_gap=2),
    )  # fmt: skip
    assert [(e.onset, e.stop, e.label) for e in found] == [(0, 5, "W")]


def test_no_windows_have_no_events():
    nothing = np.empty(0)
    assert detect(nothing, nothing, np.empty((0, 2)), BINARY, Decision(), EventRules()) == ()
    assert of([NAN, NAN], smoothing=3) == []


def test_numbers_make_no_events():
    with pytest.raises(ConfigError, match=r"predicts numbers, and events come of classes or tags"):
        of([0.1], decision=Decision(task="regression"))


def test_windows_out_of_order_are_refused():
    with pytest.raises(ConfigError, match=r"in the order of time.*Sort the rows by start"):
        of([0.1, 0.2], start=[1, 0])


def test_the_work_grows_with_events_not_with_windows():
    p = np.convolve(np.random.default_rng(0).random(2000), np.ones(5) / 5, "same")
    n_calls, found = [], []
    for n_windows in (2100, 86_391):  # the second: a day of windows, one a second
        quiet = np.append(p, np.zeros(n_windows - len(p)))
        start = np.arange(n_windows, dtype=float)
        calls: list[object] = []
        sys.setprofile(lambda *_, calls=calls: calls.append(None))
        try:
            found.append(of(quiet, start=start, stop=start + 10, on=0.55, off=0.45, smoothing=3))
        finally:
            sys.setprofile(None)
        n_calls.append(len(calls))
    assert found[0] == found[1]
    assert len(found[0]) > 10
    assert n_calls[0] == n_calls[1]
