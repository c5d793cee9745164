"""What the objectives of pretraining share: prepared batches, and lines of the history."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from biot.corpus.batch import Batch
from biot.training.gradients import GradientContext, Sizer, StepResult, by_size
from biot.training.pretraining.collapse import collapse, effective_rank, embedding_std
from biot.training.pretraining.probe import PROBE_COLUMNS, FeatureProbe
from biot.training.trainer import StepFacts, Validation

__all__ = ["COLUMNS", "PretrainObjective"]

COLUMNS = (
    "step",
    "loss",
    # Contrastive and masked: share of the windows that find their other view first. Supervised:
    # share of the labels that are right; NaN without any.
    "top1",
    "embedding_std",
    "effective_rank",
    "gradient_norm",
    "learning_rate",
    "windows_per_second",  # the only column that differs when a run is repeated
)


def _everything(n_chans: int, n_times: int) -> int:
    return sys.maxsize


@dataclass(kw_only=True)
class PretrainObjective:
    """Base of the objectives."""

    columns: ClassVar[tuple[str, ...]] = ()
    """Further columns of the history."""
    validation_columns: ClassVar[tuple[str, ...]] = PROBE_COLUMNS
    """Those of lines with a validation."""

    module: Any
    """Everything that is trained."""
    micro_batch: Sizer = field(default=_everything)
    """Windows that go through the model at once; without it all."""
    first_warning: int = 0
    """The step before which a collapse is not told: the learning rate still climbs."""
    probe: FeatureProbe | None = None
    """Scores features on held-out subjects; None where nothing is validated."""
    _told: bool = field(default=False, init=False)

    def prepared(self, batch: Batch, device: torch.device) -> Batch:
        """Scaled on the device, windows of one size next to each other."""
        return by_size(batch).scaled(device)

    def gradient(self, context: GradientContext, batch: Batch, step: int) -> StepResult:
        """Add a batch's gradient; each objective has its own."""
        raise NotImplementedError

    def validate(self, model: Any, device: torch.device) -> Validation:
        """By the probe; an objective that learns from labels has its own way."""
        assert self.probe is not None
        return self.probe(model.eval().encoder, device)

    def line(self, facts: StepFacts) -> Mapping[str, float]:
        """Loss, learning rate and the state of the features; warns once of a collapse."""
        result = facts.result
        assert result.top1 is not None
        record: dict[str, float] = {
            "step": facts.step,
            "loss": float(result.loss),
            "top1": result.top1(),
            "embedding_std": embedding_std(result.features),
            "effective_rank": effective_rank(result.features),
            "gradient_norm": facts.gradient_norm,
            "learning_rate": facts.learning_rate,
            "windows_per_second": facts.n_windows / max(facts.seconds, 1e-9),
        }
        if result.more is not None:
            record |= result.more()
        if facts.validation is not None:
            record |= facts.validation.more
        wrong = collapse(record["embedding_std"], record["effective_rank"])
        if wrong and not self._told and facts.step >= self.first_warning:
            self._told = True
            warnings.warn(
                f"Collapse at step {facts.step}: {wrong}. Lower the learning rate or raise the "
                "batch size.",
                UserWarning,
                stacklevel=2,
            )
        return record

    def summary(self, line: Mapping[str, float]) -> str:
        """The latest numbers."""
        return (
            f"loss {line['loss']:.3f}, top-1 {line['top1']:.0%}, std {line['embedding_std']:.2f}, "
            f"rank {line['effective_rank']:.0f}, {line['windows_per_second']:.0f} windows/s"
        )
