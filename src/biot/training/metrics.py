"""How good predictions are: scores of a whole set and of each class."""

# W windows, K classes; counts (K, K) windows, row: true class, column: predicted class

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from biot.errors import require

__all__ = ["SCORES", "ClassScores", "confusion_counts", "count_scores", "per_class", "scores"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCORES = {
    "balanced_accuracy": "balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
    "weighted_f1": "weighted F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}
"""Key of each score, and its name for readers."""


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


def scores(labels: Ints, probabilities: Floats) -> dict[str, float]:
    """Every score in :data:`SCORES`; NaN where one is undefined.

    Parameters
    ----------
    labels
        (W,) true classes, 0 to K − 1.
    probabilities
        (W, K), finite. The predicted class is the most probable one.

    Notes
    -----
    AUROC and AUPRC are those of the second class when there are two, else the mean over one class
    against the rest, of the classes that occur.
    """
    n_classes = probabilities.shape[1]
    metrics = require("sklearn.metrics", extra="training")
    counts = confusion_counts(labels, probabilities.argmax(axis=1), n_classes)
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
