"""Inference beside braindecode 1.8.1: time, share of the products, memory, the same scores.

The share is the time that our matrix products need alone over the time of our whole call, both
measured in turn in this run: what is missing to 100 % could at best be saved. Which products
count is said in ``products.py``. Aims: 80 % at batch 64, 1.2 × braindecode's speed at batch 1, at
most 0.6 × its memory. Rows in bfloat16 come only from a processor that multiplies bfloat16.

    PYTHONPATH=../shared/peers/stub python benchmarks/forward.py [--threads 2] [--repeats 7]
"""

from __future__ import annotations

import argparse
import copy
import subprocess
import sys

import torch
from tabulate import tabulate

from biot import BIOT
from peer import (
    SIZE,
    both_models,
    machine,
    medians,
    multiplies_bfloat16,
    peak_memory,
    peer_class,
    relative_difference,
    timing_parser,
    timing_table,
)
from products import Products, share_cells

BATCH = 64


def timing_rows(repeats: int, batch: int, *, busy: bool) -> list[list[object]]:
    """One row a measure: name, both medians in ms, ratio, shares, difference of the scores."""
    theirs, ours = both_models()
    x = torch.randn(batch, 16, 2000)
    first = x[:1].clone()
    pairs = {
        f"batch {batch}, float32": (lambda: theirs(x), lambda: ours(x)),
        "batch 1, float32": (lambda: theirs(first), lambda: ours(first)),
    }
    if multiplies_bfloat16():
        half, x_half = copy.deepcopy(ours).bfloat16(), x.bfloat16()

        def autocast() -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return ours(x)

        pairs[f"batch {batch}, bfloat16 weights"] = (lambda: theirs(x), lambda: half(x_half))
        pairs[f"batch {batch}, bfloat16 autocast"] = (lambda: theirs(x), autocast)
    rows: list[list[object]] = []
    with torch.no_grad():
        for name, (peer_run, our_run) in pairs.items():
            difference = relative_difference(our_run(), peer_run())
            rounds = repeats * (5 if name.startswith("batch 1,") else 1)
            products = Products(our_run)
            runs = {"theirs": peer_run, "ours": our_run, "products": products}
            time = medians(runs, rounds, busy=busy)
            row = [name, 1e3 * time["theirs"], 1e3 * time["ours"], time["theirs"] / time["ours"]]
            shares = share_cells(products, time["products"], time["ours"])
            rows.append([*row, *shares, difference])
    return rows


def added_memory(who: str, batch: int) -> float:
    """MiB that one inference adds to a fresh process which has imported everything.

    Weights and input are part of it.
    """
    classes = {"theirs": peer_class(), "ours": BIOT}  # either process imports both
    before = peak_memory()
    model = classes[who](**SIZE).eval()
    with torch.no_grad():
        model(torch.randn(batch, 16, 2000))
    return peak_memory() - before


def memory_row(arguments: argparse.Namespace) -> list[object]:
    """Peak memory of both, each in a process of its own."""
    mebibytes = []
    for who in ("theirs", "ours"):
        options = ["--threads", str(arguments.threads), "--batch", str(arguments.batch)]
        command = [sys.executable, __file__, "--memory-of", who, *options]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        mebibytes.append(float(found.split()[-1]))
    name = f"batch {arguments.batch}, float32: peak MiB"
    return [name, *mebibytes, mebibytes[1] / mebibytes[0]]


def main() -> int:
    """Print the table."""
    parser = timing_parser(__doc__.splitlines()[0], repeats=7)
    parser.add_argument("--batch", type=int, default=BATCH, help="windows (default: %(default)s)")
    parser.add_argument("--memory-of", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        sys.stdout.write(f"{added_memory(arguments.memory_of, arguments.batch)}\n")
        return 0
    rows = timing_rows(arguments.repeats, arguments.batch, busy=arguments.busy)
    sys.stdout.write(f"{machine()}\n\n{timing_table('inference', 'scores differ by', rows)}")
    headers = ["memory", "braindecode", "ours", "ours / braindecode"]
    row = memory_row(arguments)
    sys.stdout.write("\n\n" + tabulate([row], headers, floatfmt=("", ".0f", ".0f", ".2f")) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
