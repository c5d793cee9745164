"""`biot evaluate --events`: recordings and corpora against reference labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfAnnotation, EdfSignal

from biot import cli, prepare
from biot.errors import BiotError, ConfigError, CorpusError
from biot.evaluation.events.rules import EventScoring
from biot.evaluation.events.scores import score_events
from biot.events.event import Event, Events
from biot.inference.predictor import Predictor
from biot.inference.scoring.evaluate import evaluate_events
from biot.signals.readers import read_recording

NAMES = ("Fp1", "C3", "O1")
SHORT = EventScoring(tolerance_start=0, tolerance_end=0, min_gap=0)
TRUE = {
    "sub-a_run-1": [(10.0, 8.0, "event"), (60.0, 20.0, "event")],
    "sub-a_run-2": [],
    "sub-b_run-1": [(30.0, 6.0, "event")],
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for number, (name, events) in enumerate(TRUE.items()):
        data = 20 * np.random.default_rng(number).standard_normal((3, 100 * 50))
        signals = [
            EdfSignal(row, 50, label=ch, physical_dimension="uV", physical_range=(-200, 200))
            for row, ch in zip(data, NAMES, strict=True)
        ]
        notes = [EdfAnnotation(*event) for event in events]
        Edf(signals, annotations=notes).write(folder / f"{name}.edf")
    return folder


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "labels.tsv"
    rows = [
        f"{name}.edf\t{a}\t{d}\t{label}"
        for name, events in TRUE.items()
        for a, d, label in events or [("", "", "")]
    ]
    path.write_text("\n".join(["file\tonset\tduration\tlabel", *rows, ""]))
    return path


def by_hand(model_folder: Path, recordings: Path, names=tuple(TRUE), **rules):
    """The same from parts: each recording predicted, made to events, and scored."""
    predictor = Predictor.from_pretrained(model_folder, device="cpu")
    true, said = [], []
    for name in names:
        recording = read_recording(recordings / f"{name}.edf")
        said.append(predictor.predict(recording).to_events(**rules))
        events = tuple(Event(onset=a, duration=d, label=x) for a, d, x in TRUE[name])
        true.append(Events(name=f"{name}.edf", events=events, duration=100.0))
    subjects = {f"{name}.edf": name[4] for name in names}
    return score_events(true, said, SHORT, subjects=subjects, n_bootstrap=100)


def score(model, data, reference, **given):
    return evaluate_events(
        model, data, reference, scoring=SHORT, device="cpu", n_bootstrap=100, **given
    )


def test_scores_equal_those_from_the_parts(model_folder, recordings, table):
    found = score(model_folder, recordings, table)
    expected = by_hand(model_folder, recordings)
    assert found.events.to_dict() == expected.to_dict()
    assert found.events.n_without_events == 1
    assert list(found.events.subjects) == ["a", "b"]
    assert found.left_out == {}
    assert any("is not written down" in note for note in found.notes)


def test_rules_of_events_may_be_changed(model_folder, recordings, table):
    found = score(model_folder, recordings, table, rule_changes={"min_duration": 6.0})
    expected = by_hand(model_folder, recordings, min_duration=6.0)
    assert found.events.events.counts == expected.events.counts
    assert "shorter than 6 s are left out" in str(found)


def write_files(folder: Path, names=tuple(TRUE), end="_events.tsv") -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        rows = [f"{a}\t{d}\t{x}" for a, d, x in TRUE[name]] or ["0\t100\tbckg"]
        (folder / f"{name}{end}").write_text(
            "\n".join(["onset\tduration\teventType", *rows, ""]), encoding="utf-8"
        )
    return folder


@pytest.mark.parametrize("end", ["_events.tsv", ".tsv"])
def test_a_folder_of_event_files_meets_recordings_by_name(model_folder, recordings, tmp_path, end):
    found = score(model_folder, recordings, write_files(tmp_path / "ref", end=end))
    expected = by_hand(model_folder, recordings)
    assert found.events.events.counts == expected.events.counts
    assert found.events.n_without_events == 1


def test_no_file_is_not_the_same_as_no_event(model_folder, recordings, tmp_path):
    folder = write_files(tmp_path / "ref", ("sub-a_run-1", "sub-a_run-2"))
    found = score(model_folder, recordings, folder)
    assert list(found.left_out) == ["sub-b_run-1.edf"]
    assert "nobody knows whether it has events" in str(found)
    expected = by_hand(model_folder, recordings, ("sub-a_run-1", "sub-a_run-2"))
    assert found.events.events.counts == expected.events.counts
    counted = score(model_folder, recordings, folder, absent="no events")
    assert counted.left_out == {}
    assert len(counted.events.recordings) == 3
    told = "1 recording without an entry in the reference counts as a recording without events."
    assert told in str(counted)
    assert "left out" not in str(counted)


def test_annotations_of_recordings_are_a_reference(model_folder, recordings):
    found = score(model_folder, recordings, "annotations")
    assert list(found.left_out) == ["sub-a_run-2.edf"]  # it has none, so nobody knows
    counted = score(model_folder, recordings, "annotations", absent="no events")
    assert counted.events.events.counts == by_hand(model_folder, recordings).events.counts


def test_one_file_of_labels_is_a_reference_of_one_recording(model_folder, recordings, tmp_path):
    folder = write_files(tmp_path / "ref")
    found = score(model_folder, recordings / "sub-a_run-1.edf", folder / "sub-a_run-1_events.tsv")
    expected = by_hand(model_folder, recordings, ("sub-a_run-1",))
    assert found.events.events.counts == expected.events.counts


def test_other_names_of_labels_are_mapped(model_folder, recordings, table):
    table.write_text(table.read_text().replace("\tevent", "\tsz_foc"))
    with pytest.raises(ConfigError, match=r"it has sz_foc \(3\); the model predicts event"):
        score(model_folder, recordings, table)
    found = score(model_folder, recordings, table, labels={"label_map": "sz_foc=event"})
    assert found.events.events.counts == by_hand(model_folder, recordings).events.counts


def test_a_recording_that_cannot_be_read_is_left_out_with_its_reason(
    model_folder, recordings, table, tmp_path
):
    for file in recordings.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "sub-b_run-1.edf").write_bytes(b"no recording")
    found = score(model_folder, tmp_path, table)
    assert list(found.left_out) == ["sub-b_run-1.edf"]
    assert "it cannot be scored: " in found.left_out["sub-b_run-1.edf"]
    assert len(found.events.recordings) == 2


def test_nothing_to_score_is_refused(model_folder, recordings, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="no file of labels there belongs to one of the 3"):
        score(model_folder, recordings, tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"nothere\.tsv does not exist"):
        score(model_folder, recordings, "nothere.tsv")
    with pytest.raises(ConfigError, match="which is of a corpus"):
        score(model_folder, recordings, "windows")
    whole = tmp_path / "whole.tsv"
    whole.write_text("file\tlabel\nsub-a_run-1.edf\tevent\n")
    with pytest.raises(ConfigError, match="labels whole recordings"):
        score(model_folder, recordings, whole)


def test_the_model_may_not_have_learnt_from_what_it_is_scored_on(model_folder, recordings, table):
    seen = {"recordings": {}, "unknown": [], "subjects": ["a"]}
    (model_folder / "training_data.json").write_text(json.dumps(seen))
    with pytest.raises(CorpusError, match=r"share 1 subject \(a\)"):
        score(model_folder, recordings, table)
    found = score(model_folder, recordings, table, allow_leakage=True)
    assert "The model learnt from 1 subject (a)" in found.notes[0]


@pytest.fixture
def corpus(recordings, table, tmp_path) -> Path:
    out = tmp_path / "corpus"
    prepare(
        recordings, out, sfreq=50, window=2, labels=table, background="rest", layout="none",
        scale="q95",
    )  # fmt: skip
    return out


def test_windows_of_a_corpus_are_a_reference(model_folder, recordings, corpus, table):
    found = score(model_folder, corpus, "windows")
    expected = by_hand(model_folder, recordings)
    assert found.events.events.counts == expected.events.counts
    by_table = score(model_folder, corpus, table)
    assert by_table.events.events.counts == expected.events.counts
    with pytest.raises(ConfigError, match=r"is read with recordings.*`biot labels` makes"):
        score(model_folder, corpus, "annotations")
    with pytest.raises(ConfigError, match="stride is for recordings"):
        score(model_folder, corpus, "windows", stride=1.0)


def test_the_curve_runs_over_thresholds_and_holds_the_rules_in_use(
    model_folder, recordings, table, tmp_path
):
    found = score(model_folder, recordings, table, curve=True)
    points = found.curve.points
    assert [p.threshold for p in points] == sorted(p.threshold for p in points)
    assert found.curve.chosen.sensitivity == found.events.events.scores["sensitivity"]
    at = points[len(points) // 2]
    expected = by_hand(model_folder, recordings, on=at.threshold, off=at.threshold)
    assert at.fp_per_day == pytest.approx(expected.events.scores["fp_per_day"])
    assert found.to_png(tmp_path / "curve.png").stat().st_size > 1000
    without = score(model_folder, recordings, table)
    with pytest.raises(ConfigError, match="there is no curve"):
        without.to_png(tmp_path / "other.png")


def test_the_curve_of_a_corpus_counts_the_time_in_windows(
    model_folder, recordings, table, tmp_path
):
    prepare(
        recordings, tmp_path / "sparse", sfreq=50, window=2, stride=4, labels=table,
        background="rest", layout="none", scale="q95",
    )  # fmt: skip
    found = score(model_folder, tmp_path / "sparse", "windows", curve=True)
    assert found.events.events.counts.duration == 150  # of 300 s
    assert found.curve.chosen.fp_per_day == found.events.events.scores["fp_per_day"]


def test_the_command_prints_and_writes_all(model_folder, recordings, table, tmp_path, capsys):
    words = ["evaluate", str(model_folder), str(recordings), "--events", str(table)]
    places = ["--json", str(tmp_path / "s.json"), "--plot", str(tmp_path / "c.png")]
    rules = ["--tolerance-start", "0", "--tolerance-end", "0", "--min-gap", "0", "--off", "0.4"]
    assert cli.main([*words, *places, *rules, "--on", "0.6", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "event: sensitivity" in said
    assert "an event begins from p ≥ 0.6 on and ends below p = 0.4" in said
    plain = json.loads((tmp_path / "s.json").read_text())
    expected = by_hand(model_folder, recordings, on=0.6, off=0.4)
    assert plain["events"]["f1"] == pytest.approx(expected.events.scores["f1"])
    assert plain["curve"]["chosen"]["f1"] == plain["events"]["f1"]
    assert (tmp_path / "c.png").is_file()


def test_options_of_events_without_events_are_refused(model_folder, recordings, capsys):
    assert cli.main(["evaluate", str(model_folder), str(recordings), "--min-gap", "3"]) == 1
    assert "--min-gap goes with --events" in capsys.readouterr().err
    words = ["evaluate", str(model_folder), str(recordings), "--events", "nothere"]
    assert cli.main(words) == 1
    assert "--events must be a table of labels" in capsys.readouterr().err
    for more in (["--no-baseline"], ["--by", "vote"], ["--per", "subject"]):
        assert cli.main([*words, *more]) == 1
        said = capsys.readouterr().err
        assert f"{more[0]} is for labels of windows, and cannot go with --events" in said
        assert f"Leave {more[0]} out" in said


def test_stages_of_sleep_are_scored_by_night(make_predictor, make_model, recordings, tmp_path):
    stages = ("W", "N1", "N2", "N3", "R")
    contract = make_predictor(label_names=stages).preprocessing
    folder = make_model(contract).save_pretrained(tmp_path / "sleeper")
    contract.save(folder)
    rows = [f"{name}.edf\t{a}\t20\tSleep stage {s}" for name in TRUE
            for a, s in zip(range(0, 100, 20), "W1234", strict=True)]  # fmt: skip
    table = tmp_path / "hypnograms.tsv"
    table.write_text("\n".join(["file\tonset\tduration\tlabel", *rows, ""]))
    found = score(folder, recordings, table)
    assert found.sleep is not None
    assert found.sleep.confusion.sum(axis=1).tolist() == [30, 30, 30, 60, 0]
    first = found.sleep.nights[0].true
    assert found.events.labels["N3"].sample.reference == 3 * 40  # stages 3 and 4
    assert first.total_sleep_time == pytest.approx(80 / 60)
    assert first.sleep_onset_latency == pytest.approx(20 / 60)
    assert "Cohen's kappa a night" in str(found)
    assert found.to_dict()["sleep"]["n_nights"] == 3


def test_an_unknown_word_for_absence_is_refused(model_folder, recordings, table):
    with pytest.raises(BiotError, match="absent must be 'left out' or 'no events'"):
        score(model_folder, recordings, table, absent="skip")
