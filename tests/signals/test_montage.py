"""Recordings meet vocabularies."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.errors import ChannelError
from biot.signals import PREST_16, PREST_18, MontagePlan, plan, read_recording

TEN_TWENTY = ["Fp1", "Fp2", "F3", "F4", "F7", "F8", "T3", "T4", "C3", "C4", "T5", "T6"]
TEN_TWENTY += ["P3", "P4", "O1", "O2", "Fz", "Cz", "Pz", "A1", "A2"]


def test_a_channel_is_matched_under_another_spelling():
    found = plan(["EEG T3-REF", "Cz"], ["T7"])
    assert found.matched == ("T7",)
    assert found.unused == ("Cz",)


def test_a_bipolar_entry_is_derived_as_a_minus_b(shared_data):
    recording = read_recording(shared_data / "readers/edf/eeglab_test_16ch.edf")
    found = plan(recording.ch_names, PREST_16)
    assert found.derived == PREST_16
    data = recording.read(0, 500)
    row = {name: data[i] for i, name in enumerate(recording.ch_names)}
    expected = row["EEG T3"] - row["EEG T5"]
    np.testing.assert_array_equal(found.apply(data)[PREST_16.index("T7-P7")], expected)


def test_absent_entries_are_rows_of_nan_not_of_zeros():
    found = plan(["C3", "P3", "Cz"], PREST_16)
    assert found.derived == ("C3-P3",)
    assert found.present == (10,)
    out = found.apply(np.ones((2, 3, 5), np.float32))
    assert out.shape == (2, 16, 5)
    assert out.dtype == np.float32
    assert np.all(out[:, 10] == 0)
    assert np.all(np.isnan(np.delete(out, 10, axis=1)))


@given(
    order=st.permutations(range(len(TEN_TWENTY))),
    prefix=st.sampled_from(["", "EEG "]),
    suffix=st.sampled_from(["", "-REF", "-LE", "-Ref", "."]),
    kept=st.integers(4, len(TEN_TWENTY)),
    seed=st.integers(0, 100),
)
def test_derivations_equal_numpy_differences_whatever_the_order(order, prefix, suffix, kept, seed):
    data = np.random.default_rng(seed).normal(size=(len(TEN_TWENTY), 7))
    order = [i for i in order if i < kept]
    names = [f"{prefix}{TEN_TWENTY[i]}{suffix}" for i in order]
    alias = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6", "FP1": "Fp1", "FP2": "Fp2"}
    electrodes = {name: data[i] for i, name in enumerate(TEN_TWENTY[:kept])}
    expected = np.full((18, 7), np.nan)
    for row, entry in enumerate(PREST_18):
        first, second = (alias.get(e, e) for e in entry.split("-"))
        if first in electrodes and second in electrodes:
            expected[row] = electrodes[first] - electrodes[second]
    if np.isnan(expected).all():
        with pytest.raises(ChannelError, match="No channel of the recording is in the vocabulary"):
            plan(names, PREST_18)
    else:
        np.testing.assert_array_equal(plan(names, PREST_18).apply(data[order]), expected)


def test_a_channel_that_is_there_is_preferred_to_a_derivation():
    found = plan(["Fp1", "F7", "Fp1-F7"], ["FP1-F7"])
    assert found.matched == ("FP1-F7",)
    assert found.unused == ("Fp1", "F7")


def test_electrodes_against_different_references_are_not_subtracted():
    found = plan(["Fp1-REF", "F7-LE", "Cz-REF"], ["FP1-F7", "CZ"])
    assert found.absent == ("FP1-F7",)
    assert "different references: Fp1-REF, F7-LE" in str(found)


def test_a_common_reference_is_not_an_ear():
    assert plan(["C3-LE", "Cz"], ["C3-A2", "CZ"]).absent == ("C3-A2",)


def test_electrodes_against_the_same_electrode_are_subtracted():
    found = plan(["Fp1-Cz", "F7-Cz"], ["FP1-F7"])
    assert found.derived == ("FP1-F7",)
    assert found.entries[0].plus == 0
    assert found.entries[0].minus == 1


def test_a_common_reference_comes_before_a_chain_of_electrodes():
    found = plan(["Fp1-F3", "F7-F3", "Fp1-REF", "F7-REF"], ["FP1-F7"])
    assert (found.entries[0].plus, found.entries[0].minus) == (2, 3)


@pytest.mark.parametrize(
    ("names", "entry", "message"),
    [
        (["T3", "T7"], "T7", r"'T7' could come from 'T3' \(channel 1\) and 'T7' \(channel 2\)"),
        (["T3", "T7", "P7"], "T7-P7", "'T7-P7' could come from 'T3'.*and 'T7'.*and 'P7'"),
        (["EEG F1-Ref", "F2", "EEG F1-Ref"], "F1", r"'EEG F1-Ref' \(channel 1\) and .*channel 3"),
        (["Fp1-REF", "Fp1-LE"], "FP1", "'FP1' could come from 'Fp1-REF'.*and 'Fp1-LE'"),
    ],
)
def test_an_ambiguous_entry_raises_and_names_all_candidates(names, entry, message):
    with pytest.raises(ChannelError, match=f"{message}.*Remove or rename all but the one"):
        plan(names, [entry])


def test_a_duplicate_label_that_no_entry_needs_does_no_harm(shared_data):
    recording = read_recording(shared_data / "readers/edf/duplicate_channel_labels.edf")
    found = plan(recording.ch_names, ["F2"])
    assert found.matched == ("F2",)
    assert found.unused == ("EEG F1-Ref", "EEG F1-Ref")


def test_nothing_in_common_raises_and_suggests():
    with pytest.raises(ChannelError, match=r"No channel .*has Fp1-F77, X.*Did you mean 'Fp1-F77'"):
        plan(["Fp1-F77", "X"], ["FP1-F7"])


def test_long_lists_are_cut_where_nothing_matches():
    with pytest.raises(ChannelError) as caught:
        plan([f"lead {i}" for i in range(60)], [f"E{i}x" for i in range(198)])
    assert "and 55 more; the vocabulary is E0x" in str(caught.value)
    assert "E4x and 193 more." in str(caught.value)


def test_a_vocabulary_that_repeats_itself_raises():
    for vocabulary in (["T3", "T7"], ["FP1", "FP1"]):
        with pytest.raises(ChannelError, match="names one channel twice"):
            plan(["T3"], vocabulary)


def test_letters_of_a_biosemi_cap_are_not_taken_for_ears(shared_data):
    recording = read_recording(shared_data / "readers/edf/mne_test_139ch.edf")
    with pytest.raises(ChannelError, match="BioSemi cap"):
        plan(recording.ch_names, PREST_18)
    own = plan(recording.ch_names, recording.ch_names[:64])
    assert own.matched == recording.ch_names[:64]


def test_a_plan_is_printed_as_an_aligned_table():
    assert str(plan(["EEG T3", "EEG T5", "ECG", "Fp1-F7"], ["FP1-F7", "T7-P7", "CZ"])) == (
        "vocabulary    status    from\n"
        "------------  --------  ---------------\n"
        "FP1-F7        matched   Fp1-F7\n"
        "T7-P7         derived   EEG T3 − EEG T5\n"
        "CZ            absent    no CZ\n"
        "\n1 matched, 1 derived, 1 absent. Unused: ECG."
    )


def test_a_plan_survives_json():
    found = plan(["T3", "T5", "Fp1-F7"], ["FP1-F7", "T7-P7", "CZ"])
    assert MontagePlan.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize("values", [{}, {"ch_names": ["A"], "entries": [{"nme": "A"}]}])
def test_values_that_are_no_plan_raise(values):
    with pytest.raises(ChannelError, match="not the values of a montage plan"):
        MontagePlan.from_dict(values)


def test_a_plan_for_other_channels_raises():
    values = plan(["Fp1", "F7"], ["FP1-F7"]).to_dict() | {"ch_names": ["Fp1"]}
    with pytest.raises(ChannelError, match="uses channel 1, but has the 1 channel 0 to 0"):
        MontagePlan.from_dict(values)
    with pytest.raises(ChannelError, match=r"for 2 channels.*got data of shape \(3, 5\)"):
        plan(["Fp1", "F7"], ["FP1-F7"]).apply(np.zeros((3, 5)))
