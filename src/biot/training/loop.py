"""The training loop: epochs of steps with one learning-rate cycle, the best weights kept."""

# B windows of a batch, C channels, T samples, K classes

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.errors import ConfigError, require
from biot.training.config import Device, FinetuneConfig, Precision
from biot.training.metrics import confusion_counts, count_scores

__all__ = ["EpochRecord", "WindowBatch", "fit", "launch", "learning_rate_at", "predict_logits"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class WindowBatch(Protocol):
    """What the loop needs of a batch."""

    @property
    def signal(self) -> Tensor:
        """(B, C, T) float32, scaled; NaN where missing."""

    @property
    def label(self) -> Tensor:
        """(B,) int64 classes."""

    @property
    def index(self) -> Tensor:
        """(B,) int64 rows of the corpus."""


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One line of a run's history."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    valid_loss: float
    valid_balanced_accuracy: float
    learning_rate: float
    """At the epoch's last step."""
    seconds: float


def launch(device: Device, precision: Precision) -> Any:
    """A started Lightning Fabric for one device.

    Raises
    ------
    ConfigError
        If a GPU is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ConfigError("device is 'cuda', but PyTorch finds no GPU. Use 'cpu' or 'auto'.")
    fabric_module = require("lightning_fabric", extra="training")
    # Fabric announces its precision on stderr; the caller chose it and knows.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    accelerator = "cuda" if has_gpu and device != "cpu" else "cpu"
    names = {"32": "32-true", "bf16": "bf16-mixed"}
    fabric = fabric_module.Fabric(accelerator=accelerator, devices=1, precision=names[precision])
    fabric.launch()
    return fabric


def learning_rate_at(step: int, n_steps: int, *, peak: float, warmup: float) -> float:
    """One cycle: a cosine climb from peak / 25 to the peak, then a cosine descent to almost 0.

    Parameters
    ----------
    step
        Counted from 0.
    n_steps
        Steps of the whole run.
    peak
        Highest learning rate.
    warmup
        Share of the steps that climb.
    """
    climb = warmup * n_steps
    if step < climb:
        low, high, done = peak / 25, peak, step / climb
    else:
        low, high, done = peak, peak / 10_000, (step - climb) / max(1.0, n_steps - 1 - climb)
    return high + (low - high) * (1 + math.cos(math.pi * min(done, 1.0))) / 2
