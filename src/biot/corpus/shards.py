"""`Signals`: the samples of windows, read from the shards when they are asked for."""

# W windows of the corpus
from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.schema import REPAIR
from biot.corpus.validity import require_sound_columns
from biot.errors import CorpusError, require

__all__ = ["OpenedShard", "Signals", "open_shard"]

Ints = npt.NDArray[np.int64]

_MOST_OPEN = 64
"""Files that a corpus holds open at a time; a process may have about a thousand in all."""
_READS_FROM_PLACES = hasattr(os, "preadv")
_UNUSED = ("signal", "units", "sfreq")


@dataclass(frozen=True, kw_only=True)
class OpenedShard:
    """A shard as it was found: all but its samples in memory, and where those lie in the file."""

    path: Path
    table: Any
    """The columns that are used, but ``signal``."""
    starts: Ints
    """(windows,) byte of the file at which each window's samples begin."""
    sizes: Ints
    """(windows,) bytes of each window's samples."""
    stamp: tuple[int, int]
    """Size and time of the file."""


def open_shard(path: Path) -> OpenedShard:
    """Read a shard but for its samples.

    Raises
    ------
    OSError, pyarrow.ArrowException
        If it cannot be read, or is no Arrow stream.
    CorpusError
        If its columns are not those of a corpus, or its samples do not lie in it as they are.
    """
    pa = require("pyarrow", extra="corpus")
    with pa.memory_map(str(path)) as source:
        stamp = _stamp(os.stat(path))
        whole = source.read_buffer(source.size())
        with pa.ipc.open_stream(whole) as stream:
            table = stream.read_all()
        require_sound_columns(path, table)
        starts, sizes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for chunk in table.column("signal").chunks:
            _, ends, samples = chunk.buffers()
            if not len(chunk):
                continue
            bounds = np.frombuffer(ends, np.int64)[chunk.offset :][: len(chunk) + 1]
            first = samples.address - whole.address
            if not 0 <= first <= first + samples.size <= whole.size:
                raise CorpusError(f"{path}: its samples are compressed. Prepare it again.")
            starts.append(first + bounds[:-1])
            sizes.append(np.diff(bounds))
        return OpenedShard(
            path=path, table=_copied(table.drop_columns(list(_UNUSED))),
            starts=np.concatenate(starts), sizes=np.concatenate(sizes), stamp=stamp,
        )  # fmt: skip


def _copied(table: Any) -> Any:
    """The table in memory of its own: the file may shrink while it is used."""
    pa = require("pyarrow", extra="corpus")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    with pa.ipc.open_stream(sink.getvalue()) as stream:
        return stream.read_all()


def _stamp(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns


class Signals:
    """The samples of all windows of a corpus; they stay on disk until they are asked for.

    They are read, not mapped: of a file that is cut while it is used a read says so, where a map
    ends the process. Threads may ask at the same time.
    """

    def __init__(self, shards: Sequence[OpenedShard]) -> None:
        self._paths = [shard.path for shard in shards]
        self._places = [shard.path.absolute() for shard in shards]  # wherever the process goes
        self._stamps = [shard.stamp for shard in shards]
        counts = [len(shard.starts) for shard in shards]
        self._shard_of = np.repeat(np.arange(len(shards), dtype=np.int32), counts)
        self._start = np.concatenate([shard.starts for shard in shards])
        self._size = np.concatenate([shard.sizes for shard in shards])
        self._open: OrderedDict[int, _File] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, index: Ints, lengths: Ints, into: npt.NDArray[np.int16]) -> None:
        """Read windows, one after the other, into an array.

        Parameters
        ----------
        index
            (n,) positions of the windows.
        lengths
            (n,) numbers that each must have: its channels times its samples.
        into
            Contiguous, with room for all.

        Raises
        ------
        CorpusError
            If a shard was cut, changed, replaced or removed since the corpus was opened, or a
            window has another number of samples.
        """
        sizes, shard_of = self._size[index], self._shard_of[index]
        wrong = sizes != lengths * into.itemsize
        if wrong.any():
            place = int(wrong.argmax())
            raise CorpusError(
                f"{self._paths[shard_of[place]]}: damaged (a window has {sizes[place]} bytes of "
                f"samples; its channels and length need {lengths[place] * into.itemsize}). {REPAIR}"
            )
        files = {shard: self._file(shard) for shard in np.unique(shard_of).tolist()}
        view = into.reshape(-1).view(np.uint8).data
        place = 0
        for shard, start, size in _runs(shard_of, self._start[index], sizes):
            if not files[shard].read(view[place : place + size], start):
                raise self._changed(shard, "is shorter than it was when the corpus was opened")
            place += size
        for shard, file in files.items():
            if file.stamp() != self._stamps[shard]:
                raise self._changed(shard, "was changed after the corpus was opened")

    def _file(self, shard: int) -> _File:
        with self._lock:
            file = self._open.get(shard)
            if file is None:
                file = self._opened(shard)
                self._open[shard] = file
                if len(self._open) > _MOST_OPEN:  # closed when no other thread reads from it
                    self._open.popitem(last=False)
            self._open.move_to_end(shard)
            return file

    def _opened(self, shard: int) -> _File:
        try:
            file = _File(self._places[shard])
            if file.stamp() == self._stamps[shard]:
                return file
        except OSError as error:
            why = f"cannot be read any more ({error.strerror or error})"
            raise self._changed(shard, why) from error
        raise self._changed(shard, "was changed after the corpus was opened")

    def _changed(self, shard: int, how: str) -> CorpusError:
        return CorpusError(
            f"{self._paths[shard]}: {how}. Nothing may change a corpus while it is used; "
            "`biot info CORPUS --check` says what is damaged."
        )


def _runs(shard_of: npt.NDArray[np.int32], start: Ints, size: Ints) -> list[tuple[int, int, int]]:
    """Shard, place and bytes of each window; of those that lie end to end, together."""
    if not len(start):
        return []
    follows = (start[1:] == start[:-1] + size[:-1]) & (shard_of[1:] == shard_of[:-1])
    first = np.concatenate([[0], np.flatnonzero(~follows) + 1])
    sizes = np.add.reduceat(size, first)
    return list(zip(shard_of[first].tolist(), start[first].tolist(), sizes.tolist(), strict=True))


class _File:
    """An open file, closed when nobody uses it any more."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def stamp(self) -> tuple[int, int]:
        return _stamp(os.fstat(self._descriptor))

    def read(self, view: memoryview, start: int) -> bool:
        """Fill a view from a place in the file; False if the file ends before that."""
        count = self._read_some(view, start)
        while 0 < count < len(view):
            view, start = view[count:], start + count
            count = self._read_some(view, start)
        return count == len(view)

    def _read_some(self, view: memoryview, start: int) -> int:
        if _READS_FROM_PLACES:
            return os.preadv(self._descriptor, (view,), start)
        with self._lock:  # Windows has no such call
            os.lseek(self._descriptor, start, os.SEEK_SET)
            content = os.read(self._descriptor, len(view))
        view[: len(content)] = content
        return len(content)
