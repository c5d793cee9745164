"""Figures of training: curves, pretraining, scores by subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biot.plots.base import GREY, colour, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curves", "groups", "pretraining"]


def curves(
    *,
    train_loss: npt.ArrayLike,
    valid_loss: npt.ArrayLike,
    valid_score: npt.ArrayLike,
    best_epoch: int,
    score_name: str = "balanced accuracy",
) -> Figure:
    """Loss and validation score over the epochs of a training run.

    Parameters
    ----------
    train_loss, valid_loss, valid_score
        One value an epoch; NaN leaves a gap.
    best_epoch
        Epoch whose weights were kept, counted from 1.
    score_name
        Name of `valid_score` for the axis.
    """
    losses = {
        "training": np.asarray(train_loss, float),
        "validation": np.asarray(valid_loss, float),
    }
    score = np.asarray(valid_score, float)
    epochs = np.arange(1, len(score) + 1)
    figure = new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2)
    for index, (name, values) in enumerate(losses.items()):
        left.plot(epochs, values, color=colour(index), marker="o", markersize=3, label=name)
    left.set(xlabel="epoch", ylabel="loss", title="Loss")
    right.plot(epochs, score, color=colour(1), marker="o", markersize=3, label="validation")
    right.set(xlabel="epoch", ylabel=score_name, title=score_name[:1].upper() + score_name[1:])
    best = score[best_epoch - 1]
    for axes in (left, right):
        plain_frame(axes)
        axes.axvline(best_epoch, color=GREY, linestyle="--", linewidth=1, zorder=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
    right.plot([best_epoch], [best], "o", color=GREY, label=f"kept: epoch {best_epoch}, {best:.3f}")
    left.legend(edgecolor="none", framealpha=1)
    right.legend(edgecolor="none", framealpha=1, loc="lower right")
    return figure


def pretraining(
    *,
    steps: npt.ArrayLike,
    loss: npt.ArrayLike,
    top1: npt.ArrayLike,
    embedding_std: npt.ArrayLike,
    effective_rank: npt.ArrayLike,
) -> Figure:
    """Loss, share of right answers, and the spread of the features over a pretraining run.

    Parameters
    ----------
    steps
        Steps of the lines, ascending.
    loss, top1, embedding_std, effective_rank
        One value a line; NaN leaves a gap.
    """
    panels = {
        "Loss": loss,
        "Top-1": top1,
        "Embedding standard deviation": embedding_std,
        "Effective rank": effective_rank,
    }
    figure = new_figure(9.0, 5.4)
    cells = figure.subplots(2, 2, sharex=True).flat
    for index, (axes, (title, values)) in enumerate(zip(cells, panels.items(), strict=True)):
        axes.plot(np.asarray(steps), np.asarray(values, float), color=colour(index))
        axes.set(title=title)
        plain_frame(axes)
        if index > 0:
            axes.set_ylim(bottom=0)
    for axes in figure.axes[2:]:
        axes.set_xlabel("step")
        ticks: Any = axes.xaxis.get_major_locator()  # that of an axis of numbers, a MaxNLocator
        ticks.set_params(integer=True)
    return figure


def groups(names: Sequence[str], values: Sequence[Sequence[float]], *, score_name: str) -> Figure:
    """A score of each subject, one dot a seed, from the lowest mean to the highest.

    Parameters
    ----------
    names
        Of the subjects.
    values
        Scores of each subject, one or more; NaN is left out.
    score_name
        Name of the score for the axis.
    """
    numbers = [np.asarray(scores, float)[np.isfinite(scores)] for scores in values]
    means = np.array([scores.mean() if len(scores) else np.nan for scores in numbers])
    order = np.argsort(means, kind="stable")  # undefined ones last
    figure = new_figure(min(3.0 + 0.32 * len(names), 24.0), 4.0)
    axes = figure.subplots()
    for place, index in enumerate(order):
        scores = numbers[index]
        axes.plot([place] * len(scores), scores, "o", color=colour(0), alpha=0.5, markersize=5)
    axes.plot(range(len(names)), means[order], "_", color=colour(1), markersize=12)
    if np.isfinite(means).any():
        mean = means[np.isfinite(means)].mean()
        axes.axhline(mean, color=GREY, linestyle="--", linewidth=1, label=f"mean {mean:.3f}")
        axes.legend(frameon=False, loc="lower right")
    axes.set_xticks(range(len(names)), [names[index] for index in order], rotation=60, ha="right",
                    rotation_mode="anchor")  # fmt: skip
    axes.set(xlabel="subject", ylabel=score_name)
    plain_frame(axes)
    return figure
