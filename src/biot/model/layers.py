"""The layers of the transformer and the head, in the reference's module tree.

Names and nesting are those of ``linear_attention_transformer`` as braindecode uses it, so that
weights, hooks, adapters and patterns written for the one fit the other.
"""

# B batch, N tokens, H heads, D width of a head, E = H · D embedding width

from __future__ import annotations

import copy
import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from biot import onednn
from biot.errors import ConfigError

__all__ = [
    "Chunk",
    "ClassificationHead",
    "Dropout",
    "FeedForward",
    "LinearAttentionTransformer",
    "PreNorm",
    "SelfAttention",
    "SequentialSequence",
    "call_with_mask",
    "have_usual_weights",
    "is_making_graph",
    "is_plain",
    "is_tracing",
    "masked_mean",
    "runs_eagerly",
    "runs_eagerly_without_gradients",
    "shares_of_tokens",
    "without_rows",
]

LANES = 4  # numbers of 16 bits in one of 64
LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """`torch.nn.Dropout`; on a CPU, four decisions are taken from one random number.

    Drawing a number for each element, as torch does there, took up to a seventh of a training step.
    A decision has 16 bits: `p` is rounded to a multiple of 1 / 65,536, and what is kept is scaled
    by that rounded value, so that the mean stays.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Zero each element with probability `p`, in training; same shape."""
        dropped = round(self.p * LEVELS)
        by_torch = values.device.type != "cpu" or torch.compiler.is_compiling() or self.inplace
        if by_torch or not self.training or dropped in (0, LEVELS):
            return super().forward(values)
        lowest = torch.iinfo(torch.int64).min
        # new_empty, so that each sample has its own numbers under torch.func.vmap
        numbers = values.new_empty(-(-values.numel() // LANES), dtype=torch.int64)
        lanes = numbers.random_(lowest, None).view(torch.int16)[: values.numel()]
        kept = lanes.view(values.shape) >= dropped - LEVELS // 2
        return values * (kept.to(values.dtype) * (LEVELS / (LEVELS - dropped)))


class SelfAttention(nn.Module):
    """Self-attention through a D × D context a head (Shen et al. 2021, *Efficient Attention*).

    Queries are normalised over the width of a head, keys over the tokens.
    """

    def __init__(self, embed_dim: int, num_heads: int, drop_prob: float) -> None:
        super().__init__()
        self.heads = num_heads
        self.to_q = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_k = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_v = nn.Linear(embed_dim, embed_dim, bias=False)
        self.to_out = nn.Linear(embed_dim, embed_dim)
        self.dropout = Dropout(drop_prob)

    def forward(self, tokens_BNE: Tensor, input_mask: Tensor | None = None) -> Tensor:
        """What attention says to each token, (B, N, E); tokens where the mask (B, N) is False are
        not attended."""
        q, k, v = (_through(one, tokens_BNE) for one in (self.to_q, self.to_k, self.to_v))
        if input_mask is not None:
            k = torch.where(input_mask.unsqueeze(-1), k, -torch.inf)
        # Softmax and product read heads that lie one after another faster than scattered ones.
        q_BHND = q.unflatten(-1, (self.heads, -1)).softmax(dim=-1).transpose(1, 2)
        k_BHND = self._heads(k.softmax(dim=1)).contiguous()
        context_BHDD = (k_BHND.mT @ self._heads(v)) * q_BHND.shape[-1] ** -0.5
        attended_BHND = q_BHND @ context_BHDD
        attended_BNE = attended_BHND.transpose(1, 2).flatten(2)
        added: Tensor = self.dropout(_through(self.to_out, attended_BNE))
        return added

    def _heads(self, values_BNE: Tensor) -> Tensor:
        """(B, N, E) → (B, H, N, D)."""
        heads: Tensor = values_BNE.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads


class FeedForward(nn.Module):
    """Two linear layers with a GELU between, four times as wide inside."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.act = nn.GELU()
        self.dropout = nn.Dropout(0.0)  # the reference's, which is off; a caller may set its p
        self.w2 = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, tokens_BNE: Tensor) -> Tensor:
        """(B, N, E) → (B, N, E), each token for itself."""
        return _through(self.w2, self.inner(tokens_BNE))

    def inner(self, tokens_BNE: Tensor) -> Tensor:
        """What the second linear layer gets, (B, N, 4 E)."""
        inner: Tensor = self.dropout(self.act(_through(self.w1, tokens_BNE)))
        return inner


class Chunk(nn.Module):
    """The reference's wrapper around a feed-forward network: one chunk, so it adds nothing."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, tokens_BNE: Tensor) -> Tensor:
        """(B, N, E) → (B, N, E)."""
        outputs: Tensor = self.fn(tokens_BNE)
        return outputs


class PreNorm(nn.Module):
    """A layer norm, then `fn`."""

    def __init__(self, embed_dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, tokens_BNE: Tensor, input_mask: Tensor | None = None) -> Tensor:
        """(B, N, E) → (B, N, E); the mask (B, N) is for `fn`."""
        return call_with_mask(self.fn, self.norm(tokens_BNE), input_mask)


class SequentialSequence(nn.Module):
    """Layers of two blocks, attention and feed-forward, each added to its input."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, tokens_BNE: Tensor, input_mask: Tensor | None = None) -> Tensor:
        """(B, N, E) → (B, N, E); tokens where the mask (B, N) is False take no part."""
        layers: Any = self.layers
        for attention, feed_forward in layers:
            tokens_BNE = tokens_BNE + call_with_mask(attention, tokens_BNE, input_mask)
            tokens_BNE = tokens_BNE + feed_forward(tokens_BNE)
        return tokens_BNE


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
        layers = (_layer(embed_dim, num_heads, drop_prob) for _ in range(num_layers))
        self.layers = SequentialSequence(nn.ModuleList(layers))

    def forward(self, tokens_BNE: Tensor, input_mask: Tensor | None = None) -> Tensor:
        """Encode a sentence of tokens.

        Parameters
        ----------
        tokens_BNE
            (batch, tokens, embed_dim).
        input_mask
            (batch, tokens) bool; False takes no part. None: all take part.

        Returns
        -------
        Tensor
            (batch, tokens, embed_dim); rows of masked tokens mean nothing.
        """
        return call_with_mask(self.layers, tokens_BNE, input_mask)

    def mean(self, tokens_BNE: Tensor, input_mask: Tensor | None = None) -> Tensor:
        """Mean of the encoded tokens, (batch, embed_dim); cheaper than the mean of `forward`.

        The last projection is linear, so the mean is taken before it. The last network is not
        called whole, hence only for transformers that are plain (:func:`is_plain`).
        """
        layers: Any = list(self.layers.layers)
        for number, (attention, feed_forward) in enumerate(layers, 1):
            tokens_BNE = tokens_BNE + attention(tokens_BNE, input_mask=input_mask)
            if number == len(layers):
                network: FeedForward = feed_forward.fn.fn
                inner_BNF = network.inner(feed_forward.norm(tokens_BNE))
                added_BE: Tensor = network.w2(masked_mean(inner_BNF, input_mask))
                return masked_mean(tokens_BNE, input_mask) + added_BE
            tokens_BNE = tokens_BNE + feed_forward(tokens_BNE)
        return masked_mean(tokens_BNE, input_mask)


def _layer(embed_dim: int, num_heads: int, drop_prob: float) -> nn.ModuleList:
    # The reference draws the feed-forward network's weights first: one seed, the same weights.
    feed_forward = Chunk(FeedForward(embed_dim))
    attention = SelfAttention(embed_dim, num_heads, drop_prob)
    return nn.ModuleList([PreNorm(embed_dim, attention), PreNorm(embed_dim, feed_forward)])


class ClassificationHead(nn.Sequential):
    """An activation and one linear layer.

    Parameters
    ----------
    embed_dim
        Width of the features.
    n_outputs
        Classes, or outputs of a regression.
    activation
        Class of the activation, made without arguments.
    """

    def __init__(
        self, embed_dim: int = 256, n_outputs: int = 2, activation: type[nn.Module] = nn.ELU
    ) -> None:
        super().__init__()
        self.activation_layer = activation()
        self.classification_head = nn.Linear(embed_dim, n_outputs)


def _through(linear: Any, tokens: Tensor) -> Tensor:
    """What a linear layer makes of tokens: by oneDNN where that is faster and nobody can see it."""
    made: Tensor
    if runs_eagerly(tokens) and onednn.is_faster(tokens) and have_usual_weights(linear):
        made = onednn.linear_with_gradient(tokens, linear.weight, linear.bias)
    else:
        made = linear(tokens)
    return made


def have_usual_weights(*linears: Any) -> bool:
    """Whether products may read the weights past these layers, with nobody to notice.

    The weights of a quantised layer only the layer can read. Autocast, too, casts in the layer.
    """
    if torch.is_autocast_enabled("cpu"):
        return False
    return all(
        type(one) is nn.Linear and type(one.weight) in (Tensor, nn.Parameter) and is_plain(one)
        for one in linears
    )


def masked_mean(values_BNE: Tensor, mask_BN: Tensor | None) -> Tensor:
    """Mean over the tokens of each sample: (B, E); NaN for a sample without a token."""
    return torch.bmm(shares_of_tokens(values_BNE, mask_BN).unsqueeze(1), values_BNE).squeeze(1)


def shares_of_tokens(values_BNE: Tensor, mask_BN: Tensor | None) -> Tensor:
    """What each token counts for in the mean, (B, N)."""
    if mask_BN is None:
        mask_BN = values_BNE.new_ones(values_BNE.shape[:2])
    counted_BN = mask_BN.to(values_BNE.dtype)
    return counted_BN / counted_BN.sum(dim=1, keepdim=True)


def without_rows(outputs: Any, nothing_B: Tensor) -> Any:
    """Outputs of a head, in which the rows of samples without a token are NaN.

    Tensors of any shape are looked for in mappings and sequences; integers, and what has no row a
    sample, stay as they are.
    """
    if isinstance(outputs, Tensor):
        has_rows = outputs.ndim > 0 and (is_tracing() or outputs.shape[0] == nothing_B.shape[0])
        if not has_rows or not outputs.is_floating_point():
            return outputs
        return outputs.masked_fill(nothing_B.view(-1, *[1] * (outputs.ndim - 1)), torch.nan)
    if isinstance(outputs, Mapping):
        changed = copy.copy(outputs)
        for name, value in outputs.items():
            changed[name] = without_rows(value, nothing_B)  # type: ignore[index]  # a dictionary
        return changed
    if isinstance(outputs, tuple | list):
        values = [without_rows(value, nothing_B) for value in outputs]
        return type(outputs)(*values) if hasattr(outputs, "_fields") else type(outputs)(values)
    return outputs


def runs_eagerly_without_gradients(x: Tensor) -> bool:
    """Whether work may be done in pieces and in place: on a CPU, nothing kept for later."""
    return runs_eagerly(x) and not torch.is_grad_enabled()


def runs_eagerly(x: Tensor) -> bool:
    """Whether code may look at values, at little cost: on a CPU, with no graph or transform made.

    On a GPU a look waits for all that was started there; other kinds of tensor may have no values.
    """
    if is_making_graph() or type(x) is not Tensor or x.device.type != "cpu":
        return False
    transformed = torch._C._are_functorch_transforms_active()  # vmap and the like: x has no value
    forward_mode = torch.autograd.forward_ad._current_level >= 0
    return not (transformed or forward_mode)


def is_tracing() -> bool:
    """Whether ``torch.jit.trace`` looks on, to which sizes are tensors."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def is_making_graph() -> bool:
    """Whether a compiler, an exporter or a tracer looks on: then nothing may branch on values."""
    return torch.compiler.is_compiling() or is_tracing()


def call_with_mask(module: Any, tokens_BNE: Tensor, mask_BN: Tensor | None) -> Tensor:
    """Call a layer of ours, or what a caller has put in its place, with the mask if it takes one.

    Whatever takes ``input_mask`` gets it so; ``torch.nn.TransformerEncoder`` and its layers get a
    padding mask. Anything else sees the tokens alone where none is missing, as in the reference;
    where some are, what takes any keyword gets the mask, in the hope that it hands it on.

    Raises
    ------
    ConfigError
        If tokens are missing and the module takes no mask: they would be taken for signal.
    """
    encoded: Tensor
    if mask_BN is None:
        encoded = module(tokens_BNE)
    elif _takes_mask(module):
        encoded = module(tokens_BNE, input_mask=mask_BN)
    elif isinstance(module, nn.Identity) or mask_BN.all():
        encoded = module(tokens_BNE)
    elif isinstance(module, nn.TransformerEncoder | nn.TransformerEncoderLayer):
        encoded = module(tokens_BNE, src_key_padding_mask=~mask_BN)
    elif _takes_any_keyword(module):
        encoded = module(tokens_BNE, input_mask=mask_BN)
    else:
        raise ConfigError(
            f"Tokens of missing samples cannot be kept from {type(module).__name__}, which takes "
            "no input_mask. Give its forward that keyword ((batch, tokens) bool, False is "
            "missing), or pass complete windows."
        )
    return encoded


def _takes_mask(module: nn.Module) -> bool:
    if type(module) in _PLAIN and "forward" not in vars(module):
        return True  # inspection is slow, and a compiler cannot follow it
    return "input_mask" in inspect.signature(module.forward).parameters


def _takes_any_keyword(module: nn.Module) -> bool:
    parameters = inspect.signature(module.forward).parameters.values()
    return any(parameter.kind == inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def is_plain(module: nn.Module, *, also: Iterable[type[nn.Module]] = ()) -> bool:
    """Whether a module and all inside it are as this package makes them, with nothing hung on.

    Then nobody can see whether each is called once with the whole batch, and ways that give the
    same numbers faster may be taken. False where a module is replaced or wrapped (also by
    adapters, parametrizations and quantisation), where a hook is registered, of the module or
    of all modules, or where `forward` of an instance is replaced or compiled. `also` are further
    classes that are as made.
    """
    if any(getattr(nn.modules.module, f"_global{name}", None) for name in _HOOKS):
        return False
    kinds = _PLAIN.union(also)
    return all(_is_as_made(part, kinds) for part in module.modules())


def _is_as_made(module: nn.Module, kinds: Collection[type[nn.Module]]) -> bool:
    # An inner dropout that a caller has switched on does not commute with the mean.
    if type(module) is nn.Dropout:
        return not module.p
    parts = vars(module)
    return (
        type(module) in kinds
        and "forward" not in parts
        and parts.get("_compiled_call_impl") is None
        and not any(parts.get(name) for name in _HOOKS)
    )


_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_PLAIN = frozenset(
    {
        LinearAttentionTransformer,
        SequentialSequence,
        PreNorm,
        SelfAttention,
        Chunk,
        FeedForward,
        Dropout,
        nn.ModuleList,
        nn.Linear,
        nn.LayerNorm,
        nn.GELU,
    }
)
