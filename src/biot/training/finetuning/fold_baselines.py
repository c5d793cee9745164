"""The ridge beside the models of a cross-validation: one a fold, of the same windows."""

# W windows that are tested, F features
from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from biot.corpus.corpus import Corpus
from biot.errors import CorpusError, counted
from biot.evaluation.baselines.comparison import RIDGE, BaselineAnswers, told_of_no_ridge
from biot.evaluation.baselines.ridge import RidgeBaseline
from biot.evaluation.tasks import plain_task
from biot.training.baseline import WHAT, features_of, tell_of_time
from biot.training.datasets import truth_of
from biot.training.finetuning.fold_split import Fold

__all__ = ["fold_answers"]

_LOGGER = logging.getLogger(__name__)


def fold_answers(
    corpus: Corpus, folds: Sequence[tuple[int, Fold]]
) -> tuple[list[BaselineAnswers] | None, str | None]:
    """What a ridge says of the test windows of each fold, fitted to the fold's other windows.

    Features are computed once for all folds and seeds.

    Parameters
    ----------
    corpus
        The windows.
    folds
        The seed and the parts of each training.

    Returns
    -------
    tuple
        The answers in the order of `folds`, and None; or None, and why there are none.
    """
    began = time.monotonic()
    parts = [part for _, fold in folds for part in (fold.train, fold.valid, fold.test)]
    rows = np.unique(np.concatenate(parts))
    task, truth = plain_task(corpus.preprocessing), truth_of(corpus)
    found = []
    try:
        features = features_of(corpus, rows)
        for seed, fold in folds:
            known = np.concatenate([fold.train, fold.valid])
            ridge = RidgeBaseline.fit(
                features[np.searchsorted(rows, known)], truth[known], task,
                groups=corpus.subjects[known], seed=seed,
            )  # fmt: skip
            if ridge.n_windows < len(known):
                _LOGGER.info(
                    "%s of seed %d, fold %d: fitted to %d of %d windows",
                    RIDGE, seed, fold.number, ridge.n_windows, len(known),
                )  # fmt: skip
            predicted = ridge.predict_proba(features[np.searchsorted(rows, fold.test)])
            found.append(
                BaselineAnswers(
                    predicted=predicted, decided=task.decided(predicted, ridge.decision),
                    about={"what": WHAT},
                )
            )  # fmt: skip
    except CorpusError as error:
        return None, told_of_no_ridge(error)
    tell_of_time(began, counted(len(folds), "fold"))
    return found, None
