"""Features of windows that need no training: log band powers, and means where they say something.

Bands are narrow, because broad ones (delta, theta, alpha, beta, gamma) cannot tell neighbouring
rhythms apart: a ridge on the five broad bands reaches 0.34 where one on these reaches 0.56 (four
classes of steady-state evoked EEG).
"""

# W windows, C channels, T samples, B bands, S segments, N frequencies, F features
from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, counted, require

__all__ = ["SignalKind", "band_edges", "band_powers", "signal_kinds"]

Floats = npt.NDArray[np.float64]

SignalKind = Literal["potential", "level"]
"""``"potential"``: only what varies counts, as of EEG or ECG, whose zero is arbitrary; ``"level"``:
the mean counts too, as of acceleration, which holds gravity, or of temperature."""

_NARROW = 1.0
"""Hz, width of a band; low rates have narrower ones."""
_NARROW_UP_TO = 45.5
"""Hz; all above it is one band."""
_FEWEST = 20
"""Bands that low rates have at least, where the window is long enough for them."""
_FLOOR = 1e-10
"""Least power of a band, as a share of the channel's power in the window: what rounding leaves."""
_LARGEST_PIECE = 4_000_000
"""Samples, of all channels together, whose spectra are computed at a time."""

_LEVEL_UNITS = ("g", "mg", "rad/s", "°/s", "m/s²", "µS", "°C", "%", "bpm", "mmHg")


def signal_kinds(units: Sequence[str]) -> tuple[SignalKind, ...]:
    """The kind of each channel by its unit: of movement, skin and temperature ``"level"``."""
    return tuple("level" if unit in _LEVEL_UNITS else "potential" for unit in units)


def band_edges(sfreq: float, n_times: int) -> tuple[tuple[float, float], ...]:
    """The bands of windows: lower end, which belongs to the band, and upper end, in Hz.

    Bands are 1 Hz wide around each whole frequency up to 45 Hz, and one band holds what lies above,
    up to half the rate. Below 40 Hz a twentieth of half the rate is the width. Bands that lie
    between two frequencies which the window resolves are left out.

    Parameters
    ----------
    sfreq
        Samples a second.
    n_times
        Samples of a window.
    """
    nyquist = sfreq / 2
    width = min(_NARROW, nyquist / _FEWEST)
    edges = np.arange(width / 2, min(nyquist, _NARROW_UP_TO + width / 2), width).tolist()
    if len(edges) < 2 or nyquist - edges[-1] >= width / 2:
        edges.append(nyquist)  # a rest narrower than half a band joins the band below it
    edges[-1] = float(np.nextafter(nyquist, np.inf))  # half the rate itself belongs to the last
    frequencies = np.fft.rfftfreq(_segment(sfreq, n_times), 1 / sfreq)
    pairs = itertools.pairwise(edges)
    return tuple(
        (low, high) for low, high in pairs if ((frequencies >= low) & (frequencies < high)).any()
    )


def _segment(sfreq: float, n_times: int) -> int:
    """Samples of a segment, whose resolution is a band's width; the window when it is shorter."""
    width = min(_NARROW, sfreq / 2 / _FEWEST)
    return max(1, min(n_times, round(sfreq / width)))


def band_powers(x: npt.ArrayLike, sfreq: float, *, kinds: Sequence[SignalKind]) -> Floats:
    """Logarithm of the power in bands of each channel, and the mean of channels that have a level.

    The power is that of Hann segments, half overlapping, each without its mean; a segment has a
    second, or more where bands are narrower than 1 Hz. The feature is the mean of the logarithms
    over the segments in which nothing is missing.

    Parameters
    ----------
    x
        (W, C, T) windows in physical units, or scaled alike; NaN where a sample is missing.
    sfreq
        Samples a second.
    kinds
        Of each channel, see :data:`SignalKind` and :func:`signal_kinds`.

    Returns
    -------
    numpy.ndarray
        (W, F) float64: the bands of the first channel, those of the second and so on, then the
        means. NaN where a channel has no whole segment or is constant (of a mean: no sample).

    Raises
    ------
    ConfigError
        If `x` has other axes, no samples, or other channels than `kinds`, or `sfreq` is not above
        0.
    """
    windows = np.asarray(x)
    _require_windows(windows, sfreq, kinds)
    n_windows, n_chans, n_times = windows.shape
    step = max(1, _LARGEST_PIECE // max(1, n_chans * n_times))
    pieces = [
        _of_piece(windows[first : first + step].astype(np.float64), sfreq, kinds)
        for first in range(0, n_windows, step)
    ]
    if pieces:
        return np.concatenate(pieces)
    n_bands = len(band_edges(sfreq, n_times))
    return np.empty((0, n_chans * n_bands + sum(kind == "level" for kind in kinds)))


def _require_windows(windows: npt.NDArray[Any], sfreq: float, kinds: Sequence[SignalKind]) -> None:
    if windows.ndim != 3 or not windows.shape[2]:
        raise ConfigError(
            f"x must be (windows, channels, samples) with a sample or more, got {windows.shape}."
        )
    if not (np.isfinite(sfreq) and sfreq > 0):
        raise ConfigError(f"sfreq must be above 0 Hz, got {sfreq}.")
    unknown = sorted({str(kind) for kind in kinds if kind not in ("potential", "level")})
    if len(kinds) != windows.shape[1] or unknown:
        raise ConfigError(
            "kinds must say 'potential' or 'level' of each channel: got "
            f"{len(kinds)} for {counted(windows.shape[1], 'channel')}"
            f"{f', among them {unknown[0]!r}' if unknown else ''}. signal_kinds(units) makes them."
        )


def _of_piece(x_WCT: Floats, sfreq: float, kinds: Sequence[SignalKind]) -> Floats:
    logs = _log_powers(x_WCT, sfreq)
    levels = np.array([kind == "level" for kind in kinds])
    features = [logs.reshape(len(logs), -1)]
    if levels.any():
        present = np.isfinite(x_WCT[:, levels])
        total = np.where(present, x_WCT[:, levels], 0.0).sum(axis=2)
        count = present.sum(axis=2)
        means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        features.append(means)
    return np.concatenate(features, axis=1)


def _log_powers(x_WCT: Floats, sfreq: float) -> Floats:
    """(W, C, B); NaN where nothing is known."""
    signal = require("scipy.signal", extra="training")
    n_times = x_WCT.shape[2]
    length = _segment(sfreq, n_times)
    frequencies, _, power_WCNS = signal.spectrogram(
        np.where(np.isfinite(x_WCT), x_WCT, np.nan), sfreq, window="hann", nperseg=length,
        noverlap=length // 2, detrend="constant",
    )  # fmt: skip
    total_WC1S = power_WCNS.sum(axis=2, keepdims=True)
    known_WC1S = total_WC1S > np.finfo(np.float64).tiny / _FLOOR  # NaN is not
    bands = [
        power_WCNS[:, :, (frequencies >= low) & (frequencies < high)].mean(axis=2)
        for low, high in band_edges(sfreq, n_times)
    ]
    power_WCBS = np.stack(bands, axis=2) if bands else np.empty((*x_WCT.shape[:2], 0, 1))
    floor = np.where(known_WC1S, total_WC1S * _FLOOR, 1.0)
    logs = np.where(known_WC1S, np.log(np.maximum(power_WCBS, floor)), 0.0)
    count = known_WC1S.sum(axis=3)
    mean = np.divide(logs.sum(axis=3), count, out=np.full(logs.shape[:3], np.nan), where=count > 0)
    return np.asarray(mean)
