"""Where and how precisely to compute, and one check of it."""

from __future__ import annotations

import warnings
from typing import get_args

import torch

from biot.choices import Device, Precision
from biot.errors import ConfigError

__all__ = [
    "Device",
    "Precision",
    "SlowPrecisionWarning",
    "find_device",
    "warn_if_slow",
]


class SlowPrecisionWarning(UserWarning):
    """A precision that this processor computes more slowly than float32."""


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


def warn_if_slow(precision: str, device: torch.device) -> None:
    """Say so, by a :class:`SlowPrecisionWarning`, if bfloat16 is slower than float32 here.

    On an x86 processor without instructions for it (avx512_bf16, amx_bf16) a product in bfloat16
    was measured at 0.16 × the speed of one in float32.
    """
    if precision == "bf16" and device.type == "cpu" and _lacks_bfloat16():
        warnings.warn(
            "precision=bf16 is slow on this processor, which has no instructions for bfloat16 "
            "(avx512_bf16 or amx_bf16): about a sixth of the speed of float32 was measured. Leave "
            "it at precision=32 here.",
            SlowPrecisionWarning,
            stacklevel=3,
        )


def _lacks_bfloat16() -> bool:
    """Whether torch knows this processor and sees that it cannot multiply bfloat16 itself."""
    # torch before 2.11 does not tell
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    native = known.get("avx512_bf16") or known.get("amx_bf16")
    return known.get("architecture") == "x86_64" and not native
