"""Where and how precisely to compute, and one check of it."""

# B windows of a batch, C channels of the contract, T samples of a window, K classes
from __future__ import annotations

from typing import get_args

import torch

from biot.choices import Device, Precision
from biot.errors import ConfigError

__all__ = [
    "Device",
    "Precision",
    "uses_gpu",
]


def uses_gpu(device: Device) -> bool:
    """Whether to compute on a GPU.

    Raises
    ------
    ConfigError
        If one is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ConfigError("device is 'cuda', but PyTorch finds no GPU. Use 'cpu' or 'auto'.")
    return has_gpu and device != "cpu"


def find_device(device: str) -> torch.device:
    if device not in get_args(Device):
        raise ConfigError(f"device must be one of {', '.join(get_args(Device))}; got {device!r}.")
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ConfigError("device is 'cuda', but PyTorch finds no GPU. Use 'cpu' or 'auto'.")
    return torch.device("cuda" if has_gpu and device != "cpu" else "cpu")
