"""Turned views of movement sensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from biot.corpus import Corpus
from biot.errors import ConfigError
from biot.training import PretrainConfig, pretrain
from biot.training.pretraining.views import Turning, sensors, turned

NAMES = ("ACC_X", "EEG Cz", "ACC_Z", "ACC_Y", "gyro_x", "gyro_y")


def test_sensors_are_found_by_the_names_of_their_axes():
    assert sensors(NAMES) == [(0, 3, 2)]  # the gyroscope lacks an axis
    assert sensors(("Fz", "Cz", "Pz", "X", "Y", "Z")) == []


def test_a_turn_is_a_rotation_by_the_angles_asked_for():
    rotations = Turning(degrees=10.0, seed=1).draws(4, torch.arange(4000)).double()
    assert torch.allclose(rotations @ rotations.mT, torch.eye(3).double(), atol=1e-6)
    assert torch.allclose(torch.linalg.det(rotations), torch.ones(4000).double(), atol=1e-6)
    vectors = Rotation.from_matrix(rotations.numpy()).as_rotvec(degrees=True)
    np.testing.assert_allclose(vectors.std(axis=0), 10.0, rtol=0.05)
    np.testing.assert_allclose(vectors.mean(axis=0), 0.0, atol=0.6)


def test_draws_follow_from_seed_step_and_window():
    turning = Turning(degrees=10.0, seed=1)
    one = turning.draws(4, torch.tensor([7, 9]))
    assert torch.equal(turning.draws(4, torch.tensor([9]))[0], one[1])
    for other in (Turning(degrees=10.0, seed=2).draws(4, torch.tensor([7])),
                  turning.draws(5, torch.tensor([7])), one[1:]):  # fmt: skip
        assert not torch.allclose(other[0], one[0])


def test_each_sensor_is_turned_where_its_axes_lie_and_nothing_else():
    x = torch.randn(2, 4, 50, dtype=torch.float64)
    ids = torch.tensor([[0, 3, 2, 1], [2, 1, 0, -1]])  # the second window lacks an axis
    rotations = Turning(degrees=30.0, seed=0).draws(0, torch.arange(2))
    result = turned(x, ids, rotations, sensors(NAMES))
    expected = rotations[0].double() @ x[0, :3]  # x, y, z
    assert torch.allclose(result[0, :3], expected)
    assert torch.equal(result[0, 3], x[0, 3])
    assert torch.equal(result[1], x[1])


def test_a_sample_that_one_axis_lacks_is_missing_in_all():
    x = torch.randn(1, 3, 20)
    x[0, 1, 5] = torch.nan
    result = turned(x, torch.tensor([[0, 3, 2]]), torch.eye(3)[None], sensors(NAMES))
    missing = result.isnan()
    assert missing[:, :, 5].all()
    assert missing.sum() == 3


def test_without_sensors_a_rotation_is_refused(wave_corpus: Corpus, tmp_path: Path):
    config = PretrainConfig(steps=1, batch_size=4, embed_dim=8, num_heads=2, rotation=5.0)
    with pytest.raises(ConfigError, match="no three channels are the x, y and z"):
        pretrain([wave_corpus.path], tmp_path / "run", config=config)
