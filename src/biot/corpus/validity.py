"""Whether the columns of a shard are those of a corpus, before a number of it is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from biot.corpus.schema import COLUMNS, REPAIR, arrow_schema
from biot.errors import CorpusError, require

__all__ = ["require_sound_columns"]

_PER_CHANNEL = ("scale", "offset", "q95", "units", "ch_names")
_MAY_BE_EMPTY = ("label", "labels", "targets")
_FINITE = ("scale", "offset", "start", "targets")


def require_sound_columns(path: Path, table: Any) -> None:
    """Check types, lengths and missing entries of every column, and that texts are UTF-8.

    Parameters
    ----------
    path
        The shard, for messages.
    table
        A ``pyarrow.Table`` with all columns of a corpus.

    Raises
    ------
    CorpusError
        If a column is not as `biot.corpus.schema` says; the message names the shard and the column.
    """
    pa = require("pyarrow", extra="corpus")
    if table.schema.names != list(COLUMNS):
        raise CorpusError(
            f"{path} has the columns {', '.join(table.schema.names)[:200]}; "
            f"a corpus has {', '.join(COLUMNS)}. {REPAIR}"
        )
    try:
        table.validate(full=True)  # offsets within the file, texts of UTF-8
    except pa.ArrowException as error:
        raise CorpusError(f"{path}: damaged ({' '.join(str(error).split())}). {REPAIR}") from error
    for field in arrow_schema():
        found = table.schema.field(field.name).type
        if found != field.type:
            raise _wrong(path, field.name, f"is of {found}, not of {field.type}")
    for name in COLUMNS:
        if name not in _MAY_BE_EMPTY and table.column(name).null_count:
            raise _wrong(path, name, "lacks the entry of a window")
        is_list = str(table.schema.field(name).type).startswith("list<")
        if is_list and any(chunk.flatten().null_count for chunk in table.column(name).chunks):
            raise _wrong(path, name, "holds a list that lacks an entry")
    _require_lengths(path, table)


def _require_lengths(path: Path, table: Any) -> None:
    compute = require("pyarrow.compute", extra="corpus")
    lengths = {
        name: compute.list_value_length(table.column(name)).to_numpy() for name in _PER_CHANNEL
    }
    n_chans = lengths["ch_names"]
    for name in _PER_CHANNEL:
        if (lengths[name] != n_chans).any():
            raise _wrong(path, name, "has not one entry a channel")
    n_times = table.column("n_times").to_numpy().astype(np.int64)
    if (n_chans < 1).any() or (n_times < 1).any():
        name = "n_times" if (n_times < 1).any() else "ch_names"
        raise _wrong(path, name, "says that a window is empty")
    n_bytes = compute.binary_length(table.column("signal")).to_numpy()
    if (n_bytes != n_chans * n_times * 2).any():
        row = int((n_bytes != n_chans * n_times * 2).argmax())
        raise _wrong(
            path, "signal",
            f"has {n_bytes[row]} bytes in window {row}, where {n_chans[row]} channels of "
            f"{n_times[row]} samples have {n_chans[row] * n_times[row] * 2}",
        )  # fmt: skip
    for name in _FINITE:
        for chunk in table.column(name).chunks:
            values = chunk.flatten() if name != "start" else chunk
            if not np.isfinite(values.to_numpy(zero_copy_only=False)).all():
                raise _wrong(path, name, "holds a number that is not finite")
    for chunk in table.column("q95").chunks:
        if not (chunk.flatten().to_numpy(zero_copy_only=False) > 0).all():
            raise _wrong(path, "q95", "holds a number that is not above 0")


def _wrong(path: Path, column: str, what: str) -> CorpusError:
    return CorpusError(f"{path}: damaged (its column {column} {what}). {REPAIR}")
