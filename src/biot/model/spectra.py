"""Other forms of token than the published one: log spectra, and waves beside the spectrum.

Log spectra are standardised by statistics of training windows, which are made here too.
"""

# B batch, C channels, N tokens a channel, F frequencies, E embedding width, P patches

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, get_args

import torch
from torch import Tensor, nn

from biot.choices import Spectrum
from biot.errors import ConfigError
from biot.model.layers import is_making_graph
from biot.model.tokenizer import PatchFrequencyEmbedding, spectrum, token_mask

__all__ = [
    "BUFFERS",
    "PLACE",
    "PUBLISHED",
    "SpectralEmbedding",
    "SpectrumStatistics",
    "WaveProjection",
    "Windows",
    "embedding_of",
    "form_of",
    "require_spectrum",
    "spectrum_in_words",
]

PUBLISHED: Spectrum = "magnitude"
"""The form of the published models, and of a model that does not say."""
PLACE = "encoder.patch_embedding."
"""Where the embedding stands in a model, as names of weights begin."""
BUFFERS = ("spectrum_mean", "spectrum_std", "spectrum_floor", "wave_scale")
"""What is set from training windows, by the names in a file; a model has those it needs."""
SMALLEST = 1e-12
"""Magnitude that stands for zero where nothing was set."""
Windows = Sequence[tuple[Tensor, Tensor | None] | tuple[Tensor, Tensor | None, Tensor | None]]
"""Batches of signals (B, C, T), NaN where missing, and their channel_ids (B, C), or None; and,
where windows do not count alike, how often each counts (B,)."""

FLOOR = 1e-4
"""Of a channel's root mean square magnitude: smaller magnitudes are as good as none.

It lies above the rounding of a Fourier transform in single precision, so that what a filter has
taken out of the signal is not made of noise that differs between machines.
"""
LEAST_STD = 0.1
"""Of a log magnitude. That of noise is π / √24 = 0.64; less is what the floor has levelled."""
LEAST_SCALE = 1e-3
"""Of a channel's root mean square: parts that a filter has taken out are not blown up."""
LEAST_PATCHES = 100
"""Patches from which a channel has statistics of its own; else those of all channels."""


def require_spectrum(spectrum: Any) -> None:
    """Raise :class:`ConfigError` unless `spectrum` is a form of token."""
    if spectrum not in get_args(Spectrum):
        words = ", ".join(map(repr, get_args(Spectrum)))
        raise ConfigError(f"spectrum must be one of {words}, got {spectrum!r}.")


def form_of(names: Any) -> Spectrum:
    """The form of token of a file, from the names of its weights (as the model calls them)."""
    is_log = f"{PLACE}spectrum_mean" in names
    has_wave = f"{PLACE}wave_projection.weight" in names
    if is_log:
        return "log+wave" if has_wave else "log"
    return "magnitude+wave" if has_wave else "magnitude"


def embedding_of(
    spectrum: Spectrum, embed_dim: int, n_freq: int, n_chans: int
) -> PatchFrequencyEmbedding:
    """The embedding of a form of token; the published one is the reference's own class."""
    if spectrum == PUBLISHED:
        return PatchFrequencyEmbedding(embed_dim, n_freq)
    return SpectralEmbedding(embed_dim, n_freq, n_chans, spectrum)


class WaveProjection(nn.Linear):
    """A linear layer without bias that begins at zero, and draws no random number for it."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def reset_parameters(self) -> None:
        """All weights are zero: a model that gets this layer gives its own output at first."""
        nn.init.zeros_(self.weight)


class SpectralEmbedding(PatchFrequencyEmbedding):
    """The log spectrum of each patch, or its wave beside a spectrum, embedded by linear layers.

    ``"log"`` embeds ``(log(m + f) - mean) / std`` of a magnitude m, where the floor f, the mean and
    the standard deviation are those of the training windows, of each channel and frequency.
    ``"+wave"`` adds a projection of the complex spectrum, which knows polarity and place; it is
    zero at first. Beside a log spectrum the complex one is divided by its root mean square in the
    training windows; else by the root of the samples of a token only.

    Parameters
    ----------
    embed_dim
        Width of a token.
    n_freq
        Frequencies of a spectrum: ``n_fft // 2 + 1``.
    n_chans
        Rows of the channel-token table: each has statistics of its own.
    spectrum
        ``"log"``, ``"log+wave"`` or ``"magnitude+wave"``.
    """

    spectrum_mean: Tensor
    spectrum_std: Tensor
    spectrum_floor: Tensor
    wave_scale: Tensor

    def __init__(
        self,
        embed_dim: int = 256,
        n_freq: int = 101,
        n_chans: int = 16,
        spectrum: Spectrum = "log",
    ) -> None:
        super().__init__(embed_dim, n_freq)
        require_spectrum(spectrum)
        self.spectrum = spectrum
        self.is_log = spectrum.startswith("log")
        self.has_wave = spectrum.endswith("+wave")
        self._checked = False  # whether the statistics were looked for
        if self.has_wave:
            self.wave_projection = WaveProjection(2 * n_freq, embed_dim)
        for name in self.statistics:
            width = 1 if name == "spectrum_floor" else n_freq
            self.register_buffer(name, torch.zeros(n_chans, width))

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of the buffers that training windows set, (n_chans, n_freq) each; floor (…, 1)."""
        if not self.is_log:
            return ()
        return BUFFERS if self.has_wave else BUFFERS[:3]

    @property
    def unset(self) -> tuple[str, ...]:
        """Those of the statistics that nothing has set yet: they are zero."""
        return tuple(name for name in self.statistics if not getattr(self, name).any())

    def forward(
        self, spectrum_BFN: Tensor, wave_BNW: Tensor | None = None, rows: Tensor | None = None
    ) -> Tensor:
        """Tokens, (batch, channels, tokens, embed_dim).

        Parameters
        ----------
        spectrum_BFN
            Magnitudes, (batch, channels, n_freq, tokens).
        wave_BNW
            Real and imaginary parts, (batch, channels, tokens, 2 n_freq), where the form has them.
        rows
            Row of the table of each channel, (channels,) or (batch, channels); None: the first.

        Raises
        ------
        ConfigError
            If the form has waves and none are given.
        """
        if not self._checked and not is_making_graph():
            self._checked = True
            self._warn_if_unset()
        if rows is None:
            rows = torch.arange(spectrum_BFN.shape[-3], device=spectrum_BFN.device)
        if self.is_log:
            floor, mean, std = (
                getattr(self, name)[rows].to(spectrum_BFN.dtype).unsqueeze(-1)
                for name in ("spectrum_floor", "spectrum_mean", "spectrum_std")
            )
            logs = torch.log(spectrum_BFN + floor.clamp(min=SMALLEST))
            spectrum_BFN = (logs - mean) / _or_one(std)
        embedded = super().forward(spectrum_BFN)
        if not self.has_wave:
            return embedded
        if wave_BNW is None:
            raise ConfigError(
                f"spectrum={self.spectrum!r} needs the real and imaginary parts of each patch."
            )
        if self.is_log:
            scale = _or_one(self.wave_scale[rows].to(wave_BNW.dtype))
            # the two parts of a frequency lie side by side
            wave_BNW = wave_BNW / scale.repeat_interleave(2, dim=-1).unsqueeze(-2)
        weight = self.wave_projection.weight
        if isinstance(weight, Tensor) and weight.is_floating_point():
            wave_BNW = wave_BNW.to(weight.dtype)
        added: Tensor = self.wave_projection(wave_BNW)
        return embedded + added

    def _warn_if_unset(self) -> None:
        if self.unset:
            warnings.warn(
                "The statistics of this model's log spectra were never set, so that they are not "
                "standardised. Call model.fit_spectrum(windows) with training windows first.",
                UserWarning,
                stacklevel=2,
            )

    def take_rows(self, rows: list[int | None]) -> None:
        """Let the statistics follow a table whose rows were picked; None is a fresh channel.

        A fresh channel takes the mean of those that are known.
        """
        for name in self.statistics:
            known_CF = getattr(self, name)
            mean_F = known_CF.mean(dim=0)
            picked = [mean_F if row is None else known_CF[row] for row in rows]
            self.register_buffer(name, torch.stack(picked))


def spectrum_in_words(embedding: nn.Module) -> str:
    """What a token holds and whether its statistics are set; empty for the published form."""
    if not isinstance(embedding, SpectralEmbedding):
        return ""
    held = "log magnitudes" if embedding.is_log else "magnitudes"
    if embedding.is_log:
        if embedding.unset:
            held += ", not standardised: fit_spectrum() was not called"
        else:
            mean, std = embedding.spectrum_mean.float(), embedding.spectrum_std.float()
            held += (
                f", standardised by each channel and frequency of the training windows (means "
                f"{mean.min():.3g} to {mean.max():.3g}, standard deviations {std.min():.3g} to "
                f"{std.max():.3g})"
            )
    return held + "; real and imaginary parts beside them" * embedding.has_wave


def _or_one(values: Tensor) -> Tensor:
    """Divisors; what was not set divides nothing."""
    return torch.where(values > 0, values, 1.0)


class SpectrumStatistics:
    """What a model does with the statistics of its log spectra."""

    encoder: Any

    @property
    def needs_spectrum(self) -> bool:
        """Whether statistics are needed and were not set: :meth:`fit_spectrum` sets them."""
        embedding = self.encoder.patch_embedding
        return isinstance(embedding, SpectralEmbedding) and bool(embedding.unset)

    def fit_spectrum(self, windows: Tensor | Windows, *, again: bool = False) -> None:
        """Set the statistics of log spectra from training windows; other forms need none.

        Of each channel and frequency: the mean and the standard deviation of the log magnitude
        over all patches without a missing sample, and with ``"log+wave"`` the root mean square.
        A channel with fewer than 100 such patches takes those of all channels together. What is
        set already stays, as when a pretrained model is fine-tuned.

        Parameters
        ----------
        windows
            (batch, n_chans, n_times) signals as the model will see them, NaN where missing; or a
            list of such batches, each a pair of signals and ``channel_ids`` (None: in order), or
            with a third tensor, (batch,): a window of weight 2 counts as two such windows.
        again
            Set everything anew.

        Raises
        ------
        ConfigError
            If no window holds a whole token of recorded samples.
        """
        embedding = self.encoder.patch_embedding
        if not isinstance(embedding, SpectralEmbedding):
            return
        names = embedding.statistics if again else embedding.unset
        if not names:
            return
        batches: Windows = [(windows, None)] if isinstance(windows, Tensor) else windows
        found = _statistics(batches, self.encoder)
        for name in names:
            getattr(embedding, name).copy_(found[name])


@torch.no_grad()
def _statistics(batches: Windows, encoder: Any) -> dict[str, Tensor]:
    """All statistics by the names of their buffers, in double precision."""
    powers_CF, count_C1 = _sums(batches, encoder, lambda magnitude, _: magnitude.square())
    if not count_C1.any():
        raise ConfigError(
            f"fit_spectrum: no window holds {encoder.n_fft} samples of a channel without a gap, "
            "which a token needs."
        )
    rms_CF = _of_enough(powers_CF, count_C1).sqrt()
    # A constant of the signal, at frequency 0, is no measure of what lies at the others.
    level_C1 = rms_CF[:, 1 if rms_CF.shape[1] > 1 else 0 :].square().mean(1, keepdim=True).sqrt()
    floor_C1 = (FLOOR * level_C1).clamp(min=torch.finfo(torch.float32).tiny)

    def logs(magnitude_PF: Tensor, rows_P: Tensor) -> Tensor:
        return torch.log(magnitude_PF + floor_C1[rows_P])

    sums_CF, _ = _sums(batches, encoder, logs)
    mean_CF = _of_enough(sums_CF, count_C1)
    spread_CF, _ = _sums(batches, encoder, lambda m, rows: (logs(m, rows) - mean_CF[rows]).square())
    std_CF = _of_enough(spread_CF, count_C1).sqrt().clamp(min=LEAST_STD)
    wave_CF = rms_CF.maximum(LEAST_SCALE * level_C1) / encoder.n_fft**0.5
    return {
        "spectrum_mean": mean_CF,
        "spectrum_std": std_CF,
        "spectrum_floor": floor_C1,
        "wave_scale": wave_CF.clamp(min=torch.finfo(torch.float32).tiny),
    }


def _sums(
    batches: Windows, encoder: Any, what: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Sums over all whole patches of each row, (C, F), of something of their magnitudes (P, F)."""
    n_freq, n_rows = encoder.n_fft // 2 + 1, len(encoder.index)
    sums_CF = torch.zeros(n_rows, n_freq, dtype=torch.float64)
    count_C = torch.zeros(n_rows, dtype=torch.float64)
    for batch in batches:
        x, ids = batch[:2]
        weight_B = batch[2] if len(batch) == 3 else None
        x_BCT, ids_BC = x.cpu(), None if ids is None else ids.cpu()
        present = ~x_BCT.isnan()
        if ids_BC is not None:
            present &= (ids_BC >= 0).unsqueeze(2)
        mask_BCN = token_mask(present, encoder.n_fft, encoder.hop_length)
        magnitudes = spectrum(torch.where(present, x_BCT, 0.0), encoder.n_fft, encoder.hop_length)
        rows_BC = torch.arange(x.shape[1]) if ids_BC is None else ids_BC.long()
        rows_P = rows_BC.expand(x.shape[:2]).unsqueeze(-1).expand(mask_BCN.shape)[mask_BCN]
        patches_PF = magnitudes.transpose(-1, -2)[mask_BCN].double()
        times_B = torch.ones(len(x)) if weight_B is None else weight_B.cpu()
        times_P = times_B.double()[:, None, None].expand(mask_BCN.shape)[mask_BCN]
        sums_CF.index_add_(0, rows_P, what(patches_PF, rows_P) * times_P.unsqueeze(1))
        count_C.index_add_(0, rows_P, times_P)
    return sums_CF, count_C.unsqueeze(1)


def _of_enough(sums_CF: Tensor, count_C1: Tensor) -> Tensor:
    """Means over the patches of each channel; of all channels where one has too few."""
    together_F = sums_CF.sum(dim=0) / count_C1.sum()
    own_CF = sums_CF / count_C1.clamp(min=1)
    return torch.where(count_C1 >= LEAST_PATCHES, own_CF, together_F)
