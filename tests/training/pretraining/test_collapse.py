"""Spread, effective rank and retrieval, against NumPy and by construction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from biot.training.pretraining.collapse import collapse, effective_rank, embedding_std, retrieval


def test_spread_and_rank_agree_with_numpy():
    X = np.random.default_rng(0).normal(size=(40, 6)) * np.arange(1, 7) + 1
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    values = np.linalg.svd(unit - unit.mean(0), compute_uv=False)
    shares = values / values.sum()
    assert embedding_std(torch.tensor(X)) == pytest.approx(unit.std(0).mean() * np.sqrt(6))
    assert effective_rank(torch.tensor(X)) == pytest.approx(
        np.exp(-(shares * np.log(shares)).sum())
    )
    few = torch.tensor(X[:4])  # fewer windows than widths
    assert 1 <= effective_rank(few) <= 3


def test_features_everywhere_are_healthy():
    features = torch.randn(500, 16, generator=torch.Generator().manual_seed(0))
    spread, rank = embedding_std(features), effective_rank(features)
    assert spread == pytest.approx(1, abs=0.05)
    assert rank > 15
    assert collapse(spread, rank) is None


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (torch.ones(50, 8) + 1e-4 * torch.randn(50, 8), "nearly one point"),
        (torch.linspace(-1, 1, 50)[:, None] * torch.arange(1, 9.0), "one direction"),
    ],
)
def test_a_collapse_is_told(features: torch.Tensor, message: str):
    assert message in str(collapse(embedding_std(features), effective_rank(features)))


def test_equal_features_have_rank_one():
    assert effective_rank(torch.ones(5, 3)) == 1.0


def test_retrieval_is_the_share_of_rows_that_find_their_own():
    logits = torch.tensor([[2.0, 1, 0], [5, 1, 0], [0, 1, 3]])
    assert retrieval(logits) == pytest.approx(2 / 3)
