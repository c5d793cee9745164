"""Is the encoder learning, or collapsing? A few numbers about a batch's features."""

# B windows, E embedding width
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "LOWEST_RANK",
    "LOWEST_STD",
    "collapse",
    "effective_rank",
    "embedding_std",
    "retrieval",
]

LOWEST_STD = 0.05
"""Embedding standard deviation below which features count as one point."""


LOWEST_RANK = 2.0
"""Effective rank below which features count as one line."""


def embedding_std(features_BE: Tensor) -> float:
    """Spread of the directions of features: 0 if all agree, 1 if they point everywhere.

    The standard deviation over the windows of L2-normalised features, averaged over the widths,
    times √E (Chen and He 2021, *Exploring Simple Siamese Representation Learning*).
    """
    directions_BE = F.normalize(features_BE.double(), dim=1)
    spread = directions_BE.std(dim=0, correction=0).mean() * math.sqrt(features_BE.shape[1])
    return float(spread)


def effective_rank(features_BE: Tensor) -> float:
    """How many directions the features use: exp of the entropy of their singular values' shares.

    Of the L2-normalised features minus their mean (Roy and Vetterli 2007, *The effective rank*);
    between 1 and the lesser of E and B − 1. 1 where they do not differ at all.
    """
    directions_BE = F.normalize(features_BE.double(), dim=1)
    centred_BE = directions_BE - directions_BE.mean(dim=0)
    shape = min(centred_BE.shape)
    product = centred_BE.mT @ centred_BE if shape < len(centred_BE) else centred_BE @ centred_BE.mT
    values = torch.linalg.eigvalsh(product).clamp(min=0).sqrt()
    if float(values.max()) < 1e-12:
        return 1.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def retrieval(logits_BB: Tensor) -> float:
    """Share of the rows whose own column is their highest."""
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    return float((logits_BB.argmax(dim=1) == own_B).double().mean())


def collapse(spread: float, rank: float) -> str | None:
    """What is wrong with features of this spread and effective rank; None: nothing."""
    if spread < LOWEST_STD:
        return (
            f"the embedding standard deviation is {spread:.3g}, below {LOWEST_STD:g}: the features "
            "of all windows are nearly one point"
        )
    if rank < LOWEST_RANK:
        return (
            f"the effective rank is {rank:.3g}, below {LOWEST_RANK:g}: the features use hardly "
            "more than one direction"
        )
    return None
