"""What the demo's report says."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biot.inference.report import Section, Table, write_report
from biot.simulate import ELECTRODES
from biot.training.metrics import SCORES

__all__ = ["write_demo_report"]


def write_demo_report(
    out: Path,
    headline: Sequence[str],
    *,
    simulated: str,
    commands: Sequence[Sequence[str]],
    scores: dict[str, Any],
) -> Path:
    """Write ``report.html`` into the demo's folder.

    Parameters
    ----------
    out
        Folder with ``run/`` and ``timeline.png``.
    headline
        The figures to know at a glance, a sentence each.
    simulated
        How much, such as ``"12 subjects, 5 minutes"``.
    commands
        What was run, as words.
    scores
        What ``biot evaluate --json`` wrote for the unseen subjects.
    """
    script = "\n".join(shlex.join(["biot", *words]) for words in commands)
    return write_report(
        out / "report.html",
        title="BIOT on simulated EEG",
        summary="\n\n".join(headline),
        sections=[
            _simulation(simulated),
            Section(title="Scores on unseen subjects", table=_scores(scores)),
            Section(
                title="Class by class",
                table=_classes(scores),
                figures=[out / "run" / "confusion.png"],
            ),
            Section(
                title="One unseen recording, window by window",
                text="The probability of each class; below, the most probable class and what was "
                "simulated.",
                figures=[out / "timeline.png"],
            ),
            Section(title="How the model learned", figures=[out / "run" / "curves.png"]),
            Section(title="The same by hand", code=script),
            Section(
                title="What this does not show",
                text="Simulated events are far more alike than real ones. The figures show that "
                "the software works, not how well it does on patients. Research software, not for "
                "clinical decisions.",
            ),
        ],
    )


def _simulation(simulated: str) -> Section:
    return Section(
        title="What was simulated",
        text=f"{simulated} of EEG each, at {', '.join(ELECTRODES)}: a background that falls with "
        "frequency, alpha, blinks, electrode drift, mains interference. Frequencies, amplitudes "
        "and gains differ between subjects. Spike-and-wave discharges and spindles alternate with "
        "rest, and are annotated."
        "\n\n"
        "An event takes over a share of a channel's power and adds none, so total power does not "
        "give it away. What can be learned is the shape of the spectrum, and where on the head.",
    )


def _scores(scores: dict[str, Any]) -> Table:
    intervals = scores["intervals"]
    return Table(
        headers=("score", "value", "95 % interval over subjects"),
        rows=[
            (name, _number(scores[key]), " to ".join(_number(end) for end in intervals[key]))
            for key, name in SCORES.items()
        ],
    )


def _classes(scores: dict[str, Any]) -> Table:
    return Table(
        headers=("class", "precision", "recall", "F1", "windows"),
        rows=[
            (name, *(_number(of[key]) for key in ("precision", "recall", "f1")), str(of["support"]))
            for name, of in scores["classes"].items()
        ],
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
