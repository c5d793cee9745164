"""Dummies, repeated channels, and other names."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from biot.errors import ConfigError, RecordingError
from biot.signals.channels import parse
from biot.signals.naming import is_dummy, named, renames_of
from biot.signals.recording import Recording

DATA = np.random.default_rng(0).normal(size=(6, 300)).astype(np.float32)


def recording(*ch_names: str, rows: tuple[int, ...] | None = None) -> Recording:
    chosen = DATA[list(rows or range(len(ch_names)))]
    return Recording.from_array(chosen, ch_names=ch_names, sfreq=100, units=["µV"] * len(ch_names))


@pytest.mark.parametrize("name", ["-", "--", ".", "", " ", "--0", ".-1", "_"])
def test_a_channel_without_a_name_is_a_dummy(name: str) -> None:
    assert is_dummy(name)
    found = named(recording("C3", name, "C4"))
    assert found.dummies == (name,)
    np.testing.assert_array_equal(found.recording.data, DATA[[0, 2]])


@pytest.mark.parametrize("name", ["-0", "1", "C3", "a", "Fp1-F7", "x.-1"])
def test_a_channel_with_letters_or_numbers_is_none(name: str) -> None:
    assert not is_dummy(name)


def test_a_recording_of_dummies_only_is_refused() -> None:
    with pytest.raises(RecordingError, match="no channel has a name"):
        named(recording("-", "."))


def test_equal_channels_of_one_name_are_one() -> None:
    found = named(recording("C3", "T8-P8", "T4-T6", rows=(0, 1, 1)))
    assert found.recording.ch_names == ("C3", "T8-P8")
    assert (found.repeated, found.numbered) == (("T4-T6",), ())
    np.testing.assert_array_equal(found.recording.data, DATA[:2])


def test_equal_channels_with_missing_samples_are_one() -> None:
    data = DATA[[1, 1]].copy()
    data[:, 20:30] = np.nan
    both = Recording.from_array(data, ch_names=("A", "A"), sfreq=100, units=["µV"] * 2)
    assert named(both).recording.ch_names == ("A",)


def test_different_channels_of_one_name_are_numbered_as_mne_does() -> None:
    mne = pytest.importorskip("mne")
    names = ["T8-P8", "C3", "T8-P8", "T8-P8"]
    with pytest.warns(RuntimeWarning, match="not unique"):
        theirs = mne.create_info(names, 100.0, "eeg").ch_names
    found = named(recording(*names))
    assert list(found.recording.ch_names) == theirs == ["T8-P8-0", "C3", "T8-P8-1", "T8-P8-2"]
    assert found.numbered[1] == ("T8-P8", "T8-P8-1")


def test_a_number_that_is_taken_is_passed_over() -> None:
    assert named(recording("A", "A", "A-0")).recording.ch_names == ("A-1", "A-2", "A-0")


def test_channels_of_one_name_in_other_units_are_not_one() -> None:
    both = Recording.from_array(DATA[[0, 0]], ch_names=("A", "A"), sfreq=100, units=("µV", "g"))
    assert named(both).recording.ch_names == ("A-0", "A-1")


@pytest.mark.parametrize(("name", "reference"), [("Fp1-0", None), ("T8-P8-1", "P8")])
def test_a_numbered_electrode_is_eeg_and_no_electrode(name: str, reference: str | None) -> None:
    found = parse(name)
    assert (found.kind, found.electrode, found.reference) == ("eeg", None, reference)
    assert parse(found.canonical) == found


def test_names_change_at_once_and_are_found_in_any_spelling() -> None:
    found = named(recording("EEG Fp1-REF", "FP2", "C3"), {"fp1": "Fp2", "Fp2": "Fp1", "X": "Y"})
    assert found.recording.ch_names == ("Fp2", "Fp1", "C3")
    assert found.not_found == ("X",)


def test_two_channels_cannot_get_one_name() -> None:
    with pytest.raises(RecordingError, match="would call 'C3' and 'C4' alike, 'C4'"):
        named(recording("C3", "C4"), {"C3": "C4"})


def test_renames_are_read_from_text() -> None:
    assert renames_of(" EEG 1 = Fp1, EEG 2=Fp2") == {"EEG 1": "Fp1", "EEG 2": "Fp2"}
    assert renames_of(None) == renames_of("") == {}


@pytest.mark.parametrize("text", ["a", "a=", "=b", "a=b=c", "a=b,,c=d", "a=b,"])
def test_what_is_no_pair_of_names_is_refused(text: str) -> None:
    message = re.escape("rename_channels must be OLD=NEW")
    with pytest.raises(ConfigError, match=message):
        renames_of(text)


def test_an_old_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="'T3' is there twice"):
        renames_of("T3=a,T7=b")


def test_a_bad_channel_stays_bad_under_its_new_name() -> None:
    marked = replace(recording("C3", "-", "C4", "Cz"), bad=("C4", "Cz"))
    found = named(marked, {"C4": "Pz"}).recording
    assert found.bad == ("Pz", "Cz")
    assert found.pick([1]).bad == ("Pz",)
    assert repr(found).endswith(", 2 bad channels)")
    assert repr(found.pick([1])).endswith(", 1 bad channel)")
