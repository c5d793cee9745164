"""`from_arrays`: a corpus from windows that are in memory already."""

# n windows, C channels, T samples

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.contract import Preprocessing, Scale
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
    label_names: Sequence[str] | Mapping[Any, str] | None = None,
    scale: Scale = "q95",
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
        (n,) class of each window, as integers or names; None for a corpus without labels.
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
        without them, the classes are those that occur, sorted.
    scale
        How a model is to see the windows, see :class:`biot.contract.Preprocessing`.

    Raises
    ------
    CorpusError
        If shapes, names or labels do not fit each other, a value is infinite, or a window holds
        no sample at all; or if `out` is taken.
    ConfigError
        If ``sfreq`` or ``scale`` is out of range.
    """
    windows = _windows(X, ch_names)
    n_windows, n_chans, n_times = windows.shape
    labels, names = _labels(y, label_names, n_windows)
    subjects = _subjects(subject, n_windows)
    preprocessing = Preprocessing(
        sfreq=float(sfreq),
        window=n_times / float(sfreq) if sfreq else 0.0,
        ch_names=tuple(ch_names),
        units=(units,) * n_chans if isinstance(units, str) else tuple(units),
        scale=scale,
        label_names=names,
    )

    at_once = max(1, CHUNK_VALUES // (n_chans * n_times))

    def parts(rows: npt.NDArray[np.int64]) -> Iterator[Windows]:
        for first in range(0, len(rows), at_once):
            chosen = rows[first : first + at_once]
            starts = (np.arange(first, first + len(chosen)) * preprocessing.window).tolist()
            yield Windows(windows[chosen], starts, [labels[row] for row in chosen])

    with new_folder(Path(out)) as folder:
        writer = CorpusWriter(folder, {"source": "arrays"})
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


def _labels(
    y: npt.ArrayLike | None, label_names: Sequence[str] | Mapping[Any, str] | None, n_windows: int
) -> tuple[Sequence[str | None], tuple[str, ...] | None]:
    """Name of each window's class, and the names of all classes."""
    if y is None:
        if label_names is not None:
            raise CorpusError("label_names are given, but y is None. Give both, or neither.")
        return [None] * n_windows, None
    codes = np.asarray(y)
    if codes.shape != (n_windows,):
        raise CorpusError(
            f"y must hold one label a window, {n_windows} in all; got shape {codes.shape}."
        )
    values = codes.tolist()
    wrong = [value for value in values if not isinstance(value, int | str)]
    if wrong:
        raise CorpusError(f"y must hold integers or names, found {wrong[0]!r}.")
    naming = _naming(set(values), label_names)
    unknown = next((i for i, value in enumerate(values) if value not in naming), None)
    if unknown is not None:
        known = ", ".join(map(repr, naming))
        raise CorpusError(f"y[{unknown}] is {values[unknown]!r}; label_names knows {known}.")
    names = tuple(dict.fromkeys(naming.values()))
    if "" in names:
        raise CorpusError("A label is empty; every class needs a name.")
    return [naming[value] for value in values], names


def _naming(
    found: set[Any], label_names: Sequence[str] | Mapping[Any, str] | None
) -> dict[Any, str]:
    """Name of each code that may stand in ``y``, in the order of the classes."""
    if label_names is None:
        numbers = all(isinstance(value, int) for value in found)
        return {value: str(value) for value in sorted(found, key=None if numbers else str)}
    if isinstance(label_names, Mapping):
        return {code: str(name) for code, name in label_names.items()}
    names = [str(name) for name in label_names]
    if len(set(names)) < len(names):
        raise CorpusError(f"label_names names a class twice: {', '.join(names)}.")
    if any(isinstance(value, str) for value in found):
        return {name: name for name in names}
    return dict(enumerate(names))
