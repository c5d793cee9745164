"""`Corpora`: several corpora as one, with channels and labels merged by name."""

# n windows asked for, C channels (the most), T samples (the longest), W windows, K outputs
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.corpus import Contracted, Corpus, WindowRows, select_rows
from biot.corpus.schema import MISSING, decode, encode
from biot.errors import ConfigError, ContractError, counted
from biot.preprocessing import Preprocessing
from biot.signals.channels import canonical
from biot.signals.resampling import resample
from biot.signals.scale import q95_scale

__all__ = [
    "Corpora",
]

Indices = npt.NDArray[np.int64]


Texts = npt.NDArray[np.str_]


class Corpora(Contracted):
    """Several corpora as one; open them with :func:`biot.corpus.load_corpus`.

    Windows come corpus after corpus. It is used like a :class:`Corpus`. Channels are the sorted
    union of canonical names, labels are merged in order of first appearance, and the task is
    ``multilabel`` where the corpora's differ.
    """

    def __init__(self, parts: Sequence[Corpus], preprocessing: Preprocessing) -> None:
        self.parts = tuple(parts)
        """The corpora."""
        self.preprocessing = preprocessing
        """Rate, scale and filters of all; every channel, the longest window, all label names."""
        self.names = _unique([part.path.resolve().name for part in parts])
        """Name of each corpus: its folder's, numbered where two are alike."""
        self.layouts = tuple(names for part in parts for names in part.layouts)
        """The different sets of channels, as windows have them."""
        self._first = np.cumsum([0, *(len(part) for part in parts)])

    @classmethod
    def of(
        cls, parts: Sequence[Corpus], *, resample: bool = False, sfreq: float | None = None
    ) -> Corpora:
        """Join corpora; see :func:`biot.corpus.load_corpus`.

        Raises
        ------
        ContractError
            If they differ in rate (without `resample`), scale, filters or a channel's unit.
        """
        if sfreq is not None and not resample:
            raise ConfigError("sfreq is the rate to resample to: it needs resample=True.")
        return cls(parts, _merged(parts, resample=resample, sfreq=sfreq))

    def __len__(self) -> int:
        return int(self._first[-1])

    def __repr__(self) -> str:
        return f"Corpora({', '.join(self.names)}: {counted(len(self), 'window')})"

    @property
    def path(self) -> str:
        """The folders, for messages."""
        return " + ".join(str(part.path) for part in self.parts)

    @cached_property
    def corpus_ids(self) -> Indices:
        """(W,) position of each window's corpus in `parts`."""
        return np.repeat(np.arange(len(self.parts)), np.diff(self._first))

    @cached_property
    def subjects(self) -> Texts:
        """(W,) each window's subject; ``corpus/subject`` where corpora share the name."""
        return self._told_apart([part.subjects for part in self.parts])

    @cached_property
    def recordings(self) -> Texts:
        """(W,) each window's recording; ``corpus/recording`` where corpora share the name."""
        return self._told_apart([part.recordings for part in self.parts])

    @cached_property
    def splits(self) -> Texts:
        """(W,) official part of each window; an empty string where nothing says it."""
        return np.concatenate([part.splits for part in self.parts])

    @cached_property
    def labels(self) -> Texts:
        """(W,) name of each window's class; an empty string without a label."""
        return np.concatenate([part.labels for part in self.parts])

    @cached_property
    def starts(self) -> npt.NDArray[np.float64]:
        """(W,) seconds from the recording's first sample to the window's."""
        return np.concatenate([part.starts for part in self.parts])

    @cached_property
    def label_ids(self) -> Indices:
        """(W,) position of each label in `label_names`; −1 without one."""
        place = {name: i for i, name in enumerate(self.label_names)}
        maps = [np.array([*(place[n] for n in p.label_names), -1]) for p in self.parts]
        found = [ids[part.label_ids] for ids, part in zip(maps, self.parts, strict=True)]
        return np.concatenate(found)

    @cached_property
    def targets(self) -> npt.NDArray[np.float64]:
        """(W, K) tags as 0 and 1, or numbers; NaN where a window's corpus does not say.

        Where the corpora's tasks differ, each keeps its own columns: of classes, 1 in that of the
        window's class and 0 in the others.
        """
        if self.task == "classes":
            return np.empty((len(self), 0))
        values = np.full((len(self), len(self.label_names)), np.nan)
        for first, part in zip(self._first.tolist(), self.parts, strict=False):
            columns = [self.label_names.index(name) for name in part.label_names]
            own = part.targets
            if part.task == "classes":
                own = np.eye(len(columns))[part.label_ids]
                own[part.label_ids < 0] = np.nan
            values[first : first + len(part), columns] = own
        return values

    def select(self, **wanted: str | Sequence[str]) -> Indices:
        """Positions of windows by subject, recording, label and corpus; see `Corpus.select`."""
        columns = {
            "subject": self.subjects,
            "recording": self.recordings,
            "label": self.labels,
            "corpus": np.array(self.names, dtype=np.str_)[self.corpus_ids],
        }
        return select_rows(columns, len(self), wanted, where=self.path)

    def rows(self, indices: npt.ArrayLike) -> WindowRows:
        """Fetch windows by their positions (or a mask), in the order asked for."""
        asked = np.asarray(indices).reshape(-1)
        index = np.flatnonzero(asked) if asked.dtype == bool else asked.astype(np.int64)
        corpus = self.corpus_ids[index]  # an index outside raises IndexError here
        index = np.where(index < 0, index + len(self), index)
        groups = []
        for which in np.unique(corpus).tolist():
            places = np.flatnonzero(corpus == which)
            rows = self.parts[which].rows(index[places] - self._first[which])
            if self.parts[which].sfreq != self.sfreq:
                rows = _resampled(rows, self.parts[which].sfreq, self.sfreq)
            groups.append((which, places, rows))
        return self._together(index, groups)

    def _together(
        self, index: Indices, groups: list[tuple[int, Indices, WindowRows]]
    ) -> WindowRows:
        n, shapes = len(index), [rows.digital.shape[1:] for _, _, rows in groups]
        most, longest = (max((s[axis] for s in shapes), default=0) for axis in (0, 1))
        digital = np.full((n, most, longest), MISSING, dtype=np.int16)
        factors = {
            name: np.full((n, most), fill, dtype=np.float32)
            for name, fill in (("scale", 1), ("offset", 0), ("q95", 1))
        }
        channel = np.full((n, most), -1, dtype=np.int64)
        n_times, layout = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int32)
        for which, places, rows in groups:
            _, n_chans, width = rows.digital.shape
            digital[places, :n_chans, :width] = rows.digital
            for name, values in factors.items():
                values[places, :n_chans] = getattr(rows, name)
            channel[places, :n_chans] = self._channels[which][rows.channel]
            n_times[places] = rows.n_times
            layout[places] = rows.layout + sum(len(part.layouts) for part in self.parts[:which])
        return WindowRows(
            digital=digital, **factors, label=self.label_ids[index], index=index,
            channel=channel, n_times=n_times, layout=layout,
        )  # fmt: skip

    @cached_property
    def _channels(self) -> list[npt.NDArray[np.int64]]:
        """Position in `ch_names` of each channel of each corpus, and −1 for its −1."""
        place = {name: i for i, name in enumerate(self.ch_names)}
        return [np.array([*(place[canonical(n)] for n in p.ch_names), -1]) for p in self.parts]

    def _told_apart(self, columns: list[Texts]) -> Texts:
        distinct = [np.unique(column) for column in columns]
        names, counts = np.unique(np.concatenate(distinct), return_counts=True)
        shared = set(names[counts > 1].tolist())
        renamed = []
        for corpus, column, own in zip(self.names, columns, distinct, strict=True):
            new = np.array([f"{corpus}/{n}" if n in shared else n for n in own.tolist()], np.str_)
            renamed.append(new[np.searchsorted(own, column)])
        return np.concatenate(renamed)


def _merged(parts: Sequence[Corpus], *, resample: bool, sfreq: float | None) -> Preprocessing:
    first = parts[0].preprocessing
    same = ["scale", "resample", "l_freq", "h_freq", "notch", "causal", "reference", "keep_flat"]
    if not resample:
        same.append("sfreq")
    for part in parts[1:]:
        for field in same:
            one, other = (getattr(p, field, None) for p in (first, part.preprocessing))
            if one != other:
                way = " Or pass resample=True." if field == "sfreq" else ""
                raise ContractError(
                    f"{parts[0].path} and {part.path} were prepared differently: {field} is "
                    f"{one!r} and {other!r}. Prepare one of them again.{way}"
                )
    units: dict[str, tuple[str, Corpus]] = {}
    for part in parts:
        for name, unit in zip(part.ch_names, part.preprocessing.units, strict=True):
            known, where = units.setdefault(canonical(name), (unit, part))
            if known != unit:
                raise ContractError(
                    f"Channel {canonical(name)} is in {known} in {where.path} and in {unit} in "
                    f"{part.path}. Prepare one of them again."
                )
    tasks = {part.preprocessing.task for part in parts}
    labels = tuple(dict.fromkeys(name for part in parts for name in part.label_names))
    references = {name for part in parts for name in part.preprocessing.recorded_references}
    return replace(
        first,
        sfreq=float(sfreq if sfreq is not None else first.sfreq),
        window=max(part.preprocessing.window for part in parts),
        ch_names=tuple(sorted(units)),
        units=tuple(units[name][0] for name in sorted(units)),
        label_names=labels or None,
        recorded_references=tuple(sorted(references)),
        rename_channels=_renames(parts),
        task=first.task if len(tasks) == 1 else "multilabel",
    )


def _renames(parts: Sequence[Corpus]) -> str:
    """The earlier names of channels, but those that mean different channels in two corpora."""
    new: dict[str, set[str]] = {}
    for part in parts:
        for pair in filter(None, part.preprocessing.rename_channels.split(",")):
            old, _, name = (text.strip() for text in pair.partition("="))
            new.setdefault(old, set()).add(name)
    return ",".join(f"{old}={min(names)}" for old, names in new.items() if len(names) == 1)


def _resampled(rows: WindowRows, sfreq: float, new_sfreq: float) -> WindowRows:
    physical = decode(rows.digital, rows.scale, rows.offset)
    windows: list[npt.NDArray[Any]] = [
        resample(window[:, :length], sfreq, new_sfreq)
        for window, length in zip(physical, rows.n_times.tolist(), strict=True)
    ]
    n_times = np.array([window.shape[-1] for window in windows], dtype=np.int64)
    padded = np.full((*physical.shape[:2], n_times.max()), np.nan, dtype=np.float32)
    for place, window in enumerate(windows):
        padded[place, :, : window.shape[-1]] = window
    encoded = encode(padded)
    return replace(
        rows,
        digital=encoded.digital,
        scale=encoded.scale,
        offset=encoded.offset,
        q95=q95_scale(padded).astype(np.float32),
        n_times=n_times,
    )


def _unique(names: list[str]) -> tuple[str, ...]:
    """The same names, with ``-2``, ``-3``, … where one came before."""
    unique: list[str] = []
    for name in names:
        new, count = name, 1
        while new in unique:
            count += 1
            new = f"{name}-{count}"
        unique.append(new)
    return tuple(unique)
