"""How good predictions are: scores of a whole set and of each class."""

# W windows, K classes; counts (K, K) windows, row: true class, column: predicted class
# W windows, K classes, S subjects, R resamples
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import require
from biot.evaluation.calibration import N_BINS, bin_of, brier_of_each, ranked
from biot.evaluation.calibration import expected_calibration_error as ece

__all__ = [
    "SCORES",
    "TAG_SCORES",
    "TARGET_SCORES",
    "ClassScores",
    "Intervals",
    "Resampling",
    "TagScores",
    "TargetScores",
    "bootstrap_intervals",
    "calibration_scores",
    "class_resampling",
    "confusion_counts",
    "count_scores",
    "draw_intervals",
    "mean_intervals",
    "mean_of_defined",
    "paired_intervals",
    "per_class",
    "per_tag",
    "per_target",
    "ranked_classes",
    "scores",
    "share",
    "tag_intervals",
    "tag_resampling",
    "target_intervals",
    "target_resampling",
]

Floats = npt.NDArray[np.float64]


Ints = npt.NDArray[np.int64]


_CALIBRATION = {"brier": "Brier score", "ece": "expected calibration error"}


SCORES = {
    "balanced_accuracy": "balanced accuracy",
    "cohen_kappa": "Cohen's kappa",
    "weighted_f1": "weighted F1",
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    **_CALIBRATION,
}
"""Key of each score of classes, and its name for readers."""


TAG_SCORES = {
    "auroc": "macro AUROC", "auprc": "macro AUPRC", "f1": "macro F1", **_CALIBRATION,
}  # fmt: skip
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


def weighted_confusion(
    labels: Ints, predicted: Ints, n_classes: int, weight: Floats | None
) -> npt.NDArray[Any]:
    """As :func:`confusion_counts`, of windows that count by their weight, (W,); None: 1."""
    flat = np.bincount(labels * n_classes + predicted, weight, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes)


def confusion_counts(labels: Ints, predicted: Ints, n_classes: int) -> Ints:
    """Windows of each true class (row) that were given each class (column): (K, K)."""
    return weighted_confusion(labels, predicted, n_classes, None).astype(np.int64)


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole; NaN where the whole is 0."""
    result: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return result


def _f1(counts: Floats) -> Floats:
    """F1 of each class; NaN for one that is neither there nor predicted: (..., K)."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return share(2.0 * hits, counts.sum(axis=-1) + counts.sum(axis=-2))


def per_class(counts: Ints) -> tuple[ClassScores, ...]:
    """Scores of each class from the confusion counts."""
    table = counts.astype(np.float64)
    hits = np.diagonal(table)
    columns = share(hits, table.sum(axis=0)), share(hits, table.sum(axis=1)), _f1(table)
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
        ``balanced_accuracy`` (mean recall of the classes that occur), ``accuracy``,
        ``cohen_kappa`` and ``weighted_f1``, (...) each; NaN where undefined: without windows;
        balanced accuracy and kappa, which weigh classes against each other, also where fewer than
        two classes occur.
    """
    table = counts.astype(np.float64)
    hits = np.diagonal(table, axis1=-2, axis2=-1)
    true, given, total = table.sum(axis=-1), table.sum(axis=-2), table.sum(axis=(-2, -1))
    present = (true > 0).astype(np.float64)
    recall = np.where(true > 0, hits / np.where(true > 0, true, 1.0), 0.0)
    agreement = share(hits.sum(axis=-1), total)
    chance = share((true * given).sum(axis=-1), total**2)
    several = present.sum(axis=-1) > 1
    balanced = share(recall.sum(axis=-1), present.sum(axis=-1))
    return {
        "balanced_accuracy": np.where(several, balanced, np.nan),
        "cohen_kappa": np.where(several, share(agreement - chance, 1.0 - chance), np.nan),
        "weighted_f1": share((true * np.nan_to_num(_f1(table))).sum(axis=-1), total),
        "accuracy": agreement,
    }


def scores(
    labels: Ints,
    probabilities: Floats,
    decided: Ints | None = None,
    weight: Floats | None = None,
) -> dict[str, float]:
    """Every score in :data:`SCORES`; NaN where one is undefined.

    Parameters
    ----------
    labels
        (W,) true classes, 0 to K − 1.
    probabilities
        (W, K), finite.
    decided
        (W,) the predicted classes; None: the most probable ones.
    weight
        (W,) how much each window counts; None: all alike.

    Notes
    -----
    AUROC and AUPRC are those of the second class when there are two, else the mean over one class
    against the rest, of the classes that occur. Brier score and expected calibration error are as
    in :mod:`biot.evaluation.calibration`.
    """
    n_classes = probabilities.shape[1]
    metrics = require("sklearn.metrics", extra="training")
    predicted = probabilities.argmax(axis=1) if decided is None else decided
    counts = weighted_confusion(labels, predicted, n_classes, weight)
    auroc, auprc = [], []
    for index in ranked_classes(n_classes):
        positive = labels == index
        if positive.any() and not positive.all():
            given = {"y_score": probabilities[:, index], "sample_weight": weight}
            auroc.append(metrics.roc_auc_score(positive, **given))
            auprc.append(metrics.average_precision_score(positive, **given))
    return {
        **{name: float(value) for name, value in count_scores(counts).items()},
        "auroc": float(np.mean(auroc)) if auroc else float("nan"),
        "auprc": float(np.mean(auprc)) if auprc else float("nan"),
        **calibration_scores(labels, probabilities, weight),
    }


def calibration_scores(
    truth: npt.NDArray[Any], probabilities_WK: Floats, weight: Floats | None = None
) -> dict[str, float]:
    """Brier score and expected calibration error, of classes (W,) or tags (W, K)."""
    brier = float(np.average(brier_of_each(truth, probabilities_WK), weights=weight))
    return {"brier": brier, "ece": ece(truth, probabilities_WK, weight)}


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
    counted = share(hits, given), share(hits, held), share(2.0 * hits, given + held)
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
    r2 = 1.0 - share((error**2).sum(axis=0), total)
    pearson = share((spread * guess).sum(axis=0), np.sqrt(total * (guess**2).sum(axis=0)))
    columns = np.stack((r2, np.abs(error).mean(axis=0), pearson), axis=1)
    return tuple(TargetScores(r2=r, mae=e, pearson=c) for r, e, c in columns.tolist())


def mean_of_defined(values: npt.ArrayLike) -> float:
    """Mean of the values that are not NaN; NaN when none is left."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.mean()) if len(numbers) else float("nan")


Intervals = dict[str, tuple[float, float]]

Resampling = Callable[["_Resamples"], dict[str, Floats]]
"""From resamples of subjects to the value of each score in each, (R,)."""


Bools = npt.NDArray[np.bool_]


_CELLS = 4_000_000  # resamples × windows that are in memory at a time


def bootstrap_intervals(
    labels: Ints,
    probabilities: Floats,
    subjects: npt.NDArray[np.str_],
    *,
    decided: Ints | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Intervals | None:
    """95 % interval of each score, had the subjects been others.

    Subjects are drawn with replacement, each with all its windows: windows of one subject are
    alike, so resampling windows would promise too much.

    Parameters
    ----------
    labels, probabilities
        (W,) true classes and (W, K) probabilities, as for :func:`biot.evaluation.metrics.scores`.
    subjects
        (W,) name of each window's subject.
    decided
        (W,) predicted classes; None: the most probable ones.
    n_bootstrap
        Resamples.
    seed
        Seed of the draws.

    Returns
    -------
    dict or None
        Lowest and highest value by score. A resample in which a score is undefined does not
        count; (NaN, NaN) when none is left. None with fewer than two subjects or no resamples.
    """
    predicted = probabilities.argmax(axis=1) if decided is None else decided
    of = class_resampling(labels, probabilities, predicted)
    return _intervals(of, subjects, n_bootstrap, seed)


def class_resampling(labels: Ints, probabilities: Floats, predicted: Ints) -> Resampling:
    """Scores of classes in resamples; arrays as for :func:`bootstrap_intervals`."""

    def scores_of(drawn: _Resamples) -> dict[str, Floats]:
        values = _count_scores(labels, predicted, probabilities.shape[1], drawn)
        parts = [_ranking_scores(labels, probabilities, weights) for weights in drawn.weights()]
        values["auroc"], values["auprc"] = np.concatenate(parts, axis=1)
        return values | _calibration_scores(labels, probabilities, drawn)

    return scores_of


def tag_intervals(
    truth_WK: Bools,
    probabilities_WK: Floats,
    decided_WK: Bools,
    subjects: npt.NDArray[np.str_],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Intervals | None:
    """The same for tags: every score in :data:`TAG_SCORES`."""
    of = tag_resampling(truth_WK, probabilities_WK, decided_WK)
    return _intervals(of, subjects, n_bootstrap, seed)


def tag_resampling(truth_WK: Bools, probabilities_WK: Floats, decided_WK: Bools) -> Resampling:
    """Scores of tags in resamples."""

    def scores_of(drawn: _Resamples) -> dict[str, Floats]:
        hits_RK = drawn.sums(truth_WK & decided_WK)
        either_RK = drawn.sums(truth_WK.astype(int) + decided_WK)
        f1_RK = np.divide(2.0 * hits_RK, either_RK, out=np.full(hits_RK.shape, np.nan),
                          where=either_RK > 0)  # fmt: skip
        columns = list(zip(truth_WK.T, probabilities_WK.T, strict=True))
        parts = [
            _mean_of_known(np.stack([_ranking_of_class(*column, weights) for column in columns]))
            for weights in drawn.weights()
        ]
        auroc_R, auprc_R = np.concatenate(parts, axis=1)
        values = {"auroc": auroc_R, "auprc": auprc_R, "f1": _mean_of_known(f1_RK.T)}
        return values | _calibration_scores(truth_WK, probabilities_WK, drawn)

    return scores_of


def target_intervals(
    truth_WK: Floats,
    predicted_WK: Floats,
    subjects: npt.NDArray[np.str_],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Intervals | None:
    """The same for numbers: R², mean absolute error and Pearson correlation."""
    return _intervals(target_resampling(truth_WK, predicted_WK), subjects, n_bootstrap, seed)


def target_resampling(truth_WK: Floats, predicted_WK: Floats) -> Resampling:
    """Scores of numbers in resamples."""
    # Centred first, so that sums of squares do not cancel.
    y, p = truth_WK - truth_WK.mean(axis=0), predicted_WK - truth_WK.mean(axis=0)

    def scores_of(drawn: _Resamples) -> dict[str, Floats]:
        sums = map(drawn.sums, (y, p, y * y, p * p, y * p, np.abs(y - p), np.ones((len(y), 1))))
        y_RK, p_RK, yy_RK, pp_RK, yp_RK, error_RK, n_R1 = sums
        spread, guess = yy_RK - y_RK**2 / n_R1, pp_RK - p_RK**2 / n_R1
        with np.errstate(invalid="ignore", divide="ignore"):
            values = {
                "r2": 1.0 - (yy_RK - 2 * yp_RK + pp_RK) / spread,
                "mae": error_RK / n_R1,
                "pearson": (yp_RK - y_RK * p_RK / n_R1) / np.sqrt(spread * guess),
            }
        return {name: _mean_of_known(value.T) for name, value in values.items()}

    return scores_of


def paired_intervals(
    one: Resampling, other: Resampling, subjects: npt.NDArray[np.str_], *, n_bootstrap: int,
    seed: int,
) -> tuple[Intervals | None, Intervals | None]:  # fmt: skip
    """95 % intervals of the scores of `other`, and of those of `one` minus those of `other`.

    Both are scored on the same windows, and each resample draws the same subjects for both.
    """

    def scores_of(drawn: _Resamples) -> dict[str, Floats]:
        of_one, of_other = one(drawn), other(drawn)
        apart = {f"-{name}": of_one[name] - value for name, value in of_other.items()}
        return {**{f"={name}": value for name, value in of_other.items()}, **apart}

    found = _intervals(scores_of, subjects, n_bootstrap, seed)
    if found is None:
        return None, None
    of = [{n[1:]: ends for n, ends in found.items() if n.startswith(sign)} for sign in "=-"]
    return of[0], of[1]


@dataclass(frozen=True)
class _Resamples:
    """Who is drawn."""

    owner: Ints
    """(W,) subject of each window."""
    draws: Ints
    """(R, S) how often each subject is drawn."""

    def weights(self) -> Iterator[Ints]:
        """How often each window is drawn, (some of R, W)."""
        rows = max(1, _CELLS // len(self.owner))
        for first in range(0, len(self.draws), rows):
            yield self.draws[first : first + rows][:, self.owner]

    def sums(self, values_WK: npt.NDArray[Any]) -> Floats:
        """Sum over the windows of each resample, (R, K)."""
        sums_SK = np.zeros((self.draws.shape[1], values_WK.shape[1]))
        np.add.at(sums_SK, self.owner, values_WK)
        return self.draws @ sums_SK


def _intervals(
    scores_of: Callable[[_Resamples], dict[str, Floats]],
    subjects: npt.NDArray[np.str_],
    n_bootstrap: int,
    seed: int,
) -> Intervals | None:
    """Draw subjects, and the central part of each score's values, (R,)."""
    names, subject_W = np.unique(subjects, return_inverse=True)
    return draw_intervals(
        lambda draws_RS: scores_of(_Resamples(subject_W, draws_RS)), len(names), n_bootstrap, seed
    )


def draw_intervals(
    scores_of: Callable[[Ints], dict[str, Floats]], n_subjects: int, n_bootstrap: int, seed: int
) -> Intervals | None:
    """95 % interval of each score, had the subjects been others.

    Parameters
    ----------
    scores_of
        From how often each subject is drawn, (R, S), to the value of each score, (R,).
    n_subjects
        Subjects, S.
    n_bootstrap
        Resamples, R.
    seed
        Seed of the draws.

    Returns
    -------
    dict or None
        As :func:`bootstrap_intervals`.
    """
    if n_subjects < 2 or n_bootstrap < 1:
        return None
    shares = np.full(n_subjects, 1 / n_subjects)
    draws_RS = np.random.default_rng(seed).multinomial(n_subjects, shares, n_bootstrap)
    values = scores_of(draws_RS)
    return {name: _central(values_R) for name, values_R in values.items()}


def mean_intervals(values: dict[str, Floats], n_bootstrap: int, seed: int) -> Intervals | None:
    """95 % interval of the mean over subjects, of scores that each subject has: (S,) each.

    A subject whose score is NaN does not count.
    """

    def means_of(draws_RS: Ints) -> dict[str, Floats]:
        drawn = draws_RS.astype(np.float64)
        return {
            name: share(drawn @ np.nan_to_num(of_S), drawn @ np.isfinite(of_S))
            for name, of_S in values.items()
        }

    n_subjects = len(next(iter(values.values()), ()))
    return draw_intervals(means_of, n_subjects, n_bootstrap, seed)


def _central(values_R: Floats) -> tuple[float, float]:
    """Ends of the middle 95 % of what is defined."""
    defined = values_R[np.isfinite(values_R)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def _count_scores(
    labels: Ints, predicted: Ints, n_classes: int, drawn: _Resamples
) -> dict[str, Floats]:
    counts_SKK = np.stack(
        [
            confusion_counts(labels[own_W], predicted[own_W], n_classes)
            for own_W in (drawn.owner == s for s in range(drawn.draws.shape[1]))
        ]
    )
    return count_scores(np.tensordot(drawn.draws, counts_SKK, axes=1))


def _ranking_scores(labels: Ints, probabilities: Floats, weights_RW: Ints) -> Floats:
    """AUROC and AUPRC of each resample, (2, R), as scikit-learn's with these sample weights."""
    n_classes = probabilities.shape[1]
    values = [
        _ranking_of_class(labels == index, probabilities[:, index], weights_RW)
        for index in ranked_classes(n_classes)
    ]
    return _mean_of_known(np.stack(values))


def _calibration_scores(
    truth: npt.NDArray[Any], probabilities_WK: Floats, drawn: _Resamples
) -> dict[str, Floats]:
    """Brier score and expected calibration error of each resample, (R,)."""
    holds_WJ, p_WJ = ranked(truth, probabilities_WK)
    columns = [brier_of_each(truth, probabilities_WK)[:, None], np.ones((len(truth), 1))]
    brier_R1, n_R1 = map(drawn.sums, columns)
    apart = [
        np.abs(drawn.sums((p_W - holds_W)[:, None] * np.eye(N_BINS)[bin_of(p_W)])).sum(axis=1)
        for holds_W, p_W in zip(holds_WJ.T, p_WJ.T, strict=True)
    ]
    return {"brier": (brier_R1 / n_R1)[:, 0], "ece": np.mean(apart, axis=0) / n_R1[:, 0]}


def _mean_of_known(stacked: Floats) -> Floats:
    """Mean over the first axis of what is not NaN; NaN where nothing is known."""
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
