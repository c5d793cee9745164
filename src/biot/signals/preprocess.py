"""`preprocessed`: what every recording goes through before it is cut into windows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor

import numpy as np

from biot.errors import RecordingError
from biot.preprocessing import Preprocessing
from biot.signals.filters import filtered
from biot.signals.flat import without_flat
from biot.signals.recording import Annotation, Array, Recording
from biot.signals.reference import rereferenced
from biot.signals.resampling import resampled

__all__ = [
    "is_missing",
    "preprocessed",
    "without_bad_spans",
]

# MNE's marks for spoilt data: BAD, BAD_blink, bad segment, EDGE boundary; but not Badminton.
_MISSING = re.compile(r"(?:BAD|EDGE)(?![A-Z])", re.IGNORECASE)


def is_missing(annotation: Annotation) -> bool:
    """Whether an annotation marks missing data (``BAD…``, ``EDGE…``); it is never a label then.

    Only those of the column ``label`` do: what a table says of its samples is a label.
    """
    return annotation.column == "label" and _MISSING.match(annotation.label) is not None


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


def preprocessed(
    recording: Recording, contract: Preprocessing, rows: Sequence[int] | None = None
) -> Recording:
    """Flat and bad stretches made missing, then re-referenced, filtered and resampled, lazily.

    Preparation and prediction both come through here, so they cannot differ.

    Parameters
    ----------
    recording
        As it was read.
    contract
        Says the rate and how to come to it, the filters, the reference, and whether flat channels
        stay; see :func:`biot.signals.filtered`, :mod:`biot.signals.resampling`,
        :mod:`biot.signals.reference`, :mod:`biot.signals.flat`.
    rows
        The channels to keep, by their positions; None: all. The others take part in the reference.

    Raises
    ------
    RecordingError
        If the reference is a channel that the recording does not have.
    ConfigError
        If a frequency does not lie below half the recording's rate, or the rate cannot be reached.
    """
    if rows is not None and contract.reference == "none":
        recording, rows = recording.pick(rows), None  # the others need not be looked at
    clean = without_bad_spans(recording if contract.keep_flat else without_flat(recording))
    against = rereferenced(clean, contract.reference)
    if rows is not None:
        against = against.pick(rows)
    smooth = filtered(
        against, l_freq=contract.l_freq, h_freq=contract.h_freq, notch=contract.notch,
        causal=contract.causal,
    )  # fmt: skip
    return resampled(smooth, contract.sfreq, method=contract.resample)
