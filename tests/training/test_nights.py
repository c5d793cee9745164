"""Nights of sleep from the windows of a corpus."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from biot.training.nights import nights_of

NAMES = ("REM", "W", "S2", "SWS")


def corpus(recordings, starts, window=30.0):
    return SimpleNamespace(
        recordings=np.array(recordings), starts=np.array(starts, float),
        subjects=np.array([name[0] for name in recordings]),
        preprocessing=SimpleNamespace(window=window),
    )  # fmt: skip


def test_a_night_has_an_epoch_for_each_window_and_gaps_are_not_scored():
    data = corpus(["a1"] * 4 + ["b1"] * 2, [60, 0, 30, 150, 30, 0])
    true, said = np.array([2, 1, 2, 0, 3, 1]), np.array([2, 1, 1, -1, 3, 1])
    first, second = nights_of(data, np.arange(6), true, said, NAMES)
    assert first.true == ("W", "N2", "N2", "", "", "R")
    assert first.predicted == ("W", "W", "N2", "", "", "")
    assert (first.name, first.subject, first.epoch) == ("a1", "a", 30.0)
    assert second.true == ("W", "N3")


def test_other_classes_make_no_nights():
    data = corpus(["a1"], [0])
    assert nights_of(data, np.arange(1), np.array([0]), np.array([0]), ("bckg", "seiz")) == []
