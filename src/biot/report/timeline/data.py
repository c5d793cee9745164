"""What the timeline of a page holds: probabilities, events and signals, as JSON."""

# R windows, K classes, P points of a curve

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import visible
from biot.events.event import Event, Events
from biot.inference.predictions import Predictions
from biot.report.timeline.downsample import SignalStretch, base64_of, encode
from biot.signals.channels import kind
from biot.signals.recording import Recording

__all__ = ["curve_points", "rows_of", "strip_of", "timeline_data", "to_json"]

Floats = npt.NDArray[np.float64]

CURVE_BYTES = 3 * 2**19
"""Of all probabilities; with more windows than fit, several share a point."""
MOST_ROWS = 12
"""Labels that have a row of their own in a strip; rarer ones share one."""
MOST_CURVES = 8
"""Classes that are drawn at first; the legend shows the others."""


def to_json(values: Any) -> str:
    """JSON that may stand in a ``<script>``: no ``<`` in it, and nothing but ASCII."""
    return json.dumps(values, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def timeline_data(
    predictions: Predictions,
    *,
    duration: float,
    meas_date: datetime | None,
    strips: Sequence[dict[str, Any]],
    channels: Recording | None,
    stretches: Sequence[SignalStretch],
) -> dict[str, Any]:
    """All that the page's script draws, as plain values for JSON.

    Parameters
    ----------
    predictions
        Of the recording.
    duration
        Of the recording, in seconds.
    meas_date
        When its first sample was recorded; None: times are counted from there.
    strips
        From :func:`strip_of`: first the decided events, then the reference.
    channels
        The recording with the drawn channels only; None without signals.
    stretches
        Of the drawn channels: the whole recording, then its details.
    """
    signals = None
    if channels is not None and stretches:
        signals = {
            "channels": _channels(channels),
            "stretches": [stretch.to_dict() for stretch in stretches],
        }
    return {
        "duration": duration,
        "clock": _clock(meas_date),
        "breaks": list(predictions.breaks),
        "window": float(np.median(predictions.stop - predictions.start)) if len(predictions) else 1,
        "task": predictions.task,
        "probability": _curves(predictions),
        "strips": list(strips),
        "signals": signals,
    }


def _clock(meas_date: datetime | None) -> list[int] | None:
    """Year, month from 0 on, day, hour, minute, second, millisecond, as JavaScript counts."""
    if meas_date is None:
        return None
    d = meas_date
    return [d.year, d.month - 1, d.day, d.hour, d.minute, d.second, d.microsecond // 1000]


def _channels(recording: Recording) -> list[dict[str, str]]:
    """Name, unit and kind of each channel; those of one group are drawn at one scale."""
    found = []
    for name, unit in zip(recording.ch_names, recording.units, strict=True):
        of = kind(name)
        shown = "" if of == "other" else of.upper() if of in ("eeg", "ecg", "eog", "emg") else of
        found.append(
            {"name": visible(name), "unit": visible(unit), "kind": shown, "group": f"{of} {unit}"}
        )
    return found


def _curves(predictions: Predictions) -> dict[str, Any]:
    times, values = curve_points(predictions)
    middle, unit, codes = encode(values.T.astype(np.float32), 16, pairs=False)
    stretch = SignalStretch(
        start=0.0, step=1.0, per_column=1, bits=16, middle=middle, unit=unit, codes=codes
    )
    limits = predictions.decision.limits(len(predictions.label_names))
    thresholds: list[float | None] = [None] * len(predictions.label_names)
    if limits is not None and predictions.task == "classes":
        thresholds[1] = limits[0]
    elif limits is not None:
        thresholds = list(limits)
    highest = np.nan_to_num(np.nanmax(np.vstack([values, np.zeros(values.shape[1])]), axis=0))
    first = set(np.argsort(-highest, kind="stable")[:MOST_CURVES].tolist())
    return {
        "labels": [
            {"name": visible(name), "threshold": limit, "shown": k in first}
            for k, (name, limit) in enumerate(zip(predictions.label_names, thresholds, strict=True))
        ],
        "times": base64_of(times, "<f8"),
        "values": stretch.to_dict(),
        "range": _range(predictions, values),
    }


def _range(predictions: Predictions, values: Floats) -> list[float]:
    """Bottom and top of the plot."""
    if predictions.task != "regression" or not np.isfinite(values).any():
        return [0.0, 1.0]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.05 * (high - low) or 1.0
    return [low - room, high + room]


def curve_points(predictions: Predictions, *, budget: int = CURVE_BYTES) -> tuple[Floats, Floats]:
    """Steps: a value holds from its time to that of the next.

    Where windows overlap, they share the overlap half and half. Where more of them were predicted
    than the budget allows, so many in succession give two points, their smallest and their largest
    probability.

    Returns
    -------
    times
        (P,) seconds.
    values
        (P, K) probabilities; NaN where nothing is known, so also at the end.
    """
    if not len(predictions):
        return np.zeros(1), np.full((1, len(predictions.label_names)), np.nan)
    begin, end = predictions.shares
    usable = predictions.usable[:, None]
    values = np.where(usable, predictions.probabilities, np.nan)
    most = max(1000, budget // (8 + 2 * values.shape[1]))
    if 2 * len(values) > most and len(values) > most:
        begin, end, values = _grouped(begin, end, values, ceil(2 * len(values) / most))
    broken = np.append(begin[1:] - end[:-1] > 1e-6, True)
    places = np.flatnonzero(broken) + 1
    times = np.insert(begin, places, end[broken])
    return times, np.insert(values, places, np.nan, axis=0)


def _grouped(
    begin: Floats, end: Floats, values: Floats, size: int
) -> tuple[Floats, Floats, Floats]:
    """Smallest and largest of so many windows in succession, in two points."""
    first = np.arange(0, len(values), size)
    last = np.minimum(first + size, len(values)) - 1
    low, high = np.fmin.reduceat(values, first, axis=0), np.fmax.reduceat(values, first, axis=0)
    half = (begin[first] + end[last]) / 2
    times = np.stack([begin[first], half], axis=1).ravel()
    stops = np.stack([half, end[last]], axis=1).ravel()
    return times, stops, np.stack([low, high], axis=1).reshape(-1, values.shape[1])


def rows_of(events: Events) -> list[str]:
    """Labels of a strip in the order of its rows: the model's names, then others by frequency."""
    found = Counter(event.label for event in events)
    known = [name for name in events.label_names if name in found]
    return known + [label for label, _ in found.most_common() if label not in known]


def strip_of(events: Events, title: str, label_names: Sequence[str]) -> dict[str, Any]:
    """Events for the page: a row a label; beyond so many rows, the rarer labels share one.

    Parameters
    ----------
    events
        Of one source.
    title
        What they are.
    label_names
        Of the model: a label that it knows has its colour.
    """
    rows = rows_of(events)
    kept = rows
    if len(rows) > MOST_ROWS:
        often = {label for label, _ in _frequent(events)[: MOST_ROWS - 1]}
        kept = [label for label in rows if label in often]
    place = {label: i for i, label in enumerate(kept)}
    others = [f"{len(rows) - len(kept)} other labels"] if len(kept) < len(rows) else []
    colours = {name: k for k, name in enumerate(label_names)}
    return {
        "title": title,
        "labels": [visible(label) for label in kept] + others,
        "colours": [
            colours.get(label, len(colours) + i) for i, label in enumerate([*kept, *others])
        ],
        "events": [_plain(event, place.get(event.label, len(kept)), place) for event in events],
    }


def _frequent(events: Events) -> list[tuple[str, int]]:
    return Counter(event.label for event in events).most_common()


def _plain(event: Event, row: int, place: dict[str, int]) -> list[Any]:
    values: list[Any] = [round(event.onset, 4), round(event.duration, 4), row]
    if event.label not in place:
        return [*values, visible(event.label)]
    return values
