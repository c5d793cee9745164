"""Windows that are kept for validation, and windows that share samples, which spoil it."""

# n windows, C channels, T samples

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, require
from biot.signals.formats.mne import is_epochs

__all__ = ["Overlap", "shared_samples", "tell_of_overlap", "validation_windows"]

Array = npt.NDArray[Any]

_FEWEST_VALUES = 8
"""So many equal numbers are no coincidence."""
_ALIKE = 0.99
"""Correlation from which on two stretches are the same samples, whatever was subtracted."""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Two windows that hold the same samples."""

    first: int
    second: int
    n_shared: int
    """Samples that both hold."""


def validation_windows(truth: Array, groups: Any, share: float, seed: int) -> Array:
    """Positions of the windows that validate: whole groups, or some of each class.

    Raises
    ------
    ConfigError
        If there is one group only, or no class has a window to spare.
    """
    if groups is not None:
        return _of_groups(truth, groups, share, seed)
    generator, chosen = np.random.default_rng(seed), []
    for label in np.unique(truth):
        rows = generator.permutation(np.flatnonzero(truth == label))
        chosen.append(rows[: min(len(rows) - 1, max(1, round(share * len(rows))))])
    valid = np.sort(np.concatenate(chosen))
    if not len(valid):
        raise ConfigError(
            f"y has n_samples = {len(truth)}, one of each class: none is left for validation."
        )
    return valid


def _of_groups(truth: Array, groups: Any, share: float, seed: int) -> Array:
    checks = require("sklearn.utils.validation", extra="training")
    selection = require("sklearn.model_selection", extra="training")
    groups = checks.column_or_1d(groups)
    checks.check_consistent_length(truth, groups)
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ConfigError("groups must hold two groups or more: one of them validates.")
    most = int(np.bincount(truth).max())
    n_parts = max(2, min(max(2, round(1 / share)), n_groups, most))
    splitter = selection.StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # that a class is rarer than the parts are many: told below
        warnings.filterwarnings("ignore", "The least populated class|The number of unique classes")
        valid = np.asarray(next(splitter.split(truth[:, None], truth, groups))[1])
    absent = np.setdiff1d(truth, truth[valid])
    if len(absent):
        warnings.warn(
            f"{len(absent)} of {len(np.unique(truth))} classes of y are in no group that validates "
            f"({len(np.unique(groups[valid]))} of {n_groups} groups do): validation says nothing "
            "of them. More groups, or another random_state, may help.",
            stacklevel=4,
        )
    return valid


def tell_of_overlap(X: Any, windows: Array) -> None:
    """Warn if windows share samples, of which some would train and others validate."""
    found = shared_samples(X, windows)
    if found is None:
        return
    warnings.warn(
        f"X: windows overlap: {found.first} and {found.second} share {found.n_shared} of "
        f"{windows.shape[2]} samples. Without groups, windows that validate share samples with "
        "windows that train, so that the validation score is too good and training stops at the "
        "wrong time. Give fit the recording or subject of each window: groups=.",
        stacklevel=3,
    )


def shared_samples(X: Any, windows: Array) -> Overlap | None:
    """Two windows that hold the same samples; None if none are found.

    Of MNE's epochs, the samples of their events say which may overlap; of arrays only windows that
    follow each other are compared, for samples that are exactly equal.

    Parameters
    ----------
    X
        As it was given.
    windows
        (n, C, T) what became of it.
    """
    several = list(X) if isinstance(X, list | tuple) else [X]
    if not all(is_epochs(one) for one in several):
        return _among_neighbours(windows)
    if all(len(one.events) == 1 for one in several):  # as scikit-learn cuts them up
        onsets = np.concatenate([_onsets(one) for one in several])
        return _by_events(onsets, windows, 0) or _among_neighbours(windows)
    first = 0
    for one in several:
        onsets = _onsets(one)
        found = _by_events(onsets, windows[first : first + len(onsets)], first)
        if found is not None:
            return found
        first += len(onsets)
    return _among_neighbours(windows)


def _onsets(epochs: Any) -> Array:
    """Sample of each event that was not dropped, at the rate of the epochs."""
    kept = epochs if getattr(epochs, "_bad_dropped", True) else epochs.copy().drop_bad()
    own = float(epochs.info["sfreq"])
    # Events keep counting at the rate of the recording when epochs are resampled.
    return np.asarray(kept.events[:, 0] * (own / float(getattr(epochs, "_raw_sfreq", own) or own)))


def _by_events(onsets: Array, windows: Array, first: int) -> Overlap | None:
    """Neighbours in time that are nearer than a window is long, and hold the same signal."""
    length = windows.shape[2]
    order = np.argsort(onsets, kind="stable")
    for earlier, later in pairwise(order):
        shift = round(float(onsets[later] - onsets[earlier]))
        shared = length - shift
        # Events may be made up, as those of EpochsArray are: the signal decides.
        if shared > 0 and _alike(windows[earlier][:, shift:], windows[later][:, :shared]):
            return Overlap(first=first + int(earlier), second=first + int(later), n_shared=shared)
    return None


def _alike(one: Array, other: Array) -> bool:
    """Whether two stretches are the same but for a constant, which a baseline takes away."""
    alike = False
    for a, b in zip(one.astype(np.float64), other.astype(np.float64), strict=True):
        present = np.isfinite(a) & np.isfinite(b)
        if present.sum() < _FEWEST_VALUES:
            continue
        a, b = a[present] - a[present].mean(), b[present] - b[present].mean()
        power = float(np.sqrt((a @ a) * (b @ b)))
        if power > 0 and float(a @ b) <= _ALIKE * power:
            return False
        alike = alike or power > 0
    return alike


def _among_neighbours(windows: Array) -> Overlap | None:
    for index in range(len(windows) - 1):
        shared = _overlap_of(windows[index], windows[index + 1])
        if shared:
            return Overlap(first=index, second=index + 1, n_shared=shared)
    return None


def _overlap_of(one: Array, after: Array) -> int:
    """Samples at the end of a window that are those at the start of the next one; 0 for none."""
    length = one.shape[1]
    begin = after[:, :1]
    same = ((one == begin) | (np.isnan(one) & np.isnan(begin))).all(axis=0)
    for start in np.flatnonzero(same):
        head = after[:, : length - start]
        n_telling = (np.isfinite(head) & (head != begin)).sum()  # a flat signal equals itself
        if n_telling >= _FEWEST_VALUES and np.array_equal(one[:, start:], head, equal_nan=True):
            return int(length - start)
    return 0
