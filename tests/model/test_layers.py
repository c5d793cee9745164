"""Attention and feed-forward network, taken in pieces, are the whole ones."""

import copy

import pytest
import torch
from torch import Tensor, nn

from biot.model.layers import LinearAttentionTransformer
from biot.model.pieces import mean_in_pieces


def seen_by(block: nn.Module) -> list[tuple[int, ...]]:
    """Filled with the shape, but for the width, of what each call of the block's norm gets."""
    seen: list[tuple[int, ...]] = []
    block.norm.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[:-1])))
    return seen


def tokens_and_mask(shape: tuple[int, int], width: int, share: float) -> tuple[Tensor, Tensor]:
    tokens, mask = torch.randn(*shape, width), torch.rand(shape) < share
    mask[:, 0] = True
    return tokens, mask


@pytest.mark.parametrize("shape", [(1, 4000), (3, 1300), (3000, 2), (1, 1216)])
def test_without_gradients_it_takes_some_tokens_at_a_time_and_gives_the_same(
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    transformer = LinearAttentionTransformer(256, 8, 2, 0.0)
    tokens, mask = tokens_and_mask(shape, 256, 0.8)
    seen = [seen_by(layer[1]) for layer in transformer.layers.layers]
    with torch.no_grad():
        whole = transformer.mean(tokens, mask)
        for each in seen:
            each.clear()
        found = mean_in_pieces(transformer, tokens, mask)
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)
    for each in seen:
        numbers = [torch.Size(piece).numel() for piece in each]
        assert sum(numbers) == shape[0] * shape[1]
        assert max(numbers) <= 1216


@pytest.mark.parametrize("shape", [(7, 3000), (1, 10_000), (15_000, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_takes_some_samples_at_a_time_and_leaves_the_tokens_that_it_gets(
    shape: tuple[int, int], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    transformer = LinearAttentionTransformer(32, 4, 2, 0.0).to(dtype)
    tokens, mask = tokens_and_mask(shape, 32, 0.8)
    tokens = tokens.to(dtype)
    given = tokens.clone()
    with torch.no_grad():
        whole = transformer.mean(tokens, mask)
        seen = seen_by(transformer.layers.layers[0][0])
        found = mean_in_pieces(transformer, tokens, mask)
    tolerance = 1e-5 if dtype == torch.float32 else 5e-2
    torch.testing.assert_close(found, whole, rtol=tolerance, atol=tolerance)
    assert torch.equal(tokens, given)
    most = 1216 * 256 * 4 // (32 * tokens.element_size())
    assert sum(n_samples for n_samples, _ in seen) == shape[0]
    assert all(n_samples == 1 or n_samples * n_tokens <= most for n_samples, n_tokens in seen)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("heads", [1, 4])
def test_in_pieces_it_is_the_mean_in_float64(heads: int, masked: bool) -> None:
    torch.manual_seed(0)
    transformer = LinearAttentionTransformer(32, heads, 3, 0.0).double()
    tokens, mask = tokens_and_mask((5, 70), 32, 0.5)
    tokens = tokens.double()
    expected = transformer.mean(tokens, mask if masked else None).detach()
    with torch.no_grad():
        found = mean_in_pieces(transformer, tokens, mask if masked else None)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_in_pieces_dropout_is_drawn_as_in_training() -> None:
    transformer = LinearAttentionTransformer(32, 4, 2, 0.5).train()
    tokens = torch.randn(3, 20, 32)
    with torch.no_grad():
        drawn = [mean_in_pieces(transformer, tokens) for _ in range(2)]
        still = [mean_in_pieces(copy.deepcopy(transformer).eval(), tokens) for _ in range(2)]
    assert not torch.equal(*drawn)
    assert torch.equal(*still)


def with_biases(transformer: LinearAttentionTransformer) -> None:
    for attention, _ in transformer.layers.layers:
        attention.fn.to_q = nn.Linear(32, 32)
        attention.fn.to_out = nn.Linear(32, 32, bias=False)


def without_biases(transformer: LinearAttentionTransformer) -> None:
    for _, feed_forward in transformer.layers.layers:
        feed_forward.fn.fn.w1 = nn.Linear(32, 128, bias=False)
        feed_forward.fn.fn.w2 = nn.Linear(128, 32, bias=False)


def with_tanh(transformer: LinearAttentionTransformer) -> None:
    for _, feed_forward in transformer.layers.layers:
        feed_forward.fn.fn.act = nn.GELU("tanh")


def with_less_inside(transformer: LinearAttentionTransformer) -> None:
    """As pruning leaves it: out_features still says what once was."""
    for _, feed_forward in transformer.layers.layers:
        network = feed_forward.fn.fn
        network.w1.weight = nn.Parameter(network.w1.weight[:50].detach())
        network.w1.bias = nn.Parameter(network.w1.bias[:50].detach())
        network.w2.weight = nn.Parameter(network.w2.weight[:, :50].detach())


@pytest.mark.parametrize("change", [with_biases, without_biases, with_tanh, with_less_inside])
def test_layers_of_another_form_give_the_same_in_pieces(change: object) -> None:
    torch.manual_seed(0)
    transformer = LinearAttentionTransformer(32, 4, 2, 0.0)
    change(transformer)  # type: ignore[operator]
    tokens = torch.randn(3, 20, 32)
    expected = transformer(tokens).mean(dim=1).detach()
    with torch.no_grad():
        torch.testing.assert_close(mean_in_pieces(transformer, tokens), expected)


def test_the_mean_is_the_mean_of_the_encoded_tokens() -> None:
    torch.manual_seed(0)
    transformer = LinearAttentionTransformer(32, 4, 2, 0.0).double()
    tokens = torch.randn(3, 50, 32, dtype=torch.float64)
    mask = torch.rand(3, 50) < 0.6
    encoded = transformer(tokens, mask)
    expected = torch.stack([row[seen].mean(dim=0) for row, seen in zip(encoded, mask, strict=True)])
    torch.testing.assert_close(transformer.mean(tokens, mask), expected)
    torch.testing.assert_close(transformer.mean(tokens), transformer(tokens).mean(dim=1))


def test_no_sample_and_a_replaced_layer_pass_without_gradients() -> None:
    transformer = LinearAttentionTransformer(32, 4, 1, 0.0)
    layer = transformer.layers.layers[0][1].fn.fn
    tokens = torch.randn(2, 50, 32)
    expected = transformer(tokens)
    layer.w1 = torch.nn.Sequential(layer.w1)  # which has no out_features
    with torch.no_grad():
        assert transformer(torch.randn(0, 50, 32)).shape == (0, 50, 32)
        torch.testing.assert_close(transformer(tokens), expected)
        torch.testing.assert_close(mean_in_pieces(transformer, tokens), expected.mean(dim=1))
        assert mean_in_pieces(transformer, torch.randn(0, 50, 32)).shape == (0, 32)


@pytest.mark.parametrize("n_tokens", [0, 50])
def test_no_sample_has_no_mean_in_pieces(n_tokens: int) -> None:
    transformer = LinearAttentionTransformer(32, 4, 2, 0.0)
    with torch.no_grad():
        assert mean_in_pieces(transformer, torch.randn(0, n_tokens, 32)).shape == (0, 32)
