"""Forward and backward beside braindecode 1.8.1: time, share of the products, the same gradients.

The share is the time that our matrix products need alone, forward and backward, over the time of
our whole step, both measured in turn in this run. Which products count is said in
``products.py``; the optimizer is not part of the step. Aim: 75 % at batch 32. Ours takes the batch
in micro-batches that stay in cache and accumulates their gradients; braindecode's takes it whole,
in float32. The row in bfloat16 comes only from a processor that multiplies bfloat16.

    PYTHONPATH=../shared/peers/stub python benchmarks/train_step.py [--threads 2] [--repeats 7]
"""

from __future__ import annotations

import copy
import sys
from argparse import Namespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peer import (
    both_models,
    machine,
    medians,
    multiplies_bfloat16,
    relative_difference,
    timing_parser,
    timing_table,
)
from products import Products, share_cells

BATCH = 32


def step(
    model: nn.Module, x: Tensor, y: Tensor, *, micro_batch: int, half: bool = False
) -> list[Tensor]:
    """Gradients of the mean cross-entropy over the batch, accumulated over micro-batches."""
    model.zero_grad()
    for x_part, y_part in zip(x.split(micro_batch), y.split(micro_batch), strict=True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            scores = model(x_part)
        (F.cross_entropy(scores.float(), y_part, reduction="sum") / len(x)).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def in_our_order(theirs: nn.Module, gradients: list[Tensor], ours: nn.Module) -> list[Tensor]:
    """Their gradients, loaded under their names as if they were weights of ours."""
    names = [name for name, _ in theirs.named_parameters()]
    holder = copy.deepcopy(ours)
    holder.load_state_dict(dict(zip(names, gradients, strict=True)))
    return [parameter.detach() for parameter in holder.parameters()]


def flat(gradients: list[Tensor]) -> Tensor:
    """All gradients end to end."""
    return torch.cat([gradient.flatten() for gradient in gradients])


def timing_row(
    name: str, both: tuple[nn.Module, nn.Module], given: Namespace, options: dict[str, Any]
) -> list[object]:
    """Name, both medians in ms, ratio, shares, difference of the gradients."""
    theirs, ours = both
    n = given.batch
    x, y = torch.randn(n, 16, 2000), torch.arange(n) % 6
    for model in both:
        model.eval()  # without dropout the gradients can be compared
    expected = in_our_order(theirs, step(theirs, x, y, micro_batch=n), ours)
    found = step(ours, x, y, **options)
    for model in both:
        model.train()

    def our_run() -> list[Tensor]:
        return step(ours, x, y, **options)

    products = Products(our_run)
    runs = {"theirs": lambda: step(theirs, x, y, micro_batch=n), "ours": our_run}
    time = medians({**runs, "products": products}, given.repeats, busy=given.busy)
    row = [name, 1e3 * time["theirs"], 1e3 * time["ours"], time["theirs"] / time["ours"]]
    shares = share_cells(products, time["products"], time["ours"])
    return [*row, *shares, relative_difference(flat(found), flat(expected))]


def main() -> int:
    """Print the table."""
    parser = timing_parser(__doc__.splitlines()[0], repeats=7)
    parser.add_argument("--batch", type=int, default=BATCH, help="windows (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    theirs, ours = both_models()
    n, micro_batch = arguments.batch, ours.encoder.cached_batch_size(16, 2000)
    in_parts = f"micro-batches of {micro_batch}"
    kinds: dict[str, dict[str, Any]] = {
        f"batch {n}, float32, {in_parts}": {"micro_batch": micro_batch},
        f"batch {n}, float32, whole": {"micro_batch": n},
    }
    if multiplies_bfloat16():
        halves = {"micro_batch": micro_batch, "half": True}
        kinds[f"batch {n}, bfloat16 autocast, {in_parts}"] = halves
    both = theirs, ours
    rows = [timing_row(name, both, arguments, options) for name, options in kinds.items()]
    table = timing_table("forward + backward", "gradients differ by", rows)
    sys.stdout.write(f"{machine()}\n\n{table}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
