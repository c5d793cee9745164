"""SIGReg: how far features are from a standard normal distribution, seen from many directions."""

# B windows, E width, D directions, Q places of the characteristic function
from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["N_DIRECTIONS", "directions", "epps_pulley", "sigreg"]

N_DIRECTIONS = 256
"""Directions of a step."""

_FARTHEST, _N_PLACES = 5.0, 17


def directions(seed: int, step: int, width: int, n: int = N_DIRECTIONS) -> Tensor:
    """Unit vectors in random directions, (E, D) float64, by (seed, step) alone."""
    rng = np.random.default_rng([seed, step])
    return F.normalize(torch.from_numpy(rng.normal(size=(width, n))), dim=0)


def epps_pulley(values_BD: Tensor) -> Tensor:
    """Statistic of Epps and Pulley (1983) of each column against the standard normal, (D,).

    B ∫ |φ(t) − exp(−t² / 2)|² exp(−t² / 2) dt, where φ is the empirical characteristic function,
    by the trapezoid rule at 17 places from −5 to 5, as in Balestriero and LeCun (2025), *LeJEPA*.
    """
    t_Q = torch.linspace(
        -_FARTHEST, _FARTHEST, _N_PLACES, dtype=values_BD.dtype, device=values_BD.device
    )
    normal_Q = torch.exp(-t_Q.square() / 2)
    angles_BDQ = values_BD.unsqueeze(2) * t_Q
    apart_DQ = (angles_BDQ.cos().mean(dim=0) - normal_Q).square()
    apart_DQ = apart_DQ + angles_BDQ.sin().mean(dim=0).square()
    return len(values_BD) * torch.trapezoid(apart_DQ * normal_Q, t_Q, dim=1)


def sigreg(features_BE: Tensor, directions_ED: Tensor) -> Tensor:
    """Mean statistic over all directions: about 1 for features of a standard normal distribution.

    0.41 · B where all are zero, and more where they are equal otherwise.
    """
    if features_BE.dtype != torch.float64:
        features_BE = features_BE.float()
    directions_ED = directions_ED.to(features_BE.device, features_BE.dtype)
    return epps_pulley(features_BE @ directions_ED).mean()
