"""The transformer where nothing is kept for later: in pieces that stay in the cache, in place."""

# B batch, N tokens, H heads, D width of a head, E = H · D embedding width, M tokens of any samples

from __future__ import annotations

import functools
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from biot import onednn
from biot.model.layers import (
    FeedForward,
    LinearAttentionTransformer,
    SelfAttention,
    have_usual_weights,
    masked_mean,
    shares_of_tokens,
)

__all__ = ["mean_in_pieces"]

PIECE = 1216
"""Tokens at a time, of those 256 wide in float32; of others as many as take the same memory."""
ALONE = 128
"""Tokens of a sample that oneDNN takes alone."""
INNER_BYTES = 4 * 4 * 256 * PIECE  # what so many tokens take inside a feed-forward network


def mean_in_pieces(
    transformer: LinearAttentionTransformer, tokens_BNE: Tensor, mask_BN: Tensor | None = None
) -> Tensor:
    """What ``transformer.mean`` gives, (B, E), where no gradient is asked for and no graph made.

    Attention sees some samples at a time and a feed-forward network some tokens, so that what they
    need stays in the cache and is not asked anew of the operating system; results are added in
    place. Weights are read past their layers, so this is for transformers that are plain
    (:func:`biot.model.layers.is_plain`), on a CPU.
    """
    layers: Any = list(transformer.layers.layers)
    for number, (attention, feed_forward) in enumerate(layers, 1):
        # From the second layer on nobody else has the tokens.
        into = tokens_BNE if number > 1 else tokens_BNE.new_empty(tokens_BNE.shape)
        _attend(attention, tokens_BNE, mask_BN, into)
        tokens_BNE = into
        if number == len(layers):
            return masked_mean(tokens_BNE, mask_BN) + _mean(feed_forward, tokens_BNE, mask_BN)
        _feed_forward(feed_forward, tokens_BNE)
    return masked_mean(tokens_BNE, mask_BN)


def _attend(block: Any, tokens_BNE: Tensor, mask_BN: Tensor | None, into_BNE: Tensor) -> None:
    """Write the tokens and what a pre-norm attention block adds to them, some samples at a time."""
    attention: SelfAttention = block.fn
    size = _samples_at_a_time(tokens_BNE)
    room = _attention_room(attention, tokens_BNE[:size])
    masks = itertools.repeat(None) if mask_BN is None else mask_BN.split(size)
    pieces = zip(tokens_BNE.split(size), masks, into_BNE.split(size), strict=False)
    for tokens, mask, into in pieces:
        if room is None:
            torch.add(tokens, block(tokens, input_mask=mask), out=into)
        else:
            attended = _attended(attention, block.norm(tokens), mask, room[:, : len(tokens)])
            _add_linear(attention.to_out, attended, tokens, into)


def _attended(
    attention: SelfAttention, tokens_BNE: Tensor, mask_BN: Tensor | None, room_3BEN: Tensor
) -> Tensor:
    """What ``attention`` puts through its last layer, (B, N, E).

    Each number of a head lies in a row with that number of all tokens: the linear layers write
    heads as the products of attention read them, and nothing is copied between, but by oneDNN.
    `room` is used again and again.
    """
    n_samples, n_tokens, width = tokens_BNE.shape
    n_heads, head_width = attention.heads, width // attention.heads
    heads = (n_samples * n_heads, head_width, n_tokens)
    linear_BEN, normalised_BEN, attended_BEN = room_3BEN

    def through(linear: nn.Linear) -> Tensor:
        return _linear_in_rows(linear, tokens_BNE, linear_BEN)

    k_BEN = through(attention.to_k)
    if mask_BN is not None:
        k_BEN.masked_fill_(~mask_BN.unsqueeze(1), -torch.inf)
    k = torch.softmax(k_BEN, dim=2, out=normalised_BEN).view(heads)
    v = through(attention.to_v).view(heads)
    context = torch.baddbmm(v.new_zeros(1), v, k.mT, beta=0, alpha=head_width**-0.5)
    by_head = (n_samples, n_heads, head_width, n_tokens)
    q_BHDN = through(attention.to_q).view(by_head)
    q = torch.softmax(q_BHDN, dim=2, out=normalised_BEN.view(by_head)).view(heads)
    torch.bmm(context, q, out=attended_BEN.view(heads))
    attended: Tensor = attended_BEN.mT
    return attended


def _linear_in_rows(linear: nn.Linear, tokens_BNE: Tensor, into_BEN: Tensor) -> Tensor:
    """What a linear layer makes of the tokens, (B, E, N); it may lie in `into_BEN`."""
    if not onednn.is_faster(tokens_BNE):
        weight_BEE = linear.weight.expand(len(tokens_BNE), -1, -1)
        return torch.bmm(weight_BEE, tokens_BNE.mT, out=into_BEN)
    if len(tokens_BNE) == 1:  # the tokens in the weight's place: nothing has to be transposed
        rows_EN = onednn.linear(linear.weight, tokens_BNE[0])
        return rows_EN.unsqueeze(0)
    into_BEN.copy_(onednn.linear(tokens_BNE, linear.weight).mT)
    return into_BEN


def _add_linear(linear: nn.Linear, values_BNE: Tensor, tokens: Tensor, into: Tensor) -> None:
    """Write the tokens and what a linear layer makes of the values, (B, N, E); into may be both."""
    if onednn.is_faster(values_BNE):
        made = onednn.linear(values_BNE.contiguous(), linear.weight, linear.bias)
        torch.add(tokens, made, out=into)
    else:
        torch.add(tokens, linear.bias, out=into)
        into.baddbmm_(values_BNE, linear.weight.T.expand(len(values_BNE), -1, -1))


def _attention_room(attention: SelfAttention, tokens_BNE: Tensor) -> Tensor | None:
    """Where one piece after another is computed, (3, B, E, N); None: by the module itself."""
    n_samples, n_tokens, width = tokens_BNE.shape
    inputs, output = (attention.to_q, attention.to_k, attention.to_v), attention.to_out
    as_made = (
        have_usual_weights(*inputs, output)
        and all(linear.weight.shape == (width, width) for linear in (*inputs, output))
        and all(linear.bias is None for linear in inputs)
        and output.bias is not None
    )
    drops = attention.dropout.training and attention.dropout.p > 0
    return tokens_BNE.new_empty(3, n_samples, width, n_tokens) if as_made and not drops else None


def _feed_forward(block: Any, tokens_BNE: Tensor) -> None:
    """Add a pre-norm feed-forward block to its input, some tokens at a time."""
    network: FeedForward = block.fn.fn
    room = _room(network, tokens_BNE)
    for part in tokens_BNE.view(-1, tokens_BNE.shape[-1]).split(_tokens_at_a_time(tokens_BNE)):
        inner = _inner(network, block.norm(part), room=room)
        if room is None:
            part += network.w2(inner)
        elif onednn.is_faster(part):
            part += onednn.linear(inner, network.w2.weight, network.w2.bias)
        else:
            part += network.w2.bias
            part.addmm_(inner, network.w2.weight.T)


def _mean(block: Any, tokens_BNE: Tensor, mask_BN: Tensor | None) -> Tensor:
    """Mean over the tokens of a pre-norm feed-forward block, (B, E)."""
    network: FeedForward = block.fn.fn
    n_samples, n_tokens = _samples_at_a_time(tokens_BNE), _tokens_at_a_time(tokens_BNE)
    inner = functools.partial(_inner, network, room=_room(network, tokens_BNE))
    shares_B1N = shares_of_tokens(tokens_BNE, mask_BN).unsqueeze(1)
    means = []
    samples = zip(tokens_BNE.split(n_samples), shares_B1N.split(n_samples), strict=True)
    for tokens, shares in samples:
        parts = zip(tokens.split(n_tokens, dim=1), shares.split(n_tokens, dim=2), strict=True)
        sums = (torch.bmm(share, inner(block.norm(part))) for part, share in parts)
        means.append(functools.reduce(torch.add, sums).squeeze(1))
    mean: Tensor = network.w2(torch.cat(means))
    return mean


def _inner(network: FeedForward, tokens: Tensor, *, room: Tensor | None) -> Tensor:
    """What the second linear layer gets, (…, 4 E), written into `room` where there is one."""
    if room is None:
        wide = network.w1(tokens)
    elif onednn.is_faster(tokens):
        weight, bias = network.w1.weight, network.w1.bias
        return onednn.linear(tokens, weight, bias, gelu=network.act.approximate)
    else:
        rows = tokens.flatten(0, -2)
        wide = torch.addmm(network.w1.bias, rows, network.w1.weight.T, out=room[: len(rows)])
        wide = wide.view(*tokens.shape[:-1], wide.shape[-1])
    activated: Tensor = torch.ops.aten.gelu_(wide, approximate=network.act.approximate)
    return activated


def _room(network: FeedForward, tokens_BNE: Tensor) -> Tensor | None:
    """Where the inner activations of one piece after another go; None: where torch puts them."""
    linears = (network.w1, network.w2)
    if not have_usual_weights(*linears) or any(linear.bias is None for linear in linears):
        return None
    n_tokens = min(_tokens_at_a_time(tokens_BNE), tokens_BNE.shape[:2].numel())
    return tokens_BNE.new_empty(n_tokens, len(network.w1.weight))


def _tokens_at_a_time(tokens_BNE: Tensor) -> int:
    inner_bytes = 4 * tokens_BNE.shape[-1] * tokens_BNE.element_size()
    # oneDNN takes new memory for what it returns: the less, the sooner it is used again
    most = INNER_BYTES // 2 if onednn.is_faster(tokens_BNE) else INNER_BYTES
    return max(1, most // max(1, inner_bytes))


def _samples_at_a_time(tokens_BNE: Tensor) -> int:
    if tokens_BNE.shape[1] >= ALONE and onednn.is_faster(tokens_BNE):
        return 1
    return max(1, _tokens_at_a_time(tokens_BNE) // max(1, tokens_BNE.shape[1]))
