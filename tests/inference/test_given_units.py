"""Recordings that do not say their units, on the command line."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from biot.cli import main
from biot.preprocessing import Preprocessing

NAMES = ("Fp1", "C3", "O1")


def night(path: Path, units: str = "", names: tuple[str, ...] = NAMES) -> Path:
    edfio = pytest.importorskip("edfio")
    data = np.random.default_rng(0).integers(-60, 60, (3, 500)).astype(float)
    signals = [
        edfio.EdfSignal(
            row, 50, label=name, physical_dimension=units, physical_range=(-32768, 32767)
        )
        for row, name in zip(data, names, strict=True)
    ]
    edfio.Edf(signals).write(path)
    return path


def predicted(model: Path, recording: Path, *words: str) -> list[list[str]]:
    out = recording.with_suffix(".csv")
    assert main(["predict", str(model), str(recording), "--out", str(out), *words]) == 0
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_predict_is_told_the_unit_of_a_recording_that_says_none(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mute, said = night(tmp_path / "mute.edf"), night(tmp_path / "said.edf", "uV")
    words = ["predict", str(model_folder), str(mute), "--out", str(tmp_path / "a.csv")]
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "the recording says no unit of 'Fp1'. Say it with --units, such as --units µV." in told
    expected = predicted(model_folder, said)
    assert predicted(model_folder, mute, "--units", "uV") == expected
    assert "Fp1, C3, O1: without a unit, so uV as given." in capsys.readouterr().out
    (tmp_path / "units.tsv").write_text("channel\tunit\neeg\tuV\nCz\tuV\n", encoding="utf-8")
    table = str(tmp_path / "units.tsv")
    assert predicted(model_folder, mute, "--units", table) == expected
    assert "'Cz' of units.tsv fits no channel." in capsys.readouterr().out
    assert predicted(model_folder, said, "--units", "V") == expected
    told = "Fp1, C3, O1: declared in uV, which stays, not V as given."
    assert told in capsys.readouterr().out


def test_info_meets_a_model_under_the_names_that_its_corpus_gave(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = Preprocessing.load(model_folder)
    replace(contract, rename_channels="EEG 1=Fp1,EEG 2=C3").save(model_folder)
    recording = night(tmp_path / "a.edf", names=("EEG 1", "EEG 2", "O1"))
    table = tmp_path / "units.tsv"
    table.write_text("channel\tunit\nFp1\tuV\n", encoding="utf-8")
    words = ["--vocabulary", str(model_folder), "--units", str(table)]
    assert main(["info", str(recording), *words]) == 0
    shown = capsys.readouterr().out
    assert "Fp1: without a unit, so uV as given." in shown
    plan = shown[shown.index("matched") - 80 :]
    for name in NAMES:
        assert name in plan
    assert "missing" not in plan.partition("Flat:")[0]
