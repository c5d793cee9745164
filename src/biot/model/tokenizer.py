"""Tokens: a channel's signal becomes one spectral embedding every hop."""

# B batch, C channels, T samples, N tokens a channel, F frequencies, E embedding width

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from biot.model.layers import Dropout

__all__ = [
    "PatchFrequencyEmbedding",
    "PositionalEncoding",
    "sinusoidal_positions",
    "spectrum",
    "spectrum_and_wave",
    "token_mask",
]


def spectrum(x_BT: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Magnitudes of the one-sided Fourier transform of every patch: (…, T) → (…, F, N).

    Section 2.1 of Yang et al. (2023): patches of `n_fft` samples start every `hop_length` samples.
    No taper and no padding, as in the reference. The gradient at an all-zero patch is zero.
    """
    magnitudes: Tensor = _transformed(x_BT, n_fft, hop_length).abs()
    return magnitudes.transpose(-1, -2)


def spectrum_and_wave(x_BT: Tensor, n_fft: int, hop_length: int) -> tuple[Tensor, Tensor]:
    """The magnitudes of :func:`spectrum`, and what they leave out: (…, F, N) and (…, N, 2 F).

    The second holds the real and the imaginary part of each frequency side by side, over the root
    of `n_fft`: an orthonormal transform, whose size does not grow with the patch.
    """
    complex_BNF = _transformed(x_BT, n_fft, hop_length)
    parts = torch.view_as_real(complex_BNF).flatten(-2)
    return complex_BNF.abs().transpose(-1, -2), parts * n_fft**-0.5


def _transformed(x_BT: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """The one-sided Fourier transform of every patch: (…, T) → (…, N, F), complex."""
    if x_BT.dtype not in (torch.float32, torch.float64):
        x_BT = x_BT.float()  # there is no Fourier transform of half-width numbers
    patches = x_BT.unfold(-1, n_fft, hop_length)
    transformed: Tensor = torch.fft.rfft(patches.contiguous())  # as export needs it
    return transformed


def token_mask(valid_BCT: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Which tokens saw only valid samples: (B, C, N) bool from (B, C, T) bool."""
    return valid_BCT.unfold(-1, n_fft, hop_length).all(dim=-1)


class PatchFrequencyEmbedding(nn.Module):
    """The spectrum of each patch, embedded by one linear layer.

    Parameters
    ----------
    embed_dim
        Width of a token.
    n_freq
        Frequencies of a spectrum: ``n_fft // 2 + 1``.
    """

    def __init__(self, embed_dim: int = 256, n_freq: int = 101) -> None:
        super().__init__()
        self.projection = nn.Linear(n_freq, embed_dim)

    def forward(self, spectrum_BFN: Tensor) -> Tensor:
        """(batch, …, n_freq, tokens) → (batch, …, tokens, embed_dim)."""
        spectrum_BNF = spectrum_BFN.transpose(-1, -2).contiguous()
        weight = self.projection.weight  # of a quantised layer it is a method
        if isinstance(weight, Tensor) and weight.is_floating_point():
            spectrum_BNF = spectrum_BNF.to(weight.dtype)
        embedded: Tensor = self.projection(spectrum_BNF)
        return embedded


class PositionalEncoding(nn.Module):
    """Adds sine and cosine codes of the positions (Vaswani et al. 2017), then drops some values.

    Codes of the first `max_len` positions are a buffer, as in the reference; those beyond are
    computed, so that a channel may have any number of tokens.

    Parameters
    ----------
    embed_dim
        Width of a token.
    drop_prob
        Dropout, in training.
    max_len
        Positions in the buffer.
    """

    pe: Tensor

    def __init__(self, embed_dim: int, drop_prob: float = 0.1, max_len: int = 1000) -> None:
        super().__init__()
        self.register_buffer("pe", sinusoidal_positions(max_len, embed_dim).unsqueeze(0))
        self.dropout = Dropout(drop_prob)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, tokens, embed_dim) → the same shape."""
        encoded: Tensor = self.dropout(tokens + self.codes(tokens))
        return encoded

    def codes(self, like: Tensor) -> Tensor:
        """Codes of the positions in (…, tokens, embed_dim): (tokens, embed_dim), of its type."""
        n_positions = like.shape[-2]
        # A symbolic length, while a graph is made, may turn out to be larger than the buffer.
        if isinstance(n_positions, int) and n_positions <= self.pe.shape[1]:
            return self.pe[0, :n_positions].to(like.dtype)
        return sinusoidal_positions(n_positions, like.shape[-1], like.device).to(like.dtype)


def sinusoidal_positions(
    n_positions: int, embed_dim: int, device: torch.device | None = None
) -> Tensor:
    """Sine and cosine position codes, (N, E), of any length.

    Angles are float32 whatever the tokens are: that is how the published models were trained.
    """
    even_dim = embed_dim + embed_dim % 2
    position = torch.arange(n_positions, device=device).float().unsqueeze(1)
    exponent = torch.arange(0, even_dim, 2, device=device).float()
    angle = position * torch.exp(exponent * (-math.log(10000.0) / even_dim))
    codes = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    return codes[:, :embed_dim]
