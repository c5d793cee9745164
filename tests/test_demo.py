"""``biot demo``: the whole way on simulated EEG."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from biot.cli import demo, main

Capture = pytest.CaptureFixture[str]


def test_the_demo_refuses_a_folder_with_other_files(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "holds files that are not of a demo" in capsys.readouterr().err
    assert main(["demo", "--out", str(tmp_path / "thesis.tex")]) == 1
    assert "is a file. Give a folder" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_the_demo_replaces_an_earlier_one_and_nothing_else(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "demo"
    study = demo.Study(n_learning=3, n_unseen=2, duration=40.0, epochs=1)
    demo.run_demo(out, study, computing=["--device", "cpu"])
    (out / "notes.txt").write_text("mine")
    (out / "report.html").write_text("earlier")
    (out / "recordings" / "learning" / "sub-99_eeg.edf").write_text("earlier")
    demo.run_demo(out, study, computing=["--device", "cpu"])
    names = {"demo.json", "recordings", "corpus", "corpus_unseen", "run", "scores.json"}
    names |= {"predictions.csv", "timeline.png", "report.html", "notes.txt"}
    assert {path.name for path in out.iterdir()} == names
    assert (out / "notes.txt").read_text() == "mine"
    report = (out / "report.html").read_text(encoding="utf-8")
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert f"{scores['balanced_accuracy']:.3f} (95 % interval" in report
    assert report.count("data:image/png;base64,") == 3
    shown = capsys.readouterr().out
    for name in ("prepare", "finetune", "evaluate", "predict"):
        assert f"$ biot {name} " in shown
    assert f"report      -> {out / 'report.html'}" in shown


@pytest.mark.slow
def test_the_demo_finds_the_events_of_unseen_subjects(tmp_path: Path) -> None:
    study = demo.Study(n_learning=6, n_unseen=3, duration=200.0, epochs=8)
    demo.run_demo(tmp_path, study, computing=["--device", "cpu"])
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert scores["n_subjects"] == 3
    assert scores["balanced_accuracy"] > 0.9
