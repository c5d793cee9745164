"""Wrong values are refused with the value, and what would be right."""

from __future__ import annotations

import pytest

from biot.errors import ConfigError
from biot.training import FinetuneConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split": "window"}, r"split must be one of subject, recording, time; got 'window'"),
        ({"class_weights": "sqrt"}, r"must be one of balanced, sampled, none; got 'sqrt'"),
        ({"device": "gpu"}, r"device must be one of auto, cpu, cuda; got 'gpu'"),
        ({"precision": "16"}, r"precision must be one of 32, bf16; got '16'"),
        ({"epochs": 0}, r"epochs must be at least 1, got 0"),
        ({"micro_batch_size": 0}, r"micro_batch_size must be at least 1, got 0"),
        ({"learning_rate": 0.0}, r"learning_rate must be above 0, got 0\.0"),
        ({"learning_rate": float("nan")}, r"learning_rate must be above 0, got nan"),
        ({"weight_decay": -1.0}, r"weight_decay must be 0 or more, got -1\.0"),
        ({"drop_prob": 1.0}, r"drop_prob must lie in 0 to below 1, got 1\.0"),
        ({"valid_share": 0.5, "test_share": 0.5}, r"leave windows for training, got 0\.5 and 0\.5"),
        ({"seed": -1}, r"seed must be 0 or more, got -1"),
    ],
)
def test_a_value_out_of_range_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        FinetuneConfig(**values)
