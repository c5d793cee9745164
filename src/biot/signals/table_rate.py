"""The sampling rate of a table: from its column of times, or a column that names it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError

__all__ = ["rate_of_column", "rate_of_times"]


def rate_of_column(path: Path, column: npt.NDArray[np.float64] | list[str]) -> float:
    """The one number of a column ``sfreq``; rows may be empty."""
    rates = set() if isinstance(column, list) else set(column[~np.isnan(column)].tolist())
    if len(rates) != 1:
        raise RecordingError(
            f"{path.name}: the column sfreq must hold one number, found {len(rates)} different "
            "ones. Split the table, or give sfreq=."
        )
    return float(rates.pop())


def rate_of_times(
    path: Path, name: str, seconds: npt.NDArray[np.float64], sfreq: float | None
) -> float:
    """The rate at which rows follow each other, checked against `sfreq` if that is given.

    A time may be half a sample off, as written times are rounded. A whole number is taken where
    it fits as well.

    Raises
    ------
    RecordingError
        If the times are not evenly spaced, and no rate is given.
    """
    length = seconds[-1] - seconds[0]
    measured = (len(seconds) - 1) / length if len(seconds) > 1 and length > 0 else np.nan
    if sfreq is not None:
        off = _largest_shift(seconds, sfreq)
        if not off <= 0.5:
            warnings.warn(
                f"{path.name}: read at {sfreq:g} Hz as given, but the times in column {name} are "
                f"up to {off:.3g} samples off that; they tell {measured:.5g} Hz.",
                stacklevel=5,
            )
        return sfreq
    for rate in (float(round(measured)) if np.isfinite(measured) else np.nan, measured):
        if rate > 0 and _largest_shift(seconds, rate) <= 0.5:
            return float(rate)
    raise RecordingError(
        f"{path.name}: the times in column {name} are not evenly spaced (some are "
        f"{_largest_shift(seconds, measured):.3g} samples off {measured:.5g} Hz), so samples are "
        "missing or the rate varies. Give sfreq= to take the rows as evenly spaced."
    )


def _largest_shift(seconds: npt.NDArray[np.float64], rate: float) -> float:
    """How many samples a time is off the one that its row has at this rate, at most."""
    return float(np.abs((seconds - seconds[0]) * rate - np.arange(len(seconds))).max())
