"""`Predictions.to_events` and `biot predict --events`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import biot
from biot import EventRules
from biot.cli import main
from biot.cli.recordings.event_options import tell_events
from biot.cli.recordings.predict import parser
from biot.errors import ConfigError
from biot.inference import Predictions, Predictor
from biot.preprocessing import Preprocessing
from biot.signals import Recording


@pytest.fixture
def predictions() -> Predictions:
    p = np.array([0.1, 0.8, 0.4, 0.9, np.nan, 0.2])
    return Predictions(
        name="night.edf", start=np.arange(6) * 2.0, stop=np.arange(6) * 2.0 + 2,
        probabilities=np.stack([1 - p, p], axis=1), label_names=("rest", "spindle"), sfreq=100.0,
        duration=12.5, meas_date=datetime(2026, 1, 1, tzinfo=UTC), path=Path("night.edf"),
    )  # fmt: skip


def test_events_know_what_their_files_need(predictions: Predictions) -> None:
    found = predictions.to_events()
    assert isinstance(found, biot.Events)
    assert [(e.onset, e.duration, e.label, e.confidence) for e in found] == [
        (2, 2, "spindle", 0.8), (6, 2, "spindle", 0.9),
    ]  # fmt: skip
    assert (found.name, found.duration, found.sfreq) == ("night.edf", 12.5, 100)
    assert (found.meas_date, found.path) == (predictions.meas_date, predictions.path)
    assert (found.label_names, found.background) == (("rest", "spindle"), "rest")
    assert found.rules == str(EventRules())
    assert str(found) == "night.edf, 12.5 s: spindle 2 (4 s)"
    assert repr(found) == f"<Events of {found}; {EventRules()}>"


def test_the_rules_of_the_model_hold_until_others_are_given(predictions: Predictions) -> None:
    tuned = replace(predictions, events_rules=EventRules(on=0.7, off=0.3))
    (found,) = tuned.to_events()
    assert (found.onset, found.stop) == (2, 8)
    assert found.confidence == pytest.approx((0.8 + 0.4 + 0.9) / 3)
    assert len(tuned.to_events(off=0.5)) == 2
    assert len(tuned.to_events(EventRules())) == 2
    assert tuned.to_events(min_duration=7).events == ()
    with pytest.raises(ConfigError, match="no rule 'length' for events"):
        tuned.to_events(length=3)
    with pytest.raises(ConfigError, match="rules must be EventRules, got float"):
        tuned.to_events(0.7)


def test_predictions_carry_the_rules_of_their_model(
    make_predictor: Callable[..., Predictor], make_recording: Callable[..., Recording]
) -> None:
    predictor = make_predictor()
    rules = EventRules(smoothing=4, background="event")
    predictor.preprocessing = replace(predictor.preprocessing, events=rules)
    found = predictor.predict(make_recording(20.0))
    assert found.events_rules == rules
    assert found.to_events().background == "event"
    (same,) = predictor.predict_many([make_recording(20.0)])
    assert same.to_events() == found.to_events()


def test_rules_survive_a_parquet_table(predictions: Predictions, tmp_path: Path) -> None:
    tuned = replace(predictions, events_rules=EventRules(on=0.7, off=0.3))
    again = Predictions.load(tuned.save(tmp_path / "a.parquet"))
    assert again.events_rules == tuned.events_rules
    assert again.to_events() == tuned.to_events()


def test_numbers_make_no_events(predictions: Predictions) -> None:
    with pytest.raises(ConfigError, match="predicts numbers, and events come of classes or tags"):
        replace(predictions, task="regression").to_events()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture
def written_recording(make_recording: Callable[..., Recording], tmp_path: Path) -> Path:
    """A table of samples that `biot predict` reads."""
    signal = make_recording(40.0).read()
    path = tmp_path / "night.csv"
    rows = np.column_stack([np.arange(signal.shape[1]) / 50, signal.T])
    np.savetxt(path, rows, delimiter=",", header="time,Fp1,C3,O1", comments="")
    return path


def test_predict_writes_events_beside_the_table(
    model_folder: Path, written_recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(model_folder), str(written_recording), "--table-units", "µV"]
    out = tmp_path / "out" / "n.csv"
    out.parent.mkdir()
    assert main([*words, "--out", str(out), "--events"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Rules for events (the defaults): an event begins where the model decides" in told
    assert "rest makes no events, as its name says; --background LABEL names another." in told
    table = Predictions.load(out)
    expected = [(e.onset, e.duration, e.label) for e in table.to_events()]
    found = rows_of(out.parent / "n_desc-biot_events.tsv")
    assert [(float(r["onset"]), float(r["duration"]), r["trial_type"]) for r in found] == expected
    assert (f"event {len(expected)}") in told

    contract = Preprocessing.load(model_folder)
    replace(contract, events=EventRules(on=0.9, background="rest")).save(model_folder)
    options = ["--event-format", "bids,mne", "--background", "", "--min-duration", "4"]
    assert main([*words, "--out", str(out), *options]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "(tuned with the model, changed by --min-duration, --background)" in told
    assert "events shorter than 4 s are left out; all labels make events." in told
    assert (out.parent / "n_desc-biot_annot.csv").is_file()
    assert all(float(r["duration"]) >= 4 for r in rows_of(out.parent / "n_desc-biot_events.tsv"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--smoothing", "3"], "--smoothing is for events. Give --events too."),
        (["--events", "--off", "0.8", "--on", "0.5"], "--off must be at most --on, got 0.8"),
        (["--events", "--background", "rset"], "--background 'rset' is none of the labels rest"),
        (["--event-format", "bidds"], "Did you mean 'bids'?"),
        (["--event-format", "hypnogram"], "hypnogram"),
    ],
)
def test_predict_refuses_before_the_work_what_cannot_be(
    options: list[str], message: str, model_folder: Path, written_recording: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "o.csv"
    words = ["predict", str(model_folder), str(written_recording), "--out", str(out), *options]
    assert main(words) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_annotations_of_others_are_found_before_the_work(
    model_folder: Path, written_recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "o.atr").write_bytes(b"a reference")
    words = ["predict", str(model_folder), str(written_recording), "--event-format", "wfdb"]
    assert main([*words, "--out", str(tmp_path / "o.csv")]) == 1
    assert "o.atr: is there already" in capsys.readouterr().err
    assert (tmp_path / "o.atr").read_bytes() == b"a reference"
    assert not (tmp_path / "o.csv").exists()


def test_breaks_are_told_since_clock_times_end_there(
    predictions: Predictions, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(model_folder), "a.edf", "--out", "o.csv", "--events"]
    args = parser().parse_args(words[1:])
    contract = replace(Preprocessing.load(model_folder), label_names=predictions.label_names)
    for breaks, said in (((), False), ((2.0,), True)):
        tell_events(args, [replace(predictions, breaks=breaks)], contract)
        told = " ".join(capsys.readouterr().out.split())
        assert (f"{predictions.name}: time is missing between its parts" in told) == said
