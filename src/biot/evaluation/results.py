"""What is told of predictions: scores, how sure they are, and tables for readers."""

# W windows, K classes
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import CorpusError
from biot.evaluation.metrics import ClassScores, Floats, TargetScores
from biot.evaluation.tasks import Task, Truth

__all__ = [
    "Evaluation",
    "assess",
    "tabulated",
]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of one model on one set of windows; ``str()`` gives tables, `to_dict` plain values."""

    task: Task
    """What was asked for; it names the scores."""
    n_windows: int
    """Windows that the scores are of."""
    n_left_out: int
    """Windows without usable data; the model says nothing about them."""
    n_subjects: int
    scores: dict[str, float]
    """Value by key of the task's `score_names`; NaN where undefined."""
    intervals: dict[str, tuple[float, float]] | None
    """95 % bootstrap interval over subjects of each score; None where it cannot be had."""
    classes: Sequence[ClassScores | TargetScores]
    """How each class, tag or target fared, in the order of `label_names`."""
    confusion: tuple[tuple[int, ...], ...] | None
    """Windows; row: true class, column: predicted class; None unless there are classes."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, tags or targets."""
        return self.task.names

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: what is undefined is None."""
        classes = dict(zip(self.label_names, map(asdict, self.classes), strict=True))
        intervals = None
        if self.intervals is not None:
            finite = {name: math.isfinite(low) for name, (low, _) in self.intervals.items()}
            intervals = {n: ends if finite[n] else None for n, ends in self.intervals.items()}
        plain: dict[str, Any] = _without_nan(
            {
                **self.scores,
                "intervals": intervals,
                "n_windows": self.n_windows,
                "n_left_out": self.n_left_out,
                "n_subjects": self.n_subjects,
                "label_names": self.label_names,
                "classes": classes,
                "confusion": self.confusion,
            }
        )
        return plain

    def __str__(self) -> str:
        return "\n\n".join((self._head(), self._score_table(), self._class_table()))

    def _head(self) -> str:
        head = f"{self.n_windows} windows of {_count(self.n_subjects, 'subject')}"
        if self.n_left_out:
            head += f"; {self.n_left_out} more without usable data are left out"
        if self.n_subjects < 2:
            head += "; no intervals: they need two subjects or more"
        return head + "."

    def _score_table(self) -> str:
        rows = []
        for key, name in self.task.score_names.items():
            low, high = (self.intervals or {}).get(key, (math.nan, math.nan))
            interval = f"{low:.3f} to {high:.3f}" if math.isfinite(low) else ""
            rows.append((name, _number(self.scores[key]), interval))
        return tabulated(rows, ("score", "value", "95 % interval"))

    def _class_table(self) -> str:
        columns = [field.name for field in fields(self.classes[0])]
        rows = [
            (name, *(_number(getattr(scored, column)) for column in columns))
            for name, scored in zip(self.label_names, self.classes, strict=True)
        ]
        return tabulated(rows, ("class", *(_HEADERS.get(column, column) for column in columns)))


_HEADERS = {
    "f1": "F1", "support": "windows", "auroc": "AUROC", "auprc": "AUPRC", "r2": "R²", "mae": "MAE",
}  # fmt: skip


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if math.isfinite(value) else "undefined"


def tabulated(rows: Iterable[tuple[str, ...]], headers: tuple[str, ...]) -> str:
    """Rows of text as an aligned table, numbers to the right."""
    from tabulate import tabulate

    align = ("left", *("right" for _ in headers[1:]))
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def assess(
    truth: Truth,
    predicted_WK: Floats,
    subjects: npt.NDArray[np.str_],
    task: Task,
    *,
    decided: Truth | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores of given predictions.

    Parameters
    ----------
    truth
        (W,) true classes, 0 to K − 1; of tags (W, K) 0 or 1; of targets (W, K) numbers.
    predicted_WK
        Probabilities or numbers; a row of NaN is a window without usable data, and left out.
    subjects
        (W,) name of each window's subject.
    task
        What was predicted.
    decided
        What is said to hold, as :meth:`Task.decided` gives it; None decides without thresholds.
    n_bootstrap
        Resamples for the intervals; 0 for none.
    seed
        Seed of the resamples.

    Raises
    ------
    CorpusError
        If no window has usable data.
    """
    usable = np.isfinite(predicted_WK).all(axis=1)
    if not usable.any():
        raise CorpusError(f"None of the {len(truth)} windows to evaluate has usable data.")
    if decided is None:
        decided = task.decided(predicted_WK)
    given = truth[usable], predicted_WK[usable], decided[usable]
    return Evaluation(
        task=task,
        n_windows=int(usable.sum()),
        n_left_out=int((~usable).sum()),
        n_subjects=len(np.unique(subjects[usable])),
        scores=task.scores(*given),
        intervals=task.intervals(*given, subjects[usable], n_bootstrap=n_bootstrap, seed=seed),
        classes=task.details(*given),
        confusion=task.confusion(given[0], given[2]),
    )
