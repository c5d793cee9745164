"""The figure of a pretraining run, ``curves.png``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biot.plots import colour, new_figure, plain_frame

if TYPE_CHECKING:
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
    figure = new_figure(9.0, 5.4 if probe is None else 8.1)
    cells = figure.subplots(2 if probe is None else 3, 2, sharex=True).flat
    for index, (axes, (title, values)) in enumerate(zip(cells, panels.items(), strict=False)):
        axes.plot(np.asarray(steps), np.asarray(values, float), color=colour(index))
        axes.set(title=title)
        plain_frame(axes)
        if index > 0:
            axes.set_ylim(bottom=0)
    if probe is not None:
        _probe_panel(figure, np.asarray(steps), probe)
    for axes in figure.axes[2:] if probe is None else figure.axes[-1:]:
        axes.set_xlabel("step")
        ticks: Any = axes.xaxis.get_major_locator()  # that of an axis of numbers, a MaxNLocator
        ticks.set_params(integer=True)
    return figure


def _probe_panel(
    figure: Figure, steps: npt.NDArray[Any], probe: Mapping[str, npt.ArrayLike]
) -> None:
    """The last row of a figure, over its whole width: a curve through what was validated."""
    first, second = figure.axes[-2:]
    grid = first.get_subplotspec().get_gridspec()
    first.remove()
    second.remove()
    axes = figure.add_subplot(grid[-1, :], sharex=figure.axes[0])
    for index, (name, given) in enumerate(probe.items()):
        values = np.asarray(given, float)
        known = np.isfinite(values)
        axes.plot(
            steps[known], values[known], color=colour(index), marker="o", markersize=3, label=name
        )
    axes.set(title="Probe: score of ridge on the features, held-out subjects")
    plain_frame(axes)
    axes.legend(edgecolor="none", framealpha=1)
