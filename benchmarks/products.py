"""The matrix products of a run, alone: what no change of the code around them can take away.

What counts: each call of ``mm``, ``addmm``, ``bmm`` and ``baddbmm`` (also in place), and of
oneDNN's linear layer (without its activation), that torch issues in one run, forward and, where
the run has one, backward. In this model these are the linear layers, the two products of each head
of attention, the means over tokens, and their gradients. What does not count: the Fourier
transforms, everything by elements (norms, softmaxes, GELU, dropout, masks, biases that are not
part of ``addmm``), copies, the optimizer.

Each is called again with numbers of the same shapes, strides and types, written into memory that
is there already (oneDNN takes its own): by itself, with nothing between. A product counts
2 m n k operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Products", "share_cells"]

aten = torch.ops.aten
FACTORS = {  # the place of the two factors among the arguments
    aten.mm.default: 0, aten.mm.out: 0, aten.bmm.default: 0, aten.bmm.out: 0,
    aten.addmm.default: 1, aten.addmm.out: 1, aten.addmm_.default: 1,
    aten.baddbmm.default: 1, aten.baddbmm.out: 1, aten.baddbmm_.default: 1,
}  # fmt: skip
_mkldnn = torch.ops.mkldnn
LINEAR = _mkldnn._linear_pointwise.default if hasattr(_mkldnn, "_linear_pointwise") else None
Layout = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]


class _Recorder(TorchDispatchMode):
    """Keeps the layout of the factors of each product, and whether it is oneDNN's."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Layout, Layout, bool]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in FACTORS:
            first = FACTORS[function]
            left, right = (_layout(factor) for factor in args[first : first + 2])
            self.calls.append((left, right, False))
        elif function is LINEAR:
            self.calls.append((_layout(args[0].flatten(0, -2)), _layout(args[1].T), True))
        return function(*args, **(kwargs or {}))


class Products:
    """The products of one run, ready to be called again.

    Parameters
    ----------
    run
        What is measured; it is called once here.
    """

    def __init__(self, run: Callable[[], object]) -> None:
        with _Recorder() as recorder:
            run()
        self.calls = recorder.calls
        self._operands = {call: _operands(*call[:2]) for call in Counter(self.calls)}

    @property
    def gflop(self) -> float:
        """Operations of one run, in 10⁹."""
        return sum(2e-9 * _size(left) * right[0][-1] for left, right, _ in self.calls)

    def __call__(self) -> None:
        """Call all of them, in the order of the run."""
        with torch.no_grad():
            for call in self.calls:
                left, right, out = self._operands[call]
                if call[2]:
                    LINEAR(left, right.T, None, "none", [], "")
                else:
                    torch.matmul(left, right, out=out)


def share_cells(products: Products, alone: float, whole: float) -> list[float]:
    """GFLOP, GFLOP/s of the products alone, and their share of the whole in percent."""
    return [products.gflop, products.gflop / alone, 100 * alone / whole]


def _operands(left: Layout, right: Layout) -> tuple[Tensor, Tensor, Tensor]:
    factors = []
    for shape, strides, dtype in (left, right):
        n_numbers = 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        factors.append(torch.randn(n_numbers).to(dtype).as_strided(shape, strides))
    return factors[0], factors[1], torch.matmul(*factors)


def _layout(values: Tensor) -> Layout:
    return tuple(values.shape), values.stride(), values.dtype


def _size(layout: Layout) -> int:
    return torch.Size(layout[0]).numel()
