"""The supervised objective: one encoder, a head for the labels of each corpus."""

# b windows of a micro-batch, C channels, T samples, E embedding width, H heads, K outputs of all
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.corpus.batch import Batch
from biot.errors import ConfigError, CorpusError
from biot.model.encoder import BIOTEncoder
from biot.model.layers import ClassificationHead
from biot.preprocessing import Task
from biot.training.gradients import GradientContext, StepResult, separable_backward, split_inputs
from biot.training.pretraining.objective import PretrainObjective
from biot.training.trainer import Validation

__all__ = [
    "HeadSpec",
    "SupervisedModel",
    "SupervisedObjective",
    "focal_bce",
    "focal_cross_entropy",
]


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """What the head of one corpus says."""

    name: str
    """Of the corpus."""
    task: Task
    """``classes`` or ``multilabel``."""
    label_names: tuple[str, ...]
    """Names of its outputs."""
    columns: tuple[int, ...]
    """Position of each of them among the label names of all corpora."""

    def __post_init__(self) -> None:
        least = 2 if self.task == "classes" else 1
        if self.task not in ("classes", "multilabel"):
            raise ConfigError(
                f"Corpus {self.name} is for {self.task}; supervised pretraining knows classes and "
                "multilabel. Leave the corpus out, or pretrain with the contrastive objective."
            )
        if len(self.label_names) < least:
            raise ConfigError(
                f"Corpus {self.name} has {len(self.label_names)} label names, a {self.task} head "
                f"needs {least} or more. Prepare it with --labels."
            )


class SupervisedModel(nn.Module):
    """An encoder and one head a corpus.

    Every head sees every window, so that each has a gradient (of zeros where its corpus is
    missing from a batch) in every process.
    """

    def __init__(self, encoder: BIOTEncoder, specs: Sequence[HeadSpec]) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleList(
            ClassificationHead(encoder.embed_dim, len(spec.label_names)) for spec in specs
        )

    def forward(
        self, x_BCT: Tensor, valid: Tensor | None, channel_ids: Tensor, lengths: Tensor | None
    ) -> Tensor:
        """Features, then the scores of all heads in their order: (b, E + K)."""
        features = self.encoder(x_BCT, valid=valid, channel_ids=channel_ids, lengths=lengths)
        return torch.cat([features, *(head(features) for head in self.heads)], dim=1)


def focal_cross_entropy(scores_BK: Tensor, classes_B: Tensor, gamma: float = 0.0) -> Tensor:
    """Cross-entropy of each window, times (1 − p)^gamma of its class (Lin et al. 2017): (b,)."""
    log_p_B = scores_BK.log_softmax(dim=1).gather(1, classes_B.unsqueeze(1)).squeeze(1)
    if gamma == 0.0:
        return -log_p_B
    return -((-torch.expm1(log_p_B)).clamp(min=torch.finfo(log_p_B.dtype).tiny) ** gamma) * log_p_B


def focal_bce(scores_BK: Tensor, tags_BK: Tensor, gamma: float = 0.0) -> Tensor:
    """Binary cross-entropy of each window, averaged over its tags, from log-sigmoids: (b,).

    With `gamma`, each term is times (1 − p)^gamma of what is true.
    """
    signs_BK = 2.0 * tags_BK - 1.0
    log_p_BK = F.logsigmoid(signs_BK * scores_BK)
    if gamma > 0.0:  # 1 − p in the same stable form
        return -(F.logsigmoid(-signs_BK * scores_BK) * gamma).exp().mul(log_p_BK).mean(dim=1)
    return -log_p_BK.mean(dim=1)


@dataclass(kw_only=True)
class SupervisedObjective(PretrainObjective):
    """The supervised objective, as the loop takes it."""

    validation_columns = ("valid_loss", "valid_top1")

    module: SupervisedModel
    held_out: Callable[[], Iterator[Batch]] | None = None
    """Batches of the validation windows, which are not trained on."""
    specs: tuple[HeadSpec, ...]
    """One a corpus, in the order of the batches' corpus numbers."""
    gamma: float = 0.0
    """Of the focal loss; 0 is cross-entropy."""

    def gradient(self, context: GradientContext, batch: Batch, step: int) -> StepResult:
        """Add a batch's gradient, in micro-batches.

        The loss is the mean over the labelled windows of all processes.
        """
        device = context.fabric.device
        label, corpus = batch.label.to(device), batch.corpus.to(device)
        parts = split_inputs(batch, self.micro_batch, device)
        lengths = [len(signal) for signal, *_ in parts if signal is not None]
        labels, corpora = label.split(lengths), corpus.split(lengths)
        chosen = [self._rows(n, label, corpus).sum() for n in range(len(self.specs))]
        n_labelled = context.summed(torch.stack(chosen).sum()).clamp(min=1)

        def loss_of(output: Tensor, part: int) -> Tensor:
            summed = output[:, :0].sum()  # zero, and yet of the graph
            for scores, target in self._answers(output, labels[part], corpora[part]):
                loss = focal_bce if target.is_floating_point() else focal_cross_entropy
                summed = summed + loss(scores, target, self.gamma).sum()
            return summed / n_labelled

        loss, outputs = separable_backward(context, parts, loss_of, step)
        return StepResult(
            loss=loss,
            features=context.gathered(outputs[:, : self.module.encoder.embed_dim]),
            index=context.gathered(batch.index.to(device)),
            n_windows=len(batch) * context.fabric.world_size,
            top1=lambda: self._share_right(context, outputs, label, corpus),
        )

    def validate(self, model: Any, device: torch.device) -> Validation:
        """Mean loss of the labelled held-out windows, and the share of their labels that is right.

        The lowest loss is the best.
        """
        assert self.held_out is not None
        model.eval()
        total, n_windows, right, n_labels = 0.0, 0, 0.0, 0.0
        with torch.no_grad():
            for batch in self.held_out():
                batch = self.prepared(batch, device)
                label, corpus = batch.label.to(device), batch.corpus.to(device)
                parts = split_inputs(batch, self.micro_batch, device)
                output = torch.cat([model(*inputs) for inputs in parts])
                found = output[:, : self.module.encoder.embed_dim].isfinite().all(dim=1)
                output, label, corpus = output[found], label[found], corpus[found]
                for scores, target in self._answers(output, label, corpus):
                    loss = focal_bce if target.is_floating_point() else focal_cross_entropy
                    total += float(loss(scores, target, self.gamma).double().sum())
                    n_windows += len(target)
                counts = self._counts_right(output, label, corpus).tolist()
                right, n_labels = right + counts[0], n_labels + counts[1]
        if not n_windows:
            raise CorpusError(
                "None of the validation windows has a label and usable data. Choose another "
                "valid_share or seed."
            )
        mean, share = total / n_windows, right / n_labels
        more = {"valid_loss": mean, "valid_top1": share}
        return Validation(loss=mean, score=share, rank=-mean, more=more)

    def _answers(
        self, output: Tensor, label: Tensor, corpus: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Scores and targets of the labelled windows of each corpus, as its head counts them."""
        scores = output[:, self.module.encoder.embed_dim :]
        widths = [len(spec.label_names) for spec in self.specs]
        for number, (spec, own) in enumerate(zip(self.specs, scores.split(widths, 1), strict=True)):
            rows = self._rows(number, label, corpus)
            if label.is_floating_point():
                target = label[rows][:, list(spec.columns)]
                classes = spec.task == "classes"  # beside corpora of tags, 1 in one column
                yield own[rows], target.argmax(dim=1) if classes else target.to(own.dtype)
            else:
                place = torch.full((max(spec.columns) + 1,), -1, device=label.device)
                place[list(spec.columns)] = torch.arange(len(spec.columns), device=label.device)
                yield own[rows], place[label[rows]]

    def _rows(self, number: int, label: Tensor, corpus: Tensor) -> Tensor:
        """(b,) whether a window is of this corpus and labelled: its own columns hold no NaN."""
        mine = corpus == number
        if not label.is_floating_point():
            return mine & (label >= 0)
        return mine & ~label[:, list(self.specs[number].columns)].isnan().any(dim=1)

    def _share_right(
        self, context: GradientContext, output: Tensor, label: Tensor, corpus: Tensor
    ) -> float:
        right_and_all = context.summed(self._counts_right(output, label, corpus))
        return float(right_and_all[0] / right_and_all[1])

    def _counts_right(self, output: Tensor, label: Tensor, corpus: Tensor) -> Tensor:
        """(2,) labels that are right, and all."""
        counts = torch.zeros(2, dtype=torch.float64, device=output.device)
        for scores, target in self._answers(output, label, corpus):
            if target.is_floating_point():
                right = (scores > 0) == (target > 0.5)
            else:
                right = scores.argmax(dim=1) == target
            counts += torch.stack([right.sum(), torch.tensor(right.numel(), device=right.device)])
        return counts
