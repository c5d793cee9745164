"""Re-referencing: equal to MNE's, with missing data left out; what a recording says of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.errors import ConfigError, RecordingError
from biot.preprocessing import Preprocessing
from biot.signals import Recording, from_mne, plan
from biot.signals.flat import FlatChannels
from biot.signals.formats.bids import with_bids_tables
from biot.signals.notes import note_of_other_reference, note_of_reference
from biot.signals.preprocess import preprocessed
from biot.signals.reference import recorded_reference, rereferenced, rereferencing

NAMES = ("Fp1", "F7", "M1", "M2", "Cz", "ECG", "ACC_X")
UNITS = ("µV", "µV", "µV", "µV", "µV", "mV", "g")


def recording_of(
    data: Any, ch_names: tuple[str, ...] = NAMES, units: tuple[str, ...] = UNITS
) -> Recording:
    return Recording.from_array(data, ch_names=ch_names, sfreq=100, units=units)


def noise(n_chans: int = len(NAMES), n_times: int = 500) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n_chans, n_times)) * 30 + rng.normal(size=(n_chans, 1)) * 500).astype(
        np.float32
    )


@pytest.mark.parametrize(
    ("reference", "of_mne"),
    [("average", "average"), ("M1,M2", ["M1", "M2"]), ("Cz", ["Cz"]), ("m1", ["M1"])],
)
def test_the_numbers_are_those_of_mne(reference: str, of_mne: Any) -> None:
    mne = pytest.importorskip("mne")
    data = noise()
    info = mne.create_info(list(NAMES), 100, ["eeg"] * 5 + ["ecg", "misc"])
    raw = mne.io.RawArray(data.astype(np.float64), info, verbose="ERROR")
    raw.set_eeg_reference(of_mne, verbose="ERROR")
    found, expected = rereferenced(recording_of(data), reference).data, raw.get_data()
    alone = [i for i, name in enumerate(NAMES) if [name] == of_mne]
    assert np.isnan(found[alone]).all()  # 0 in MNE
    expected[alone] = np.nan
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(data).max())


def test_a_bad_channel_is_left_out_of_the_average_as_mne_does() -> None:
    mne = pytest.importorskip("mne")
    data = noise()
    info = mne.create_info(list(NAMES), 100, ["eeg"] * 5 + ["ecg", "misc"])
    raw = mne.io.RawArray(data.astype(np.float64), info, verbose="ERROR")
    raw.info["bads"] = ["F7"]
    raw.set_eeg_reference("average", verbose="ERROR")
    gap = data.copy()
    gap[1] = np.nan
    found = rereferenced(recording_of(gap), "average").data
    assert np.isnan(found[1]).all()
    others = [0, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(found[others], raw.get_data()[others], rtol=1e-6, atol=1e-3)


@given(
    missing=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 199), st.integers(1, 80))),
    start=st.integers(0, 200),
    length=st.integers(0, 200),
    reference=st.sampled_from(["average", "M1,M2", "Cz"]),
)
def test_each_sample_has_the_mean_of_what_is_present_there(
    missing: list[tuple[int, int, int]], start: int, length: int, reference: str
) -> None:
    data = noise(n_times=200)
    for channel, first, n in missing:
        data[channel, first : first + n] = np.nan
    members = {"average": [0, 1, 2, 3, 4], "M1,M2": [2, 3], "Cz": [4]}[reference]
    expected = data.copy()
    for t in range(200):
        there = [i for i in members if np.isfinite(data[i, t])]
        for i in range(5):
            alone = not there or there == [i]
            mean = np.nan if alone else np.mean(data[there, t], dtype=np.float64)
            expected[i, t] = data[i, t] - mean
    stop = min(200, start + length)
    found = rereferenced(recording_of(data), reference).read(start, stop)
    np.testing.assert_allclose(found, expected[:, start:stop], rtol=1e-6, atol=1e-3)


def test_flat_channels_have_no_part_in_the_average_nor_in_a_pair() -> None:
    data = noise()
    data[2] = 2999
    contract = Preprocessing(sfreq=100, window=1, ch_names=NAMES, units=UNITS, reference="average")
    found = preprocessed(recording_of(data), contract).data
    np.testing.assert_allclose(found[0], data[0] - data[[0, 1, 3, 4]].mean(0), atol=1e-3)
    assert np.isnan(found[2]).all()
    pair = replace(contract, reference="M1,M2")
    found = preprocessed(recording_of(data), pair).data
    np.testing.assert_allclose(found[0], data[0] - data[3], atol=1e-3)
    assert np.isnan(found[[2, 3]]).all()
    note = note_of_reference(recording_of(data), FlatChannels(whole=("M1",)), pair)
    assert note is not None
    assert "M1 of the reference is flat, so its reference is M2 alone" in note
    both = note_of_reference(recording_of(data), FlatChannels(whole=("M1", "M2")), pair)
    assert both is not None
    assert "all its EEG is missing" in both


def test_differences_of_electrodes_do_not_depend_on_the_reference() -> None:
    data = noise(5)
    names = ("Fp1", "F7", "Cz", "Pz", "F7-T7")
    recording = recording_of(data, names, ("µV",) * 5)
    other = rereferenced(recording, "average")
    montage = plan(names, ("FP1-F7", "F7-T7", "CZ-PZ"))
    expected = montage.apply(recording.data)
    np.testing.assert_allclose(montage.apply(other.data), expected, atol=1e-3)
    np.testing.assert_array_equal(other.data[4], data[4])


def test_channels_that_all_name_one_electrode_share_it() -> None:
    data = noise(3)
    recording = recording_of(data, ("EEG Fp1-A1", "EEG F7-A1", "EEG Cz-A1"), ("µV",) * 3)
    np.testing.assert_allclose(
        rereferenced(recording, "average").data, data - data.mean(0), atol=1e-3
    )


def test_what_cannot_be_a_reference_is_refused_by_name() -> None:
    where = {"where": "night.edf"}
    with pytest.raises(RecordingError, match=r"night.edf: has no channel 'A1', .* it has Fp1, F7"):
        rereferencing(NAMES, UNITS, "A1,M2", **where)
    with pytest.raises(RecordingError, match=r"'T7' could be 'T3' and 'T7'"):
        rereferencing(("T3", "T7", "Cz"), ("µV",) * 3, "T7", **where)
    with pytest.raises(RecordingError, match="needs two EEG channels or more; it has Cz only"):
        rereferencing(("Cz", "ECG"), ("µV", "mV"), "average", **where)
    with pytest.raises(RecordingError, match="in 'µV' and 'mV'"):
        rereferencing(("Cz", "Pz"), ("µV", "mV"), "average", **where)
    with pytest.raises(RecordingError, match="letters of a BioSemi cap"):
        rereferencing(("A1", "A2", "A3", "B1"), ("µV",) * 4, "average", **where)
    with pytest.warns(UserWarning, match=r"changes nothing: .* \(ECG, ACC_X\)"):
        rereferencing(("ECG", "ACC_X"), ("mV", "g"), "average", **where)


@pytest.mark.parametrize("reference", ["", "A1,", "A1,a1", ",", 5, None])
def test_a_reference_is_a_word_or_names(reference: Any) -> None:
    with pytest.raises(ConfigError, match="reference must be none, average, or names"):
        Preprocessing(sfreq=100, window=1, ch_names=("Cz",), units=("µV",), reference=reference)


def test_a_reference_has_one_spelling() -> None:
    common: dict[str, Any] = {"sfreq": 1, "window": 1, "ch_names": (), "units": ()}
    assert Preprocessing(**common, reference="Average").reference == "average"
    assert Preprocessing(**common, reference="M1, M2").reference == "M1,M2"


@pytest.mark.parametrize(
    ("ch_names", "expected"),
    [
        (("EEG Fp1-REF", "EEG F7-REF"), "REF"),
        (("EEG Fp1-LE", "EEG F7-LE"), "linked ears"),
        (("EEG Fp1-A1", "EEG F7-A1"), "A1"),
        (("Fp1-AVG", "ECG"), "average"),
        (("Fp1", "F7"), None),
        (("Fp1-F7", "F7-T7"), None),
        (("ECG", "ACC_X"), None),
    ],
)
def test_names_say_what_a_recording_is_against(
    ch_names: tuple[str, ...], expected: str | None
) -> None:
    recording = recording_of(noise(2), ch_names, ("µV", "µV"))
    assert recorded_reference(recording) == expected


def test_mne_says_that_a_reference_was_changed() -> None:
    mne = pytest.importorskip("mne")
    info = mne.create_info(["Fp1", "Cz", "Pz"], 100, "eeg")
    raw = mne.io.RawArray(noise(3) * 1e-6, info, verbose="ERROR")
    assert recorded_reference(from_mne(raw)) is None
    changed = raw.copy().set_eeg_reference(["Pz"], verbose="ERROR")
    assert recorded_reference(from_mne(changed)) == "custom"
    projected = raw.copy().set_eeg_reference(projection=True, verbose="ERROR").apply_proj()
    assert recorded_reference(from_mne(projected)) == "average"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"EEGReference": "Linked mastoids"}, "linked mastoids"),
        ({"EEGReference": "CMS/DRL"}, "CMS/DRL"),
        ({"EEGReference": "n/a"}, None),
        ({"EEGReference": "\ud800"}, "\\ud800"),
        ({"TaskName": "rest"}, None),
    ],
)
def test_bids_says_what_a_recording_is_against(
    tmp_path: Path, content: Any, expected: str | None
) -> None:
    (tmp_path / "sub-01_task-rest_eeg.json").write_text(json.dumps(content), encoding="utf-8")
    path = tmp_path / "sub-01_task-rest_eeg.edf"
    recording = replace(recording_of(noise(2), ("Fp1", "F7"), ("µV", "µV")), path=path)
    assert recorded_reference(with_bids_tables(recording)) == expected


@pytest.mark.parametrize(
    ("ch_names", "contract", "told"),
    [
        (("Fp1-LE", "F7-LE"), {"recorded_references": ("REF",)}, True),
        (("Fp1-REF", "F7-REF"), {"recorded_references": ("REF",)}, False),
        (("Fp1-LE", "F7-LE"), {"recorded_references": ()}, False),  # nothing to compare with
        (("Fp1-LE", "F7-LE"), {"recorded_references": ("REF",), "reference": "average"}, False),
        (("Fp1-LE", "F7-LE"), {"recorded_references": ("REF",), "ch_names": ("Fp1-F7",)}, False),
    ],
)
def test_another_reference_than_the_corpus_had_is_told(
    ch_names: tuple[str, ...], contract: dict[str, Any], told: bool
) -> None:
    recording = recording_of(noise(2), ch_names, ("µV", "µV"))
    values: dict[str, Any] = {"ch_names": ("Fp1", "F7"), **contract}
    model = Preprocessing(sfreq=100, window=1, units=("µV",) * len(values["ch_names"]), **values)
    note = note_of_other_reference(recording, model, plan(ch_names, model.ch_names))
    assert (note is not None) is told
    if note is not None:
        assert "against linked ears, that of the model's corpus against REF: Fp1, F7 are" in note
