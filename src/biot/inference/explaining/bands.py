"""Bands of frequencies: those that a field uses, those that a user gives, and a signal without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError
from biot.preprocessing import Preprocessing
from biot.signals.channels import kind
from biot.signals.filters import filter_signal, fir

__all__ = ["Band", "GivenBands", "bands_of", "reach", "without_band"]

_EEG = {"delta": (0.5, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}
_GAMMA = 30.0
_LOWEST_OCTAVE = 0.5

GivenBands = str | Sequence[tuple[float, float]] | Mapping[str, tuple[float, float]]
"""``"0.5-4,alpha=8-13"``, pairs of Hz, or these by their names; empty: none."""


@dataclass(frozen=True)
class Band:
    """Frequencies from `low` to `high`."""

    name: str
    low: float
    """Hz; 0: no lower end, the constant part included."""
    high: float
    """Hz; half the rate: no upper end."""


def bands_of(given: GivenBands | None, contract: Preprocessing) -> tuple[Band, ...]:
    """The bands to leave out in turn.

    Parameters
    ----------
    given
        What the user wants; None: of EEG delta, theta, alpha, beta and gamma, of anything else
        octaves from 0.5 Hz on. These end where the filters of the contract, or half its rate, do.
    contract
        What the windows of the model went through.

    Raises
    ------
    ConfigError
        If a band cannot be read, is empty, or does not lie within 0 Hz and half the rate.
    """
    if given is None:
        return _usual(contract)
    if isinstance(given, str):
        named = [_parsed(word.strip()) for word in given.split(",")] if given.strip() else []
    elif isinstance(given, Mapping):
        named = [(str(name), *_pair(pair)) for name, pair in given.items()]
    else:
        named = [("", *_pair(pair)) for pair in given]
    found = tuple(Band(name or f"{low:g}-{high:g} Hz", low, high) for name, low, high in named)
    for band in found:
        _require(band, contract.sfreq)
    names = [band.name for band in found]
    if len(set(names)) < len(names):
        raise ConfigError(f"bands must differ, got {', '.join(names)}.")
    return found


def reach(band: Band, sfreq: float) -> int:
    """Samples on either side that one sample of :func:`without_band` rests on."""
    return len(_taps(band, sfreq)) // 2


def without_band(
    signal: npt.NDArray[np.float32], band: Band, sfreq: float
) -> npt.NDArray[np.float32]:
    """The signal without a band: less what a zero-phase band-pass lets through.

    At the ends of the band a half is left. A missing sample stays missing, and is an end.
    """
    return np.asarray(signal - filter_signal(signal, _taps(band, sfreq)), dtype=np.float32)


def _taps(band: Band, sfreq: float) -> npt.NDArray[np.float64]:
    low = band.low if band.low > 0 else None
    high = band.high if band.high < sfreq / 2 else None
    return fir(sfreq, l_freq=low, h_freq=high)


def _usual(contract: Preprocessing) -> tuple[Band, ...]:
    top = min(contract.h_freq or np.inf, contract.sfreq / 2)
    if any(kind(name) == "eeg" for name in contract.ch_names):
        wanted = {**_EEG, "gamma": (_GAMMA, max(top, _GAMMA))}
    else:
        edges = [_LOWEST_OCTAVE]
        while edges[-1] < top:
            edges.append(min(2 * edges[-1], top))
        pairs = pairwise(edges)
        wanted = {f"{low:g}-{high:g} Hz": (low, high) for low, high in pairs}
    least = contract.l_freq or 0.0
    cut = [(name, max(low, least), min(high, top)) for name, (low, high) in wanted.items()]
    return tuple(Band(name, low, high) for name, low, high in cut if low < high)


def _parsed(word: str) -> tuple[str, float, float]:
    name, _, numbers = word.rpartition("=")
    low, _, high = numbers.partition("-")
    try:
        return name.strip(), float(low), float(high)
    except ValueError:
        raise ConfigError(
            f"bands must be pairs of Hz with commas between them, such as 0.5-4,4-8 or "
            f"alpha=8-13; got {word!r}."
        ) from None


def _pair(pair: Sequence[float]) -> tuple[float, float]:
    try:
        low, high = pair
        return float(low), float(high)
    except (TypeError, ValueError):
        raise ConfigError(f"bands must be pairs of Hz, low and high; got {pair!r}.") from None


def _require(band: Band, sfreq: float) -> None:
    half = sfreq / 2
    if not (isfinite(band.low) and isfinite(band.high) and 0 <= band.low < band.high <= half):
        raise ConfigError(
            f"bands must lie within 0 and {half:g} Hz, half the model's rate, the lower end first; "
            f"got {band.low:g} to {band.high:g} Hz."
        )
    if band.low == 0 and band.high == half:
        raise ConfigError(
            f"bands must leave something of the signal; 0 to {half:g} Hz is all of it."
        )
    try:
        _taps(band, sfreq)
    except ConfigError as error:
        raise ConfigError(
            f"bands: {band.low:g} to {band.high:g} Hz has an end so near to 0 or to {half:g} Hz "
            "that its filter would be longer than an hour. Move it, or set it to that value."
        ) from error
