"""Linear layers by oneDNN, where a processor is faster with it than with torch's own choice.

For float32 on a CPU torch asks MKL, which does not use the AVX-512 of processors that are not
Intel's. oneDNN does: on an AMD EPYC of the fifth generation it multiplies twice as fast. torch has
the call for its compiler, without a gradient, which is here.
"""

from __future__ import annotations

import functools
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["is_faster", "linear", "linear_with_gradient"]

_NARROWEST = 128
"""Tokens below this width gain less than the first call of each shape costs, which is compiled."""
_PROCESSOR = Path("/proc/cpuinfo")


def is_faster(tokens: Tensor) -> bool:
    """Whether :func:`linear` is the faster way for these tokens, (…, E), on this processor."""
    if not tokens.numel():  # of no tokens oneDNN makes no gradient of the weights
        return False
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


def linear_with_gradient(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(…, E) → (…, F): :func:`linear` without activation; gradients go through, and theirs too."""
    result: Tensor = _Linear.apply(tokens, weight, bias)  # type: ignore[no-untyped-call]
    return result


class _Linear(torch.autograd.Function):
    """Its gradients are linear layers too: of transposed weights, and of transposed tokens."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(tokens, weight)
        return linear(tokens, weight, bias)

    @staticmethod
    def backward(ctx: Any, *of_result: Tensor) -> tuple[Tensor | None, ...]:
        tokens, weight = ctx.saved_tensors
        wants_tokens, wants_weight, wants_bias = ctx.needs_input_grad
        rows = of_result[0].reshape(-1, weight.shape[0])
        of_tokens = of_weight = of_bias = None
        if wants_tokens:
            of_tokens = linear_with_gradient(rows, weight.T.contiguous(), None).view(tokens.shape)
        if wants_weight:
            of_weight = linear_with_gradient(rows.T, tokens.reshape(-1, weight.shape[1]).T, None)
        if wants_bias:
            of_bias = rows.sum(dim=0)
        return of_tokens, of_weight, of_bias


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
