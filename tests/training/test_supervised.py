"""Losses of the supervised objective: against PyTorch's, and stable where those of p are not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from biot.errors import ConfigError
from biot.training.supervised import HeadSpec, focal_bce, focal_cross_entropy


def test_without_gamma_they_are_pytorchs():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    classes = torch.randint(0, 4, (6,), generator=generator)
    tags = torch.randint(0, 2, (6, 4), generator=generator).double()
    expected = F.cross_entropy(scores, classes, reduction="none")
    assert torch.allclose(focal_cross_entropy(scores, classes), expected)
    expected = F.binary_cross_entropy_with_logits(scores, tags, reduction="none").mean(1)
    assert torch.allclose(focal_bce(scores, tags), expected)


def test_with_gamma_they_are_the_formula():
    scores = torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    p = scores.softmax(1)[0, 2]
    found = focal_cross_entropy(scores, torch.tensor([2]), 2.0)
    assert float(found) == pytest.approx(float(-((1 - p) ** 2) * p.log()))
    tags = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    p_true = torch.where(tags > 0, scores.sigmoid(), 1 - scores.sigmoid())
    found = focal_bce(scores, tags, 1.5)
    assert float(found) == pytest.approx(float((-((1 - p_true) ** 1.5) * p_true.log()).mean()))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("size", [0.0, 40.0, 200.0, -200.0])
def test_sure_scores_give_finite_losses_and_gradients(gamma: float, size: float):
    scores = torch.tensor([[size, 0.0]], requires_grad=True)
    loss = focal_cross_entropy(scores, torch.tensor([0]), gamma) + focal_bce(
        scores, torch.tensor([[1.0, 0.0]]), gamma
    )
    loss.sum().backward()
    assert loss.isfinite().all()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    if size < 0:
        assert float(loss.detach()) > 200  # a sure mistake still costs


def test_a_regression_is_refused_with_a_way_out():
    with pytest.raises(ConfigError, match=r"Corpus gait is for regression.*contrastive"):
        HeadSpec(name="gait", task="regression", label_names=("speed",), columns=(0,))
    with pytest.raises(ConfigError, match=r"Corpus c has 1 label names.*needs 2 or more"):
        HeadSpec(name="c", task="classes", label_names=("a",), columns=(0,))
