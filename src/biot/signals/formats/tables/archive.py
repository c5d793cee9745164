"""Recordings in NumPy archives (``.npz``)."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError
from biot.signals.formats.contained import MEGABYTES, in_the_name_of, memory_for, size_in_words
from biot.signals.formats.tables.recording import made
from biot.signals.recording import Recording

__all__ = ["read_npz"]


def read_npz(path: Path, sfreq: float | None, units: str | Sequence[str] | None) -> Recording:
    """Open a NumPy archive of ``data`` (n_chans, n_times), ``ch_names``, ``sfreq`` and ``units``.

    The last two may be given as arguments instead; empty `units` are for an archive that may not
    say them, whose channels have none then. Nothing pickled is opened.

    Raises
    ------
    RecordingError
        If an array is missing or has another shape.
    """
    needed = ("data", "ch_names", "sfreq", "units")
    with in_the_name_of(path, "NumPy archive"), np.load(path, allow_pickle=False) as archive:
        there = archive.files
        _require_sizes(path, [name for name in needed if name in there])
        arrays = {name: archive[name] for name in needed if name in there}
    given = {"sfreq": sfreq, "units": units}
    lacking = [name for name in needed if name not in arrays and given.get(name) is None]
    if lacking:
        raise RecordingError(
            f"{path.name}: lacks {', '.join(lacking)}; it has {', '.join(there)}. A recording "
            f"needs {', '.join(needed)}; otherwise use Recording.from_array."
        )
    rate = _one_number(path, "sfreq", arrays["sfreq"]) if sfreq is None else sfreq
    declared = _texts(arrays["units"]) if "units" in arrays and not units else units or ""
    data, names = arrays["data"], _texts(arrays["ch_names"])
    if data.ndim != 2 or len(data) != len(names) or data.dtype.kind not in "iuf":
        raise RecordingError(
            f"{path.name}: data must hold numbers, a row for each of the {len(names)} ch_names; "
            f"its shape is {data.shape}, its type {data.dtype}."
        )
    if not isinstance(declared, str) and len(declared) == 1:
        declared = declared[0]
    return made(path, data, names, rate, declared)


def _require_sizes(path: Path, names: list[str]) -> None:
    """Raise ``RecordingError`` where arrays take more memory than their archive's size allows.

    Zeros take a thousandth of their size there, and a header may claim anything.
    """
    most = memory_for(path.stat().st_size) // 2  # the samples are held as float32 beside
    left = most
    with zipfile.ZipFile(path) as archive:
        for name in names:
            with archive.open(f"{name}.npy") as file:
                version = np.lib.format.read_magic(file)
                header = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = header(file)
                claimed = math.prod(max(0, n) for n in shape) * dtype.itemsize
            left -= claimed
            if left < 0:
                raise RecordingError(
                    f"{path.name}: {name} of shape {shape} and type {dtype} would take "
                    f"{size_in_words(claimed)}; the arrays of an archive of "
                    f"{size_in_words(path.stat().st_size)} may take {size_in_words(most)}. If "
                    "it is sound, save it with np.savez, or set the environment variable "
                    f"{MEGABYTES} to a larger number."
                )


def _one_number(path: Path, name: str, array: npt.NDArray[Any]) -> float:
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise RecordingError(f"{path.name}: {name} must be one number, got {array.tolist()!r}.")
    return float(array.item())


def _texts(array: npt.NDArray[Any]) -> list[str]:
    return [
        text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        for text in np.atleast_1d(array).tolist()
    ]
