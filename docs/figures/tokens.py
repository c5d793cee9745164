"""The figure of docs/tokens.md: how much the forms of token differ when a signal is changed.

    python docs/figures/tokens.py [--out docs/figures/tokens.png]

Patches of one second at 100 Hz are simulated: noise whose amplitude falls with frequency, as that
of EEG does, and a peak of 0.15 s on top. The numbers are distances between the token of a patch and
that of the changed patch, before any trained layer; 1 is the distance between unrelated patches.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from biot import BIOT
from biot.model.spectra import SpectralEmbedding

SFREQ, N_PATCHES = 100, 400
TIME = torch.arange(SFREQ) / SFREQ
CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "its negative": lambda x: -x,
    "moved by 0.3 s": lambda x: x.roll(30, -1),
    "reversed in time": lambda x: x.flip(-1),
    "twice as large": lambda x: 2 * x,
    "with a weak rhythm of 35 Hz": lambda x: x + 0.12 * torch.sin(2 * torch.pi * 35 * TIME),
}
COLUMNS = ("magnitude", "log", "wave\n(beside magnitude)", "wave\n(beside log)")


def patches() -> Tensor:
    """(patches, samples), in units of the standard deviation."""
    noise = torch.randn(N_PATCHES, SFREQ // 2 + 1, 2, generator=torch.Generator().manual_seed(0))
    complex_noise = torch.view_as_complex(noise) / torch.arange(1, SFREQ // 2 + 2)
    signals = torch.fft.irfft(complex_noise, n=SFREQ)
    peak = torch.exp(-(((TIME - 0.35) / 0.05) ** 2))
    return signals / signals.std() + 2 * peak


def tokens_of(column: int, x_PT: Tensor) -> Tensor:
    """What the first linear layer gets from each patch, (patches, values)."""
    n_freq = SFREQ // 2 + 1
    is_wave = column >= 2
    form = ("magnitude", "log", "magnitude+wave", "log+wave")[column]
    model = BIOT(
        n_outputs=1, n_chans=1, n_times=SFREQ, sfreq=SFREQ, hop_length=50, num_heads=1,
        num_layers=0, embed_dim=2 * n_freq if is_wave else n_freq, spectrum=form,
    )  # fmt: skip
    model.fit_spectrum(patches().unsqueeze(1))
    embedding = model.encoder.patch_embedding
    with torch.no_grad():
        embedding.projection.weight.zero_().fill_diagonal_(0.0 if is_wave else 1.0)
        embedding.projection.bias.zero_()
        if isinstance(embedding, SpectralEmbedding) and embedding.has_wave:
            embedding.wave_projection.weight.zero_().fill_diagonal_(1.0)
        model.encoder.channel_tokens.weight.zero_()
        x = x_PT.unsqueeze(1)
        tokens, _ = model.encoder.tokens(x, torch.ones_like(x, dtype=torch.bool))
    return tokens[:, 0, 0]


def distances() -> np.ndarray:
    """(changes, columns) root mean square distances, over those of unrelated patches."""
    x_PT = patches()
    found = np.empty((len(CHANGES), len(COLUMNS)))
    for column in range(len(COLUMNS)):
        before = tokens_of(column, x_PT)
        unrelated = (before - before.roll(1, 0)).square().mean().sqrt()
        for row, change in enumerate(CHANGES.values()):
            after = tokens_of(column, change(x_PT))
            found[row, column] = float((after - before).square().mean().sqrt() / unrelated)
    return found


def main() -> None:
    """Draw the figure and print its numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".png"))
    out = parser.parse_args().out
    found, one = distances(), patches()[:1]
    print(np.round(found, 2))
    mpl.use("agg")
    figure, axes = plt.subplots(
        len(CHANGES), 2, figsize=(8, 4.6), layout="constrained", width_ratios=(1, 1.5)
    )
    for axis, (name, change) in zip(axes[:, 0], CHANGES.items(), strict=True):
        axis.plot(TIME, one[0], color="0.7", lw=1)
        axis.plot(TIME, change(one)[0], color="tab:blue", lw=1)
        axis.set_title(name, fontsize=9, loc="left", pad=2)
        axis.set_yticks([])
        axis.set_xticks([])
        for side in axis.spines.values():
            side.set_visible(False)
    for axis in axes[:, 1]:
        axis.remove()
    table = figure.add_subplot(axes[0, 1].get_gridspec()[:, 1])
    table.imshow(found, cmap="Blues", vmin=0, vmax=2, aspect="auto")
    for row, values in enumerate(found):
        for column, value in enumerate(values):
            text = "0" if value < 1e-3 else f"{value:.2f}"
            colour = "white" if value > 1.2 else "black"
            table.text(column, row, text, ha="center", va="center", color=colour)
    table.set_xticks(range(len(COLUMNS)), COLUMNS, fontsize=9)
    table.set_yticks([])
    table.set_title("change of the token (1: an unrelated patch)", fontsize=10)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
