"""The loop of steps: trains, measures, keeps checkpoints, and resumes exactly where it was."""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from biot.corpus.batch import Batch
from biot.errors import CheckpointError, ConfigError
from biot.training.checkpoint import Checkpoints
from biot.training.distributed import load_states, whole_states
from biot.training.gradients import Machine, Outcome, Sizer, by_size
from biot.training.history import History, StepRecord
from biot.training.optim import learning_rate_at
from biot.training.pretraining.collapse import collapse, effective_rank, embedding_std
from biot.training.pretraining.config import PretrainConfig

__all__ = [
    "Loop",
    "Task",
]


class Task(Protocol):
    """What the loop minimises."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained."""

    def gradient(self, machine: Machine, batch: Batch, step: int, size: Sizer) -> Outcome:
        """Add a batch's gradient, in micro-batches as large as `size` says."""


class Source(Protocol):
    """Where the batches come from: an endless iterator that knows its place."""

    def __iter__(self) -> Iterator[Batch]: ...

    def state_dict(self) -> Mapping[str, Any]:
        """The place after the last batch that was handed out."""

    def close(self) -> None:
        """Stop fetching."""


@dataclass(kw_only=True)
class Loop:
    """Runs a task to its last step, or to a SIGTERM.

    Each step is a function of the weights, the optimiser's state, the step's number and the
    batch: dropout and perturbations are drawn from (seed, step) and the learning rate follows
    from the step. So a checkpoint needs no more random state than these, and a run that was
    killed ends, on a CPU, with the same bits as one that was not.
    """

    fabric: Any
    """Started, from :func:`biot.training.distributed.start`."""
    task: Task
    config: PretrainConfig
    checkpoints: Checkpoints
    history: History
    micro_batch: Sizer
    """Windows that go through the model at once."""
    describe: Callable[[int], str]
    """Recording and place of a window, for messages."""
    progress: bool = False
    """Show a bar on stderr."""

    step: int = 0
    """Steps done."""

    def run(self, open_source: Callable[[Mapping[str, Any] | None], Source]) -> bool:
        """Train; returns whether the last step was reached (else a SIGTERM came).

        Parameters
        ----------
        open_source
            Gives the batches, from the place that a checkpoint holds (None: from the start).

        Raises
        ------
        ConfigError
            If the loss is no longer finite.
        CheckpointError
            If a checkpoint cannot be written, or none of those that are there can be read.
        """
        from tqdm import tqdm

        self._set_up()
        source = open_source(self._resume())
        steps = self.config.steps
        self._clock, self._line_step, self._told = time.monotonic(), self.step, False
        bar = tqdm(total=steps, initial=self.step, unit="step", disable=not self.progress,
                   dynamic_ncols=True)  # fmt: skip
        try:
            with bar, _sigterm() as asked_to_stop:
                for batch in source if self.step < steps else ():
                    self._train_on(batch)
                    bar.set_postfix_str(self._latest_line(), refresh=False)
                    bar.update()
                    stop = self._any_process(asked_to_stop.is_set())
                    if self.step % self.config.checkpoint_every == 0 or stop or self.step == steps:
                        self._save(source)
                    if stop or self.step == steps:
                        break
        finally:
            source.close()
            self.history.close()
        return self.step == steps

    def _set_up(self) -> None:
        module = self.task.module
        if self.config.precision == "64":
            module.double()
        self._ema = None
        trained = torch.compile(module) if self.config.compile else module
        groups = [
            {"params": [p for p in module.parameters() if p.ndim > 1],
             "weight_decay": self.config.weight_decay},
            {"params": [p for p in module.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]  # fmt: skip
        optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate)
        self._model, self._optimizer = self.fabric.setup(trained, optimizer)
        self._model.train()
        if self.config.ema is not None:
            average = get_ema_multi_avg_fn(self.config.ema)
            self._ema = AveragedModel(module, multi_avg_fn=average)
        self._machine = Machine(fabric=self.fabric, model=self._model, seed=self.config.seed)

    def _train_on(self, batch: Batch) -> None:
        """One step."""
        rate = learning_rate_at(
            self.step, self.config.steps, peak=self.config.learning_rate, warmup=self.config.warmup
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batch = by_size(batch).scaled(self.fabric.device)
        if self.config.precision == "64":
            batch = replace(batch, signal=batch.signal.double())
        outcome = self.task.gradient(self._machine, batch, self.step, self.micro_batch)
        norm = self.fabric.clip_gradients(
            self._model, self._optimizer, max_norm=self.config.clip_norm, error_if_nonfinite=False
        )
        self._require_finite(outcome, float(norm))
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._ema is not None:
            self._ema.update_parameters(self.task.module)
        self.step += 1
        if self.step % self.config.log_every == 0 or self.step == self.config.steps:
            self._measure(outcome, float(norm), rate)

    def _require_finite(self, outcome: Outcome, norm: float) -> None:
        # With "16", a gradient that overflows is skipped and its scale lowered.
        if outcome.loss.isfinite() and (math.isfinite(norm) or self.config.precision == "16"):
            return
        bad = ~outcome.features.isfinite().all(dim=1)
        windows = (outcome.index[bad] if bad.any() else outcome.index).tolist()
        named = ", ".join(f"{self.describe(index)} (window {index})" for index in windows[:8])
        more = f" and {len(windows) - 8} more" if len(windows) > 8 else ""
        raise ConfigError(
            f"Training diverged at step {self.step + 1}: loss {float(outcome.loss):g}, gradient "
            f"norm {norm:g}. {'Windows without finite features' if bad.any() else 'Its windows'}: "
            f"{named}{more}. Lower learning_rate (now {self.config.learning_rate:g}), or look at "
            "these windows; any earlier checkpoint stands."
        )

    def _measure(self, outcome: Outcome, norm: float, rate: float) -> None:
        """Write a line of the history, and tell of a collapse."""
        now = time.monotonic()
        n_windows = (self.step - self._line_step) * self.config.batch_size
        record = StepRecord(
            step=self.step,
            loss=float(outcome.loss),
            top1=outcome.top1(),
            embedding_std=embedding_std(outcome.features),
            effective_rank=effective_rank(outcome.features),
            gradient_norm=norm,
            learning_rate=rate,
            windows_per_second=n_windows / max(now - self._clock, 1e-9),
        )
        self._clock, self._line_step = now, self.step
        if self.fabric.is_global_zero:
            self.history.add(record)
        wrong = collapse(record.embedding_std, record.effective_rank)
        first = self.fabric.is_global_zero and not self._told
        if wrong and first and self.step >= self.config.warmup * self.config.steps:
            self._told = True
            warnings.warn(
                f"Collapse at step {self.step}: {wrong}. Lower the learning rate or raise the "
                "batch size.",
                UserWarning,
                stacklevel=2,
            )

    def _latest_line(self) -> str:
        if not self.history.records:
            return ""
        line = self.history.records[-1]
        return (
            f"loss {line.loss:.3f}, top-1 {line.top1:.0%}, std {line.embedding_std:.2f}, "
            f"rank {line.effective_rank:.0f}, {line.windows_per_second:.0f} windows/s"
        )

    def _save(self, source: Source) -> None:
        state = {
            **whole_states(self.fabric, self._model, self.task.module, self._optimizer),
            "ema": None if self._ema is None else self._ema.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "sampler": dict(source.state_dict()),
            "history": self.history.state(),
        }
        # Every process must know if the first could not write.
        problem = None
        if self.fabric.is_global_zero:
            try:
                self.checkpoints.save(self.step, state)
            except CheckpointError as error:
                problem = str(error)
        problem = self.fabric.broadcast(problem)
        if problem is not None:
            raise CheckpointError(problem)

    def _resume(self) -> Mapping[str, Any] | None:
        """Take up the latest checkpoint; returns the place in the data."""
        state = self.checkpoints.latest()
        self.step = 0 if state is None else int(state["step"])
        if self.fabric.broadcast(self.step) != self.step:
            raise CheckpointError(
                f"{self.checkpoints.folder}: not all processes see the same checkpoints. The "
                "folder of a run must be one that all nodes share."
            )
        if self.fabric.is_global_zero:
            self.history.restore([] if state is None else state["history"])
        if state is None:
            return None
        load_states(self.fabric, self._model, self.task.module, self._optimizer, state)
        if self._ema is not None:
            self._ema.load_state_dict(state["ema"])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        place: Mapping[str, Any] = state["sampler"]
        return place

    def _any_process(self, here: bool) -> bool:
        if self.fabric.world_size == 1:
            return here
        flag = torch.tensor(float(here), device=self.fabric.device)
        return bool(self._machine.summed(flag) > 0)


@contextmanager
def _sigterm() -> Iterator[threading.Event]:
    """An event that a SIGTERM sets, instead of ending the process at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals are the main thread's business
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
