"""The training loop: epochs of steps under one learning-rate cycle, the best weights kept."""

# B windows of a batch, C channels, T samples, K classes

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.errors import ConfigError, CorpusError, require
from biot.training.config import Device, FinetuneConfig, Precision
from biot.training.metrics import confusion_counts, count_scores
from biot.training.steps import (
    WindowBatch,
    backward_in_parts,
    learning_rate_at,
    predict_logits,
)

__all__ = ["EpochRecord", "Passes", "fit", "launch"]


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


@dataclass(frozen=True, kw_only=True)
class Passes:
    """The windows of a run, batch by batch."""

    train: Callable[[int], Iterable[WindowBatch]]
    """Batches of the epoch that is given, in an order of its own; usable and labelled windows."""
    valid: Callable[[], Iterable[WindowBatch]]
    """Labelled windows; those without usable data do not count."""
    n_steps: int
    """Training batches an epoch."""


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
    # Fabric announces the precision on stderr; the caller chose it and knows.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    accelerator = "cuda" if has_gpu and device != "cpu" else "cpu"
    names = {"32": "32-true", "bf16": "bf16-mixed"}
    fabric = fabric_module.Fabric(accelerator=accelerator, devices=1, precision=names[precision])
    fabric.launch()
    return fabric


def fit(
    fabric: Any,
    model: nn.Module,
    passes: Passes,
    *,
    weights_K: Tensor,
    part_size: int,
    config: FinetuneConfig,
    progress: bool = False,
) -> tuple[list[EpochRecord], int]:
    """Train a model; it ends with the weights of its best epoch.

    Parameters
    ----------
    fabric
        From :func:`launch`; the model is moved to its device.
    model
        What to train, (B, C, T) → (B, K).
    passes
        Training and validation windows.
    weights_K
        (K,) weight of each class in the loss.
    part_size
        Windows that go through the model at once.
    config
        Epochs, patience, learning rate, weight decay and clipping.
    progress
        Show a bar with loss and validation score on stderr.

    Returns
    -------
    tuple
        One record an epoch, and the epoch whose weights were kept.

    Raises
    ------
    ConfigError
        If the loss or its gradient is no longer finite.
    """
    from tqdm import tqdm

    wrapped, optimizer = fabric.setup(model, _optimizer(model, config))
    weights_K = weights_K.to(fabric.device)
    history: list[EpochRecord] = []
    best = _Best()
    n_steps = config.epochs * passes.n_steps
    with tqdm(total=n_steps, unit="step", disable=not progress, dynamic_ncols=True) as bar:
        trainer = _Trainer(fabric, wrapped, optimizer, weights_K, part_size, config, n_steps, bar)
        for epoch in range(1, config.epochs + 1):
            started = time.monotonic()
            train_loss, rate = trainer.run_epoch(epoch, passes)
            valid_loss, score = _validate(wrapped, passes.valid(), weights_K)
            record = EpochRecord(
                epoch=epoch,
                train_loss=train_loss,
                valid_loss=valid_loss,
                valid_balanced_accuracy=score,
                learning_rate=rate,
                seconds=time.monotonic() - started,
            )
            history.append(record)
            best.offer(model, record)
            trainer.show(record, best)
            if epoch - best.epoch >= config.patience:
                break
    model.load_state_dict(best.weights)
    model.eval()
    return history, best.epoch


@dataclass(frozen=True)
class _Trainer:
    fabric: Any
    model: nn.Module
    optimizer: torch.optim.Optimizer
    class_weights: Tensor
    part_size: int
    config: FinetuneConfig
    n_steps: int
    bar: Any

    def run_epoch(self, epoch: int, passes: Passes) -> tuple[float, float]:
        """Mean loss of the training windows, and the last step's learning rate."""
        self.model.train()
        losses, sizes, rate = [], [], 0.0
        for number, batch in enumerate(passes.train(epoch)):
            step = (epoch - 1) * passes.n_steps + number
            rate = learning_rate_at(
                step, self.n_steps, peak=self.config.learning_rate, warmup=self.config.warmup
            )
            losses.append(self._step(batch, rate, f"epoch {epoch}, step {number + 1}"))
            sizes.append(len(batch.label))
            self.bar.update()
        return float(np.average(losses, weights=sizes)), rate

    def _step(self, batch: WindowBatch, rate: float, where: str) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = backward_in_parts(
            self.model,
            batch,
            self.class_weights,
            part_size=self.part_size,
            backward=self.fabric.backward,
        )
        norm = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.config.clip_norm, error_if_nonfinite=False
        )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ConfigError(
                f"Training diverged at {where}: loss {loss:g}, gradient norm {float(norm):g}, "
                f"corpus rows {batch.index.tolist()}. Lower learning_rate "
                f"(now {self.config.learning_rate:g}), or look at these windows."
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def show(self, record: EpochRecord, best: _Best) -> None:
        self.bar.set_postfix_str(
            f"epoch {record.epoch}/{self.config.epochs}, loss {record.train_loss:.3f}, "
            f"valid {record.valid_balanced_accuracy:.3f}, best {best.rank[0]:.3f}"
        )


class _Best:
    """The weights with the best validation score so far; a tie goes to the lower loss."""

    def __init__(self) -> None:
        self.rank = (-math.inf, -math.inf)
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def offer(self, model: nn.Module, record: EpochRecord) -> None:
        rank = (record.valid_balanced_accuracy, -record.valid_loss)
        if rank > self.rank:
            self.rank, self.epoch = rank, record.epoch
            self.weights = {name: value.clone() for name, value in model.state_dict().items()}


def _optimizer(model: nn.Module, config: FinetuneConfig) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices only, not on biases and norms."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _validate(
    model: nn.Module, batches: Iterable[WindowBatch], weights_K: Tensor
) -> tuple[float, float]:
    """Weighted loss and balanced accuracy of the windows with usable data."""
    logits, labels, _ = predict_logits(model, batches, weights_K.device)
    usable = np.isfinite(logits).all(axis=1)
    if not usable.any():
        raise CorpusError(f"None of the {len(labels)} validation windows has usable data.")
    logits, labels = logits[usable], labels[usable]
    summed = F.cross_entropy(
        torch.from_numpy(logits),
        torch.from_numpy(labels),
        weight=weights_K.double().cpu(),
        reduction="sum",
    )
    counts = confusion_counts(labels, logits.argmax(axis=1), logits.shape[1])
    return float(summed) / len(labels), float(count_scores(counts)["balanced_accuracy"])
