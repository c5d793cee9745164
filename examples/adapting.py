"""
From a checkpoint to a model of your own
========================================

Inspect, features, head, channels, freeze, train, push; :doc:`/adapting` explains every step. ::

    python examples/adapting.py
    python examples/adapting.py --model braindecode/biot-pretrained-prest-16chs --push me/my-model

Without ``--model`` a small random one stands for the checkpoint; 10 seconds on one core. The last
line tells the accuracy on windows that were not in training: 0.95 or more.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn import functional as F

from biot import BIOT
from biot.signals import PREST_16

OURS = ["C3-P3", "C4-P4", "EMG"]
"""Our channels: two that the checkpoint knows, and one that it does not."""


def checkpoint(folder: Path) -> Path:
    """A small random model with the published channels, in place of a checkpoint."""
    size = {"embed_dim": 64, "num_heads": 4, "num_layers": 2}
    return BIOT(n_outputs=6, channels=PREST_16, n_times=2000, **size).save_pretrained(folder)


def windows(n: int, n_times: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise of 200 Hz; in class 1 the second channel has a rhythm of 10 Hz."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    x = torch.randn(n, len(OURS), n_times, generator=draw)
    rhythm = torch.sin(2 * torch.pi * 10 * torch.arange(n_times) / 200)
    x[:, 1] += 2 * y[:, None] * rhythm
    x[0, 2, 300:500] = torch.nan  # missing samples are allowed, and masked exactly
    return x, y


def main(argv: Sequence[str] | None = None) -> None:
    """Run all steps of docs/adapting.md."""
    parser = argparse.ArgumentParser(description="From a checkpoint to a model of your own.")
    parser.add_argument("--model", help="folder, file or repository to start from")
    parser.add_argument("--push", help="repository to upload the result to: owner/name")
    args = parser.parse_args(argv)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = args.model or checkpoint(folder / "checkpoint")
        adapt(source, folder / "adapted", push=args.push)


def adapt(source: str | Path, out: Path, *, push: str | None) -> None:
    """Every step, in the order of docs/adapting.md."""
    # Load and inspect.
    model = BIOT.from_pretrained(source)
    print(model)
    print(model.load_report)

    # Features.
    x = torch.randn(2, model.n_chans, model.n_times)
    features = model(x, return_features=True)["features"]
    print(f"features: {tuple(features.shape)}")

    # Another head and other channels.
    model = BIOT.from_pretrained(source, n_outputs=2, channels=OURS, new_channels="init")
    print(model.load_report)

    # Freeze the encoder, but for the table that has the new channel's row.
    model.encoder.requires_grad_(False)
    model.encoder.channel_tokens.requires_grad_(True)

    # Train what is left.
    x, y = windows(64, model.n_times, seed=0)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    for _ in range(20):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, y = windows(64, model.n_times, seed=1)
    model.eval()
    with torch.no_grad():
        accuracy = (model(x).argmax(dim=1) == y).float().mean().item()

    # Save, open again, and push.
    model.save_pretrained(out, corpora=["two simulated classes"], metrics={"accuracy": accuracy})
    model = BIOT.from_pretrained(out)
    if push is not None:
        print(model.push_to_hub(push, corpora=["two simulated classes"]))
    print(f"accuracy: {accuracy:.2f}")


if __name__ == "__main__":
    main()
