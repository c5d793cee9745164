"""Figures of a run, from plain arrays; see also :mod:`biot.plots`."""

# W windows, K classes or tags, C channels, T samples, F frequencies
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biot.errors import counted
from biot.plots import GREY, colour, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ScoreRow",
    "band_spectra",
    "by_subject",
    "learning",
    "predicted_numbers",
    "score_rows",
    "threshold_curves",
    "traces",
]

_STYLES = ("-", "--", ":", "-.")
_MARKS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One score of a model, and of those that it is compared with."""

    name: str
    value: float
    interval: tuple[float, float] | None
    others: Mapping[str, float]


def _legend(axes: Axes, **options: Any) -> None:
    axes.legend(**{"edgecolor": "none", "framealpha": 0.9, "fontsize": 8, **options})


def score_rows(rows: Sequence[ScoreRow]) -> Figure:
    """The model's scores with their intervals, and the baselines', one line a score."""
    figure = new_figure(6.4, 1.0 + 0.42 * len(rows))
    axes = figure.subplots()
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        if row.interval is not None:
            axes.plot(row.interval, [place, place], color=colour(0), linewidth=2.5, alpha=0.55)
    axes.plot([row.value for row in rows], places, "o", color=colour(0), label="model")
    for index, name in enumerate(rows[0].others):
        values = [row.others.get(name, np.nan) for row in rows]
        axes.plot(values, places, _MARKS[(index + 1) % len(_MARKS)], color=colour(index + 1),
                  markerfacecolor="none", label=name)  # fmt: skip
    axes.set_yticks(places, [row.name for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    plain_frame(axes)
    axes.grid(visible=True, axis="x", color="#D5D8DC", linewidth=0.6)
    _legend(axes, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4)
    return figure


def by_subject(
    names: Sequence[str], values: Sequence[Sequence[float]], n_windows: Sequence[int], *,
    axis: str, guess: float | None = None,
) -> Figure:  # fmt: skip
    """A number of each subject from the highest to the lowest, larger dots for more windows.

    Parameters
    ----------
    names
        Of the subjects; of many they are left out.
    values
        One or more of each, such as one a seed; NaN is left out.
    n_windows
        Windows of each subject.
    axis
        What the number is.
    guess
        What guessing would reach, drawn as a line.
    """
    means = np.array([np.nanmean(of) if np.isfinite(of).any() else np.nan for of in values])
    order = np.argsort(means, kind="stable")
    named = len(names) <= 60
    height = 1.2 + (0.22 * len(names) if named else min(0.02 * len(names), 4.0) + 2.0)
    figure = new_figure(6.4, height)
    axes = figure.subplots()
    sizes = 18 + 60 * np.sqrt(np.asarray(n_windows, float) / max(*n_windows, 1))
    for place, index in enumerate(order):
        of = np.asarray(values[index], float)
        axes.scatter(of, [place] * len(of), s=sizes[index], color=colour(0), alpha=0.65,
                     linewidth=0)  # fmt: skip
    if np.isfinite(means).any():
        mean = float(np.nanmean(means))
        axes.axvline(mean, color=GREY, linewidth=1, label=f"mean of the subjects: {mean:.3f}")
    if guess is not None and np.isfinite(guess):
        axes.axvline(guess, color=colour(1), linestyle="--", linewidth=1.2,
                     label=f"always the commonest class: {guess:.3f}")  # fmt: skip
    if named:
        axes.set_yticks(range(len(names)), [_short(names[index]) for index in order], fontsize=8)
    else:
        axes.set_yticks([])
    axes.set(xlabel=axis, ylabel="subject" if named else counted(len(names), "subject"),
             ylim=(-0.8, len(names) - 0.2))  # fmt: skip
    plain_frame(axes)
    axes.grid(visible=True, axis="x", color="#D5D8DC", linewidth=0.6)
    if axes.get_legend_handles_labels()[0]:
        _legend(axes, loc="upper center", bbox_to_anchor=(0.5, -0.5 / height - 0.02), ncols=2)
    return figure


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def threshold_curves(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], chosen: Mapping[str, float], *,
    axis: str,
) -> Figure:  # fmt: skip
    """A score against the threshold, one curve a name, and the thresholds that were chosen."""
    figure = new_figure(6.4, 3.8)
    axes = figure.subplots()
    for index, (name, (thresholds, scores)) in enumerate(curves.items()):
        x, y = np.asarray(thresholds, float), np.asarray(scores, float)
        axes.plot(x, y, _STYLES[index // 8 % len(_STYLES)], color=colour(index), label=name)
        if name in chosen:
            value = float(np.interp(chosen[name], x, y))
            axes.plot([chosen[name]], [value], "o", color=colour(index), markersize=8,
                      markerfacecolor="none", markeredgewidth=1.6)  # fmt: skip
            axes.axvline(chosen[name], color=colour(index), linestyle=":", linewidth=1)
    axes.set(xlabel="threshold (probability from which on it is said to hold)", ylabel=axis,
             xlim=(0, 1), ylim=(-0.02, 1.02))  # fmt: skip
    plain_frame(axes)
    _legend(axes)
    return figure


def predicted_numbers(truth: npt.ArrayLike, predicted: npt.ArrayLike, *, name: str) -> Figure:
    """Predicted against true numbers; the line is where both agree."""
    x, y = np.asarray(truth, float), np.asarray(predicted, float)
    figure = new_figure(5.0, 4.6)
    axes = figure.subplots()
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    axes.plot([low, high], [low, high], "--", color=GREY, linewidth=1, label="truthful")
    axes.scatter(x, y, s=14, color=colour(0), alpha=0.5, linewidth=0)
    axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}")
    plain_frame(axes)
    _legend(axes)
    return figure


def learning(panels: Mapping[str, Mapping[str, npt.ArrayLike]], steps: npt.ArrayLike, *,
             axis: str, kept: float | None = None) -> Figure:  # fmt: skip
    """Curves over a training, one panel a title, two panels a row."""
    n_rows = -(-len(panels) // 2)
    figure = new_figure(7.2, 0.3 + 2.5 * n_rows)
    cells = figure.subplots(n_rows, min(2, len(panels)), squeeze=False).flat
    for axes, (title, curves) in zip(cells, panels.items(), strict=False):
        for index, (name, values) in enumerate(curves.items()):
            given = np.asarray(values, float)
            mark = "o" if len(given) <= 40 else ""
            axes.plot(steps, given, _STYLES[index % 4], color=colour(index), marker=mark,
                      markersize=3, label=name)  # fmt: skip
        axes.set(title=title, xlabel=axis)
        axes.xaxis.get_major_locator().set_params(integer=True)
        plain_frame(axes)
        if kept is not None:
            axes.axvline(kept, color=GREY, linestyle="--", linewidth=1, zorder=0,
                         label=f"kept: {axis} {kept:g}")  # fmt: skip
        if len(curves) > 1 or kept is not None:
            _legend(axes)
    for axes in list(cells)[len(panels) :]:
        axes.set_visible(False)
    return figure


def band_spectra(
    frequencies: npt.ArrayLike,
    spectra: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike, int]],
    *,
    unit: str,
) -> Figure:
    """Mean log spectrum of each class, with a band of one standard deviation over subjects.

    Parameters
    ----------
    frequencies
        (F,) in Hz.
    spectra
        Of each class (F,) mean and standard deviation in dB, and the number of subjects.
    unit
        Of the signal; empty for none.
    """
    x = np.asarray(frequencies, float)
    figure = new_figure(6.4, 3.8)
    axes = figure.subplots()
    for index, (name, (mean, deviation, n)) in enumerate(spectra.items()):
        middle, spread = np.asarray(mean, float), np.asarray(deviation, float)
        axes.fill_between(x, middle - spread, middle + spread, color=colour(index), alpha=0.15,
                          linewidth=0)  # fmt: skip
        who = f"{n} subject{'s' * (n != 1)}"
        axes.plot(x, middle, _STYLES[index % 4], color=colour(index), linewidth=1.6,
                  label=f"{name} ({who})")  # fmt: skip
    of = f"{unit}²/Hz" if unit else "1/Hz"
    axes.set(xlabel="frequency (Hz)", ylabel=f"power (dB, 0 = 1 {of})", xlim=(x[0], x[-1]))
    plain_frame(axes)
    _legend(axes)
    return figure


_MOST_COLUMNS = 350
"""Of a trace; longer ones are drawn from the least to the greatest sample of each column."""


def traces(
    signal_CT: npt.NDArray[np.floating[Any]], sfreq: float, ch_names: Sequence[str],
    units: Sequence[str],
) -> Figure:  # fmt: skip
    """Signals of one window below each other; missing samples leave a gap.

    Channels of one unit share their scale, and each axis says what a step between channels is.
    """
    height = 0.8 + 0.42 * len(ch_names)
    figure = new_figure(7.2, height)
    figure.set_layout_engine("none")  # the margins are known, and it takes most of the time
    axes = figure.add_axes((0.14, 0.6 / height, 0.84, 1 - 0.65 / height))
    steps = _steps(signal_CT, units)
    for index, (row, unit) in enumerate(zip(signal_CT, units, strict=True)):
        time, values = _extremes(np.asarray(row, float), sfreq)
        middle = np.nanmedian(values) if np.isfinite(values).any() else 0.0
        axes.plot(time, (values - middle) / steps[unit] - index, color=colour(0), linewidth=0.7)
    axes.set_yticks([-index for index in range(len(ch_names))], [_short(n, 14) for n in ch_names],
                    fontsize=8)  # fmt: skip
    told = "; ".join(f"{step:.3g} {unit}".strip() for unit, step in steps.items())
    axes.set(xlabel=f"seconds; from one channel to the next: {told}",
             xlim=(0, signal_CT.shape[1] / sfreq), ylim=(0.2 - len(ch_names), 0.8))  # fmt: skip
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    return figure


def _steps(signal_CT: npt.NDArray[np.floating[Any]], units: Sequence[str]) -> dict[str, float]:
    """Of each unit, how much of it lies between two channels: 1, 2 or 5 times a power of ten."""
    steps = {}
    for unit in dict.fromkeys(units):
        rows = [np.asarray(row, float) for row, own in zip(signal_CT, units, strict=True)
                if own == unit and np.isfinite(row).any()]  # fmt: skip
        spans = [np.nanpercentile(row, 98) - np.nanpercentile(row, 2) for row in rows]
        span = float(np.median(spans)) if spans else 1.0
        power = 10.0 ** np.floor(np.log10(span)) if span > 0 else 1.0
        steps[unit] = float(next(m for m in (1, 2, 5, 10) if m * power >= span)) * power
    return steps


def _extremes(
    values: npt.NDArray[np.float64], sfreq: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Times and samples; of a long trace the least and the greatest of each column."""
    n = len(values)
    if n <= 2 * _MOST_COLUMNS:
        return np.arange(n) / sfreq, values
    size = -(-n // _MOST_COLUMNS)
    padded = np.append(values, np.full(-n % size, np.nan)).reshape(-1, size)
    known = np.isfinite(padded).any(axis=1)
    pairs = np.full((len(padded), 2), np.nan)
    pairs[known, 0] = np.nanmin(padded[known], axis=1)
    pairs[known, 1] = np.nanmax(padded[known], axis=1)
    first = np.arange(len(padded)) * size
    return np.stack((first, first + size / 2), axis=1).ravel() / sfreq, pairs.ravel()
