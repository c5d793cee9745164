"""The timeline of a recording: what a model says of each window."""

# R windows of a recording, K classes

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from biot.plots.base import COLOURS, LIGHT, colour, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["timeline"]


def _time_unit(seconds: float) -> tuple[float, str]:
    """Seconds in the unit that keeps the axis' numbers short, and the unit's name."""
    if seconds <= 300:
        return 1.0, "s"
    return (60.0, "min") if seconds <= 3 * 3600 else (3600.0, "h")


def _strip(
    axes: Axes, spans: Sequence[tuple[float, float, str]], label_names: Sequence[str]
) -> None:
    """Coloured boxes (start, stop, label) on one line; unknown labels are grey."""
    for index, name in enumerate((*label_names, None)):
        known = name is not None
        boxes = [
            (start, stop - start)
            for start, stop, label in spans
            if (label == name if known else label not in label_names)
        ]
        axes.broken_barh(
            boxes, (0, 1), facecolor=colour(index) if known else LIGHT, edgecolor="none"
        )
    axes.set(ylim=(0, 1), yticks=[])
    axes.spines[:].set_visible(False)


def _outline(
    start: npt.NDArray[np.float64], stop: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of a step line with one level a window, broken where windows leave a gap."""
    gap = np.flatnonzero(start[1:] > stop[:-1] + 1e-9) + 1
    time = np.stack((start, stop), axis=1).ravel()
    level = np.repeat(values, 2)
    return np.insert(time, 2 * gap, np.nan), np.insert(level, 2 * gap, np.nan)


def timeline(
    start: npt.ArrayLike,
    stop: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    label_names: Sequence[str],
    *,
    truth: Sequence[tuple[float, float, str]] = (),
    title: str = "",
) -> Figure:
    """Class probabilities of a recording's windows over time, and the winning label below.

    Parameters
    ----------
    start, stop
        (R,) seconds from the recording's start, in ascending order. Where windows overlap, each is
        drawn up to the start of the next.
    probabilities
        (R, K); a row of NaN (a window without usable data) is drawn grey, without a line.
    label_names
        Names of the K classes.
    truth
        Known events as (start, stop, label) in seconds, drawn as a second strip when given.
    title
        Heading; empty for none.
    """
    values = np.asarray(probabilities, float).reshape(-1, len(label_names))
    begin, end = np.asarray(start, float), np.asarray(stop, float)
    unit, unit_name = _time_unit(float(end.max(initial=0.0)))
    begin, end = begin / unit, end / unit
    if len(end):
        end = np.append(np.minimum(end[:-1], begin[1:]), end[-1])
    usable = np.isfinite(values).all(axis=1)
    winners = np.where(usable, np.where(usable[:, None], values, 0.0).argmax(axis=1), -1)
    found = [
        (a, b, label_names[k] if k >= 0 else "")
        for a, b, k in zip(begin, end, winners, strict=True)
    ]
    strips = {"predicted": found}
    if truth:
        strips["true"] = [(a / unit, b / unit, label) for a, b, label in truth]

    figure = new_figure(11.0, 2.9 + 0.35 * len(strips))
    heights = [8.0, *[0.9] * len(strips)]
    panels = figure.subplots(
        1 + len(strips), 1, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    for index, name in enumerate(label_names):
        time, level = _outline(begin, end, values[:, index])
        style = ("-", "--", ":")[index // len(COLOURS) % 3]
        panels[0].plot(time, level, style, color=colour(index), linewidth=1.4, label=name)
    plain_frame(panels[0])
    if not usable.all():
        panels[0].fill_between([], [], color=LIGHT, label="no usable data")
    panels[0].set(ylim=(-0.02, 1.02), ylabel="probability", title=title)
    panels[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    for axes, (name, spans) in zip(panels[1:], strips.items(), strict=True):
        _strip(axes, spans, label_names)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.tick_params(bottom=axes is panels[-1])
    if len(begin):
        panels[-1].set_xlim(begin[0], end[-1])
    panels[-1].set_xlabel(f"time ({unit_name})")
    return figure
