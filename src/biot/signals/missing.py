"""Which stretches of a recording are missing data because an annotation says so."""

from __future__ import annotations

import re
from dataclasses import replace
from math import ceil, floor

import numpy as np

from biot.errors import RecordingError
from biot.signals.recording import Annotation, Array, Recording

__all__ = ["is_missing", "without_bad_spans"]

# MNE's marks for spoilt data: BAD, BAD_blink, bad segment, EDGE boundary; but not Badminton.
_MISSING = re.compile(r"(?:BAD|EDGE)(?![A-Z])", re.IGNORECASE)


def is_missing(annotation: Annotation) -> bool:
    """Whether an annotation marks missing data (``BAD…``, ``EDGE…``); it is never a label then."""
    return _MISSING.match(annotation.label) is not None


def without_bad_spans(recording: Recording) -> Recording:
    """The same recording with NaN where an annotation says ``BAD…`` or ``EDGE…``.

    Such an instant covers one sample. Reading an infinite value raises ``RecordingError``.
    """
    spans = []
    for bad in filter(is_missing, recording.annotations):
        first = floor(bad.onset * recording.sfreq)
        last = ceil((bad.onset + bad.duration) * recording.sfreq)
        spans.append((first, max(last, first + 1)))

    def read_samples(start: int, stop: int) -> Array:
        data = recording.read(start, stop)
        if np.isinf(data).any():
            channel = recording.ch_names[int(np.isinf(data).any(axis=1).argmax())]
            raise RecordingError(f"{recording.name}: channel {channel} holds an infinite value.")
        here = [span for span in spans if span[0] < stop and span[1] > start]
        if here:
            data = np.array(data)  # the reader may keep its own
        for first, last in here:
            data[:, max(first - start, 0) : last - start] = np.nan
        return data

    return replace(recording, read_samples=read_samples)
