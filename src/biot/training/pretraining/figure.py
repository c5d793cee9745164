"""The figure of a pretraining run, ``curves.png``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biot.plots import colour, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves"]


def curves(
    *,
    steps: npt.ArrayLike,
    loss: npt.ArrayLike,
    top1: npt.ArrayLike,
    embedding_std: npt.ArrayLike,
    effective_rank: npt.ArrayLike,
    probe: Mapping[str, npt.ArrayLike] | None = None,
) -> Figure:
    """Loss, share of right answers, and the spread of the features over a pretraining run.

    Parameters
    ----------
    steps
        Steps of the lines, ascending.
    loss, top1, embedding_std, effective_rank
        One value a line; NaN leaves a gap.
    probe
        Scores of ridge on the features of held-out subjects, by whose features they are: one value
        a line, NaN where nothing was validated. None: there was no probe.
    """
    panels = {
        "Loss": loss,
        "Top-1": top1,
        "Embedding standard deviation": embedding_std,
        "Effective rank": effective_rank,
    }
    rows: list[Any] = [["loss", "top1"], ["spread", "rank"]]
    rows += [] if probe is None else [["probe", "probe"]]
    figure = new_figure(9.0, 2.7 * len(rows))
    cells = list(figure.subplot_mosaic(rows, sharex=True).values())
    for index, (axes, (title, values)) in enumerate(zip(cells, panels.items(), strict=False)):
        axes.plot(np.asarray(steps), np.asarray(values, float), color=colour(index))
        axes.set(title=title)
        plain_frame(axes)
        if index > 0:
            axes.set_ylim(bottom=0)
    if probe is not None:
        _draw_probe(cells[-1], np.asarray(steps), probe)
    for axes in cells[2:] if probe is None else cells[-1:]:
        axes.set_xlabel("step")
        ticks: Any = axes.xaxis.get_major_locator()  # that of an axis of numbers, a MaxNLocator
        ticks.set_params(integer=True)
    return figure


def _draw_probe(axes: Axes, steps: npt.NDArray[Any], probe: Mapping[str, npt.ArrayLike]) -> None:
    """Curves through what was validated."""
    for index, (name, given) in enumerate(probe.items()):
        values = np.asarray(given, float)
        known = np.isfinite(values)
        axes.plot(
            steps[known], values[known], color=colour(index), marker="o", markersize=3, label=name
        )
    axes.set(title="Probe: score of ridge on the features, held-out subjects")
    plain_frame(axes)
    axes.legend(edgecolor="none", framealpha=1)
