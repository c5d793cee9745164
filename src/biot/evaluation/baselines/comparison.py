"""A model and a ridge on the same windows: the ridge's scores, the difference, and one sentence."""

# W windows, K classes, tags or numbers
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.evaluation.metrics import Floats, Intervals, paired_intervals
from biot.evaluation.tasks import Task, Truth

__all__ = ["RIDGE", "BaselineAnswers", "Comparison", "compared", "told_of_no_ridge"]

RIDGE = "a ridge on log band powers"
"""What it is called in sentences."""


def told_of_no_ridge(why: object) -> str:
    """Why no ridge could be fitted, in a sentence."""
    return f"{RIDGE[:1].upper()}{RIDGE[1:]} could not be fitted: {why}"


@dataclass(frozen=True, kw_only=True)
class BaselineAnswers:
    """What a ridge says of the windows that a model is scored on."""

    predicted: Floats
    """(W, K) probabilities or numbers, finite."""
    decided: Truth
    """(W,) classes; (W, K) tags or numbers."""
    about: Mapping[str, Any]
    """What else is told of it, such as its penalty."""

    def chosen(self, keep: npt.NDArray[Any]) -> BaselineAnswers:
        """Of some of the windows."""
        return BaselineAnswers(
            predicted=self.predicted[keep], decided=self.decided[keep], about=self.about
        )

    @classmethod
    def together(cls, parts: Sequence[BaselineAnswers]) -> BaselineAnswers:
        """Of the windows of several folds, one after the other."""
        return cls(
            predicted=np.concatenate([part.predicted for part in parts]),
            decided=np.concatenate([part.decided for part in parts]), about=parts[0].about,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scores of a ridge, and those of the model minus these."""

    scores: dict[str, float]
    """Of the ridge, by key; NaN where one is undefined."""
    intervals: Intervals | None
    """95 % over subjects; None where they cannot be had."""
    differences: dict[str, float]
    """Model minus ridge."""
    difference_intervals: Intervals | None
    """95 % over subjects, the same subjects drawn for both."""
    about: Mapping[str, Any]

    def to_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The ridge among the baselines, and the differences by score, as plain values."""
        ends = self.difference_intervals or {}
        apart = {
            name: {"value": value, "interval": _known(ends.get(name))}
            for name, value in self.differences.items()
        }
        own = None
        if self.intervals is not None:
            own = {name: _known(pair) for name, pair in self.intervals.items()}
        return {**self.scores, "intervals": own, **self.about}, apart

    def verdict(self, task: Task, metric: str | None, values: Mapping[str, float]) -> str | None:
        """One sentence where the model is not better by a score, or not shown to be; else None.

        Parameters
        ----------
        task
            What is predicted; it names the scores and says of which less is better.
        metric
            Key of the score; None, or one that is no score, such as ``"loss"``: the task's own.
        values
            The model's scores.
        """
        is_score = metric is not None and metric in task.score_names
        key = str(metric) if is_score else task.default_metric
        apart = self.differences[key]
        if not math.isfinite(apart):
            return None
        low, high = (self.difference_intervals or {}).get(key, (math.nan, math.nan))
        gain, least = apart, low
        if key in task.lower_is_better:
            gain, least = -apart, -high
        told = f"{task.score_names[key]} {values[key]:.3f} against {self.scores[key]:.3f}"
        told += f", difference {apart:+.3f}"
        if math.isfinite(low):
            told += f" (95 % interval over subjects {low:+.3f} to {high:+.3f})"
        if gain <= 0:
            return f"The model is not better than {RIDGE}: {told}."
        if math.isfinite(low) and least <= 0:
            return f"The model has not been shown to be better than {RIDGE}: {told}."
        return None


def _known(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    return ends if ends is not None and math.isfinite(ends[0]) else None


def compared(
    task: Task,
    truth: Truth,
    predicted_WK: Floats,
    decided: Truth,
    other: BaselineAnswers,
    subjects: npt.NDArray[np.str_],
    *,
    n_bootstrap: int,
    seed: int,
) -> Comparison:
    """Compare a model's predictions with those of a ridge, window by window.

    Parameters
    ----------
    task
        What is predicted.
    truth, predicted_WK, decided
        Of windows with usable data, as for :func:`biot.evaluation.results.assess`.
    other
        What the ridge says of the same windows.
    subjects
        (W,) name of each window's subject.
    n_bootstrap, seed
        Resamples of subjects, and their seed.
    """
    of_model = task.scores(truth, predicted_WK, decided)
    of_ridge = task.scores(truth, other.predicted, other.decided)
    own, apart = paired_intervals(
        task.resampling(truth, predicted_WK, decided),
        task.resampling(truth, other.predicted, other.decided),
        subjects, n_bootstrap=n_bootstrap, seed=seed,
    )  # fmt: skip
    return Comparison(
        scores=of_ridge, intervals=own,
        differences={name: of_model[name] - value for name, value in of_ridge.items()},
        difference_intervals=apart, about=other.about,
    )  # fmt: skip
