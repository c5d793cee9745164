"""Tokens that are left out are taken away before the transformer, which changes no result."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from biot.model import encoder as encoding
from biot.model.encoder import BIOTEncoder

WIDTH, N_CHANS, N_TOKENS = 16, 3, 4


def make_encoder() -> BIOTEncoder:
    torch.manual_seed(0)
    return BIOTEncoder(
        WIDTH, num_heads=2, num_layers=2, n_chans=N_CHANS, n_fft=8, hop_length=4, drop_prob=0.0,
        att_layer_drop_prob=0.0,
    ).double()  # fmt: skip


def tokens_and_mask(seed: int, n_samples: int, share: float) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(seed)
    tokens = torch.from_numpy(random.standard_normal((n_samples, N_CHANS, N_TOKENS, WIDTH)))
    return tokens, torch.from_numpy(random.random((n_samples, N_CHANS, N_TOKENS)) < share)


def alone(encoder: BIOTEncoder, tokens_CNE: Tensor, mask_CN: Tensor) -> Tensor:
    """What the transformer makes of the tokens of one sample, without any that is left out."""
    placed = encoder.positional_encoding(tokens_CNE.unsqueeze(0))[0]
    encoded: Tensor = encoder.transformer(placed[mask_CN].unsqueeze(0))
    return encoded[0]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000), n_samples=st.integers(1, 5), share=st.sampled_from([0.1, 0.5, 0.95])
)
def test_each_sample_is_as_if_its_own_tokens_were_all_there_is(
    seed: int, n_samples: int, share: float
) -> None:
    encoder = make_encoder()
    tokens, mask = tokens_and_mask(seed, n_samples, share)
    pooled, encoded = encoder.pooled(tokens, mask), encoder.encoded(tokens, mask)
    with torch.no_grad():
        in_pieces = encoder.pooled(tokens, mask)
    for number in range(n_samples):
        if not mask[number].any():
            assert pooled[number].isnan().all()
            continue
        own = alone(encoder, tokens[number], mask[number])
        torch.testing.assert_close(encoded[number][mask[number]], own, rtol=0, atol=1e-12)
        torch.testing.assert_close(pooled[number], own.mean(dim=0), rtol=0, atol=1e-12)
        torch.testing.assert_close(in_pieces[number], own.mean(dim=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("way", ["pooled", "encoded"])
def test_gradients_are_those_of_the_masked_way(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for packed in (0.0, 1.0):
        monkeypatch.setattr(encoding, "PACKED", packed)
        encoder = make_encoder()
        tokens, mask = tokens_and_mask(1, 4, 0.5)
        tokens.requires_grad_()
        outputs = getattr(encoder, way)(tokens, mask)
        (outputs if way == "pooled" else outputs[mask]).square().sum().backward()
        weights = [one.grad for one in encoder.transformer.parameters() if one.grad is not None]
        assert len(weights) > 20
        found.append([tokens.grad, *weights])
    for without, with_packing in zip(*found, strict=True):
        torch.testing.assert_close(with_packing, without, rtol=0, atol=1e-11)


@pytest.mark.parametrize("way", ["pooled", "encoded"])
def test_autocast_goes_with_it(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = make_encoder().float()
    tokens, mask = tokens_and_mask(1, 4, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        found = getattr(encoder, way)(tokens.bfloat16(), mask)
        monkeypatch.setattr(encoding, "PACKED", 0.0)
        expected = getattr(encoder, way)(tokens.bfloat16(), mask)
    assert found.dtype == expected.dtype
    rows = mask if way == "encoded" else slice(None)
    torch.testing.assert_close(found[rows], expected[rows], rtol=0.05, atol=0.05)


def test_the_transformer_sees_no_more_tokens_than_the_fullest_of_samples_alike_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder, seen = make_encoder(), []
    mean = encoder.transformer.mean

    def counting(tokens: Tensor, mask: Tensor | None) -> Tensor:
        seen.append((tokens.shape[1], mask is None))
        return mean(tokens, mask)

    monkeypatch.setattr(encoder.transformer, "mean", counting)
    tokens, _ = tokens_and_mask(2, 2, 1.0)
    mask = torch.zeros(2, N_CHANS, N_TOKENS, dtype=torch.bool)
    mask[0, 0], mask[1, 2, :3] = True, True  # 4 and 3 tokens
    encoder.pooled(tokens, mask)
    mask[1, 2, 2] = False  # 4 and 2 tokens
    encoder.pooled(tokens, mask)
    encoder.pooled(tokens, torch.ones_like(mask))
    assert seen == [(4, False), (4, True), (2, True), (12, True)]


def test_windows_that_lack_different_channels_keep_their_order_in_every_batch() -> None:
    encoder = make_encoder()
    x = torch.randn(2000, N_CHANS, 20, dtype=torch.float64)
    assert len(x) > encoder.cached_batch_size(N_CHANS, 20)  # it goes through in parts
    for number, window in enumerate(x):
        window[number % N_CHANS :: 1 + number % 2] = torch.nan
    x[7] = torch.nan
    with torch.no_grad():
        together = encoder(x)
        each = torch.cat([encoder(one) for one in x[:50].split(1)])
    torch.testing.assert_close(together[:50], each, rtol=0, atol=1e-12, equal_nan=True)
    assert together[7].isnan().all()


@pytest.mark.parametrize("gradients", [False, True])
def test_of_no_sample_there_are_no_features(gradients: bool) -> None:
    encoder = make_encoder()
    tokens, mask = tokens_and_mask(0, 0, 0.5)
    with torch.set_grad_enabled(gradients):
        assert encoder.pooled(tokens, mask).shape == (0, WIDTH)
