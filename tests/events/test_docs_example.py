"""The worked example of docs/events.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np

from biot import EventRules
from biot.inference import Predictions
from biot.settings import settings_of

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
NAMES = {one.option: one.name for one in settings_of(EventRules)}


def test_the_events_of_each_rule_are_those_of_the_table():
    p = np.array([float(x) for x in re.findall(r"^\| p \| (.*) \|$", PAGE, re.M)[0].split(" | ")])
    seconds = np.arange(len(p), dtype=float)
    example = Predictions(
        name="x", start=seconds, stop=seconds + 1, probabilities=np.stack([1 - p, p], axis=1),
        label_names=("bckg", "seiz"),
    )  # fmt: skip
    rows = re.findall(r"^\| [a-z ]+ \| `(--[^`]+)` \|.*\| ([\d–, ]*)\|$", PAGE, re.M)
    assert len(rows) == 8
    for options, told in rows[:-1]:
        words = [word for word in shlex.split(options) if word != "--events"]
        rules = {NAMES[o]: float(v) for o, v in zip(words[::2], words[1::2], strict=True)}
        found = [f"{e.onset:g}–{e.stop:g}" for e in example.to_events(**rules)]
        assert ", ".join(found) == told.strip(), options


def test_smoothed_numbers_are_those_of_the_page():
    from biot.events.detect import _smoothed, pieces_of

    p = np.array([0.1, 0.6, 0.9, 0.4, 0.8, 0.2, 0.1, 0.6, 0.1, 0.1])
    seconds = np.arange(10.0)
    smoothed = _smoothed(pieces_of(seconds, seconds + 1, p[:, None]), 3.0)[:, 0]
    assert " ".join(f"{value:.2f}" for value in smoothed) in PAGE
