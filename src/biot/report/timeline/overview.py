"""The timeline as a still drawing, for where scripts do not run and for paper."""

# C channels, M columns, P points, K classes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.report.timeline.downsample import SignalStretch

__all__ = ["Overview", "overview"]

Floats = npt.NDArray[np.float64]

WIDTH = 800
_LEFT = 96
_CURVES = 110
_STRIP = 16
_LANE = 18
_COLUMNS = 240
_MOST_BOXES = 400


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Shapes that the template draws as SVG; one unit is one CSS pixel at full size."""

    height: float
    curves: list[tuple[str, int]]
    """Paths, and which class each is of."""
    boxes: list[tuple[float, float, float, int, bool]]
    """Left, top, width, colour and whether it is a reference event."""
    traces: list[str]
    """Paths of the signals."""
    texts: list[tuple[float, float, str, bool]]
    """x, y, text, and whether it ends there instead of beginning."""
    width: float = WIDTH


def overview(
    *,
    duration: float,
    times: Floats,
    values: Floats,
    limits: tuple[float, float],
    strips: Sequence[dict[str, Any]],
    ch_names: Sequence[str],
    whole: SignalStretch | None,
    ends: tuple[str, str],
) -> Overview:
    """Draw a recording from its beginning to its end.

    Parameters
    ----------
    duration
        In seconds.
    times, values
        Steps, from :func:`biot.report.timeline.data.curve_points`.
    limits
        Lowest and highest value of the plot of `values`.
    strips
        From :func:`biot.report.timeline.data.strip_of`.
    ch_names, whole
        The drawn channels and their signals; None without signals.
    ends
        What the first and the last moment are called.
    """
    scale = (WIDTH - _LEFT - 4) / duration
    texts = [(_LEFT - 6.0, 14.0, f"{limits[1]:.3g}", True)]
    texts.append((_LEFT - 6.0, float(_CURVES), f"{limits[0]:.3g}", True))
    curves = [
        (_steps(times, row, limits, scale), k)
        for k, row in enumerate(values.T)
        if np.isfinite(row).any()
    ]
    top = _CURVES + 10.0
    boxes = []
    for number, strip in enumerate(strips):
        texts.append((_LEFT, top + 11, strip["title"], False))
        top += _STRIP
        for row, label in enumerate(strip["labels"]):
            texts.append((_LEFT - 6.0, top + 11, _short(label), True))
            boxes += _boxes(strip, row, top, scale, number > 0)
            top += _STRIP
    traces = []
    if whole is not None:
        top += 6
        for name, path in zip(ch_names, _traces(whole, top, scale), strict=True):
            texts.append((_LEFT - 6.0, top + 13, _short(name), True))
            traces.append(path)
            top += _LANE
    texts.append((_LEFT, top + 16, ends[0], False))
    texts.append((WIDTH - 4.0, top + 16, ends[1], True))
    return Overview(height=top + 22, curves=curves, boxes=boxes, traces=traces, texts=texts)


def _short(text: str) -> str:
    return text if len(text) <= 12 else f"{text[:11]}…"


def _steps(times: Floats, values: Floats, limits: tuple[float, float], scale: float) -> str:
    """A path of steps; of many points, the smallest and largest of those that share a column."""
    low, high = limits
    y = 8 + (_CURVES - 12) * (1 - (values - low) / (high - low))
    x = _LEFT + times * scale
    if len(x) <= 2 * _COLUMNS:
        words, broken = [], True
        for i in range(len(x) - 1):
            if np.isnan(y[i]):
                broken = True
                continue
            words.append(f"{'M' if broken else 'L'}{x[i]:.1f} {y[i]:.1f}H{x[i + 1]:.1f}")
            broken = False
        return "".join(words)
    column = np.clip((times * scale / (WIDTH - _LEFT) * _COLUMNS).astype(int), 0, _COLUMNS - 1)
    words = []
    for place in np.unique(column):
        inside = y[column == place]
        if np.isfinite(inside).any():
            left = _LEFT + place * (WIDTH - _LEFT) / _COLUMNS
            words.append(f"M{left:.1f} {np.nanmin(inside):.1f}V{np.nanmax(inside) + 1:.1f}")
    return "".join(words)


def _boxes(
    strip: dict[str, Any], row: int, top: float, scale: float, is_reference: bool
) -> list[tuple[float, float, float, int, bool]]:
    found: list[tuple[float, float, float, int, bool]] = []
    drawn_to = 0.0
    for onset, seconds, of_row, *_ in strip["events"]:
        left = _LEFT + onset * scale
        right = left + max(seconds * scale, 1.5)
        if of_row != row or right <= drawn_to + 1 or len(found) >= _MOST_BOXES:
            continue
        found.append((left, top, right - left, strip["colours"][row], is_reference))
        drawn_to = right
    return found


def _traces(whole: SignalStretch, top: float, scale: float) -> list[str]:
    """A path a channel: a line from the smallest to the largest value of each column."""
    both = whole.decoded()
    size = max(1, -(-both.shape[1] // _COLUMNS))
    first = np.arange(0, both.shape[1], size)
    low = np.fmin.reduceat(both[..., 0], first, axis=1)
    high = np.fmax.reduceat(both[..., 1], first, axis=1)
    xs = _LEFT + (whole.start + first * whole.step) * scale
    paths = []
    for row in range(len(low)):
        known = np.isfinite(low[row])
        if not known.any():
            paths.append("")
            continue
        centre = np.median(low[row][known] + high[row][known]) / 2
        height = max(float(np.quantile((high - low)[row][known], 0.9)), 1e-12) * 1.2
        middle = top + row * _LANE + _LANE / 2
        ys = np.clip((np.stack([high[row], low[row]]) - centre) / height, -1, 1)
        ys = middle - ys * _LANE
        paths.append(
            "".join(
                f"M{x:.0f} {a:.1f}V{max(b, a + 0.8):.1f}"
                for x, a, b in zip(xs[known], ys[0][known], ys[1][known], strict=True)
            )
        )
    return paths
