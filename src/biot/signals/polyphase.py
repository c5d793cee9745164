"""SciPy's polyphase filter as matrix products, several times as fast on long recordings."""

# K input samples of a block, M output samples of it

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["grain", "polyphase"]

Floats = npt.NDArray[np.floating[Any]]

_LARGEST_TERM = 256
"""Of a ratio of rates; beyond, most of the matrix would be zeros, and SciPy is as fast."""
_ROWS = 16
"""Blocks in one product. Products of one shape round alike, wherever a stretch begins."""


def polyphase(data: Floats, up: int, down: int) -> Floats:
    """``scipy.signal.resample_poly(data, up, down, axis=-1, padtype="edge")`` of complete data.

    Computed in float64: the offset of some recordings is a thousand times their signal.

    Parameters
    ----------
    data
        (…, n_times), n_times at least 1.
    up, down
        Without a common divisor, and not both 1.

    Returns
    -------
    numpy.ndarray
        (…, ceil(n_times × up / down)), of the dtype of `data`. What begins at a multiple of
        :func:`grain` has the same bits as that part of the whole, but for its ends.
    """
    if max(up, down) > _LARGEST_TERM:
        from scipy.signal import resample_poly

        result: Floats = resample_poly(
            data.astype(np.float64), up, down, axis=-1, padtype="edge"
        ).astype(data.dtype)
        return result
    matrix_KM, reach = _matrix(up, down)
    n_in, n_out = data.shape[-1], -(-data.shape[-1] * up // down)
    step = matrix_KM.shape[0] - 2 * reach
    n_products = -(-n_in // (step * _ROWS))
    padded = np.empty(n_products * _ROWS * step + 2 * reach)
    blocks = np.lib.stride_tricks.sliding_window_view(padded, len(matrix_KM))[::step]
    out = np.empty((*data.shape[:-1], n_out), data.dtype)
    for channel, result in zip(data.reshape(-1, n_in), out.reshape(-1, n_out), strict=True):
        padded[:reach] = channel[0]
        padded[reach : reach + n_in] = channel
        padded[reach + n_in :] = channel[-1]
        products = np.ascontiguousarray(blocks).reshape(n_products, _ROWS, -1) @ matrix_KM
        result[:] = products.reshape(-1)[:n_out]
    return out


def grain(up: int, down: int) -> int:
    """Input samples to whose multiples a stretch must be anchored to give the bits of the whole."""
    if max(up, down) > _LARGEST_TERM:
        return down
    matrix_KM, reach = _matrix(up, down)
    return (len(matrix_KM) - 2 * reach) * _ROWS


@lru_cache(maxsize=8)
def _matrix(up: int, down: int) -> tuple[npt.NDArray[np.float64], int]:
    """What takes a block and its `reach` neighbours on either side to the block's output."""
    from scipy.signal import firwin

    half = 10 * max(up, down)
    # the filter that resample_poly designs
    taps = up * firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", 5.0))
    reach = -(-half // up)
    n_cycles = max(1, round(1.5 * reach / down))  # few zeros, and little read twice
    inputs = np.arange(-reach, n_cycles * down + reach)
    tap = np.arange(n_cycles * up) * down - inputs[:, None] * up + half
    inside = (tap >= 0) & (tap < len(taps))
    return np.where(inside, taps[np.clip(tap, 0, len(taps) - 1)], 0.0), reach
