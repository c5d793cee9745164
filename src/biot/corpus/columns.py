"""Columns of a corpus as NumPy views of mapped memory, and which channels each window has."""

# n windows asked for, W windows of the corpus

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Layouts", "Ragged", "layouts_of"]

Ints = npt.NDArray[np.int64]


class Ragged:
    """An Arrow column of numbers, some a row: their places, and views of the memory they lie in."""

    def __init__(self, column: Any, dtype: np.dtype[Any]) -> None:
        self.parts: list[npt.NDArray[Any]] = []
        """The numbers of each chunk, flat."""
        part_of, starts, stops = [], [], []
        for chunk in column.chunks:
            if len(chunk) == 0:
                continue
            _, ends, *_, values = chunk.buffers()
            offset_type = np.int64 if dtype.kind == "i" else np.int32
            bounds = np.frombuffer(ends, dtype=offset_type)[chunk.offset :][: len(chunk) + 1]
            # The offsets of a binary column count bytes, those of a list column count values.
            bounds = bounds.astype(np.int64) // (dtype.itemsize if dtype.kind == "i" else 1)
            part_of.append(np.full(len(chunk), len(self.parts), dtype=np.int32))
            starts.append(bounds[:-1])
            stops.append(bounds[1:])
            self.parts.append(np.frombuffer(values, dtype=dtype))
        self._part = np.concatenate([*part_of, np.empty(0, np.int32)])
        self._start = np.concatenate([*starts, np.empty(0, np.int64)])
        self._stop = np.concatenate([*stops, np.empty(0, np.int64)])

    def views(self, index: Ints) -> list[npt.NDArray[Any]]:
        """The numbers of each row asked for."""
        places = zip(
            self._part[index].tolist(),
            self._start[index].tolist(),
            self._stop[index].tolist(),
            strict=True,
        )
        parts = self.parts
        return [parts[part][start:stop] for part, start, stop in places]

    def table(self, index: Ints, n_columns: int) -> npt.NDArray[Any] | None:
        """(n, n_columns) copy of the rows asked for; None unless all are of that length."""
        start = self._start[index]
        if len(index) and not (self._stop[index] - start == n_columns).all():
            return None
        part_of = self._part[index]
        columns = np.arange(n_columns)
        if not len(index):
            return np.empty((0, n_columns), dtype=np.float32)
        if (part_of == part_of[0]).all():
            rows: npt.NDArray[Any] = self.parts[part_of[0]][start[:, None] + columns]
            return rows
        return np.stack(self.views(index))


@dataclass(frozen=True)
class Layouts:
    """The different sets of channels in a corpus, and which one each window has."""

    ch_names: tuple[tuple[str, ...], ...]
    of_window: npt.NDArray[np.int32]
    """(W,) position in `ch_names`."""


def layouts_of(column: Any) -> Layouts:
    """Which channels each row has, from the column ``ch_names``."""
    known: dict[tuple[str, ...], int] = {}
    found = [np.empty(0, dtype=np.int32)]
    for chunk in column.chunks:
        if len(chunk) == 0:
            continue
        first = tuple(chunk[0].as_py())
        lengths = np.diff(chunk.offsets.to_numpy())
        codes = chunk.flatten().dictionary_encode().indices.to_numpy(zero_copy_only=False)
        uniform = (lengths == len(first)).all()
        if uniform and (codes.reshape(len(chunk), -1) == codes[: len(first)]).all():
            found.append(np.full(len(chunk), known.setdefault(first, len(known)), dtype=np.int32))
        else:
            names = [tuple(row) for row in chunk.to_pylist()]
            found.append(
                np.array([known.setdefault(row, len(known)) for row in names], dtype=np.int32)
            )
    return Layouts(tuple(known), np.concatenate(found))
