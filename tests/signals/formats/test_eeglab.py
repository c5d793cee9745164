"""EEGLAB files: numbers as events, joins, MATLAB 7.3."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.io import savemat

from biot.errors import MissingDependencyError
from biot.signals import read_recording

mne = pytest.importorskip("mne")

RNG = np.random.default_rng(0)
DATA = (RNG.normal(size=(2, 500)) * 20).astype(np.float32)
CHANNELS = ("C3", "C4")


def _eeg(events, **fields):
    return {
        "setname": "made",
        "nbchan": 2.0,
        "trials": 1.0,
        "pnts": 500.0,
        "srate": 100.0,
        "xmin": 0.0,
        "xmax": 4.99,
        "data": DATA,
        "chanlocs": [{"labels": name} for name in CHANNELS],
        "event": events,
        "icawinv": [],
        "icaweights": [],
        "icasphere": [],
        "icaact": [],
        "ref": "common",
        **fields,
    }


@pytest.fixture
def write_set(tmp_path):
    """A file of MATLAB 5, as EEGLAB writes it with -v6 and -v7."""

    def write(events):
        savemat(tmp_path / "made.set", {"EEG": _eeg(events)}, appendmat=False)
        return tmp_path / "made.set"

    return write


@pytest.fixture
def write_hdf5(tmp_path):
    """A file of MATLAB 7.3: numbers transposed, text as codes, arrays of structs by reference."""
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("pymatreader")

    def dataset(group, name, value):
        if isinstance(value, str):
            content, kind = np.array([[ord(c)] for c in value], np.uint16), "char"
        else:
            content = np.atleast_2d(np.asarray(value)).T
            kind = "single" if content.dtype == np.float32 else "double"
        if content.size:
            made = group.create_dataset(name, data=content)
        else:
            made = group.create_dataset(name, data=np.zeros(2, np.uint64))
            made.attrs["MATLAB_empty"] = np.uint8(1)
        made.attrs["MATLAB_class"] = np.bytes_(kind)
        return made

    def structs(file, group, name, rows):
        inner = group.create_group(name)
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in rows[0]:
            made = [
                dataset(file["#refs#"], f"{name}{field}{i}", r[field]) for i, r in enumerate(rows)
            ]
            links = np.array([[one.ref] for one in made], dtype=h5py.ref_dtype)
            inner.create_dataset(field, data=links, dtype=h5py.ref_dtype)

    def write(events, *, in_struct=True):
        path = tmp_path / "made.set"
        with h5py.File(path, "w", userblock_size=512) as file:
            file.create_group("#refs#")
            eeg = file.create_group("EEG") if in_struct else file
            if in_struct:
                eeg.attrs["MATLAB_class"] = np.bytes_("struct")
            for name, value in _eeg(events).items():
                if name in ("chanlocs", "event"):
                    structs(file, eeg, name, value)
                else:
                    dataset(eeg, name, value)
        content = bytearray(path.read_bytes())
        content[:128] = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
        path.write_bytes(content)
        return path

    return write


def _check(recording, labels, starts):
    assert (recording.ch_names, recording.units) == (CHANNELS, ("µV", "µV"))
    assert (recording.sfreq, recording.n_times) == (100, 500)
    np.testing.assert_allclose(recording.data, DATA, rtol=1e-5)
    assert [a.label for a in recording.annotations] == labels
    assert recording.starts == starts


def test_types_that_are_numbers_are_written_without_a_decimal(write_set):
    events = [{"type": float(n), "latency": 100.0 * n + 1} for n in (1, 2, 3)]
    recording = read_recording(write_set(events))
    _check(recording, ["1", "2", "3"], (0,))
    assert [a.onset for a in recording.annotations] == [1, 2, 3]


def test_minus_99_among_numbers_is_a_join(write_set):
    events = [
        {"type": kind, "latency": at}
        for kind, at in [(1.0, 101.0), (-99.0, 200.5), (2.0, 301.0), (-99.0, 400.5)]
    ]
    _check(read_recording(write_set(events)), ["1", "boundary", "2", "boundary"], (0, 200, 400))


def test_minus_99_among_names_is_a_name(write_set):
    events = [{"type": "-99", "latency": 101.0}, {"type": "go", "latency": 301.0}]
    _check(read_recording(write_set(events)), ["-99", "go"], (0,))


def test_an_event_without_a_duration_is_an_instant(write_set):
    events = [
        {"type": "go", "latency": 101.0, "duration": 50.0},
        {"type": "boundary", "latency": 200.5, "duration": []},
        {"type": "stop", "latency": 301.0, "duration": []},
    ]
    recording = read_recording(write_set(events))
    _check(recording, ["go", "boundary", "stop"], (0, 200))
    assert [a.duration for a in recording.annotations] == [0.5, 0, 0]


@pytest.mark.parametrize("in_struct", [True, False])
def test_files_of_matlab_7_3_are_read(write_hdf5, in_struct):
    events = [
        {"type": kind, "latency": at} for kind, at in [(1.0, 101.0), (-99.0, 200.5), (2.0, 301.0)]
    ]
    path = write_hdf5(events, in_struct=in_struct)
    _check(read_recording(path), ["1", "boundary", "2"], (0, 200))


def test_names_of_matlab_7_3_are_read(write_hdf5):
    events = [{"type": "go", "latency": 101.0}, {"type": "stop!", "latency": 301.0}]
    path = write_hdf5(events)
    _check(read_recording(path), ["go", "stop!"], (0,))
    raw = mne.io.read_raw_eeglab(path, preload=True, verbose="ERROR")
    np.testing.assert_allclose(read_recording(path).data, raw.get_data() * 1e6, rtol=1e-5)


def test_without_its_package_a_file_of_matlab_7_3_is_refused(write_hdf5, monkeypatch):
    path = write_hdf5([{"type": "go", "latency": 101.0}, {"type": "go", "latency": 301.0}])
    monkeypatch.setenv("BIOT_PARSER_SECONDS", "0")  # in this process
    monkeypatch.setitem(sys.modules, "pymatreader", None)
    with pytest.raises(MissingDependencyError, match=r"^made.set: .*7.3.*biot\[eeglab\].*-v7"):
        read_recording(path)
