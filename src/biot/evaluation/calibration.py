"""Whether probabilities are truthful, and the temperature that makes them so."""

# W windows, K classes or tags, R resamples, N bins
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.decision import Decision
from biot.errors import require

__all__ = [
    "N_BINS",
    "Reliability",
    "bin_of",
    "brier_of_each",
    "expected_calibration_error",
    "fitted_temperature",
    "ranked",
    "reliability",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

N_BINS = 10
"""Bins of the expected calibration error: of equal width, from 0 to 1."""

_TEMPERATURES = (0.1, 10.0)
"""Lowest and highest that is tried."""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How often one class or tag holds where it is said to hold with some probability."""

    mean_probability: Floats
    """(N,) mean of each bin; NaN of an empty one."""
    frequency: Floats
    """(N,) share of its windows of which it holds."""
    n_windows: Ints
    """(N,)"""


def ranked(truth: npt.NDArray[Any], probabilities_WK: Floats) -> tuple[Bools, Floats]:
    """Truth and probability of what is asked: the second of two classes, else each; (W, J) both.

    Parameters
    ----------
    truth
        (W,) classes, or (W, K) tags.
    probabilities_WK
        Probabilities.
    """
    n_outputs = probabilities_WK.shape[1]
    if truth.ndim == 2:
        return np.asarray(truth > 0.5), probabilities_WK
    first = 1 if n_outputs == 2 else 0
    holds = truth[:, None] == np.arange(first, n_outputs)
    return np.asarray(holds), probabilities_WK[:, first:]


def brier_of_each(truth: npt.NDArray[Any], probabilities_WK: Floats) -> Floats:
    """Brier score of each window, (W,); their mean is that of the set.

    Of two classes and of tags the squared error of a probability (of tags their mean over the
    tags); of more classes the sum over the classes, from 0 to 2 (Brier 1950).
    """
    holds, p = ranked(truth, probabilities_WK)
    error = (p - holds) ** 2
    return np.asarray(error.mean(axis=1) if truth.ndim == 2 else error.sum(axis=1))


def bin_of(probabilities: Floats) -> Ints:
    """Number of the bin of each probability; a bin has its lower end, the last one both."""
    return np.clip((probabilities * N_BINS).astype(np.int64), 0, N_BINS - 1)


def reliability(holds_W: Bools, probabilities_W: Floats) -> Reliability:
    """Mean probability and frequency of one class or tag in each bin."""
    place = bin_of(probabilities_W)
    n_windows = np.bincount(place, minlength=N_BINS)
    sums = [np.bincount(place, values, N_BINS) for values in (probabilities_W, holds_W)]
    means = [
        np.divide(total, n_windows, out=np.full(N_BINS, np.nan), where=n_windows > 0)
        for total in sums
    ]
    return Reliability(mean_probability=means[0], frequency=means[1], n_windows=n_windows)


def expected_calibration_error(
    truth: npt.NDArray[Any], probabilities_WK: Floats, weight: Floats | None = None
) -> float:
    """Distance of probability and frequency, averaged over the windows of the bins.

    Of several classes and of tags, the mean over each of them against the rest (the class-wise
    error of Kull et al. 2019).
    """
    holds, p = ranked(truth, probabilities_WK)
    weight = np.ones(len(truth)) if weight is None else weight
    errors = [
        np.abs(np.bincount(bin_of(probability), (probability - held) * weight)).sum()
        for held, probability in zip(holds.T, p.T, strict=True)
    ]
    return float(np.mean(errors) / weight.sum())


def fitted_temperature(
    truth: npt.NDArray[Any], outputs_WK: Floats, decision: Decision, weight: Floats | None = None
) -> float | None:
    """The temperature that makes the probabilities of validation windows most likely.

    Targets are drawn towards each other as by Laplace's rule of succession (Platt 1999), so that a
    few windows that are told apart perfectly do not make the model certain of everything.

    Parameters
    ----------
    truth
        (W,) classes, or (W, K) tags.
    outputs_WK
        Outputs, finite.
    decision
        With the class weights; its temperature is not looked at.
    weight
        (W,) how much each window counts, of classes only; None: all alike.

    Returns
    -------
    float or None
        From 0.1 to 10; None where only one class occurs, or no tag both holds and does not.
    """
    optimize = require("scipy.optimize", extra="training")
    weights = np.log(decision.class_weights or (1.0,))
    if decision.task == "multilabel":
        known = (truth > 0.5).any(axis=0) & (truth <= 0.5).any(axis=0)
        if not known.any():
            return None
        target, outputs = _drawn(truth[:, known] > 0.5), outputs_WK[:, known]
        shift = np.broadcast_to(weights, (truth.shape[1],))[known]
    else:
        if len(np.unique(truth)) < 2:
            return None
        target = _drawn_classes(truth, outputs_WK.shape[1], weight)
        outputs, shift = outputs_WK, weights

    def loss(log_temperature: float) -> float:
        z = outputs / np.exp(log_temperature) - shift
        if decision.task == "multilabel":
            return float((np.logaddexp(0.0, z) - target * z).sum())
        highest = z.max(axis=1)
        total = highest + np.log(np.exp(z - highest[:, None]).sum(axis=1))
        return float(np.average(total - (target * z).sum(axis=1), weights=weight))

    low, high = map(math.log, _TEMPERATURES)
    found = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded")
    return float(np.exp(found.x))


def _drawn(holds_WK: Bools) -> Floats:
    """Targets of tags, a little off 0 and 1."""
    n_held, n_not = holds_WK.sum(axis=0), (~holds_WK).sum(axis=0)
    return np.asarray(np.where(holds_WK, (n_held + 1) / (n_held + 2), 1 / (n_not + 2)))


def _drawn_classes(truth: npt.NDArray[Any], n_classes: int, weight: Floats | None) -> Floats:
    """Targets of classes, (W, K), whose rows add up to 1."""
    counts = np.bincount(truth, weight, minlength=n_classes)
    share = 1 / (counts[truth] + n_classes)
    target = np.repeat(share[:, None], n_classes, axis=1)
    target[np.arange(len(truth)), truth] += 1 - n_classes * share
    return target
