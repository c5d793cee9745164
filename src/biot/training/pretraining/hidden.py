"""Hidden tokens of the masked objective, by (seed, step, window) alone."""

# B windows, C channels of a batch, V channels of the vocabulary, N tokens a channel
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Hiding", "hidden_tokens"]

_STREAM = 2
"""Keeps these draws apart from those of perturbations (0) and of turned sensors (1)."""


@dataclass(frozen=True, kw_only=True)
class Hiding:
    """Draws scores of tokens that form blocks of channels and time; the highest are hidden.

    A score is the sum of three numbers: one of the channel, one of the stretch of time, one of the
    two together. How much each of them counts is drawn for every window, so that some windows lose
    whole channels, some whole stretches, and most of them patches of both. The scores of a window
    depend on the seed, the step and the window's position in the corpora, and on nothing else: not
    on its batch, the padding, or the process that holds it.
    """

    seed: int
    n_channels: int
    """Channels of the vocabulary, V."""
    n_tokens: int
    """Most tokens that a channel of any window has, N."""

    def scores(self, step: int, index_B: Tensor, channel_ids_BC: Tensor) -> Tensor:
        """Scores for :func:`hidden_tokens`, (B, C, N) float32."""
        tables_BVN = np.stack([self._table(step, window) for window in index_B.tolist()])
        rows_BC = channel_ids_BC.clamp(min=0).numpy()
        return torch.from_numpy(np.take_along_axis(tables_BVN, rows_BC[:, :, None], axis=1))

    def _table(self, step: int, window: int) -> npt.NDArray[np.float32]:
        bits = np.random.Philox(key=[self.seed, step], counter=[0, window, _STREAM, 0])
        rng = np.random.Generator(bits)
        # Neighbouring tokens overlap by half as a rule, so a block is two tokens long or more.
        longest = max(2, self.n_tokens // 3)
        length = int(rng.integers(2, longest + 1))
        block_N = (np.arange(self.n_tokens) + int(rng.integers(length))) // length
        n_blocks = self.n_tokens // length + 2
        counts = rng.dirichlet(np.ones(3))
        of_channel = rng.random((self.n_channels, 1)) * counts[0]
        of_time = rng.random((1, n_blocks)) * counts[1]
        of_both = rng.random((self.n_channels, n_blocks)) * counts[2]
        scores_VN = (of_channel + of_time + of_both)[:, block_N]
        return np.asarray(scores_VN, dtype=np.float32)


def hidden_tokens(mask_BCN: Tensor, scores_BCN: Tensor, share: float) -> Tensor:
    """The tokens that are hidden, (B, C, N) bool: those of the highest scores.

    Of N' valid tokens of a window `share` · N', rounded, but at least one, and at least one is left
    to be seen; of a single token none.

    Parameters
    ----------
    mask_BCN
        Which tokens are valid.
    scores_BCN
        From :meth:`Hiding.scores`; of more tokens a channel than the mask has, the first are used.
    share
        Of the valid tokens.
    """
    mask_BM = mask_BCN.flatten(1)
    scores_BM = scores_BCN[:, :, : mask_BCN.shape[2]].flatten(1).masked_fill(~mask_BM, -torch.inf)
    # A stable order, so that the tokens of one block go in the order of time.
    place_BM = scores_BM.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    n_valid_B = mask_BM.sum(dim=1)
    n_hidden_B = (n_valid_B * share).round().long().clamp(min=1)
    n_hidden_B = n_hidden_B.minimum(n_valid_B - 1)
    return (mask_BM & (place_BM < n_hidden_B.unsqueeze(1))).view_as(mask_BCN)
