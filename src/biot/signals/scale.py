"""Scale of a channel: the 95th percentile of its magnitude, and division by it."""

# B windows, C channels (the most in the batch), T samples (the longest), K outputs
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError
from biot.preprocessing import Scale
from biot.signals.resampling import Floats

__all__ = [
    "divided",
    "q95_scale",
    "scaled_window",
]


def q95_scale(data: npt.ArrayLike) -> Floats:
    """95th percentile of the magnitude over the last axis: what windows are divided by.

    Missing samples (NaN, infinite) do not count; between two samples it is interpolated linearly.

    Parameters
    ----------
    data
        (…, n_chans, n_times).

    Returns
    -------
    numpy.ndarray
        (…, n_chans), positive; 1 where the percentile is 0 (a flat channel) or no sample is there.
    """
    magnitude = np.abs(np.asarray(data))
    if not np.issubdtype(magnitude.dtype, np.floating):
        magnitude = magnitude.astype(np.float64)
    scale = np.zeros(magnitude.shape[:-1], magnitude.dtype)
    if magnitude.size:
        rows, found = magnitude.reshape(-1, magnitude.shape[-1]), scale.reshape(-1)
        present = np.isfinite(rows)
        complete = present.all(axis=-1)
        for i in np.flatnonzero(~complete & present.any(axis=-1)):
            found[i] = _q95(rows[i, present[i]])
        found[complete] = _q95(rows if complete.all() else rows[complete])
    return np.where(scale > 0, scale, 1).astype(magnitude.dtype)


def _q95(values: Floats) -> Floats:
    """``np.quantile(values, 0.95, axis=-1)``, for which one partition, in place, is enough."""
    position = 0.95 * (values.shape[-1] - 1)
    below = int(position)
    values.partition(below, axis=-1)
    low = values[..., below]
    high = values[..., min(below + 1, values.shape[-1] - 1) :].min(axis=-1)
    result: Floats = low + (high - low) * (position - below)
    return result


def scaled_window(
    physical: npt.NDArray[np.floating[Any]],
    scale: Scale,
    q95: npt.NDArray[np.floating[Any]] | None = None,
) -> npt.NDArray[np.float32]:
    """Apply a contract's ``scale`` to windows in physical units.

    Prediction scales here; ``collate`` applies :func:`divided` to the factors of decoding.

    Parameters
    ----------
    physical
        (..., C, T) one window or many; NaN where a sample is missing, and stays NaN.
    scale
        ``"q95"``: divide each channel by the 95th percentile of its magnitude (a channel of
        zeros stays zeros); ``"none"``: leave the numbers as they are.
    q95
        (..., C) these percentiles, where they are known already; None computes them.

    Returns
    -------
    numpy.ndarray
        (..., C, T) float32
    """
    if q95 is None and scale == "q95":
        q95 = q95_scale(physical)
    divisor = None if q95 is None else q95[..., None]
    return divided(physical, scale, divisor).astype(np.float32, copy=scale == "none")


def divided(
    values: npt.NDArray[np.floating[Any]],
    scale: Scale,
    q95: npt.NDArray[np.floating[Any]] | None,
) -> npt.NDArray[np.floating[Any]]:
    """The one rule of ``scale``: what is divided by the percentiles, and what is left as it is.

    `values` are signals, or what decoding multiplies and adds; `q95` fits their shape.

    Raises
    ------
    ConfigError
        If `scale` is no such word.
    """
    if scale == "none":
        return values
    if scale != "q95":
        raise ConfigError(f"scale must be 'q95' or 'none', got {scale!r}.")
    assert q95 is not None
    return values / q95
