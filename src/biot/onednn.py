"""Linear layers by oneDNN, where a processor is faster with it than with torch's own choice.

For float32 on a CPU torch asks MKL, which does not use the AVX-512 of processors that are not
Intel's. oneDNN does: on an AMD EPYC of the fifth generation it multiplies twice as fast. torch has
the call for its compiler, and no gradient goes through it.
"""

from __future__ import annotations

import functools
import platform
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["is_faster", "linear"]

_NARROWEST = 128
"""Tokens below this width gain less than the first call of each shape costs, which is compiled."""
_PROCESSOR = Path("/proc/cpuinfo")


def is_faster(tokens: Tensor) -> bool:
    """Whether :func:`linear` is the faster way for these tokens, (…, E), on this processor."""
    wide = tokens.dtype == torch.float32 and tokens.shape[-1] >= _NARROWEST
    return wide and bool(torch.backends.mkldnn.enabled) and _serves_this_processor()


def linear(
    tokens: Tensor, weight: Tensor, bias: Tensor | None = None, *, gelu: str | None = None
) -> Tensor:
    """What ``torch.nn.functional.linear`` gives, and GELU of it if asked for; no gradient.

    Parameters
    ----------
    tokens
        (…, E) float32, on the CPU.
    weight, bias
        (F, E) and (F,).
    gelu
        ``approximate`` of ``torch.nn.GELU``; None: no activation.

    Returns
    -------
    Tensor
        (…, F)
    """
    activation, variant = ("none", "") if gelu is None else ("gelu", gelu)
    result: Tensor = torch.ops.mkldnn._linear_pointwise(
        tokens, weight, bias, activation, [], variant
    )
    return result


@functools.cache
def _serves_this_processor() -> bool:
    if not (
        torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return False
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and "AMD" in _maker()


def _maker() -> str:
    """Who made the processor, as the system says it; empty where it does not."""
    try:
        lines = _PROCESSOR.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux
        return platform.processor()
    return next((line for line in lines if line.startswith("vendor_id")), "")
