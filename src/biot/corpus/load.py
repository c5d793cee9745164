"""`Corpus`: prepared windows on disk, memory-mapped."""

# n windows asked for, C channels, T samples

from __future__ import annotations

import bisect
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.contract import Preprocessing
from biot.corpus.schema import COLUMNS
from biot.corpus.writer import INFO_FILE, STATE_FILE
from biot.errors import ContractError, CorpusError, require

__all__ = ["Corpus", "WindowRows", "load_corpus"]

Indices = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class WindowRows:
    """Windows as they lie on disk: physical = digital · scale + offset."""

    digital: npt.NDArray[np.int16]
    """(n, C, T); −32768 where a sample is missing."""
    scale: npt.NDArray[np.float32]
    """(n, C)"""
    offset: npt.NDArray[np.float32]
    """(n, C)"""
    q95: npt.NDArray[np.float32]
    """(n, C) 95th percentile of the physical magnitude."""
    label: npt.NDArray[np.int64]
    """(n,) position in the contract's label names; −1 without a label."""
    index: Indices
    """(n,) position in the corpus."""


class Corpus:
    """A folder of prepared windows; open one with :func:`load_corpus`.

    The windows stay on disk until :meth:`rows` fetches them. Rows come recording
    after recording.
    """

    def __init__(
        self, path: Path, preprocessing: Preprocessing, table: Any, *, fingerprint: str
    ) -> None:
        self.path = path
        """The folder."""
        self.preprocessing = preprocessing
        """What was done to every window, and the names of the classes."""
        self.fingerprint = fingerprint
        """Changes when any window, name or label does."""
        self._table = table
        self._signal = _Ragged(table.column("signal"), np.dtype("<i2"))
        self._factors = {
            name: _Ragged(table.column(name), np.dtype("<f4"))
            for name in ("scale", "offset", "q95")
        }

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        classes = self.preprocessing.label_names
        labelled = f"classes {', '.join(classes)}" if classes else "no labels"
        return f"Corpus({str(self.path)!r}: {len(self)} windows, {labelled})"

    @cached_property
    def subjects(self) -> Texts:
        """(n_windows,) name of each window's subject."""
        return self._texts("subject")

    @cached_property
    def recordings(self) -> Texts:
        """(n_windows,) name of each window's recording."""
        return self._texts("recording")

    @cached_property
    def labels(self) -> Texts:
        """(n_windows,) name of each window's class; an empty string without a label."""
        return self._texts("label")

    @cached_property
    def starts(self) -> npt.NDArray[np.float64]:
        """(n_windows,) seconds from the recording's first sample to the window's."""
        return np.asarray(self._table.column("start").to_numpy(), dtype=np.float64)

    @cached_property
    def label_ids(self) -> npt.NDArray[np.int64]:
        """(n_windows,) position of each label in the contract's label names; −1 without one.

        Raises
        ------
        CorpusError
            If a window has a label that the contract does not name.
        """
        ids = {"": -1} | {n: i for i, n in enumerate(self.preprocessing.label_names or ())}
        found, codes = np.unique(self.labels, return_inverse=True)
        unknown = [name for name in found.tolist() if name not in ids]
        if unknown:
            raise CorpusError(
                f"{self.path}: windows are labelled {', '.join(unknown)}, which preprocessing.json "
                f"does not name. The folder was changed by hand; prepare it again."
            )
        return np.array([ids[name] for name in found.tolist()], dtype=np.int64)[codes]

    # labels of other tasks -------------------------------------------------------------------

    @cached_property
    def tags(self) -> npt.NDArray[np.int8]:
        """(n_windows, n_tags) 1 where a tag holds, else 0; −1 in windows without labels.

        Tags are the contract's label names, for the task ``"multilabel"``; else there are none.
        """
        multilabel = self.preprocessing.task == "multilabel"
        names = (self.preprocessing.label_names or ()) if multilabel else ()
        place = {name: i for i, name in enumerate(names)}
        found = np.zeros((len(self), len(names)), dtype=np.int8)
        for row, held in enumerate(self._table.column("labels").to_pylist() if names else ()):
            unknown = [tag for tag in held or () if tag not in place]
            if unknown:
                raise CorpusError(
                    f"{self.path}: windows have the tags {', '.join(unknown)}, which "
                    "preprocessing.json does not name. The folder was changed by hand; prepare it "
                    "again."
                )
            found[row, [place[tag] for tag in held or ()]] = 1
            if held is None:
                found[row] = -1
        return found

    @cached_property
    def targets(self) -> npt.NDArray[np.float64]:
        """(n_windows, n_targets) numbers to predict; NaN in windows without.

        Targets are the contract's label names, for the task ``"regression"``; else there are none.
        """
        regression = self.preprocessing.task == "regression"
        names = (self.preprocessing.label_names or ()) if regression else ()
        found = np.full((len(self), len(names)), np.nan)
        for row, values in enumerate(self._table.column("targets").to_pylist() if names else ()):
            if values is not None:
                found[row] = values
        return found

    # the same rows for others ----------------------------------------------------------------

    @cached_property
    def dataset(self) -> Any:
        """The same rows as a ``datasets.Dataset``."""
        return require("datasets", extra="corpus").load_from_disk(str(self.path))

    def rows(self, indices: npt.ArrayLike) -> WindowRows:
        """Fetch windows by their positions (or a mask), in the order asked for."""
        asked = np.asarray(indices).reshape(-1)
        index = np.flatnonzero(asked) if asked.dtype == bool else asked.astype(np.int64)
        label = self.label_ids[index]  # an index outside the corpus raises IndexError here
        index = np.where(index < 0, index + len(self), index)
        shape = (len(index), self.preprocessing.n_chans, self.preprocessing.n_times)
        digital = np.empty(shape, dtype=np.int16)
        factors = {name: np.empty(shape[:2], dtype=np.float32) for name in self._factors}
        for place, row in enumerate(index.tolist()):
            digital[place] = self._signal[row].reshape(shape[1:])
            for name, column in self._factors.items():
                factors[name][place] = column[row]
        return WindowRows(digital=digital, **factors, label=label, index=index)

    def _texts(self, column: str) -> Texts:
        encoded = self._table.column(column).combine_chunks().dictionary_encode()
        names = np.array([*encoded.dictionary.to_pylist(), ""], dtype=np.str_)
        codes: Indices = encoded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
        return names[codes]


class _Ragged:
    """An Arrow column of numbers, some a row, as views of its memory."""

    def __init__(self, column: Any, dtype: np.dtype[Any]) -> None:
        self._parts: list[tuple[npt.NDArray[Any], list[int]]] = []
        self._first_rows: list[int] = []
        row = 0
        for chunk in column.chunks:
            if len(chunk) == 0:
                continue
            _, ends, *_, values = chunk.buffers()
            offset_type = np.int64 if dtype.kind == "i" else np.int32
            bounds = np.frombuffer(ends, dtype=offset_type)[chunk.offset :][: len(chunk) + 1]
            # The offsets of a binary column count bytes, those of a list column count values.
            step = dtype.itemsize if dtype.kind == "i" else 1
            self._parts.append((np.frombuffer(values, dtype=dtype), (bounds // step).tolist()))
            self._first_rows.append(row)
            row += len(chunk)

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        part = bisect.bisect_right(self._first_rows, row) - 1
        values, bounds = self._parts[part]
        local = row - self._first_rows[part]
        return values[bounds[local] : bounds[local + 1]]


def load_corpus(path: str | Path) -> Corpus:
    """Open a corpus folder; the windows stay on disk.

    Raises
    ------
    CorpusError
        If the folder is not a corpus or is damaged; the message names what is missing.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder. A corpus is made by `biot prepare`.")
    state = _read_json(folder, STATE_FILE)
    _read_json(folder, INFO_FILE)
    try:
        preprocessing = Preprocessing.load(folder)
    except ContractError as error:
        raise CorpusError(f"Not a corpus. {error}") from error
    pa = require("pyarrow", extra="corpus")
    try:
        fingerprint = str(state["_fingerprint"])
        shards = [(entry["filename"], entry["n_windows"]) for entry in state["_data_files"]]
    except (KeyError, TypeError):
        raise CorpusError(
            f"{folder / STATE_FILE} does not list the shards of a corpus with their windows. "
            f"Make the corpus with `biot prepare`."
        ) from None
    tables = [_read_shard(folder, name, n_windows) for name, n_windows in shards]
    if not tables:
        raise CorpusError(f"{folder}: the corpus lists no shards. Prepare it again.")
    table = pa.concat_tables(tables)
    return Corpus(folder, preprocessing, table, fingerprint=fingerprint)


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CorpusError(
            f"{folder} is not a corpus: it has no {name}. A corpus is made by `biot prepare`."
        ) from None
    except ValueError as error:
        raise CorpusError(f"{path}: not valid JSON ({error}). Prepare the corpus again.") from error
    if not isinstance(content, dict):
        raise CorpusError(f"{path}: expected an object. Prepare the corpus again.")
    return content


def _read_shard(folder: Path, name: str, n_windows: int) -> Any:
    pa = require("pyarrow", extra="corpus")
    path = folder / name
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            table = stream.read_all()
    except FileNotFoundError:
        raise CorpusError(
            f"{folder}: the shard {name} is missing. Prepare the corpus again."
        ) from None
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path}: damaged ({reason}). Prepare the corpus again.") from error
    if table.schema.names != list(COLUMNS):
        raise CorpusError(
            f"{path} has the columns {', '.join(table.schema.names)}; "
            f"a corpus has {', '.join(COLUMNS)}."
        )
    if table.num_rows != n_windows:
        raise CorpusError(
            f"{path}: damaged (it holds {table.num_rows} of {n_windows} windows). "
            "Prepare the corpus again."
        )
    return table
