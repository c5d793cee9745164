"""Units of measurement: one unit for each kind of signal, everything else as declared."""

from __future__ import annotations

from math import pi

__all__ = ["conversion"]

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
