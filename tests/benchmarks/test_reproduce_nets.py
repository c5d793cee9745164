"""The nets that users would take instead: as their papers have them, and able to learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.reproduce.nets import NETS, EEGNet, ShallowFBCSPNet, net_outputs
from benchmarks.reproduce.sets import Problem
from biot.errors import ConfigError


def problem_of(x, y, **about):
    return Problem(
        x=x.astype(np.float32), y=y, subject=np.array(["a"] * len(x)),
        record=np.array(["a"] * len(x)), sfreq=about.pop("sfreq", 64.0),
        ch_names=tuple(f"C{i}" for i in range(x.shape[1])), units=("µV",) * x.shape[1],
        label_names=about.pop("label_names", ("low", "high")), **about,
    )  # fmt: skip


@pytest.fixture
def waves():
    """Windows of a slow or a fast rhythm in noise."""
    generator = np.random.default_rng(0)
    y = np.arange(96) % 2
    time = np.arange(64) / 64
    phase = generator.uniform(0, 6, (96, 3, 1))
    x = np.sin(2 * np.pi * np.where(y, 15, 5)[:, None, None] * time + phase) * 20 + 100
    return problem_of(x + generator.normal(0, 2, x.shape), y)


# Counted by braindecode 1.8.1, whose nets of these sizes have as many.
@pytest.mark.parametrize(
    ("net", "n_parameters"),
    [(EEGNet(22, 256, 128.0, 4), 1972), (ShallowFBCSPNet(22, 1000, 250.0, 4), 46084)],
)
def test_the_nets_have_as_many_parameters_as_braindecode_s(net, n_parameters):
    assert sum(parameter.numel() for parameter in net.parameters()) == n_parameters


def test_the_two_convolutions_of_shallow_net_are_one():
    net = ShallowFBCSPNet(3, 100, 50.0, 2).eval()
    x = torch.randn(4, 3, 100)
    in_time = F.conv2d(x[:, None], net.time.weight[:, :, None], net.time.bias)
    power = net.pool(net.norm(net.space(in_time).squeeze(2)) ** 2)
    torch.testing.assert_close(net(x), net.head(power.clamp_min(1e-6).log().flatten(1)))


@pytest.mark.parametrize(
    ("name", "epochs"), [("eegnet", 20), ("shallow", 15), ("resnet1d", 5), ("fcn", 8)]
)
def test_every_net_learns_rhythms_and_bears_missing_samples(name, epochs, waves):
    waves.x[::7, 1] = np.nan
    chosen = np.arange(96) < 64
    train, test = waves.chosen(chosen), waves.chosen(~chosen)
    outputs = net_outputs(name, train, test, epochs=epochs, seed=0, batch_size=16)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-6)
    assert (outputs.argmax(axis=1) == test.y).mean() > 0.9


def test_a_net_says_the_same_for_the_same_seed(waves):
    once, again, other = (
        net_outputs("shallow", waves, waves, epochs=1, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(once, again)
    assert not np.allclose(once, other)


def test_a_net_learns_tags(waves):
    tags = np.stack([waves.y, 1 - waves.y, np.ones_like(waves.y)], axis=1)
    train = problem_of(waves.x, tags, task="multilabel", label_names=("fast", "slow", "always"))
    outputs = net_outputs("shallow", train, train, epochs=20, seed=0, batch_size=16)
    assert ((outputs[:, :2] > 0.5) == tags[:, :2]).mean() > 0.9


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("shape", [(1, 40, 32.0), (5, 102, 128.0), (2, 640, 32.0)])
def test_every_net_takes_short_and_long_windows(name, shape):
    n_chans, n_times, sfreq = shape
    assert NETS[name](n_chans, n_times, sfreq, 3)(torch.randn(2, n_chans, n_times)).shape == (2, 3)


def test_an_unknown_net_is_named_with_those_that_there_are(waves):
    with pytest.raises(ConfigError, match=r"No net is called 'deep'; there are eegnet, shallow"):
        net_outputs("deep", waves, waves, epochs=1, seed=0)
