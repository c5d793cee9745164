"""Forward and backward beside braindecode 1.8.1, and the same gradients.

Claims: 1.9 × its speed at batch 32 in float32, 3.6 × in bfloat16 autocast (on a processor that
multiplies bfloat16). Ours takes the batch in micro-batches that stay in cache and accumulates
their gradients; braindecode's takes it whole, in float32.

    PYTHONPATH=../shared/peers/stub python benchmarks/train_step.py [--threads 2] [--repeats 7]
"""

from __future__ import annotations

import copy
import sys

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor, nn

from peer import both_models, machine, medians, relative_difference, timing_parser

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


def main() -> int:
    """Print the table."""
    parser = timing_parser(__doc__.splitlines()[0], repeats=7)
    parser.add_argument("--batch", type=int, default=BATCH, help="windows (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    theirs, ours = both_models()
    n = arguments.batch
    x, y = torch.randn(n, 16, 2000), torch.arange(n) % 6
    micro_batch = ours.encoder.cached_batch_size(16, 2000)
    rows = []
    for name, options in (
        (f"batch {n}, float32, micro-batches of {micro_batch}", {"micro_batch": micro_batch}),
        (f"batch {n}, float32, whole", {"micro_batch": n}),
        (
            f"batch {n}, bfloat16 autocast, micro-batches of {micro_batch}",
            {"micro_batch": micro_batch, "half": True},
        ),
    ):
        for model in (theirs, ours):
            model.eval()  # without dropout the gradients can be compared
        expected = in_our_order(theirs, step(theirs, x, y, micro_batch=n), ours)
        found = step(ours, x, y, **options)
        for model in (theirs, ours):
            model.train()
        time = medians(
            {
                "theirs": lambda: step(theirs, x, y, micro_batch=n),
                "ours": lambda options=options: step(ours, x, y, **options),
            },
            arguments.repeats,
        )
        difference = relative_difference(flat(found), flat(expected))
        milliseconds = [1e3 * time["theirs"], 1e3 * time["ours"]]
        rows.append([name, *milliseconds, time["theirs"] / time["ours"], difference])
    headers = ["forward + backward", "braindecode, ms", "ours, ms", "ratio", "gradients differ by"]
    sys.stdout.write(f"{machine()}\n\n")
    sys.stdout.write(tabulate(rows, headers, floatfmt=("", ".1f", ".1f", ".2f", ".1e")) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
