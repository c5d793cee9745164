"""Turned views of movement sensors: the body stays, the device sits a little differently."""

# B windows, C channels of a batch, T samples, S sensors of three axes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians

import numpy as np
import torch
from torch import Tensor

from biot.signals.channels import canonical, kind

__all__ = ["Turning", "sensors", "turned"]

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

    As for :class:`biot.training.perturb.Perturbation`, the draw follows from the seed, the step
    and the window's position in its corpus alone.
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
