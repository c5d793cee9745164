"""Memory of a contrastive step with a batch of 2,048 windows, with and without cached gradients.

Claim: cached, the step needs no more memory for activations than one micro-batch has. Each way
runs in a process of its own; the figure is the peak above what the process held before the step.

    python benchmarks/gradient_cache.py [--batch 2048] [--micro-batch 128]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import torch
from tabulate import tabulate

from biot import BIOT
from biot.corpus.batch import Batch
from biot.training.distributed import launch
from biot.training.gradients import GradientContext
from biot.training.pretraining.contrastive import ContrastiveModel, ContrastiveObjective
from biot.training.pretraining.views import Perturbation
from peer import peak_memory

N_CHANS, N_TIMES, SFREQ = 8, 200, 100


def step(n_windows: int, size: int, cached: bool) -> str:
    """Seconds and MiB of one step."""
    torch.manual_seed(0)
    model = BIOT(
        n_outputs=1, n_chans=N_CHANS, n_times=N_TIMES, sfreq=SFREQ, hop_length=50, embed_dim=128
    )
    task = ContrastiveObjective(
        module=ContrastiveModel(model.encoder),
        perturbation=Perturbation(kind="paper", seed=0, n_channels=N_CHANS, n_tokens=3),
        cached=cached,
    )
    fabric = launch("cpu", "32")
    context = GradientContext(fabric=fabric, model=fabric.setup(task.module), seed=0)

    def batch(n: int) -> Batch:
        return Batch(
            signal=torch.randn(n, N_CHANS, N_TIMES),
            valid=torch.ones(1, dtype=torch.bool).expand(n, N_CHANS, N_TIMES),
            channel_ids=torch.arange(N_CHANS).expand(n, N_CHANS),
            lengths=torch.full((n,), N_TIMES),
            label=torch.full((n,), -1),
            corpus=torch.zeros(n, dtype=torch.int64),
            index=torch.arange(n),
        )

    task.micro_batch = lambda *_: 4
    task.gradient(context, batch(4), 0)
    whole = batch(n_windows)
    before, begun = peak_memory(), time.perf_counter()
    task.micro_batch = lambda *_: size
    task.gradient(context, whole, 0)
    return f"{time.perf_counter() - begun} {peak_memory() - before}"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--micro-batch", type=int, default=128)
    parser.add_argument("--way", choices=("cached", "whole"), help="run this one, print figures")
    given = parser.parse_args()
    if given.way:
        sys.stdout.write(step(given.batch, given.micro_batch, given.way == "cached"))
        return 0
    rows = []
    for way in ("whole", "cached"):
        words = [sys.executable, __file__, "--way", way, "--batch", str(given.batch),
                 "--micro-batch", str(given.micro_batch)]  # fmt: skip
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        rows.append((way, *map(float, told.split())))
    print(tabulate(rows, ("gradients", "seconds", "peak MiB"), floatfmt=("", ".1f", ".0f")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
