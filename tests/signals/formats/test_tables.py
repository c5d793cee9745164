"""Recordings in tables and NumPy archives."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import read_recording

DATA = np.random.default_rng(0).normal(size=(2, 60)) * 20


def _table(columns, separator=","):
    rows = [
        separator.join(columns),
        *(separator.join(map(str, r)) for r in zip(*columns.values(), strict=True)),
    ]
    return "\n".join(rows) + "\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="made.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write


CHANNELS = {"Fp1 (uV)": DATA[0], "Acc X [m/s^2]": DATA[1]}


def _check(recording, sfreq=50):
    assert (recording.ch_names, recording.units) == (("Fp1", "Acc X"), ("µV", "g"))
    assert (recording.sfreq, recording.n_times) == (sfreq, 60)
    np.testing.assert_allclose(recording.data, DATA / [[1], [9.80665]], rtol=1e-6)


pytestmark = pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")


@pytest.mark.parametrize(("separator", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.TSV")])
def test_a_rate_is_that_which_is_given(write, separator, name):
    _check(read_recording(write(_table(CHANNELS, separator), name), sfreq=50))


def test_a_rate_is_that_of_a_column_of_it(write):
    first_only = [50, *[""] * 59]
    for column in ([50] * 60, first_only):
        _check(read_recording(write(_table({"sfreq": column, **CHANNELS}))))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("time", np.arange(60) / 50),
        ("Time (ms)", 1e6 + np.arange(60) * 20),
        ("t", [f"{i / 50 + 7:.2f}" for i in range(60)]),
        (
            "TimeStamp",
            [datetime(2020, 1, 1, 23, 59, 59) + timedelta(seconds=i / 50) for i in range(60)],
        ),
    ],
)
def test_a_rate_is_that_of_a_column_of_times(write, name, times, encoding):
    _check(read_recording(write(_table({name: times, **CHANNELS}), encoding=encoding)))


def test_a_rate_that_is_no_whole_number_comes_from_the_times_too(write):
    path = write(_table({"time": np.arange(60) / 12.8, **CHANNELS}))
    _check(read_recording(path), sfreq=pytest.approx(12.8))


def test_times_with_a_gap_are_refused_unless_a_rate_is_given(write):
    times = np.arange(60) / 50
    times[30:] += 1
    path = write(_table({"time": times, **CHANNELS}))
    with pytest.raises(RecordingError, match=r"^made.csv: the times in column time are not evenly"):
        read_recording(path)
    with pytest.warns(UserWarning, match=r"^made.csv: read at 50 Hz as given, .* 50 samples off"):
        _check(read_recording(path, sfreq=50))


def test_units_may_be_given_and_empty_cells_are_missing(write):
    cells = [["1", "", "nan", "4"], ["5", "NA", "7", "8"]]
    path = write(_table({"Fp1": cells[0], "ECG": cells[1]}))
    recording = read_recording(path, sfreq=2, units=["uV", "uV"])
    assert recording.units == ("µV", "mV")
    np.testing.assert_array_equal(np.isnan(recording.data), [[0, 1, 1, 0], [0, 1, 0, 0]])
    assert read_recording(path, sfreq=2).units == ("", "")
    assert read_recording(path, sfreq=2, units="mV").units == ("µV", "mV")
    with pytest.raises(RecordingError, match=r"^made.csv: 3 units for 2 channels \(Fp1, ECG\)"):
        read_recording(path, sfreq=2, units=["uV"] * 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,4\n", "nothing says its sampling rate.*Give sfreq="),
        ("1,2\n3,4\n", "needs a first line with a different name.*'1,2'"),
        ("a,a\n3,4\n", "needs a first line with a different name"),
        ("a,b\n", "and lines of samples"),
        ("sfreq,b\n1,2\n2,4\n", "the column sfreq must hold one number, found 2"),
        ("sfreq,b\n0,2\n0,4\n", "must be above 0 Hz, got 0"),
        ("sfreq,a,b\n9,1,2\n9,4\n", "row 3 has 2 cells, the first 3"),
        ("sfreq,a,b\n9,1,2\n9,4,5,6\n", "row 3 has 4 cells, the first 3"),
        ("sfreq,a,b\n9,1,2\n9,x,5\n", "column a, row 3: 'x' is no number, but 1 other"),
        ("time,a\nnoon,1\nlater,2\n", "column time should hold times, but"),
        ("time,a\n1,1\n1,2\n", "not evenly spaced"),
    ],
)
def test_a_faulty_table_is_refused(write, text, message):
    with pytest.raises(RecordingError, match=rf"(?s)^made.csv: .*{message}"):
        read_recording(write(text))


def test_columns_of_text_are_told_of(write):
    path = write("sfreq,a,note\n9,1,x\n9,2,y\n")
    with pytest.warns(UserWarning, match=r"^made.csv: the columns note hold no number"):
        assert read_recording(path).ch_names == ("a",)
    path = write("sfreq,note\n9,x\n9,y\n")
    with (
        pytest.warns(UserWarning, match="note hold no number"),
        pytest.raises(RecordingError, match="no column holds numbers"),
    ):
        read_recording(path)


def test_the_muse_export_is_read_without_its_band_powers(shared_data):
    path = shared_data / "readers/csv/testmusemonitor.csv"
    with pytest.warns(UserWarning, match=r"Delta_TP9, .* and 22 more \(no signal of Mind Monitor"):
        recording = read_recording(path)
    assert recording.ch_names[:5] == ("TP9", "AF7", "AF8", "TP10", "AUX_RIGHT")
    assert recording.units == (*["µV"] * 5, *["g"] * 3, *["rad/s"] * 3)
    assert (len(recording.ch_names), recording.n_times) == (11, 26)
    assert recording.sfreq == 1  # fits every time to half a second
    raw = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(21, 32))
    raw[:, 8:] *= np.pi / 180
    np.testing.assert_allclose(recording.data, raw.T, rtol=1e-6)


def test_parquet_is_read_as_a_table(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    start = datetime(2020, 1, 1)
    dates = [start + timedelta(seconds=i / 50) for i in range(60)]
    for times in ({"time": np.arange(60) / 50}, {"timestamp": dates}, {"sfreq": [50] * 60}):
        parquet.write_table(pa.table({**times, **CHANNELS}), tmp_path / "made.parquet")
        _check(read_recording(tmp_path / "made.parquet"))
    with_null = pa.table({"sfreq": [2, 2, 2], "Cz": [1.5, None, 2], "n": pa.array([1, 2, None])})
    parquet.write_table(with_null, tmp_path / "made.parquet")
    np.testing.assert_array_equal(
        read_recording(tmp_path / "made.parquet").data, [[1.5, np.nan, 2], [1, 2, np.nan]]
    )
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(RecordingError, match=r"^bad.parquet: cannot be read as a Parquet table"):
        read_recording(tmp_path / "bad.parquet")


def test_a_numpy_archive_says_what_it_holds(tmp_path):
    path = tmp_path / "made.npz"
    names = np.array(["Fp1", "Acc X"])
    np.savez(path, data=DATA, ch_names=names, sfreq=50.0, units=np.array(["µV", "m/s²"]))
    _check(read_recording(path))
    np.savez(path, data=DATA, ch_names=names)
    _check(read_recording(path, sfreq=50, units=["uV", "m/s^2"]))
    with pytest.raises(
        RecordingError, match=r"^made.npz: lacks sfreq, units; it has data, ch_name"
    ):
        read_recording(path)
    np.savez(path, data=DATA.T, ch_names=names, sfreq=50.0, units="µV")
    with pytest.raises(RecordingError, match=r"row for each of the 2 ch_names.*\(60, 2\)"):
        read_recording(path)
    np.savez(path, data=DATA, ch_names=names, sfreq=[50.0, 60.0], units="µV")
    with pytest.raises(RecordingError, match=r"sfreq must be one number, got \[50\.0, 60\.0\]"):
        read_recording(path)
    np.savez(path, data=DATA + 1j, ch_names=names, sfreq=50.0, units="µV")
    with pytest.raises(RecordingError, match=r"data must hold numbers.* complex128"):
        read_recording(path)
    np.savez(path, data=DATA, ch_names=np.array([b"Fp1", b"Cz"]), sfreq=50.0, units=b"uV")
    assert read_recording(path).ch_names == ("Fp1", "Cz")
    np.savez(path, data=np.array([None, "x"], dtype=object))
    with pytest.raises(RecordingError, match=r"^made.npz: cannot be read as a NumPy archive"):
        read_recording(path)


def test_a_cell_beyond_what_a_table_can_hold_is_an_error_of_the_recording(tmp_path):
    path = tmp_path / "night.csv"
    path.write_text("C3,C4\n1,2\n3," + "4" * 200_000 + "\n")
    with pytest.raises(RecordingError, match=r"night\.csv: not a table of samples \(field larger"):
        read_recording(path, sfreq=100.0)
