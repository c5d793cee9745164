"""`from_braindecode`: the windows of braindecode's data sets in memory, as recordings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from biot.errors import RecordingError
from biot.signals.formats.mne import from_mne, units_of
from biot.signals.recording import Annotation, Array, Recording
from biot.signals.units import tell_of_amplitudes

__all__ = [
    "from_braindecode",
]


def from_braindecode(dataset: Any) -> list[tuple[dict[str, Any], Recording]]:
    """The recordings of a braindecode data set, each with its description (subject, session, …).

    Every window is a segment, annotated with its target. Windows are fetched from the data set,
    its transform included, when they are asked for; its numbers are taken as MNE's are, voltages
    in volts. Recordings that were not cut into windows are taken as they are.

    Parameters
    ----------
    dataset
        A ``BaseConcatDataset``, or one of its parts: a ``WindowsDataset``, an
        ``EEGWindowsDataset`` or a ``RawDataset``.

    Raises
    ------
    RecordingError
        If it is none, holds no window, or its targets are channels.
    """
    return [
        (dict(part.description), _recording(part))
        for part in getattr(dataset, "datasets", [dataset])
        if _is_one(part)
    ]


def _is_one(part: Any) -> bool:
    if not hasattr(part, "description") or not (hasattr(part, "raw") or hasattr(part, "windows")):
        raise RecordingError(
            f"from_braindecode takes data sets of recordings, got {type(part).__name__}. "
            "Use from_mne for MNE objects, Recording.from_array for arrays."
        )
    return True


def _recording(part: Any) -> Recording:
    holder = part.windows if hasattr(part, "windows") else part.raw
    if not hasattr(part, "crop_inds"):
        return from_mne(holder)
    if getattr(part, "targets_from", "metadata") != "metadata":
        raise RecordingError(
            "from_braindecode: the targets are channels of the signal, which has no labels. "
            "Give a data set whose targets are in its metadata."
        )
    if not len(part):
        raise RecordingError("from_braindecode: a recording of the data set holds no window.")
    units = units_of(holder)
    factors = np.array([factor for factor, _ in units])[:, np.newaxis]
    length = int(np.asarray(part[0][0]).shape[-1])
    sfreq = float(holder.info["sfreq"])

    def read_samples(start: int, stop: int) -> Array:
        first, last = start // length, -(-stop // length)
        windows = [_window(part, i, (len(units), length)) for i in range(first, last)]
        if not windows:
            return np.empty((len(units), 0), dtype=np.float32)
        joined = np.concatenate(windows, axis=1) * factors
        asked = joined[:, start - first * length : stop - first * length]
        return np.asarray(asked, dtype=np.float32)

    return tell_of_amplitudes(
        Recording(
            path=None,
            ch_names=tuple(holder.ch_names),
            sfreq=sfreq,
            n_times=len(part) * length,
            units=tuple(unit for _, unit in units),
            annotations=tuple(
                Annotation(i * length / sfreq, length / sfreq, str(target))
                for i, target in enumerate(part.y)
            ),
            starts=tuple(range(0, len(part) * length, length)),
            meas_date=_start(part, sfreq),
            read_samples=read_samples,
        )
    )


def _start(part: Any, sfreq: float) -> datetime | None:
    """When the first window began, where its place in a continuous recording is known."""
    start: datetime | None = part.raw.info["meas_date"] if hasattr(part, "raw") else None
    if start is None:
        return None
    first = int(part.crop_inds[0][1])  # of each window: which of its trial, first sample, end
    return start + timedelta(seconds=float(part.raw.first_time) + first / sfreq)


def _window(part: Any, index: int, shape: tuple[int, int]) -> Any:
    window = np.asarray(part[index][0])
    if window.shape != shape:
        raise RecordingError(
            f"from_braindecode: window {index} has the shape {window.shape}, where the first one "
            f"and the channel names announce {shape}. Cut windows of one length."
        )
    return window
