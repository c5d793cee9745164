"""Cutting one recording into windows with labels."""

# C channels, T samples of a window

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from biot.corpus.labels import Event, event_starts, grid_labels, grid_starts
from biot.corpus.writer import CHUNK_VALUES, Windows
from biot.errors import RecordingError
from biot.signals.recording import Recording

__all__ = ["Align", "Windowing", "cut"]

Align = Literal["grid", "events"]
_Place = tuple[int, str | None]  # first sample of a window, and its label


@dataclass(frozen=True, kw_only=True)
class Windowing:
    """How recordings are cut; lengths in samples at the rate of the corpus."""

    n_times: int
    """Samples of a window."""
    step: float
    """From one window's start to the next; starts are rounded to whole samples."""
    align: Align
    """``"grid"``: from the recording's start on; ``"events"``: from each event's start on."""
    labelled: bool
    """Whether windows without a label are left out; else labels are not looked at."""
    background: str | None
    """Label of the windows that would have none; they are kept then."""


def cut(
    recording: Recording, events: list[Event], how: Windowing, left_out: Counter[str]
) -> Iterator[Windows]:
    """The windows of a recording that are worth keeping, some at a time, in order of start.

    Parameters
    ----------
    recording
        At the rate of the corpus.
    events
        Sorted, in samples at that rate.
    left_out
        Counts by reason what is left out.
    """
    find = _on_grid if how.align == "grid" else _on_events
    for group in _groups(find(recording, events, how, left_out), how, len(recording.ch_names)):
        first = group[0][0]
        try:
            block = recording.read(first, group[-1][0] + how.n_times)
        except OSError as error:
            raise RecordingError(f"{recording.name}: {error.strerror or error}.") from error
        windows = np.stack([block[:, s - first : s - first + how.n_times] for s, _ in group])
        usable = np.count_nonzero(~np.isnan(windows), axis=(1, 2)) > 0
        if not usable.all():
            left_out["windows without any sample"] += int((~usable).sum())
        kept = [place for place, good in zip(group, usable, strict=True) if good]
        if kept:
            starts = [start / recording.sfreq for start, _ in kept]
            yield Windows(windows[usable], starts, [label for _, label in kept])


def _on_grid(
    recording: Recording, events: list[Event], how: Windowing, left_out: Counter[str]
) -> Iterable[_Place]:
    starts = [
        first + start  # windows keep within a segment
        for first, stop in recording.segments
        for start in grid_starts(stop - first, how.n_times, how.step)
    ]
    if not starts:
        left_out["recordings shorter than a window"] += 1
    if not how.labelled:
        return [(start, None) for start in starts]
    labels = [label or how.background for label in grid_labels(starts, how.n_times, events)]
    unlabelled = labels.count(None)
    if unlabelled:
        left_out["windows without a label"] += unlabelled
    return [place for place in zip(starts, labels, strict=True) if place[1] is not None]


def _on_events(
    recording: Recording, events: list[Event], how: Windowing, left_out: Counter[str]
) -> Iterable[_Place]:
    segments = recording.segments
    places: list[_Place] = []
    for event in events:
        segment = bisect.bisect_right(recording.starts, event.start) - 1
        last = segments[segment][1] - how.n_times
        if not 0 <= event.start <= last:
            left_out["events without room for a window"] += 1
            continue
        starts = event_starts(event, how.n_times, how.step)
        places.extend((start, event.label) for start in starts if start <= last)
    return sorted(places, key=lambda place: place[0])


def _groups(places: Iterable[_Place], how: Windowing, n_chans: int) -> Iterator[list[_Place]]:
    """Neighbouring windows, as many as are read and encoded at a time."""
    most = max(how.n_times, CHUNK_VALUES // n_chans)
    group: list[_Place] = []
    for place in places:
        too_many = (len(group) + 1) * how.n_times > most
        if group and (too_many or place[0] + how.n_times - group[0][0] > most):
            yield group
            group = []
        group.append(place)
    if group:
        yield group
