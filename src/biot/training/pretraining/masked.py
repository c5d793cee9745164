"""The masked objective: from the tokens that are seen, what the hidden ones hold is predicted."""

# B windows of all processes, b of a micro-batch, C channels, T samples, N tokens a channel,
# E embedding width, F frequencies of a token
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biot.corpus.batch import Batch
from biot.model.encoder import BIOTEncoder, present_samples
from biot.model.layers import LinearAttentionTransformer, masked_mean
from biot.model.tokenizer import spectrum, token_mask
from biot.training.gradients import GradientContext, StepResult, joint_backward, split_inputs
from biot.training.pretraining.collapse import retrieval
from biot.training.pretraining.contrastive import similarity
from biot.training.pretraining.hidden import Hiding, hidden_tokens
from biot.training.pretraining.objective import PretrainObjective
from biot.training.pretraining.spread import directions, sigreg

__all__ = ["MaskedModel", "MaskedObjective", "fit_residual", "log_residual"]

_FLOOR = 1e-3
"""Added to a magnitude before its logarithm, relative to the mean magnitude of its window."""


def log_residual(x_BCT: Tensor, mask_BCN: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Log spectrum of each patch minus the mean log spectrum of its window, (B, C, N, F).

    The mean is over the valid tokens of all channels, for each frequency; missing samples of `x`
    are to be zeros, and what is returned for tokens that are not valid means nothing.
    """
    spectra_BCNF = spectrum(x_BCT, n_fft, hop_length).mT
    counted_BCN1 = mask_BCN.unsqueeze(3).to(spectra_BCNF.dtype)
    n_valid_B111 = counted_BCN1.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    level_B111 = (spectra_BCNF * counted_BCN1).sum(dim=(1, 2, 3), keepdim=True) / (
        n_valid_B111 * spectra_BCNF.shape[3]
    )
    floor_B111 = (_FLOOR * level_B111).clamp(min=torch.finfo(spectra_BCNF.dtype).tiny)
    logs_BCNF = (spectra_BCNF + floor_B111).log()
    mean_B11F = (logs_BCNF * counted_BCN1).sum(dim=(1, 2), keepdim=True) / n_valid_B111
    return logs_BCNF - mean_B11F


class MaskedModel(nn.Module):
    """An encoder of the tokens that are seen, and a predictor of the hidden ones.

    The predictor, one layer of the same kind of transformer, gets the encoded tokens in their
    places and, in each hidden place, a learned token with the place's position and channel. It says
    of each hidden token what the encoder makes of it in the whole sentence, and its log spectrum.

    Parameters
    ----------
    encoder
        What is pretrained.
    num_heads
        Attention heads of the predictor.
    share
        Of the tokens of a window that are hidden.
    """

    residual_std: Tensor

    def __init__(self, encoder: BIOTEncoder, num_heads: int, share: float) -> None:
        super().__init__()
        width, n_freq = encoder.embed_dim, encoder.n_fft // 2 + 1
        self.share = share
        self.encoder = encoder
        self.seen = nn.Linear(width, width)
        self.hidden = nn.Parameter(torch.randn(width) * 0.02)
        self.predictor = LinearAttentionTransformer(width, num_heads, num_layers=1, drop_prob=0.0)
        self.latent = nn.Linear(width, width)
        self.residual = nn.Linear(width, n_freq)
        self.register_buffer("residual_std", torch.ones(n_freq))

    def forward(
        self,
        x_BCT: Tensor,
        valid: Tensor | None,
        channel_ids: Tensor,
        lengths: Tensor | None,
        scores: Tensor,
    ) -> Tensor:
        """Features of the whole window and of what is seen of it, then three numbers: (b, 2 E + 3).

        The numbers are the mean squared errors of latents and of standardised log spectra over the
        hidden tokens, and whether there are any. `scores` are from :meth:`Hiding.scores`, the rest
        is as in ``BIOT``.
        """
        present = present_samples(x_BCT, valid, channel_ids, lengths)
        tokens, mask = self.encoder.tokens(x_BCT, present, channel_ids)
        hidden = hidden_tokens(mask, scores, self.share)
        whole = self.encoder.encoded(tokens, mask)
        seen = self.encoder.encoded(tokens, mask & ~hidden)
        predicted = self._predicted(seen, hidden, mask, channel_ids)
        latent = F.layer_norm(whole.detach().float(), whole.shape[-1:])
        x_BCT = torch.where(present, x_BCT, 0.0)
        residual = log_residual(x_BCT, mask, self.encoder.n_fft, self.encoder.hop_length)
        errors = (
            (self.latent(predicted) - latent).square().mean(dim=3),
            (self.residual(predicted) - residual / self.residual_std).square().mean(dim=3),
        )
        features = (_features(whole, mask), _features(seen, mask & ~hidden))
        told = [_mean_of(error, hidden).unsqueeze(1) for error in errors]
        any_hidden = hidden.flatten(1).any(dim=1, keepdim=True)
        return torch.cat([*features, *told, any_hidden.to(features[0].dtype)], dim=1)

    def _predicted(
        self, seen_BCNE: Tensor, hidden_BCN: Tensor, mask_BCN: Tensor, channel_ids: Tensor
    ) -> Tensor:
        """What the predictor says in every place, (b, C, N, E)."""
        given = torch.where(hidden_BCN.unsqueeze(3), self.hidden, self.seen(seen_BCNE))
        channels_BCE = self.encoder.channel_tokens(channel_ids.clamp(min=0).long())
        positions_NE = self.encoder.positional_encoding.codes(seen_BCNE)
        given = given + channels_BCE.unsqueeze(2) + positions_NE
        mask_BM = mask_BCN.flatten(1)
        mask_BM = mask_BM | ~mask_BM.any(dim=1, keepdim=True)
        found: Tensor = self.predictor(given.flatten(1, 2), mask_BM)
        return found.view_as(seen_BCNE)


def _features(encoded_BCNE: Tensor, mask_BCN: Tensor) -> Tensor:
    """Mean over the tokens of each window, (b, E), as the encoder's; NaN without any."""
    encoded_BNE = encoded_BCNE.flatten(1, 2)
    mask_BN = mask_BCN.flatten(1)
    nothing_B1 = ~mask_BN.any(dim=1, keepdim=True)
    return masked_mean(encoded_BNE, mask_BN | nothing_B1).masked_fill(nothing_B1, torch.nan)


def _mean_of(error_BCN: Tensor, hidden_BCN: Tensor) -> Tensor:
    """Mean over the hidden tokens of each window, (b,); 0 without any."""
    n_hidden_B = hidden_BCN.sum(dim=(1, 2)).clamp(min=1)
    return error_BCN.masked_fill(~hidden_BCN, 0.0).sum(dim=(1, 2)) / n_hidden_B


def fit_residual(model: MaskedModel, batches: Iterable[Batch]) -> None:
    """Set the standard deviation of each frequency's log spectrum from training windows."""
    encoder = model.encoder
    total, n_tokens = torch.zeros_like(model.residual_std, dtype=torch.float64), 0
    for batch in batches:
        present = present_samples(batch.signal, batch.valid, batch.channel_ids, batch.lengths)
        x = torch.where(present, batch.signal, 0.0)
        mask = token_mask(present, encoder.n_fft, encoder.hop_length)
        found = log_residual(x, mask, encoder.n_fft, encoder.hop_length)[mask].double()
        total += found.square().sum(dim=0)
        n_tokens += len(found)
    if n_tokens:
        std = (total / n_tokens).sqrt()
        model.residual_std.copy_(torch.where(std > 1e-6, std, 1.0))


@dataclass(kw_only=True)
class MaskedObjective(PretrainObjective):
    """The masked objective, as the loop takes it."""

    columns = ("latent_loss", "spectrum_loss", "spread_loss")

    module: MaskedModel
    hiding: Hiding
    spread_weight: float = 0.05
    """Of SIGReg, which keeps the features of different windows apart."""
    spectrum_weight: float = 1.0
    """Of the error of log spectra; that of latents counts 1."""
    cached: bool = False
    """Save memory by a second forward pass."""

    def gradient(self, context: GradientContext, batch: Batch, step: int) -> StepResult:
        """Add a batch's gradient, in micro-batches."""
        device = context.fabric.device
        scores = self.hiding.scores(step, batch.index.cpu(), batch.channel_ids.cpu())
        ways = directions(self.hiding.seed, step, self.module.encoder.embed_dim)
        weights = (1.0, self.spectrum_weight, self.spread_weight)

        def loss_of(told: Tensor) -> Tensor:
            terms = self.terms(told, ways)
            return torch.stack([w * term for w, term in zip(weights, terms, strict=True)]).sum()

        loss, told = joint_backward(
            context,
            split_inputs(batch, self.micro_batch, device, per_channel=(scores,)),
            loss_of,
            step,
            cached=self.cached,
            gather=True,  # the features of all processes are to be spread together
        )
        index = context.gathered(batch.index.to(device))
        whole, seen, _ = self._parts(told)
        return StepResult(
            loss=loss,
            features=whole,
            index=index,
            n_windows=len(batch) * context.fabric.world_size,
            top1=lambda: retrieval(similarity(torch.stack([whole, seen], dim=1), index, 1.0)),
            more=lambda: dict(zip(self.columns, map(float, self.terms(told, ways)), strict=True)),
        )

    def terms(self, told: Tensor, ways: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Errors of latents and of spectra, means over the windows that hide something; SIGReg."""
        whole, _, numbers_B3 = self._parts(told)
        latent_B, residual_B, any_B = numbers_B3.unbind(dim=1)
        n_windows = any_B.detach().sum().clamp(min=1)
        return latent_B.sum() / n_windows, residual_B.sum() / n_windows, sigreg(whole, ways)

    def _parts(self, told: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        width = self.module.encoder.embed_dim
        whole, seen, numbers = told.split([width, width, 3], dim=1)
        return whole, seen, numbers
