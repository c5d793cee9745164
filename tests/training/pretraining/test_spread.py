"""SIGReg against the closed form of its statistic, and what it does to features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from biot.training.pretraining.spread import directions, epps_pulley, sigreg


def closed_form(values: np.ndarray) -> float:
    """The statistic with its integral over all of the line, worked out.

    n ∫ |φ(t) − exp(−t²/2)|² exp(−t²/2) dt, where ∫ cos(t d) exp(−a t²/2) dt is
    √(2π / a) exp(−d² / (2 a)).
    """
    n = len(values)
    apart = values[:, None] - values[None, :]
    pairs = np.sqrt(2 * np.pi) * np.exp(-(apart**2) / 2).sum() / n**2
    mixed = 2 * np.sqrt(2 * np.pi / 2) * np.exp(-(values**2) / 4).mean()
    alone = np.sqrt(2 * np.pi / 3)
    return float(n * (pairs - mixed + alone))


@pytest.mark.parametrize("change", [lambda x: x, lambda x: 0.1 * x, lambda x: x**2 - 2])
def test_the_statistic_is_its_closed_form(change):
    values = change(np.random.default_rng(0).normal(size=50))
    found = epps_pulley(torch.from_numpy(values).unsqueeze(1))
    assert float(found) == pytest.approx(closed_form(values), rel=2e-3)


def test_normal_features_have_a_small_statistic_and_collapsed_ones_a_large_one():
    ways = directions(0, 1, 16)
    assert torch.allclose(ways.norm(dim=0), torch.ones(ways.shape[1], dtype=torch.float64))
    normal = torch.randn(128, 16, generator=torch.Generator().manual_seed(0))
    assert 0.3 < float(sigreg(normal, ways)) < 2.5
    zeros = float(sigreg(torch.zeros(128, 16), ways))
    # n ∫ (1 − exp(−t²/2))² exp(−t²/2) dt
    expected = np.sqrt(2 * np.pi) - 2 * np.sqrt(np.pi) + np.sqrt(2 * np.pi / 3)
    assert zeros == pytest.approx(128 * expected, rel=1e-3)
    line = normal[:, :1] * torch.ones(1, 16)
    assert float(sigreg(line, ways)) > 5 * float(sigreg(normal, ways))


def test_it_spreads_collapsed_features():
    torch.manual_seed(0)
    features = (torch.ones(64, 8) + 0.1 * torch.randn(64, 8)).requires_grad_()
    optimizer = torch.optim.Adam([features], lr=0.05)
    for step in range(200):
        optimizer.zero_grad()
        sigreg(features, directions(0, step, 8)).backward()
        optimizer.step()
    covariance = torch.cov(features.detach().T)
    assert float((covariance - torch.eye(8)).abs().max()) < 0.35
    assert float(features.detach().mean(dim=0).abs().max()) < 0.15


def test_directions_follow_from_seed_and_step():
    assert torch.equal(directions(1, 2, 4), directions(1, 2, 4))
    assert not torch.equal(directions(1, 2, 4), directions(1, 3, 4))
    assert not torch.equal(directions(1, 2, 4), directions(2, 2, 4))
