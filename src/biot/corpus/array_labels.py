"""What ``y`` of `from_arrays` means: classes, tags or targets."""

# n windows, K tags or targets

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from biot.contract import Task
from biot.corpus.labels import Label
from biot.errors import CorpusError

__all__ = ["LabelNames", "labels_of"]

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
