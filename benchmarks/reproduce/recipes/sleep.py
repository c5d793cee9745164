"""SHHS and Sleep-EDF: stages of sleep, windows of 30 s.

Yang et al. (NeurIPS 2023) pretrain on SHHS, and publish no figure for its stages; there are no
official parts either. Published figures for Sleep-EDF differ in how much of the hours awake they
keep, in the number of nights and in the folds, so that none stands beside ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.reproduce.recipes.steps import Row, Steps, read_table, write_table

__all__ = ["shhs", "sleep_edf", "trimmed"]

AWAKE = 1800.0
"""Seconds awake that are kept before the first and after the last sleep, as is usual."""


def shhs(data: Path, out: Path, quick: bool) -> None:
    """C3-A2 and C4-A1 at 125 Hz; `data` holds ``polysomnography``. Subjects are divided 6:2:2."""
    steps = Steps(out=out, quick=quick)
    corpus = steps.prepared("corpus", data, "--layout", "shhs")
    metrics = steps.trained("run", corpus, "--n-fft", "125", "--hop-length", "62")
    steps.tell("SHHS: windows of 30 s, a fifth of the subjects", [m["test"] for m in metrics], {})


def sleep_edf(data: Path, out: Path, quick: bool) -> None:
    """Fpz-Cz and Pz-Oz at 100 Hz, folds by subject; `data` holds ``sleep-cassette``.

    Of the hours awake, half an hour is kept before and after the night.
    """
    steps = Steps(out=out, quick=quick)
    out.mkdir(parents=True, exist_ok=True)
    stages = out / "stages.tsv"
    steps.run("labels", data, "--layout", "sleep-edf", "--out", stages)
    table = write_table(out / "trimmed.tsv", trimmed(read_table(stages)))
    corpus = steps.prepared(
        "corpus", data, "--layout", "sleep-edf", "--labels", table,
        "--channels", "EEG Fpz-Cz,EEG Pz-Oz",
    )  # fmt: skip
    folds = ("--folds", "3" if quick else "10", "--n-fft", "100", "--hop-length", "50")
    metrics = steps.trained("folds", corpus, *folds)
    steps.tell("Sleep-EDF: windows of 30 s, each subject tested once", _pooled(metrics), {})


def _pooled(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Scores of all windows of a seed together."""
    return [one for found in metrics for one in found["each_seed"].values()]


def trimmed(rows: list[Row], awake: float = AWAKE) -> list[Row]:
    """Stages without the time awake that is longer than `awake` before or after all sleep.

    A recording without sleep is left out.
    """
    kept = []
    for file in dict.fromkeys(row["file"] for row in rows):
        night = [row for row in rows if row["file"] == file and row["onset"]]
        spans = [(float(row["onset"]), float(row["duration"])) for row in night]
        asleep = [span for row, span in zip(night, spans, strict=True) if row["label"] != "W"]
        if not asleep:
            continue
        first = min(onset for onset, _ in asleep) - awake
        last = max(onset + duration for onset, duration in asleep) + awake
        for row, (onset, duration) in zip(night, spans, strict=True):
            start, stop = max(onset, first), min(onset + duration, last)
            if start < stop:
                kept.append({**row, "onset": f"{start:g}", "duration": f"{stop - start:g}"})
    return kept
