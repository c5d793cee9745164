"""`from_arrays`: a corpus from windows that are in memory already."""

# n windows, K tags or targets
# n windows, C channels, T samples
from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from biot.corpus.builder.channels.choice import same_channel
from biot.corpus.builder.writer import CorpusWriter
from biot.corpus.corpus import Corpus
from biot.corpus.load import load_corpus
from biot.corpus.schema import CHUNK_VALUES, Label, WindowBlock
from biot.corpus.subjects import doubts
from biot.errors import CorpusError
from biot.io import atomic_folder
from biot.preprocessing import Preprocessing, Scale, Task
from biot.signals.flat import varying_windows
from biot.signals.reference import rereferencing

__all__ = [
    "LabelNames",
    "from_arrays",
    "labels_of",
]

LabelNames: TypeAlias = Sequence[str] | Mapping[Any, str] | None


_Labels = tuple[Sequence[Label | None], tuple[str, ...] | None]


def labels_of(y: npt.ArrayLike | None, label_names: LabelNames, task: Task, n: int) -> _Labels:
    """Label of each window, and the names of all classes, tags or targets."""
    if y is None:
        if label_names is not None:
            raise CorpusError("label_names are given, but y is None. Give both, or neither.")
        if task != "classes":
            raise CorpusError(f"task is {task!r}, but y is None.")
        return [None] * n, None
    if task == "multilabel":
        return _tags(np.asarray(y), label_names, n)
    if task == "regression":
        return _targets(np.asarray(y), label_names, n)
    return _classes(np.asarray(y), label_names, n)


def _classes(codes: npt.NDArray[Any], label_names: LabelNames, n: int) -> _Labels:
    if codes.shape != (n,):
        raise CorpusError(f"y must hold one label a window, {n} in all; got shape {codes.shape}.")
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


def _naming(found: set[Any], label_names: LabelNames) -> dict[Any, str]:
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


def _tags(flags_nK: npt.NDArray[Any], label_names: LabelNames, n: int) -> _Labels:
    if flags_nK.ndim != 2 or len(flags_nK) != n or flags_nK.dtype.kind not in "biuf":
        raise CorpusError(
            f"y must hold 0 or 1 for each tag of a window, in shape ({n}, tags); "
            f"got {flags_nK.dtype} of shape {flags_nK.shape}."
        )
    unlabelled = (flags_nK == -1).all(axis=1)
    wrong = ~(np.isin(flags_nK, (0, 1)).all(axis=1) | unlabelled)
    if wrong.any():
        row = int(wrong.argmax())
        raise CorpusError(
            f"y[{row}] is {flags_nK[row].tolist()}; each must be 0 or 1, or all −1 where nothing "
            "is known."
        )
    names = _column_names(label_names, flags_nK.shape[1])
    labels = [
        None if unknown else tuple(sorted(names[k] for k in np.flatnonzero(flags)))
        for flags, unknown in zip(flags_nK, unlabelled.tolist(), strict=True)
    ]
    return labels, names


def _targets(values: npt.NDArray[Any], label_names: LabelNames, n: int) -> _Labels:
    values_nK = values[:, np.newaxis] if values.ndim == 1 else values
    if values_nK.ndim != 2 or len(values_nK) != n or values_nK.dtype.kind not in "iuf":
        raise CorpusError(
            f"y must hold numbers in shape ({n},) or ({n}, targets); "
            f"got {values.dtype} of shape {values.shape}."
        )
    unlabelled = np.isnan(values_nK).all(axis=1)
    wrong = ~(np.isfinite(values_nK).all(axis=1) | unlabelled)
    if wrong.any():
        row = int(wrong.argmax())
        raise CorpusError(
            f"y[{row}] is {values_nK[row].tolist()}; targets must be finite, or all NaN where "
            "nothing is known."
        )
    default = ("label",) if values.ndim == 1 else None
    names = _column_names(label_names or default, values_nK.shape[1])
    labels = [
        None if unknown else tuple(float(value) for value in row)
        for row, unknown in zip(values_nK.tolist(), unlabelled.tolist(), strict=True)
    ]
    return labels, names


def _column_names(label_names: LabelNames, n_columns: int) -> tuple[str, ...]:
    if isinstance(label_names, Mapping):
        raise CorpusError("label_names must be a sequence, one name for each column of y.")
    names = tuple(map(str, range(n_columns) if label_names is None else label_names))
    if len(names) != n_columns or len(set(names)) < len(names) or "" in names or not names:
        raise CorpusError(
            f"label_names must name the {n_columns} columns of y, each differently; "
            f"got {', '.join(names)}."
        )
    return names


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
    keep_flat: bool = False,
    reference: str = "none",
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
        :class:`biot.preprocessing.Preprocessing`.
    reference
        What EEG channels are re-referenced to: ``"none"``, ``"average"`` or names of channels with
        commas between them (:mod:`biot.signals.reference`).
    keep_flat
        Keep channels and stretches that are flat (:mod:`biot.signals.flat`; each window is a
        segment of its own). Otherwise they are missing data, and a warning tells of them.

    Raises
    ------
    CorpusError
        If shapes, names or labels do not fit each other, a value is infinite, or a window holds
        no sample at all, or flat channels only; or if `out` is taken.
    ConfigError
        If ``sfreq``, ``scale``, ``task`` or ``reference`` is out of range.
    RecordingError
        If a channel of `reference` is not among `ch_names`.
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
        keep_flat=keep_flat,
        reference=reference,
    )
    if not keep_flat:
        windows, found = varying_windows(windows, preprocessing.sfreq, ch_names)
        _require_samples(windows, "flat channels only", "keep them with keep_flat=True, or ")
        if found:
            warnings.warn(f"X: flat, so missing data: {found}; {found.way_out}.", stacklevel=2)
    how = rereferencing(ch_names, preprocessing.units, preprocessing.reference, where="X")
    windows = how.apply(windows)
    _require_samples(windows, f"no sample against the reference {reference}")
    labels, names = labels_of(y, label_names, task, n_windows)
    columns = names if task == "regression" and names else preprocessing.label_columns
    preprocessing = replace(preprocessing, label_names=names, label_columns=columns)

    at_once = max(1, CHUNK_VALUES // (n_chans * n_times))

    def parts(rows: npt.NDArray[np.int64]) -> Iterator[WindowBlock]:
        for first in range(0, len(rows), at_once):
            chosen = rows[first : first + at_once]
            starts = (np.arange(first, first + len(chosen)) * preprocessing.window).tolist()
            yield WindowBlock(windows[chosen], starts, [labels[row] for row in chosen])

    with atomic_folder(Path(out), error=CorpusError) as folder:
        writer = CorpusWriter(folder, {"source": "arrays"})
        for name in dict.fromkeys(subjects.tolist()):
            rows = np.flatnonzero(subjects == name)
            writer.add(parts(rows), preprocessing, subject=name, recording=name)
        manifest = writer.finish(preprocessing)
    for doubt in doubts(manifest, task):
        warnings.warn(doubt, stacklevel=2)
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
    _require_samples(windows, "no sample at all")
    return windows


def _require_samples(windows: npt.NDArray[Any], what: str, way: str = "") -> None:
    """Raise `CorpusError` if a window holds nothing, in words `what`; `way` is another way out."""
    empty = np.isnan(windows).all(axis=(1, 2))
    if empty.any():
        raise CorpusError(
            f"X[{empty.argmax()}] holds {what} ({empty.sum()} such windows). "
            f"{(way + 'leave').capitalize()} these windows out."
        )


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
