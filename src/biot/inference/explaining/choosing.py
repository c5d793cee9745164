"""Which window is explained: the one that holds a moment, begins at it, or shows an event best."""

# R windows

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

import numpy as np

from biot.errors import ConfigError, RecordingError
from biot.events.event import Event
from biot.inference.explaining.occlusion import Floats
from biot.inference.windows import ModelWindows
from biot.preprocessing import Preprocessing
from biot.signals.grid import nearest

__all__ = ["Place", "place_at", "place_from", "surest_place"]

Place = tuple[int, int]
"""First sample of a window, and the one after its last that is recorded, at the model's rate."""


def place_at(at: float, windows: ModelWindows, contract: Preprocessing, step: float) -> Place:
    """The window of the prediction's grid that holds a moment; of several, the one about it.

    Raises
    ------
    ConfigError
        If the moment lies outside the recording, or between windows.
    """
    _require_inside("at", at, windows)
    position = at * contract.sfreq
    places = windows.places(step)
    holding = [place for place in places if place[0] <= position < place[1]]
    if not holding and position >= places[-1][0]:
        holding = places[-1:]  # the very end, or what rounding leaves of it
    if not holding:
        raise ConfigError(
            f"at={at:g} lies in none of the windows of {contract.window:g} s, which begin "
            f"{step / contract.sfreq:g} s apart. Give a shorter stride, or another time."
        )
    middle = contract.n_times / 2
    return min(holding, key=lambda place: abs(place[0] + middle - position))


def place_from(start: float, windows: ModelWindows, contract: Preprocessing) -> Place:
    """The window that begins at a moment, to the nearest sample.

    Raises
    ------
    ConfigError
        If the moment lies outside the recording.
    """
    _require_inside("start", start, windows)
    segments = windows.segments()
    first = min(nearest(start * contract.sfreq), segments[-1][1] - 1)
    stop = next((stop for begin, stop in segments if begin <= first < stop), segments[-1][1])
    return first, min(first + contract.n_times, stop)


def surest_place(
    event: Event,
    windows: ModelWindows,
    contract: Preprocessing,
    step: float,
    probabilities: Callable[[Sequence[Place]], Floats],
) -> Place:
    """The window that shares time with an event in which its label is most probable.

    Raises
    ------
    ConfigError
        If the model does not know the label, or no window shares time with the event.
    RecordingError
        If none of these windows holds usable data.
    """
    names = contract.label_names or ()
    if contract.task == "regression" or event.label not in names:
        raise ConfigError(f"The model says nothing of {event.label!r}, the label of the event.")
    begin, end = event.onset * contract.sfreq, event.stop * contract.sfreq
    shared = [
        place
        for place in windows.places(step)
        if (place[0] < end and place[1] > begin) or place[0] <= begin < place[1]
    ]
    where = f"{event.onset:g} to {event.stop:g} s"
    if not shared:
        raise ConfigError(f"No window shares time with the event of {where}.")
    found = probabilities(shared)[:, names.index(event.label)]
    if not np.isfinite(found).any():
        raise RecordingError(
            f"{windows.recording.name}: nothing usable was recorded in the event of {where}."
        )
    return shared[int(np.nanargmax(found))]


def _require_inside(name: str, seconds: float, windows: ModelWindows) -> None:
    duration = windows.recording.duration
    if not (isfinite(seconds) and 0 <= seconds <= duration):
        raise ConfigError(
            f"{name}={seconds:g} lies outside the recording {windows.recording.name}, which lasts "
            f"from 0 to {duration:g} s."
        )
