"""Recordings in tables and NumPy archives."""

from __future__ import annotations

import warnings
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


def opened(tmp_path, text, **options):
    """The recording of a text, and what was said."""
    path = tmp_path / "made.txt"
    path.write_text(text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recording = read_recording(path, **{"sfreq": 50, **options})
    return recording, " ".join(str(w.message) for w in caught)


VALUES = np.round(np.random.default_rng(3).normal(size=(3, 200)) * 9, 3)


@pytest.mark.parametrize("separator", [" ", ",", ";", "\t"])
def test_the_row_names_that_r_writes_do_not_shift_the_names_of_columns(tmp_path, separator):
    rows = [[f'"{i + 1}"', *map(str, row)] for i, row in enumerate(VALUES.T)]
    text = "\n".join(separator.join(row) for row in [['"Fp1"', '"Fp2"', '"C3"'], *rows])
    recording, said = opened(tmp_path, text)
    assert recording.ch_names == ("Fp1", "Fp2", "C3")
    np.testing.assert_allclose(recording.read(), VALUES, rtol=1e-6)
    assert "the first of its 4 columns has no name and holds those of its rows" in said


def test_a_name_too_few_is_refused_where_it_is_not_sure_which_is_missing(tmp_path):
    rows = [f"{i / 50},{a},{b},{c}" for i, (a, b, c) in enumerate(VALUES.T)]
    with pytest.raises(RecordingError, match=r"has 3 names \(time, Fp1, Fp2\) for 4 columns"):
        opened(tmp_path, "\n".join(["time,Fp1,Fp2", *rows]))


@pytest.mark.parametrize("head", [",0,1,2", "0,1,2", "time,1,2,3"])
def test_names_may_be_numbers_as_pandas_writes_those_of_arrays(tmp_path, head):
    first = head.split(",")
    rows = [[*([f"{i / 50}"] if len(first) > 3 else []), *row] for i, row in enumerate(VALUES.T)]
    recording, _ = opened(tmp_path, "\n".join([head, *(",".join(map(str, r)) for r in rows)]))
    assert recording.ch_names == tuple(first[-3:])
    np.testing.assert_allclose(recording.read(), VALUES, rtol=1e-6)


@pytest.mark.parametrize(("thousands", "decimal"), [(",", "."), (".", ",")])
def test_a_sign_between_thousands_is_understood_beside_a_decimal_sign(tmp_path, thousands, decimal):
    signs = str.maketrans({",": thousands, ".": decimal})
    rows = [";".join(f"{1000 * x:,.3f}".translate(signs) for x in row) for row in VALUES.T]
    recording, _ = opened(tmp_path, "\n".join(["Fp1;Fp2;C3", *rows]))
    np.testing.assert_allclose(recording.read(), 1000 * VALUES, rtol=1e-6)


def test_a_first_sample_with_signs_for_missing_ones_is_no_row_of_names(tmp_path):
    rows = ["0.0,-,?,*", *(f"{i / 50},{a},{b},{c}" for i, (a, b, c) in enumerate(VALUES.T, 1))]
    with pytest.raises(RecordingError, match=r"column Fp1, row 2: '-' is no number"):
        opened(tmp_path, "\n".join(["time,Fp1,Fp2,C3", *rows]))


@pytest.mark.parametrize("odd", [1e15, np.inf, np.nan])
def test_one_odd_sample_does_not_make_a_signal_a_counter(tmp_path, odd):
    values = VALUES.copy()
    values[:, 7] = odd
    text = "\n".join(["Fp1,Fp2,C3", *(",".join(map(str, row)) for row in values.T)])
    assert opened(tmp_path, text)[0].ch_names == ("Fp1", "Fp2", "C3")


@pytest.mark.parametrize("names", ["Fp1 Fp2 C3", "1 2 3"])
def test_a_table_with_a_row_for_each_channel_is_refused(tmp_path, names):
    rows = [
        f"{i / 50},{name},{x}"
        for i, row in enumerate(VALUES.T)
        for name, x in zip(names.split(), row, strict=True)
    ]
    with pytest.raises(RecordingError, match=r"the column channel says for each row whose number"):
        opened(tmp_path, "\n".join(["time,channel,value", *rows]))


def test_a_table_without_names_is_told_to_get_them(tmp_path):
    text = "\n".join(",".join(map(str, row)) for row in VALUES.T)
    with pytest.raises(RecordingError, match=r"a line with the names of its 3 columns above it"):
        opened(tmp_path, text)
    (tmp_path / "S1.dat").write_text(text)
    with pytest.raises(RecordingError, match=r"S1.hea is missing. It holds text.*call it .txt"):
        read_recording(tmp_path / "S1.dat")


def test_an_ecg_of_apple_watch_has_its_lead_rate_and_unit(tmp_path):
    above = 'Name,\nClassification,Sinus Rhythm\nDevice,"Watch6,1"\nSample Rate,512 hertz\n\n'
    above += "\nLead,Lead I\nUnit,µV\n\n"
    recording, _ = opened(tmp_path, above + "\n".join(map(str, VALUES[0])), sfreq=None)
    assert (recording.sfreq, recording.ch_names, recording.units) == (512, ("I",), ("mV",))
    np.testing.assert_allclose(recording.read()[0], VALUES[0] / 1000, rtol=1e-6)
    commas = above + "\n".join(f"{x}".replace(".", ",") for x in VALUES[0])
    with pytest.raises(RecordingError, match=r"decimal commas.*Write its numbers with points"):
        opened(tmp_path, commas)


def test_comments_between_the_names_and_the_numbers_are_passed_over(tmp_path):
    rows = [",".join(map(str, row)) for row in VALUES.T]
    recording, _ = opened(tmp_path, "\n".join(["Fp1,Fp2,C3", "# uV,uV,uV", *rows]))
    assert recording.ch_names == ("Fp1", "Fp2", "C3")
    np.testing.assert_allclose(recording.read(), VALUES, rtol=1e-6)


def test_decimal_commas_in_one_column_and_points_in_another_are_refused(tmp_path):
    rows = [f"1.{i:03d};" + f"{x:.2f}".replace(".", ",") for i, x in enumerate(VALUES[0])]
    with pytest.raises(RecordingError, match=r"column Fp2 has decimal commas .* one decimal sign"):
        opened(tmp_path, "\n".join(["Fp1;Fp2", *rows]))


def test_a_last_line_of_text_is_named_in_place_of_the_times(tmp_path):
    rows = [f"{i / 50},{x}" for i, x in enumerate(VALUES[0])]
    with pytest.raises(RecordingError, match=r"column time .*row 201 of samples is 'Total'"):
        opened(tmp_path, "\n".join(["time,Fp1", *rows, "Total,"]), sfreq=None)
