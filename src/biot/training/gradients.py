"""The gradient of a batch that is spread over processes and goes through in micro-batches."""

# B windows of all processes, b of this one, E width of an output

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Inputs", "Machine", "Outcome", "joint_backward", "separable_backward", "split_inputs"]

Inputs = tuple[Tensor | None, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a step's gradient came from; of all processes' windows."""

    loss: Tensor
    features: Tensor
    """(B, E)"""
    index: Tensor
    """(B,) position of each window in the corpora."""
    top1: Callable[[], float]
    """Share of the windows that are right, when asked."""


def split_inputs(inputs: Inputs, size: int, device: torch.device) -> list[Inputs]:
    """Micro-batches of at most `size` windows, on a device; None stays None."""
    first = inputs[0]
    assert first is not None
    here = [None if value is None else value.to(device, non_blocking=True) for value in inputs]
    return [
        tuple(None if value is None else value[start : start + size] for value in here)
        for start in range(0, len(first), size)
    ]


@dataclass(frozen=True, kw_only=True)
class Machine:
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
        output: Tensor = self.model(*inputs)
        return output

    def gathered(self, values: Tensor) -> Tensor:
        """The rows of all processes, in the order of the global batch."""
        if self.fabric.world_size == 1:
            return values
        everyone: Tensor = self.fabric.all_gather(values)
        return everyone.flatten(0, 1)

    def summed(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.fabric.world_size == 1:
            return value
        total: Tensor = self.fabric.all_reduce(value, reduce_op="sum")
        return total


def separable_backward(
    machine: Machine,
    parts: Sequence[Inputs],
    loss_of: Callable[[Tensor, int], Tensor],
    step: int,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of a loss that is a sum over windows, one micro-batch after the other.

    Parameters
    ----------
    machine
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
    outputs, total = [], torch.zeros((), device=machine.fabric.device, dtype=torch.float64)
    for number, inputs in enumerate(parts):
        last = number == len(parts) - 1
        with machine.fabric.no_backward_sync(machine.model, enabled=not last):
            output = machine.forward(inputs, step, number)
            loss = loss_of(output, number)
            # Processes' gradients are averaged, their shares of the loss are to be summed.
            machine.fabric.backward(loss * machine.fabric.world_size)
        outputs.append(output.detach())
        total += loss.detach().double()
    return machine.summed(total), torch.cat(outputs)


def joint_backward(
    machine: Machine,
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
    machine, parts, step
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
    # Gradients of several graphs cannot be synchronised at the last of them.
    cached = cached or (len(parts) > 1 and machine.fabric.world_size > 1)
    with torch.set_grad_enabled(not cached):
        outputs = [machine.forward(inputs, step, part) for part, inputs in enumerate(parts)]
    own = torch.cat([output.detach() for output in outputs])
    compared = (machine.gathered(own) if gather else own).detach().requires_grad_()
    loss = loss_of(compared)
    (gradient,) = torch.autograd.grad(loss, compared)
    if gather:
        start = machine.fabric.global_rank * len(own)
        gradient = gradient[start : start + len(own)] * machine.fabric.world_size
    for part, share in enumerate(gradient.split([len(output) for output in outputs])):
        last = part == len(parts) - 1
        with machine.fabric.no_backward_sync(machine.model, enabled=not last):
            output = machine.forward(parts[part], step, part) if cached else outputs[part]
            machine.fabric.backward((output * share).sum())
    if not gather:
        loss = machine.summed(loss.detach()) / machine.fabric.world_size
    return loss.detach(), compared.detach()
