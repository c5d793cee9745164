"""Windows changed as other recordings would differ: pure functions of a batch and a generator."""

# B windows, C channels, T samples, F frequencies
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from biot.errors import ConfigError
from biot.model.tokenizer import token_mask
from biot.training.datasets import MixedBatch, WindowBatch
from biot.training.finetuning.config import FinetuneConfig

__all__ = [
    "Augmentation",
    "amplitude",
    "band_stop",
    "channel_drop",
    "mixup",
    "require_fitting",
    "time_shift",
]


def _uniform(generator: Generator, *shape: int) -> Tensor:
    """float32 numbers in [0, 1)."""
    return torch.from_numpy(generator.random(shape, dtype=np.float32))


def time_shift(x_BCT: Tensor, most: int, generator: Generator) -> Tensor:
    """Move each window by up to `most` samples either way; what enters is missing (NaN)."""
    n_windows, _, n_times = x_BCT.shape
    shift_B1 = torch.from_numpy(generator.integers(-most, most + 1, (n_windows, 1)))
    source_BT = torch.arange(n_times) - shift_B1
    inside_BT = (source_BT >= 0) & (source_BT < n_times)
    index = source_BT.clamp(0, n_times - 1)[:, None].expand_as(x_BCT)
    return torch.where(inside_BT[:, None], x_BCT.gather(2, index), torch.nan)


def channel_drop(x_BCT: Tensor, share: float, generator: Generator) -> Tensor:
    """Make each channel of each window missing by chance; one recorded channel always stays."""
    recorded_BC = ~x_BCT.isnan().all(dim=2)
    chance_BC = _uniform(generator, *x_BCT.shape[:2])
    luckiest_B1 = chance_BC.masked_fill(~recorded_BC, -1.0).argmax(dim=1, keepdim=True)
    dropped_BC = (chance_BC < share).scatter(1, luckiest_B1, False)
    return x_BCT.masked_fill(dropped_BC[..., None], torch.nan)


def band_stop(x_BCT: Tensor, sfreq: float, width: float, generator: Generator) -> Tensor:
    """Take a band of `width` Hz, anywhere below half of `sfreq`, out of every second window.

    Missing samples count as zeros in the transform and are missing afterwards too.
    """
    n_windows, _, n_times = x_BCT.shape
    low_B1 = _uniform(generator, n_windows, 1) * max(0.0, sfreq / 2 - width)
    chosen_B1 = _uniform(generator, n_windows, 1) < 0.5
    frequency_F = torch.fft.rfftfreq(n_times, 1 / sfreq)
    stopped_BF = (frequency_F >= low_B1) & (frequency_F <= low_B1 + width)
    spectrum = torch.fft.rfft(x_BCT.nan_to_num(nan=0.0)).masked_fill(stopped_BF[:, None], 0)
    filtered = torch.fft.irfft(spectrum, n=n_times).masked_fill(x_BCT.isnan(), torch.nan)
    return torch.where(chosen_B1[..., None], filtered, x_BCT)


def amplitude(x_BCT: Tensor, most: float, generator: Generator) -> Tensor:
    """Multiply each channel of each window by a factor between 1 / (1 + most) and 1 + most."""
    exponent_BC1 = 2 * _uniform(generator, *x_BCT.shape[:2], 1) - 1
    return x_BCT * (1 + most) ** exponent_BC1


def mixup(batch: WindowBatch, alpha: float, generator: Generator) -> MixedBatch:
    """Mix each window with another one, by a share from Beta(alpha, alpha) (Zhang et al. 2018).

    A sample that is missing in one of the two comes from the other alone; it is missing in the
    mixture only where it is missing in both. Windows of different channels are not mixed.
    """
    n_windows = len(batch.label)
    share_B = torch.from_numpy(generator.beta(alpha, alpha, n_windows)).to(batch.signal.dtype)
    partner_B = torch.from_numpy(generator.permutation(n_windows))
    ids_BC: Tensor | None = getattr(batch, "channel_ids", None)
    if ids_BC is not None:
        alike_B = (ids_BC == ids_BC[partner_B]).all(dim=1)
        partner_B = torch.where(alike_B, partner_B, torch.arange(n_windows))
    other = batch.signal[partner_B]
    share_B11 = share_B[:, None, None]
    mixed = share_B11 * batch.signal + (1 - share_B11) * other
    mixed = torch.where(batch.signal.isnan(), other, mixed)
    mixed = torch.where(other.isnan(), batch.signal, mixed)
    weight_B: Tensor | None = getattr(batch, "weight", None)
    return MixedBatch(
        signal=mixed, label=batch.label, index=batch.index, channel_ids=ids_BC,
        partner_label=batch.label[partner_B], share=share_B, weight=weight_B,
        partner_weight=None if weight_B is None else weight_B[partner_B],
    )  # fmt: skip


def require_fitting(config: FinetuneConfig, sfreq: float, n_times: int) -> None:
    """Raise :class:`ConfigError` where a change would leave nothing of a window."""
    if config.band_stop >= sfreq / 2:
        raise ConfigError(
            f"band_stop={config.band_stop:g} Hz takes all that windows at {sfreq:g} Hz hold. "
            f"Choose a width below {sfreq / 2:g} Hz."
        )
    if config.time_shift * sfreq >= n_times:
        raise ConfigError(
            f"time_shift={config.time_shift:g} s moves windows of {n_times / sfreq:g} s out of "
            "themselves. Choose a smaller one."
        )


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What a config asks for, applied to training batches."""

    config: FinetuneConfig
    sfreq: float
    n_fft: int
    hop_length: int

    def __call__(self, batch: WindowBatch, seed: Sequence[int]) -> WindowBatch:
        """The batch changed, the same for the same seed.

        A window that would be left without a whole token stays as it was.
        """
        generator = np.random.default_rng(seed)
        signal = self._changed(batch.signal, generator)
        mask = token_mask(~signal.isnan(), self.n_fft, self.hop_length)
        usable_B = mask.flatten(1).any(dim=1)
        changed = MixedBatch(
            signal=torch.where(usable_B[:, None, None], signal, batch.signal),
            label=batch.label, index=batch.index,
            channel_ids=getattr(batch, "channel_ids", None), weight=getattr(batch, "weight", None),
        )  # fmt: skip
        return mixup(changed, self.config.mixup, generator) if self.config.mixup else changed

    def _changed(self, signal: Tensor, generator: Generator) -> Tensor:
        config = self.config
        if config.amplitude:
            signal = amplitude(signal, config.amplitude, generator)
        if config.band_stop:
            signal = band_stop(signal, self.sfreq, config.band_stop, generator)
        if config.time_shift:
            signal = time_shift(signal, round(config.time_shift * self.sfreq), generator)
        if config.channel_drop:
            signal = channel_drop(signal, config.channel_drop, generator)
        return signal
