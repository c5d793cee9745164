"""Decisions on whole recordings and subjects, from what a model says of their windows."""

# W windows, G groups (recordings or subjects), K classes, tags or numbers
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.choices import By, Task
from biot.decision import Decision
from biot.errors import ConfigError

__all__ = ["Groups", "grouped", "require_votes"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Groups:
    """One row for each recording or subject, sorted by name."""

    names: tuple[str, ...]
    """(G,)"""
    n_windows: Ints
    """(G,) windows of each."""
    n_usable: Ints
    """(G,) those of them with usable data: no others count."""
    probabilities: Floats
    """(G, K) mean over the usable windows, each counting alike; NaN without any."""
    votes: Ints
    """(G, K) usable windows that say each class or tag; zeros of a regression."""
    decided: Any
    """(G,) class, or of tags (G, K) 0 and 1; the means of a regression. Of a group without usable
    windows it means nothing."""

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(G,) whether a decision could be made."""
        return self.n_usable > 0

    def labels(self, label_names: Sequence[str], task: Task) -> tuple[str, ...]:
        """(G,) what is decided, tags joined by ``;``; ``""`` without a decision."""
        if task == "regression":
            return ("",) * len(self.names)
        said = Decision(task=task).words(self.decided, label_names)
        return tuple(text if there else "" for text, there in zip(said, self.usable, strict=True))


def require_votes(by: str, task: str) -> None:
    """Raise :class:`ConfigError` unless the windows of such a task can vote."""
    if by not in ("mean", "vote"):
        raise ConfigError(f"by must be 'mean' or 'vote', got {by!r}.")
    if by == "vote" and task == "regression":
        raise ConfigError(
            "by is 'vote', but this model says numbers, on which windows cannot vote. Give 'mean'."
        )


def grouped(
    of_window: npt.ArrayLike, probabilities_WK: Floats, decision: Decision, by: By = "mean"
) -> Groups:
    """One decision for each group of windows, under a model's rule.

    By mean, :meth:`Decision.decide` reads the mean probability. By vote, each window is decided by
    that rule, and the class that most of them say holds; where several have as many, the one of
    them that the mean probability speaks for. A tag holds if more than half of the windows say so,
    and at just half if its mean probability does.

    Parameters
    ----------
    of_window
        (W,) name of the group of each window.
    probabilities_WK
        Or numbers of a regression; a row of NaN is a window without usable data, and does not
        count.
    decision
        Of the model.
    by
        How.

    Raises
    ------
    ConfigError
        If windows of a regression are to vote.
    """
    require_votes(by, decision.task)
    names, group = np.unique(np.asarray(of_window, dtype=np.str_), return_inverse=True)
    usable = np.isfinite(probabilities_WK).all(axis=1)
    n_groups, n_outputs = len(names), probabilities_WK.shape[1]
    n_usable = np.bincount(group[usable], minlength=n_groups)
    sums = np.zeros((n_groups, n_outputs))
    np.add.at(sums, group[usable], probabilities_WK[usable])
    with np.errstate(invalid="ignore"):
        means = sums / np.where(n_usable, n_usable, np.nan)[:, None]
    votes = np.zeros((n_groups, n_outputs), dtype=np.int64)
    decided: Any = means
    if decision.task != "regression":
        said = _said(decision.decide(probabilities_WK[usable]), n_outputs)
        np.add.at(votes, group[usable], said)
        known = np.where(n_usable[:, None] > 0, means, 0.0)
        by_mean = decision.decide(known)
        decided = by_mean if by == "mean" else _voted(votes, n_usable, known, by_mean, decision)
    return Groups(
        names=tuple(names.tolist()),
        n_windows=np.bincount(group, minlength=n_groups),
        n_usable=n_usable,
        probabilities=means,
        votes=votes,
        decided=decided,
    )


def _said(decided: Ints, n_outputs: int) -> Ints:
    """(W, K) 1 for what each window says."""
    return decided if decided.ndim == 2 else np.eye(n_outputs, dtype=np.int64)[decided]


def _voted(votes: Ints, n_usable: Ints, means: Floats, by_mean: Ints, decision: Decision) -> Ints:
    if decision.task == "multilabel":
        half = 2 * votes - n_usable[:, None]
        found: Ints = np.where(half == 0, by_mean, half > 0).astype(np.int64)
        return found
    most = votes == votes.max(axis=1, keepdims=True)
    spoken_for = most[np.arange(len(votes)), by_mean]
    weighted = means * np.asarray(decision.class_weights or 1.0)
    among = np.where(most, weighted, -np.inf).argmax(axis=1)
    return np.where(spoken_for, by_mean, among).astype(np.int64)
