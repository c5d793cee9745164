"""Tables of samples with a column of labels, from the folder to predictions."""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest

from biot.cli import main
from biot.corpus import load_corpus
from biot.corpus.builder.prepare import prepare
from biot.errors import ConfigError, CorpusError
from biot.signals import read_recording

N, RATE = 3000, 50
OPTIONS = {"sfreq": RATE, "window": 4, "table_units": "g"}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Three people; noise with a number for each sample's activity, and what they are."""
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(5)
    for person in range(3):
        activity = np.repeat(rng.permutation(3), N // 3)
        rows = zip(np.arange(N) / RATE, *rng.normal(size=(3, N)) / 10, activity, strict=True)
        lines = [f"{t:.2f},{x:.3f},{y:.3f},{z:.3f},{a}" for t, x, y, z, a in rows]
        text = "\n".join(["time,acc_x,acc_y,acc_z,activity", *lines])
        (folder / f"P{person:02d}.csv").write_text(text)
    (folder / "labels.csv").write_text("file,label\n" + "".join(f"P0{i}.csv,a\n" for i in range(3)))
    return folder


def test_a_label_column_alone_labels_the_windows_and_is_no_channel(people, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the table of labels, which is no recording
        report = prepare(
            people, tmp_path / "c", search_tables=True, label_columns=("activity",), **OPTIONS
        )
    # 1000 samples of each activity are 5 windows of 200
    assert report.labels == {"0": 15, "1": 15, "2": 15}
    assert report.preprocessing.ch_names == ("acc_x", "acc_y", "acc_z")
    assert [name for name, _ in report.quarantined] == ["labels.csv"]
    assert report.dropped == {}


def test_windows_over_two_activities_take_the_one_that_fills_more(people, tmp_path):
    files = sorted(people.glob("P*.csv"))
    report = prepare(
        files, tmp_path / "c", labels="samples", label_columns=("activity",),
        **{**OPTIONS, "window": 6},
    )  # fmt: skip
    expected = Counter()
    for file in files:
        activity = np.loadtxt(file, delimiter=",", skiprows=1, usecols=4).astype(int)
        for start in range(0, N - 299, 300):
            values, counts = np.unique(activity[start : start + 300], return_counts=True)
            expected[str(values[counts.argmax()])] += 1
    assert report.labels == dict(sorted(expected.items()))


def test_the_table_of_labels_is_no_recording_of_the_folder_that_is_searched(people, tmp_path):
    report = prepare(
        people, tmp_path / "c", search_tables=True, labels=people / "labels.csv", **OPTIONS
    )
    assert (report.labels, report.quarantined) == ({"a": 45}, ())
    (told,) = report.dropped
    assert told.startswith("columns not read as channels: activity (label, marker or number by")
    assert report.dropped[told] == 3


def test_a_column_that_looks_like_labels_is_a_channel_where_it_is_named(people, tmp_path):
    report = prepare(
        people / "P00.csv", tmp_path / "c", channels="acc,activity", keep_flat=True, **OPTIONS
    )
    assert report.preprocessing.ch_names == ("acc_x", "acc_y", "acc_z", "activity")
    assert len(load_corpus(tmp_path / "c")) == 15


def test_labels_in_samples_need_tables_and_one_column(people, tmp_path, shared_data):
    edf = next((shared_data / "eegmmidb_s001").glob("*.edf"))
    with pytest.raises(ConfigError, match=r"labels is 'samples'.* none of these is a table"):
        prepare(edf, tmp_path / "c", labels="samples", sfreq=100, window=4)
    with pytest.raises(ConfigError, match=r"are one column; got label_columns a, b"):
        prepare(people / "P00.csv", tmp_path / "c", label_columns=("a", "b"), **OPTIONS)
    with pytest.raises(CorpusError, match=r"has no column 'activty' of labels.* mean 'activity'"):
        prepare(people / "P00.csv", tmp_path / "c", label_columns=("activty",), **OPTIONS)


def test_the_command_says_how_to_keep_a_column(people, tmp_path, capsys):
    words = ["--out", str(tmp_path / "c"), "--sfreq", "50", "--window", "4", "--table-units", "g"]
    assert main(["prepare", str(people / "P00.csv"), *words]) == 0
    shown = capsys.readouterr().out
    assert "activity (label, marker or number by its name), unless named in --channels" in shown
    words[1] = str(tmp_path / "d")
    words += ["--label-column", "activity", "--label-map", "0=sit,1=walk,2=run"]
    assert main(["prepare", str(people / "P00.csv"), *words]) == 0
    shown = capsys.readouterr().out
    assert "walk: 5" in shown
    assert "unless" not in shown
    assert main(["info", str(people / "P00.csv")]) == 0
    captured = capsys.readouterr()
    assert "channels     3" in captured.out
    assert "To read one all the same, name it in --channels of biot prepare." in captured.err


def test_a_column_that_is_called_label_is_read_where_it_is_named(people, tmp_path):
    (tmp_path / "p").mkdir()
    for path in people.glob("P*.csv"):
        text = path.read_text().replace("activity", "label", 1)
        (tmp_path / "p" / path.name).write_text(text)
    given = ["prepare", str(tmp_path / "p"), "--search-tables", "--sfreq", "50", "--window", "4",
             "--table-units", "g", "--label-column", "label", "--label-map", "2="]  # fmt: skip
    assert main([*given, "--out", str(tmp_path / "c")]) == 0
    assert Counter(load_corpus(tmp_path / "c").labels) == {"0": 15, "1": 15}
    report = prepare(tmp_path / "p", tmp_path / "d", search_tables=True, **OPTIONS)
    assert not report.labels


def test_a_column_of_one_person_names_the_subject(people, tmp_path):
    folder = tmp_path / "named"
    folder.mkdir()
    pd, parquet = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    assert parquet is not None
    for file, name in zip(sorted(people.glob("P*.csv")), ("anna", "anna", "carl"), strict=True):
        table = pd.read_csv(file).assign(participant=name)
        table.to_csv(folder / f"{file.stem}.csv", index=False)
    table.to_parquet(folder / "P03.parquet")
    options = {"search_tables": True, "label_columns": ("activity",), **OPTIONS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns of text
        report = prepare(folder, tmp_path / "by_column", **options)
        given = prepare(folder, tmp_path / "by_name", subject=r"(P0\d)", **options)
    assert (report.n_recordings, report.n_subjects, given.n_subjects) == (4, 2, 4)
    assert "subjects from the column 'participant' of tables of samples: 2" in str(report)
    assert set(load_corpus(tmp_path / "by_column").subjects) == {"anna", "carl"}


def test_files_of_wisdm_are_read_as_published(tmp_path):
    axes = np.round(np.random.default_rng(0).normal(size=(3, 400)) * 9.80665, 4)
    for user in (33, 34):
        rows = [
            f"{user},{'Walking' if i < 200 else 'Jogging'},{49105962326000 + i * 50_000_000},"
            f"{x},{y},{z};"
            for i, (x, y, z) in enumerate(axes.T)
        ]
        (tmp_path / f"raw{user}.txt").write_text("\n".join(rows) + "\n")
    files = sorted(tmp_path.glob("*.txt"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recording = read_recording(files[0], labels=["activity"])
        report = prepare(files, tmp_path / "c", sfreq=20, window=2, label_columns=("activity",))
    assert (recording.sfreq, recording.ch_names) == (20, ("Acc_X", "Acc_Y", "Acc_Z"))
    assert recording.units == ("g",) * 3
    np.testing.assert_allclose(recording.read(), axes / 9.80665, rtol=1e-5)
    assert [(n.onset, n.duration, n.label) for n in recording.annotations] == [
        (0, 10, "Walking"), (10, 10, "Jogging"),
    ]  # fmt: skip
    assert report.labels == {"Jogging": 10, "Walking": 10}
    assert report.n_subjects == 2
