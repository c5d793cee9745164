"""Scores of a set, their spread over seeds, and how sure they are: intervals over subjects.

Every method gives each window an output a class, from a training in which all classes weigh the
same; the largest output is the answer. No threshold is chosen anywhere.
"""

# W windows, U units that are scored (windows, records or subjects), S subjects, K classes or tags,
# R resamples, N seeds

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.reproduce.protocols import Metric
from benchmarks.reproduce.sets import Problem
from biot.errors import ConfigError
from biot.evaluation.metrics import confusion_counts, count_scores, draw_intervals, share

__all__ = ["N_BOOTSTRAP", "Scored", "compared", "scored", "seeds_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_BOOTSTRAP = 1000
"""Resamples of the subjects."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A score over the seeds."""

    values: tuple[float, ...]
    """One a seed."""
    interval: tuple[float, float] | None
    """95 % of the mean over the seeds, had the subjects been others; None of one subject."""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float | None:
        """Over the seeds; None of one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True)
class _Units:
    """What a metric counts: windows, or groups of them whose outputs were averaged."""

    truth: npt.NDArray[Any]
    """(U,) or (U, K)."""
    outputs: Floats
    """(N, U, K)."""
    subject: Ints
    """(U,) number of the subject."""
    fold: Ints
    """(U,)."""


def scored(
    problem: Problem, fold_of: Ints, outputs: Mapping[str, Floats], metric: Metric
) -> dict[str, Scored]:
    """Score of each method.

    Parameters
    ----------
    problem
        The set.
    fold_of
        (W,) fold in which a window is tested; those at −1 do not count.
    outputs
        (N, W, K) of each method; the number of seeds N may differ.
    metric
        Which score. AUROC compares windows of one fold only, since outputs of two models are not
        on one scale.

    Raises
    ------
    ConfigError
        If the windows of a record or subject differ in their class, or a class is unknown.
    """
    found: dict[str, Scored] = {}
    for method, outputs_NWK in outputs.items():
        units = _units(problem, fold_of, outputs_NWK, metric)
        found[method] = _scored(units, problem, metric)
    return found


def compared(
    problem: Problem, fold_of: Ints, ours: Floats, other: Floats, metric: Metric
) -> Scored:
    """Our score minus that of another method on the same subjects: means over the seeds of each."""
    ours_units = _units(problem, fold_of, ours, metric)
    other_units = _units(problem, fold_of, other, metric)

    def differences(draws_RS: Ints) -> dict[str, Floats]:
        first, second = (
            seeds_of(units, problem, metric, draws_RS).mean(axis=0)
            for units in (ours_units, other_units)
        )
        return {"": first - second}

    n_subjects = int(ours_units.subject.max()) + 1
    value = differences(np.ones((1, n_subjects), np.int64))[""]
    interval = draw_intervals(differences, n_subjects, N_BOOTSTRAP, 0)
    return Scored(values=(float(value[0]),), interval=None if interval is None else interval[""])


def _scored(units: _Units, problem: Problem, metric: Metric) -> Scored:
    n_subjects = int(units.subject.max()) + 1
    values = seeds_of(units, problem, metric, np.ones((1, n_subjects), np.int64))[:, 0]
    interval = draw_intervals(
        lambda draws_RS: {"": seeds_of(units, problem, metric, draws_RS).mean(axis=0)},
        n_subjects, N_BOOTSTRAP, 0,
    )  # fmt: skip
    return Scored(
        values=tuple(values.tolist()), interval=None if interval is None else interval[""]
    )


def seeds_of(units: _Units, problem: Problem, metric: Metric, draws_RS: Ints) -> Floats:
    """Score of each seed in each resample, (N, R), from how often each subject is drawn."""
    if metric.score == "auroc":
        return np.stack([_auroc(units, outputs, draws_RS) for outputs in units.outputs])
    if problem.task == "multilabel":
        raise ConfigError(f"{metric.name} is for classes; of tags AUROC is counted.")
    return np.stack([_of_counts(units, outputs, problem, metric, draws_RS)
                     for outputs in units.outputs])  # fmt: skip


def _units(problem: Problem, fold_of: Ints, outputs_NWK: Floats, metric: Metric) -> _Units:
    tested = np.flatnonzero(fold_of >= 0)
    truth, fold = problem.y[tested], fold_of[tested]
    outputs_NWK = outputs_NWK[:, tested]
    if not np.isfinite(outputs_NWK).all():
        raise ConfigError("Some windows have no outputs: a run was not finished. Start it again.")
    subject = np.unique(problem.subject[tested], return_inverse=True)[1]
    if metric.per == "window":
        return _Units(truth, outputs_NWK, subject, fold)
    keys = {"record": problem.record, "subject": problem.subject}
    names, unit_W = np.unique(keys[metric.per][tested], return_inverse=True)
    first_U = np.unique(unit_W, return_index=True)[1]
    mixed = np.unique(unit_W[(truth != truth[first_U][unit_W]).reshape(len(truth), -1).any(axis=1)])
    if len(mixed):
        raise ConfigError(
            f"The windows of {len(mixed)} of {len(names)} {metric.per}s differ in their class "
            f"({names[mixed[0]]}, say): they cannot vote together. Score per window."
        )
    sums = np.zeros((len(outputs_NWK), len(names), outputs_NWK.shape[2]))
    np.add.at(sums, (slice(None), unit_W), outputs_NWK)
    means = sums / np.bincount(unit_W)[:, None]
    return _Units(truth[first_U], means, subject[first_U], fold[first_U])


def _of_counts(
    units: _Units, outputs_UK: Floats, problem: Problem, metric: Metric, draws_RS: Ints
) -> Floats:
    """Balanced accuracy or mean F1 of each resample, (R,)."""
    n_classes, predicted_U = len(problem.label_names), outputs_UK.argmax(axis=1)
    counts_SKK = np.stack([
        confusion_counts(units.truth[own], predicted_U[own], n_classes)
        for own in (units.subject == s for s in range(draws_RS.shape[1]))
    ])  # fmt: skip
    counts_RKK = np.tensordot(draws_RS, counts_SKK, axes=1).astype(np.float64)
    if metric.score == "balanced_accuracy":
        return count_scores(counts_RKK)["balanced_accuracy"]
    absent = [name for name in metric.classes if name not in problem.label_names]
    if absent:
        raise ConfigError(
            f"{metric.name}: there is no class {absent[0]!r}, but {', '.join(problem.label_names)}."
        )
    kept = [problem.label_names.index(name) for name in metric.classes or problem.label_names]
    hits = np.diagonal(counts_RKK, axis1=1, axis2=2)
    either = counts_RKK.sum(axis=1) + counts_RKK.sum(axis=2)
    return np.asarray(np.nanmean(share(2 * hits, either)[:, kept], axis=1))


def _auroc(units: _Units, outputs_UK: Floats, draws_RS: Ints) -> Floats:
    """Mean over classes or tags of the AUROC of each resample, (R,), within folds."""
    if units.truth.ndim == 2:
        columns = [(units.truth[:, k] == 1, outputs_UK[:, k]) for k in range(units.truth.shape[1])]
    elif outputs_UK.shape[1] == 2:  # the first class would say the same
        columns = [(units.truth == 1, outputs_UK[:, 1])]
    else:
        columns = [(units.truth == k, outputs_UK[:, k]) for k in range(outputs_UK.shape[1])]
    return np.asarray(np.nanmean([_ranking(units, *one, draws_RS) for one in columns], axis=0))


def _ranking(
    units: _Units, holds_U: npt.NDArray[np.bool_], output_U: Floats, draws_RS: Ints
) -> Floats:
    """Share of pairs of a unit that holds and one that does not which are ranked rightly, (R,)."""
    n_subjects, draws = draws_RS.shape[1], draws_RS.astype(np.float64)
    won_SS, pairs_SS = np.zeros((2, n_subjects, n_subjects))
    for fold in np.unique(units.fold):
        yes, no = (np.flatnonzero((units.fold == fold) & (holds_U == held)) for held in (1, 0))
        ahead = output_U[yes, None] - output_U[None, no]
        rank = (ahead > 0) + 0.5 * (ahead == 0)
        of_yes, of_no = (np.eye(n_subjects)[units.subject[some]] for some in (yes, no))
        won_SS += of_yes.T @ rank @ of_no
        pairs_SS += np.outer(of_yes.sum(axis=0), of_no.sum(axis=0))
    won, pairs = (((draws @ table) * draws).sum(axis=1) for table in (won_SS, pairs_SS))
    return share(won, pairs)
