"""`BIOTEncoder`: all channels' tokens in one sentence, encoded and averaged."""

# B batch, C channels, T samples, N tokens a channel, E embedding width

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from biot.errors import ChannelError, ConfigError
from biot.model.attention import LinearAttentionTransformer, runs_eagerly_without_gradients
from biot.model.dropout import Dropout
from biot.model.tokenizer import PatchFrequencyEmbedding, token_mask

__all__ = ["BIOTEncoder", "present_samples"]

CACHED_TOKENS = 2432
"""Tokens at a time that stay in a core's cache: 8 windows of 16 channels × 10 s."""


def sinusoidal_positions(n_positions: int, embed_dim: int, like: Tensor) -> Tensor:
    """Sine and cosine position codes, (N, E), as in Vaswani et al. (2017), of any length.

    Angles are float32 whatever the tokens are: that is how the published models were trained.
    """
    even_dim = embed_dim + embed_dim % 2
    position = torch.arange(n_positions, device=like.device).float().unsqueeze(1)
    exponent = torch.arange(0, even_dim, 2, device=like.device).float()
    angle = position * torch.exp(exponent * (-math.log(10000.0) / even_dim))
    codes = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    return codes[:, :embed_dim].to(like.dtype)


class BIOTEncoder(nn.Module):
    """Signals to features: tokens of every channel, encoded as one sentence and averaged.

    Section 2 of Yang et al. (2023). A token whose patch touches a missing sample takes no part:
    not in attention, not in the mean.

    Parameters
    ----------
    embed_dim, num_heads, num_layers
        Size of the transformer.
    n_chans
        Rows of the channel-token table: channels that the encoder knows.
    n_fft, hop_length
        Samples a token, and between the starts of tokens.
    drop_prob
        Dropout on the tokens, in training.
    att_layer_drop_prob
        Dropout on what attention adds, in training.
    """

    def __init__(
        self,
        embed_dim: int = 256,
        num_heads: int = 8,
        num_layers: int = 4,
        n_chans: int = 16,
        n_fft: int = 200,
        hop_length: int = 100,
        drop_prob: float = 0.5,
        att_layer_drop_prob: float = 0.2,
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.patch_embedding = PatchFrequencyEmbedding(embed_dim, n_fft, hop_length)
        self.channel_tokens = nn.Embedding(n_chans, embed_dim)
        self.dropout = Dropout(drop_prob)
        self.transformer = LinearAttentionTransformer(
            embed_dim, num_heads, num_layers, att_layer_drop_prob
        )

    def forward(
        self,
        x_BCT: Tensor,
        *,
        valid: Tensor | None = None,
        channel_ids: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Features of each sample, (batch, embed_dim); the arguments are those of ``BIOT``."""
        self._check(x_BCT, valid, channel_ids, lengths)
        present = present_samples(x_BCT, valid, channel_ids, lengths)
        size = self.cached_batch_size(x_BCT.shape[1], x_BCT.shape[2])
        if not runs_eagerly_without_gradients(x_BCT) or x_BCT.shape[0] <= size:
            return self._encode(x_BCT, present, channel_ids)
        ids = [None] * x_BCT.shape[0] if channel_ids is None else channel_ids.split(size)
        parts = zip(x_BCT.split(size), present.split(size), ids, strict=False)
        return torch.cat([self._encode(*part) for part in parts])

    def cached_batch_size(self, n_chans: int, n_times: int) -> int:
        """Samples at a time whose activations stay in cache: the size of CPU micro-batches."""
        return max(1, CACHED_TOKENS // (n_chans * self.patch_embedding.n_tokens(n_times)))

    def _encode(self, x_BCT: Tensor, present_BCT: Tensor, channel_ids: Tensor | None) -> Tensor:
        return self.pooled(*self.tokens(x_BCT, present_BCT, channel_ids))

    def pooled(self, tokens_BCNE: Tensor, mask_BCN: Tensor) -> Tensor:
        """Features from :meth:`tokens`, (B, E); where the mask is False nothing is seen.

        A narrower mask gives another view of the same tokens; a masked channel is as good as
        absent. Dropout is drawn anew for each view.
        """
        tokens_BNE = _one_sentence(self.dropout(tokens_BCNE))
        mask_BN = _one_sentence(mask_BCN)
        nothing_B1 = ~mask_BN.any(dim=1, keepdim=True)
        # With every token let in, NaN arises at the end only: no gradient of a weight meets it.
        pooled_BE = self.transformer.mean(tokens_BNE, mask_BN | nothing_B1)
        return pooled_BE.masked_fill(nothing_B1, torch.nan)

    def tokens(
        self, x_BCT: Tensor, present_BCT: Tensor, channel_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens before dropout, and which of them are valid: (B, C, N, E) and (B, C, N) bool."""
        patch = self.patch_embedding
        mask = token_mask(present_BCT, patch.n_fft, patch.hop_length)
        embedded = patch(x_BCT, mask)
        positions_NE = sinusoidal_positions(embedded.shape[2], self.embed_dim, embedded)
        if channel_ids is None:
            channels_CE = self.channel_tokens.weight[: x_BCT.shape[1]]
        else:
            channels_CE = self.channel_tokens(channel_ids.clamp(min=0).long())
        embedded = embedded + (channels_CE.unsqueeze(-2).to(embedded.dtype) + positions_NE)
        return embedded, mask

    def _check(
        self, x: Tensor, valid: Tensor | None, channel_ids: Tensor | None, lengths: Tensor | None
    ) -> None:
        if x.ndim != 3 or 0 in x.shape:
            raise ConfigError(f"x must be (batch, n_chans, n_times), got shape {tuple(x.shape)}.")
        if not x.is_floating_point():
            raise ConfigError(f"x must hold floating-point numbers, got {x.dtype}.")
        if x.shape[2] < self.patch_embedding.n_fft:
            raise ConfigError(
                f"x has {x.shape[2]} samples; a token needs n_fft = {self.patch_embedding.n_fft}."
            )
        if channel_ids is None and x.shape[1] > self.channel_tokens.num_embeddings:
            raise ChannelError(
                f"x has {x.shape[1]} channels, the model knows "
                f"{self.channel_tokens.num_embeddings}. Add channels to the model first."
            )
        for name, given, shape in (
            ("valid", valid, x.shape),
            ("channel_ids", channel_ids, x.shape[:2]),
            ("lengths", lengths, x.shape[:1]),
        ):
            if given is not None and given.shape != shape:
                raise ConfigError(
                    f"{name} must have shape {tuple(shape)}, got {tuple(given.shape)}."
                )
        if valid is not None and valid.dtype != torch.bool:
            raise ConfigError(f"valid must be bool, got {valid.dtype}.")
        if channel_ids is not None:
            _check_ids(channel_ids, self.channel_tokens.num_embeddings)
        if lengths is not None:
            _check_lengths(lengths, x.shape[2])


def _check_ids(channel_ids_BC: Tensor, n_known: int) -> None:
    if not _holds_integers(channel_ids_BC):
        raise ChannelError(f"channel_ids must be integers, got {channel_ids_BC.dtype}.")
    if torch.compiler.is_compiling():
        return  # a graph has no branch on values
    if ((channel_ids_BC < -1) | (channel_ids_BC >= n_known)).any():
        raise ChannelError(
            f"channel_ids must lie in −1 (absent) to {n_known - 1}, got "
            f"{int(channel_ids_BC.min())} to {int(channel_ids_BC.max())}."
        )
    ordered = channel_ids_BC.sort(dim=1).values
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ChannelError("channel_ids names a channel twice in one sample; each may come once.")


def _check_lengths(lengths_B: Tensor, n_times: int) -> None:
    if not _holds_integers(lengths_B):
        raise ConfigError(f"lengths must be integers, got {lengths_B.dtype}.")
    if torch.compiler.is_compiling():
        return
    if ((lengths_B < 0) | (lengths_B > n_times)).any():
        raise ConfigError(
            f"lengths must lie in 0 to {n_times}, the samples in x; got "
            f"{int(lengths_B.min())} to {int(lengths_B.max())}."
        )


def _holds_integers(values: Tensor) -> bool:
    return not (values.is_floating_point() or values.is_complex() or values.dtype == torch.bool)


def _one_sentence(values: Tensor) -> Tensor:
    """Lay the tokens of all channels end to end: (B, C, N, …) → (B, C · N, …)."""
    if torch.compiler.is_exporting():
        # The exporter cannot prove that flatten is legal for every length; indexing always is.
        # ONNX knows no remainder by a size, hence the subtraction.
        token = torch.arange(values.shape[1] * values.shape[2], device=values.device)
        channel = token // values.shape[2]
        return values[:, channel, token - channel * values.shape[2]]
    return values.flatten(1, 2)


def present_samples(
    x_BCT: Tensor,
    valid: Tensor | None = None,
    channel_ids: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """Samples that were recorded, (B, C, T) bool; the arguments are those of ``BIOT``."""
    present = ~x_BCT.isnan()
    if valid is not None:
        present = present & valid
    if channel_ids is not None:
        present = present & (channel_ids >= 0).unsqueeze(2)
    if lengths is not None:
        within_BT = torch.arange(x_BCT.shape[2], device=x_BCT.device) < lengths.unsqueeze(1)
        present = present & within_BT.unsqueeze(1)
    return present
