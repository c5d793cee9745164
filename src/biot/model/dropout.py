"""Dropout whose random numbers cost little on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Dropout"]

LANES = 4  # numbers of 16 bits in one of 64
LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """`torch.nn.Dropout`; on a CPU, four decisions are taken from one random number.

    Drawing a number for each element, as torch does there, took up to a seventh of a training step.
    A decision has 16 bits: `p` is rounded to a multiple of 1 / 65,536, and what is kept is scaled
    by that rounded value, so that the mean stays.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Zero each element with probability `p`, in training; same shape."""
        dropped = round(self.p * LEVELS)
        by_torch = values.device.type != "cpu" or torch.compiler.is_compiling() or self.inplace
        if by_torch or not self.training or dropped in (0, LEVELS):
            return super().forward(values)
        lowest = torch.iinfo(torch.int64).min
        # new_empty, so that each sample has its own numbers under torch.func.vmap
        numbers = values.new_empty(-(-values.numel() // LANES), dtype=torch.int64)
        lanes = numbers.random_(lowest, None).view(torch.int16)[: values.numel()]
        kept = lanes.view(values.shape) >= dropped - LEVELS // 2
        return values * (kept.to(values.dtype) * (LEVELS / (LEVELS - dropped)))
