"""Held-out subjects of supervised pretraining."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from biot.corpus.batch import Batch, collate
from biot.corpus.corpora import Corpora
from biot.corpus.split import split
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
        If a corpus has too few subjects to hold some out.
    """
    if not config.valid_share:
        return None, np.array([], dtype=np.int64)
    train, valid, first = np.zeros(len(data), dtype=bool), [], 0
    for part in data.parts:
        shares = (1.0 - config.valid_share, config.valid_share, 0.0)
        division = split(part, "subject", shares, seed=config.seed)
        train[first + division.train] = True
        valid.append(first + division.valid)
        first += len(part)
    return train, np.concatenate(valid)


def validation_batches(
    data: Corpora, rows: Ints, config: PretrainConfig, model: BIOT
) -> Iterator[Batch]:
    """The held-out windows in their order."""
    for start in range(0, len(rows), config.batch_size):
        chosen = rows[start : start + config.batch_size]
        yield collate(data, chosen, vocabulary=model.channels, empty="keep")
