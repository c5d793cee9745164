"""What a loop is made of: the gradient of a batch, the scores of many, the learning rate."""

# B windows of a batch, C channels, T samples, W windows, K classes

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.training.metrics import Floats, Ints

__all__ = ["WindowBatch", "backward_in_parts", "learning_rate_at", "predict_logits"]


class WindowBatch(Protocol):
    """What training needs of a batch."""

    @property
    def signal(self) -> Tensor:
        """(B, C, T) float32, scaled; NaN where missing."""

    @property
    def label(self) -> Tensor:
        """(B,) int64 classes."""

    @property
    def index(self) -> Tensor:
        """(B,) int64 rows of the corpus."""


def learning_rate_at(step: int, n_steps: int, *, peak: float, warmup: float) -> float:
    """One cycle: a cosine climb from peak / 25 to the peak, then a cosine descent to almost 0.

    Parameters
    ----------
    step
        Counted from 0.
    n_steps
        Steps of the whole run.
    peak
        Highest learning rate.
    warmup
        Share of the steps that climb.
    """
    climb = warmup * n_steps
    if step < climb:
        start, end, done = peak / 25, peak, step / climb
    else:
        start, end, done = peak, peak / 10_000, (step - climb) / max(1.0, n_steps - 1 - climb)
    return end + (start - end) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def backward_in_parts(
    model: nn.Module,
    batch: WindowBatch,
    weights_K: Tensor,
    *,
    part_size: int,
    backward: Callable[[Tensor], None],
) -> float:
    """Add the gradient of a batch's weighted cross-entropy, a few windows at a time.

    The loss is the weighted sum over the batch divided by its windows, so that the parts add up
    to the gradient of the whole batch.

    Returns
    -------
    float
        The loss of the batch.
    """
    device, total = weights_K.device, 0.0
    parts = zip(batch.signal.split(part_size), batch.label.split(part_size), strict=True)
    for signal, label in parts:
        logits = model(signal.to(device))
        summed = F.cross_entropy(logits, label.to(device), weight=weights_K, reduction="sum")
        loss = summed / len(batch.label)
        backward(loss)
        total += loss.item()
    return total


def predict_logits(
    model: nn.Module, batches: Iterable[WindowBatch], device: torch.device
) -> tuple[Floats, Ints, Ints]:
    """Scores of every window, without dropout.

    Returns
    -------
    tuple
        Logits (W, K), labels (W,) and corpus rows (W,) in the order of the batches. A window
        without usable data has logits of NaN.
    """
    was_training = model.training
    model.eval()
    logits, labels, rows = [], [], []
    with torch.no_grad():
        for batch in batches:
            logits.append(model(batch.signal.to(device)).double().cpu())
            labels.append(batch.label)
            rows.append(batch.index)
    model.train(was_training)
    return torch.cat(logits).numpy(), torch.cat(labels).numpy(), torch.cat(rows).numpy()
