"""`from_arrays`: a corpus from windows that are in memory already."""

# n windows, C channels, T samples

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.contract import Preprocessing, Scale, Task
from biot.corpus.array_labels import LabelNames, labels_of
from biot.corpus.layout import same_channel
from biot.corpus.load import Corpus, load_corpus
from biot.corpus.writer import CHUNK_VALUES, CorpusWriter, Windows, new_folder
from biot.errors import CorpusError

__all__ = ["from_arrays"]


def from_arrays(
    X: npt.ArrayLike,
    y: npt.ArrayLike | None,
    *,
    subject: npt.ArrayLike,
    sfreq: float,
    ch_names: Sequence[str],
    units: str | Sequence[str],
    out: str | Path,
    label_names: LabelNames = None,
    scale: Scale = "q95",
    task: Task = "classes",
) -> Corpus:
    """Write windows in memory as a corpus.

    Each subject becomes one recording of that name. Rows are grouped by subject, in the order in
    which the subjects first appear; within one they keep their order, and window i of a subject
    is taken to start i windows after its first, since the true time is not known. (So a split by
    time does not notice windows that overlap.)

    Parameters
    ----------
    X
        (n, C, T) windows in physical units; NaN where nothing was recorded.
    y
        (n,) class of each window, as integers or names; None for a corpus without labels. For
        the task ``"multilabel"``: (n, K), 1 where a tag holds, else 0, and −1 in all K where
        nothing is known. For ``"regression"``: (n,) or (n, K) numbers, NaN where none is known.
    subject
        (n,) name or number of each window's subject.
    sfreq
        Samples a second, in Hz.
    ch_names
        Names of the C channels.
    units
        Unit of the numbers, such as ``"µV"``: one for all channels, or one each.
    out
        The folder to make; it must not exist, or be empty.
    label_names
        What the classes are called: a sequence (``y`` holds positions in it, or its names) or a
        mapping from each code in ``y`` to its name. The corpus keeps these names in this order;
        without them, the classes are those that occur, sorted. Of tags and targets, the names
        of the K columns; without them, their numbers, or ``label`` for y of shape (n,).
    scale, task
        How a model is to see the windows, and what it is to say of them, see
        :class:`biot.contract.Preprocessing`.

    Raises
    ------
    CorpusError
        If shapes, names or labels do not fit each other, a value is infinite, or a window holds
        no sample at all; or if `out` is taken.
    ConfigError
        If ``sfreq``, ``scale`` or ``task`` is out of range.
    """
    windows = _windows(X, ch_names)
    n_windows, n_chans, n_times = windows.shape
    subjects = _subjects(subject, n_windows)
    preprocessing = Preprocessing(
        sfreq=float(sfreq),
        window=n_times / float(sfreq) if sfreq else 0.0,
        ch_names=tuple(ch_names),
        units=(units,) * n_chans if isinstance(units, str) else tuple(units),
        scale=scale,
        task=task,
    )
    labels, names = labels_of(y, label_names, task, n_windows)
    columns = names if task == "regression" and names else preprocessing.label_columns
    preprocessing = replace(preprocessing, label_names=names, label_columns=columns)

    at_once = max(1, CHUNK_VALUES // (n_chans * n_times))

    def parts(rows: npt.NDArray[np.int64]) -> Iterator[Windows]:
        for first in range(0, len(rows), at_once):
            chosen = rows[first : first + at_once]
            starts = (np.arange(first, first + len(chosen)) * preprocessing.window).tolist()
            yield Windows(windows[chosen], starts, [labels[row] for row in chosen])

    with new_folder(Path(out)) as folder:
        writer = CorpusWriter(folder)
        for name in dict.fromkeys(subjects.tolist()):
            rows = np.flatnonzero(subjects == name)
            writer.add(parts(rows), preprocessing, subject=name, recording=name)
        writer.finish(preprocessing)
    return load_corpus(out)


def _windows(X: npt.ArrayLike, ch_names: Sequence[str]) -> npt.NDArray[np.floating[Any]]:
    windows = np.asarray(X)
    if windows.ndim != 3 or windows.size == 0:
        raise CorpusError(f"X must be (windows, channels, samples), got shape {windows.shape}.")
    if isinstance(ch_names, str) or len(ch_names) != windows.shape[1]:
        raise CorpusError(
            f"ch_names must name the {windows.shape[1]} channels of X, got {ch_names!r}."
        )
    same = same_channel(ch_names)
    if same is not None:
        raise CorpusError(f"ch_names names one channel twice: {same[0]!r} and {same[1]!r}.")
    if windows.dtype.kind in "iu":
        return windows.astype(np.float64)
    if windows.dtype.kind != "f":
        raise CorpusError(f"X must hold real numbers, got {windows.dtype}.")
    too_large = np.abs(windows).max(axis=(1, 2), initial=0, where=~np.isnan(windows)) > np.float64(
        np.finfo(np.float32).max
    )
    if too_large.any():
        raise CorpusError(
            f"X[{too_large.argmax()}] holds an infinite value. "
            "Write NaN where nothing was recorded."
        )
    empty = np.isnan(windows).all(axis=(1, 2))
    if empty.any():
        raise CorpusError(
            f"X[{empty.argmax()}] holds no sample at all ({empty.sum()} such windows). "
            "Leave these windows out."
        )
    return windows


def _subjects(subject: npt.ArrayLike, n_windows: int) -> npt.NDArray[np.str_]:
    subjects = np.asarray(subject)
    if subjects.shape != (n_windows,):
        raise CorpusError(
            f"subject must name one subject a window, {n_windows} in all; "
            f"got shape {subjects.shape}."
        )
    names = np.array([str(name) for name in subjects.tolist()])
    if (names == "").any():
        raise CorpusError(f"subject[{(names == '').argmax()}] is empty.")
    return names
