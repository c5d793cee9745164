"""Perturbed views: what stays, and that it depends on (seed, step, window) alone."""

# B windows, C channels, N tokens a channel

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biot.model import BIOT
from biot.model.encoder import present_samples
from biot.training.pretraining.views import Perturbation, kept_tokens

V, N = 5, 9


def perturbation(kind: str = "paper", seed: int = 3) -> Perturbation:
    return Perturbation(kind=kind, seed=seed, n_channels=V, n_tokens=N)


def some_ids(n_windows: int, n_chans: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n_windows)
    return torch.stack([torch.randperm(V, generator=generator)[:n_chans] for _ in range(n_windows)])


def test_a_window_is_perturbed_alike_in_every_batch_padding_and_channel_order():
    index, ids = torch.tensor([4, 90, 17]), some_ids(3)
    mask = torch.ones(3, 4, N, dtype=torch.bool)
    together = kept_tokens(mask, perturbation().draws(6, index, ids))

    flipped = ids[1:2].flip(1)
    padded_ids = torch.cat([flipped, torch.full((1, 2), -1)], dim=1)
    padded_mask = torch.zeros(1, 6, N, dtype=torch.bool)
    padded_mask[:, :4] = True
    alone = kept_tokens(padded_mask, perturbation().draws(6, index[1:2], padded_ids))
    assert torch.equal(alone[:, :4].flip(1), together[1:2])
    assert not alone[:, 4:].any()


def test_another_step_seed_or_window_draws_anew():
    ids, index = some_ids(1), torch.tensor([4])
    first = perturbation().draws(6, index, ids)
    for other in (
        perturbation().draws(7, index, ids),
        perturbation(seed=4).draws(6, index, ids),
        perturbation().draws(6, torch.tensor([5]), ids),
    ):
        assert not torch.equal(first, other)


@given(st.integers(0, 10_000), st.sampled_from(["paper", "authors"]), st.data())
def test_what_stays_was_valid_and_something_stays(step, kind, data):
    bits = data.draw(st.lists(st.booleans(), min_size=3 * N, max_size=3 * N))
    mask = torch.tensor(bits).reshape(1, 3, N)
    kept = kept_tokens(mask, perturbation(kind).draws(step, torch.tensor([0]), some_ids(1, 3)))
    assert not (kept & ~mask).any()
    assert kept.any() == mask.any()
    for channel, had in zip(kept[0].sum(1).tolist(), mask[0].sum(1).tolist(), strict=True):
        assert channel == 0 or had // 2 <= channel <= max(1, had - 1)


def test_the_paper_drops_channels_and_tokens_as_often_as_documented():
    ids, mask = torch.arange(4).expand(4000, 4), torch.ones(4000, 4, N, dtype=torch.bool)
    kept = kept_tokens(mask, perturbation().draws(0, torch.arange(4000), ids))
    channels = kept.any(2).sum(1)
    for number in (2, 3, 4):  # ⌈4/2⌉ to 4, alike
        assert (channels == number).double().mean() == pytest.approx(1 / 3, abs=0.03)
    tokens = kept.sum(2)[kept.any(2)]
    for number in range(4, 9):  # ⌊9/2⌋ to 8, alike
        assert (tokens == number).double().mean() == pytest.approx(1 / 5, abs=0.03)


def test_the_authors_way_keeps_channels_and_chooses_once_for_the_batch():
    ids, mask = torch.arange(4).expand(7, 4), torch.ones(7, 4, N, dtype=torch.bool)
    kept = kept_tokens(mask, perturbation("authors").draws(2, torch.arange(7), ids))
    assert kept.any(2).all()
    assert (kept == kept[0]).all()
    assert len({tuple(row) for row in kept[0].tolist()}) == 4  # each channel its own tokens


def test_a_dropped_channel_is_as_good_as_absent():
    torch.manual_seed(0)
    model = BIOT(n_outputs=2, n_chans=3, n_times=100, sfreq=50, n_fft=50, hop_length=25,
                 embed_dim=16, num_heads=2, num_layers=2).double().eval()  # fmt: skip
    x, ids = torch.randn(2, 3, 100, dtype=torch.float64), torch.arange(3).expand(2, 3)
    tokens, mask = model.encoder.tokens(x, present_samples(x, channel_ids=ids), ids)
    kept = mask.clone()
    kept[0, 1] = False
    absent = ids.clone()
    absent[0, 1] = -1
    expected = model.encoder(x, channel_ids=absent)
    assert torch.allclose(model.encoder.pooled(tokens, kept), expected, rtol=0, atol=1e-12)
