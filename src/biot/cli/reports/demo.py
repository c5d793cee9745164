"""What the demo's report says."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biot.evaluation.metrics import SCORES
from biot.report.page import write_page
from biot.report.parts import Code, Drawing, Section, Table, Text, png_drawing
from biot.simulate import ELECTRODES

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
    sections = [
        _simulation(simulated),
        Section("Scores on unseen subjects", [_scores(scores)]),
        Section("Class by class", [_classes(scores), _confusion(out / "run" / "confusion.png")]),
        _timeline(out / "timeline.png"),
        _learning(out / "run" / "curves.png"),
        Section("The same by hand", [Code(script)]),
        Section("What this does not show", [Text(_NOT_SHOWN)]),
    ]
    return write_page(
        out / "report.html", "sections.html", title="BIOT on simulated EEG", summary=headline,
        sections=sections,
    )  # fmt: skip


_NOT_SHOWN = (
    "Simulated events are far more alike than real ones. The figures show that the software works, "
    "not how well it does on patients."
)


def _confusion(path: Path) -> Drawing:
    return png_drawing(
        path,
        caption="Windows by true class (row) and predicted class (column).",
        alt="Table of true against predicted classes; the table above holds its precision and "
        "recall.",
    )


def _timeline(path: Path) -> Section:
    drawing = png_drawing(
        path,
        caption="The probability of each class; below, what is said of each window, and what was "
        "simulated.",
        alt="Curves of the probability of each class over time, and two strips below them: the "
        "predicted and the true class of each window.",
    )
    return Section("One unseen recording, window by window", [drawing])


def _learning(path: Path) -> Section:
    drawing = png_drawing(
        path,
        caption="Loss and validation score, epoch by epoch.",
        alt="Curves of training loss, validation loss and validation score over the epochs.",
    )
    return Section("How the model learned", [drawing])


def _simulation(simulated: str) -> Section:
    text = (
        f"{simulated} of EEG each, at {', '.join(ELECTRODES)}: a background that falls with "
        "frequency, alpha, blinks, electrode drift, mains interference. Frequencies, amplitudes "
        "and gains differ between subjects. Spike-and-wave discharges and spindles alternate with "
        "rest, and are annotated."
        "\n\n"
        "An event takes over a share of a channel's power and adds none, so total power does not "
        "give it away. What can be learned is the shape of the spectrum, and where on the head."
    )
    return Section("What was simulated", [Text(text)])


def _scores(scores: dict[str, Any]) -> Table:
    intervals, guesses = scores["intervals"], scores["baselines"]
    return Table(
        caption=f"{scores['n_windows']} windows of {scores['n_subjects']} subjects",
        headers=("score", "value", "95 % interval over subjects", *guesses),
        rows=[
            (
                name,
                _number(scores[key]),
                _interval(intervals[key]),
                *(_number(guess[key]) for guess in guesses.values()),
            )
            for key, name in SCORES.items()
        ],
    )


def _classes(scores: dict[str, Any]) -> Table:
    return Table(
        caption="Each class against all others",
        headers=("class", "precision", "recall", "F1", "windows"),
        rows=[
            (name, *(_number(of[key]) for key in ("precision", "recall", "f1")), str(of["support"]))
            for name, of in scores["classes"].items()
        ],
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(ends: Sequence[float] | None) -> str:
    return "undefined" if ends is None else " to ".join(map(_number, ends))
