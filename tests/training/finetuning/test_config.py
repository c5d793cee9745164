"""Wrong values are refused with the value, and what would be right."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from biot.errors import ConfigError
from biot.training import FinetuneConfig, PretrainConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split": "window"}, r"must be one of subject, recording, time, column; got 'window'"),
        ({"class_weights": "sqrt"}, r"must be one of balanced, sampled, none; got 'sqrt'"),
        ({"device": "gpu"}, r"device must be one of auto, cpu, cuda; got 'gpu'"),
        ({"precision": "16"}, r"precision must be one of 32, bf16; got '16'"),
        ({"epochs": 0}, r"epochs must be 1 or more, got 0"),
        ({"micro_batch_size": 0}, r"micro_batch_size must be 1 or more, got 0"),
        ({"learning_rate": 0.0}, r"learning_rate must be above 0, got 0\.0"),
        ({"learning_rate": float("nan")}, r"learning_rate must be above 0, got nan"),
        ({"weight_decay": -1.0}, r"weight_decay must be 0 or more, got -1\.0"),
        ({"drop_prob": 1.0}, r"drop_prob must be 0 or more and below 1, got 1\.0"),
        ({"valid_share": 0.5, "test_share": 0.5}, r"leave windows for training, got 0\.5 and 0\.5"),
        ({"seed": -1}, r"seed must be 0 or more, got -1"),
        ({"epochs": 2.5}, r"epochs must be a whole number, 1 or more, got 2\.5"),
        ({"learning_rate": "fast"}, r"learning_rate must be a number, above 0, got 'fast'"),
        ({"clip_norm": float("inf")}, r"clip_norm must be finite, got inf"),
        ({"mode": "head", "drop_prob": 0.1}, r"mode 'head' .* drop_prob cannot be had with it"),
    ],
)
def test_a_value_out_of_range_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        FinetuneConfig(**values)


@pytest.mark.parametrize(("kind", "name"), [(FinetuneConfig, "epochs"), (PretrainConfig, "steps")])
def test_numbers_of_numpy_are_taken_and_can_be_written(kind, name):
    given = {name: np.int64(3), "seed": np.uint8(4), "learning_rate": np.float32(0.5)}
    made = kind(**given)
    assert made == kind(**{name: 3, "seed": 4, "learning_rate": 0.5})
    assert json.loads(json.dumps(asdict(made))) == asdict(made)
