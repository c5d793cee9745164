"""`Corpus`: prepared windows on disk, read when they are asked for."""

# n windows asked for, W windows of the corpus
# n windows asked for, C channels (the most), T samples (the longest), K outputs
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.manifest import Manifest
from biot.corpus.schema import MISSING
from biot.corpus.shards import Signals
from biot.errors import ConfigError, CorpusError, counted, listed, require
from biot.preprocessing import Preprocessing
from biot.signals.channels import canonical

__all__ = [
    "Contracted",
    "Corpus",
    "Layouts",
    "Ragged",
    "WindowRows",
    "layouts_of",
    "select_rows",
]

Ints = npt.NDArray[np.int64]


_FACTORS = ("scale", "offset", "q95")


class Ragged:
    """An Arrow column of numbers, some a row, in memory."""

    def __init__(self, column: Any) -> None:
        parts, starts, stops = [np.empty(0, np.float32)], [], []
        n_before = 0
        for chunk in column.chunks:
            if len(chunk) == 0:
                continue
            bounds = chunk.offsets.to_numpy().astype(np.int64)
            values = chunk.values.to_numpy()[bounds[0] : bounds[-1]]
            starts.append(bounds[:-1] - bounds[0] + n_before)
            stops.append(bounds[1:] - bounds[0] + n_before)
            parts.append(values)
            n_before += len(values)
        self._values = np.concatenate(parts)
        self._start = np.concatenate([*starts, np.empty(0, np.int64)])
        self._stop = np.concatenate([*stops, np.empty(0, np.int64)])

    def views(self, index: Ints) -> list[npt.NDArray[np.float32]]:
        """The numbers of each row asked for."""
        places = zip(self._start[index].tolist(), self._stop[index].tolist(), strict=True)
        return [self._values[start:stop] for start, stop in places]

    def table(self, index: Ints, n_columns: int) -> npt.NDArray[np.float32] | None:
        """(n, n_columns) copy of the rows asked for; None unless all are of that length."""
        start = self._start[index]
        if not (self._stop[index] - start == n_columns).all():
            return None
        rows: npt.NDArray[np.float32] = self._values[start[:, None] + np.arange(n_columns)]
        return rows


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


Indices = npt.NDArray[np.int64]


Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class WindowRows:
    """Windows as they lie on disk: physical = digital · scale + offset."""

    digital: npt.NDArray[np.int16]
    """(n, C, T); −32768 where a sample is missing, and beyond a window's channels and length."""
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
    channel: npt.NDArray[np.int64]
    """(n, C) position of each channel in the contract's names; −1 beyond a window's channels."""
    n_times: npt.NDArray[np.int64]
    """(n,) samples of each window."""
    layout: npt.NDArray[np.int32]
    """(n,) position in the corpus's `layouts`: the window's own channels."""


class Contracted:
    """What windows have in common, by their contract."""

    preprocessing: Preprocessing

    @property
    def sfreq(self) -> float:
        """Samples a second of every window, in Hz."""
        return self.preprocessing.sfreq

    @property
    def ch_names(self) -> tuple[str, ...]:
        """Every channel that a window may have."""
        return self.preprocessing.ch_names

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, or of the other outputs; empty without labels."""
        return self.preprocessing.label_names or ()

    @property
    def task(self) -> str:
        """``classes``, ``multilabel`` or ``regression``."""
        return self.preprocessing.task


class Corpus(Contracted):
    """A folder of prepared windows; open one with :func:`biot.corpus.load_corpus`.

    The windows stay on disk until :meth:`rows` fetches them. Rows come recording
    after recording.
    """

    def __init__(
        self,
        path: Path,
        preprocessing: Preprocessing,
        table: Any,
        signals: Signals,
        *,
        fingerprint: str,
    ) -> None:
        self.path = path
        """The folder."""
        self.preprocessing = preprocessing
        """What was done to every window, and the names of the classes."""
        self.fingerprint = fingerprint
        """Changes when any window, name or label does."""
        self._signals = signals
        self._factors = {name: Ragged(table.column(name)) for name in _FACTORS}
        found = layouts_of(table.column("ch_names"))
        self.layouts = found.ch_names
        """The different sets of channels, as windows have them."""
        self.layout_ids = found.of_window
        """(n_windows,) position of each window's channels in `layouts`."""
        self.lengths = np.asarray(table.column("n_times").to_numpy(), dtype=np.int64)
        """(n_windows,) samples of each window."""
        places = {canonical(name): i for i, name in enumerate(preprocessing.ch_names)}
        self._require_known_channels(set(places))
        self._channels = [
            np.array([places.get(canonical(name), -1) for name in names], dtype=np.int64)
            for names in self.layouts
        ]
        self._table = table.drop_columns([*_FACTORS, "ch_names", "n_times"])

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        classes = self.preprocessing.label_names
        labelled = f"classes {', '.join(classes)}" if classes else "no labels"
        return f"Corpus({str(self.path)!r}: {counted(len(self), 'window')}, {labelled})"

    @cached_property
    def subjects(self) -> Texts:
        """(n_windows,) name of each window's subject."""
        return self._texts("subject")

    @cached_property
    def recordings(self) -> Texts:
        """(n_windows,) name of each window's recording."""
        return self._texts("recording")

    @cached_property
    def splits(self) -> Texts:
        """(n_windows,) official part of each window's recording, as its manifest keeps it:
        ``"train"``, ``"valid"`` or ``"test"``; an empty string where nothing says it.
        """
        manifest = Manifest.load(self.path)
        records = {} if manifest is None else manifest.recordings
        names, codes = np.unique(self.recordings, return_inverse=True)
        found = [records[n].split or "" if n in records else "" for n in names.tolist()]
        return np.array([*found, ""], dtype=np.str_)[codes]

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
        self._require_named(set(found.tolist()) - ids.keys())
        return np.array([ids[name] for name in found.tolist()], dtype=np.int64)[codes]

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
        layout, n_times = self.layout_ids[index], self.lengths[index]
        alike = not len(index) or bool(
            (layout == layout[0]).all() and (n_times == n_times[0]).all()
        )
        if alike:
            channels = self._channels[layout[0] if len(index) else 0]
            longest = int(n_times[0]) if len(index) else self.preprocessing.n_times
            shape = (len(index), len(channels), longest)
            digital = np.empty(shape, dtype=np.int16)
            self._signals.read(index, n_times * len(channels), digital)
            channel = np.broadcast_to(channels, shape[:2])
        else:
            digital, channel = self._padded(index, layout, n_times)
        factors = {
            name: self._factor_rows(name, index, digital.shape[1], fill)
            for name, fill in (("scale", 1), ("offset", 0), ("q95", 1))
        }
        return WindowRows(
            digital=digital, **factors, label=label, index=index,
            channel=channel, n_times=n_times, layout=layout,
        )  # fmt: skip

    def _padded(
        self, index: Indices, layout: npt.NDArray[np.int32], n_times: Indices
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
        channels = [self._channels[i] for i in layout.tolist()]
        counts = np.array([len(ids) for ids in channels])
        numbers = np.empty(int((counts * n_times).sum()), dtype=np.int16)
        self._signals.read(index, counts * n_times, numbers)
        windows = np.split(numbers, np.cumsum(counts * n_times)[:-1])
        digital = np.full((len(index), counts.max(), n_times.max()), MISSING, dtype=np.int16)
        channel = np.full(digital.shape[:2], -1, dtype=np.int64)
        for place, (ids, window) in enumerate(zip(channels, windows, strict=True)):
            digital[place, : len(ids), : n_times[place]] = window.reshape(len(ids), -1)
            channel[place, : len(ids)] = ids
        return digital, channel

    def _factor_rows(
        self, name: str, index: Indices, most: int, fill: float
    ) -> npt.NDArray[np.float32]:
        table = self._factors[name].table(index, most)
        if table is None:
            table = np.full((len(index), most), fill, dtype=np.float32)
            for place, values in enumerate(self._factors[name].views(index)):
                table[place, : len(values)] = values
        return table

    @cached_property
    def corpus_ids(self) -> npt.NDArray[np.int64]:
        """(n_windows,) zeros: there is one corpus."""
        return np.zeros(len(self), dtype=np.int64)

    @cached_property
    def targets(self) -> npt.NDArray[np.float64]:
        """(n_windows, K) tags that hold as 0 and 1, or target numbers; NaN where unlabelled.

        Empty, K = 0, for a corpus of classes.
        """
        names = self.label_names if self.task != "classes" else ()
        values = np.full((len(self), len(names)), np.nan)
        if self.task == "regression":
            for row, numbers in enumerate(self._table.column("targets").to_pylist()):
                if numbers is None:
                    continue
                if len(numbers) != len(names):
                    raise CorpusError(
                        f"{self.path}: window {row} has {len(numbers)} target numbers, where "
                        f"preprocessing.json names {len(names)}. Prepare the corpus again."
                    )
                values[row] = numbers
        elif names:
            place = {name: i for i, name in enumerate(names)}
            for row, tags in enumerate(self._table.column("labels").to_pylist()):
                if tags is not None:
                    self._require_named(set(tags) - place.keys())
                    values[row] = 0
                    values[row, [place[tag] for tag in tags]] = 1
        return values

    def select(self, **wanted: str | Sequence[str]) -> Indices:
        """Positions of the windows of these subjects, recordings or labels.

        Parameters
        ----------
        **wanted
            ``subject``, ``recording`` and ``label``: a name, or several of which any will do.
            What is not named is not looked at.

        Raises
        ------
        ConfigError
            If another column is asked for, or no window has a name that is.
        """
        columns = {"subject": self.subjects, "recording": self.recordings, "label": self.labels}
        return select_rows(columns, len(self), wanted, where=str(self.path))

    def _require_known_channels(self, known: set[str]) -> None:
        found = {name for names in self.layouts for name in names}
        unknown = sorted(name for name in found if canonical(name) not in known)
        if unknown:
            raise CorpusError(
                f"{self.path}: windows have the channels {listed(unknown)}, which "
                "preprocessing.json does not name. The folder was changed by hand; prepare it "
                "again."
            )

    def _require_named(self, unknown: set[str]) -> None:
        if unknown:
            raise CorpusError(
                f"{self.path}: windows are labelled {listed(sorted(unknown))}, which "
                "preprocessing.json does not name. The folder was changed by hand; prepare it "
                "again."
            )

    def _texts(self, column: str) -> Texts:
        encoded = self._table.column(column).combine_chunks().dictionary_encode()
        names = np.array([*encoded.dictionary.to_pylist(), ""], dtype=np.str_)
        codes: Indices = encoded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
        return names[codes]


def select_rows(
    columns: Mapping[str, Texts],
    n_windows: int,
    wanted: Mapping[str, str | Sequence[str]],
    where: str,
) -> Indices:
    """Positions of the rows whose columns have one of the names wanted."""
    keep = np.ones(n_windows, dtype=bool)
    for column, given in wanted.items():
        if column not in columns:
            raise ConfigError(f"select knows {', '.join(columns)}; got {column!r}.")
        names = [given] if isinstance(given, str) else list(given)
        lacking = sorted(set(names) - set(np.unique(columns[column]).tolist()))
        if lacking:
            raise ConfigError(f"{where}: no window has the {column} {', '.join(lacking)}.")
        keep &= np.isin(columns[column], names)
    return np.flatnonzero(keep)
