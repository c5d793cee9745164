"""Events as ``mne.Annotations``: ``_annot.fif`` and ``_annot.csv``."""

from __future__ import annotations

import struct
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, require
from biot.events.files.contents import FoundEvents, in_order, label_of
from biot.io import atomic_file

__all__ = ["annotations_of", "write_mne"]

_STARTS, _STOPS = 3568, 3569
"""Tags that MNE writes the times of annotations under: FIFF_MNE_BASELINE_MIN and …_MAX."""
_DOUBLE = 5
_DECIMALS = 6


def write_mne(events: FoundEvents, path: str | Path) -> list[Path]:
    """Write ``X_annot.fif`` and ``X_annot.csv``, as ``mne.read_annotations`` reads them.

    Raises
    ------
    MissingDependencyError
        If MNE is not installed.
    """
    path = Path(path)
    if path.suffix not in (".fif", ".csv"):
        raise ConfigError(f"{path.name}: annotations of MNE end in _annot.fif or _annot.csv.")
    annotations = annotations_of(events)
    times = np.asarray(annotations.onset, dtype=np.float64)
    with TemporaryDirectory() as folder:
        made = Path(folder, f"x_annot{path.suffix}")
        annotations.save(made, verbose="ERROR")
        content = made.read_bytes()
    if path.suffix == ".fif":
        stops = times + np.asarray(annotations.duration, dtype=np.float64)
        content = _in_double(content, {_STARTS: times, _STOPS: stops})
    with atomic_file(path) as partial:
        partial.write_bytes(content)
    return [path]


def annotations_of(events: FoundEvents) -> Any:
    """An ``mne.Annotations`` object; its ``orig_time`` is the recording's start where known.

    MNE counts in UTC: a start without a time zone is taken for it, as MNE does.
    """
    mne = require("mne", extra="signals")
    found = in_order(events)
    start = events.meas_date
    if start is not None:
        start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
    return mne.Annotations(
        onset=[round(event.onset, _DECIMALS) for event in found],
        duration=[round(event.duration, _DECIMALS) for event in found],
        description=[label_of(event).replace("{COLON}", ":") for event in found],
        orig_time=start,
        ch_names=[event.channels for event in found] if found else None,
    )


def _in_double(content: bytes, values: dict[int, npt.NDArray[np.float64]]) -> bytes:
    """The file with some of its numbers in 64 bits.

    MNE writes 32, which after 18 hours are 4 ms apart, and reads either. A tag is four integers,
    kind, type, size and place of the next, and its data; in such a file they follow each other.
    """
    out, place = bytearray(), 0
    while place < len(content):
        kind, of_type, size, following = struct.unpack_from(">4i", content, place)
        data = content[place + 16 : place + 16 + size]
        if kind in values and len(values[kind]):
            of_type, data = _DOUBLE, values[kind].astype(">f8").tobytes()
        out += struct.pack(">4i", kind, of_type, len(data), following) + data
        place += 16 + size
    return bytes(out)
