"""Which columns of a table are signals; labels in a column; texts that are laid out otherwise."""

from __future__ import annotations

import gzip
import warnings

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import read_recording

RNG = np.random.default_rng(0)
N = 1000
NOISE = np.round(RNG.normal(size=(3, N)) * 0.1, 4)
AXES = ["acc_x", "acc_y", "acc_z"]
ACTIVITY = np.repeat([2, 0, 1, 2], N // 4)


@pytest.fixture
def read(tmp_path):
    """The recording of three axes and further columns, and what was said."""

    def read(further, name="made.csv", **options):
        path = tmp_path / name
        content = {**dict(zip(AXES, NOISE, strict=True)), **further}
        if name.endswith(".parquet"):
            pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
            parquet.write_table(pa.table({k: np.asarray(v) for k, v in content.items()}), path)
        else:
            rows = zip(*content.values(), strict=True)
            text = "\n".join(",".join(map(str, row)) for row in [tuple(content), *rows])
            path.write_text(text)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            recording = read_recording(path, **{"sfreq": 50, **options})
        return recording, " ".join(str(w.message) for w in caught)

    return read


@pytest.mark.parametrize("file", ["made.csv", "made.parquet"])
@pytest.mark.parametrize(
    "name",
    [
        *("activity", "label", "Label", "class", "target", "y_true_label", "activityID"),
        *("marker", "Marker0", "annotation", "event", "event_id", "stim", "trigger", "TRIG"),
        *("index", "Sample Index", "session", "trial", "counter", "EEG.Counter", "sample"),
        *("battery", "Battery Level", "id", "stage", "condition", "annotations_1"),
    ],
)
def test_columns_of_these_names_are_no_channels_whatever_they_hold(read, name, file):
    recording, said = read({name: NOISE[0] * 10}, file)
    assert recording.ch_names == tuple(AXES)
    assert f"not read as channels: {name} (" in said
    assert "name it in columns=" in said
    recording, said = read({name: NOISE[0] * 10}, file, columns=[name])
    assert recording.ch_names == (*AXES, name)
    assert "not read" not in said


@pytest.mark.parametrize(
    "values",
    [
        ACTIVITY,
        ACTIVITY.astype(float),
        np.repeat(RNG.permutation(40)[:20], N // 20),  # codes of more kinds
        np.repeat([0, 1], N // 2),
        np.full(N, 3),
    ],
)
def test_few_whole_numbers_in_long_runs_are_labels_whatever_they_are_called(read, values):
    recording, said = read({"surprise": values})
    assert recording.ch_names == tuple(AXES)
    assert "surprise (few whole numbers, each held for long, as labels are)" in said
    assert read({"surprise": values}, columns=["surprise"])[0].ch_names == (*AXES, "surprise")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("surprise", np.arange(N)),
        ("surprise", 7 + np.arange(N) * 0.02),
        ("surprise", np.arange(N) % 256),
        ("unix_timestamp", 1.7e9 + np.arange(N) / 64),
        ("when", 1.7e12 + np.sort(RNG.uniform(0, 15_000, size=N))),
        ("", np.arange(N)),
    ],
)
def test_counters_and_clocks_are_no_channels_whatever_they_are_called(read, name, values):
    assert read({name: values}, sfreq=64)[0].ch_names == tuple(AXES)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ppg", RNG.integers(0, 256, size=N)),  # 8 bit
        ("emg_raw", RNG.integers(-2, 3, size=N)),  # a few steps of a converter, at rest
        ("acc_w", np.repeat(RNG.integers(-1, 2, size=N // 10), 10)),  # known by its name
        ("temperature", np.repeat(20 + np.cumsum(RNG.integers(0, 2, size=20)), 50)),
        ("spo2", np.round(95 + np.cumsum(RNG.normal(size=N)) / 10)),
        ("Right AUX", NOISE[0]),
        ("userAcceleration.x", NOISE[0]),
        ("EDA", np.linspace(1, 2, N) + NOISE[0] / 10),
        ("sample entropy", NOISE[0]),
    ],
)
def test_what_sensors_write_in_few_steps_stays_a_channel(read, name, values):
    recording, said = read({name: values})
    assert recording.ch_names == (*AXES, name)
    assert said == ""


def test_electrodes_leads_and_sensors_are_channels_by_all_their_names(read):
    rows = ("FP", "AF", "F", "FT", "FC", "T", "C", "TP", "CP", "P", "PO", "O", "I")
    names = [f"{row}{place}" for row in rows for place in ("z", *range(1, 11))]
    names += ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V6", "A1", "M2", "ECG", "EMG1", "HEOG"]
    names += ["EOG-L", "Resp", "Chin", "SpO2", "PPG"]
    names += ["T3-T5", "EEG T4-REF", "t7", "Thorax", "Right AUX", "back_x", "gyro_y", "S1"]
    names += ["Muscle Activity", "EDA", "TEMP", "HR", "ay", "gz", "x", "roll", "class A current"]
    table = dict.fromkeys(names, NOISE[0])
    assert read(table)[0].ch_names == (*AXES, *table)


def test_axes_of_any_name_stay_channels_though_they_hold_still(read):
    still = {f"back{axis}": np.repeat(RNG.integers(-1, 2, size=20), 50) for axis in "XYZ"}
    assert read(still)[0].ch_names == (*AXES, *still)


def test_several_people_in_one_table_are_refused(read):
    people = np.repeat([33, 34, 35], [400, 300, 300])
    with pytest.raises(RecordingError, match=r"column user holds 3 people \(33, 34, 35\).*a file"):
        read({"user": people})
    assert read({"subject_id": np.full(N, 33)})[0].ch_names == tuple(AXES)


@pytest.mark.parametrize("file", ["made.csv", "made.parquet"])
def test_a_column_of_labels_is_read_as_labels_in_time(read, file):
    for values, words in (
        (ACTIVITY, ["2", "0", "1", "2"]),
        (ACTIVITY.astype(float), ["2", "0", "1", "2"]),
        (np.array(["sit", "walk", "run"])[ACTIVITY], ["run", "sit", "walk", "run"]),
    ):
        recording, _ = read({"activity": values}, file, labels=["activity"])
        assert [note.label for note in recording.annotations] == words
        assert [note.onset for note in recording.annotations] == [0, 5, 10, 15]
        assert {(note.duration, note.column) for note in recording.annotations} == {(5, "activity")}
        assert recording.ch_names == tuple(AXES)


def test_empty_cells_of_a_column_of_labels_are_no_label(read):
    words = np.array(["walk", "", "nan", "Badminton"], dtype=object)[np.repeat([0, 1, 3, 2], 250)]
    recording, _ = read({"activity": words}, labels=["activity"])
    spans = [(note.onset, note.duration, note.label) for note in recording.annotations]
    assert spans == [(0, 5, "walk"), (10, 5, "Badminton")]
    gone = np.where(ACTIVITY == 0, np.nan, ACTIVITY)
    recording, _ = read({"activity": gone}, labels=["activity"])
    assert [(note.onset, note.label) for note in recording.annotations] == [
        (0, "2"), (10, "1"), (15, "2"),
    ]  # fmt: skip
    with pytest.raises(RecordingError, match=r"no column 'activty' of labels; .* mean 'activity'"):
        read({"activity": ACTIVITY}, labels=["activty"])


# Texts that are laid out otherwise ----------------------------------------------------------


HEAD = "time,Fp1,Fp2"
ROWS = [(i / 50, i**3 / 8, -0.25 * i**2) for i in range(40)]


def rows(separator=",", decimal=".", quote=""):
    lines = []
    for row in ROWS:
        cells = [f"{quote}{str(x).replace('.', decimal)}{quote}" for x in row]
        lines.append(separator.join(cells))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "\n" + rows(),
        "sep=;\n" + HEAD.replace(",", ";") + "\n" + rows(";"),
        HEAD.replace(",", ";") + "\n" + rows(";", ","),
        HEAD.replace(",", ";") + "\n" + rows(";", ",", '"'),
        HEAD + "\n" + rows(",", ",", '"'),
        '"time","Fp1","Fp2"\n' + rows(quote='"'),
        HEAD.replace(",", "\t") + "\n" + rows("\t", ","),
        HEAD.replace(",", " ") + "\n" + rows(" "),
        HEAD.replace(",", " | ") + "\n" + rows(" | "),
        HEAD.replace(",", ", ") + "\n" + rows(", "),
        HEAD + ",\n" + rows().replace("\n", ",\n"),
        HEAD + "\ns,uV,uV\n" + rows(),
        HEAD + "\n[s],(uV),(uV)\n" + rows(),
        "# of nobody\n# at home\n" + HEAD + "\n" + rows(),
        "# time,Fp1,Fp2\n" + rows(),
        "Device: none\nDate,2020-01-01\n\n" + HEAD + "\n" + rows(),
        "Recorded 10:00:00 by 3 people\nThis, that, and more of it\n" + HEAD + "\n" + rows(),
        HEAD + "\r\n" + rows().replace("\n", "\r\n"),
        HEAD + "\r" + rows().replace("\n", "\r"),
        HEAD + "\n\n" + rows().replace("\n", "\n\n"),
        "," + HEAD + "\n" + "".join(f"{i},{x}\n" for i, x in enumerate(rows().splitlines())),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_is_found_in_what_people_save(tmp_path, text, packed):
    path = tmp_path / ("made.csv.gz" if packed else "made.txt")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recording = read_recording(path)
    assert (recording.ch_names, recording.sfreq) == (("Fp1", "Fp2"), 50)
    np.testing.assert_allclose(recording.data.T, [row[1:] for row in ROWS], rtol=1e-6)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig"])
def test_a_table_may_be_encoded_otherwise(tmp_path, encoding):
    path = tmp_path / "made.csv"
    path.write_bytes(("time,Fp1 (µV),Fp2 (µV)\n" + rows()).encode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert read_recording(path).units == ("µV", "µV")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n\0,3\n", r"it holds zero bytes, so it is no text"),
        (b"a,b\n1,2\n3," + b"4" * 10_000_000, r"field larger than 131072 characters in line 3"),
        (b"nothing but words\n" * 50, r"needs a first line with a different name"),
        (b"\n\n\n", r"needs a first line"),
        (b"a,b\n1,2\n3,4\n5\n", r"row 4 has 1 cell, the first 2"),
        (b'a,b\n1,"2\n3,4\n5,6\n', r"made\.csv: "),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path, content, message):
    path = tmp_path / "made.csv"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        read_recording(path, sfreq=50)


def test_a_table_that_is_turned_is_refused_at_once(tmp_path):
    path = tmp_path / "made.csv"
    names = ",".join(f"c{i}" for i in range(20_000))
    path.write_text("\n".join([names, *[",".join(["1"] * 20_000)] * 3]))
    with pytest.raises(RecordingError, match=r"has 20000 columns; .* at most 10000\. Is it turned"):
        read_recording(path, sfreq=50)


def test_what_is_packed_may_not_unpack_without_end(tmp_path, monkeypatch):
    path = tmp_path / "made.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 3_000_000))
    monkeypatch.setenv("BIOT_PARSER_MB", "1")
    with pytest.raises(RecordingError, match=r"unpacks to more than .* BIOT_PARSER_MB"):
        read_recording(path, sfreq=50)
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 100)[:-10])
    with pytest.raises(RecordingError, match=r"cannot be unpacked .*damaged or truncated"):
        read_recording(path, sfreq=50)


def test_a_column_of_labels_is_no_channel_whatever_it_holds(read):
    values = np.round(RNG.normal(size=N), 6)  # as the target of a regression
    recording, said = read({"glucose": values}, labels=["glucose"])
    assert (recording.ch_names, said) == (tuple(AXES), "")
    assert [float(note.label) for note in recording.annotations] == values.tolist()


@pytest.mark.parametrize("empty", ["", "NA", "nan"])
@pytest.mark.parametrize("place", [0, 1, 2, 5, 38])
def test_rows_without_any_number_are_missing_samples_wherever_they_stand(tmp_path, empty, place):
    path = tmp_path / "made.csv"
    lines = [f"{x * x},{-x * x}" for x in range(40)]
    lines[place] = lines[place + 1] = f"{empty},{empty}"
    path.write_text("\n".join(["Fp1,surprise", *lines]))
    recording = read_recording(path, sfreq=50, units="uV")
    assert (recording.ch_names, recording.n_times) == (("Fp1", "surprise"), 40)
    assert np.flatnonzero(np.isnan(recording.data[0])).tolist() == [place, place + 1]


def test_a_row_of_places_above_the_axes_makes_their_names(tmp_path):
    path = tmp_path / "made.csv"
    path.write_text("time,back,back,thigh,thigh\n,x,y,x,y\n" + "".join(
        f"{i / 50},{i % 7},{i % 5},{i % 3},{i**2}\n" for i in range(99)
    ))  # fmt: skip
    recording = read_recording(path)
    assert (recording.ch_names, recording.sfreq) == (("back_x", "back_y", "thigh_x", "thigh_y"), 50)


def test_rows_with_more_texts_than_numbers_are_samples_too(tmp_path):
    path = tmp_path / "made.csv"
    path.write_text("place,posture,activity,note,acc_x,acc_y\n" + "".join(
        f"home,up,walk,ok,{i % 7},{i % 5}\n" for i in range(99)
    ))  # fmt: skip
    with pytest.warns(UserWarning, match="place, posture, activity hold no number"):
        recording = read_recording(path, sfreq=50, labels=["note"])
    assert recording.ch_names == ("acc_x", "acc_y")


def test_openvibe_writes_the_rate_into_the_name_of_its_times(tmp_path):
    path = tmp_path / "made.csv"
    rows = [f"{i / 256:.10f},{i // 32},{i % 7},{i**2 % 11},{'33285:33286' if i == 40 else ''},,"
            for i in range(320)]  # fmt: skip
    head = "Time:256Hz,Epoch,TP9,AF7,Event Id,Event Date,Event Duration"
    path.write_text("\n".join([head, *rows]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recording = read_recording(path)
    assert (recording.ch_names, recording.sfreq) == (("TP9", "AF7"), 256)
