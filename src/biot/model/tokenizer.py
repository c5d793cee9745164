"""Tokens: a channel's signal becomes one spectral embedding every hop."""

# B batch, C channels, T samples, N tokens a channel, F frequencies, E embedding width

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["PatchFrequencyEmbedding", "token_mask"]


class PatchFrequencyEmbedding(nn.Module):
    """Magnitude spectra of overlapping patches, embedded by one linear layer.

    Section 2.1 of Yang et al. (2023): the signal is cut into patches of `n_fft` samples that
    start every `hop_length` samples, and each patch's spectrum is projected to the embedding.

    Parameters
    ----------
    embed_dim
        Width of a token.
    n_fft
        Samples a patch.
    hop_length
        Samples between the starts of neighbouring patches.
    """

    def __init__(self, embed_dim: int = 256, n_fft: int = 200, hop_length: int = 100) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.projection = nn.Linear(n_fft // 2 + 1, embed_dim)

    def n_tokens(self, n_times: int) -> int:
        """Tokens that a channel of `n_times` samples gives."""
        return (n_times - self.n_fft) // self.hop_length + 1

    def spectrum(self, x_BCT: Tensor, mask_BCN: Tensor | None = None) -> Tensor:
        """Magnitudes of the one-sided Fourier transform of every patch: (B, C, N, F).

        No taper and no padding, as in the reference. The gradient at an all-zero patch is zero.
        A masked patch (False) counts as zeros, whatever it holds.
        """
        if x_BCT.dtype not in (torch.float32, torch.float64):
            x_BCT = x_BCT.float()  # there is no Fourier transform of half-width numbers
        patches = x_BCT.unfold(-1, self.n_fft, self.hop_length)
        if mask_BCN is not None:
            patches = torch.where(mask_BCN.unsqueeze(-1), patches, 0.0)
        magnitudes: Tensor = torch.fft.rfft(patches.contiguous()).abs()  # as export needs it
        return magnitudes

    def forward(self, x_BCT: Tensor, mask_BCN: Tensor | None = None) -> Tensor:
        """Embed every patch of every channel.

        Parameters
        ----------
        x_BCT
            Signals, (batch, n_chans, n_times), n_times ≥ n_fft.
        mask_BCN
            (batch, n_chans, tokens) bool; what a token saw where this is False has no influence.

        Returns
        -------
        Tensor
            (batch, n_chans, tokens, embed_dim).
        """
        spectrum = self.spectrum(x_BCT, mask_BCN).to(self.projection.weight.dtype)
        embedded: Tensor = self.projection(spectrum)
        return embedded


def token_mask(valid_BCT: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Which tokens saw only valid samples: (B, C, N) bool from (B, C, T) bool."""
    return valid_BCT.unfold(-1, n_fft, hop_length).all(dim=-1)
