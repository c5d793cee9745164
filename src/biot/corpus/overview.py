"""`overview`: what a corpus holds, as tables for people and as a picture."""

# S subjects, K label names, C channels

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot import plots
from biot.corpus.load import Corpus, load_corpus
from biot.corpus.report import QUARANTINE_FILE
from biot.corpus.schema import MISSING

__all__ = ["CorpusOverview", "overview"]

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
    ch_names: tuple[str, ...]
    units: tuple[str, ...]
    windows_of_channel: Counts
    """(C,) windows that hold each channel."""
    missing_of_channel: npt.NDArray[np.float64]
    """(C,) share of each channel's samples that was not recorded."""
    missing: float
    """Share of all samples that was not recorded."""
    subjects: tuple[str, ...]
    label_names: tuple[str, ...]
    """Classes, tags, or ``all windows`` where there are none."""
    windows_of_label: Counts
    """(S, K) windows of each subject with each label."""
    quarantine: tuple[tuple[str, str], ...]
    """Files that could not be read, with the reason."""

    def __str__(self) -> str:
        parts = [self._summary(), self._channel_table(), self._label_table()]
        if self.quarantine:
            parts.append(_table(self.quarantine, ("quarantined", "reason"), "files"))
        return "\n\n".join(parts)

    def to_png(self, path: Path) -> Path:
        """Draw channels, what is missing, and labels by subject."""
        figure = plots.corpus_overview(
            windows_of_label=self.windows_of_label,
            subjects=self.subjects,
            label_names=self.label_names,
            windows_of_channel=self.windows_of_channel,
            missing_of_channel=self.missing_of_channel,
            ch_names=self.ch_names,
            title=f"{self.path.name}: {self.n_windows} windows, {self.hours:.2f} h",
        )
        return plots.save_png(figure, path)

    def _summary(self) -> str:
        rows = [
            ("corpus", str(self.path)),
            ("recordings", str(self.n_recordings)),
            ("subjects", str(len(self.subjects))),
            ("windows", str(self.n_windows)),
            ("hours", f"{self.hours:.2f}"),
            ("rate", f"{self.sfreq:g} Hz"),
            ("missing", f"{self.missing:.2%} of the samples"),
            ("quarantined", f"{len(self.quarantine)} files"),
        ]
        return _table(rows, (), "lines")

    def _channel_table(self) -> str:
        order = np.argsort(-self.windows_of_channel, kind="stable")
        rows = [
            (
                self.ch_names[i],
                self.units[i],
                int(self.windows_of_channel[i]),
                f"{self.windows_of_channel[i] / self.n_windows:.1%}",
                f"{self.missing_of_channel[i]:.2%}",
            )
            for i in order
        ]
        return _table(rows, ("channel", "unit", "windows", "of all", "missing"), "channels")

    def _label_table(self) -> str:
        total = self.windows_of_label.sum(axis=0)
        rows = [("all subjects", *total.tolist())]
        rows += [
            (name, *counts.tolist())
            for name, counts in zip(self.subjects, self.windows_of_label, strict=True)
        ]
        return _table(rows, ("windows by subject", *self.label_names), "subjects")


def overview(corpus: Corpus | Path | str) -> CorpusOverview:
    """Count what a corpus holds; every window is looked at once for missing samples.

    Raises
    ------
    CorpusError
        If the folder is not a corpus.
    """
    data = corpus if isinstance(corpus, Corpus) else load_corpus(corpus)
    contract = data.preprocessing
    windows, samples, lost = _by_channel(data)
    subjects, subject_of = np.unique(data.subjects, return_inverse=True)
    names, has_label = _labels(data)
    counts = np.stack(
        [np.bincount(subject_of, weights=column, minlength=len(subjects)) for column in has_label.T]
    )
    return CorpusOverview(
        path=data.path,
        n_recordings=len(np.unique(data.recordings)),
        n_windows=len(data),
        hours=float(data.lengths.sum()) / contract.sfreq / 3600,
        sfreq=contract.sfreq,
        ch_names=contract.ch_names,
        units=contract.units,
        windows_of_channel=windows,
        missing_of_channel=lost / np.maximum(samples, 1),
        missing=float(lost.sum() / samples.sum()),
        subjects=tuple(subjects.tolist()),
        label_names=names,
        windows_of_label=counts.T.astype(np.int64),
        quarantine=_quarantine(data.path),
    )


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
    if not names or task == "regression":
        return ("all windows",), np.ones((len(data), 1), dtype=bool)
    if task == "multilabel":
        unlabelled = np.isnan(data.targets).any(axis=1)
        columns = np.column_stack([data.targets > 0, unlabelled])
    else:
        columns = data.label_ids[:, None] == np.array([*range(len(names)), -1])
    if not columns[:, -1].any():
        return names, columns[:, :-1]
    return (*names, "(none)"), columns


def _quarantine(folder: Path) -> tuple[tuple[str, str], ...]:
    path = folder / QUARANTINE_FILE
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file, delimiter="\t")
    return tuple((row[0], row[1]) for row in rows if len(row) == 2)


def _table(rows: Sequence[Sequence[Any]], headers: Sequence[str], what: str) -> str:
    from tabulate import tabulate

    shown = rows[:MOST_ROWS]
    numbers = [0]  # names that look like numbers stay names
    style = "simple" if headers else "plain"
    text = tabulate(shown, headers, tablefmt=style, disable_numparse=numbers)
    left = len(rows) - len(shown)
    return f"{text}\n… and {left} more {what}" if left else text
