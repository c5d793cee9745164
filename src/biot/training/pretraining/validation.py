"""Held-out subjects of pretraining."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from biot.corpus.batch import Batch, collate
from biot.corpus.corpora import Corpora
from biot.corpus.corpus import Corpus
from biot.corpus.split import split
from biot.errors import CorpusError, counted
from biot.evaluation.metrics import Ints
from biot.model.biot import BIOT
from biot.training.pretraining.config import PretrainConfig

__all__ = ["held_out_rows", "validation_batches"]


def held_out_rows(
    data: Corpora, config: PretrainConfig
) -> tuple[npt.NDArray[np.bool_] | None, Ints]:
    """Windows to train on, and rows to validate on, of every corpus by subject.

    Returns
    -------
    tuple
        (W,) whether a window is trained on, None for all; and the held-out rows.

    Raises
    ------
    CorpusError
        If a corpus has too few subjects to hold some out, or so many are held out that none is
        left to train on, or none with one of the labels.
    """
    if not config.valid_share:
        return None, np.array([], dtype=np.int64)
    train, valid, first = np.zeros(len(data), dtype=bool), [], 0
    for part in data.parts:
        _require_subjects(part, config.valid_share)
        shares = (1.0 - config.valid_share, config.valid_share, 0.0)
        try:
            division = split(part, "subject", shares, seed=config.seed)
        except CorpusError as error:  # it speaks of options that pretraining has not
            raise CorpusError(
                f"{part.path}: valid_share {config.valid_share:g} (--valid-share) leaves no "
                "training subject with one of the labels. Choose a smaller share, or another seed."
            ) from error
        train[first + division.train] = True
        valid.append(first + division.valid)
        first += len(part)
    return train, np.concatenate(valid)


def _require_subjects(corpus: Corpus, share: float) -> None:
    """Raise :class:`CorpusError` unless the share leaves subjects on both sides."""
    n_subjects = len(np.unique(corpus.subjects))
    said = f"{corpus.path}: valid_share {share:g} (--valid-share) "
    if n_subjects < 2:
        raise CorpusError(
            f"{said}keeps whole subjects out of training, and the corpus has one subject only. "
            "Leave valid_share out, or leave out the corpus."
        )
    if round(n_subjects * (1.0 - share), 9) < 0.5:
        raise CorpusError(
            f"{said}is all {counted(n_subjects, 'subject')}, and leaves none to train on. Give at "
            f"most {(n_subjects - 1) / n_subjects:.3g}, which leaves one."
        )


def validation_batches(
    data: Corpora, rows: Ints, config: PretrainConfig, model: BIOT
) -> Iterator[Batch]:
    """The held-out windows in their order."""
    for start in range(0, len(rows), config.batch_size):
        chosen = rows[start : start + config.batch_size]
        yield collate(data, chosen, vocabulary=model.channels, empty="keep")
