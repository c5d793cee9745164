"""When a recording began: every reader that can know it says so, and it stays known."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import edfio
import mne
import numpy as np
import pytest

from biot import Recording, from_mne, prepare, read_recording
from biot.preprocessing import Preprocessing
from biot.signals.preprocess import preprocessed
from biot.signals.recording import joined, segments_of

START = datetime(2021, 3, 4, 5, 6, 7)
UTC_START = START.replace(tzinfo=UTC)


def write_edf(path: Path, *, start: datetime | None = START, annotations=None) -> Path:
    rng = np.random.default_rng(0)
    signals = [edfio.EdfSignal(rng.normal(0, 20, 1000), 100.0, label="Cz", physical_dimension="uV")]
    recording = edfio.Recording(startdate=None if start is None else start.date())
    begin = time(0) if start is None else start.time()
    made = edfio.Edf(signals, recording=recording, starttime=begin, annotations=annotations)
    made.write(path)
    return path


def raw(first_samp: int = 0) -> mne.io.RawArray:
    made = mne.io.RawArray(
        np.random.default_rng(0).normal(0, 2e-5, (1, 1000)),
        mne.create_info(["Cz"], 100.0, "eeg"),
        first_samp=first_samp,
        verbose="ERROR",
    )
    made.set_meas_date(UTC_START)
    return made


def test_edf_says_when_it_began(tmp_path):
    path = write_edf(tmp_path / "a.edf")
    found = read_recording(path).meas_date
    assert found == START
    assert found.replace(tzinfo=UTC) == mne.io.read_raw_edf(path, verbose="ERROR").info["meas_date"]


def test_edf_keeps_the_fraction_of_a_second(tmp_path):
    start = START + timedelta(seconds=0.394531)
    path = write_edf(tmp_path / "a.edf", start=start, annotations=[])
    assert read_recording(path).meas_date == start


def test_edf_without_a_start_has_none(tmp_path):
    assert read_recording(write_edf(tmp_path / "a.edf", start=None)).meas_date is None


@pytest.mark.parametrize(
    ("field", "date", "year"),
    [
        (b"Startdate 04-MAR-2109 X X X", b"04.03.09", 2109),
        (b"Startdate X X X X", b"04.03.84", 2084),
        (b"", b"04.03.85", 1985),
    ],
)
def test_years_of_two_digits_are_those_of_the_standard(tmp_path, field, date, year):
    path = write_edf(tmp_path / "a.edf")
    content = bytearray(path.read_bytes())
    content[88:168], content[168:176] = field.ljust(80), date
    path.write_bytes(content)
    assert read_recording(path).meas_date == START.replace(year=year)


@pytest.mark.parametrize("date", [b"00.00.00", b"99.99.99", b"        ", b"31.02.21"])
def test_a_date_that_is_none_is_not_known(tmp_path, date):
    path = write_edf(tmp_path / "a.edf")
    content = bytearray(path.read_bytes())
    content[88:168], content[168:176] = b"X".ljust(80), date
    path.write_bytes(content)
    assert read_recording(path).meas_date is None


@pytest.mark.parametrize("first_samp", [0, 250])
def test_mne_counts_from_the_measurement(tmp_path, first_samp):
    made = raw(first_samp)
    made.save(tmp_path / "a_raw.fif", verbose="ERROR")
    for recording in (from_mne(made), read_recording(tmp_path / "a_raw.fif")):
        assert recording.meas_date == UTC_START + timedelta(seconds=first_samp / 100)


def test_the_first_epoch_has_its_place_in_the_measurement(tmp_path):
    made = raw(250)
    events = np.array([[450, 0, 1], [750, 0, 1]])
    epochs = mne.Epochs(made, events, tmin=-0.5, tmax=0.5, baseline=None, verbose="ERROR")
    epochs.save(tmp_path / "a-epo.fif", verbose="ERROR")
    for recording in (from_mne(epochs), read_recording(tmp_path / "a-epo.fif")):
        assert recording.meas_date == UTC_START + timedelta(seconds=4)
    info = made.info
    assert from_mne(mne.EpochsArray(np.zeros((2, 1, 50)), info, verbose="ERROR")).meas_date is None


def test_wfdb_says_when_it_began(tmp_path):
    data = np.random.default_rng(0).normal(size=(1000, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb's use of pandas
        import wfdb

        wfdb.wrsamp(
            "a", fs=100, units=["mV"], sig_name=["II"], p_signal=data,
            fmt=["16"], write_dir=str(tmp_path), base_date=START.date(), base_time=START.time(),
        )  # fmt: skip
    assert read_recording(tmp_path / "a.hea").meas_date == START


@pytest.mark.parametrize(
    ("times", "start"),
    [
        ([f"2021-03-04 05:06:{7 + i / 100:06.3f}" for i in range(300)], START),
        ([f"2021-03-04T05:06:{7 + i / 100:06.3f}+01:00" for i in range(300)],
         UTC_START - timedelta(hours=1)),
        ([1_614_834_367_000 + 10 * i for i in range(300)], UTC_START),
        ([i / 100 for i in range(300)], None),
        ([f"05:06:{7 + i / 100:06.3f}" for i in range(300)], None),
        ([f"04/03/2021 05:06:{7 + i / 100:06.3f}" for i in range(300)], None),
    ],
)  # fmt: skip
def test_tables_with_dates_say_when_they_began(tmp_path, times, start):
    path = tmp_path / "a.csv"
    rows = [f"{t},{np.sin(i):.4f},{np.cos(i):.4f}" for i, t in enumerate(times)]
    path.write_text("\n".join(["timestamp,acc_x,acc_y", *rows]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about units
        assert read_recording(path, units="g").meas_date == start


def test_the_start_stays_known():
    data = np.random.default_rng(0).normal(0, 20, (2, 4000))
    recording = Recording.from_array(
        data,
        ch_names=["Cz", "Pz"],
        sfreq=200,
        units=["µV", "µV"],
        meas_date=START,
        starts=[0, 2000],
    )
    contract = Preprocessing(
        sfreq=100.0, window=2.0, ch_names=("Cz",), units=("µV",), l_freq=1.0, reference="none"
    )
    assert preprocessed(recording, contract).meas_date == START
    assert recording.pick([1]).meas_date == START
    assert [part.meas_date for part in segments_of(recording)] == [START, None]
    assert joined(segments_of(recording)).meas_date == START


def test_no_corpus_holds_a_date(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    write_edf(folder / "a.edf", start=datetime(2037, 11, 23, 4, 5, 6))
    prepare(folder, tmp_path / "corpus", sfreq=100, window=2, progress=False)
    for file in (tmp_path / "corpus").rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert b"2037" not in content, file.name


def test_recorded_files_agree_with_mne(shared_data):
    readers = {"edf": mne.io.read_raw_edf, "bdf": mne.io.read_raw_bdf}
    found = 0
    for path in sorted((shared_data / "readers").glob("?df/*.?df")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if "Hypnogram" in path.name:  # no signals
                continue
            mine = read_recording(path).meas_date
            theirs = readers[path.suffix[1:]](path, verbose="ERROR").info["meas_date"]
        if theirs == datetime(1985, 1, 1, tzinfo=UTC):  # by which EDF says that nobody knows
            assert mine is None
            continue
        assert mine.replace(tzinfo=UTC, microsecond=0) == theirs
        found += 1
    assert found > 10
