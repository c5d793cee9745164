"""Where and how precisely to compute, and one check of it."""

from __future__ import annotations

from typing import get_args

import torch

from biot.choices import Device, Precision
from biot.errors import ConfigError

__all__ = [
    "Device",
    "Precision",
    "find_device",
]


def find_device(device: str) -> torch.device:
    """The device that a word means; ``"auto"`` is the GPU if there is one.

    Raises
    ------
    ConfigError
        If the word is none of :data:`Device`, or a GPU is asked for and there is none.
    """
    if device not in get_args(Device):
        raise ConfigError(f"device must be one of {', '.join(get_args(Device))}; got {device!r}.")
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ConfigError("device is 'cuda', but PyTorch finds no GPU. Use 'cpu' or 'auto'.")
    return torch.device("cuda" if has_gpu and device != "cpu" else "cpu")
