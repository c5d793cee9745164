"""Units: one for each kind of signal."""

from __future__ import annotations

from math import pi

import pytest

from biot.signals.units import conversion


@pytest.mark.parametrize(
    ("declared", "kind", "factor", "unit"),
    [
        ("V", "eeg", 1e6, "µV"),
        ("uV", "ecg", 1e-3, "mV"),
        ("m/s^2", "acc", 1 / 9.80665, "g"),
        ("m/s²", "misc", 1 / 9.80665, "g"),
        ("mg", "acc", 1e-3, "g"),
        ("g", "acc", 1, "g"),
        ("mg", "misc", 1, "mg"),
        ("deg/s", "gyro", pi / 180, "rad/s"),
        ("°/s", "misc", pi / 180, "rad/s"),
        ("rad/s", "gyro", 1, "rad/s"),
        ("mmHg", "misc", 1, "mmHg"),
        ("", "eeg", 1, ""),
    ],
)
def test_a_unit_becomes_that_of_its_kind(declared, kind, factor, unit):
    assert conversion(declared, kind) == (pytest.approx(factor), unit)


def test_a_unit_that_was_converted_stays():
    for declared, kind in [("V", "eeg"), ("uV", "ecg"), ("m/s²", "acc"), ("dps", "gyro")]:
        unit = conversion(declared, kind)[1]
        assert conversion(unit, kind) == (1, unit)
