"""How sure a score is: percentile bootstrap over subjects."""

# W windows, K classes, S subjects, R resamples

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from biot.training.metrics import Floats, Ints, confusion_counts, count_scores, ranked_classes

__all__ = ["bootstrap_intervals"]

_CELLS = 4_000_000  # resamples × windows that are in memory at a time


def bootstrap_intervals(
    labels: Ints,
    probabilities: Floats,
    subjects: npt.NDArray[np.str_],
    *,
    n_bootstrap: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]] | None:
    """Interval of each score when the subjects had been others.

    Subjects are drawn with replacement, each with all its windows: windows of one subject are
    alike, so resampling windows would promise too much.

    Parameters
    ----------
    labels, probabilities
        (W,) true classes and (W, K) probabilities, as for :func:`biot.training.metrics.scores`.
    subjects
        (W,) name of each window's subject.
    n_bootstrap
        Resamples.
    level
        Share of the resamples that the interval spans.
    seed
        Seed of the draws.

    Returns
    -------
    dict or None
        Lowest and highest value by score. A resample in which a score is undefined does not
        count; (NaN, NaN) when none is left. None with fewer than two subjects or no resamples.
    """
    names, subject_W = np.unique(subjects, return_inverse=True)
    if len(names) < 2 or n_bootstrap < 1:
        return None
    generator = np.random.default_rng(seed)
    draws_RS = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), n_bootstrap)
    values = _count_scores(labels, probabilities, subject_W, draws_RS)
    rows = max(1, _CELLS // len(labels))
    parts = [
        _ranking_scores(labels, probabilities, draws_RS[first : first + rows][:, subject_W])
        for first in range(0, n_bootstrap, rows)
    ]
    values["auroc"], values["auprc"] = np.concatenate(parts, axis=1)
    return {name: _central(values_R, level) for name, values_R in values.items()}


def _central(values_R: Floats, level: float) -> tuple[float, float]:
    defined = values_R[np.isfinite(values_R)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _count_scores(
    labels: Ints, probabilities: Floats, subject_W: Ints, draws_RS: Ints
) -> dict[str, Floats]:
    n_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    counts_SKK = np.stack(
        [
            confusion_counts(labels[subject_W == index], predicted[subject_W == index], n_classes)
            for index in range(draws_RS.shape[1])
        ]
    )
    return count_scores(np.tensordot(draws_RS, counts_SKK, axes=1))


def _ranking_scores(labels: Ints, probabilities: Floats, weights_RW: Ints) -> Floats:
    """AUROC and AUPRC of each resample, (2, R), as scikit-learn's with these sample weights."""
    n_classes = probabilities.shape[1]
    values = [
        _ranking_of_class(labels == index, probabilities[:, index], weights_RW)
        for index in ranked_classes(n_classes)
    ]
    stacked = np.stack(values)
    known = np.isfinite(stacked)
    total, count = np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0)
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _ranking_of_class(
    positive_W: npt.NDArray[np.bool_], score_W: Floats, weights_RW: Ints
) -> Floats:
    """AUROC and AUPRC, (2, R), of one class against the rest; NaN where either has no weight."""
    order = np.argsort(-score_W, kind="stable")
    first = np.flatnonzero(np.diff(score_W[order], prepend=np.inf))  # of each group of ties
    ordered_RW = weights_RW[:, order]
    sign_W = positive_W[order]
    true = np.add.reduceat(np.where(sign_W, ordered_RW, 0), first, axis=1).cumsum(axis=1)
    false = np.add.reduceat(np.where(sign_W, 0, ordered_RW), first, axis=1).cumsum(axis=1)
    n_true, n_false = true[:, -1], false[:, -1]
    height = true - np.diff(true, axis=1, prepend=0) / 2
    area = (height * np.diff(false, axis=1, prepend=0)).sum(axis=1)
    precision = true / np.maximum(true + false, 1)
    average = (np.diff(true, axis=1, prepend=0) * precision).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc, auprc = area / (n_true * n_false), average / n_true
    return np.where((n_true > 0) & (n_false > 0), np.stack((auroc, auprc)), np.nan)
