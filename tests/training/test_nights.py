"""Nights of sleep from the windows of a corpus."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from biot.preprocessing import Preprocessing
from biot.training.datasets import Subset
from biot.training.nights import nights_of
from biot.training.scoring import assess_rows

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


def test_fine_tuning_scores_nights_as_evaluation_does():
    data = corpus(["a1"] * 4 + ["b1"] * 4, [0, 30, 60, 90] * 2)
    contract = Preprocessing(
        sfreq=100.0, window=30.0, ch_names=("C3",), units=("uV",), label_names=NAMES
    )
    truth = np.array([1, 2, 2, 0] * 2)
    part = Subset(corpus=data, rows=np.arange(8), labels=truth)
    said = np.eye(4)[np.array([1, 2, 2, 0, 1, 1, 2, 0])]
    sleep = assess_rows(part, said, contract, n_bootstrap=0).sleep
    assert sleep is not None
    # second night: 3 of 4 agree, by chance (1·2 + 2·1 + 1·1) / 16
    assert sleep.kappas.tolist() == [1.0, (3 / 4 - 5 / 16) / (1 - 5 / 16)]
