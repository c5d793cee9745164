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
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from biot.errors import ConfigError, CorpusError
from biot.evaluation.tasks import Task
from biot.training.datasets import WindowBatch
from biot.training.finetuning.config import FinetuneConfig
from biot.training.gradients import backward_in_parts
from biot.training.optim import learning_rate_at, parameter_groups
from biot.training.scoring import predict_logits

__all__ = [
    "EpochRecord",
    "Passes",
    "fit",
]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One line of a run's history."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    valid_loss: float
    valid_score: float
    """Of the metric that decides."""
    learning_rate: float
    """Of the head, at the epoch's last step."""
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


def fit(
    fabric: Any,
    model: nn.Module,
    passes: Passes,
    *,
    task: Task,
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
        What to train, (B, C, T) → (B, K); parameters that ask for no gradient stay as they are.
    passes
        Training and validation windows.
    task
        Loss and scores.
    part_size
        Windows that go through the model at once.
    config
        Epochs, patience, metric, learning rate, weight decay, clipping and running mean.
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

    metric = task.require_metric(config.metric)
    groups = parameter_groups(
        model, weight_decay=config.weight_decay, layer_decay=config.layer_decay
    )
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
    wrapped, optimizer = fabric.setup(model, optimizer)
    kept = wrapped if config.ema == 0 else _running_mean(wrapped, config.ema)
    history: list[EpochRecord] = []
    best = _Best()
    n_steps = config.epochs * passes.n_steps
    with tqdm(total=n_steps, unit="step", disable=not progress, dynamic_ncols=True) as bar:
        trainer = _Trainer(fabric, wrapped, kept, optimizer, task, part_size, config, n_steps, bar)
        for epoch in range(1, config.epochs + 1):
            started = time.monotonic()
            train_loss, rate = trainer.run_epoch(epoch, passes)
            valid_loss, score = _validate(kept, passes.valid(), task, metric, fabric.device)
            record = EpochRecord(
                epoch=epoch,
                train_loss=train_loss,
                valid_loss=valid_loss,
                valid_score=score,
                learning_rate=rate,
                seconds=time.monotonic() - started,
            )
            history.append(record)
            best.offer(_plain_weights(kept, model), record, task.rank(metric, score))
            trainer.show(record, metric, history[best.epoch - 1])
            if epoch - best.epoch >= config.patience:
                break
    model.load_state_dict(best.weights)
    model.eval()
    return history, best.epoch


def _running_mean(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model that follows it; in the first steps faster, so that it forgets them."""

    def follow(mean: Tensor, now: Tensor, n_steps: Tensor | int) -> Tensor:
        n = int(n_steps)
        return torch.lerp(now, mean, min(decay, (1 + n) / (10 + n)))

    return AveragedModel(model, avg_fn=follow)


def _plain_weights(kept: nn.Module, model: nn.Module) -> dict[str, Tensor]:
    """The state of what is kept, under the names of the plain model."""
    if not isinstance(kept, AveragedModel):
        return model.state_dict()
    return dict(kept.module.state_dict())


@dataclass(frozen=True)
class _Trainer:
    fabric: Any
    model: nn.Module
    kept: nn.Module
    optimizer: torch.optim.Optimizer
    task: Task
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
            group["lr"] = rate * group["scale"]
        loss = backward_in_parts(
            self.model,
            batch,
            self.task,
            part_size=self.part_size,
            backward=self.fabric.backward,
            device=self.fabric.device,
        )
        norm = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.config.clip_norm, error_if_nonfinite=False
        )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ConfigError(
                f"Training diverged at {where}: loss {loss:g}, gradient norm {float(norm):g}, "
                f"windows {self._suspects(batch)}. Lower learning_rate "
                f"(now {self.config.learning_rate:g}), or look at these windows."
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        if isinstance(self.kept, AveragedModel):
            self.kept.update_parameters(self.model)
        return loss

    def _suspects(self, batch: WindowBatch) -> list[int]:
        """Numbers of the windows whose outputs are not finite, or of all where none stands out."""
        outputs, _, index = predict_logits(self.model, [batch], self.fabric.device)
        bad = ~np.isfinite(outputs).all(axis=1)
        numbers: list[int] = (index[bad] if bad.any() else index).tolist()
        return numbers

    def show(self, record: EpochRecord, metric: str, best: EpochRecord) -> None:
        line = (
            f"epoch {record.epoch}/{self.config.epochs}, loss {record.train_loss:.3f}, "
            f"valid {metric} {record.valid_score:.3f}, best {best.valid_score:.3f}"
        )
        self.bar.set_postfix_str(line)
        _LOGGER.info("%s", line)


class _Best:
    """The weights with the best validation score so far; a tie goes to the lower loss."""

    def __init__(self) -> None:
        self.rank = (-math.inf, -math.inf)
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def offer(self, weights: dict[str, Tensor], record: EpochRecord, height: float) -> None:
        rank = (height, -record.valid_loss)
        if rank > self.rank:
            self.rank, self.epoch = rank, record.epoch
            self.weights = {name: value.clone() for name, value in weights.items()}


def _validate(
    model: nn.Module, batches: Iterable[WindowBatch], task: Task, metric: str, device: torch.device
) -> tuple[float, float]:
    """Loss and score of the windows with usable data."""
    outputs, truth, _ = predict_logits(model, batches, device)
    usable = np.isfinite(outputs).all(axis=1)
    if not usable.any():
        raise CorpusError(f"None of the {len(truth)} validation windows has usable data.")
    outputs, truth = outputs[usable], truth[usable]
    loss = float(task.losses(torch.from_numpy(outputs), torch.from_numpy(truth)).mean())
    if metric == "loss":
        return loss, loss
    predicted = task.predicted(outputs)
    return loss, task.scores(truth, predicted, task.decided(predicted))[metric]
