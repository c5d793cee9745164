"""The linear-attention transformer: cost grows with the number of tokens, not its square."""

# B batch, N tokens, H heads, D width of a head, E = H · D embedding width

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.model.dropout import Dropout

__all__ = ["LinearAttentionTransformer", "masked_mean", "runs_eagerly_without_gradients"]

INNER_BYTES = 2_490_368  # inner activations at a time that stay in cache: 608 tokens in float32


def masked_mean(values_BNE: Tensor, mask_BN: Tensor | None) -> Tensor:
    """Mean over the tokens of each sample: (B, E); NaN for a sample without a token."""
    return torch.bmm(_shares(values_BNE, mask_BN).unsqueeze(1), values_BNE).squeeze(1)


def runs_eagerly_without_gradients(x: Tensor) -> bool:
    """Whether work may be cut into pieces that stay in cache: on a CPU, nothing kept for later."""
    return (
        x.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()
    )


def _shares(values_BNE: Tensor, mask_BN: Tensor | None) -> Tensor:
    """What each token counts for in the mean, (B, N)."""
    if mask_BN is None:
        mask_BN = values_BNE.new_ones(values_BNE.shape[:2])
    counted_BN = mask_BN.to(values_BNE.dtype)
    return counted_BN / counted_BN.sum(dim=1, keepdim=True)


class LinearAttention(nn.Module):
    """Self-attention through a D × D context a head (Shen et al. 2021, *Efficient Attention*).

    Queries are normalised over the width of a head, keys over the tokens.
    """

    def __init__(self, embed_dim: int, num_heads: int, drop_prob: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(embed_dim)
        self.to_q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.dropout = Dropout(drop_prob)

    def forward(self, tokens_BNE: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """What attention adds to each token, (B, N, E); masked tokens (False) are not attended."""
        tokens_BNE = self.norm(tokens_BNE)
        q, k, v = self.to_q(tokens_BNE), self.to_k(tokens_BNE), self.to_v(tokens_BNE)
        if mask_BN is not None:
            k = torch.where(mask_BN.unsqueeze(-1), k, -torch.inf)
        q_BHND = self._heads(q).softmax(dim=-1)
        k_BHND = self._heads(k.softmax(dim=1))
        context_BHDD = (k_BHND.mT @ self._heads(v)) * q_BHND.shape[-1] ** -0.5
        attended_BHND = q_BHND @ context_BHDD
        added: Tensor = self.dropout(self.to_out(attended_BHND.transpose(1, 2).flatten(2)))
        return added

    def _heads(self, values_BNE: Tensor) -> Tensor:
        """(B, N, E) → (B, H, N, D)."""
        heads: Tensor = values_BNE.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        return heads


class FeedForward(nn.Module):
    """Two linear layers with a GELU between, four times as wide inside.

    Without gradients it takes some tokens at a time, so that the wide part never leaves the cache.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.w1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.w2 = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, tokens_BNE: Tensor) -> Tensor:
        """What the layer adds to each token, (B, N, E)."""
        size = self._tokens_at_a_time(tokens_BNE)
        added = [self.w2(self._inner(part)) for part in _split(tokens_BNE, size, dim=1)]
        return added[0] if len(added) == 1 else torch.cat(added, dim=1)

    def mean(self, tokens_BNE: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Mean over the tokens of :meth:`forward`, (B, E).

        The second projection is linear, so the mean is taken before it.
        """
        size = self._tokens_at_a_time(tokens_BNE)
        shares_B1N = _shares(tokens_BNE, mask_BN).unsqueeze(1)
        parts = zip(_split(shares_B1N, size, dim=2), _split(tokens_BNE, size, dim=1), strict=True)
        inner = [torch.bmm(shares, self._inner(part)) for shares, part in parts]
        mean: Tensor = self.w2(functools.reduce(torch.add, inner).squeeze(1))
        return mean

    def _inner(self, tokens_BNE: Tensor) -> Tensor:
        inner: Tensor = F.gelu(self.w1(self.norm(tokens_BNE)))
        return inner

    def _tokens_at_a_time(self, tokens_BNE: Tensor) -> int:
        if not runs_eagerly_without_gradients(tokens_BNE):
            return tokens_BNE.shape[1]
        n_samples, _, embed_dim = tokens_BNE.shape
        token_bytes = 4 * embed_dim * tokens_BNE.element_size() * n_samples
        return max(1, INNER_BYTES // max(1, token_bytes))


def _split(values: Tensor, size: int, dim: int) -> tuple[Tensor, ...]:
    return values.split(size, dim=dim) if size < values.shape[dim] else (values,)


class LinearAttentionLayer(nn.Module):
    """Attention, then a feed-forward network, each added to its input (pre-norm)."""

    def __init__(self, embed_dim: int, num_heads: int, drop_prob: float) -> None:
        super().__init__()
        self.attention = LinearAttention(embed_dim, num_heads, drop_prob)
        self.feed_forward = FeedForward(embed_dim)

    def forward(self, tokens_BNE: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """(B, N, E) → (B, N, E)."""
        tokens_BNE = tokens_BNE + self.attention(tokens_BNE, mask_BN)
        encoded: Tensor = tokens_BNE + self.feed_forward(tokens_BNE)
        return encoded

    def mean(self, tokens_BNE: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Mean over the tokens of :meth:`forward`, (B, E)."""
        tokens_BNE = tokens_BNE + self.attention(tokens_BNE, mask_BN)
        added = self.feed_forward.mean(tokens_BNE, mask_BN)
        pooled: Tensor = masked_mean(tokens_BNE, mask_BN) + added
        return pooled


class LinearAttentionTransformer(nn.Module):
    """A stack of pre-norm layers with linear attention (section 2.2 of Yang et al. 2023).

    Parameters
    ----------
    embed_dim
        Width of a token; a multiple of `num_heads`.
    num_heads
        Attention heads.
    num_layers
        Layers.
    drop_prob
        Dropout on what attention adds, in training.
    """

    def __init__(
        self, embed_dim: int = 256, num_heads: int = 8, num_layers: int = 4, drop_prob: float = 0.2
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            LinearAttentionLayer(embed_dim, num_heads, drop_prob) for _ in range(num_layers)
        )

    def forward(self, tokens_BNE: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Encode a sentence of tokens.

        Parameters
        ----------
        tokens_BNE
            (batch, tokens, embed_dim).
        mask_BN
            (batch, tokens) bool; False takes no part. None: all take part.

        Returns
        -------
        Tensor
            (batch, tokens, embed_dim); rows of masked tokens mean nothing.
        """
        for layer in self.layers:
            tokens_BNE = layer(tokens_BNE, mask_BN)
        return tokens_BNE

    def mean(self, tokens_BNE: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """Mean of the encoded tokens, (batch, embed_dim); cheaper than the mean of `forward`."""
        if not len(self.layers):
            return masked_mean(tokens_BNE, mask_BN)
        for layer in self.layers[:-1]:
            tokens_BNE = layer(tokens_BNE, mask_BN)
        last = self.layers[-1]
        assert isinstance(last, LinearAttentionLayer)
        return last.mean(tokens_BNE, mask_BN)
