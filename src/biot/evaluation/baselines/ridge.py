"""`RidgeBaseline`: a linear model on standardised features, chosen by folds over groups."""

# W windows, F features, K outputs, A penalties
from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.decision import Decision
from biot.errors import CorpusError, counted, require
from biot.evaluation.metrics import Floats, Ints
from biot.evaluation.tasks import Classes, MultiLabel, Task, Truth

__all__ = ["RidgeBaseline", "window_limit"]

_PENALTIES = tuple(np.logspace(-1, 5, 13).tolist())
_FOLDS = 5
_VALUES_FOR_PENALTY = 4_000_000
"""Windows times features by which the penalty is chosen, at most."""
_VALUES = 40_000_000
"""Windows times features of the last fit, at most: 320 MB."""
_AT_ONCE = 64
"""Features whose moments are computed together."""


def window_limit(n_features: int) -> int:
    """Windows that :meth:`RidgeBaseline.fit` uses of so many features, at most."""
    return max(1000, _VALUES // max(1, n_features))


@dataclass(frozen=True, kw_only=True)
class RidgeBaseline:
    """A ridge on standardised features, with how its outputs are read.

    Classes and tags are learned as −1 and 1; every class weighs the same in sum. Numbers are
    learned in units of their spread.
    """

    task: Task
    """What is predicted; the names of the outputs."""
    weight: Floats
    """(K, F) of the features as they are."""
    bias: Floats
    """(K,)"""
    fill: Floats
    """(F,) mean of each feature in training, which stands where one is missing."""
    penalty: float
    """Of those tried, the one with the least squared error on windows of other groups."""
    decision: Decision
    """Fitted to the outputs for windows of other groups."""
    n_windows: int
    """That it was fitted to."""

    @classmethod
    def fit(
        cls,
        features: npt.ArrayLike,
        truth: Truth,
        task: Task,
        *,
        groups: npt.ArrayLike | None = None,
        seed: int = 0,
    ) -> RidgeBaseline:
        """Fit on windows; the penalty is the best in folds that keep groups together.

        Parameters
        ----------
        features
            (W, F); NaN where one is missing. A window without any feature is left out.
        truth
            (W,) classes, 0 to K − 1; of tags (W, K) 0 or 1; of numbers (W, K).
        task
            :class:`biot.evaluation.tasks.Classes`, ``MultiLabel`` or ``Regression``, with the names
            of the outputs; weights of its loss are not looked at.
        groups
            (W,) subject of each window, whose windows are never on both sides. None, or one
            group: folds are stretches of the windows in their order.
        seed
            Of the folds, and of the windows that are drawn where there are too many, see
            :func:`window_limit`.

        Raises
        ------
        CorpusError
            If no window has a feature.
        """
        given, target = np.asarray(features), np.asarray(truth)
        place = np.zeros(len(given)) if groups is None else np.asarray(groups)
        rows = np.flatnonzero(np.isfinite(given).any(axis=1))
        if not len(rows):
            raise CorpusError(
                f"None of the {counted(len(given), 'window')} has a feature: nothing to learn from."
            )
        rows = _drawn(rows, window_limit(given.shape[1]), seed)
        x = given[rows].astype(np.float64)
        target, place = target[rows], place[rows]
        mean, spread = _moments(x)
        standard = _standardised(x, mean, spread)
        wanted, weight_W, middle, unit = _wanted(task, target)
        few = _drawn(np.arange(len(x)), max(500, _VALUES_FOR_PENALTY // max(1, x.shape[1])), seed)
        penalty, outputs = _chosen(
            standard[few], wanted[few], None if weight_W is None else weight_W[few],
            list(_folds(task, target[few], place[few], seed)),
        )  # fmt: skip
        model = _solver(penalty).fit(standard, wanted, sample_weight=weight_W)
        scaled = model.coef_.reshape(wanted.shape[1], -1) / spread * unit[:, None]
        offset = np.broadcast_to(model.intercept_, (wanted.shape[1],)) * unit + middle
        read = _decision(task, target, outputs, few)
        return cls(
            task=task, weight=scaled, bias=offset - scaled @ mean, fill=mean, penalty=penalty,
            decision=read, n_windows=len(rows),
        )  # fmt: skip

    def outputs(self, features: npt.ArrayLike) -> Floats:
        """(W, K) outputs, as a model's last layer has them; of numbers in their units."""
        x = np.asarray(features, dtype=np.float64)
        return np.asarray(np.where(np.isfinite(x), x, self.fill) @ self.weight.T + self.bias)

    def predict_proba(self, features: npt.ArrayLike) -> Floats:
        """(W, K) probabilities; of numbers the numbers themselves."""
        return self.decision.probabilities(self.outputs(features))

    def predict(self, features: npt.ArrayLike) -> Truth:
        """(W,) class of each window; of tags (W, K) whether each holds; of numbers (W, K)."""
        return self.task.decided(self.predict_proba(features), self.decision)


def _drawn(rows: Ints, most: int, seed: int) -> Ints:
    """At most so many of the rows, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _moments(x_WF: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of what is there of each feature; 0 and 1 of nothing."""
    some = [_moments_of(x_WF[:, i : i + _AT_ONCE]) for i in range(0, x_WF.shape[1], _AT_ONCE)]
    mean, spread = (np.concatenate(found) for found in zip(*some, strict=True))
    return mean, spread


def _moments_of(x_WF: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(x_WF)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x_WF, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, x_WF - mean, 0.0) ** 2).sum(axis=0) / count)
    return mean, np.where(spread > 1e-12 * (1 + np.abs(mean)), spread, 1.0)


def _standardised(x_WF: Floats, mean_F: Floats, spread_F: Floats) -> Floats:
    """In place, for there may be hundreds of megabytes; what is missing becomes the mean."""
    missing = ~np.isfinite(x_WF)
    x_WF -= mean_F
    x_WF /= spread_F
    x_WF[missing] = 0.0
    return x_WF


def _wanted(task: Task, truth: Truth) -> tuple[Floats, Floats | None, Floats, Floats]:
    """Targets (W, K), weight of each window (W,), and mean and unit of the targets, (K,)."""
    n_outputs = len(task.names)
    none, one = np.zeros(n_outputs), np.ones(n_outputs)
    if isinstance(task, Classes):
        share = _balancing(truth, n_outputs)[truth]
        return 2.0 * np.eye(n_outputs)[truth] - 1.0, share, none, one
    if isinstance(task, MultiLabel):
        return np.where(truth > 0.5, 1.0, -1.0), None, none, one
    mean = truth.mean(axis=0)
    unit = np.where(truth.std(axis=0) > 0, truth.std(axis=0), 1.0)
    standard = np.asarray((truth - mean) / unit, dtype=np.float64)
    return standard, None, np.asarray(mean, dtype=np.float64), unit


def _balancing(truth: Ints, n_classes: int) -> Floats:
    """(K,) what a window of each class counts: each class the same in sum, 1 on average."""
    counts = np.bincount(truth, minlength=n_classes)
    return np.asarray(len(truth) / (np.count_nonzero(counts) * np.maximum(counts, 1)))


def _folds(
    task: Task, truth: Truth, groups: npt.NDArray[np.generic], seed: int
) -> Iterator[tuple[Ints, Ints]]:
    """Windows to fit to and to score on; none where there are too few of them."""
    selection = require("sklearn.model_selection", extra="training")
    n_groups = len(np.unique(groups))
    if len(truth) < 2:
        return
    if n_groups < 2:
        yield from selection.KFold(min(_FOLDS, len(truth))).split(truth)
        return
    n_folds = min(_FOLDS, n_groups)
    classes = truth if isinstance(task, Classes) else np.zeros(len(truth), np.int64)
    if np.bincount(classes).max() < n_folds:  # every class is rarer than the folds are many
        classes = np.zeros(len(truth), np.int64)
    splitter = selection.StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class|The number of unique classes")
        parts = list(splitter.split(truth, classes, groups))
    yield from (part for part in parts if len(part[0]) and len(part[1]))


def _chosen(
    x_WF: Floats, wanted_WK: Floats, weight_W: Floats | None, folds: list[tuple[Ints, Ints]]
) -> tuple[float, Floats]:
    """The best penalty, and the outputs for each window by a fit that has not seen its group.

    All penalties of a fold share one decomposition: each is that of targets of its own.
    """
    linear = require("sklearn.linear_model", extra="training")
    n_outputs, n_penalties = wanted_WK.shape[1], len(_PENALTIES)
    found = np.full((n_penalties, len(x_WF), n_outputs), np.nan)
    for rest, held in folds:
        model = linear.Ridge(alpha=np.repeat(_PENALTIES, n_outputs), solver="svd")
        model.fit(
            x_WF[rest], np.tile(wanted_WK[rest], (1, n_penalties)),
            sample_weight=None if weight_W is None else weight_W[rest],
        )  # fmt: skip
        said = model.predict(x_WF[held]).reshape(len(held), n_penalties, n_outputs)
        found[:, held] = said.transpose(1, 0, 2)
    scored = np.isfinite(found[0]).all(axis=1)
    if not scored.any():
        return _PENALTIES[n_penalties // 2], found[0]
    errors = ((found - wanted_WK) ** 2).sum(axis=2)[:, scored]
    weights = None if weight_W is None else weight_W[scored]
    best = int(np.argmin(np.average(errors, axis=1, weights=weights)))
    return _PENALTIES[best], found[best]


def _solver(penalty: float) -> Any:
    linear = require("sklearn.linear_model", extra="training")
    return linear.Ridge(alpha=penalty, solver="cholesky", copy_X=False)


def _decision(task: Task, truth: Truth, outputs_WK: Floats, rows: Ints) -> Decision:
    """How outputs are read, fitted to those for windows of other groups."""
    known = np.isfinite(outputs_WK).all(axis=1)
    if not known.any() or task.plain_decision.task == "regression":
        return task.plain_decision
    fair: Task = MultiLabel(names=task.names)
    if isinstance(task, Classes):
        weights = tuple(_balancing(truth, len(task.names)).tolist())
        fair = Classes(names=task.names, weights=weights)
    return fair.fitted(outputs_WK[known], truth[rows][known])
