"""The masked objective against plain loops and plain differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from biot.corpus.batch import Batch
from biot.model import BIOT
from biot.training.distributed import launch
from biot.training.gradients import GradientContext, by_size
from biot.training.pretraining.hidden import Hiding, hidden_tokens
from biot.training.pretraining.masked import (
    MaskedModel,
    MaskedObjective,
    fit_residual,
    log_residual,
)
from biot.training.pretraining.spread import directions, sigreg


def make_task(*, cached: bool = False, drop: float = 0.0) -> MaskedObjective:
    torch.manual_seed(0)
    model = BIOT(n_outputs=1, n_chans=3, n_times=100, sfreq=50, n_fft=20, hop_length=10,
                 embed_dim=16, num_heads=2, num_layers=2, drop_prob=drop,
                 att_layer_drop_prob=drop)  # fmt: skip
    return MaskedObjective(
        module=MaskedModel(model.encoder, 2, 0.6).double(),
        hiding=Hiding(seed=0, n_channels=3, n_tokens=9),
        spread_weight=0.5,
        spectrum_weight=0.7,
        cached=cached,
    )


def make_batch(n_windows: int = 14) -> Batch:
    """Windows of one to three channels and 50 to 100 samples, some missing, padded."""
    generator = torch.Generator().manual_seed(1)
    signal = torch.full((n_windows, 3, 100), torch.nan, dtype=torch.float64)
    ids = torch.full((n_windows, 3), -1)
    lengths = torch.randint(50, 101, (n_windows,), generator=generator)
    for window, length in enumerate(lengths.tolist()):
        n_chans = 1 + window % 3
        noise = torch.randn(n_chans, length, generator=generator, dtype=torch.float64)
        signal[window, :n_chans, :length] = noise
        ids[window, :n_chans] = torch.randperm(3, generator=generator)[:n_chans]
    ids[5] = torch.tensor([2, -1, 0])
    signal[3, 0, 12:30] = torch.nan
    return Batch(
        signal=signal, valid=~signal.isnan(), channel_ids=ids, lengths=lengths,
        label=torch.full((n_windows,), -1), corpus=torch.zeros(n_windows, dtype=torch.int64),
        index=torch.arange(n_windows),
    )  # fmt: skip


def gradients(task: MaskedObjective, batch: Batch, size: int) -> dict[str, torch.Tensor]:
    fabric = launch("cpu", "32")
    task.module.zero_grad()
    with torch.random.fork_rng():
        context = GradientContext(fabric=fabric, model=fabric.setup(task.module), seed=0)
        task.micro_batch = lambda *_: size
        task.gradient(context, batch, 5)
    return {n: p.grad.clone() for n, p in task.module.named_parameters() if p.grad is not None}


def told_by(task: MaskedObjective, batch: Batch) -> torch.Tensor:
    scores = task.hiding.scores(5, batch.index, batch.channel_ids)
    return task.module(batch.signal, batch.valid, batch.channel_ids, batch.lengths, scores)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("size", [14, 4])
def test_the_gradient_is_that_of_plain_differentiation(cached: bool, size: int):
    task, batch = make_task(cached=cached), make_batch()
    told = told_by(task, batch)
    task.module.zero_grad()
    assert told[:, 34].tolist() == [1.0] * 3 + [0.0] + [1.0] * 10, "window 3 has one token only"
    loss = (told[:, 32] + 0.7 * told[:, 33]).sum() / 13
    (loss + 0.5 * sigreg(told[:, :16], directions(0, 5, 16))).backward()
    expected = {n: p.grad.clone() for n, p in task.module.named_parameters()}
    for arranged in (batch, by_size(batch)):
        found = gradients(task, arranged, size)
        assert set(found) == set(expected), "every weight has a gradient"
        for name, value in expected.items():
            assert torch.allclose(found[name], value, rtol=0, atol=1e-9), name


def test_the_errors_are_those_of_a_plain_loop():
    task, batch = make_task(), make_batch()
    module = task.module.eval()
    module.residual_std.copy_(torch.linspace(0.5, 1.5, 11))
    told = told_by(task, batch).detach()
    encoder = module.encoder
    for window in range(len(batch)):
        x, ids = batch.signal[window : window + 1], batch.channel_ids[window : window + 1]
        present = batch.valid[window : window + 1] & (ids >= 0).unsqueeze(2)
        tokens, mask = encoder.tokens(x, present, ids)
        scores = task.hiding.scores(5, torch.tensor([window]), ids)
        hidden = hidden_tokens(mask, scores, 0.6)
        whole = encoder.encoded(tokens, mask)
        seen = encoder.encoded(tokens, mask & ~hidden)
        assert torch.allclose(told[window, :16], whole[0][mask[0]].mean(dim=0))
        assert torch.allclose(told[window, 16:32], seen[0][(mask & ~hidden)[0]].mean(dim=0))
        predicted = module._predicted(seen, hidden, mask, ids)
        if not hidden.any():
            assert told[window, 32:].tolist() == [0.0, 0.0, 0.0]
            continue
        latents, spectra, logs = [], [], {}
        for c, n in mask[0].nonzero().tolist():
            patch = x[0, c, 10 * n : 10 * n + 20].numpy()
            logs[c, n] = np.abs(np.fft.rfft(patch))
        level = 1e-3 * np.mean(list(logs.values()))
        logs = {place: np.log(values + level) for place, values in logs.items()}
        mean = np.mean(list(logs.values()), axis=0)
        for c, n in hidden[0].nonzero().tolist():
            target = F.layer_norm(whole[0, c, n].float(), (16,))
            latents.append((module.latent(predicted[0, c, n]) - target).square().mean().item())
            residual = torch.from_numpy(logs[c, n] - mean) / module.residual_std
            said = module.residual(predicted[0, c, n])
            spectra.append((said - residual).square().mean().item())
        assert float(told[window, 32]) == pytest.approx(np.mean(latents), rel=1e-6)
        assert float(told[window, 33]) == pytest.approx(np.mean(spectra), rel=1e-9)


def test_what_is_hidden_does_not_reach_its_prediction():
    task, batch = make_task(), make_batch()
    module = task.module.eval()
    scores = task.hiding.scores(5, batch.index, batch.channel_ids)
    present = batch.valid & (batch.channel_ids >= 0).unsqueeze(2)
    tokens, mask = module.encoder.tokens(batch.signal, present, batch.channel_ids)
    hidden = hidden_tokens(mask, scores, 0.6)
    others = torch.where(hidden.unsqueeze(3), torch.randn_like(tokens), tokens)
    said = []
    for given in (tokens, others):
        seen = module.encoder.encoded(given, mask & ~hidden)
        said.append(module._predicted(seen, hidden, mask, batch.channel_ids)[hidden])
    assert torch.allclose(said[0], said[1], rtol=0, atol=1e-12)


def test_the_residual_does_not_know_the_level_nor_the_shape_of_a_window():
    x = torch.randn(2, 3, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 3, 9, dtype=torch.bool)
    found = log_residual(x, mask, 20, 10)
    assert torch.allclose(found.mean(dim=(1, 2)), torch.zeros(2, 11, dtype=torch.float64))
    assert torch.allclose(log_residual(1e4 * x, mask, 20, 10), found)
    assert log_residual(torch.zeros(1, 1, 40), mask[:1, :1, :3], 20, 10).abs().max() == 0


def test_spectra_are_standardised_by_the_training_windows():
    task, batch = make_task(), make_batch(200)
    fit_residual(task.module, [batch])
    present = batch.valid & (batch.channel_ids >= 0).unsqueeze(2)
    mask = present.unfold(-1, 20, 10).all(dim=-1)
    x = torch.where(present, batch.signal, 0.0)
    found = log_residual(x, mask, 20, 10)[mask] / task.module.residual_std
    assert torch.allclose(found.square().mean(dim=0), torch.ones(11, dtype=torch.float64))
