"""The supervised objective: one encoder, a head for the labels of each corpus."""

# b windows of a micro-batch, C channels, T samples, E embedding width, H heads, K outputs of all

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.errors import ConfigError
from biot.model.encoder import BIOTEncoder
from biot.model.heads import ClassificationHead

__all__ = ["HeadSpec", "SupervisedModel", "focal_bce", "focal_cross_entropy"]


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """What the head of one corpus says."""

    name: str
    """Of the corpus."""
    task: Literal["classes", "multilabel"]
    label_names: tuple[str, ...]
    """Names of its outputs."""

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
    return -(-torch.expm1(log_p_B)).clamp(min=torch.finfo(log_p_B.dtype).tiny) ** gamma * log_p_B


def focal_bce(scores_BK: Tensor, tags_BK: Tensor, gamma: float = 0.0) -> Tensor:
    """Binary cross-entropy of each window, averaged over its tags, from log-sigmoids: (b,).

    With `gamma`, each term is times (1 − p)^gamma of what is true.
    """
    signs_BK = 2.0 * tags_BK - 1.0
    log_p_BK = F.logsigmoid(signs_BK * scores_BK)
    if gamma > 0.0:  # 1 − p in the same stable form
        return -(F.logsigmoid(-signs_BK * scores_BK) * gamma).exp().mul(log_p_BK).mean(dim=1)
    return -log_p_BK.mean(dim=1)
