"""The linear-attention transformer: cost grows with the number of tokens, not its square."""

# B batch, N tokens, H heads, D width of a head, E = H · D embedding width

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["LinearAttentionTransformer", "masked_mean"]


def masked_mean(values_BNE: Tensor, mask_BN: Tensor | None) -> Tensor:
    """Mean over the tokens of each sample: (B, E); NaN for a sample without a token."""
    if mask_BN is None:
        return values_BNE.mean(dim=1)
    weights_BN = mask_BN.to(values_BNE.dtype)
    weights_BN = weights_BN / weights_BN.sum(dim=1, keepdim=True)
    return torch.bmm(weights_BN.unsqueeze(1), values_BNE).squeeze(1)


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
        self.dropout = nn.Dropout(drop_prob)

    def forward(self, tokens_BNE: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        """What attention adds to each token, (B, N, E); masked tokens (False) are not attended."""
        tokens_BNE = self.norm(tokens_BNE)
        q, k, v = self.to_q(tokens_BNE), self.to_k(tokens_BNE), self.to_v(tokens_BNE)
        if mask_BN is not None:
            k = k.masked_fill(~mask_BN.unsqueeze(-1), -torch.inf)
        q_BNHD = q.unflatten(-1, (self.num_heads, -1)).softmax(dim=-1)
        k_BNHD = k.softmax(dim=1).unflatten(-1, (self.num_heads, -1))
        v_BNHD = v.unflatten(-1, (self.num_heads, -1))
        context = _context(k_BNHD, v_BNHD).to(q_BNHD.dtype) * q_BNHD.shape[-1] ** -0.5
        heads_BNHD = torch.einsum("bnhd,bhde->bnhe", q_BNHD, context)
        added: Tensor = self.dropout(self.to_out(heads_BNHD.flatten(2)))
        return added


def _context(k_BNHD: Tensor, v_BNHD: Tensor) -> Tensor:
    """Keys by values, summed over the tokens: (B, H, D, D).

    One product a head, because one for all heads would first copy keys and values.
    """
    heads = zip(k_BNHD.unbind(2), v_BNHD.unbind(2), strict=True)
    return torch.stack([torch.bmm(k_BND.mT, v_BND) for k_BND, v_BND in heads], dim=1)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between, four times as wide inside."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embed_dim)
        self.w1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.w2 = nn.Linear(4 * embed_dim, embed_dim)

    def hidden(self, tokens_BNE: Tensor) -> Tensor:
        """The inner activations, (B, N, 4 E)."""
        inner: Tensor = F.gelu(self.w1(self.norm(tokens_BNE)))
        return inner

    def forward(self, tokens_BNE: Tensor) -> Tensor:
        """What the layer adds to each token, (B, N, E)."""
        added: Tensor = self.w2(self.hidden(tokens_BNE))
        return added


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
        """Mean over the tokens of :meth:`forward`, (B, E).

        The second projection is linear, so the mean is taken before it.
        """
        tokens_BNE = tokens_BNE + self.attention(tokens_BNE, mask_BN)
        hidden = masked_mean(self.feed_forward.hidden(tokens_BNE), mask_BN)
        pooled: Tensor = masked_mean(tokens_BNE, mask_BN) + self.feed_forward.w2(hidden)
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
