"""Units of measurement: one voltage unit for each kind of signal, everything else as declared."""

from __future__ import annotations

__all__ = ["conversion"]

_MICRO = ("µ", "μ", "u", "micro")  # micro sign, Greek mu, what ASCII allows
_PREFIXES = {"n": 1e-3, **dict.fromkeys(_MICRO, 1.0), "m": 1e3, "milli": 1e3, "": 1e6}
_IN_MICROVOLT = {
    f"{prefix}{volt}": factor
    for prefix, factor in _PREFIXES.items()
    for volt in ("V", "v", "Volt", "volt")
} | {"UV": 1.0}
_WANTED = {"eeg": "µV", "eog": "µV", "emg": "µV", "ecg": "mV"}


def conversion(declared: str, kind: str) -> tuple[float, str]:
    """What numbers in a declared unit are multiplied by, and the unit that they are in then.

    The voltages of EEG, EOG and EMG become microvolts, those of ECG millivolts. Every other unit
    stays as it was declared, but microvolts are always spelled ``µV``.
    """
    unit = declared.strip()
    factor = _IN_MICROVOLT.get(unit)
    if factor is None:
        return 1.0, unit
    spelled = "µV" if factor == 1.0 else unit
    wanted = _WANTED.get(kind, spelled)
    return factor / _IN_MICROVOLT[wanted], wanted
