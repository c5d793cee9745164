"""From rows of a corpus to a `Batch` of tensors, scaled as the contract says."""

# B windows, C channels, T samples

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from biot.contract import Scale
from biot.corpus.load import Corpus
from biot.corpus.schema import decode
from biot.errors import ConfigError
from biot.signals.preprocess import q95_scale

__all__ = ["Batch", "batches", "collate", "scaled_window"]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Windows as a model takes them."""

    signal: Tensor
    """(B, C, T) float32, scaled as the contract says; NaN where a sample is missing."""
    label: Tensor
    """(B,) int64 position in the contract's label names; −1 without a label."""
    index: Tensor
    """(B,) int64 position of each window in its corpus."""

    def __len__(self) -> int:
        return len(self.index)


def scaled_window(
    physical: npt.NDArray[np.floating[Any]],
    scale: Scale,
    q95: npt.NDArray[np.floating[Any]] | None = None,
) -> npt.NDArray[np.float32]:
    """Apply a contract's ``scale`` to windows in physical units.

    Training and prediction both scale here, so they cannot differ.

    Parameters
    ----------
    physical
        (..., C, T) one window or many; NaN where a sample is missing, and stays NaN.
    scale
        ``"q95"``: divide each channel by the 95th percentile of its magnitude (a channel of
        zeros stays zeros); ``"none"``: leave the numbers as they are.
    q95
        (..., C) these percentiles, where they are known already; None computes them.

    Returns
    -------
    numpy.ndarray
        (..., C, T) float32
    """
    if scale == "none":
        return physical.astype(np.float32)
    if scale != "q95":
        raise ConfigError(f"scale must be 'q95' or 'none', got {scale!r}.")
    divisor = q95_scale(physical) if q95 is None else q95
    return (physical / divisor[..., None]).astype(np.float32, copy=False)


def collate(corpus: Corpus, indices: npt.ArrayLike) -> Batch:
    """The windows of a corpus at `indices`, decoded and scaled, in that order."""
    rows = corpus.rows(indices)
    physical = decode(rows.digital, rows.scale, rows.offset)
    signal = scaled_window(physical, corpus.preprocessing.scale, rows.q95)
    return Batch(
        signal=torch.from_numpy(signal),
        label=torch.from_numpy(rows.label),
        index=torch.from_numpy(rows.index),
    )


def batches(
    corpus: Corpus, indices: npt.ArrayLike, batch_size: int, *, seed: int | None = None
) -> Iterator[Batch]:
    """Every window at `indices` once, `batch_size` at a time; the last batch may be smaller.

    Parameters
    ----------
    indices
        Positions in the corpus.
    batch_size
        Windows in a batch.
    seed
        Shuffle with this seed; None keeps the order of `indices`.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
    order = np.asarray(indices, dtype=np.int64).reshape(-1)
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order)
    return (collate(corpus, order[i : i + batch_size]) for i in range(0, len(order), batch_size))
