"""The scores of a run, as tables and figures, from what ``metrics.json`` holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biot import plots
from biot.evaluation.metrics import SCORES, TAG_SCORES, TARGET_SCORES
from biot.evaluation.tables import difference_cell, guess_cell
from biot.report.drawing import drawn
from biot.report.parts import Drawing, More, Part, Section, Table, Text
from biot.report.runs.figures import ScoreRow, score_rows
from biot.report.runs.values import counted, inner, interval, items, number

__all__ = [
    "class_table",
    "confusion_parts",
    "names_of",
    "reliability_parts",
    "score_parts",
]

_MARKS = {"balanced_accuracy": SCORES, "r2": TARGET_SCORES, "f1": TAG_SCORES}
"""A score that only one kind of task has, and all scores of that kind."""
_HEADERS = {
    "f1": "F1", "support": "windows", "auroc": "AUROC", "auprc": "AUPRC", "r2": "R²", "mae": "MAE",
}  # fmt: skip
_BOUNDED = ("brier", "ece", "mae")
"""Scores of which less is better, or that have no upper end: not in the figure."""


def names_of(scores: Mapping[str, Any]) -> Mapping[str, str]:
    """The scores of a task by key, with their names for readers."""
    return next((names for mark, names in _MARKS.items() if mark in scores), {})


def score_parts(scores: Mapping[str, Any]) -> list[Part]:
    """The scores with their intervals, beside those of guesses and of what is simpler."""
    names = names_of(scores)
    guesses, ends = inner(scores, "baselines"), inner(scores, "intervals")
    apart = inner(scores, "differences")
    of = (
        f"{counted(int(scores.get('n_windows') or 0), 'window')} of "
        f"{counted(int(scores.get('n_subjects') or 0), 'subject')}"
    )
    table = Table(
        caption=f"Test: {of}. Intervals: 95 %, subjects resampled.",
        headers=("score", "model", "95 % interval", *guesses, *(f"model − {one}" for one in apart)),
        rows=[
            (
                name, number(scores.get(key)), interval(ends.get(key)),
                *(_on_two_lines(guess_cell(inner(guesses, guess), key)) for guess in guesses),
                *(_on_two_lines(difference_cell(inner(apart, guess), key)) for guess in apart),
            )
            for key, name in names.items() if key in scores
        ],
    )  # fmt: skip
    parts: list[Part] = [Text(str(note), is_note=True) for note in items(scores, "notes")]
    parts.append(table)
    figure = _score_figure(scores, names)
    parts += [figure] if figure is not None else []
    if guesses:
        parts.append(Text(_GUESSES))
    reasons = {str(reason): key for key, reason in inner(scores, "undefined").items()}
    parts += [Text(f"Undefined where it says so: {reason}.") for reason in reasons]
    if scores.get("no_intervals"):
        parts.append(Text(f"Intervals: {scores['no_intervals']}."))
    if scores.get("decision"):
        parts.append(Text(f"How it is decided: {scores['decision']}."))
    return parts


def _on_two_lines(cell: str) -> str:
    """A value, and its interval below: side by side the table is wider than the page."""
    return cell.replace(" (", "\n(", 1)


_GUESSES = (
    "Beside the model stand those that do not look at the recording: chance draws what it says by "
    "the shares of the classes, majority always says the commonest, mean always says the mean. A "
    "model whose interval holds them has not been shown to be better. Ridge, where it is there, "
    "is a ridge regression on log band powers of the same windows, fitted to what the model was "
    "trained and chosen by. The interval of the difference draws the same subjects for both; where "
    "it holds 0, the model has not been shown to be better than the ridge."
)


def _score_figure(scores: Mapping[str, Any], names: Mapping[str, str]) -> Drawing | None:
    guesses, ends = inner(scores, "baselines"), inner(scores, "intervals")
    rows = [
        ScoreRow(
            name=name, value=float(scores[key]), interval=_both(ends.get(key)),
            others={guess: _float(inner(guesses, guess).get(key)) for guess in guesses},
        )
        for key, name in names.items()
        if key not in _BOUNDED and isinstance(scores.get(key), int | float)
    ]  # fmt: skip
    if not rows:
        return None
    said = "; ".join(f"{row.name} {row.value:.3f}" for row in rows)
    return drawn(
        lambda: score_rows(rows),
        caption="The model (dot, bar: 95 % interval) beside what guesses, and a ridge where there "
        "is one, reach. More is better.",
        alt=f"Scores of the model beside those of guesses: {said}.",
    )


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _both(ends: Any) -> tuple[float, float] | None:
    known = isinstance(ends, list) and all(isinstance(end, int | float) for end in ends)
    return (float(ends[0]), float(ends[1])) if known else None


def class_table(scores: Mapping[str, Any]) -> Table | None:
    """How each class, tag or number fared."""
    classes = inner(scores, "classes")
    columns = list(inner(classes, next(iter(classes), "")))
    if not columns:
        return None
    return Table(
        caption="Each for itself",
        headers=("name", *(_HEADERS.get(column, column) for column in columns)),
        rows=[
            (name, *(number(inner(classes, name).get(column)) for column in columns))
            for name in classes
        ],
    )


def confusion_parts(scores: Mapping[str, Any]) -> list[Part]:
    """Which classes are taken for which; empty unless there are classes."""
    names, counts = items(scores, "label_names"), items(scores, "confusion")
    if not counts or len(counts) != len(names):
        return []
    table = Table(
        caption="Windows by true class (row) and predicted class (column)",
        headers=("true", *names),
        rows=[(str(name), *map(number, row)) for name, row in zip(names, counts, strict=True)],
    )
    figure = drawn(
        lambda: plots.confusion(np.array(counts), [str(name) for name in names]),
        caption="Windows by true class (row) and predicted class (column); the colour is the share "
        "of the true class.",
        alt="Table of true against predicted classes; its numbers stand below.",
    )
    return [figure, More("The same as numbers", [table])]


def reliability_parts(scores: Mapping[str, Any]) -> list[Part]:
    """How often something holds where it is said to hold with some probability."""
    curves = inner(inner(scores, "reliability"), "of")
    keys = ("mean_probability", "frequency", "n_windows")
    shown: dict[str, tuple[Any, Any, Any]] = {}
    for name in curves:
        p, frequency, n = (
            [math.nan if value is None else value for value in items(inner(curves, name), key)]
            for key in keys
        )
        if p and len(p) == len(frequency) == len(n):
            shown[str(name)] = (p, frequency, n)
    if not shown:
        return []
    figure = drawn(
        lambda: plots.reliability(shown),
        caption="Share of the windows of which it holds, against the probability that was said; on "
        "the dashed line both agree. Below: how many windows were given that probability.",
        alt=f"Reliability curves of {', '.join(shown)}. Expected calibration error "
        f"{number(scores.get('ece'))}.",
    )
    return [figure]


def section_of(title: str, parts: Sequence[Part]) -> list[Section]:
    """A section, unless there is nothing to show."""
    return [Section(title, parts)] if parts else []
