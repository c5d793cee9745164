"""Units of measurement: one unit for each kind of signal, everything else as declared."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from math import pi

import numpy as np
import numpy.typing as npt

from biot.errors import ContractError, listed
from biot.signals.channels import kind
from biot.signals.flat import without_flat
from biot.signals.montage import MontagePlan
from biot.signals.recording import Recording

__all__ = [
    "KNOWN_UNITS",
    "conversion",
    "is_known_unit",
    "tell_of_amplitudes",
    "unit_factors",
]

_MICRO = ("µ", "μ", "u", "micro")  # micro sign, Greek mu, what ASCII allows


_PREFIXES = {"n": 1e-3, **dict.fromkeys(_MICRO, 1.0), "m": 1e3, "milli": 1e3, "": 1e6}


_IN_MICROVOLT = {
    f"{prefix}{volt}": factor
    for prefix, factor in _PREFIXES.items()
    for volt in ("V", "v", "Volt", "volt")
} | {"UV": 1.0}


_WANTED = {"eeg": "µV", "eog": "µV", "emg": "µV", "ecg": "mV"}


_GRAVITY = 9.80665  # m/s², standard


_OTHER = {
    **dict.fromkeys(("m/s²", "m/s^2", "m/s2", "m/s/s", "m/sec^2", "m·s⁻²"), (1 / _GRAVITY, "g")),
    **dict.fromkeys(
        ("°/s", "deg/s", "dps", "deg/sec", "degree/s", "degrees/s"), (pi / 180, "rad/s")
    ),
    "rad/sec": (1.0, "rad/s"),
}
"""Accelerations and turning rates, whatever the channel is called."""


_OF_KIND = {
    ("acc", "mg"): (1e-3, "g"),
    ("acc", "milli-g"): (1e-3, "g"),
    ("acc", "G"): (1.0, "g"),
    ("acc", "gravity"): (1.0, "g"),
}
"""Units that mean something else elsewhere."""


def conversion(declared: str, kind: str) -> tuple[float, str]:
    """What numbers in a declared unit are multiplied by, and the unit that they are in then.

    The voltages of EEG, EOG and EMG become microvolts, those of ECG millivolts; m/s² become g,
    degrees a second rad/s. Every other unit stays as it was declared, but microvolts are always
    spelled ``µV``.
    """
    unit = declared.strip()
    movement = _OTHER.get(unit) or _OF_KIND.get((kind, unit))
    if movement is not None:
        return movement
    factor = _IN_MICROVOLT.get(unit)
    if factor is None:
        return 1.0, unit
    spelled = "µV" if factor == 1.0 else unit
    wanted = _WANTED.get(kind, spelled)
    return factor / _IN_MICROVOLT[wanted], wanted


KNOWN_UNITS = (
    *("V", "mV", "µV", "nV", "g", "mg", "m/s²", "rad/s", "°/s"),
    *("T", "T/m", "°C", "%", "bpm", "µS", "a.u."),
)
"""Units that may be said of arrays, one spelling each; after °/s they stay as they are."""


def is_known_unit(declared: str) -> bool:
    """Whether a unit is one of :data:`KNOWN_UNITS`, in any spelling that files use."""
    unit = declared.strip()
    spelled = {*KNOWN_UNITS, *_IN_MICROVOLT, *_OTHER, *(word for _, word in _OF_KIND)}
    return unit in spelled


def unit_factors(
    recording: Recording, montage: MontagePlan, units: Sequence[str]
) -> npt.NDArray[np.float32]:
    """What each channel of a montage is multiplied by to be in the unit wanted, (n_chans,).

    Raises
    ------
    ContractError
        If a unit cannot be converted.
    """
    factors = np.ones(len(units), dtype=np.float32)
    for row, (entry, wanted) in enumerate(zip(montage.entries, units, strict=True)):
        sources = [index for index in (entry.plus, entry.minus) if index is not None]
        found = {recording.units[index] for index in sources}
        if not found or found == {wanted}:
            continue
        ratios = {unit: _voltage_ratio(unit, wanted) for unit in found}
        if len(ratios) > 1 or None in ratios.values():
            names = ", ".join(
                f"{recording.ch_names[index]!r} in {recording.units[index]!r}" for index in sources
            )
            raise ContractError(
                f"{recording.name}: {entry.name} must be in {wanted!r}, the recording has {names}. "
                "Correct the recording's units, or the model's preprocessing.json."
            )
        factors[row] = ratios.popitem()[1]
    return factors


def _voltage_ratio(unit: str, wanted: str) -> float | None:
    """How many `wanted` a `unit` is; None unless both are voltages."""
    (factor, common), (wanted_factor, wanted_common) = (
        conversion(unit, "eeg"),
        conversion(wanted, "eeg"),
    )
    return factor / wanted_factor if common == wanted_common else None


# Standard deviations within two seconds, far outside what is ever recorded from a person.
_PLAUSIBLE = {
    ("eeg", "µV"): (1e-3, 1e3),
    ("eog", "µV"): (1e-3, 1e4),
    ("ecg", "mV"): (1e-5, 20.0),
    ("acc", "g"): (0.0, 10.0),
    ("gyro", "rad/s"): (0.0, 50.0),
}


_STRETCHES = 3


_SECONDS = 2.0


def tell_of_amplitudes(recording: Recording) -> Recording:
    """Warn if channels vary by amounts that their unit makes implausible; nothing is changed.

    What counts is the median standard deviation of three stretches of two seconds. A flat channel
    is not told of.

    Returns
    -------
    Recording
        The one given.
    """
    limits = [
        _PLAUSIBLE.get((kind(name), unit))
        for name, unit in zip(recording.ch_names, recording.units, strict=True)
    ]
    if not any(limits):
        return recording
    found = defaultdict(list)
    for i, (limit, spread) in enumerate(zip(limits, _spread(recording), strict=True)):
        if limit is not None and spread > 0 and not limit[0] <= spread <= limit[1]:
            found[kind(recording.ch_names[i]), recording.units[i]].append((i, spread))
    for (what, unit), channels in found.items():
        low, high = _PLAUSIBLE[what, unit]
        names = [recording.ch_names[i] for i, _ in channels]
        typical = float(np.median([spread for _, spread in channels]))
        warnings.warn(
            f"{recording.name}: as {what}, {listed(names)} have implausible amplitudes: a standard "
            f"deviation of {typical:.3g} {unit}, where {low:g} to {high:g} {unit} is to be "
            "expected. The unit that is declared may be wrong; nothing was rescaled.",
            stacklevel=3,
        )
    return recording


def _spread(recording: Recording) -> npt.NDArray[np.float64]:
    """(n_chans,) typical standard deviation over a short time; 0 where nothing is recorded."""
    varying = without_flat(recording)
    length = max(2, min(recording.n_times, round(_SECONDS * recording.sfreq)))
    last = max(0, recording.n_times - length)
    spreads = []
    for start in sorted({last * (i + 1) // (_STRETCHES + 1) for i in range(_STRETCHES)}):
        data = varying.read(start, min(start + length, recording.n_times)).astype(np.float64)
        present = np.isfinite(data)
        count = np.maximum(present.sum(axis=1), 1)
        mean = np.where(present, data, 0).sum(axis=1) / count
        spreads.append(np.sqrt((np.where(present, data - mean[:, None], 0) ** 2).sum(1) / count))
    typical: npt.NDArray[np.float64] = np.median(spreads, axis=0)
    return typical
