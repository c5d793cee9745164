"""Names of channels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.signals import PREST_16, PREST_18, canonical, kind
from biot.signals.channels import COMMON_REFERENCES, parse

WORDS = st.sampled_from(
    [
        "EEG",
        "ECG",
        "EKG",
        "POL",
        "Fp1",
        "T3",
        "a2",
        "II",
        "acc",
        "x",
        "REF",
        "LE",
        "V1",
        "1",
        "lead",
    ]
)
NAMES = st.one_of(
    st.text(max_size=12),
    st.lists(st.tuples(WORDS, st.sampled_from(["", " ", "-", ".", "_", ":"])), max_size=6).map(
        lambda parts: "".join(word + gap for word, gap in parts)
    ),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("EEG FP1-REF", "FP1"),
        ("EEG Fp1-LE", "FP1"),
        ("EEG F1-Ref", "F1"),
        ("Fp1.", "FP1"),
        ("C3..", "C3"),
        ("EEG Fp1", "FP1"),
        ("eeg  fp1", "FP1"),
        ("POL Fp1", "FP1"),
        ("Fp1-F7", "FP1-F7"),
        ("EEG T3 - T5", "T7-P7"),
        ("T4", "T8"),
        ("T6", "P8"),
        ("Fp1–F7", "FP1-F7"),
        ("EEG A2-A1", "A2-A1"),
        ("EEG Fpz-Cz", "FPZ-CZ"),
        ("C3-M2", "C3-M2"),
        ("AFF1h", "AFF1H"),
        ("aVR", "AVR"),
        ("avr", "AVR"),
        ("ECG aVR", "AVR"),
        ("Lead II", "II"),
        ("MLII", "MLII"),
        ("ECG ECG", "ECG"),
        ("EKG", "ECG"),
        ("EEG EKG1-REF", "ECG1"),
        ("ECG 1", "ECG1"),
        ("ECG0-REF-", "ECG0"),
        ("Accelerometer_X", "ACC_X"),
        ("AccX", "ACC_X"),
        ("acc y", "ACC_Y"),
        ("body_acc_x", "BODY_ACC_X"),
        ("total acc x", "TOTAL_ACC_X"),
        ("Gyro-Z", "GYRO_Z"),
        ("EEG 001", "EEG 001"),
        ("Resp oro-nasal", "RESP ORO-NASAL"),
    ],
)
def test_a_channel_has_one_spelling(name, expected):
    assert canonical(name) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("body_acc_x", "total_acc_x"),
        ("II", "MLII"),
        ("A1", "M1"),
        ("C3-A2", "C3-LE"),
        ("C3", "C3-A2"),
        ("EEG 001", "MISC 001"),
        ("T8-P8", "T8-P8-1"),
    ],
)
def test_different_channels_keep_different_names(first, second):
    assert canonical(first) != canonical(second)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[("EEG Fpz-Cz", "eeg"), ("EEG 001", "eeg"), ("Oz", "eeg"), ("EEG Channel-1", "eeg")],
        *[("V5", "ecg"), ("i", "ecg"), ("vx", "ecg"), ("ECG LA-RA", "ecg"), ("MCL1", "ecg")],
        *[("EOG horizontal", "eog"), ("HEOGli", "eog"), ("E1-M2", "eog"), ("EEG ROC-REF", "eog")],
        *[("EMG submental", "emg"), ("Resp oro-nasal", "resp"), ("RESP", "resp")],
        *[("Status", "stim"), ("STI 014", "stim"), ("Event marker", "stim"), ("DIG DTRIG", "stim")],
        *[
            ("acc_wrist_x", "acc"),
            ("Gyro_X", "gyro"),
            ("ABP", "misc"),
            ("GSR", "misc"),
            ("", "misc"),
        ],
    ],
)
def test_a_name_tells_its_kind(name, expected):
    assert kind(name) == expected


@given(NAMES)
def test_a_canonical_name_is_its_own(name):
    once = canonical(name)
    assert canonical(once) == once
    assert kind(once) == kind(name)


@given(NAMES)
def test_case_and_surrounding_space_do_not_matter(name):
    assert canonical(f"  {name.upper()} ") == canonical(name)


@pytest.mark.parametrize("reference", sorted(COMMON_REFERENCES))
def test_a_common_reference_is_no_part_of_the_channel(reference):
    name = parse(f"EEG C3-{reference}")
    assert (name.canonical, name.electrode, name.reference) == ("C3", "C3", reference)


def test_published_vocabularies_are_as_documented():
    assert len(PREST_16) == len(set(PREST_16)) == 16
    assert PREST_16[:4] == ("FP1-F7", "F7-T7", "T7-P7", "P7-O1")
    assert PREST_16[4:8] == ("FP2-F8", "F8-T8", "T8-P8", "P8-O2")
    assert PREST_16[8:12] == ("FP1-F3", "F3-C3", "C3-P3", "P3-O1")
    assert PREST_16[12:] == ("FP2-F4", "F4-C4", "C4-P4", "P4-O2")
    assert PREST_18[:16] == PREST_16
    assert PREST_18[16:] == ("C3-A2", "C4-A1")
    assert all(canonical(name) == name for name in PREST_18)
