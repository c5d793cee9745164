"""Where the channels of EEG lie on a head that is seen from above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from biot.errors import require
from biot.signals.channels import COMMON_REFERENCES, parse

__all__ = ["places_on_scalp"]

_MONTAGES = ("colin27_1005", "standard_1005")
"""Names of one montage: in recent releases of MNE, and in earlier ones."""
_REFERENCES = frozenset({"A1", "A2", "M1", "M2"})
_EQUATOR = 90.0
"""Degrees from the top of the head that the circle of the figure stands for."""


def places_on_scalp(ch_names: Sequence[str]) -> dict[int, tuple[float, float]]:
    """Places of the channels whose electrode MNE's standard montage knows.

    Parameters
    ----------
    ch_names
        Names of channels; of a difference of two electrodes the place lies halfway. Ears and
        mastoids are taken for references: they have no place, and do not move another's.

    Returns
    -------
    dict
        x (to the right) and y (to the nose) of each such channel by its position in `ch_names`;
        the distance from the top of the head along it, 1 at the level of the ears and the nasion.

    Raises
    ------
    MissingDependencyError
        If MNE is not installed.
    """
    names = {i: parse(name) for i, name in enumerate(ch_names)}
    eeg = {i: name for i, name in names.items() if name.kind == "eeg" and name.electrode}
    if not eeg:
        return {}
    channels = require("mne.channels", extra="signals")
    montage = next(name for name in _MONTAGES if name in channels.get_builtin_montages())
    known = {
        name.upper(): position
        for name, position in channels.make_standard_montage(montage)
        .get_positions()["ch_pos"]
        .items()
    }
    centre = _centre(np.array(list(known.values())))
    flat = {name: _from_above(position - centre) for name, position in known.items()}
    found = {}
    for i, name in eeg.items():
        second = None if name.reference in COMMON_REFERENCES else name.reference
        sites = {name.electrode, second} - _REFERENCES
        ends = [flat.get(site) for site in sites if site is not None]
        if ends and all(end is not None for end in ends):
            x, y = np.mean([end for end in ends if end is not None], axis=0)
            found[i] = (float(x), float(y))
    return found


def _centre(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Centre of the sphere that fits points best, by least squares."""
    equations = np.column_stack([2 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(equations, (points**2).sum(axis=1), rcond=None)[0]
    return np.asarray(solution[:3])


def _from_above(point: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Azimuthal equidistant projection: x and y of a place on the sphere."""
    x, y, z = point
    across = float(np.hypot(x, y))
    angle = np.degrees(np.arctan2(across, z)) / _EQUATOR
    return (0.0, 0.0) if across == 0 else (angle * x / across, angle * y / across)
