"""The gradient of a batch that is spread over processes and goes through in micro-batches."""

# B windows of all processes, b of this one, C channels, T samples, E width of an output, K classes
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from biot.corpus.batch import Batch
from biot.training.datasets import WindowBatch

__all__ = [
    "GradientContext",
    "Inputs",
    "Sizer",
    "StepResult",
    "by_size",
    "forward",
    "joint_backward",
    "separable_backward",
    "split_inputs",
]


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


Inputs = tuple[Tensor | None, ...] | Callable[[Any], Tensor]
"""Arguments of the model, or what calls it with them."""


Sizer = Callable[[int, int], int]
"""How many windows of so many channels and samples go through the model at once."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step's gradient came from."""

    loss: Tensor
    features: Tensor
    """(B, E) features, or outputs: where they are not finite, the loss is not."""
    index: Tensor
    """(B,) position of each window in the corpora."""
    n_windows: int
    """Windows of the step, over all processes."""
    top1: Callable[[], float] | None = None
    """Share of the windows that are right, when asked; None where nobody asks."""
    more: Callable[[], dict[str, float]] | None = None
    """Further columns of the history, when asked."""


def by_size(batch: Batch) -> Batch:
    """The same windows, those of fewest channels first, and of these the shortest."""
    order = torch.from_numpy(np.lexsort(_sizes(batch.channel_ids, batch.lengths)[::-1]))
    given = {name: values for name, values in vars(batch).items() if values is not None}
    return replace(batch, **{name: values[order] for name, values in given.items()})


def split_inputs(
    batch: Batch,
    size: Sizer,
    device: torch.device,
    *,
    per_channel: Sequence[Tensor] = (),
    per_window: Sequence[Tensor | None] = (),
) -> list[tuple[Tensor | None, ...]]:
    """Micro-batches of neighbours, on a device, each without the padding that others needed.

    What is left out is masked, so the gradient is that of the whole batch up to rounding. Each has
    signal, valid, channel ids and lengths, and its part of what is (b, C, ...) and of what is
    (b, ...); None stays None.
    """
    n_chans, n_times = _sizes(batch.channel_ids, batch.lengths)
    tensors = (batch.signal, batch.valid, batch.channel_ids, batch.lengths)
    signal, valid, ids, lengths = (tensor.to(device, non_blocking=True) for tensor in tensors)
    drawn = [values.to(device, non_blocking=True) for values in per_channel]
    given = [None if v is None else v.to(device, non_blocking=True) for v in per_window]
    parts: list[tuple[Tensor | None, ...]] = []
    first = 0
    while first < len(batch):
        # The widest and longest so far: how many windows there may be only falls as they grow.
        c, t = n_chans[first], n_times[first]
        last = first + 1
        while last < len(batch):
            wider, longer = max(c, n_chans[last]), max(t, n_times[last])
            if last + 1 - first > size(int(wider), int(longer)):
                break
            c, t, last = wider, longer, last + 1
        rows = slice(first, last)
        part = (signal[rows, :c, :t], valid[rows, :c, :t], ids[rows, :c], lengths[rows])
        more = (None if values is None else values[rows] for values in given)
        parts.append((*part, *(values[rows, :c] for values in drawn), *more))
        first = last
    return parts


def _sizes(channel_ids: Tensor, lengths: Tensor) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Channels (up to the last one that is there) and samples of each window, (b,) each."""
    there = channel_ids.cpu().numpy() >= 0
    n_chans = (there * np.arange(1, there.shape[1] + 1)).max(axis=1)
    return n_chans, lengths.cpu().numpy()


@dataclass(frozen=True, kw_only=True)
class GradientContext:
    """What computes a step: the processes, the model in them, and its draws of dropout."""

    fabric: Any
    model: Any
    """As ``fabric.setup`` gave it."""
    seed: int

    def forward(self, inputs: Inputs, step: int, part: int) -> Tensor:
        """The model's output of a micro-batch, with dropout by (seed, step, process, part) alone.

        So it can be repeated, and no random state needs to be kept between steps.
        """
        words = [self.seed, step, self.fabric.global_rank, part]
        torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1))
        output: Tensor = inputs(self.model) if callable(inputs) else self.model(*inputs)
        return output

    def gathered(self, values: Tensor) -> Tensor:
        """The rows of all processes, one process after the other; without a gradient."""
        if self.fabric.world_size == 1:
            return values
        # Fabric's own warns of a function that PyTorch deprecates.
        everyone = [torch.empty_like(values) for _ in range(self.fabric.world_size)]
        torch.distributed.all_gather(everyone, values.contiguous())
        return torch.cat(everyone)

    def summed(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.fabric.world_size == 1:
            return value
        total: Tensor = self.fabric.all_reduce(value, reduce_op="sum")
        return total


def separable_backward(
    context: GradientContext,
    parts: Sequence[Inputs],
    loss_of: Callable[[Tensor, int], Tensor],
    step: int,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of a loss that is a sum over windows, one micro-batch after the other.

    Parameters
    ----------
    context
        What computes.
    parts
        Inputs of the model, a micro-batch each.
    loss_of
        The share of the global loss that a micro-batch (its output, its number) has.
    step
        For the draws.

    Returns
    -------
    Tensor, Tensor
        The loss over all processes, and the outputs of this process (b, E).
    """
    outputs, total = [], torch.zeros((), device=context.fabric.device, dtype=torch.float64)
    for number, inputs in enumerate(parts):
        last = number == len(parts) - 1
        with context.fabric.no_backward_sync(context.model, enabled=not last):
            output = context.forward(inputs, step, number)
            loss = loss_of(output, number)
            # Processes' gradients are averaged, their shares of the loss are to be summed.
            context.fabric.backward(loss * context.fabric.world_size)
        outputs.append(output.detach())
        total += loss.detach().double()
    return context.summed(total), torch.cat(outputs)


def joint_backward(
    context: GradientContext,
    parts: Sequence[Inputs],
    loss_of: Callable[[Tensor], Tensor],
    step: int,
    *,
    cached: bool,
    gather: bool,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of a loss that compares all windows of a batch.

    The loss is differentiated down to the outputs of the model, (B, ...), and each micro-batch is
    given its share of that. Cached (Gao et al. 2021, *Scaling Deep Contrastive Learning Batch
    Size*), outputs are computed without a graph first and again one micro-batch at a time, which
    costs a forward pass and saves the memory of all activations but one micro-batch's.

    Parameters
    ----------
    context, parts, step
        As in :func:`separable_backward`.
    loss_of
        The loss of a batch of outputs.
    cached
        Whether to save memory.
    gather
        Whether the batch is that of all processes; else each takes the loss of its own, and the
        loss is their mean.

    Returns
    -------
    Tensor, Tensor
        The loss, and the outputs that it compared.
    """
    # Gradients of several graphs cannot be synchronised at the last of them. All processes must
    # go the same way, though their windows, and so their micro-batches, differ.
    if context.fabric.world_size > 1:
        several = torch.tensor(float(len(parts) > 1), device=context.fabric.device)
        cached = cached or bool(context.summed(several) > 0)
    with torch.set_grad_enabled(not cached):
        outputs = [context.forward(inputs, step, part) for part, inputs in enumerate(parts)]
    own = torch.cat([output.detach() for output in outputs])
    compared = (context.gathered(own) if gather else own).detach().requires_grad_()
    loss = loss_of(compared)
    (gradient,) = torch.autograd.grad(loss, compared)
    if gather:
        start = context.fabric.global_rank * len(own)
        gradient = gradient[start : start + len(own)] * context.fabric.world_size
    for part, share in enumerate(gradient.split([len(output) for output in outputs])):
        last = part == len(parts) - 1
        with context.fabric.no_backward_sync(context.model, enabled=not last):
            output = context.forward(parts[part], step, part) if cached else outputs[part]
            context.fabric.backward((output * share).sum())
    if not gather:
        loss = context.summed(loss.detach()) / context.fabric.world_size
    return loss.detach(), compared.detach()
