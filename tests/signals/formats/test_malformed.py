"""Damaged files: an error in the file's name, or a warning and the right samples; never silence."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from biot.errors import BiotError, RecordingError
from biot.signals import read_recording
from biot.signals.formats.files import files_of

FAULTS = {
    "truncated_mid_record.edf": "announces 3 data records, but the file ends inside record 2",
    "record_count_too_large.edf": "announces 30 data records, but the file ends before record 4",
    "header_only.edf": "no complete data record",
    "header_cut.edf": "header of 7 signals takes 2048 bytes, but the file ends after 300",
    "empty.edf": r"is empty \(0 bytes\)",
    "plain_text.edf": "is no EDF or BDF file.*this one with 'time,Fp1'",
    "digital_min_equals_max.edf": r"digital minimum and maximum of signal 1 \('EEG Fpz-Cz'\)",
    "physical_min_equals_max.edf": r"physical minimum and maximum of signal 2 \('EEG Pz-Oz'\)",
    "record_duration_zero.edf": "duration of a data record is 0 s",
    "truncated_raw.fif": "cannot be read as a FIF recording: Invalid tag",
    "data_file_missing.vhdr": r"its file (no_such_file\.eeg|test\.vmrk) is missing\. Put it beside",
    "fdt_missing.set": r"as an EEGLAB recording: Could not find the .fdt data file",
}
IRREGULAR = {
    "record_count_minus_one.edf": "number of data records open.*read the 3 complete ones",
    "trailing_bytes.edf": "101 surplus bytes after the 3 data records",
    "latin1_label.edf": "label of signal 1 is not ASCII; read as 'EEG µV Fpz-Cz'",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_file_is_refused_with_name_and_fault(shared_data, name):
    path = shared_data / "readers/malformed" / name
    with pytest.raises(RecordingError, match=f"^{name}: .*{FAULTS[name]}") as caught:
        read_recording(path)
    assert str(path.parent) not in str(caught.value)


@pytest.mark.parametrize("name", IRREGULAR)
@pytest.mark.filterwarnings("ignore:.*its signals have the rates:UserWarning")
def test_an_irregular_but_certain_file_is_read_with_a_warning(shared_data, name):
    with pytest.warns(UserWarning, match=f"^{name}: .*{IRREGULAR[name]}"):
        found = read_recording(shared_data / "readers/malformed" / name)
    whole = read_recording(shared_data / "readers/edf/short_psg.edf")
    assert (found.n_times, found.sfreq) == (9000, 100)
    rows = [0, 1, 2]  # the signals of 100 Hz
    np.testing.assert_array_equal(found.data[rows], whole.read(0, 9000)[rows])


def test_every_malformed_file_has_its_test(shared_data):
    names = {path.name for path in (shared_data / "readers/malformed").iterdir()}
    assert names == {*FAULTS, *IRREGULAR}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("edf/SC4001EC-Hypnogram.edf", "holds annotations but no signal"),
        ("fif/ssvep_subject07_2012.07.18-09.21.13-eve.fif", "Could not find measurement data"),
        ("eeglab/eeglab_chan32.locs", r"'.locs' are not supported.*\.edf, \.bdf.*from_mne"),
        ("bids_tiny", "is a folder. Name one recording"),
        ("nowhere.edf", "does not exist, looked for at .*nowhere.edf"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_way_out(shared_data, name, message):
    path = shared_data / "readers" / name
    with pytest.raises(BiotError, match=rf"^{path.name}: .*{message}"):
        read_recording(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_taken_for_a_file_that_is_not_there(tmp_path):
    os.mkfifo(tmp_path / "night.edf")
    with pytest.raises(RecordingError, match=r"^night\.edf: is a pipe or a device, no file"):
        read_recording(tmp_path / "night.edf")


@pytest.mark.filterwarnings("ignore:test.vhdr. Omitted 5 annotation")
def test_a_truncated_brainvision_data_file_is_refused(shared_data, tmp_path):
    for suffix in (".vhdr", ".vmrk"):
        shutil.copy(shared_data / f"readers/brainvision/test{suffix}", tmp_path)
    text = (tmp_path / "test.vhdr").read_text()
    length = "SamplingInterval=1000\nDataPoints=7900\n"
    (tmp_path / "test.vhdr").write_text(text.replace("SamplingInterval=1000\n", length))
    data = (shared_data / "readers/brainvision/test.eeg").read_bytes()
    (tmp_path / "test.eeg").write_bytes(data)
    assert read_recording(tmp_path / "test.vhdr").n_times == 7900
    (tmp_path / "test.eeg").write_bytes(data[: 5000 * 32 * 2])
    with pytest.raises(RecordingError, match=r"announces 7900 samples, but .* holds 5000"):
        read_recording(tmp_path / "test.vhdr")


def test_the_checksum_of_a_recording_covers_the_files_that_are_read(shared_data, tmp_path):
    text = (shared_data / "readers/brainvision/test.vhdr").read_text(encoding="utf-8")
    data = shared_data / "readers/brainvision/test.eeg"
    header, named = tmp_path / "renamed.vhdr", tmp_path / "früh.eeg"
    header.write_text(text.replace("test.eeg", "früh.eeg"), encoding="utf-8")
    shutil.copy(data, named)
    assert files_of(header) == [named, header]
    sibling = named.rename(tmp_path / "renamed.eeg")
    assert files_of(header) == [sibling, header]


@pytest.mark.parametrize("missing", [".dat", ".hea"])
def test_an_incomplete_wfdb_record_is_refused(shared_data, tmp_path, missing):
    for suffix in {".dat", ".hea"} - {missing}:
        shutil.copy(shared_data / f"readers/wfdb/100_3chan{suffix}", tmp_path)
    path = next(tmp_path.iterdir())
    with pytest.raises(RecordingError, match=f"^{path.name}: .*100_3chan{missing}"):
        read_recording(path)


def test_a_truncated_wfdb_signal_file_is_refused(shared_data, tmp_path):
    for suffix in (".dat", ".hea"):
        shutil.copy(shared_data / f"readers/wfdb/100_3chan{suffix}", tmp_path)
    data = (tmp_path / "100_3chan.dat").read_bytes()
    (tmp_path / "100_3chan.dat").write_bytes(data[: len(data) // 2])
    with pytest.raises(RecordingError, match=r"^100_3chan.hea: cannot be read as a WFDB record"):
        read_recording(tmp_path / "100_3chan.hea")


def test_a_brainvision_header_with_no_time_between_samples_says_so(shared_data, tmp_path):
    for suffix in (".vhdr", ".vmrk", ".eeg"):
        shutil.copy(shared_data / f"readers/brainvision/test{suffix}", tmp_path)
    header = tmp_path / "test.vhdr"
    text = header.read_bytes().decode("utf-8")
    header.write_bytes(text.replace("SamplingInterval=1000", "SamplingInterval=0").encode())
    message = r"test\.vhdr: SamplingInterval must be the time between samples in µs, above 0; .*'0'"
    with pytest.raises(RecordingError, match=message):
        read_recording(header)
