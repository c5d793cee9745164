"""Units: one for each kind of signal."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.errors import ContractError
from biot.signals.montage import plan
from biot.signals.recording import Recording
from biot.signals.units import KNOWN_UNITS, conversion, is_known_unit, unit_factors, with_units

KINDS = ("eeg", "eog", "emg", "ecg", "acc", "gyro", "resp", "misc")


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


MICROVOLTS = (
    *("uV", "µV", "\u03bcV", "UV", "uv", "\xb5V", "ÂµV", "Î¼V", "\u33b6", " uV ", "[uV]", "(µV)"),
    *("( uV )", "microvolt", "Microvolts", "micro-volts", "micro volts", "microV", "mcV", "mkV"),
    *("10^-6 V", "1e-6V", "1E-6 V", "10**-6V", "1x10^-6 V", "1uV", "1 uV"),
)
VOLTS = {
    1e-3: ("nV", "NV", "nanovolt", "1e-9 V"),
    0.1: ("0.1uV", "0.1 µV", ".1uV"),
    1.0: MICROVOLTS,
    1e3: ("mV", "MV", "mv", "millivolts", "milliV", "Milli-Volt", "10^-3V", "[mV]"),
    1e6: ("V", "v", "Volt", "Volts", "VOLTS"),
}


@pytest.mark.parametrize(("factor", "spelled"), [(f, u) for f, all_ in VOLTS.items() for u in all_])
def test_voltages_are_read_in_the_spellings_of_public_files(factor, spelled):
    assert conversion(spelled, "eeg") == (pytest.approx(factor, rel=1e-12), "µV")
    assert conversion(spelled, "ecg") == (pytest.approx(factor / 1000, rel=1e-12), "mV")
    known, unit = conversion(spelled, "misc")  # elsewhere a voltage keeps its size
    assert known * {"nV": 1e-3, "µV": 1, "mV": 1e3, "V": 1e6}[unit] == pytest.approx(factor)
    assert is_known_unit(spelled)


@pytest.mark.parametrize(
    ("spellings", "kind", "factor", "unit"),
    [
        (("g", "G", "gravity", "(g)"), "acc", 1, "g"),
        (("mg", "MG", "milli-g", "millig"), "acc", 1e-3, "g"),
        (
            ("m/s^2", "m/s2", "m/s²", "m.s-2", "ms-2", "m·s⁻²", "m s^-2", "m/s/s", "m/sec^2"),
            "misc",
            1 / 9.80665,
            "g",
        ),
        (("mm/s²",), "misc", 1e-3 / 9.80665, "g"),
        (
            ("deg/s", "dps", "°/s", "º/s", "Â°/s", "DPS", "degrees/second"),
            "misc",
            pi / 180,
            "rad/s",
        ),
        (("mdps",), "misc", pi / 180_000, "rad/s"),
        (("rad/s", "rad/sec", "rad s^-1", "rad.s-1"), "misc", 1, "rad/s"),
        (("degC", "DegC", "°C", "ºC", "℃", "deg C", "Celsius"), "misc", 1, "°C"),
        (("%", "percent"), "misc", 1, "%"),
        (("bpm", "BPM", "beats/min"), "misc", 1, "bpm"),
        (("mmHg", "MMHG", "mm Hg"), "misc", 1, "mmHg"),
        (("uS", "µS", "\u03bcS", "microsiemens", "microS"), "misc", 1, "µS"),
        (("", " ", "-", "n/a", "none", "Unknown"), "eeg", 1, ""),
    ],
)
def test_other_units_have_one_spelling_each(spellings, kind, factor, unit):
    for spelled in spellings:
        assert conversion(spelled, kind) == (pytest.approx(factor), unit), spelled


@pytest.mark.parametrize("declared", ["ML", "ARU", "kV", "V/s", "us", "C", "0V", "10E-6V", "m/s"])
def test_what_is_not_known_stays_as_it_is_declared(declared):
    for kind in KINDS:
        assert conversion(declared, kind) == (1, declared)
    assert not is_known_unit(declared)


@given(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from([*KNOWN_UNITS, *(u for all_ in VOLTS.values() for u in all_)]),
        st.text("0123456789.e^-x munVvgs/²µμ°dpsradC[]()", max_size=8),
    ),
    st.sampled_from(KINDS),
)
def test_what_was_converted_is_converted_no_more(declared, kind):
    factor, unit = conversion(declared, kind)
    assert factor > 0
    assert conversion(unit, kind) == (1, unit)


def test_an_older_spelling_in_a_model_is_the_same_unit():
    found = Recording.from_array(
        np.ones((2, 4)), ch_names=("Temp", "Cz"), sfreq=2, units=("°C", "µV")
    )
    montage = plan(found.ch_names, ("Temp", "Cz"))
    np.testing.assert_allclose(unit_factors(found, montage, ("DegC", "mV")), (1, 1e-3))


def test_a_model_tells_a_recording_without_a_unit_how_to_say_it():
    mute = Recording.from_array(np.ones((1, 4)), ch_names=("Cz",), sfreq=2, units=("",))
    montage = plan(mute.ch_names, ("Cz",))
    message = r"Cz must be in 'µV', but the recording says no unit of 'Cz'\. Say it with units="
    with pytest.raises(ContractError, match=message):
        unit_factors(mute, montage, ("µV",))
    said = with_units(mute, "mV")
    np.testing.assert_array_equal(said.data, np.full((1, 4), 1000))
    np.testing.assert_array_equal(unit_factors(said, montage, ("µV",)), [1])


def test_a_unit_that_is_given_makes_amplitudes_known():
    rng = np.random.default_rng(0)
    mute = Recording.from_array(rng.normal(size=(1, 900)), ch_names=("Cz",), sfreq=100, units=("",))
    with pytest.warns(UserWarning, match="as eeg, Cz have implausible amplitudes"):
        with_units(mute, "V")
