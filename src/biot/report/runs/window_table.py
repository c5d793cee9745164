"""What a run said of every window of a part, from its table."""

# W windows, K classes, tags or numbers
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import CheckpointError, require

__all__ = ["WindowTable", "read_window_table"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class WindowTable:
    """Windows with usable data, their truth, and what was said of them."""

    task: str
    label_names: tuple[str, ...]
    row: Ints
    """(W,) position in the corpus."""
    recording: npt.NDArray[np.str_]
    subject: npt.NDArray[np.str_]
    start: Floats
    """(W,) seconds from the recording's first sample."""
    truth: npt.NDArray[Any]
    """(W,) classes; (W, K) tags as 0 and 1, or numbers."""
    decided: npt.NDArray[Any]
    """As the truth; of numbers those that were predicted."""
    predicted: Floats
    """(W, K) probabilities or numbers."""
    n_left_out: int
    """Windows without usable data, which are not among the W."""

    def __len__(self) -> int:
        return len(self.row)

    @property
    def right(self) -> npt.NDArray[np.float64]:
        """(W,) 1 where the class is right, 0 where it is not; of tags the share that is."""
        same = self.truth == self.decided
        return np.asarray(same if same.ndim == 1 else same.mean(axis=1), dtype=np.float64)


def read_window_table(path: Path) -> WindowTable:
    """Read a table that fine-tuning wrote; of folds, the windows of the first seed, once each.

    Raises
    ------
    CheckpointError
        If it is missing, damaged or no such table.
    """
    parquet = require("pyarrow.parquet", extra="corpus")
    try:
        table = parquet.read_table(path)
        about = {k.decode(): json.loads(v) for k, v in (table.schema.metadata or {}).items()
                 if k in (b"task", b"label_names")}  # fmt: skip
        if "seed" in table.column_names:
            seeds = table.column("seed").to_numpy()
            table = table.filter(seeds == seeds[:1])
        return _window_table(table, about["task"], tuple(about["label_names"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, FileNotFoundError):
            raise CheckpointError(f"{path} is not there.") from error
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: damaged, or no table of a run ({reason}).") from error


def _window_table(table: Any, task: str, names: tuple[str, ...]) -> WindowTable:
    def column(name: str) -> npt.NDArray[Any]:
        return np.asarray(table.column(name).to_numpy(zero_copy_only=False))

    def columns(word: str) -> npt.NDArray[np.float64]:
        values = [column(f"{word}_{name}") for name in names]
        return np.stack(values, axis=1).astype(np.float64)

    predicted = columns("predicted" if task == "regression" else "p")
    usable: npt.NDArray[np.bool_] = np.asarray(np.isfinite(predicted).all(axis=1))
    if task == "classes":
        place = {name: index for index, name in enumerate(names)}
        truth: npt.NDArray[Any] = np.array([place[name] for name in column("truth")], np.int64)
        decided: npt.NDArray[Any] = np.array([place.get(name, -1) for name in column("label")])
    else:
        truth = columns("truth")
        decided = predicted if task == "regression" else columns("label")
    return WindowTable(
        task=task, label_names=names, row=column("row")[usable].astype(np.int64),
        recording=column("recording").astype(np.str_)[usable],
        subject=column("subject").astype(np.str_)[usable],
        start=column("start")[usable].astype(np.float64), truth=truth[usable],
        decided=decided[usable], predicted=predicted[usable], n_left_out=int((~usable).sum()),
    )  # fmt: skip
