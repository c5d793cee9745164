"""The one training loop: steps, validation, early stopping, checkpoints and exact resuming."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from biot.errors import CheckpointError, ConfigError
from biot.training.checkpoint import Checkpoints
from biot.training.gradients import GradientContext, StepResult
from biot.training.history import History
from biot.training.optim import learning_rate_at, parameter_groups, running_mean

__all__ = ["BatchSource", "Objective", "Schedule", "StepFacts", "Trainer", "Validation"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and by which steps to train; both kinds of runs make one from their settings."""

    steps: int
    """Steps at most; also the length of the learning rate's cycle."""
    learning_rate: float
    warmup: float
    weight_decay: float
    clip_norm: float
    seed: int
    ema: float = 0.0
    """Decay of the running mean of the weights; 0 for none."""
    layer_decay: float = 1.0
    log_every: int = 1
    """Steps between lines of the history."""
    valid_every: int | None = None
    """Steps between validations, each of which writes a line too; None: never validate."""
    patience: int | None = None
    """Validations without a better one after which training stops; None: never."""
    checkpoint_every: int = 500
    compile: bool = False
    scales_loss: bool = False
    """Precision "16": a gradient that overflows is skipped, and its scale is lowered."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What held-out windows say about the weights."""

    loss: float
    score: float
    rank: float
    """Larger is better; between equal ranks the lower loss wins."""
    more: Mapping[str, float] = field(default_factory=dict)
    """Further columns of the history."""


@dataclass(frozen=True, kw_only=True)
class StepFacts:
    """What a line of the history is made from."""

    step: int
    result: StepResult
    mean_loss: float
    """Over the windows since the line before."""
    gradient_norm: float
    """Before clipping."""
    learning_rate: float
    seconds: float
    """Since the line before."""
    n_windows: int
    """Windows since the line before, over all processes."""
    validation: Validation | None
    best_score: float
    """Of the best validation so far; NaN before the first."""


class Objective(Protocol):
    """What the loop minimises, and what it writes down."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained."""

    def prepared(self, batch: Any, device: torch.device) -> Any:
        """The batch, as :meth:`gradient` takes it."""

    def gradient(self, context: GradientContext, batch: Any, step: int) -> StepResult:
        """Add a batch's gradient."""

    def validate(self, model: nn.Module, device: torch.device) -> Validation:
        """Loss and score of held-out windows; asked only where the schedule validates."""

    def line(self, facts: StepFacts) -> Mapping[str, float]:
        """A line of the history: the values of its columns."""

    def summary(self, line: Mapping[str, float]) -> str:
        """The latest line in a few words, for the progress bar."""


class BatchSource(Protocol):
    """An iterator over batches that knows its place."""

    def __iter__(self) -> Iterator[Any]: ...

    def state_dict(self) -> Mapping[str, Any]:
        """The place after the last batch that was handed out."""

    def close(self) -> None:
        """Stop fetching."""


@dataclass(kw_only=True)
class Trainer:
    """Trains an objective to its last step, until patience runs out, or until a signal.

    Each step is a function of the weights, the optimiser's state, the step's number and the
    batch: dropout and perturbations are drawn from (seed, step) and the learning rate follows
    from the step. So a checkpoint needs no more random state than these, and a run that was
    killed ends, on a CPU, with the same bits as one that was not.
    """

    fabric: Any
    """Started, from :func:`biot.training.distributed.launch`."""
    objective: Objective
    schedule: Schedule
    history: History
    checkpoints: Checkpoints | None = None
    """None: keep none, and leave signals alone."""
    describe: Callable[[int], str] = "window {}".format
    """Name and place of a window, for messages."""
    progress: bool = False
    """Show a bar on stderr."""

    step: int = 0
    """Steps done."""
    best_step: int | None = None
    """The step of the best validation so far."""

    def run(self, open_source: Callable[[Mapping[str, Any] | None], BatchSource]) -> bool:
        """Train; returns whether training is finished (else SIGTERM or SIGUSR1 came).

        Parameters
        ----------
        open_source
            Gives the batches, from the place that a checkpoint holds (None: from the start).
            ``step`` is already that of the checkpoint.

        Raises
        ------
        ConfigError
            If the loss is no longer finite.
        CheckpointError
            If a checkpoint cannot be written, or none of those that are there can be read.
        """
        from tqdm import tqdm

        self._set_up()
        place = self._resume()
        with self._named_checkpoint(place is not None):
            source = open_source(place)
        self._clock = time.monotonic()
        bar = tqdm(total=self.schedule.steps, initial=self.step, unit="step",
                   disable=not self.progress, dynamic_ncols=True)  # fmt: skip
        try:
            with bar, _stop_signals(self.checkpoints is not None) as asked_to_stop:
                for batch in source if not self._is_finished() else ():
                    self._train_on(batch)
                    if self.history.rows:
                        line = self.objective.summary(self.history.rows[-1])
                        bar.set_postfix_str(line, refresh=False)
                    bar.update()
                    done = self._is_finished()
                    stop = self._any_process(asked_to_stop.is_set())
                    if self.step % self.schedule.checkpoint_every == 0 or stop or done:
                        self._save(source)
                    if stop or done:
                        break
        finally:
            source.close()
            self.history.close()
        self.objective.module.eval()
        return self._is_finished()

    def final_weights(self) -> Mapping[str, Tensor]:
        """What the run keeps: the best weights, else their running mean, else the last."""
        if self._best is not None:
            weights: Mapping[str, Tensor] = self._best["weights"]
            return weights
        return self._kept().state_dict()

    def _kept(self) -> nn.Module:
        """The module that is validated."""
        return self.objective.module if self._mean is None else self._mean.module

    def _is_finished(self) -> bool:
        return self.step >= self.schedule.steps or self._stopped_early

    def _set_up(self) -> None:
        module, schedule = self.objective.module, self.schedule
        self._mean: AveragedModel | None = None
        self._best: dict[str, Any] | None = None
        self._n_worse, self._stopped_early = 0, False
        self._losses: list[tuple[float, int]] = []  # loss and windows since the last line
        groups = parameter_groups(
            module, weight_decay=schedule.weight_decay, layer_decay=schedule.layer_decay
        )
        optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate)
        trained = torch.compile(module) if schedule.compile else module
        self._model, self._optimizer = self.fabric.setup(trained, optimizer)
        self._model.train()
        if schedule.ema:
            self._mean = running_mean(module, schedule.ema)
        self._context = GradientContext(
            fabric=self.fabric, model=self._model, seed=schedule.seed
        )  # fmt: skip

    def _train_on(self, batch: Any) -> None:
        """One step."""
        schedule = self.schedule
        rate = learning_rate_at(
            self.step, schedule.steps, peak=schedule.learning_rate, warmup=schedule.warmup
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        batch = self.objective.prepared(batch, self.fabric.device)
        result = self.objective.gradient(self._context, batch, self.step)
        norm = float(
            self.fabric.clip_gradients(
                self._model, self._optimizer, max_norm=schedule.clip_norm, error_if_nonfinite=False
            )
        )
        self._require_finite(result, norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._mean is not None:
            self._mean.update_parameters(self.objective.module)
        self.step += 1
        self._losses.append((float(result.loss), result.n_windows))
        validation = self._validate()
        if validation or self.step % schedule.log_every == 0 or self.step == schedule.steps:
            self._write_line(result, norm, rate, validation)

    def _require_finite(self, result: StepResult, norm: float) -> None:
        if result.loss.isfinite() and (math.isfinite(norm) or self.schedule.scales_loss):
            return
        bad = ~result.features.isfinite().all(dim=1)
        windows = (result.index[bad] if bad.any() else result.index).tolist()
        named = ", ".join(self.describe(index) for index in windows[:8])
        more = f" and {len(windows) - 8} more" if len(windows) > 8 else ""
        raise ConfigError(
            f"Training diverged at step {self.step + 1}: loss {float(result.loss):g}, gradient "
            f"norm {norm:g}. {'Windows without finite features' if bad.any() else 'Its windows'}: "
            f"{named}{more}. Lower learning_rate (now {self.schedule.learning_rate:g}), or look "
            "at these windows; any earlier checkpoint stands."
        )

    def _validate(self) -> Validation | None:
        """Validate if it is time, keep the weights if they are the best, and count patience."""
        every = self.schedule.valid_every
        if every is None or (self.step % every and self.step != self.schedule.steps):
            return None
        kept = self._kept()
        with self.fabric.autocast():
            own = self.objective.validate(kept, self.fabric.device)
        found: Validation = self.fabric.broadcast(own)  # all processes must stop together
        kept.train(kept is self.objective.module)
        rank = (found.rank, -found.loss)
        if self._best is None or rank > tuple(self._best["rank"]):
            weights = {name: value.clone() for name, value in kept.state_dict().items()}
            self._best = {"rank": list(rank), "step": self.step, "weights": weights}
            self._best["score"] = found.score
            self.best_step, self._n_worse = self.step, 0
        else:
            self._n_worse += 1
        patience = self.schedule.patience
        self._stopped_early = patience is not None and self._n_worse >= patience
        return found

    def _write_line(
        self, result: StepResult, norm: float, rate: float, validation: Validation | None
    ) -> None:
        now, n_windows = time.monotonic(), sum(n for _, n in self._losses)
        facts = StepFacts(
            step=self.step,
            result=result,
            mean_loss=_mean_of(self._losses),
            gradient_norm=norm,
            learning_rate=rate,
            seconds=now - self._clock,
            n_windows=n_windows,
            validation=validation,
            best_score=math.nan if self._best is None else float(self._best["score"]),
        )
        self._clock, self._losses = now, []
        line = self.objective.line(facts)  # of all processes
        if self.fabric.is_global_zero:
            self.history.add(self.step, line)

    def _save(self, source: BatchSource) -> None:
        if self.checkpoints is None:
            return
        state = {
            "weights": self.objective.module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "ema": None if self._mean is None else self._mean.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "sampler": dict(source.state_dict()),
            "history": self.history.rows,
            "losses": self._losses,
            "best": self._best,
            "n_worse": self._n_worse,
            "finished": self._is_finished(),
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
        state = None if self.checkpoints is None else self.checkpoints.latest()
        self.step = 0 if state is None else int(state["step"])
        if self.fabric.broadcast(self.step) != self.step:
            raise CheckpointError(
                "Not all processes see the same checkpoints. The folder of a run must be one that "
                "all nodes share."
            )
        if state is None:
            if self.fabric.is_global_zero:
                self.history.restore([], 0)
            return None
        self._refuse_other_names(state["weights"])
        with self._named_checkpoint():
            return self._take_up(state)

    def _take_up(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Everything that a checkpoint holds; returns the place in the data."""
        self.objective.module.load_state_dict(state["weights"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._mean is not None:
            self._mean.load_state_dict(state["ema"])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self._losses = [(loss, n) for loss, n in state["losses"]]
        self._best = state["best"]
        self.best_step = None if self._best is None else int(self._best["step"])
        if self._best is not None:
            _ = float(self._best["score"]), tuple(map(float, self._best["rank"]))
            self._require_weights(self._best["weights"])
        self._n_worse = int(state["n_worse"])
        self._stopped_early = bool(state["finished"]) and self.step < self.schedule.steps
        self.history.require_lines(state["history"])
        if self.fabric.is_global_zero:
            self.history.restore(state["history"], self.step)
        place: Mapping[str, Any] = dict(state["sampler"])
        return place

    def _require_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Raise ``CheckpointError`` unless weights have the names and shapes of what is trained."""
        there = {name: tuple(value.shape) for name, value in weights.items()}
        if there != {n: tuple(v.shape) for n, v in self._kept().state_dict().items()}:
            raise CheckpointError("the best weights are those of another model")

    @contextmanager
    def _named_checkpoint(self, resumed: bool = True) -> Iterator[None]:
        """What is wrong with a checkpoint's content is told with its name."""
        try:
            yield
        except Exception as error:  # a state dict of another kind raises anything
            if not resumed or self.checkpoints is None:
                raise
            if isinstance(error, CheckpointError) and str(error).startswith(
                str(self.checkpoints.folder)
            ):
                raise
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise CheckpointError(
                f"{self.checkpoints.taken}: damaged, its content is not that of this run ({reason})"
                ". Delete this file to go on from the one before it, or the run's folder to begin "
                "anew."
            ) from error

    def _refuse_other_names(self, weights: Mapping[str, Any]) -> None:
        """The optimizer's state goes by the order of the weights, which changed with the names."""
        if self.checkpoints is not None and set(weights) != set(self.objective.module.state_dict()):
            raise CheckpointError(
                f"{self.checkpoints.folder}: the weights in these checkpoints have other names and "
                "another order, as an earlier version wrote them, so the run cannot go on here. "
                "Finish it with the version that began it (biot opens the model that it leaves), "
                "or choose another folder."
            )

    def _any_process(self, here: bool) -> bool:
        if self.fabric.world_size == 1:
            return here
        flag = torch.tensor(float(here), device=self.fabric.device)
        return bool(self._context.summed(flag) > 0)


def _mean_of(losses: Sequence[tuple[float, int]]) -> float:
    """Mean loss of the windows."""
    total = sum(n for _, n in losses)
    return sum(loss * n for loss, n in losses) / total


@contextmanager
def _stop_signals(heeded: bool) -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGUSR1 (SLURM's usual warning) sets, instead of ending at once."""
    asked = threading.Event()
    if not heeded or threading.current_thread() is not threading.main_thread():
        yield asked  # signals are the main thread's business
        return
    names = [name for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), lambda *_: asked.set()) for name in names}
    try:
        yield asked
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
