"""The gradient of a batch, the scores of many, and the learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from biot.evaluation.tasks import Classes
from biot.model import BIOT
from biot.training.distributed import launch
from biot.training.finetuning.objective import Dataloaders, FinetuneObjective
from biot.training.gradients import GradientContext
from biot.training.optim import learning_rate_at, parameter_groups, running_mean
from biot.training.scoring import predict_logits


@dataclass
class FakeBatch:
    signal: torch.Tensor
    label: torch.Tensor
    index: torch.Tensor


def make_batch(n_windows: int, dtype: torch.dtype = torch.float32) -> FakeBatch:
    generator = torch.Generator().manual_seed(0)
    return FakeBatch(
        signal=torch.randn(n_windows, 2, 60, generator=generator, dtype=dtype),
        label=torch.randint(0, 3, (n_windows,), generator=generator),
        index=torch.arange(n_windows),
    )


def make_model(**settings) -> BIOT:
    torch.manual_seed(0)
    return BIOT(embed_dim=8, num_heads=2, num_layers=1, sfreq=20, hop_length=10, n_outputs=3,
                n_chans=2, n_times=60, **settings)  # fmt: skip


def test_micro_batches_add_up_to_the_gradient_of_the_whole_batch():
    batch = make_batch(10, torch.float64)
    weights = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    task, gradients = Classes(names=("a", "b", "c"), weights=(0.5, 1.0, 2.0)), []
    for part_size in (10, 3):
        model = make_model(drop_prob=0.0, att_layer_drop_prob=0.0).double()
        objective = FinetuneObjective(
            module=model, task=task, metric="loss", part_size=part_size, n_epochs=1,
            loaders=Dataloaders(train=lambda *_: [batch], valid=lambda: [batch], n_steps=1),
        )  # fmt: skip
        fabric = launch("cpu", "32")
        context = GradientContext(fabric=fabric, model=fabric.setup_module(model), seed=0)
        loss = float(objective.gradient(context, batch, 0).loss)
        gradients.append([parameter.grad for parameter in model.parameters()])
        with torch.no_grad():
            nll = F.cross_entropy(model(batch.signal), batch.label, reduction="none")
        assert loss == pytest.approx(float((weights[batch.label] * nll).sum() / 10), rel=1e-12)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-10, atol=1e-14)


def test_prediction_uses_no_dropout_and_leaves_the_mode_alone():
    model, batch = make_model(), make_batch(4)
    model.train()
    logits, labels, rows = predict_logits(model, [batch, batch], torch.device("cpu"))
    assert model.training
    assert logits.dtype == np.float64
    np.testing.assert_array_equal(logits[:4], logits[4:])
    assert labels.tolist() == batch.label.tolist() * 2
    assert rows.tolist() == [0, 1, 2, 3] * 2


def test_a_window_without_usable_data_has_logits_of_nan_and_harms_no_other():
    model, batch = make_model(), make_batch(4)
    clean, _, _ = predict_logits(model, [batch], torch.device("cpu"))
    batch.signal[1] = torch.nan
    logits, _, _ = predict_logits(model, [batch], torch.device("cpu"))
    assert np.isnan(logits[1]).all()
    np.testing.assert_allclose(logits[[0, 2, 3]], clean[[0, 2, 3]], rtol=1e-6)


def test_the_learning_rate_climbs_to_its_peak_and_falls_to_almost_nothing():
    rates = [learning_rate_at(step, 100, peak=1e-3, warmup=0.2) for step in range(100)]
    assert rates[0] == pytest.approx(1e-3 / 25)
    assert rates[20] == max(rates) == 1e-3
    assert rates[-1] == pytest.approx(1e-7)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)


@given(n_steps=st.integers(1, 50), warmup=st.floats(0, 0.99))
def test_the_learning_rate_stays_between_zero_and_the_peak(n_steps, warmup):
    for step in range(n_steps):
        assert 0 < learning_rate_at(step, n_steps, peak=0.1, warmup=warmup) <= 0.1 * (1 + 1e-9)


def test_lower_layers_learn_slower_and_only_matrices_decay():
    torch.manual_seed(0)
    model = BIOT(embed_dim=8, num_heads=2, num_layers=2, sfreq=20, hop_length=10, n_outputs=3,
                 n_chans=2, n_times=60)  # fmt: skip
    model.encoder.transformer.layers.layers[0][0].fn.to_q.weight.requires_grad_(False)
    groups = parameter_groups(model, weight_decay=0.1, layer_decay=0.5)
    found = {id(p): (g["scale"], g["weight_decay"]) for g in groups for p in g["params"]}
    expected = {
        "final_layer.classification_head.weight": (1.0, 0.1),
        "final_layer.classification_head.bias": (1.0, 0.0),
        "encoder.transformer.layers.layers.1.0.fn.to_k.weight": (0.5, 0.1),
        "encoder.transformer.layers.layers.0.0.norm.weight": (0.25, 0.0),
        "encoder.channel_tokens.weight": (0.125, 0.1),
        "encoder.patch_embedding.projection.bias": (0.125, 0.0),
    }
    for name, wanted in expected.items():
        assert found[id(model.get_parameter(name))] == wanted, name
    assert len(found) == len(list(model.parameters())) - 1


def test_the_running_mean_soon_forgets_the_first_weights():
    layer = torch.nn.Linear(1, 1, bias=False).double().requires_grad_(False)
    mean = running_mean(layer, 0.99)
    for weight in range(1, 51):
        layer.weight.fill_(weight)
        mean.update_parameters(layer)
    # Independently: the share of each weight is what later steps keep of it.
    kept = [min(0.99, (1 + n) / (10 + n)) for n in range(1, 50)]
    shares = [(1 - ([0.0, *kept][k])) * math.prod(kept[k:]) for k in range(50)]
    expected = sum(share * weight for share, weight in zip(shares, range(1, 51), strict=True))
    assert sum(shares) == pytest.approx(1)
    assert float(mean.module.weight) == pytest.approx(expected, rel=1e-12)
    assert round(expected, 1) == 45.0
