"""The figure of an explanation: signal and scores of channels, stretches, bands and places."""

# C channels, S stretches, T samples

from __future__ import annotations

import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biot import plots
from biot.errors import MissingDependencyError, counted, listed, require
from biot.inference.explaining.scalp import places_on_scalp
from biot.inference.explaining.values import ExplainedWindow
from biot.signals.channels import canonical

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOUR_MAP", "draw"]

COLOUR_MAP = "RdBu_r"
"""Red above 0, blue below: apart also for colour-blind readers."""

_MOST_CHANNELS = 32
"""Rows of a figure; the others, whose scores are smallest, are left out, which is said."""
_MOST_POINTS = 400
"""Columns in which a signal is drawn, each from its lowest to its highest sample."""
_FEWEST_PLACES = 8


def draw(explanation: ExplainedWindow) -> Figure:
    """The figure of an explanation."""
    rows = _rows(explanation)
    places = _places(explanation)
    upper = min(max(0.26 * len(rows), 1.2), 7.5)
    lower = 2.5 if places else 1.9 if explanation.bands else 0.01
    figure = plots.new_figure(10.0, upper + lower + 2.3)
    grid = figure.add_gridspec(
        3, 3, width_ratios=[5.4, 1.4, 0.16], height_ratios=[upper, 0.8, lower]
    )
    cells = figure.add_subplot(grid[0, 0])
    mesh = _draw_cells(cells, explanation, rows)
    _draw_channels(figure.add_subplot(grid[0, 1], sharey=cells), explanation, rows)
    _draw_stretches(figure.add_subplot(grid[1, 0], sharex=cells), explanation)
    bar = figure.colorbar(mesh, cax=figure.add_subplot(grid[0, 2]))
    bar.set_label(f"lost {textwrap.shorten(explanation.measure, 40)}", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    below = grid[2, :].subgridspec(1, 2, width_ratios=[5, 3]) if places else None
    if explanation.bands:
        _draw_bands(figure.add_subplot(below[0, 0] if below else grid[2, :]), explanation)
    if below:
        _draw_head(figure.add_subplot(below[0, 1]), explanation, places)
    figure.suptitle(textwrap.fill(explanation.title, 95), fontsize=11)
    note = textwrap.fill(_note(explanation, len(rows)), 140)
    figure.supxlabel(note, fontsize=8, color=plots.GREY)
    for text in figure.findobj(require("matplotlib.text", extra="plots").Text):
        text.set_parse_math(False)  # names are names, also with a $ in them
    return figure


def _note(explanation: ExplainedWindow, n_rows: int) -> str:
    n_left_out = len(explanation.ch_names) - len(explanation.absent) - n_rows
    more = [f"Absent: {listed(explanation.absent)}."] if explanation.absent else []
    more += (
        [f"Not drawn: {counted(n_left_out, 'channel')} of the smallest scores."]
        if n_left_out
        else []
    )
    return " ".join(
        [
            f"What the {explanation.measure} would lose without a part. Red: it speaks for it, "
            "blue: against it. Grey: nothing recorded, or nothing left without it.",
            *more,
        ]
    )


def _rows(explanation: ExplainedWindow) -> npt.NDArray[np.int64]:
    """The channels that are drawn, in their order."""
    there = np.array([name not in explanation.absent for name in explanation.ch_names])
    if there.sum() <= _MOST_CHANNELS:
        return np.flatnonzero(there)
    strength = np.nan_to_num(np.abs(explanation.channel_scores), nan=-1.0)
    strength[~there] = -2.0
    return np.sort(np.argsort(-strength, kind="stable")[:_MOST_CHANNELS])


def _limit(explanation: ExplainedWindow) -> float:
    """The largest magnitude of a cell, at which colours end."""
    found = np.abs(explanation.cell_scores[np.isfinite(explanation.cell_scores)])
    return float(found.max(initial=0.0)) or 1.0


def _colour_map() -> Any:
    """:data:`COLOUR_MAP` without its darkest ends, so that a signal is seen over it."""
    colours = require("matplotlib.colors", extra="plots")
    whole = require("matplotlib", extra="plots").colormaps[COLOUR_MAP]
    paler = colours.ListedColormap(whole(np.linspace(0.12, 0.88, 255)))
    return paler.with_extremes(bad=plots.LIGHT)


def _draw_cells(axes: Axes, explanation: ExplainedWindow, rows: npt.NDArray[np.int64]) -> Any:
    """Channel × time as colours, and the signals over them."""
    limit = _limit(explanation)
    edges = np.append(explanation.stretches[:, 0], explanation.stretches[-1:, 1])
    mesh = axes.pcolormesh(
        edges, np.arange(len(rows) + 1) - 0.5,
        np.ma.masked_invalid(explanation.cell_scores[rows]),
        cmap=_colour_map(), vmin=-limit, vmax=limit, edgecolors="white", linewidth=0.4,
    )  # fmt: skip
    for row, channel in enumerate(rows):
        time, level = _outline(explanation.signal[channel], explanation.sfreq)
        axes.plot(explanation.start + time, row - 0.42 * level, color="#1F2933", linewidth=0.5)
    axes.set_yticks(range(len(rows)), [explanation.ch_names[row] for row in rows], fontsize=8)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(edges[0], edges[-1]))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelbottom=False)
    return mesh


def _outline(
    signal_T: npt.NDArray[np.float32], sfreq: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Seconds and levels of a signal about its median, within −1 to 1; spikes survive."""
    n_columns = min(_MOST_POINTS, len(signal_T))
    edges = np.linspace(0, len(signal_T), n_columns + 1).astype(int)
    level = np.full((n_columns, 2), np.nan)
    present = np.isfinite(signal_T)
    for column, (start, stop) in enumerate(pairwise(edges)):
        values = signal_T[start:stop][present[start:stop]]
        if len(values):
            level[column] = values.min(), values.max()
    if present.any():
        level -= np.median(signal_T[present])
    highest = np.nanmax(np.abs(level)) if present.any() else 0.0
    time = np.repeat(edges[:-1] + np.diff(edges) / 2, 2) / sfreq
    return time, (level / (highest or 1.0)).ravel()


def _colours(scores: npt.NDArray[np.float64]) -> list[str]:
    """Red for what speaks for the target, blue for what speaks against it."""
    return ["#B2182B" if score > 0 else "#2166AC" for score in scores]


def _draw_channels(axes: Axes, explanation: ExplainedWindow, rows: npt.NDArray[np.int64]) -> None:
    scores = explanation.channel_scores[rows]
    axes.barh(range(len(rows)), np.nan_to_num(scores), color=_colours(scores), height=0.7)
    for row in np.flatnonzero(~np.isfinite(scores)).tolist():
        axes.text(0, row, " none", fontsize=7, color=plots.GREY, va="center")
    axes.axvline(0, color=plots.GREY, linewidth=0.8)
    axes.tick_params(axis="y", labelleft=False, left=False)
    axes.tick_params(axis="x", labelsize=8)
    _few_ticks(axes.xaxis)
    axes.set_title("whole channel", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _draw_stretches(axes: Axes, explanation: ExplainedWindow) -> None:
    start, stop = explanation.stretches.T
    scores = explanation.stretch_scores
    axes.bar(
        start, np.nan_to_num(scores), width=(stop - start) * 0.94, align="edge",
        color=_colours(scores),
    )  # fmt: skip
    axes.axhline(0, color=plots.GREY, linewidth=0.8)
    axes.set_xlabel("seconds from the recording's start", fontsize=9)
    axes.set_ylabel("all\nchannels", rotation=0, ha="right", va="center", fontsize=8)
    axes.tick_params(labelsize=8)
    _few_ticks(axes.yaxis)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_bands(axes: Axes, explanation: ExplainedWindow) -> None:
    scores = explanation.band_scores
    axes.bar(range(len(scores)), np.nan_to_num(scores), color=_colours(scores), width=0.7)
    names = [
        band.name if band.name.endswith(" Hz") else f"{band.name}\n{band.low:g}-{band.high:g} Hz"
        for band in explanation.bands
    ]
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.axhline(0, color=plots.GREY, linewidth=0.8)
    axes.set_title("band of frequencies, in all channels", fontsize=9)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _few_ticks(axis: Any) -> None:
    axis.set_major_locator(require("matplotlib.ticker", extra="plots").MaxNLocator(3))


def _places(explanation: ExplainedWindow) -> dict[int, tuple[float, float]]:
    """Where scored channels lie on the head, if enough do and MNE is there to say so."""
    scored = np.flatnonzero(np.isfinite(explanation.channel_scores)).tolist()
    try:
        found = places_on_scalp([explanation.ch_names[c] for c in scored])
    except MissingDependencyError:
        return {}
    places = {scored[i]: place for i, place in found.items()}
    return places if len(places) >= _FEWEST_PLACES else {}


def _draw_head(
    axes: Axes, explanation: ExplainedWindow, places: dict[int, tuple[float, float]]
) -> None:
    """Whole channels as coloured discs where they lie; nothing is made up between them."""
    rows = list(places)
    x, y = np.array(list(places.values())).T
    scores = explanation.channel_scores[rows]
    largest = float(np.abs(scores).max()) or 1.0
    angle = np.linspace(0, 2 * np.pi, 100)
    axes.plot(np.cos(angle), np.sin(angle), color=plots.GREY, linewidth=1)
    axes.plot([-0.1, 0, 0.1], [0.995, 1.13, 0.995], color=plots.GREY, linewidth=1)
    axes.scatter(x, y, c=scores, cmap=_colour_map(), vmin=-largest, vmax=largest, s=130,
                 edgecolors=plots.GREY, linewidths=0.6)  # fmt: skip
    if len(rows) <= _MOST_CHANNELS:
        for row, across, up in zip(rows, x, y, strict=True):
            name = canonical(explanation.ch_names[row])
            axes.text(across, up, name, fontsize=5, ha="center", va="center")
    axes.set(aspect="equal", xlim=(-1.35, 1.35), ylim=(-1.3, 1.3))
    axes.set_axis_off()
    axes.set_title("whole channel, seen from above", fontsize=9)
