"""Figures of classes: confusion, and what a corpus holds."""

# K classes, S subjects, C channels

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from biot.plots.base import LIGHT, colour, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion", "corpus_overview"]

_MANY_CELLS = 12  # classes above which the cells of a confusion table hold no numbers


def confusion(counts: npt.ArrayLike, label_names: Sequence[str], *, title: str = "") -> Figure:
    """Table of true against predicted classes.

    Parameters
    ----------
    counts
        (K, K) windows; row: true class, column: predicted class.
    label_names
        Names of the K classes.
    title
        Heading; empty for none.

    Notes
    -----
    The colour is the share of the row, so that rare classes are as visible as common ones.
    """
    table = np.asarray(counts)
    n_classes = len(label_names)
    support = table.sum(axis=1, keepdims=True)
    share = np.divide(table, support, out=np.zeros(table.shape), where=support > 0)
    side = min(3.0 + 0.62 * n_classes, 14.0)
    figure = new_figure(side + 0.9, side)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    upright = sum(len(name) for name in label_names) <= 9 * n_classes and n_classes <= 4
    axes.set_xticks(range(n_classes), label_names, rotation=0 if upright else 45,
                    ha="center" if upright else "right", rotation_mode="anchor")  # fmt: skip
    axes.set_yticks(range(n_classes), label_names)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if n_classes <= _MANY_CELLS:
        for row, column in np.ndindex(table.shape):
            axes.text(column, row, f"{table[row, column]}\n{share[row, column]:.0%}",
                      ha="center", va="center", fontsize=9 if n_classes <= 6 else 7,
                      color="white" if share[row, column] > 0.55 else "#1F2933")  # fmt: skip
    return figure


def corpus_overview(
    *,
    windows_of_label: npt.ArrayLike,
    subjects: Sequence[str],
    label_names: Sequence[str],
    windows_of_channel: npt.ArrayLike,
    missing_of_channel: npt.ArrayLike,
    ch_names: Sequence[str],
    title: str = "",
) -> Figure:
    """Windows of each subject by label, and of each channel with the share that is missing.

    Parameters
    ----------
    windows_of_label
        (S, K) windows of each subject with each label.
    subjects, label_names
        Names of the S subjects and K labels.
    windows_of_channel, missing_of_channel
        (C,) windows that hold each channel, and the share of their samples that is missing.
    ch_names
        Names of the C channels.
    title
        Heading; empty for none.
    """
    counts = np.asarray(windows_of_label)
    figure = new_figure(10.0, min(2.0 + 0.22 * max(len(subjects), len(ch_names)), 40.0))
    left, right = figure.subplots(1, 2)
    before = np.zeros(len(subjects))
    for index, name in enumerate(label_names):
        left.barh(range(len(subjects)), counts[:, index], left=before, color=colour(index),
                  label=name)  # fmt: skip
        before += counts[:, index]
    left.set(xlabel="windows", title="Labels by subject")
    left.legend(edgecolor="none", framealpha=1, fontsize=8)
    held, lost = np.asarray(windows_of_channel, float), np.asarray(missing_of_channel, float)
    right.barh(range(len(ch_names)), held * (1 - lost), color=colour(0), label="recorded")
    right.barh(range(len(ch_names)), held * lost, left=held * (1 - lost), color=LIGHT,
               label="missing")  # fmt: skip
    right.set(xlabel="windows", title="Channels")
    right.legend(edgecolor="none", framealpha=1, fontsize=8)
    for axes, names in ((left, subjects), (right, ch_names)):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.invert_yaxis()
    figure.suptitle(title)
    return figure
