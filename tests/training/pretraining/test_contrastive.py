"""The contrastive loss and its gradient, against plain loops and plain differentiation."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from biot.corpus.batch import Batch
from biot.model import BIOT
from biot.training.distributed import launch
from biot.training.gradients import GradientContext, by_size, split_inputs
from biot.training.pretraining.contrastive import (
    ContrastiveModel,
    ContrastiveObjective,
    info_nce,
    similarity,
)
from biot.training.pretraining.views import Perturbation


def views(n_windows: int = 5, width: int = 4) -> torch.Tensor:
    return torch.randn(n_windows, 2, width, dtype=torch.float64, generator=torch.Generator())


def loss_by_hand(pairs: torch.Tensor, temperature: float, index: list[int]) -> float:
    unit = [[v / v.norm() for v in pair] for pair in pairs]
    losses = []
    for row, (full, own) in enumerate(unit):
        others = [p for j, (_, p) in enumerate(unit) if j == row or index[j] != index[row]]
        scores = [math.exp(float(full @ perturbed) / temperature) for perturbed in others]
        losses.append(-math.log(math.exp(float(full @ own) / temperature) / sum(scores)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("index", [[0, 1, 2, 3, 4], [0, 1, 0, 3, 1]])
def test_the_loss_is_that_of_a_plain_loop(index: list[int]):
    pairs = views()
    logits = similarity(pairs, torch.tensor(index), 0.2)
    assert float(info_nce(logits)) == pytest.approx(loss_by_hand(pairs, 0.2, index), rel=1e-12)
    both = (loss_by_hand(pairs, 0.2, index) + loss_by_hand(pairs.flip(1), 0.2, index)) / 2
    assert float(info_nce(logits, symmetric=True)) == pytest.approx(both, rel=1e-12)


def test_with_groups_a_window_is_told_from_its_own_group_only():
    pairs = views(6)
    logits = similarity(pairs, torch.arange(6), 0.2, torch.tensor([4, 4, 4, 9, 9, 7]))
    losses = [
        loss_by_hand(pairs[rows], 0.2, list(range(len(rows)))) * len(rows)
        for rows in ([0, 1, 2], [3, 4], [5])
    ]
    assert losses[2] == 0, "a window alone in its group has nothing to be told from"
    assert float(info_nce(logits)) == pytest.approx(sum(losses) / 6, rel=1e-12)


def make_task(cached: bool, drop: float) -> ContrastiveObjective:
    torch.manual_seed(0)
    model = BIOT(n_outputs=1, n_chans=3, n_times=100, sfreq=50, n_fft=50, hop_length=25,
                 embed_dim=16, num_heads=2, num_layers=2, drop_prob=drop,
                 att_layer_drop_prob=drop)  # fmt: skip
    return ContrastiveObjective(
        module=ContrastiveModel(model.encoder).double(),
        perturbation=Perturbation(kind="paper", seed=0, n_channels=3, n_tokens=3),
        symmetric=True,
        cached=cached,
    )


def make_batch(n_windows: int = 12) -> Batch:
    signal = torch.randn(n_windows, 2, 100, generator=torch.Generator()).double()
    signal[3, 1, 60:] = torch.nan
    ids = torch.stack([torch.randperm(3)[:2] for _ in range(n_windows)])
    return Batch(
        signal=signal,
        valid=~signal.isnan(),
        channel_ids=ids,
        lengths=torch.full((n_windows,), 100),
        label=torch.full((n_windows,), -1),
        corpus=torch.zeros(n_windows, dtype=torch.int64),
        index=torch.arange(n_windows),
    )


def gradients(task: ContrastiveObjective, batch: Batch, size: int) -> dict[str, torch.Tensor]:
    fabric = launch("cpu", "32")
    task.module.zero_grad()
    with torch.random.fork_rng():
        context = GradientContext(fabric=fabric, model=fabric.setup(task.module), seed=0)
        task.micro_batch = lambda *_: size
        task.gradient(context, batch, 5)
    return {
        name: p.grad.clone() for name, p in task.module.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("size", [12, 5])
def test_the_gradient_is_that_of_plain_differentiation(cached: bool, size: int):
    task, batch = make_task(cached, drop=0.0), make_batch()
    found = gradients(task, batch, size)

    task.module.zero_grad()
    draws = task.perturbation.draws(5, batch.index, batch.channel_ids)
    out = task.module(batch.signal, batch.valid, batch.channel_ids, batch.lengths, draws)
    info_nce(similarity(out, batch.index, 0.2), symmetric=True).backward()
    assert len(found) == len(list(task.module.parameters()))
    for name, parameter in task.module.named_parameters():
        assert torch.allclose(found[name], parameter.grad, rtol=0, atol=1e-9), name


def make_mixed_batch(n_windows: int = 14) -> Batch:
    """Windows of one to three channels and 50 to 100 samples, padded to the largest."""
    generator = torch.Generator().manual_seed(1)
    batch = make_batch(n_windows)
    signal = torch.full((n_windows, 3, 100), torch.nan, dtype=torch.float64)
    ids = torch.full((n_windows, 3), -1)
    lengths = torch.randint(50, 101, (n_windows,), generator=generator)
    for window, length in enumerate(lengths.tolist()):
        n_chans = 1 + window % 3
        noise = torch.randn(n_chans, length, generator=generator, dtype=torch.float64)
        signal[window, :n_chans, :length] = noise
        ids[window, :n_chans] = torch.randperm(3, generator=generator)[:n_chans]
    ids[5] = torch.tensor([2, -1, 0])  # a channel that is absent between two that are there
    return replace(batch, signal=signal, valid=~signal.isnan(), channel_ids=ids, lengths=lengths)


@pytest.mark.parametrize("cached", [False, True])
def test_windows_trimmed_to_their_micro_batch_have_the_gradient_of_the_padded_batch(cached: bool):
    task, batch = make_task(cached, drop=0.0), make_mixed_batch()
    task.module.zero_grad()
    draws = task.perturbation.draws(5, batch.index, batch.channel_ids)
    out = task.module(batch.signal, batch.valid, batch.channel_ids, batch.lengths, draws)
    info_nce(similarity(out, batch.index, 0.2), symmetric=True).backward()
    expected = {name: p.grad.clone() for name, p in task.module.named_parameters()}

    for arranged in (batch, by_size(batch)):
        found = gradients(task, arranged, 4)
        for name, value in expected.items():
            assert torch.allclose(found[name], value, rtol=0, atol=1e-9), name


def test_micro_batches_are_as_large_as_their_own_windows_allow():
    batch = by_size(make_mixed_batch())
    assert sorted(batch.index.tolist()) == list(range(14))
    parts = split_inputs(batch, lambda c, t: max(1, 400 // (c * t)), torch.device("cpu"))
    assert sum(len(part[0]) for part in parts) == 14
    for signal, valid, ids, lengths in parts:
        assert signal.shape == valid.shape
        assert signal.shape[1:] == (ids.shape[1], int(lengths.max()))
        assert (ids[:, -1] >= 0).any()
        assert len(signal) == 1 or signal.numel() <= 400
    assert len(parts) < 14  # padded to 3 channels x 100 samples, each would go alone


def test_cached_gradients_see_the_dropout_of_the_plain_ones():
    batch = make_batch()
    plain = gradients(make_task(False, drop=0.3), batch, 5)
    cached = gradients(make_task(True, drop=0.3), batch, 5)
    assert all(torch.allclose(plain[n], cached[n], rtol=0, atol=1e-9) for n in plain)
    without = gradients(make_task(False, drop=0.0), batch, 5)
    assert not torch.allclose(plain["predictor.0.weight"], without["predictor.0.weight"])
