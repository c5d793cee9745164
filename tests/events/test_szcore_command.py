"""`biot szcore`, as containers of SzCORE are called."""

from __future__ import annotations

import csv
import json
from datetime import datetime, time
from pathlib import Path

import edfio
import numpy as np
import pytest
import torch

from biot.cli import main
from biot.inference import Predictor
from biot.model import BIOT
from biot.preprocessing import Preprocessing

CH_NAMES = ("Fp1", "C3")
HEADER = [
    "onset", "duration", "eventType", "confidence", "channels", "dateTime", "recordingDuration",
]  # fmt: skip


def write_edf(path: Path, *, seconds: int = 60, flat: bool = False) -> Path:
    rng = np.random.default_rng(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    loud = np.where(np.arange(seconds * 100) // 1000 % 2, 60.0, 5.0)
    signals = [
        edfio.EdfSignal(
            np.zeros(seconds * 100) if flat else loud * rng.normal(size=seconds * 100),
            100.0, label=name, physical_dimension="uV", physical_range=(-400, 400),
        )
        for name in CH_NAMES
    ]  # fmt: skip
    recording = edfio.Recording(startdate=datetime(2021, 3, 4).date())
    edfio.Edf(signals, recording=recording, starttime=time(5, 6, 7)).write(path)
    return path


@pytest.fixture
def make_model(tmp_path):
    def make(*label_names: str) -> Path:
        contract = Preprocessing(
            sfreq=50, window=2, ch_names=CH_NAMES, units=("µV", "µV"), label_names=label_names
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = BIOT(
                embed_dim=16, num_heads=2, num_layers=1, sfreq=50, hop_length=25, n_times=100,
                n_outputs=len(label_names), channels=CH_NAMES,
            )  # fmt: skip
        with torch.no_grad():
            for parameter in model.final_layer.parameters():
                parameter.mul_(5)
        folder = model.eval().save_pretrained(tmp_path / "-".join(label_names))
        contract.save(folder)
        return folder

    return make


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter="\t")
        assert reader.fieldnames == HEADER
        return list(reader)


def test_a_container_reads_data_and_writes_output(tmp_path, make_model, monkeypatch, capsys):
    model, edf = make_model("bckg", "seiz"), write_edf(tmp_path / "data" / "sub-1" / "a.edf")
    monkeypatch.setenv("INPUT", "sub-1/a.edf")
    monkeypatch.setenv("OUTPUT", "sub-1/eeg/a.tsv")
    roots = ["--data-root", str(tmp_path / "data"), "--output-root", str(tmp_path / "output")]
    assert main(["szcore", str(model), *roots]) == 0
    rows = rows_of(tmp_path / "output" / "sub-1" / "eeg" / "a.tsv")
    expected = Predictor.from_pretrained(model, device="cpu").predict(edf).to_events()
    assert expected.background == "bckg"
    assert 0 < len(expected) < 30
    assert [(float(r["onset"]), float(r["duration"])) for r in rows] == [
        (e.onset, e.duration) for e in expected
    ]
    assert {(r["eventType"], r["channels"], r["dateTime"]) for r in rows} == {
        ("sz", "all", "2021-03-04 05:06:07")
    }
    assert {float(r["recordingDuration"]) for r in rows} == {60}
    assert f"{len(rows)} seizure" in capsys.readouterr().out
    monkeypatch.setenv("BIOT_MODEL", str(model))
    assert main(["szcore", *roots]) == 0
    assert rows_of(tmp_path / "output" / "sub-1" / "eeg" / "a.tsv") == rows


def test_arguments_and_options_stand_before_the_environment(tmp_path, make_model, monkeypatch):
    model, edf = make_model("1", "2"), write_edf(tmp_path / "a.edf")
    monkeypatch.setenv("INPUT", "other.edf")
    words = ["--seizure-label", "2", "--min-duration", "1000"]
    for given in ([str(model)], ["--model", str(model)]):
        out = tmp_path / "deep" / "er" / f"{len(given)}.tsv"
        assert main(["szcore", *given, str(edf), str(out), *words]) == 0
        (row,) = rows_of(out)
        assert (row["onset"], float(row["duration"]), row["eventType"]) == ("0.0", 60, "bckg")


def test_names_that_begin_with_a_slash_lie_under_the_roots(tmp_path, make_model, monkeypatch):
    model, _ = make_model("bckg", "seiz"), write_edf(tmp_path / "data" / "a.edf")
    monkeypatch.setenv("INPUT", "/a.edf")
    monkeypatch.setenv("OUTPUT", "/a.tsv")
    roots = ["--data-root", str(tmp_path / "data"), "--output-root", str(tmp_path / "output")]
    assert main(["szcore", str(model), *roots]) == 0
    assert rows_of(tmp_path / "output" / "a.tsv")


def test_notes_name_the_option(tmp_path, make_model, capsys):
    model, edf = make_model("bckg", "seiz"), write_edf(tmp_path / "a.edf", flat=True)
    assert main(["szcore", str(model), str(edf), str(tmp_path / "a.tsv")]) == 0
    said = capsys.readouterr().err
    assert "--keep-flat" in said
    assert "keep_flat" not in said


def test_a_recording_without_data_is_background(tmp_path, make_model, capsys):
    model, edf = make_model("bckg", "seiz"), write_edf(tmp_path / "a.edf", flat=True)
    assert main(["szcore", str(model), str(edf), str(tmp_path / "a.tsv")]) == 0
    (row,) = rows_of(tmp_path / "a.tsv")
    assert row["eventType"] == "bckg"
    assert "warning: a.edf: holds nothing that the model could use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "which model? Give it as the first argument"),
        (["{model}"], "the environment variable INPUT is not set"),
        (["{model}", "a", "b", "c"], "takes MODEL, or MODEL INPUT OUTPUT; got 4 arguments"),
        (["{model}", "{edf}", "{edf}"], "OUTPUT"),
        (["{model}", "{edf}", "{folder}"], "is a folder"),
        (["{model}", "no.edf", "x.tsv"], "no.edf: does not exist"),
        (
            ["{model}", "{edf}", "x.tsv", "--seizure-label", "x"],
            "is none of the model's labels that make",
        ),
        (["{other}", "{edf}", "x.tsv"], "Name the one that does with --seizure-label"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, make_model, monkeypatch, capsys, words, message):
    for name in ("INPUT", "OUTPUT", "BIOT_MODEL"):
        monkeypatch.delenv(name, raising=False)
    places = {
        "model": make_model("bckg", "seiz"), "other": make_model("a", "b"),
        "edf": write_edf(tmp_path / "a.edf"), "folder": tmp_path,
    }  # fmt: skip
    assert main(["szcore", *(word.format(**places) for word in words)]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("*.tsv"))


@pytest.mark.parametrize(
    ("given", "target", "message"),
    [
        ("../a.edf", "a.tsv", "INPUT is '../a.edf', which leads out of "),
        ("/sub/../../a.edf", "a.tsv", "INPUT is '/sub/../../a.edf', which leads out of "),
        ("sub/../a.edf", "../a.tsv", "OUTPUT is '../a.tsv', which leads out of "),
        (" ", "a.tsv", "the environment variable INPUT is not set"),
        ("a.edf", "\t", "the environment variable OUTPUT is not set"),
    ],
)
def test_names_in_a_container_lie_under_its_folders(
    tmp_path, make_model, monkeypatch, capsys, given, target, message
):
    write_edf(tmp_path / "a.edf")
    write_edf(tmp_path / "data" / "a.edf")
    monkeypatch.setenv("INPUT", given)
    monkeypatch.setenv("OUTPUT", target)
    roots = ["--data-root", str(tmp_path / "data"), "--output-root", str(tmp_path / "output")]
    assert main(["szcore", str(make_model("bckg", "seiz")), *roots]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.tsv"))
    assert not (tmp_path / "output").exists()


def test_a_place_where_nothing_can_be_written_is_told_before_the_work(
    tmp_path, make_model, monkeypatch, capsys
):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    def predict(*_, **__):
        raise AssertionError("the work was begun")

    write_edf(tmp_path / "a.edf")
    monkeypatch.setattr("biot.cli.options.tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("biot.inference.Predictor.predict", predict)
    target = tmp_path / "new" / "a.tsv"
    words = [str(make_model("bckg", "seiz")), str(tmp_path / "a.edf"), str(target)]
    assert main(["szcore", *words]) == 1
    said = capsys.readouterr().err
    assert f"{target}: cannot write in {tmp_path} (Permission denied); choose another" in said
    assert not target.parent.exists()
    words[-1] = str(tmp_path / "a.edf" / "b" / "a.tsv")
    assert main(["szcore", *words]) == 1
    assert f"b cannot be made ({tmp_path / 'a.edf'} is a file). Give" in capsys.readouterr().err
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    words[-1] = str(tmp_path / "link" / "a.tsv")
    assert main(["szcore", *words]) == 1
    assert "is a link to a folder that is not there). Give" in capsys.readouterr().err


def test_windows_that_leave_gaps_are_told(tmp_path, make_model, capsys):
    model, edf = str(make_model("bckg", "seiz")), write_edf(tmp_path / "a.edf")
    told = "--stride 5 is above the window of 2 s: after each window 3 s are not predicted."
    for words in (
        ["szcore", model, str(edf), str(tmp_path / "a.tsv")],
        ["predict", model, str(edf), "--out", str(tmp_path / "out")],
    ):
        assert main([*words, "--stride", "5"]) == 0
        assert told in capsys.readouterr().out


def test_events_of_a_folder_are_bids_derivatives(tmp_path, make_model):
    model, data = make_model("bckg", "seiz"), tmp_path / "data"
    write_edf(data / "sub-1" / "sub-1_task-rest_eeg.edf")
    out = tmp_path / "out"
    assert main(["predict", str(model), str(data), "--out", str(out), "--events"]) == 0
    described = json.loads((out / "events" / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Version"]
    (table,) = out.rglob("*_events.tsv")
    assert table.name == "sub-1_task-rest_desc-biot_events.tsv"
