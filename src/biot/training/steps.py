"""What a loop is made of: the gradient of a batch, the scores of many, the learning rate."""

# B windows of a batch, C channels, T samples, W windows, K classes

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from biot.training.metrics import Floats, Ints
from biot.training.tasks import Task, Truth

__all__ = [
    "MixedBatch",
    "WindowBatch",
    "backward_in_parts",
    "forward",
    "learning_rate_at",
    "parameter_groups",
    "predict_logits",
]


class WindowBatch(Protocol):
    """What training needs of a batch."""

    @property
    def signal(self) -> Tensor:
        """(B, C, T) float32, scaled; NaN where missing."""

    @property
    def label(self) -> Tensor:
        """(B,) int64 classes, or (B, K) tags or numbers."""

    @property
    def index(self) -> Tensor:
        """(B,) int64 numbers of the windows: rows of the corpus, or of the array."""


@dataclass(frozen=True, kw_only=True)
class MixedBatch:
    """Windows that were changed on the way, each perhaps mixed with another."""

    signal: Tensor
    """(B, C, T) float32; NaN where missing."""
    label: Tensor
    """As in :class:`WindowBatch`."""
    index: Tensor
    """As there."""
    channel_ids: Tensor | None = None
    """(B, C) rows of the vocabulary; None: the channels in order."""
    partner_label: Tensor | None = None
    """Labels of the windows that were mixed in; None: nothing was."""
    share: Tensor | None = None
    """(B,) share of the window itself; the rest is its partner's."""


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
    task: Task,
    *,
    part_size: int,
    backward: Callable[[Tensor], None],
    device: torch.device,
) -> float:
    """Add the gradient of a batch's loss, a few windows at a time.

    The loss is the sum over the batch divided by its windows, so that the parts add up to the
    gradient of the whole batch.

    Returns
    -------
    float
        The loss of the batch.
    """
    total, n_windows = 0.0, len(batch.label)
    for first in range(0, n_windows, part_size):
        rows = slice(first, first + part_size)
        losses = _losses(forward(model, batch, device, rows), batch, task, device, rows)
        loss = losses.sum() / n_windows
        backward(loss)
        total += loss.item()
    return total


def _losses(
    outputs: Tensor, batch: WindowBatch, task: Task, device: torch.device, rows: slice
) -> Tensor:
    losses = task.losses(outputs, batch.label[rows].to(device))
    if isinstance(batch, MixedBatch) and batch.partner_label is not None:
        assert batch.share is not None
        share = batch.share[rows].to(device, losses.dtype)
        others = task.losses(outputs, batch.partner_label[rows].to(device))
        losses = share * losses + (1 - share) * others
    return losses


def forward(
    model: nn.Module, batch: WindowBatch, device: torch.device, rows: slice = slice(None)
) -> Tensor:
    """Outputs of a model for some windows of a batch, (rows, K)."""
    given: dict[str, Tensor] = {
        name: values[rows].to(device)
        for name in ("valid", "channel_ids", "lengths")
        if (values := getattr(batch, name, None)) is not None
    }
    outputs: Tensor = model(batch.signal[rows].to(device), **given)
    return outputs


def predict_logits(
    model: nn.Module, batches: Iterable[WindowBatch], device: torch.device
) -> tuple[Floats, Truth, Ints]:
    """Outputs for every window, without dropout.

    Returns
    -------
    tuple
        Outputs (W, K), labels (W,) or (W, K), and the windows' numbers (W,), in the order of the
        batches. A window without usable data has outputs of NaN.
    """
    was_training = model.training
    model.eval()
    logits, labels, rows = [], [], []
    with torch.no_grad():
        for batch in batches:
            logits.append(forward(model, batch, device).double().cpu())
            labels.append(batch.label)
            rows.append(batch.index)
    model.train(was_training)
    return torch.cat(logits).numpy(), torch.cat(labels).numpy(), torch.cat(rows).numpy()


def parameter_groups(
    model: nn.Module, *, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Parameters that are trained, by weight decay and by share of the learning rate (``scale``).

    Matrices decay, biases and norms do not. The head learns at full rate, each layer below
    `layer_decay` times as fast as the one above it, the tokens slowest (Clark et al. 2020).
    """
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    heights = {name: _height(name) for name, _ in trained}
    n_layers = 1 + max((h for h in heights.values() if h is not None), default=-1)
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in trained:
        height = heights[name]
        scale = 1.0 if height is None else layer_decay ** (n_layers - height)
        decay = weight_decay if parameter.ndim > 1 else 0.0
        empty = {"params": [], "weight_decay": decay, "scale": scale}
        groups.setdefault((decay, scale), empty)["params"].append(parameter)
    return list(groups.values())


def _height(name: str) -> int | None:
    """Layer of a parameter, −1 for what makes the tokens, None for what is above the encoder."""
    layer = re.search(r"encoder\.transformer\.layers\.(\d+)\.", name)
    if layer:
        return int(layer[1])
    return -1 if "encoder." in name else None
