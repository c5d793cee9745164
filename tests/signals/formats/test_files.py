"""Which files of a folder are recordings of their own."""

from __future__ import annotations

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import read_recording, recordings_in
from biot.signals.formats.files import files_of


@pytest.fixture
def found_in(tmp_path):
    def found_in(*names, **texts):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts.get(path.stem, ""))
        return [path.relative_to(tmp_path).as_posix() for path in recordings_in(tmp_path)]

    return found_in


def test_known_suffixes_count_at_any_depth_and_hidden_ones_do_not(found_in):
    names = ("b/c/x.EDF", "a.gdf", "a.csv", "a.npz", "a.fdt", ".h/x.edf", ".x.edf", "note.txt")
    assert found_in(*names) == ["a.gdf", "b/c/x.EDF"]


def test_segments_of_a_wfdb_record_are_not_recordings_of_their_own(found_in):
    whole = "# comment\nwhole/3 2 250 300\nlayout 0\nwhole_1 100\n~ 100\nwhole_2 100\n"
    names = ("whole.hea", "layout.hea", "whole_1.hea", "whole_2.hea", "other.hea", "d/whole_1.hea")
    assert found_in(*names, whole=whole) == ["d/whole_1.hea", "other.hea", "whole.hea"]


def test_the_segments_of_the_shared_record_are_one_recording(shared_data):
    found = recordings_in(shared_data / "readers/wfdb")
    assert [path.name for path in found if path.parent.name == "fixed1"] == ["v102s.hea"]
    assert len(found) == 9


def test_parts_and_companions_of_fif_files_are_left_out(found_in):
    names = ("a_raw.fif", "a_raw-1.fif", "a_raw-12.fif", "b-3.fif", "a-eve.fif", "a_ave.fif")
    split = ("sub-1_split-01_meg.fif", "sub-1_split-02_meg.fif", "sub-2_split-02_meg.fif")
    assert found_in(*names, *split, "a-epo.fif") == [
        "a-epo.fif",
        "a_raw.fif",
        "b-3.fif",
        "sub-1_split-01_meg.fif",
        "sub-2_split-02_meg.fif",
    ]


def test_a_fif_file_with_the_name_of_a_part_that_is_none_is_a_recording(tmp_path):
    mne = pytest.importorskip("mne")
    info = mne.create_info(8, 100.0, "eeg")
    signal = np.random.default_rng(0).normal(0, 1e-5, size=(8, 100_000))
    mne.io.RawArray(signal, info, verbose="ERROR").save(
        tmp_path / "long_raw.fif", split_size="2MB", verbose="ERROR"
    )
    short = mne.io.RawArray(signal[:, :300], info, verbose="ERROR")
    for name in ("long_raw-7.fif", "night_raw.fif", "night_raw-2.fif"):
        short.save(tmp_path / name, verbose="ERROR")
    assert (tmp_path / "long_raw-1.fif").is_file()
    assert [path.name for path in recordings_in(tmp_path)] == [
        "long_raw-7.fif",
        "long_raw.fif",
        "night_raw-2.fif",
        "night_raw.fif",
    ]


@pytest.mark.parametrize(
    ("naming", "name", "first", "second"),
    [
        ("neuromag", "long_raw.fif", "long_raw.fif", "long_raw-1.fif"),
        ("neuromag", "long-6_raw.fif", "long-6_raw.fif", "long-6_raw-1.fif"),
        (
            "bids",
            "sub-01_task-x_meg.fif",
            "sub-01_task-x_split-01_meg.fif",
            "sub-01_task-x_split-02_meg.fif",
        ),
    ],
)
def test_the_parts_of_a_split_fif_file_are_one_recording(tmp_path, naming, name, first, second):
    mne = pytest.importorskip("mne")
    signal = np.random.default_rng(0).normal(0, 1e-5, size=(8, 100_000))
    raw = mne.io.RawArray(signal, mne.create_info(8, 100.0, "eeg"), verbose="ERROR")
    raw.save(tmp_path / name, split_size="2MB", split_naming=naming, verbose="ERROR")
    parts = sorted(path.name for path in tmp_path.iterdir())
    assert {first, second} < set(parts)
    assert recordings_in(tmp_path) == [tmp_path / first]
    assert [path.name for path in files_of(tmp_path / first)] == parts
    recording = read_recording(tmp_path / first)
    np.testing.assert_allclose(recording.data, signal * 1e6, rtol=1e-4)

    with pytest.raises(RecordingError, match=rf"^{second}: .*Name its first file, {first}"):
        read_recording(tmp_path / second)
    (tmp_path / second).rename(tmp_path / "away")
    with pytest.raises(RecordingError, match=rf"^{first}: .*{second} does not exist"):
        read_recording(tmp_path / first)
    (tmp_path / "away").rename(tmp_path / second)
    (tmp_path / first).rename(tmp_path / "away")
    for path in recordings_in(tmp_path):
        with pytest.raises(RecordingError, match=rf"^{path.name}: .*first file, {first} by its"):
            read_recording(path)


def test_what_a_bids_data_set_keeps_beside_its_data_is_left_out(found_in):
    names = ("derivatives/x.edf", "sourcedata/x.edf", "sub-1/eeg/sub-1_eeg.edf")
    assert found_in(*names) == sorted(names)
    assert found_in("dataset_description.json") == ["sub-1/eeg/sub-1_eeg.edf"]


@pytest.mark.parametrize("name", ["a" * 400, "../../x", "a/b", "(5)/mV"])
def test_a_header_that_names_no_possible_file_stands_alone(tmp_path, name):
    header = tmp_path / "made.hea"
    header.write_text(f"made 1 100 10\n{name} 16 1 16 0 0 0 0 I\n")
    assert files_of(header) == [header]
    header.write_text(f"made/1 1 100 10\n{name} 10\n")
    assert recordings_in(tmp_path) == [header]
    markers = tmp_path / "made.vhdr"
    markers.write_text(f"[Common Infos]\nDataFile={name}\nMarkerFile={name}\n")
    assert files_of(markers) == [markers]


def test_tables_in_a_folder_are_found_where_they_are_asked_for(tmp_path):
    names = ("a.csv", "b.tsv.gz", "c.parquet", "d.npz", "e.edf", "f.gz", "g.txt")
    beside = ("sub-01_events.tsv", "participants.tsv", "sub-01_task-x_channels.tsv", "tags.csv")
    for name in (*names, *beside, "e.csv"):  # the last is beside e.edf, so it holds its labels
        (tmp_path / name).touch()
    assert [path.name for path in recordings_in(tmp_path)] == ["e.edf"]
    found = recordings_in(tmp_path, tables=True)
    assert [path.name for path in found] == ["a.csv", "b.tsv.gz", "c.parquet", "d.npz", "e.edf"]
