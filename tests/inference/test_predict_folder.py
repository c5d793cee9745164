"""A folder of predictions: its tables, resuming, bringing up to date, refusals."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from biot.cli import main
from biot.errors import BiotError, ConfigError, CorpusError
from biot.events.files.writing import files_of_events
from biot.inference import Predictions, Predictor
from biot.inference.many.folder import predict_folder, stems_of
from biot.inference.many.outcomes import read_outcomes
from biot.inference.many.summary import FolderReport
from biot.signals import Recording
from biot.simulate import write_edf

Make = Callable[..., Recording]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def recordings(tmp_path: Path, make_recording: Make) -> Path:
    """Three subjects with two recordings each, one that is none, one without usable data."""
    folder = tmp_path / "recordings"
    for subject in range(3):
        place = folder / f"sub-{subject:02}"
        place.mkdir(parents=True)
        for run in range(2):
            made = make_recording(5 + 3 * subject, seed=10 * subject + run)
            write_edf(made, place / f"run{run}.edf")
    (folder / "bad.edf").write_bytes(b"nonsense " * 100)
    write_edf(make_recording(4, factor=0.0), folder / "flat.edf")
    return folder


@pytest.fixture
def predict(model_folder: Path, tmp_path: Path) -> Callable[..., FolderReport]:
    """Predicts into a folder; `stop_after` so many batches it is interrupted."""

    def call(
        paths: Path | Sequence[Path],
        out: str = "out",
        stop_after: int | None = None,
        **options: Any,
    ) -> FolderReport:
        predictor = Predictor.from_pretrained(model_folder, device="cpu")
        if stop_after is not None:
            compute, done = predictor.probabilities, []

            def probabilities(windows: np.ndarray) -> np.ndarray:
                if len(done) == stop_after:
                    raise KeyboardInterrupt
                done.append(1)
                return compute(windows)

            predictor.probabilities = probabilities  # type: ignore[method-assign]
        return predict_folder(predictor, model_folder, paths, tmp_path / out, **options)

    return call


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_tables_hold_every_window_recording_and_subject(
    recordings: Path, predict: Callable[..., FolderReport], model_folder: Path, tmp_path: Path
) -> None:
    report = predict(recordings, per="subject")
    out = tmp_path / "out"
    assert set(content(out)) == {
        *("predict.json", "predictions.parquet", "recordings.tsv", "subjects.tsv"),
        "quarantine.tsv",
    }
    windows = parquet.read_table(out / "predictions.parquet").to_pydict()
    assert list(windows)[:5] == ["recording", "subject", "start", "stop", "label"]
    predictor = Predictor.from_pretrained(model_folder, device="cpu")
    table = {row["recording"]: row for row in rows_of(out / "recordings.tsv")}
    assert list(table) == sorted(table)
    for name, row in table.items():
        if name in ("bad.edf", "flat.edf"):
            continue
        alone = predictor.predict(recordings / name)
        mine = [i for i, found in enumerate(windows["recording"]) if found == name]
        found = np.array([windows["p_event"][i] for i in mine])
        np.testing.assert_allclose(found, alone.probabilities[:, 1], atol=1e-6)
        assert row["state"] == "predicted"
        assert row["subject"] == name[4:6]
        assert float(row["p_event"]) == pytest.approx(found.mean(), abs=1e-5)
        assert row["label"] == ("event" if found.mean() >= 0.5 else "rest")
        assert int(row["windows"]) == len(alone)
    assert table["bad.edf"]["state"] == "quarantined"
    assert table["flat.edf"]["state"] == "no usable data"
    assert (table["flat.edf"]["label"], table["flat.edf"]["p_event"]) == ("", "")
    assert table["flat.edf"]["windows"] == table["flat.edf"]["unusable"] == "2"
    assert [row["file"] for row in rows_of(out / "quarantine.tsv")] == ["bad.edf"]
    subjects = {row["subject"]: row for row in rows_of(out / "subjects.tsv")}
    assert set(subjects) == {"00", "01", "02", "flat"}
    for name, row in subjects.items():
        own = [p for p, s in zip(windows["p_event"], windows["subject"], strict=True) if s == name]
        if name == "flat":
            assert (row["label"], own) == ("", [None, None])
        else:
            assert float(row["p_event"]) == pytest.approx(np.mean(own), abs=1e-5)
            assert row["recordings"] == "2"
    assert "3 from the file names (BIDS)" in str(report)


@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_call_that_was_stopped_goes_on_and_ends_with_the_same_bytes(
    stop_after: int, predict: Callable[..., FolderReport], tmp_path: Path, make_recording: Make
) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    for i in range(45):
        seconds = 200 if i == 20 else 6  # one is longer than a batch
        write_edf(make_recording(seconds, seed=i), folder / f"r{i:02}.edf")
    predict(folder, "whole")
    with pytest.raises(KeyboardInterrupt):
        predict(folder, "out", stop_after=stop_after)
    assert not (tmp_path / "out").exists()
    finished = any((tmp_path / ".out.partial" / "parts").iterdir())
    assert finished == (stop_after == 4)
    report = predict(folder, "out")
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert not (tmp_path / ".out.partial").exists()
    assert ("were predicted by an earlier run" in str(report)) == finished


def test_changed_added_and_removed_files_are_noticed(
    recordings: Path, predict: Callable[..., FolderReport], tmp_path: Path, make_recording: Make
) -> None:
    predict(recordings)
    before = content(tmp_path / "out")
    assert "none: the folder is as these recordings" in str(predict(recordings))
    assert content(tmp_path / "out") == before
    write_edf(make_recording(9, seed=99), recordings / "sub-00" / "run0.edf")
    write_edf(make_recording(9, seed=98), recordings / "new.edf")
    (recordings / "sub-02" / "run1.edf").unlink()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    report = predict(recordings)
    assert report.changes == (
        "new.edf was added",
        "sub-00/run0.edf has changed and was predicted anew",
        "sub-02/run1.edf is no longer given and was removed",
    )
    found = content(tmp_path / "out")
    assert found.pop("notes.txt") == b"mine"
    predict(recordings, "fresh")
    assert found == content(tmp_path / "fresh")


def test_a_damaged_table_is_made_anew(
    recordings: Path, predict: Callable[..., FolderReport], tmp_path: Path
) -> None:
    predict(recordings)
    before = content(tmp_path / "out")
    (tmp_path / "out" / "predictions.parquet").write_bytes(b"PAR1")
    (tmp_path / "out" / "recordings.tsv").unlink()
    report = predict(recordings)
    assert "predictions.parquet was changed: all is predicted anew" in report.changes
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 1.0}, r"out exists already: it was made without stride=, not with 1\.0"),
        ({"per": "subject"}, r"it was made without per=, not with subject"),
        ({"by": "vote"}, r"it was made with by=mean, not vote"),
    ],
)
def test_another_call_into_the_same_folder_is_refused(
    options: dict[str, Any], message: str, recordings: Path, predict: Callable[..., FolderReport],
    tmp_path: Path,
) -> None:  # fmt: skip
    predict(recordings)
    before = content(tmp_path / "out")
    with pytest.raises(ConfigError, match=message):
        predict(recordings, **options)
    assert content(tmp_path / "out") == before


def test_another_model_and_a_foreign_folder_are_refused(
    recordings: Path, predict: Callable[..., FolderReport], model_folder: Path, tmp_path: Path
) -> None:
    predict(recordings)
    contract = model_folder / "preprocessing.json"
    contract.write_text(contract.read_text().replace('"event"', '"wake"'))
    with pytest.raises(ConfigError, match=r"it was made with another model \(checksum \w{12}…"):
        predict(recordings)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match=r"mine exists already and holds files that are no pred"):
        predict(recordings, "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"


def test_recordings_none_of_which_can_be_read_leave_nothing(
    predict: Callable[..., FolderReport], tmp_path: Path
) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "a.edf").write_bytes(b"x" * 300)
    with pytest.raises(ConfigError, match=r"None of 1 recording can be predicted: a\.edf: "):
        predict(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "r"]


def test_two_recordings_of_one_name_are_refused_and_one_given_twice_counts_once(
    recordings: Path, predict: Callable[..., FolderReport]
) -> None:
    one, other = recordings / "sub-00" / "run0.edf", recordings / "sub-01" / "run0.edf"
    with pytest.raises(CorpusError, match=r"Two recordings would be called run0\.edf"):
        predict([one, other])
    report = predict([one, one, recordings / "sub-00" / ".." / "sub-00" / "run0.edf"])
    assert len(report.outcomes) == 1


def test_a_folder_within_the_recordings_is_no_input(
    recordings: Path, predict: Callable[..., FolderReport], tmp_path: Path
) -> None:
    predict(recordings, "recordings/predicted")
    shutil.copy(recordings / "flat.edf", recordings / "predicted" / "events.edf")
    report = predict(recordings, "recordings/predicted")
    assert "none: the folder is" in str(report)


def test_every_recording_can_be_had_again_from_the_table(
    recordings: Path, predict: Callable[..., FolderReport], tmp_path: Path
) -> None:
    report = predict(recordings)
    again = read_outcomes(tmp_path / "out" / "predictions.parquet")
    for one, other in zip(report.outcomes, again, strict=True):
        assert one.name == other.name
        assert (one.predictions is None) == (other.predictions is None)
        if one.predictions is not None and other.predictions is not None:
            assert isinstance(other.predictions, Predictions)
            assert one.predictions.columns() == other.predictions.columns()
            assert one.predictions.notes == other.predictions.notes
            assert one.predictions.duration == other.predictions.duration


# the command --------------------------------------------------------------------------------


def test_the_command_tells_decisions_and_where_the_tables_are(
    recordings: Path, model_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    words = ["predict", str(model_folder), str(recordings), "--out", str(out), "--per", "recording"]
    assert main([*words, "--by", "vote", "--device", "cpu"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "what most windows say" in shown.out
    assert "no usable data" in shown.out
    assert "bad.edf: is no EDF or BDF file" in shown.out
    assert f"windows -> {out / 'predictions.parquet'}" in shown.out
    assert json.loads((out / "predict.json").read_text())["parameters"]["by"] == "vote"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("m {r} --out a.csv", "--out a.csv: folders of recordings give a folder"),
        ("m {r}/flat.edf {r}/bad.edf --out a.parquet", "several recordings give a folder"),
        ("m {r} --out o --png a.png", "--png a.png: a timeline is of one FILE"),
        ("m {r}/flat.edf --out a.csv --workers 2", "--workers is for several recordings"),
        ("m {r}/flat.edf --out a.csv --per subject", "--per is for several recordings"),
        ("m {r}/absent {r} --out o", "absent: there is no such file or folder of recordings"),
        ("{r} {r} --out {r}", "is the input"),
        ("m {r}/sub-00/run0.edf {r}/flat.edf --out {r}", "holds the input"),
        ("{m} {r} --out o --subject sub", "--subject must have a group"),
        ("{m} empty --out o", "empty holds no recording"),
    ],
)
def test_wrong_calls_name_the_option_and_write_nothing(
    words: str, message: str, recordings: Path, model_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: Capture,
) -> None:  # fmt: skip
    place = tmp_path / "here"
    (place / "empty").mkdir(parents=True)
    monkeypatch.chdir(place)
    given = words.format(r=recordings, m=model_folder).split()
    assert main(["predict", *given]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert os.listdir(place) == ["empty"]


def test_another_process_at_work_is_named(
    recordings: Path, predict: Callable[..., FolderReport], tmp_path: Path
) -> None:
    from biot.locks import alone_on

    with (
        alone_on(tmp_path / "out", "these predictions", ConfigError),
        pytest.raises(BiotError, match="another run is writing these predictions now"),
    ):
        predict(recordings)


def test_files_of_events_of_two_recordings_never_have_one_name() -> None:
    alone = ["s/night.edf", "t/night.edf", "a_eeg.edf", "c d.edf"]
    assert stems_of(alone) == {name: name.removesuffix(".edf") for name in alone}
    names = ["a_eeg.edf", "a_ecg.edf", "b.edf", "b.bdf", "c d.edf", "c_d.edf", "E.edf", "e.edf"]
    stems = stems_of([*names, "f.edf"])
    assert [stems[name] for name in ("a_eeg.edf", "a_ecg.edf", "b.bdf", "f.edf")] == [
        "a_eeg.edf", "a_ecg.edf", "b.bdf", "f",
    ]  # fmt: skip
    for name in ("bids", "edf", "mne", "szcore", "wfdb", "hypnogram"):
        files = [file for stem in stems.values() for file in files_of_events([name], stem)[name]]
        assert len({file.lower() for file in files}) == len(files)


def test_one_recording_is_read_from_the_table_of_many(
    predict: Callable[..., FolderReport], recordings: Path
) -> None:
    report = predict(recordings)
    table = report.out / "predictions.parquet"
    known = [one.predictions for one in report.outcomes if one.predictions is not None]
    assert len(known) == 7
    for one in known:
        again = Predictions.load(table, recording=one.name)
        assert again.name == one.name
        assert again.path == one.path
        np.testing.assert_array_equal(again.start, one.start)
        np.testing.assert_array_equal(again.probabilities, one.probabilities)
    with pytest.raises(ConfigError, match=r"holds 7 recordings: .*recording='flat\.edf'"):
        Predictions.load(table)
    with pytest.raises(ConfigError, match=r"'night' is not in this table. Predicted were flat"):
        Predictions.load(table, recording="night")
    with pytest.raises(ConfigError, match=r"'bad\.edf' could not be predicted \(bad\.edf: "):
        Predictions.load(table, recording="bad.edf")
    own = known[0].save(report.out.parent / "night.parquet")
    assert Predictions.load(own, recording="flat.edf").name == "flat.edf"
    with pytest.raises(ConfigError, match=r"holds one recording, 'flat\.edf', and not 'night'"):
        Predictions.load(own, recording="night")


def test_a_page_of_the_table_of_many_names_the_folder(
    predict: Callable[..., FolderReport], recordings: Path, capsys: Capture
) -> None:
    out = predict(recordings / "sub-00").out
    assert main(["report", str(out / "predictions.parquet")]) == 1
    assert f"Give its folder, biot report {out}" in " ".join(capsys.readouterr().err.split())


def test_a_folder_without_recordings_names_no_option_that_predict_lacks(
    predict: Callable[..., FolderReport], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"Name tables and NumPy archives themselves\.$"):
        predict(tmp_path / "empty")
