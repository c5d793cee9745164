"""From recordings on disk to a corpus."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import resample_poly

from biot.corpus import load_corpus, prepare
from biot.corpus.batch import collate
from biot.corpus.split import split
from biot.corpus.summary import overview
from biot.errors import BiotError, ConfigError, CorpusError, RecordingError
from biot.signals.readers import read_recording

WriteEdf = Callable[..., Path]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "corpus"


@pytest.fixture
def folder(write_edf: WriteEdf) -> Path:
    """Two subjects; windows of 4 s on a grid: rest, none, task, task, bad."""
    notes = [(0.0, 5.0, "rest"), (8.0, 8.0, "task"), (16.0, 4.0, "BAD_blink")]
    write_edf("sub-01/sub-01_eeg.edf", annotations=notes)
    return write_edf("sub-02/sub-02_eeg.edf", annotations=notes[:2]).parents[1]


def physical(out: Path, indices: Any) -> np.ndarray:
    rows = load_corpus(out).rows(indices)
    decoded = rows.digital * rows.scale[..., None] + rows.offset[..., None]
    return np.where(rows.digital == -32768, np.nan, decoded)


def shard_rows(out: Path, recording: str) -> dict[str, Any]:
    """The columns of one recording, read without our loader."""
    pa = pytest.importorskip("pyarrow")
    shard = json.loads((out / "manifest.json").read_text())["recordings"][recording]["shard"]
    with pa.OSFile(str(out / shard)) as source, pa.ipc.open_stream(source) as stream:
        return dict(stream.read_all().to_pydict())


def contents(out: Path) -> dict[str, str]:
    """Checksum of every file of a corpus."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file()
    }


def test_windows_on_a_grid_hold_the_recordings_samples(write_edf: WriteEdf, out: Path) -> None:
    data = np.random.default_rng(5).integers(-300, 300, (2, 1050))
    write_edf("a.edf", data, seconds=10, sfreq=105)
    report = prepare(out.parent / "recordings", out, sfreq=105, window=2, stride=1.5, labels="none")
    corpus = load_corpus(out)
    assert report.n_windows == len(corpus) == 6
    samples = np.rint(corpus.starts * 105).astype(int)
    assert samples.tolist() == [0, 158, 315, 473, 630, 788]
    for i, start in enumerate(samples):
        np.testing.assert_allclose(
            physical(out, [i])[0], data[:, start : start + 210], atol=600 / 131068 * 1.01
        )
    assert corpus.label_ids.tolist() == [-1] * 6
    assert corpus.preprocessing.label_names is None
    assert corpus.preprocessing.units == ("µV", "µV")


def test_a_recording_is_resampled_whole_before_it_is_cut(write_edf: WriteEdf, out: Path) -> None:
    data = np.cumsum(np.random.default_rng(6).integers(-9, 10, (2, 1000)), axis=1)
    path = write_edf("a.edf", data, sfreq=100)
    prepare(path, out, sfreq=80, window=2.5)
    expected = resample_poly(data.astype(float), 4, 5, axis=-1, padtype="edge")
    windows = physical(out, range(4))
    joined = np.concatenate(list(windows), axis=-1)
    np.testing.assert_allclose(joined, expected, atol=0.02)


def test_grid_windows_take_labels_and_the_rest_is_counted(folder: Path, out: Path) -> None:
    report = prepare(folder, out, sfreq=100, window=4, labels="annotations")
    corpus = load_corpus(out)
    assert corpus.labels.tolist() == ["rest", "task", "task"] * 2
    assert corpus.starts.tolist() == [0.0, 8.0, 12.0] * 2
    assert corpus.preprocessing.label_names == ("rest", "task")
    assert corpus.subjects.tolist() == ["01"] * 3 + ["02"] * 3
    assert corpus.recordings[0] == "sub-01/sub-01_eeg.edf"
    assert report.labels == {"rest": 2, "task": 4}
    assert report.dropped == {"windows without a label": 4}
    assert (report.n_recordings, report.n_subjects, report.n_windows) == (2, 2, 6)


def test_background_keeps_and_names_the_windows_outside_events(folder: Path, out: Path) -> None:
    report = prepare(folder, out, sfreq=100, window=4, labels="annotations", background="other")
    # the last window of the first recording is BAD from end to end
    assert report.labels == {"other": 3, "rest": 2, "task": 4}
    assert report.dropped == {"windows without any sample": 1}


def test_bad_annotations_are_missing_data_and_never_a_label(write_edf: WriteEdf, out: Path) -> None:
    notes = [(1.0, 0.5, "BAD_move"), (0.0, 4.0, "rest"), (2.2, 0.0, "EDGE boundary")]
    path = write_edf("a.edf", seconds=4, annotations=notes)
    prepare(path, out, sfreq=100, window=4, labels="annotations")
    missing = np.isnan(physical(out, [0])[0])
    expected = np.zeros(400, dtype=bool)
    expected[100:150] = expected[220] = True
    np.testing.assert_array_equal(missing, [expected, expected])


def test_windows_aligned_to_events_start_with_them(write_edf: WriteEdf, out: Path) -> None:
    notes = [(1.0, 5.0, "long"), (8.5, 0.0, "instant"), (12.0, 2.0, "fit"), (19.0, 1.0, "late")]
    path = write_edf("a.edf", annotations=notes)
    report = prepare(path, out, sfreq=100, window=2, stride=1, align="events", labels="annotations")
    corpus = load_corpus(out)
    assert corpus.starts.tolist() == [1.0, 2.0, 3.0, 4.0, 8.5, 12.0]
    assert corpus.labels.tolist() == ["long"] * 4 + ["instant", "fit"]
    assert report.dropped == {"events without room for a window": 1}


@pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")
def test_the_annotated_ssvep_recording_gives_its_32_trials(shared_data: Path, out: Path) -> None:
    path = shared_data / "readers" / "edf" / "ssvep_subject03_events.edf"
    report = prepare(path, out, sfreq=256, window=4, align="events", labels="annotations")
    assert report.labels == {"13Hz": 8, "17Hz": 8, "21Hz": 8, "rest": 8}
    corpus = load_corpus(out)
    assert corpus.starts[:3].tolist() == pytest.approx([11.5117, 18.0117, 24.5117], abs=1e-3)
    assert tuple(collate(corpus, range(32)).signal.shape) == (32, 8, 1024)
    parts = split(corpus, "time")
    for part in (parts.train, parts.valid, parts.test):
        assert set(corpus.label_ids[part].tolist()) == {0, 1, 2, 3}
    mne = pytest.importorskip("mne")
    raw = mne.io.read_raw_edf(path, preload=True, verbose="ERROR")
    first = round(corpus.starts[20] * 256)
    expected = raw.get_data(units="uV")[:, first : first + 1024]
    step = np.ptp(expected, axis=1).max() / 65534
    np.testing.assert_allclose(physical(out, [20])[0], expected, atol=step)


def test_a_table_labels_whole_recordings_and_names_their_subjects(
    folder: Path, out: Path, tmp_path: Path
) -> None:
    table = tmp_path / "labels.tsv"
    table.write_text("file\tlabel\tsubject\nsub-02_eeg\tpatient\tP2\nsub-01_eeg\tcontrol\tP1\n")
    report = prepare(folder, out, sfreq=100, window=4, labels=table)
    assert report.labels == {"control": 4, "patient": 5}  # 4 s of the first are BAD
    assert set(load_corpus(out).subjects.tolist()) == {"P1", "P2"}


def test_a_table_may_hold_events(folder: Path, out: Path, tmp_path: Path) -> None:
    table = tmp_path / "events.csv"
    table.write_text("path,label,onset,duration\nsub-02_eeg.edf,spike,3,1\n")
    report = prepare(folder, out, sfreq=100, window=2, align="events", labels=str(table))
    assert report.labels == {"spike": 1}
    assert report.dropped == {"recordings without a row in events.csv": 1}
    assert load_corpus(out).starts.tolist() == [3.0]


def test_with_a_background_a_recording_without_events_is_all_background(
    folder: Path, out: Path, tmp_path: Path
) -> None:
    table = tmp_path / "events.csv"
    table.write_text("path,label,onset,duration\nsub-02_eeg.edf,spike,4,4\n")
    report = prepare(folder, out, sfreq=100, window=4, labels=table, background="none")
    assert report.labels == {"none": 8, "spike": 1}


def test_a_whole_recording_label_leaves_no_background(
    folder: Path, out: Path, tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nsub-02_eeg.edf,a\n")
    with pytest.raises(ConfigError, match=r"background.*labels\.csv labels whole recordings"):
        prepare(folder, out, sfreq=100, window=4, labels=table, background="none")


def test_a_pattern_names_the_subjects(folder: Path, out: Path) -> None:
    prepare(folder, out, sfreq=100, window=4, subject=r"(sub-\d)")
    assert set(load_corpus(out).subjects.tolist()) == {"sub-0"}


def test_channels_are_brought_into_the_order_of_the_first_recording(
    write_edf: WriteEdf, out: Path
) -> None:
    data = np.random.default_rng(0).integers(-50, 50, (2, 400))
    write_edf("a.edf", data, ch_names=("C3", "C4"))
    path = write_edf("b.edf", data[::-1], ch_names=("EEG C4-REF", "c3"))
    prepare(path.parent, out, sfreq=100, window=4)
    windows = physical(out, [0, 1])
    np.testing.assert_array_equal(windows[0], windows[1])
    assert load_corpus(out).preprocessing.ch_names == ("C3", "C4")


@pytest.mark.parametrize("names", [("C3", "Cz"), ("C3",), ("O1", "C4", "C3")])
def test_recordings_may_have_different_channels(
    write_edf: WriteEdf, out: Path, names: tuple[str, ...]
) -> None:
    write_edf("a.edf", ch_names=("EEG C3-REF", "EEG C4-REF"))
    path = write_edf("b.edf", ch_names=names)
    prepare(path.parent, out, sfreq=100, window=20)
    corpus = load_corpus(out)
    assert corpus.preprocessing.ch_names == tuple(
        sorted({"C3", "C4", *(name.upper() for name in names)})
    )
    assert set(corpus.preprocessing.units) == {"µV"}
    rows = [shard_rows(out, name) for name in ("a.edf", "b.edf")]
    assert rows[0]["ch_names"][0] == ["EEG C3-REF", "EEG C4-REF"]  # each row keeps its own
    assert rows[1]["ch_names"][0] == list(names)
    data = read_recording(path).read()
    digital = np.frombuffer(rows[1]["signal"][0], "<i2").reshape(len(names), -1)
    factors = (np.array(rows[1][name][0])[:, None] for name in ("scale", "offset"))
    scale, offset = factors
    np.testing.assert_allclose(digital * scale + offset, data, atol=0.01)


def test_a_channel_in_another_unit_is_quarantined(write_edf: WriteEdf, out: Path) -> None:
    write_edf("a.edf")
    write_edf("c.edf", ch_names=("C3", "C4", "Cz"))
    path = write_edf("b.edf", units=("uV", "degC"))
    report = prepare(path.parent, out, sfreq=100, window=4)
    ((name, reason),) = report.quarantined
    assert name == "b.edf"
    assert reason.startswith("b.edf: C4 is in °C, but is in µV in 2 of 3 recordings.")
    assert "a.edf" not in reason
    assert sorted(set(load_corpus(out).recordings.tolist())) == ["a.edf", "c.edf"]
    (path.parent / "a.edf").unlink()  # now it comes before the others
    again = prepare(path.parent, out, sfreq=100, window=4)
    assert [name for name, _ in again.quarantined] == ["c.edf"]
    assert load_corpus(out).preprocessing.units == ("µV", "°C")


def test_a_broken_file_is_quarantined_and_the_others_go_on(folder: Path, out: Path) -> None:
    (folder / "a_broken.edf").write_bytes(b"0       " + b"x" * 90)
    report = prepare(folder, out, sfreq=100, window=4)
    assert report.n_recordings == 2
    ((file, reason),) = report.quarantined
    assert file == "a_broken.edf"
    lines = (out / "quarantine.tsv").read_text().splitlines()
    assert lines == ["file\treason", f"a_broken.edf\t{reason}"]
    assert str(folder) not in reason
    assert "quarantined  a_broken.edf: " in str(report)


def test_different_channels_of_one_name_in_two_spellings_are_numbered(
    write_edf: WriteEdf, out: Path
) -> None:
    path = write_edf("b.edf", ch_names=("C3", "EEG c3-REF"))
    with pytest.warns(UserWarning, match="'C3' is 'C3-0', 'EEG c3-REF' is 'EEG c3-REF-1'"):
        report = prepare(path.parent, out, sfreq=100, window=4)
    assert report.quarantined == ()
    assert report.preprocessing.ch_names == ("C3-0", "EEG c3-REF-1")


def test_triggers_are_left_out_and_said(write_edf: WriteEdf, out: Path) -> None:
    data = np.random.default_rng(0).integers(-50, 50, (3, 400))
    path = write_edf("a.edf", data, ch_names=("C3", "STATUS", "C4"), units=("uV", "", "uV"))
    report = prepare(path, out, sfreq=100, window=4)
    assert report.dropped == {"channels of triggers, 'STATUS'": 1}
    assert report.preprocessing.ch_names == ("C3", "C4")
    np.testing.assert_allclose(physical(out, [0])[0], data[[0, 2]], atol=1e-2)
    path = write_edf("only/b.edf", ch_names=("STATUS",))
    with pytest.raises(CorpusError, match=r"b\.edf: holds channels of triggers only"):
        prepare(path, out.parent / "again", sfreq=100, window=4)


def test_a_first_file_that_is_broken_inside_does_not_set_the_channels(
    write_edf: WriteEdf, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> Any:
        recording = read_recording(path)
        if path.name != "a.edf":
            return recording

        def fail(start: int, stop: int) -> Any:
            if start > 0:
                raise RecordingError("a.edf: cannot be read.")
            return recording.read(start, stop)

        return replace(recording, read_samples=fail)

    monkeypatch.setattr("biot.corpus.builder.windows.placing.CHUNK_VALUES", 400)
    monkeypatch.setattr(sys.modules["biot.corpus.builder.sources"], "read_recording", read)
    write_edf("a.edf", ch_names=("O1", "O2"))
    path = write_edf("b.edf", ch_names=("C3", "C4"))
    report = prepare(path.parent, out, sfreq=100, window=2)
    assert report.quarantined == (("a.edf", "a.edf: cannot be read."),)
    corpus = load_corpus(out)
    assert corpus.preprocessing.ch_names == ("C3", "C4")
    assert set(corpus.recordings.tolist()) == {"b.edf"}
    assert len(list((out / "shards").iterdir())) == 1


def test_cutting_in_small_steps_changes_nothing(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: dict[str, Any] = {"sfreq": 64, "window": 2, "stride": 0.7}
    prepare(folder, out, **how)
    monkeypatch.setattr("biot.corpus.builder.windows.placing.CHUNK_VALUES", 700)
    again = out.parent / "again"
    prepare(folder, again, **how)
    one, two = load_corpus(out), load_corpus(again)
    assert one.starts.tolist() == two.starts.tolist()
    np.testing.assert_array_equal(
        one.rows(range(len(one))).digital, two.rows(range(len(two))).digital
    )


def test_the_bytes_depend_on_the_input_alone(folder: Path, out: Path, tmp_path: Path) -> None:
    (folder / "broken.edf").write_bytes(b"0       ")
    moved = tmp_path / "elsewhere"
    prepare(folder, out, sfreq=50, window=4, labels="annotations")
    folder.rename(moved)
    prepare([moved], tmp_path / "again", sfreq=50, window=4, labels="annotations")
    files = [contents(d) for d in (out, tmp_path / "again")]
    assert files[0] == files[1]
    assert len(files[0]) == 7
    assert not any(str(tmp_path).encode() in p.read_bytes() for p in out.rglob("*.*"))


def test_datasets_opens_a_prepared_corpus(folder: Path, out: Path) -> None:
    datasets = pytest.importorskip("datasets")
    prepare(folder, out, sfreq=100, window=4, labels="annotations")
    rows = datasets.load_from_disk(str(out))
    assert rows["label"][:] == ["rest", "task", "task"] * 2
    assert rows.features["signal"].dtype == "large_binary"


def test_the_report_reads_as_a_table(folder: Path, out: Path) -> None:
    report = prepare(folder, out, sfreq=100, window=4, labels="annotations")
    assert str(report) == (
        f"corpus      {out}\n"
        "recordings  2\n"
        "subjects    2\n"
        "            subjects from the file names (BIDS): 2\n"
        "windows     6 of 4 s, 2 channels at 100 Hz\n"
        "labels      rest: 2\n"
        "            task: 4\n"
        "left out    4 windows without a label"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 60}, "No window could be prepared: 2 recordings shorter than a window"),
        ({"labels": "gone.tsv"}, r"gone\.tsv: cannot be read"),
        ({"sfreq": 0}, "sfreq must be above 0"),
        ({"sfreq": float("nan")}, "sfreq must be above 0"),
        ({"window": -1}, "window must be above 0 and at most 86400, got -1"),
        ({"stride": 0}, "stride must be above 0, got 0"),
        ({"align": "centre"}, "align must be one of grid, events; got 'centre'"),
        ({"align": "events"}, "labels is 'none': nothing says where events are"),
        ({"background": "x"}, "background must have a name, labels, and windows on a grid"),
        ({"labels": "annotations", "align": "events", "background": "x"}, "windows on a grid"),
        ({"scale": "max"}, "scale must be one of q95, none; got 'max'"),
        ({"subject": "S"}, "has no group"),
        ({"subject": "(X)"}, "finds no subject in sub-01/sub-01_eeg.edf"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(
    folder: Path, out: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(BiotError, match=message):
        prepare(folder, out, **{"sfreq": 100.0, "window": 4.0} | change)
    assert sorted(file.name for file in out.parent.iterdir()) == ["recordings"]


def test_a_rate_that_cannot_be_reached_is_said_with_the_file(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("biot.signals.resampling._LARGEST_DRIFT", 0)
    with pytest.raises(CorpusError, match=r"^sfreq must be another.*\(sub-01/sub-01_eeg"):
        prepare(folder, out, sfreq=33.333333333, window=4)


def test_a_recording_that_options_do_not_suit_does_not_stop_the_others(
    write_edf: WriteEdf, out: Path
) -> None:
    folder = write_edf("fast.edf").parent
    write_edf("slow.edf", sfreq=64)
    report = prepare(folder, out, sfreq=100, window=4, notch=40)
    assert report.n_recordings == 1
    ((name, reason),) = report.quarantined
    assert (name, reason[:22]) == ("slow.edf", "slow.edf: notch must l")


def test_names_of_files_may_be_any_bytes(write_edf: WriteEdf, out: Path) -> None:
    path = write_edf("plain.edf")
    names = ["new\nline.edf", "tab\t.edf", '"q".edf', "é ☃.EDF", os.fsdecode(b"\xff.edf")]
    for name in names:
        (path.parent / name).write_bytes(path.read_bytes())
    broken = ['"b" \t.edf', os.fsdecode(b"\xfe.edf")]
    for name in broken:
        (path.parent / name).write_bytes(b"0       ")
    with pytest.warns(UserWarning, match="are the same recording by content"):
        report = prepare(path.parent, out, sfreq=100, window=4)
    assert report.n_recordings == 6
    assert "\\udcff.edf" in load_corpus(out).recordings
    assert [name for name, _ in overview(out).quarantine] == ['"b" \t.edf', "\\udcfe.edf"]


def test_links_are_followed_and_nothing_is_lost_by_them(
    write_edf: WriteEdf, out: Path, tmp_path: Path
) -> None:
    archive = write_edf("a.edf").parent.rename(tmp_path / "archive")
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "one.edf").symlink_to(archive / "a.edf")
    (folder / "two.edf").symlink_to(archive / "a.edf")
    (folder / "gone.edf").symlink_to(archive / "b.edf")
    (folder / "more").symlink_to(archive)
    (folder / "loop").symlink_to(folder)
    with pytest.warns(UserWarning, match=r"more/a\.edf and one\.edf and two\.edf are the same"):
        report = prepare(folder, out, sfreq=100, window=4)
    assert set(load_corpus(out).recordings.tolist()) == {"more/a.edf", "one.edf", "two.edf"}
    reason = "gone.edf: is a link to a file that is not there, looked for at gone.edf."
    assert report.quarantined == (("gone.edf", f"{reason} Name one recording."),)


def test_recordings_without_labels_are_said(write_edf: WriteEdf, out: Path) -> None:
    path = write_edf("a.edf", annotations=[(0, 1, "BAD")])
    with pytest.raises(CorpusError, match="5 windows without a label; no recording has a label"):
        prepare(path, out, sfreq=100, window=4, labels="annotations")


def test_nothing_but_broken_files_is_an_error_with_their_reasons(out: Path) -> None:
    broken = out.parent / "broken"
    broken.mkdir()
    for i in range(5):
        (broken / f"{i}.edf").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"0\.edf: is empty.*and 2 more that cannot be read"):
        prepare(broken, out, sfreq=100, window=4)
    assert not out.exists()


def test_subjects_given_twice_are_refused(folder: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("file\tlabel\tsubject\nsub-01_eeg\ta\tP1\n")
    with pytest.raises(
        ConfigError, match=r"Subjects are given twice: by a pattern and in .*t\.tsv"
    ):
        prepare(folder, out, sfreq=100, window=4, labels=tmp_path / "t.tsv", subject="(.)")


def test_other_parameters_are_refused_before_anything_is_read(folder: Path, out: Path) -> None:
    prepare(folder, out, sfreq=100, window=4)
    before = contents(out)
    with pytest.raises(
        CorpusError, match=r"exists already.*window 4\.0, not 2\.0; stride 4\.0, not 2\.0\."
    ):
        prepare(folder, out, sfreq=100, window=2)
    assert contents(out) == before


def test_a_folder_of_something_else_is_refused(folder: Path, out: Path) -> None:
    out.mkdir()
    (out / "thesis.txt").write_text("x")
    with pytest.raises(CorpusError, match="exists already, and is no corpus of recordings"):
        prepare(folder, out, sfreq=100, window=2)
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


def test_progress_is_shown_when_asked_for(
    folder: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(folder, out, sfreq=100, window=4)
    assert capsys.readouterr().err == ""
    prepare(folder, out.parent / "again", sfreq=100, window=4, progress=True)
    assert "2/2" in capsys.readouterr().err
