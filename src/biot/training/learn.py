"""Learning from windows, wherever they lie: a model, and the thresholds that go with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from biot.contract import Preprocessing
from biot.errors import CorpusError
from biot.model import BIOT
from biot.training.build import build_model
from biot.training.config import FinetuneConfig
from biot.training.evaluate import evaluate_rows
from biot.training.evaluation import Evaluation
from biot.training.metrics import Ints
from biot.training.modes import Trained, train_model, training_task
from biot.training.steps import predict_logits
from biot.training.tasks import plain_task
from biot.training.windows import Part, Windows, batches_of, usable

__all__ = ["Learned", "chosen_thresholds", "learn"]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A trained model and all that belongs to it."""

    model: BIOT
    contract: Preprocessing
    """The corpus', with thresholds that were chosen on the validation windows."""
    trained: Trained
    metric: str
    """That decided."""
    kept: Ints
    """Positions of the training windows that were learned from: those with a whole token."""

    def evaluate(self, fabric: Any, part: Part, config: FinetuneConfig) -> Evaluation:
        """Scores on some windows."""
        return evaluate_rows(
            fabric.setup_module(self.model), part.corpus, part.rows, part.labels, self.contract,
            device=fabric.device, batch_size=config.batch_size, seed=config.seed,
        )  # fmt: skip


def learn(
    fabric: Any,
    contract: Preprocessing,
    train: Windows,
    valid: Windows,
    config: FinetuneConfig,
    *,
    from_model: Path | None = None,
    where: str = "The corpus",
    progress: bool = False,
) -> Learned:
    """Build and train a model on windows that a contract describes, and choose its thresholds.

    The caller's random state is left as it was; `where` names the windows in errors.

    Raises
    ------
    BiotError
        As :func:`biot.training.finetune`.
    """
    # On a GPU its generator is forked too.
    gpus = [fabric.device.index] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        torch.manual_seed(config.seed)
        model = build_model(config, contract, from_model=from_model)
        keep = usable(
            train, n_fft=model.n_fft, hop_length=model.hop_length, batch_size=config.batch_size
        )
        if not len(keep):
            raise CorpusError(
                f"{where}: none of {len(train.truth)} training windows holds {model.n_fft} samples "
                "of a channel without a gap, which a token needs: there is nothing to learn from."
            )
        learned_from = train.chosen(keep)
        _require_every_class(contract, learned_from, where)
        task = training_task(contract, config, learned_from.truth)
        metric = task.require_metric(config.metric)
        model, trained = train_model(
            fabric, model, learned_from, valid, task, config, progress=progress
        )
    return Learned(
        model=model,
        contract=replace(contract, thresholds=chosen_thresholds(fabric, model, contract, valid)),
        trained=trained,
        metric=metric,
        kept=keep,
    )


def chosen_thresholds(
    fabric: Any, model: BIOT, contract: Preprocessing, valid: Windows, batch_size: int = 64
) -> tuple[float, ...] | None:
    """Thresholds that serve the validation windows best; None where the task has none."""
    task = plain_task(contract)
    network = fabric.setup_module(model)
    outputs, _, _ = predict_logits(network, batches_of(valid, batch_size), fabric.device)
    kept = np.isfinite(outputs).all(axis=1)
    return task.thresholds(valid.truth[kept], task.predicted(outputs[kept]))


def _require_every_class(contract: Preprocessing, train: Windows, where: str) -> None:
    if contract.task != "classes":
        return
    names = contract.label_names or ()
    missing = [name for index, name in enumerate(names) if not (train.truth == index).any()]
    if missing:
        raise CorpusError(
            f"{where}: no training window with usable data is labelled "
            f"{', '.join(missing)}. Choose another seed, or --split recording|time, or prepare "
            "the corpus without that class."
        )
