"""Fine-tuning as the trainer takes it: batches of labelled windows, their loss, an epoch's line."""

# B windows of a batch, K outputs
from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biot.errors import CorpusError, StoppedError, counted
from biot.evaluation.metrics import Floats
from biot.evaluation.tasks import Task
from biot.training.checkpoint import Checkpoints
from biot.training.datasets import MixedBatch, WindowBatch
from biot.training.finetuning.config import FinetuneConfig
from biot.training.gradients import GradientContext, Inputs, StepResult, forward, separable_backward
from biot.training.history import History
from biot.training.scoring import predict_logits
from biot.training.trainer import Schedule, StepFacts, Trainer, Validation

__all__ = ["Dataloaders", "EpochRecord", "FinetuneObjective", "RunFiles", "fit"]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One line of a run's history."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    valid_loss: float = math.nan
    """NaN where nothing validates."""
    valid_score: float = math.nan
    """Of the metric that decides."""
    learning_rate: float
    """Of the head, at the epoch's last step."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Dataloaders:
    """The windows of a run, batch by batch."""

    train: Callable[[int, int], Iterable[WindowBatch]]
    """Batches of an epoch (counted from 1), from one of them on (counted from 0), in an order
    of the epoch's own; usable and labelled windows."""
    valid: Callable[[], Iterable[WindowBatch]] | None
    """Labelled windows; those without usable data do not count. None: nothing validates."""
    n_steps: int
    """Training batches an epoch."""
    describe: Callable[[int], str] = "window {}".format
    """Names a training window, for messages."""
    valid_weight: Floats | None = None
    """(W,) how much each validation window counts; None: all alike."""


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """Where a run keeps what it needs to go on."""

    folder: Path
    """Of the run; it exists."""
    identity: str
    """What tells the run from others."""
    refit: bool = False
    """Whether it is the second training of the run, on all windows; it has files of its own."""

    @property
    def checkpoints(self) -> Checkpoints:
        """Of this training."""
        folder = self.folder / "checkpoints"
        if self.refit:
            return Checkpoints(folder / "refit", f"{self.identity} refit")
        return Checkpoints(folder, self.identity)

    @property
    def history(self) -> Path:
        """The table of its epochs."""
        return self.folder / ("refit_history.csv" if self.refit else "history.csv")

    @property
    def tensorboard(self) -> Path:
        """The folder of what TensorBoard shows."""
        folder = self.folder / "tensorboard"
        return folder / "refit" if self.refit else folder


class _Epochs:
    """Batches of one epoch after the other, from a step on: the step alone is the place."""

    def __init__(self, loaders: Dataloaders, first_step: int) -> None:
        self._loaders = loaders
        self._first = first_step

    def __iter__(self) -> Iterator[WindowBatch]:
        epoch, done = divmod(self._first, self._loaders.n_steps)
        for number in itertools.count(epoch + 1):
            yield from self._loaders.train(number, done)
            done = 0

    def state_dict(self) -> Mapping[str, Any]:
        """Nothing: the trainer knows the step."""
        return {}

    def close(self) -> None:
        """Nothing is fetched ahead."""


@dataclass(kw_only=True)
class FinetuneObjective:
    """The loss of a task on labelled windows."""

    module: nn.Module
    """(B, C, T) → (B, K); parameters that ask for no gradient stay as they are."""
    task: Task
    metric: str
    part_size: int
    """Windows that go through the model at once."""
    loaders: Dataloaders
    n_epochs: int
    calibrated: bool = True
    """Whether scores are those of corrected probabilities."""
    best: float = field(default=float("nan"), init=False)
    """Best score so far, for the progress bar."""

    def prepared(self, batch: WindowBatch, device: torch.device) -> WindowBatch:
        """As it is: micro-batches go to the device one at a time."""
        return batch

    def gradient(self, context: GradientContext, batch: WindowBatch, step: int) -> StepResult:
        """Add a batch's gradient; each process takes its share of the windows.

        The loss is the sum over the batch divided by its windows, so that micro-batches and
        processes add up to the gradient of the whole batch.
        """
        device, n_windows = context.fabric.device, len(batch.label)
        first, last, counts = _share(
            n_windows, context.fabric.global_rank, context.fabric.world_size
        )
        parts = [
            slice(start, min(start + self.part_size, last))
            for start in range(first, last, self.part_size)
        ]

        def loss_of(outputs: Tensor, part: int) -> Tensor:
            losses = _losses(outputs, batch, self.task, device, parts[part])
            return losses.sum() / n_windows if counts else losses.sum() * 0.0

        inputs: list[Inputs] = [_called(batch, device, rows) for rows in parts]
        loss, outputs = separable_backward(context, inputs, loss_of, step)
        index = batch.index[first:last].to(device)
        return StepResult(loss=loss, features=outputs, index=index, n_windows=n_windows)

    def validate(self, model: nn.Module, device: torch.device) -> Validation:
        """Loss and score of the validation windows with usable data."""
        assert self.loaders.valid is not None  # the schedule validates with windows only
        outputs, truth, _ = predict_logits(model, self.loaders.valid(), device)
        usable = np.isfinite(outputs).all(axis=1)
        if not usable.any():
            raise CorpusError(
                f"None of the {counted(len(truth), 'validation window')} has usable data."
            )
        outputs, truth = outputs[usable], truth[usable]
        given = self.loaders.valid_weight
        weight = None if given is None else given[usable]
        losses = self.task.losses(torch.from_numpy(outputs), torch.from_numpy(truth)).numpy()
        loss = float(np.average(losses, weights=weight))
        score = loss
        if self.metric != "loss":
            score = self.task.validation_score(
                self.metric, outputs, truth, calibrated=self.calibrated, weight=weight
            )
        return Validation(
            loss=loss, score=float(score), rank=float(self.task.rank(self.metric, score))
        )

    def line(self, facts: StepFacts) -> Mapping[str, float]:
        """The record of an epoch, by the names of :class:`EpochRecord`."""
        found = facts.validation
        self.best = facts.best_score
        record = {
            "epoch": facts.step // self.loaders.n_steps,
            "train_loss": facts.mean_loss,
            "learning_rate": facts.learning_rate,
            "seconds": facts.seconds,
        }
        if found is not None:
            record |= {"valid_loss": found.loss, "valid_score": found.score}
            record |= {} if self.metric == "loss" else {f"valid_{self.metric}": found.score}
        _LOGGER.info("%s", self.summary(record))
        return record

    def summary(self, line: Mapping[str, float]) -> str:
        """Loss and scores of the latest epoch."""
        told = f"epoch {line['epoch']}/{self.n_epochs}, loss {line['train_loss']:.3f}"
        if "valid_score" not in line:
            return told
        return f"{told}, valid {self.metric} {line['valid_score']:.3f}, best {self.best:.3f}"


def _share(n_windows: int, rank: int, world_size: int) -> tuple[int, int, bool]:
    """First and last row of a process, and whether they count.

    A process without a row of its own goes through the first one for nothing: all must take
    part in summing up the gradient.
    """
    first, last = n_windows * rank // world_size, n_windows * (rank + 1) // world_size
    return (first, last, True) if last > first else (0, 1, False)


def _called(batch: WindowBatch, device: torch.device, rows: slice) -> Callable[[Any], Tensor]:
    return lambda model: forward(model, batch, device, rows)


def _losses(
    outputs: Tensor, batch: WindowBatch, task: Task, device: torch.device, rows: slice
) -> Tensor:
    losses = _weighted(task.losses(outputs, batch.label[rows].to(device)), batch, "weight", rows)
    if isinstance(batch, MixedBatch) and batch.partner_label is not None:
        assert batch.share is not None
        share = batch.share[rows].to(device, losses.dtype)
        others = task.losses(outputs, batch.partner_label[rows].to(device))
        others = _weighted(others, batch, "partner_weight", rows)
        losses = share * losses + (1 - share) * others
    return losses


def _weighted(losses: Tensor, batch: WindowBatch, name: str, rows: slice) -> Tensor:
    weight: Tensor | None = getattr(batch, name, None)
    return losses if weight is None else losses * weight[rows].to(losses)


def fit(
    fabric: Any,
    model: nn.Module,
    loaders: Dataloaders,
    *,
    task: Task,
    part_size: int,
    config: FinetuneConfig,
    files: RunFiles | None = None,
    progress: bool = False,
) -> tuple[list[EpochRecord], int | None]:
    """Train a model; it ends with the weights of its best epoch, or the last without validation.

    Parameters
    ----------
    fabric
        From :func:`biot.training.distributed.launch`; the model is moved to its device.
    model
        What to train, (B, C, T) → (B, K); parameters that ask for no gradient stay as they are.
    loaders
        Training and validation windows.
    task
        Loss and scores.
    part_size
        Windows that go through the model at once.
    config
        Epochs, patience, metric, learning rate, weight decay, clipping and running mean.
    files
        Where to keep history and checkpoints, and from where to go on; None: nowhere.
    progress
        Show a bar with loss and validation score on stderr.

    Returns
    -------
    tuple
        One record an epoch, and the epoch whose weights validation chose; None: nothing validates.

    Raises
    ------
    ConfigError
        If the loss or its gradient is no longer finite.
    StoppedError
        If SIGTERM or SIGUSR1 came; a checkpoint has been written.
    """
    metric = task.require_metric(config.metric)
    objective = FinetuneObjective(
        module=model, task=task, metric=metric, part_size=part_size, loaders=loaders,
        n_epochs=config.epochs, calibrated=config.calibration,
    )  # fmt: skip
    names = [one.name for one in fields(EpochRecord)]
    if loaders.valid is None:
        names = [name for name in names if not name.startswith("valid_")]
    columns = [f"valid_{metric}" if name == "valid_score" else name for name in names]
    board = files.tensorboard if files and config.tensorboard else None
    table = files.history if files else None
    trainer = Trainer(
        fabric=fabric,
        objective=objective,
        schedule=_schedule(config, loaders.n_steps, validates=loaders.valid is not None),
        history=History(table, tuple(dict.fromkeys(columns)), tensorboard=board),
        checkpoints=files.checkpoints if files else None,
        describe=loaders.describe,
        progress=progress and bool(fabric.is_global_zero),
    )
    if not trainer.run(lambda _: _Epochs(loaders, trainer.step)):
        raise StoppedError(
            f"Stopped at step {trainer.step} of at most {trainer.schedule.steps}, after a "
            "checkpoint. The same call goes on from there."
        )
    model.load_state_dict(dict(trainer.final_weights()))
    model.eval()
    rows = fabric.broadcast(trainer.history.rows)
    records = [EpochRecord(**{name: row[name] for name in names}) for row in rows]
    best = trainer.best_step
    return records, None if best is None else best // loaders.n_steps


def _schedule(config: FinetuneConfig, n_steps: int, *, validates: bool) -> Schedule:
    """Steps of an epoch make the distance of validations and lines."""
    return Schedule(
        steps=config.epochs * n_steps,
        learning_rate=config.learning_rate,
        warmup=config.warmup,
        weight_decay=config.weight_decay,
        layer_decay=config.layer_decay,
        clip_norm=config.clip_norm,
        seed=config.seed,
        ema=config.ema,
        log_every=n_steps,
        valid_every=n_steps if validates else None,
        patience=config.patience if validates else None,
        checkpoint_every=config.checkpoint_every,
        compile=config.compile,
    )
