"""The folds of a cross-validation: whole subjects, each tested exactly once."""

# W windows of a corpus that are labelled
from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

from biot.corpus.corpus import Corpus
from biot.errors import ConfigError, CorpusError, counted, require
from biot.evaluation.metrics import Ints

__all__ = ["Fold", "Folds", "folds_by_subject"]

Folds = int | Literal["loso"]
"""Number of folds, or ``"loso"``: leave one subject out."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Positions in the corpus of the windows of each part; no subject is in two of them."""

    number: int
    """Counted from 1."""
    train: Ints
    valid: Ints
    """Empty where nothing validates."""
    test: Ints


def folds_by_subject(
    corpus: Corpus, rows: Ints, folds: Folds, *, valid_share: float, seed: int
) -> list[Fold]:
    """Deal the subjects of some windows into folds; each is tested exactly once.

    Classes are spread over the folds as evenly as whole subjects allow, by scikit-learn's
    ``StratifiedGroupKFold``, which divides the training subjects once more for validation.

    Parameters
    ----------
    rows
        Positions of labelled windows in the corpus.
    folds
        Number of folds, or ``"loso"``.
    valid_share
        Share of the training subjects that validate; 0 for none.
    seed
        Of the shuffle.

    Raises
    ------
    CorpusError
        If there are too few subjects.
    ConfigError
        If `folds` is neither 2 or more nor ``"loso"``.
    """
    if folds != "loso" and (not isinstance(folds, int) or folds < 2):
        raise ConfigError(f"folds must be 2 or more, or 'loso'; got {folds!r}.")
    subjects, names = corpus.subjects[rows], np.unique(corpus.subjects[rows])
    n_folds = len(names) if folds == "loso" else folds
    fewest = max(3 if valid_share else 2, n_folds)  # one to train, to validate and to test
    if len(names) < fewest:
        raise CorpusError(
            f"{corpus.path} has {counted(len(names), 'subject')} with labels; {folds} folds "
            f"need {fewest} or more. Use fewer folds, or a corpus with more subjects."
        )
    # Tags and numbers are dealt out as they come.
    classes = corpus.label_ids[rows] if corpus.task == "classes" else np.zeros(len(rows), int)
    made = []
    if folds == "loso":
        pairs = [(subjects != name, subjects == name) for name in names]
        divided = [(np.flatnonzero(a), np.flatnonzero(b)) for a, b in pairs]
    else:
        divided = _deal(classes, subjects, n_folds, seed)
    for number, (rest, test) in enumerate(divided, 1):
        train, valid = np.arange(len(rest)), np.array([], dtype=np.int64)
        if valid_share:
            n_parts = min(max(2, round(1 / valid_share)), len(np.unique(subjects[rest])))
            train, valid = _deal(classes[rest], subjects[rest], n_parts, seed)[0]
        if not (len(test) and (len(valid) or not valid_share) and len(train)):
            raise CorpusError(
                f"{corpus.path}: fold {number} of {n_folds} has no window to train on, to "
                "validate or to test. Use another seed, or fewer folds."
            )
        made.append(
            Fold(number=number, train=rows[rest[train]], valid=rows[rest[valid]], test=rows[test])
        )
    return made


def _deal(classes: Ints, subjects: np.ndarray, n: int, seed: int) -> list[tuple[Ints, Ints]]:
    """Positions outside and inside of each of `n` parts."""
    selection = require("sklearn.model_selection", extra="training")
    _, counts = np.unique(classes, return_counts=True)
    if counts.max() < n:  # every class is rarer than the parts are many: nothing to spread
        classes = np.zeros_like(classes)
    splitter = selection.StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # what a fold lacks stands with its scores
        warnings.filterwarnings("ignore", "The least populated class|The number of unique classes")
        return list(splitter.split(np.zeros(len(classes)), classes, subjects))
