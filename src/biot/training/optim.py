"""What a loop is made of: the gradient of a batch, the scores of many, the learning rate."""

# B windows of a batch, C channels, T samples, W windows, K classes
from __future__ import annotations

import math
import re
from typing import Any

from torch import nn

__all__ = [
    "learning_rate_at",
    "parameter_groups",
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
