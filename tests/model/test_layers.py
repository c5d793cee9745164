"""Attention and feed-forward network, taken in pieces, are the whole ones."""

import pytest
import torch
from torch import Tensor

from biot.model.layers import FeedForward, LinearAttentionTransformer


def rows_seen(layer: FeedForward) -> list[int]:
    """Filled with the tokens of each call of the layer's wide part."""
    seen: list[int] = []
    layer.w1.register_forward_hook(lambda _m, _i, out: seen.append(out.shape[0] * out.shape[1]))
    return seen


@pytest.mark.parametrize("shape", [(1, 2000), (3, 700), (1500, 2), (1, 608)])
def test_without_gradients_it_takes_some_tokens_at_a_time_and_gives_the_same(
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    transformer = LinearAttentionTransformer(256, 8, 1, 0.0)
    layer = transformer.layers.layers[0][1].fn.fn
    tokens = torch.randn(*shape, 256)
    mask = torch.rand(shape) < 0.8
    mask[:, 0] = True
    whole: Tensor = transformer.mean(tokens, mask)
    seen = rows_seen(layer)
    with torch.no_grad():
        found = transformer.mean(tokens, mask)
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)
    assert sum(seen) == shape[0] * shape[1]
    assert max(seen) <= max(608, shape[0])


@pytest.mark.parametrize("shape", [(7, 200), (1, 2000), (1500, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_takes_some_samples_at_a_time_and_leaves_the_tokens_that_it_gets(
    shape: tuple[int, int], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    transformer = LinearAttentionTransformer(32, 4, 2, 0.0).to(dtype)
    tokens = torch.randn(*shape, 32).to(dtype)
    mask = torch.rand(shape) < 0.8
    mask[:, 0] = True
    given, seen = tokens.clone(), []
    whole = transformer.mean(tokens, mask).detach()
    query = transformer.layers.layers[0][0].fn.to_q
    query.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[:2])))
    with torch.no_grad():
        found = transformer.mean(tokens, mask)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(found, whole, rtol=tolerance, atol=tolerance)
    assert torch.equal(tokens, given)
    assert sum(n for n, _ in seen) == shape[0]
    assert all(n == 1 or n * n_tokens <= 608 for n, n_tokens in seen)


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
