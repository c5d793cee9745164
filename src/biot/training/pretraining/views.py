"""Perturbed views: which channels and tokens of a window stay, by (seed, step, window) alone."""

# B windows, C channels of a batch, V channels of the vocabulary, N tokens a channel
# B windows, C channels of a batch, T samples, S sensors of three axes
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians

import numpy as np
import torch
from torch import Tensor

from biot.choices import PerturbationKind
from biot.signals.channels import canonical, kind

__all__ = [
    "Perturbation",
    "PerturbationKind",
    "Turning",
    "kept_tokens",
    "sensors",
    "turned",
]

_HEAD = 3
"""Numbers of a channel before those of its tokens: the window's share, its rank, its share."""


_BATCH = -1
"""Stands for the whole batch, where a window's number is asked for."""


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """Draws the numbers that decide what a perturbed view leaves out.

    The numbers of a window depend on the seed, the step and the window's position in its corpus,
    and on nothing else: not on its batch, the padding, or the process that holds it.
    """

    kind: PerturbationKind
    """``"paper"`` (section 2.3): each window drops channels and tokens of its own.
    ``"authors"`` (their code): tokens only, and the same ones in the whole batch."""
    seed: int
    n_channels: int
    """Channels of the vocabulary, V."""
    n_tokens: int
    """Most tokens that a channel of any window has, N."""

    def draws(self, step: int, index_B: Tensor, channel_ids_BC: Tensor) -> Tensor:
        """Uniform numbers for :func:`kept_tokens`, (B, C, 3 + N) float32."""
        if self.kind == "authors":
            shared = self._table(step, _BATCH)
            shared[:, 0] = 1.0  # every channel stays
            tables_BVM = np.broadcast_to(shared, (len(index_B), *shared.shape))
        else:
            tables_BVM = np.stack([self._table(step, window) for window in index_B.tolist()])
        rows_BC = channel_ids_BC.clamp(min=0).numpy()
        return torch.from_numpy(np.take_along_axis(tables_BVM, rows_BC[:, :, None], axis=1))

    def _table(self, step: int, window: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        bits = np.random.Philox(key=[self.seed, step], counter=[0, window + 1, 0, 0])
        table_VM = np.random.Generator(bits).random(
            (self.n_channels, _HEAD + self.n_tokens), dtype=np.float32
        )
        table_VM[:, 0] = table_VM[0, 0]  # one share a window
        return table_VM


def kept_tokens(mask_BCN: Tensor, draws_BCM: Tensor) -> Tensor:
    """The tokens that a perturbed view sees, (B, C, N) bool; at least one of every window.

    Of C' present channels ⌈C'/2⌉ to C' stay, each number as likely as the others; of the N'
    tokens of a channel that stays ⌊N'/2⌋ to N' − 1, as in the authors' code, but at least one.

    Parameters
    ----------
    mask_BCN
        Which tokens are valid.
    draws_BCM
        From :meth:`Perturbation.draws`; of other widths than N + 3, the first are used.
    """
    n_tokens = mask_BCN.shape[2]
    present_BC = mask_BCN.any(dim=2)
    n_present_B = present_BC.sum(dim=1)
    least_B = (n_present_B + 1) // 2
    kept_B = least_B + (draws_BCM[:, 0, 0] * (n_present_B - least_B + 1)).floor()
    stays_BC = _rank(draws_BCM[:, :, 1], present_BC) < kept_B.unsqueeze(1)
    n_valid_BC = mask_BCN.sum(dim=2)
    least_BC = n_valid_BC // 2
    kept_BC = (least_BC + (draws_BCM[:, :, 2] * (n_valid_BC - least_BC)).floor()).clamp(min=1)
    scores_BCN = draws_BCM[:, :, _HEAD : _HEAD + n_tokens]
    stays_BCN = _rank(scores_BCN, mask_BCN) < kept_BC.unsqueeze(2)
    return mask_BCN & stays_BC.unsqueeze(2) & stays_BCN


def _rank(scores: Tensor, taking_part: Tensor) -> Tensor:
    """Place of each score in the ascending order of the last dimension; others come last."""
    return scores.masked_fill(~taking_part, torch.inf).argsort(dim=-1).argsort(dim=-1)


_AXES = "XYZ"


_STREAM = 1
"""Keeps these draws apart from those of the perturbation, whose counters begin with 0."""


def sensors(vocabulary: Sequence[str]) -> list[tuple[int, int, int]]:
    """Rows of the x, y and z axes of each accelerometer, gyroscope or magnetometer, by name."""
    rows: dict[tuple[str, str], int] = {}
    for row, name in enumerate(vocabulary):
        text = canonical(name)
        if kind(name) in ("acc", "gyro", "mag") and text[-1] in _AXES:
            rows[text[:-1], text[-1]] = row
    stems = dict.fromkeys(stem for stem, _ in rows)
    found = [tuple(rows.get((stem, axis), -1) for axis in _AXES) for stem in stems]
    return [(x, y, z) for x, y, z in found if min(x, y, z) >= 0]


@dataclass(frozen=True, kw_only=True)
class Turning:
    """Draws by how much the sensors of a window are turned, all of them alike.

    As for :class:`Perturbation`, the draw follows from the seed, the step and the window's
    position in its corpus alone.
    """

    degrees: float
    """Standard deviation of the angle about each axis."""
    seed: int

    def draws(self, step: int, index_B: Tensor) -> Tensor:
        """Rotations, (B, 3, 3) float32."""
        angles_B3 = np.stack([self._angles(step, window) for window in index_B.tolist()])
        x, y, z = torch.from_numpy(angles_B3).unbind(dim=1)
        none = torch.zeros_like(x)
        generators = torch.stack([none, -z, y, z, none, -x, -y, x, none], dim=1)
        rotations: Tensor = torch.matrix_exp(generators.unflatten(1, (3, 3)))
        return rotations.float()

    def _angles(self, step: int, window: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        bits = np.random.Philox(key=[self.seed, step], counter=[0, window, _STREAM, 0])
        return np.random.Generator(bits).normal(0.0, radians(self.degrees), 3)


def turned(
    x_BCT: Tensor,
    channel_ids_BC: Tensor,
    rotations_B33: Tensor,
    sensors: Sequence[tuple[int, int, int]],
) -> Tensor:
    """The windows with every whole sensor turned; a sample that one axis lacks, all then lack.

    Parameters
    ----------
    x_BCT
        Signals; NaN where missing.
    channel_ids_BC
        Row of the vocabulary of each channel; −1: absent.
    rotations_B33
        From :meth:`Turning.draws`.
    sensors
        From :func:`sensors`. A window that lacks an axis of one keeps it as it is.
    """
    result = x_BCT.clone()
    for axes in sensors:
        is_axis_BC3 = channel_ids_BC.unsqueeze(2) == torch.tensor(axes, device=x_BCT.device)
        whole_B = is_axis_BC3.any(dim=1).all(dim=1).nonzero().squeeze(1)
        places_B31 = is_axis_BC3[whole_B].int().argmax(dim=1).unsqueeze(2)
        places_B3T = places_B31.expand(-1, -1, x_BCT.shape[2])
        values_B3T = x_BCT[whole_B].gather(1, places_B3T)
        values_B3T = rotations_B33[whole_B].to(x_BCT.dtype) @ values_B3T
        result[whole_B] = result[whole_B].scatter(1, places_B3T, values_B3T)
    return result
