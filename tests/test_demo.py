"""``biot demo``: the whole way on simulated EEG."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import asdict
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
    plan = "About a minute of processor time, in six steps:\n  1. simulate  EEG of 5 subjects"
    assert shown.startswith(plan)
    for name in ("prepare", "finetune", "evaluate", "predict"):
        assert f"$ biot {name} " in shown
    assert re.search(r"\d+ s in all, \d+ s of processor time\n$", shown)
    assert f"report      -> {out / 'report.html'}" in shown


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder that looks like that of a demo, with somebody's notes."""
    out = tmp_path / "demo"
    (out / "recordings").mkdir(parents=True)
    for name in ("recordings/a.edf", "report.html", "scores.json", "notes.txt"):
        (out / name).write_text("old")
    (out / "demo.json").write_text(json.dumps(asdict(demo.Study())))
    return out


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_demo_that_is_stopped_leaves_the_earlier_one(
    earlier: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def simulate(out: Path, study: demo.Study) -> Path:
        (out / "recordings").mkdir()
        (out / "recordings" / "b.edf").write_text("new")
        (out / "report.html").write_text("new")
        raise error

    before = files(earlier)
    monkeypatch.setattr(demo, "_simulate", simulate)
    with pytest.raises(error):
        demo.run_demo(earlier, demo.Study(), computing=[])
    assert files(earlier) == before
    with pytest.raises(error):
        demo.run_demo(earlier.parent / "new", demo.Study(), computing=[])
    assert not (earlier.parent / "new").exists()


@pytest.mark.parametrize("moment", range(1, 12))
def test_a_demo_that_is_killed_at_any_moment_leaves_one_that_the_next_run_finds(
    earlier: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    before, real, count = files(earlier), Path.rename, 0

    def rename(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count >= moment:
            raise SystemExit  # and so does every attempt to put it right
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename)
        with suppress(SystemExit), demo._fresh_folder(earlier, demo.Study(seed=1)):
            (earlier / "report.html").write_text("new")
    demo._recover(earlier)
    found = files(earlier)
    if found != before:
        assert {name: found[name] for name in ("report.html", "notes.txt")} == {
            "report.html": b"new", "notes.txt": b"old",
        }  # fmt: skip
        assert json.loads(found["demo.json"])["seed"] == 1
        assert "recordings/a.edf" not in found


def test_a_file_of_the_same_name_does_not_make_a_folder_ours(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "patient.edf").write_text("precious")
    (tmp_path / "demo.json").write_text('{"name": "my demo"}')
    before = files(tmp_path)
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "holds files that are not of a demo" in capsys.readouterr().err
    assert files(tmp_path) == before


@pytest.mark.slow
def test_the_demo_finds_the_events_of_unseen_subjects(tmp_path: Path) -> None:
    study = demo.Study(n_learning=6, n_unseen=3, duration=200.0, epochs=12)
    demo.run_demo(tmp_path, study, computing=["--device", "cpu"])
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert scores["n_subjects"] == 3
    assert scores["balanced_accuracy"] > 0.9
