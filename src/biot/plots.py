"""Figures from plain arrays."""

# K classes, S subjects, C channels, R windows of a recording

from __future__ import annotations

import io
import textwrap
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, require
from biot.io import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "GREY",
    "LIGHT",
    "colour",
    "confusion",
    "corpus_overview",
    "curves",
    "draw",
    "groups",
    "new_figure",
    "plain_frame",
    "reliability",
    "require_figures",
    "save_png",
    "sensitivity_curve",
    "svg_text",
    "timeline",
]

# Eight hues that stay apart for colour-blind readers; more classes start over.
COLOURS = (
    "#3B6FB6", "#D9622B", "#2E9C77", "#B0488F", "#C79A1B", "#5A9BD4", "#8C5A3C", "#6B6F76",
)  # fmt: skip
GREY = "#6B6F76"
LIGHT = "#D5D8DC"


def require_figures(*, training: bool = False) -> None:
    """Find out before the work, not after it, whether figures can be drawn.

    The message names the extra to install for that work, which may need more than figures.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    if training:
        require("matplotlib.figure", extra="training")
    else:
        require("matplotlib.figure", extra="plots")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches, apart from pyplot and its global state."""
    figure: Figure = require("matplotlib.figure", extra="plots").Figure(
        figsize=(width, height), layout="constrained"
    )
    return figure


def colour(index: int) -> str:
    """A colour of its own for each of a few things."""
    return COLOURS[index % len(COLOURS)]


def plain_frame(axes: Axes) -> None:
    """Only the left and lower frame, and a light grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)


def save_png(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG; the file appears whole or not at all.

    Parameters
    ----------
    figure
        What to write.
    path
        Where to; its folder must exist, an older file is replaced.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ConfigError
        If matplotlib cannot draw it.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    # The canvas itself here and below: `Figure.savefig` lays everything out twice.
    canvas = require("matplotlib.backends.backend_agg", extra="plots").FigureCanvasAgg(figure)
    figure.set_dpi(150)
    with atomic_file(path) as partial:
        _save(figure, lambda: canvas.print_png(partial, metadata={"Software": None}), str(path))
    return path


def svg_text(figure: Figure) -> str:
    """A figure as an SVG document whose text is text; the same figure gives the same document.

    Raises
    ------
    ConfigError
        If matplotlib cannot draw it.
    """
    told = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    canvas = require("matplotlib.backends.backend_svg", extra="plots").FigureCanvasSVG(figure)
    with io.BytesIO() as file:
        _save(figure, lambda: canvas.print_svg(file, metadata=told), "The figure")
        return file.getvalue().decode()


def _save(figure: Figure, write: Callable[[], None], where: str) -> None:
    """Write a figure whose names are names, also with a $ in them."""
    text = require("matplotlib.text", extra="plots").Text
    for label in figure.findobj(text):
        label.set_parse_math(False)
        label.set_text(_drawable(label.get_text()))
    settings = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "biot"}
    with (
        warnings.catch_warnings(),
        require("matplotlib", extra="plots").rc_context(settings),
    ):
        # A label in a script that the font lacks shows as boxes: no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        try:
            write()
        except OSError:
            raise
        except Exception as error:  # whatever its backends, fonts and numbers raise
            raise ConfigError(f"{where}: cannot be drawn ({_reason(error)}).") from error


def _drawable(text: str) -> str:
    """The text with what no font or file can hold escaped: control characters, halves of pairs."""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cs", "Cn")
        else character
        for character in text
    )


def _at_ticks(names: Sequence[str]) -> list[str]:
    """Names as ticks can hold them, whose texts are made anew when they are drawn."""
    return [_drawable(name) for name in names]


def _reason(error: Exception) -> str:
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(told.split())


def draw(path: str | Path, figure: Callable[[], Figure]) -> None:
    """Draw a figure beside results that are written: where that fails, a warning says so.

    Parameters
    ----------
    path
        Where to, see :func:`save_png`.
    figure
        Makes the figure.
    """
    try:
        save_png(figure(), path)
    except Exception as error:  # matplotlib raises whatever its backends, fonts and numbers do
        told = str(error) if isinstance(error, ConfigError) else f"{path}: {_reason(error)}."
        warnings.warn(f"{told} The figure is left out; all else is written.", stacklevel=2)


_MANY_CELLS = 12  # classes above which the cells of a confusion table hold no numbers


def confusion(
    counts: npt.ArrayLike, label_names: Sequence[str], *, title: str = "", note: str = ""
) -> Figure:
    """Table of true against predicted classes.

    Parameters
    ----------
    counts
        (K, K) windows; row: true class, column: predicted class.
    label_names
        Names of the K classes.
    title
        Heading; empty for none.
    note
        How it was decided, to stand below; empty for none.

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
    names = _at_ticks(label_names)
    upright = sum(len(name) for name in label_names) <= 9 * n_classes and n_classes <= 4
    axes.set_xticks(range(n_classes), names, rotation=0 if upright else 45,
                    ha="center" if upright else "right", rotation_mode="anchor")  # fmt: skip
    axes.set_yticks(range(n_classes), names)
    axes.set(xlabel="predicted", ylabel="true")
    _headed(figure, axes, title, note)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if n_classes <= _MANY_CELLS:
        for row, column in np.ndindex(table.shape):
            axes.text(column, row, f"{table[row, column]}\n{share[row, column]:.0%}",
                      ha="center", va="center", fontsize=9 if n_classes <= 6 else 7,
                      color="white" if share[row, column] > 0.55 else "#1F2933")  # fmt: skip
    return figure


def _headed(figure: Figure, axes: Axes, title: str, note: str = "") -> None:
    """Title above all, as a title of the axes is set, and a small note below, in lines that fit."""
    width = figure.get_size_inches()[0]
    # Not that of the axes, which beside a wide legend are narrower than the title.
    figure.suptitle(textwrap.fill(title, round(8 * width)), fontsize=axes.title.get_fontsize())
    if note:
        figure.supxlabel(textwrap.fill(note, round(14 * width)), fontsize=8, color=GREY)


def reliability(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]], *, title: str = ""
) -> Figure:
    """How often classes hold where they are said to hold with some probability.

    Parameters
    ----------
    curves
        Of each class or tag (N,) mean probability, frequency and number of windows in each bin;
        NaN where a bin is empty.
    title
        Heading; empty for none.
    """
    figure = new_figure(5.2, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    upper.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="truthful")
    for index, (name, columns) in enumerate(curves.items()):
        probability, frequency, n_windows = (np.asarray(column, float) for column in columns)
        known = n_windows > 0
        upper.plot(probability[known], frequency[known], color=colour(index), marker="o",
                   markersize=4, label=name)  # fmt: skip
        edges = np.linspace(0, 1, len(n_windows) + 1)
        lower.stairs(n_windows, edges, color=colour(index))
    upper.set(ylabel="share of windows of which it holds", xlim=(0, 1), ylim=(-0.02, 1.02))
    lower.set(xlabel="probability", ylabel="windows")
    for axes in (upper, lower):
        plain_frame(axes)
    upper.legend(edgecolor="none", framealpha=1, fontsize=8, loc="upper left")
    _headed(figure, upper, title)
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
        axes.set_yticks(range(len(names)), _at_ticks(names), fontsize=7)
        axes.invert_yaxis()
    figure.suptitle(title)
    return figure


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
        defined = means[np.isfinite(means)]
        some = len(defined) < len(names)
        of = f" of {len(defined)}; undefined for the other {len(names) - len(defined)}" * some
        mean = defined.mean()
        axes.axhline(mean, color=GREY, linestyle="--", linewidth=1, label=f"mean {mean:.3f}{of}")
        axes.legend(frameon=False, loc="lower right")
    shown = _at_ticks([names[index] for index in order])
    axes.set_xticks(range(len(names)), shown, rotation=60, ha="right", rotation_mode="anchor")
    axes.set(xlabel="subject", ylabel=score_name, xlim=(-0.5, len(names) - 0.5))
    plain_frame(axes)
    return figure


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
    labels: Sequence[str],
    *,
    truth: Sequence[tuple[float, float, str]] = (),
    threshold: float | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """Class probabilities of a recording's windows over time, and what is said of each below.

    Parameters
    ----------
    start, stop
        (R,) seconds from the recording's start, in ascending order. Where windows overlap, each is
        drawn up to the start of the next.
    probabilities
        (R, K); a row of NaN (a window without usable data) is drawn grey, without a line.
    label_names
        Names of the K classes.
    labels
        (R,) what is said of each window; ``""`` of one without usable data.
    truth
        Known events as (start, stop, label) in seconds, drawn as a second strip when given.
    threshold
        Probability from which on the second class is said to hold, drawn as a line when given.
    title
        Heading; empty for none.
    note
        How it was decided, to stand below; empty for none.
    """
    values = np.asarray(probabilities, float).reshape(-1, len(label_names))
    begin, end = np.asarray(start, float), np.asarray(stop, float)
    unit, unit_name = _time_unit(float(end.max(initial=0.0)))
    begin, end = begin / unit, end / unit
    if len(end):
        end = np.append(np.minimum(end[:-1], begin[1:]), end[-1])
    usable = np.isfinite(values).all(axis=1)
    strips = {"predicted": list(zip(begin, end, labels, strict=True))}
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
    if threshold is not None:
        panels[0].axhline(threshold, color=GREY, linestyle="--", linewidth=1,
                          label=f"threshold of {label_names[1]}: {threshold:.3g}")  # fmt: skip
    if not usable.all():
        panels[0].fill_between([], [], color=LIGHT, label="no usable data")
    panels[0].set(ylim=(-0.02, 1.02), ylabel="probability")
    _headed(figure, panels[0], title, note)
    panels[0].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    for axes, (name, spans) in zip(panels[1:], strips.items(), strict=True):
        _strip(axes, spans, label_names)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.tick_params(bottom=axes is panels[-1])
    if len(begin):
        panels[-1].set_xlim(begin[0], end[-1])
    panels[-1].set_xlabel(f"time ({unit_name})")
    return figure


def sensitivity_curve(
    fp_per_day: Sequence[float],
    sensitivity: Sequence[float],
    thresholds: Sequence[float],
    *,
    chosen: tuple[float, float],
    title: str = "",
    note: str = "",
) -> Figure:
    """Share of events that are found against false positives a day, over thresholds.

    The axis of false positives is logarithmic above the lowest rate that occurs, and holds 0.

    Parameters
    ----------
    fp_per_day, sensitivity, thresholds
        One value a threshold; a point without sensitivity is left out.
    chosen
        False positives a day and sensitivity of the rules in use.
    title
        Heading; empty for none.
    note
        The rules in use, to stand below; empty for none.
    """
    rates, shares = np.asarray(fp_per_day, float), np.asarray(sensitivity, float)
    known = np.isfinite(rates) & np.isfinite(shares)
    rates, shares, at = rates[known], shares[known], np.asarray(thresholds, float)[known]
    figure = new_figure(6.4, 4.8)
    axes = figure.subplots()
    order = np.lexsort((shares, rates))
    axes.plot(rates[order], shares[order], color=colour(0), linewidth=1.2, zorder=2)
    points = axes.scatter(rates, shares, c=at, cmap="cividis", vmin=0, vmax=1, s=22, zorder=3,
                          clip_on=False)  # fmt: skip
    figure.colorbar(points, ax=axes, label="threshold")
    if np.isfinite(chosen).all():
        axes.plot(
            *chosen, marker="*", markersize=15, linestyle="none", color=colour(1),
            markeredgecolor="white", label="rules in use", zorder=4, clip_on=False,
        )  # fmt: skip
        axes.legend(frameon=False, loc="lower right")
    above = np.append(rates, chosen[0])
    above = above[np.isfinite(above) & (above > 0)]
    if len(above) and above.max() > 10 * above.min():
        axes.set_xscale("symlog", linthresh=float(above.min()))
    axes.set(xlabel="false positives a day", ylabel="sensitivity", ylim=(-0.03, 1.03))
    axes.set_xlim(left=0)
    plain_frame(axes)
    _headed(figure, axes, title, note)
    return figure
