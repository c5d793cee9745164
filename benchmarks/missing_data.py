"""What missing data cost: channels and tokens removed at test time, masked or filled with zeros.

Claim: leaving out what is missing loses less than the zeros that it is usually filled with.

    python benchmarks/har.py --out runs
    python benchmarks/missing_data.py --runs runs [--data ../shared/data] [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor

from biot import BIOT
from real_data import ACTIVITIES, DATA

CHANNELS = (0, 1, 2, 3, 4)
TOKENS = (0.0, 0.125, 0.25, 0.375, 0.5)


def balanced_accuracy(scores: Tensor, truth: Tensor) -> float:
    """Mean recall of the classes."""
    right = scores.argmax(dim=1) == truth
    recalls = [right[truth == k].double().mean() for k in range(len(ACTIVITIES))]
    return float(torch.stack(recalls).mean())


def without_channels(x: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Which samples are there when each window has lost `n` channels: bool like x."""
    rank = torch.rand(x.shape[:2], generator=generator).argsort(dim=1).argsort(dim=1)
    return (rank >= n).unsqueeze(2).expand_as(x)


def without_tokens(x: Tensor, share: float, model: BIOT, generator: torch.Generator) -> Tensor:
    """Which samples are there when the end or the start of each channel is lost.

    Tokens overlap, so a gap in the middle would take neighbours along; at the ends exactly
    `share` of a channel's tokens go.
    """
    n_tokens = model.encoder.n_tokens(x.shape[2])
    lost = round(share * n_tokens) * model.hop_length
    sample = torch.arange(x.shape[2]).expand_as(x)
    at_start = torch.rand(x.shape[:2], generator=generator).unsqueeze(2) < 0.5
    return torch.where(at_start, sample >= lost, sample < x.shape[2] - lost) | (lost == 0)


def scores(model: BIOT, x: Tensor, there: Tensor, *, masked: bool) -> Tensor:
    """Scores with what is missing left out, or with zeros in its place."""
    with torch.no_grad():
        if masked:
            return model(x, valid=there)
        return model(torch.where(there, x, 0.0))


def curves(model: BIOT, x: Tensor, truth: Tensor, seed: int) -> dict[tuple[str, float, str], float]:
    """Balanced accuracy by what is lost, how much of it, and how that is told to the model."""
    found = {}
    for kind, amounts in (("channels", CHANNELS), ("tokens", TOKENS)):
        for amount in amounts:
            generator = torch.Generator().manual_seed(seed)
            if kind == "channels":
                there = without_channels(x, int(amount), generator)
            else:
                there = without_tokens(x, amount, model, generator)
            for way in ("masked", "zeros"):
                result = scores(model, x, there, masked=way == "masked")
                found[kind, amount, way] = balanced_accuracy(result, truth)
    return found


def main() -> int:
    """Take parts of the test windows away from models that were trained on whole ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the shared data")
    parser.add_argument("--runs", type=Path, required=True, help="--out of benchmarks/har.py")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    with np.load(arguments.data / "uci_har" / "uci_har_test_part.npz") as arrays:
        x = torch.from_numpy(arrays["X"])
        truth = torch.from_numpy(arrays["y"].astype(np.int64)) - 1
    found = []
    for seed in arguments.seeds:
        model = BIOT.from_pretrained(arguments.runs / f"run{seed}" / "model").eval()
        found.append(curves(model, x, truth, seed))
    rows = []
    for kind, amounts in (("channels", CHANNELS), ("tokens", TOKENS)):
        for amount in amounts:
            cells = []
            for way in ("masked", "zeros"):
                values = np.array([scores[kind, amount, way] for scores in found])
                cells.append(f"{values.mean():.3f} ± {values.std():.3f}")
            rows.append([f"{amount} channels" if kind == "channels" else f"{amount:.1%} of tokens",
                         *cells])  # fmt: skip
    sys.stdout.write(tabulate(rows, ["lost at test time", "left out", "zeros"]) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
