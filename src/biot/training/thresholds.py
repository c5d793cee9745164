"""From which probability on to say yes: chosen on windows that were not trained on."""

# W windows, U distinct scores

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from biot.training.metrics import Floats

__all__ = ["best_threshold"]


def best_threshold(
    positive: npt.NDArray[np.bool_], score: Floats, aim: Literal["balanced_accuracy", "f1"]
) -> float:
    """The threshold that serves the given windows best.

    Thresholds lie halfway between neighbouring scores; of equally good ones the one nearest to
    0.5 is taken, and 0.5 itself where only yes or only no occurs.

    Parameters
    ----------
    positive
        (W,) whether each window deserves a yes.
    score
        (W,) its probability; from the threshold on the answer is yes.
    aim
        What shall be highest.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if n_positive == 0 or n_negative == 0:
        return 0.5
    values, place = np.unique(score, return_inverse=True)
    # Windows at or above each distinct score, of either kind; above the highest there are none.
    true = np.append(np.bincount(place, positive)[::-1].cumsum()[::-1], 0.0)
    false = np.append(np.bincount(place, ~positive)[::-1].cumsum()[::-1], 0.0)
    if aim == "f1":
        quality = 2 * true / (true + false + n_positive)
    else:
        quality = true / n_positive - false / n_negative
    low, high = np.append(0.0, values), np.append(values, 1.0)
    halfway = np.where((low + high) / 2 > low, (low + high) / 2, high)
    # Any number between two neighbours decides alike; 0.5 is the plainest.
    candidates = np.where((low < 0.5) & (high >= 0.5), 0.5, halfway)
    if values[-1] >= 1:  # no threshold lies above it
        candidates, quality = candidates[:-1], quality[:-1]
    best = np.flatnonzero(np.isclose(quality, quality.max(), rtol=0, atol=1e-12))
    return float(candidates[best[np.argmin(np.abs(candidates[best] - 0.5))]])
