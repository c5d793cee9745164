"""Why an event was found, as parts of a page: a figure and the strongest parts of the signal."""

from __future__ import annotations

import math

from biot.inference.explaining.explanation import Explanation
from biot.report.drawing import drawn
from biot.report.parts import Part, Table, Text

__all__ = ["reasons"]

_MOST = 12
"""Rows of the table of the strongest parts."""


def reasons(explanation: Explanation) -> list[Part]:
    """A line, a figure and a table.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    rows = [row for row in explanation.rows() if math.isfinite(row[-1])]
    rows.sort(key=lambda row: -abs(row[-1]))
    table = Table(
        caption=f"Strongest parts: how much the {explanation.measure} lose without each. Above 0 "
        "it spoke for it, below 0 against it.",
        headers=("Without", "Channel", "Seconds", "Band", "Loss"),
        rows=[
            (kind, channel or "all", _span(start, stop), _band(band, low, high), f"{score:+.2f}")
            for kind, channel, start, stop, band, low, high, score in rows[:_MOST]
        ],
    )
    figure = drawn(
        explanation.figure,
        caption=explanation.title,
        alt=f"Scores of channels, stretches and bands. {explanation.title}",
    )
    return [figure, table, *map(Text, explanation.notes)]


def _span(start: float, stop: float) -> str:
    return "all" if math.isnan(start) else f"{start:.6g} to {stop:.6g}"


def _band(name: str, low: float, high: float) -> str:
    if math.isnan(low):
        return "all"
    hertz = f"{low:g} to {high:g} Hz"
    return hertz if not name or name == f"{low:g}-{high:g}" else f"{name} ({hertz})"
