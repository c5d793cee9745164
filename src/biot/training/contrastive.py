"""The contrastive objective: a perturbed view of a window, predicted, finds the full view."""

# B windows of all processes, b of a micro-batch, C channels, T samples, E embedding width

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.model.encoder import BIOTEncoder, present_samples
from biot.training.perturb import kept_tokens

__all__ = ["ContrastiveModel", "info_nce", "similarity"]


class ContrastiveModel(nn.Module):
    """An encoder and a predictor of two layers (section 2.3 of Yang et al. 2023).

    Parameters
    ----------
    encoder
        What is pretrained.
    """

    def __init__(self, encoder: BIOTEncoder) -> None:
        super().__init__()
        width = encoder.embed_dim
        self.encoder = encoder
        self.predictor = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )

    def forward(
        self,
        x_BCT: Tensor,
        valid: Tensor | None,
        channel_ids: Tensor,
        lengths: Tensor | None,
        draws: Tensor,
    ) -> Tensor:
        """Both views of each window, (b, 2, E): the full one, and the predicted perturbed one.

        `draws` is from :meth:`biot.training.perturb.Perturbation.draws`; the rest as in ``BIOT``.
        """
        present = present_samples(x_BCT, valid, channel_ids, lengths)
        tokens, mask = self.encoder.tokens(x_BCT, present, channel_ids)
        full = self.encoder.pooled(tokens, mask)
        perturbed = self.encoder.pooled(tokens, kept_tokens(mask, draws))
        return torch.stack([full, self.predictor(perturbed)], dim=1)


def similarity(views_B2E: Tensor, index_B: Tensor, temperature: float) -> Tensor:
    """Cosine of each full view (row) with each perturbed one (column), over the temperature.

    A window that comes twice is no negative of itself: such entries are −∞.
    """
    if views_B2E.dtype != torch.float64:
        views_B2E = views_B2E.float()
    full_BE, perturbed_BE = F.normalize(views_B2E, dim=-1).unbind(dim=1)
    logits_BB = full_BE @ perturbed_BE.mT / temperature
    same_BB = index_B.unsqueeze(1) == index_B
    same_BB.fill_diagonal_(False)
    return logits_BB.masked_fill(same_BB, -torch.inf)


def info_nce(logits_BB: Tensor, *, symmetric: bool = False) -> Tensor:
    """Mean cross-entropy of each row's own column; symmetric: and of each column's own row."""
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    loss = F.cross_entropy(logits_BB, own_B)
    if symmetric:
        loss = (loss + F.cross_entropy(logits_BB.mT, own_B)) / 2
    return loss
