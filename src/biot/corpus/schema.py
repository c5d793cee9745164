"""One row of a corpus: its columns, and how a window of floats becomes 16-bit integers."""

# B windows, C channels, T samples
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import CorpusError, require
from biot.preprocessing import Task

__all__ = [
    "CHUNK_VALUES",
    "COLUMNS",
    "INFO_FILE",
    "LABELS_FILE",
    "MANIFEST_FILE",
    "MISSING",
    "PARTS",
    "QUARANTINE_FILE",
    "REPAIR",
    "SHARDS",
    "STATE_FILE",
    "EncodedWindows",
    "Label",
    "WindowBlock",
    "arrow_schema",
    "decode",
    "encode",
    "features",
    "record_batch",
    "shard_path",
    "staging_folder",
]


@dataclass(frozen=True)
class WindowBlock:
    """Some windows of one recording."""

    signal: npt.NDArray[np.floating[Any]]
    """(n_windows, n_chans, n_times) in physical units, NaN where missing."""
    starts: list[float]
    """Seconds from the recording's first sample to each window's."""
    labels: Sequence[Label | None]


CHUNK_VALUES = 2**21
"""Samples, of all channels together, to encode at a time: 8 MB of float32."""


STATE_FILE = "state.json"


INFO_FILE = "dataset_info.json"


MANIFEST_FILE = "manifest.json"


LABELS_FILE = "labels.tsv"
"""The labels that a layout gave."""


SHARDS = "shards"


PARTS = ("train", "valid", "test")
"""What a corpus is divided into."""


Label = str | tuple[Any, ...]
"""A class; or a class for each label column, the tags that hold, or a number for each target."""


QUARANTINE_FILE = "quarantine.tsv"


REPAIR = "The same `biot prepare` repairs it; `biot info CORPUS --check` shows the command."
"""What messages about damage end with."""


Floats = npt.NDArray[np.floating[Any]]


MISSING = -32768
"""The integer that stands for a missing sample."""


LARGEST = 32767


COLUMNS: dict[str, str] = {
    "signal": "large_binary",  # int16 little-endian, C order (n_chans, n_times)
    "n_times": "int32",
    "scale": "list<float32>",  # physical = digital * scale + offset, one pair a channel
    "offset": "list<float32>",
    "q95": "list<float32>",  # of the physical signal, before it was rounded to integers
    "ch_names": "list<string>",
    "units": "list<string>",
    "sfreq": "float64",
    "subject": "string",
    "recording": "string",
    "start": "float64",  # seconds from the recording's first sample
    "label": "string",  # class of the first label column; null without one
    "labels": "list<string>",  # the tags; or a class for each of several label columns
    "targets": "list<float64>",  # of a regression; null without
}
"""Columns of a row and their types, in the order of the Arrow schema."""


@dataclass(frozen=True, kw_only=True)
class EncodedWindows:
    """Windows of one recording as integers: physical = digital · scale + offset."""

    digital: npt.NDArray[np.int16]
    """(B, C, T); :data:`MISSING` where nothing was recorded."""
    scale: npt.NDArray[np.float32]
    """(B, C)"""
    offset: npt.NDArray[np.float32]
    """(B, C)"""


def staging_folder(out: Path) -> Path:
    """The hidden folder beside a corpus in which it is made; a link to `out` is followed."""
    final = out.resolve()
    return final.with_name(f".{final.name}.partial")


def encode(physical: Floats) -> EncodedWindows:
    """Round windows to 16-bit integers, each channel of each window over its own range.

    A channel's values differ from the decoded ones by at most half its ``scale``, that is by
    1/131,068 of its peak-to-peak value (plus the rounding of float32 numbers of that size).

    Parameters
    ----------
    physical
        (B, C, T) windows in physical units; NaN where nothing was recorded.
    """
    values = np.asarray(physical)
    lowest = np.fmin.reduce(values, axis=-1).astype(np.float64)
    highest = np.fmax.reduce(values, axis=-1).astype(np.float64)
    empty = np.isnan(lowest)
    lowest[empty] = highest[empty] = 0.0
    offset = (lowest / 2 + highest / 2).astype(np.float32)
    # Both factors are rounded to float32 before they are used, so the decoder sees the same ones;
    # the reach is measured from the rounded offset, so no value falls outside the integers.
    reach = np.maximum(highest - offset, offset - lowest) / LARGEST
    scale = np.nextafter(reach.astype(np.float32), np.float32(np.inf))
    scale = np.where(reach > 0, np.maximum(scale, np.finfo(np.float32).tiny), np.float32(1))
    digital = np.empty(values.shape, np.int16)
    for i, window in enumerate(values):  # one at a time stays in the processor's cache
        steps = window - offset[i, :, None].astype(np.float64)
        steps /= scale[i, :, None]
        np.rint(steps, out=steps)
        missing = np.isnan(window)
        if missing.any():
            steps[missing] = MISSING
        digital[i] = steps
    return EncodedWindows(digital=digital, scale=scale, offset=offset)


def decode(
    digital: npt.NDArray[np.int16], scale: npt.ArrayLike, offset: npt.ArrayLike
) -> npt.NDArray[np.float32]:
    """The inverse of :func:`encode`: (..., C, T) float32 in physical units, NaN where missing."""
    physical = digital.astype(np.float32)
    physical *= np.asarray(scale, dtype=np.float32)[..., None]
    physical += np.asarray(offset, dtype=np.float32)[..., None]
    if digital.min(initial=0) == MISSING:
        physical[digital == MISSING] = np.nan
    return physical


def features() -> dict[str, Any]:
    """The columns as `datasets` writes them in ``dataset_info.json``."""

    def describe(kind: str) -> dict[str, Any]:
        if kind.startswith("list<"):
            # "Sequence" is what every release of `datasets` since 3.0 reads as a list.
            return {"feature": describe(kind[5:-1]), "_type": "Sequence"}
        return {"dtype": kind, "_type": "Value"}

    return {name: describe(kind) for name, kind in COLUMNS.items()}


def arrow_schema() -> Any:
    """The columns as a ``pyarrow.Schema`` that carries the features for `datasets`."""
    pa = require("pyarrow", extra="corpus")
    types = {
        "large_binary": pa.large_binary(),
        "string": pa.string(),
        "int32": pa.int32(),
        "float64": pa.float64(),
        "list<float32>": pa.list_(pa.float32()),
        "list<float64>": pa.list_(pa.float64()),
        "list<string>": pa.list_(pa.string()),
    }
    info = json.dumps({"info": {"features": features()}})
    fields = [pa.field(name, types[kind]) for name, kind in COLUMNS.items()]
    return pa.schema(fields, metadata={"huggingface": info})


def record_batch(
    windows: EncodedWindows,
    *,
    q95: npt.NDArray[np.floating[Any]],
    ch_names: tuple[str, ...],
    units: tuple[str, ...],
    sfreq: float,
    subject: str,
    recording: str,
    starts: list[float],
    labels: Sequence[Label | None],
    task: Task = "classes",
) -> Any:
    """Windows of one recording as a ``pyarrow.RecordBatch`` of :func:`arrow_schema`.

    ``q95`` is (B, C); ``starts``, in seconds, and ``labels`` have one entry a window.
    """
    pa = require("pyarrow", extra="corpus")
    n_windows, n_chans, n_times = windows.digital.shape
    samples = np.ascontiguousarray(windows.digital, dtype="<i2")
    ends = np.arange(n_windows + 1, dtype=np.int64) * (n_chans * n_times * samples.itemsize)
    signal = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), n_windows, [None, pa.py_buffer(ends), pa.py_buffer(samples)]
    )
    list_ends = pa.array(np.arange(n_windows + 1, dtype=np.int32) * n_chans)

    def per_channel(values: npt.NDArray[np.floating[Any]]) -> Any:
        return pa.ListArray.from_arrays(list_ends, pa.array(values.astype(np.float32).ravel()))

    columns = {
        "signal": signal,
        "n_times": pa.array([n_times] * n_windows, pa.int32()),
        "scale": per_channel(windows.scale),
        "offset": per_channel(windows.offset),
        "q95": per_channel(q95),
        "ch_names": pa.ListArray.from_arrays(list_ends, pa.array(ch_names * n_windows)),
        "units": pa.ListArray.from_arrays(list_ends, pa.array(units * n_windows)),
        "sfreq": pa.array([sfreq] * n_windows, pa.float64()),
        "subject": pa.array([subject] * n_windows, pa.string()),
        "recording": pa.array([recording] * n_windows, pa.string()),
        "start": pa.array(starts, pa.float64()),
        **_label_columns(labels, task),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in COLUMNS], schema=arrow_schema())


def _label_columns(labels: Sequence[Label | None], task: Task) -> dict[str, Any]:
    """The columns ``label``, ``labels`` and ``targets``."""
    pa = require("pyarrow", extra="corpus")
    nothing = [None] * len(labels)
    first = [label[0] if isinstance(label, tuple) and label else label for label in labels]
    lists = [list(label) if isinstance(label, tuple) else None for label in labels]
    return {
        "label": pa.array(first if task == "classes" else nothing, pa.string()),
        "labels": pa.array(nothing if task == "regression" else lists, pa.list_(pa.string())),
        "targets": pa.array(lists if task == "regression" else nothing, pa.list_(pa.float64())),
    }


def shard_path(folder: Path, name: object) -> Path:
    """Where a shard lies that a file of the corpus names.

    Raises
    ------
    CorpusError
        If it is not a file in the corpus' own folder of shards: nothing else is read or deleted.
    """
    parts = name.split("/") if isinstance(name, str) else []
    plain = len(parts) == 2 and parts[0] == SHARDS and not re.search(r"[\\:\0]", parts[1])
    if not plain or parts[1] in ("", ".", ".."):
        raise CorpusError(
            f"{folder}: state.json or manifest.json names the shard {name!r}, but shards of a "
            f"corpus are files in its folder {SHARDS}. The corpus is damaged or not to be trusted; "
            "prepare it again elsewhere."
        )
    path = folder / SHARDS / parts[1]
    if path.is_symlink() or path.parent.is_symlink():
        raise CorpusError(
            f"{path}: is a link to a place outside the corpus. Put the files themselves there."
        )
    return path
