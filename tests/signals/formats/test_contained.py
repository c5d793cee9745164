"""Other packages' parsers in a child process: whatever they do, it is an error of one file."""

from __future__ import annotations

import os
import time
import warnings

import numpy as np
import pytest

from biot.errors import ConfigError, RecordingError
from biot.signals import read_recording
from biot.signals.formats.child import Child, ChildError, Limits
from biot.signals.formats.contained import _children

wfdb = pytest.importorskip("wfdb")


@pytest.fixture(scope="module")
def child():
    made = Child()
    yield made
    made.close()


def test_a_child_gives_what_the_function_gives(child):
    assert child.call(max, 3, 5) == (5, [])
    assert child.call(warnings.warn, "a word for the user") == (None, ["a word for the user"])
    with pytest.raises(ChildError, match=r"ValueError: invalid literal") as caught:
        child.call(int, "x")
    assert caught.value.kind == "fault"


def test_a_death_is_told_and_the_next_call_has_a_new_child(child):
    with pytest.raises(ChildError, match=r"ended its process \(SIGABRT\)") as caught:
        child.call(os.abort)
    assert caught.value.kind == "death"
    with pytest.raises(ChildError, match=r"ended its process \(exit code 3\)"):
        child.call(os._exit, 3)
    assert child.call(max, 3, 5) == (5, [])


def test_what_waits_for_ever_is_ended(child):
    begun = time.monotonic()
    with pytest.raises(ChildError, match="on the clock") as caught:
        child.call(time.sleep, 100, limits=Limits(seconds=0.05, memory=2**28))
    assert caught.value.kind == "time"
    assert time.monotonic() - begun < 50


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="limits memory on Linux only")
def test_what_asks_for_too_much_memory_is_refused_it(child):
    with pytest.raises(ChildError) as caught:
        child.call(bytearray, 2**29, limits=Limits(seconds=30, memory=2**27))
    assert caught.value.kind == "memory"
    value, _ = child.call(bytearray, 2**20, limits=Limits(seconds=30, memory=2**27))
    assert len(value) == 2**20


@pytest.fixture
def record(tmp_path):
    """A WFDB record of 1000 samples with annotations."""
    data = np.random.default_rng(0).normal(size=(1000, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb's own, about pandas
        wfdb.wrsamp(
            "made", fs=100, units=["mV"], sig_name=["I"], p_signal=data, fmt=["16"],
            write_dir=str(tmp_path),
        )  # fmt: skip
        beats = np.arange(50, 1000, 50)
        wfdb.wrann("made", "atr", beats, ["N"] * 19, fs=100, write_dir=str(tmp_path))
    return tmp_path / "made.hea"


def test_one_changed_byte_that_makes_wfdb_loop_is_an_error_of_the_file(record, monkeypatch):
    assert len(read_recording(record).annotations) == 19
    notes = record.with_suffix(".atr")
    notes.write_bytes(notes.read_bytes().replace(b"## time", b"## tome"))
    monkeypatch.setenv("BIOT_PARSER_SECONDS", "1")
    with pytest.raises(
        RecordingError,
        match=r"^made.hea: cannot be read as a WFDB record: its parser was ended after 1 s of "
        r"processor time, the limit for 2 kB.*BIOT_PARSER_SECONDS to more than 1\.$",
    ):
        read_recording(record)


def test_annotations_whose_code_means_nothing_are_an_error_of_the_file(record):
    notes = record.with_suffix(".atr")
    whole, beat = notes.read_bytes(), (1 << 10 | 50).to_bytes(2, "little")
    notes.write_bytes(whole[::-1].replace(beat[::-1], (55 << 10 | 50).to_bytes(2), 1)[::-1])
    with pytest.raises(
        RecordingError,
        match=r"^made.hea: in its annotation file made.atr, 1 annotation has a code that has no "
        r"meaning, the first at sample 950, so it is damaged\. Copy it again",
    ):
        read_recording(record)


def test_a_recording_goes_on_when_the_child_of_another_file_has_died(record):
    recording = read_recording(record)
    before = recording.data
    _children[os.getpid()].close()
    np.testing.assert_array_equal(recording.read(100, 900), before[:, 100:900])


@pytest.mark.parametrize("text", ["never", "-1", "nan", "inf"])
def test_a_limit_is_a_number(record, monkeypatch, text):
    monkeypatch.setenv("BIOT_PARSER_MB", text)
    with pytest.raises(ConfigError, match=f"BIOT_PARSER_MB: must be a number.*got '{text}'.*200"):
        read_recording(record)


def test_without_a_child_the_samples_are_the_same(record, monkeypatch):
    apart = read_recording(record)
    monkeypatch.setenv("BIOT_PARSER_SECONDS", "0")
    here = read_recording(record)
    np.testing.assert_array_equal(apart.data, here.data)
    assert (apart.path, apart.units, apart.annotations) == (here.path, here.units, here.annotations)
