"""`overview`: what a corpus holds, as tables for people and as a picture."""

# S subjects, K label names, C channels
from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot import plots
from biot.corpus.corpus import Corpus
from biot.corpus.load import load_corpus
from biot.corpus.manifest import Manifest, left_out_of, several_lines
from biot.corpus.schema import MISSING, QUARANTINE_FILE
from biot.corpus.subjects import official_parts, origins
from biot.errors import CorpusError, counted, counted_kind
from biot.io import true_cell

__all__ = [
    "CorpusOverview",
    "overview",
    "quarantine_of",
]

MOST_ROWS = 40
"""Subjects, channels or quarantined files that a table lists; the rest is counted."""


WINDOWS_AT_ONCE = 256


Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CorpusOverview:
    """Numbers of a corpus; ``str()`` gives aligned tables, :meth:`to_png` a picture."""

    path: Path
    n_recordings: int
    n_windows: int
    hours: float
    """Of all windows together; what overlapping windows share counts in each."""
    sfreq: float
    recorded_at: tuple[tuple[float, int], ...]
    """Rates of the recordings before they were resampled, in Hz, with how many have each, the most
    frequent first; empty where that is not known."""
    reference: str
    """What EEG was re-referenced to, or that it is as it was recorded."""
    filter: str = ""
    """The filters in words; empty without any."""
    keep_flat: bool
    """Whether flat channels are signals; else they are missing data."""
    ch_names: tuple[str, ...]
    units: tuple[str, ...]
    windows_of_channel: Counts
    """(C,) windows that hold each channel."""
    missing_of_channel: npt.NDArray[np.float64]
    """(C,) share of each channel's samples that was not recorded."""
    missing: float
    """Share of all samples that was not recorded."""
    subjects: tuple[str, ...]
    subjects_from: tuple[str, ...] = ()
    """What named the subjects, each with their number; empty where that is not known."""
    parts: tuple[str, ...] = ()
    """Recordings, subjects and windows of each official part; empty where there is none."""
    left_out: tuple[str, ...] = ()
    """What the recordings had that is in no window, each with its number; empty where that is not
    known."""
    several: tuple[str, ...] = ()
    """In how many windows several labels met, which rule decided, and how."""
    label_names: tuple[str, ...]
    """Classes, tags or targets, or ``all windows`` where there are none."""
    windows_of_label: Counts
    """(S, K) windows of each subject with each label."""
    targets: npt.NDArray[np.float64] | None = None
    """(W, K) of a regression; NaN where a window has none."""
    subject_of: Counts
    """(W,) position in `subjects`."""
    quarantine: tuple[tuple[str, str], ...]
    """Files that could not be read, with the reason."""

    def __str__(self) -> str:
        parts = [self._summary(), self._channel_table(), self._label_table()]
        if self.quarantine:
            rows = [(name, reason.removeprefix(f"{name}: ")) for name, reason in self.quarantine]
            parts.append(_table(rows, ("quarantined", "reason"), "files"))
        return "\n\n".join(parts)

    def to_png(self, path: str | Path) -> Path:
        """Draw channels, what is missing, and labels by subject: as many as the tables list."""
        shown = self._by_frequency()[:MOST_ROWS]
        figure = plots.corpus_overview(
            windows_of_label=self.windows_of_label[:MOST_ROWS],
            subjects=self.subjects[:MOST_ROWS],
            label_names=self.label_names,
            windows_of_channel=self.windows_of_channel[shown],
            missing_of_channel=self.missing_of_channel[shown],
            ch_names=[self.ch_names[i] for i in shown],
            title=f"{self.path.name}: {counted(self.n_windows, 'window')}, {self.hours:.2f} h",
        )
        return plots.save_png(figure, path)

    def _summary(self) -> str:
        rows = [
            ("corpus", str(self.path)),
            ("recordings", str(self.n_recordings)),
            ("subjects", str(len(self.subjects))),
            *(("", text) for text in self.subjects_from),
            *(("" if place else "official parts", text) for place, text in enumerate(self.parts)),
            ("windows", str(self.n_windows)),
            ("hours", f"{self.hours:.2f}"),
            ("rate", f"{self.sfreq:g} Hz"),
            ("recorded at", ", ".join(f"{rate:g} Hz: {n}" for rate, n in self.recorded_at)),
            ("reference", self.reference),
            *([("filter", self.filter)] if self.filter else []),
            ("flat channels", "kept as they are" if self.keep_flat else "missing data"),
            ("missing", f"{self.missing:.2%} of the samples"),
            *(("" if place else "several", text) for place, text in enumerate(self.several)),
            *(("" if place else "left out", text) for place, text in enumerate(self.left_out)),
            ("quarantined", counted(len(self.quarantine), "file")),
        ]
        return _table(rows, (), "lines")

    def _channel_table(self) -> str:
        rows = [
            (
                self.ch_names[i],
                self.units[i] or "no unit",
                int(self.windows_of_channel[i]),
                f"{self.windows_of_channel[i] / self.n_windows:.1%}",
                f"{self.missing_of_channel[i]:.2%}",
            )
            for i in self._by_frequency()
        ]
        return _table(rows, ("channel", "unit", "windows", "of all", "missing"), "channels")

    def _by_frequency(self) -> list[int]:
        order: list[int] = np.argsort(-self.windows_of_channel, kind="stable").tolist()
        return order

    def _label_table(self) -> str:
        if self.targets is not None:
            return self._target_tables(self.targets)
        total = self.windows_of_label.sum(axis=0)
        rows = [("all subjects", *total.tolist())]
        rows += [
            (name, *counts.tolist())
            for name, counts in zip(self.subjects, self.windows_of_label, strict=True)
        ]
        return _table(rows, ("windows by subject", *self.label_names), "subjects")

    def _target_tables(self, targets: npt.NDArray[np.float64]) -> str:
        """Of each target the numbers of all subjects together, then of each."""
        tables = []
        for name, column in zip(self.label_names, targets.T, strict=True):
            rows = [("all subjects", *_spread(column))]
            rows += [
                (subject, *_spread(column[self.subject_of == place]))
                for place, subject in enumerate(self.subjects[:MOST_ROWS])
            ]
            headers = (f"{name} by subject", "windows", "mean ± sd", "min", "max")
            tables.append(_table(rows, headers, "subjects", of=len(self.subjects) + 1))
        return "\n\n".join(tables)


def overview(corpus: Corpus | Path | str) -> CorpusOverview:
    """Count what a corpus holds; every window is looked at once for missing samples.

    Raises
    ------
    CorpusError
        If the folder is not a corpus.
    """
    data = corpus if isinstance(corpus, Corpus) else load_corpus(corpus)
    contract, manifest = data.preprocessing, Manifest.load(data.path)
    windows, samples, lost = _by_channel(data)
    subjects, subject_of = np.unique(data.subjects, return_inverse=True)
    names, has_label = _labels(data)
    numbers = contract.task == "regression" and bool(data.label_names)
    counts = np.stack(
        [np.bincount(subject_of, weights=column, minlength=len(subjects)) for column in has_label.T]
    )
    return CorpusOverview(
        path=data.path,
        n_recordings=len(np.unique(data.recordings)),
        n_windows=len(data),
        hours=float(data.lengths.sum()) / contract.sfreq / 3600,
        sfreq=contract.sfreq,
        recorded_at=() if manifest is None else _rates(manifest),
        reference=contract.reference_in_words,
        filter=contract.filter,
        keep_flat=contract.keep_flat,
        ch_names=contract.ch_names,
        units=contract.units,
        windows_of_channel=windows,
        missing_of_channel=lost / np.maximum(samples, 1),
        missing=float(lost.sum() / samples.sum()),
        subjects=tuple(subjects.tolist()),
        subjects_from=() if manifest is None else origins(manifest.recordings),
        parts=() if manifest is None else official_parts(manifest.recordings),
        left_out=() if manifest is None else _left_out(manifest),
        several=() if manifest is None else tuple(several_lines(manifest)),
        label_names=names,
        windows_of_label=counts.T.astype(np.int64),
        targets=data.targets if numbers else None,
        subject_of=subject_of,
        quarantine=quarantine_of(data.path),
    )


def _left_out(manifest: Manifest) -> tuple[str, ...]:
    return tuple(counted_kind(n, what) for what, n in left_out_of(manifest.recordings).items())


def _rates(manifest: Manifest) -> tuple[tuple[float, int], ...]:
    records = manifest.recordings.values()
    rates = Counter(each.sfreq for each in records if each.shard and each.sfreq is not None)
    return tuple(sorted(rates.items(), key=lambda item: (-item[1], item[0])))


def _by_channel(data: Corpus) -> tuple[Counts, Counts, Counts]:
    """Windows, samples and missing samples of each channel, (C,) each."""
    n_chans = data.preprocessing.n_chans
    windows, samples, lost = (np.zeros(n_chans, dtype=np.int64) for _ in range(3))
    for first in range(0, len(data), WINDOWS_AT_ONCE):
        rows = data.rows(np.arange(first, min(first + WINDOWS_AT_ONCE, len(data))))
        missing = (rows.digital == MISSING).sum(axis=2)
        padding = rows.digital.shape[2] - rows.n_times
        there = rows.channel >= 0
        channel = rows.channel[there]
        n_times = np.broadcast_to(rows.n_times[:, None], there.shape)[there]
        windows += np.bincount(channel, minlength=n_chans)
        np.add.at(samples, channel, n_times)
        np.add.at(lost, channel, (missing - padding[:, None])[there])
    return windows, samples, lost


def _labels(data: Corpus) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    """Names, and (n_windows, K) which windows have each."""
    names = data.preprocessing.label_names
    task = data.preprocessing.task
    if not names:
        return ("all windows",), np.ones((len(data), 1), dtype=bool)
    if task == "classes":
        columns = data.label_ids[:, None] == np.array([*range(len(names)), -1])
        names = (*names, "(none)")
    else:
        known = ~np.isnan(data.targets)
        own = known if task == "regression" else data.targets > 0
        no_tag = known.all(axis=1) & ~own.any(axis=1)
        columns = np.column_stack([own, no_tag, ~known.any(axis=1)])
        names = (*names, "(no tag)", "(none)")
    n_names = len(data.preprocessing.label_names or ())
    kept = [i for i in range(len(names)) if i < n_names or columns[:, i].any()]
    return tuple(names[i] for i in kept), columns[:, kept]


def quarantine_of(folder: Path) -> tuple[tuple[str, str], ...]:
    """Files that could not be used when a corpus was made, each with the reason."""
    path = folder / QUARANTINE_FILE
    if not path.is_file():
        return ()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, delimiter="\t")
        if header != ["file", "reason"] or any(len(row) != len(header) for row in rows):
            raise CorpusError("it needs the columns file and reason")
    except (OSError, ValueError, csv.Error) as error:  # not UTF-8 and no row are a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        raise CorpusError(
            f"{path}: damaged ({reason}). It tells which recordings could not be used; delete it, "
            "or prepare the corpus again."
        ) from error
    return tuple((true_cell(row[0]), true_cell(row[1])) for row in rows)


def _spread(values: npt.NDArray[np.float64]) -> tuple[int, str, str, str]:
    known = values[~np.isnan(values)]
    if not known.size:
        return 0, "", "", ""
    mean = f"{known.mean():.4g} ± {known.std():.4g}"
    return known.size, mean, f"{known.min():.4g}", f"{known.max():.4g}"


def _table(
    rows: Sequence[Sequence[Any]], headers: Sequence[str], what: str, of: int | None = None
) -> str:
    from tabulate import tabulate

    shown = rows[:MOST_ROWS]
    numbers = [0]  # names that look like numbers stay names
    style = "simple" if headers else "plain"
    text = tabulate(shown, headers, tablefmt=style, disable_numparse=numbers)
    left = (len(rows) if of is None else of) - len(shown)
    return f"{text}\n… and {left} more {what}" if left else text
