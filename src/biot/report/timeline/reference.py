"""Reference events of a page, one row each, with whether the same was decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from biot.events.event import Event, Events

__all__ = ["reference_event_rows"]


def reference_event_rows(
    reference: Events | None,
    decided: Events | None,
    label_names: Sequence[str],
    clock: Callable[[float, int], str],
    most: int,
) -> list[dict[str, str]]:
    """The first `most` reference events, as they are to be read.

    An event is found where a decided one of its label overlaps it; one whose label the model does
    not know, or knows as the background, cannot be decided, and has a dash.
    """
    if reference is None:
        return []
    spans: dict[str, list[tuple[float, float]]] = {}
    for event in decided or ():
        spans.setdefault(event.label, []).append((event.onset, event.onset + event.duration))
    arrays = {label: np.array(found) for label, found in spans.items()}
    background = None if decided is None else decided.background
    can = set(label_names if decided is not None else ()) - {background}
    nothing = np.empty((0, 2))
    return [
        {
            "onset": clock(event.onset, 1),
            "seconds": _plain(event.onset),
            "duration": _plain(event.duration),
            "label": event.label,
            "found": "–" if event.label not in can
            else "found" if _overlaps(event, arrays.get(event.label, nothing)) else "missed",
        }
        for event in reference.events[:most]
    ]  # fmt: skip


def _overlaps(event: Event, spans: np.ndarray) -> bool:
    """Whether some span shares a moment with an event; one without a length is a moment."""
    begin, end = event.onset, event.onset + event.duration
    first, last = np.maximum(spans[:, 0], begin), np.minimum(spans[:, 1], end)
    moment = (event.duration == 0) | (spans[:, 0] == spans[:, 1])
    return bool(((first < last) | (moment & (first <= last))).any())


def _plain(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
