"""Learning rate, groups of parameters, and the running mean of the weights."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

__all__ = [
    "learning_rate_at",
    "parameter_groups",
    "running_mean",
]


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
    layer = re.search(r"encoder\.transformer\.layers\.layers\.(\d+)\.", name)
    if layer:
        return int(layer[1])
    return -1 if "encoder." in name else None


def running_mean(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of a module that follows it by an exponential moving average of its weights.

    The first update copies the weights. Update n + 1 keeps the share min(decay, (1 + n) / (10 + n))
    of the mean, so that the mean soon forgets the first weights however near 1 `decay` is: of
    weights 1, 2, …, 50 a decay of 0.99 makes 45.0, where a constant share would make 11.5.
    """

    def follow(mean: Tensor, now: Tensor, n_updates: Tensor | int) -> Tensor:
        n = int(n_updates)
        return torch.lerp(now, mean, min(decay, (1 + n) / (10 + n)))

    return AveragedModel(module, avg_fn=follow)
