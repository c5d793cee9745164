"""Scores of decisions on whole recordings or subjects."""

# W windows, G groups (recordings or subjects), K classes, tags or numbers
from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from biot.choices import By, Per
from biot.decision import Decision
from biot.errors import ConfigError, CorpusError, counted, listed
from biot.evaluation.baselines.comparison import BaselineAnswers
from biot.evaluation.groups import grouped
from biot.evaluation.metrics import Floats
from biot.evaluation.results import Evaluation, assess
from biot.evaluation.tasks import Task, Truth

__all__ = ["assess_groups"]

Texts = npt.NDArray[np.str_]


def assess_groups(
    truth: Truth,
    predicted_WK: Floats,
    of_window: Texts,
    subjects: Texts,
    task: Task,
    decision: Decision,
    *,
    per: Per,
    by: By = "mean",
    ridge: tuple[BaselineAnswers, Decision] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores of one decision for each recording or subject; see :func:`grouped`.

    Scores of probabilities, such as AUROC, are of the mean over the usable windows, also where
    windows vote. A group whose windows carry several labels has no truth, and is set aside; so is
    one without usable windows.

    Parameters
    ----------
    truth
        (W,) true class of each window; of tags (W, K) 0 or 1; of numbers (W, K).
    predicted_WK
        Probabilities or numbers; NaN without usable data.
    of_window, subjects
        (W,) name of the group, and of the subject, of each window.
    task, decision, n_bootstrap, seed
        As in :func:`biot.evaluation.results.assess`.
    per, by
        What the groups are, and how they are decided.
    ridge
        What a ridge says of the windows, and how it is read; its groups are decided alike.

    Raises
    ------
    ConfigError
        If `per` or `by` is no such word, or windows of a regression are to vote.
    CorpusError
        If every group carries several labels, or none has usable data.
    """
    if per not in ("recording", "subject"):
        raise ConfigError(f"per must be 'recording' or 'subject', got {per!r}.")
    names, first, group = np.unique(of_window, return_index=True, return_inverse=True)
    differs = truth != truth[first][group]
    mixed = np.zeros(len(names), dtype=bool)
    mixed[group[differs.any(axis=1) if differs.ndim == 2 else differs]] = True
    if mixed.all():
        raise CorpusError(
            f"per is {per!r}, but the windows of each of {counted(len(names), per)} carry several "
            f"labels, so no {per} has one truth. Score the windows themselves: leave per= out."
        )
    kept = ~mixed[group]
    found = grouped(of_window[kept], predicted_WK[kept], decision, by)
    rows = first[~mixed]
    if not found.usable.any():
        raise CorpusError(f"None of the {len(rows)} {per}s to evaluate has usable data.")
    beside = None
    if ridge is not None:
        usable = np.isfinite(predicted_WK).all(axis=1, keepdims=True)
        said = np.where(usable, ridge[0].predicted, np.nan)[kept]  # of the same windows
        other = grouped(of_window[kept], said, ridge[1], by)
        beside = BaselineAnswers(
            predicted=other.probabilities, decided=other.decided, about=ridge[0].about
        )
    scores = assess(
        truth[rows], found.probabilities, subjects[rows], task, ridge=beside,
        decision=decision, decided=found.decided, n_bootstrap=n_bootstrap, seed=seed,
    )  # fmt: skip
    return replace(
        scores, per=per, by=by, n_windows_behind=int(found.n_usable.sum()),
        notes=(*_notes(names[mixed].tolist(), len(names), per), *scores.notes),
    )  # fmt: skip


def _notes(mixed: list[str], n_groups: int, per: Per) -> tuple[str, ...]:
    if not mixed:
        return ()
    return (
        f"{len(mixed)} of {n_groups} {per}s carry several labels and are set aside: "
        f"{listed(mixed)}.",
    )
