"""How good predictions are: scores of a whole set and of each class."""

# W windows, K classes; counts (K, K) windows, row: true class, column: predicted class

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from biot.errors import require

__all__ = [
    "SCORES",
    "TAG_SCORES",
    "TARGET_SCORES",
    "ClassScores",
    "TagScores",
    "TargetScores",
    "confusion_counts",
    "count_scores",
    "mean_of_defined",
    "per_class",
    "per_tag",
    "per_target",
    "scores",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCORES = {
    "balanced_accuracy": "balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
    "weighted_f1": "weighted F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}
"""Key of each score of classes, and its name for readers."""
TAG_SCORES = {"auroc": "macro AUROC", "auprc": "macro AUPRC", "f1": "macro F1"}
"""The same of tags, of which a window may hold several: means over the tags."""
TARGET_SCORES = {"r2": "R²", "mae": "mean absolute error", "pearson": "Pearson correlation"}
"""The same of numbers: means over the targets."""


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """How one class fared; NaN where a share is of nothing."""

    precision: float
    """Share of the windows given this label that deserve it."""
    recall: float
    """Share of the class' windows that were found."""
    f1: float
    """Harmonic mean of the two."""
    support: int
    """Windows of the class."""


@dataclass(frozen=True, kw_only=True)
class TagScores(ClassScores):
    """How one tag fared; the ranking is NaN where no window, or every window, has it."""

    auroc: float
    """Chance that a window with the tag ranks above one without it."""
    auprc: float
    """Average precision."""


@dataclass(frozen=True, kw_only=True)
class TargetScores:
    """How one number was predicted; NaN where undefined: for a truth that does not vary."""

    r2: float
    """Share of the variance that is explained; below 0 where the mean would do better."""
    mae: float
    """Mean absolute error, in the target's unit."""
    pearson: float
    """Correlation of truth and prediction."""


def confusion_counts(labels: Ints, predicted: Ints, n_classes: int) -> Ints:
    """Windows of each true class (row) that were given each class (column): (K, K)."""
    flat = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def _share(part: Floats, whole: Floats) -> Floats:
    """part / whole; NaN where the whole is 0."""
    result: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return result


def _f1(counts: Floats) -> Floats:
    """F1 of each class; NaN for one that is neither there nor predicted: (..., K)."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return _share(2.0 * hits, counts.sum(axis=-1) + counts.sum(axis=-2))


def per_class(counts: Ints) -> tuple[ClassScores, ...]:
    """Scores of each class from the confusion counts."""
    table = counts.astype(np.float64)
    hits = np.diagonal(table)
    columns = _share(hits, table.sum(axis=0)), _share(hits, table.sum(axis=1)), _f1(table)
    return tuple(
        ClassScores(precision=float(p), recall=float(r), f1=float(f), support=int(n))
        for p, r, f, n in zip(*columns, counts.sum(axis=1), strict=True)
    )


def count_scores(counts: npt.NDArray[np.number]) -> dict[str, Floats]:
    """The scores that follow from confusion counts alone.

    Parameters
    ----------
    counts
        (..., K, K); leading axes are kept.

    Returns
    -------
    dict
        ``balanced_accuracy`` (mean recall of the classes that occur), ``cohen_kappa`` and
        ``weighted_f1``, (...) each; NaN where undefined: without windows, and kappa also where
        one class is all that occurs and all that is predicted.
    """
    table = counts.astype(np.float64)
    hits = np.diagonal(table, axis1=-2, axis2=-1)
    true, given, total = table.sum(axis=-1), table.sum(axis=-2), table.sum(axis=(-2, -1))
    present = (true > 0).astype(np.float64)
    recall = np.where(true > 0, hits / np.where(true > 0, true, 1.0), 0.0)
    agreement = _share(hits.sum(axis=-1), total)
    chance = _share((true * given).sum(axis=-1), total**2)
    return {
        "balanced_accuracy": _share(recall.sum(axis=-1), present.sum(axis=-1)),
        "cohen_kappa": _share(agreement - chance, 1.0 - chance),
        "weighted_f1": _share((true * np.nan_to_num(_f1(table))).sum(axis=-1), total),
    }


def scores(labels: Ints, probabilities: Floats, decided: Ints | None = None) -> dict[str, float]:
    """Every score in :data:`SCORES`; NaN where one is undefined.

    Parameters
    ----------
    labels
        (W,) true classes, 0 to K − 1.
    probabilities
        (W, K), finite.
    decided
        (W,) the predicted classes; None: the most probable ones.

    Notes
    -----
    AUROC and AUPRC are those of the second class when there are two, else the mean over one class
    against the rest, of the classes that occur.
    """
    n_classes = probabilities.shape[1]
    metrics = require("sklearn.metrics", extra="training")
    predicted = probabilities.argmax(axis=1) if decided is None else decided
    counts = confusion_counts(labels, predicted, n_classes)
    auroc, auprc = [], []
    for index in ranked_classes(n_classes):
        positive = labels == index
        if positive.any() and not positive.all():
            auroc.append(metrics.roc_auc_score(positive, probabilities[:, index]))
            auprc.append(metrics.average_precision_score(positive, probabilities[:, index]))
    return {
        **{name: float(value) for name, value in count_scores(counts).items()},
        "auroc": float(np.mean(auroc)) if auroc else float("nan"),
        "auprc": float(np.mean(auprc)) if auprc else float("nan"),
    }


def ranked_classes(n_classes: int) -> range:
    """Classes whose ranking counts: the second of two, else all."""
    return range(1, 2) if n_classes == 2 else range(n_classes)


def per_tag(
    truth: npt.NDArray[np.bool_], probabilities: Floats, decided: npt.NDArray[np.bool_]
) -> tuple[TagScores, ...]:
    """Scores of each tag; every array is (W, K)."""
    metrics = require("sklearn.metrics", extra="training")
    hits = (truth & decided).sum(axis=0).astype(np.float64)
    given, held = decided.sum(axis=0).astype(np.float64), truth.sum(axis=0).astype(np.float64)
    counted = _share(hits, given), _share(hits, held), _share(2.0 * hits, given + held)
    ranked = np.full((2, truth.shape[1]), np.nan)
    for tag, (positive, score) in enumerate(zip(truth.T, probabilities.T, strict=True)):
        if positive.any() and not positive.all():
            ranked[0, tag] = metrics.roc_auc_score(positive, score)
            ranked[1, tag] = metrics.average_precision_score(positive, score)
    return tuple(
        TagScores(precision=p, recall=r, f1=f, support=int(n), auroc=area, auprc=average)
        for p, r, f, n, area, average in np.stack((*counted, held, *ranked), axis=1).tolist()
    )


def per_target(truth: Floats, predicted: Floats) -> tuple[TargetScores, ...]:
    """Scores of each target; both arrays are (W, K)."""
    error, spread = truth - predicted, truth - truth.mean(axis=0)
    guess = predicted - predicted.mean(axis=0)
    total = (spread**2).sum(axis=0)
    r2 = 1.0 - _share((error**2).sum(axis=0), total)
    pearson = _share((spread * guess).sum(axis=0), np.sqrt(total * (guess**2).sum(axis=0)))
    columns = np.stack((r2, np.abs(error).mean(axis=0), pearson), axis=1)
    return tuple(TargetScores(r2=r, mae=e, pearson=c) for r, e, c in columns.tolist())


def mean_of_defined(values: npt.ArrayLike) -> float:
    """Mean of the values that are not NaN; NaN when none is left."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.mean()) if len(numbers) else float("nan")
