"""The contrastive objective: a perturbed view of a window, predicted, finds the full view."""

# B windows of all processes, b of a micro-batch, C channels, T samples, E embedding width
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.corpus.batch import Batch
from biot.model.encoder import BIOTEncoder, present_samples
from biot.training.gradients import GradientContext, StepResult, joint_backward, split_inputs
from biot.training.pretraining.collapse import retrieval
from biot.training.pretraining.objective import PretrainObjective
from biot.training.pretraining.views import Perturbation, Turning, kept_tokens, turned

__all__ = [
    "ContrastiveModel",
    "ContrastiveObjective",
    "info_nce",
    "similarity",
]


class ContrastiveModel(nn.Module):
    """An encoder and a predictor of two layers (section 2.3 of Yang et al. 2023).

    Parameters
    ----------
    encoder
        What is pretrained.
    sensors
        Movement sensors that the perturbed view may turn, see
        :mod:`biot.training.pretraining.views`.
    """

    def __init__(self, encoder: BIOTEncoder, sensors: Sequence[tuple[int, int, int]] = ()) -> None:
        super().__init__()
        self.sensors = tuple(sensors)
        width = encoder.embed_dim
        self.encoder = encoder
        self.predictor = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(
        self,
        x_BCT: Tensor,
        valid: Tensor | None,
        channel_ids: Tensor,
        lengths: Tensor | None,
        draws: Tensor,
        rotations: Tensor | None = None,
    ) -> Tensor:
        """Both views of each window, (b, 2, E): the full one, and the predicted perturbed one.

        `draws` is from :meth:`biot.training.pretraining.views.Perturbation.draws`, `rotations` from
        :meth:`biot.training.pretraining.views.Turning.draws`; the rest as in ``BIOT``.
        """
        present = present_samples(x_BCT, valid, channel_ids, lengths)
        tokens, mask = self.encoder.tokens(x_BCT, present, channel_ids)
        full = self.encoder.pooled(tokens, mask)
        if rotations is not None:
            x_BCT = x_BCT.masked_fill(~present, torch.nan)
            x_BCT = turned(x_BCT, channel_ids, rotations, self.sensors)
            present = present_samples(x_BCT, valid, channel_ids, lengths)
            tokens, mask = self.encoder.tokens(x_BCT, present, channel_ids)
        perturbed = self.encoder.pooled(tokens, kept_tokens(mask, draws))
        return torch.stack([full, self.predictor(perturbed)], dim=1)


def similarity(
    views_B2E: Tensor, index_B: Tensor, temperature: float, group_B: Tensor | None = None
) -> Tensor:
    """Cosine of each full view (row) with each perturbed one (column), over the temperature.

    A window that comes twice is no negative of itself: such entries are −∞; with groups, so are
    those of windows of another group.
    """
    if views_B2E.dtype != torch.float64:
        views_B2E = views_B2E.float()
    full_BE, perturbed_BE = F.normalize(views_B2E, dim=-1).unbind(dim=1)
    logits_BB = full_BE @ perturbed_BE.mT / temperature
    same_BB = index_B.unsqueeze(1) == index_B
    same_BB.fill_diagonal_(False)
    if group_B is not None:
        same_BB = same_BB | (group_B.unsqueeze(1) != group_B)
    return logits_BB.masked_fill(same_BB, -torch.inf)


def info_nce(logits_BB: Tensor, *, symmetric: bool = False) -> Tensor:
    """Mean cross-entropy of each row's own column; symmetric: and of each column's own row."""
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    loss = F.cross_entropy(logits_BB, own_B)
    if symmetric:
        loss = (loss + F.cross_entropy(logits_BB.mT, own_B)) / 2
    return loss


@dataclass(kw_only=True)
class ContrastiveObjective(PretrainObjective):
    """The contrastive objective, as the loop takes it."""

    module: ContrastiveModel
    perturbation: Perturbation
    turning: Turning | None = None
    """Turn movement sensors in the perturbed view."""
    temperature: float = 0.2
    symmetric: bool = False
    gather: bool = True
    """Compare with the windows of all processes."""
    cached: bool = False
    """Save memory by a second forward pass."""
    recordings: Tensor | None = None
    """Number of each window's recording: only those of the same one are negatives. None: all."""

    def gradient(self, context: GradientContext, batch: Batch, step: int) -> StepResult:
        """Add a batch's gradient, in micro-batches."""
        device = context.fabric.device
        draws = self.perturbation.draws(step, batch.index.cpu(), batch.channel_ids.cpu())
        turning = self.turning
        rotations = None if turning is None else turning.draws(step, batch.index.cpu())
        index = batch.index.to(device)
        if self.gather:
            index = context.gathered(index)

        group = None if self.recordings is None else self.recordings[index.cpu()].to(device)

        def logits(views: Tensor) -> Tensor:
            return similarity(views, index, self.temperature, group)

        loss, views = joint_backward(
            context,
            split_inputs(
                batch, self.micro_batch, device, per_channel=(draws,), per_window=(rotations,)
            ),
            lambda views: info_nce(logits(views), symmetric=self.symmetric),
            step,
            cached=self.cached,
            gather=self.gather,
        )
        return StepResult(
            loss=loss,
            features=views[:, 0],
            index=index,
            n_windows=len(batch) * context.fabric.world_size,
            top1=lambda: retrieval(logits(views)),
        )
