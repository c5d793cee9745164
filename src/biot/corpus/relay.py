"""Bringing the channels of a finished shard into another order, under other names."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import CorpusError, require
from biot.signals.channels import canonical

__all__ = ["channels_of", "relay"]

_PER_CHANNEL = ("scale", "offset", "q95", "ch_names", "units")


def channels_of(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the channels of a shard's rows."""
    _, batches = _read(path)
    first = batches[0]
    return tuple(first.column("ch_names")[0].as_py()), tuple(first.column("units")[0].as_py())


def relay(path: Path, ch_names: tuple[str, ...], units: tuple[str, ...]) -> None:
    """Rewrite a shard so that its rows have these channels, which by meaning are its own.

    Nothing is computed: a channel's numbers do not depend on the others. The file changes in one
    step.

    Raises
    ------
    CorpusError
        If the shard cannot be read.
    """
    pa = require("pyarrow", extra="corpus")
    schema, batches = _read(path)
    places = [canonical(name) for name in batches[0].column("ch_names")[0].as_py()]
    order = np.array([places.index(canonical(name)) for name in ch_names])
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.tmp")
    try:
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_stream(sink, schema) as to:
            for batch in batches:
                to.write_batch(_reordered(batch, order, {"ch_names": ch_names, "units": units}))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> tuple[Any, list[Any]]:
    """Schema and batches of a shard, mapped into memory."""
    pa = require("pyarrow", extra="corpus")
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            return stream.schema, list(stream)
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path}: damaged ({error}). Delete it and prepare again.") from error


def _reordered(batch: Any, order: npt.NDArray[np.intp], texts: dict[str, tuple[str, ...]]) -> Any:
    pa = require("pyarrow", extra="corpus")
    n_rows, n_chans = batch.num_rows, len(order)
    columns = {name: batch.column(name) for name in batch.schema.names}
    columns["signal"] = pa.array(
        [
            np.frombuffer(row.as_buffer(), "<i2").reshape(n_chans, -1)[order].tobytes()
            for row in columns["signal"]
        ],
        pa.large_binary(),
    )
    ends = pa.array(np.arange(n_rows + 1, dtype=np.int32) * n_chans)
    for name in _PER_CHANNEL:
        if name in texts:
            values = pa.array(texts[name] * n_rows)
        else:
            numbers = columns[name].flatten().to_numpy().reshape(n_rows, n_chans)
            values = pa.array(np.ascontiguousarray(numbers[:, order]).ravel())
        columns[name] = pa.ListArray.from_arrays(ends, values)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema)
