"""Names of files, channels, labels and subjects that act on a terminal or are no text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.corpus import from_arrays

edfio = pytest.importorskip("edfio")
ESCAPE = "\x1b]52;c;eA==\x07"
TINY = ["--embed-dim", "8", "--num-heads", "2", "--num-layers", "1", "--device", "cpu"]
CUT = ["--sfreq", "100", "--window", "1"]
Capture = pytest.CaptureFixture[str]


def write_recording(path: Path, seed: int) -> Path:
    """An EDF+ file with an escape sequence in a channel's name and in its annotations."""
    stand_in = "Q" * len(ESCAPE)
    data = np.random.default_rng(seed).integers(-200, 200, (2, 1000)).astype(float)
    signals = [
        edfio.EdfSignal(row, 100, label=name, physical_dimension="uV",
                        physical_range=(-32768, 32767))
        for row, name in zip(data, ("Fp1", "C3"), strict=True)
    ]  # fmt: skip
    notes = [edfio.EdfAnnotation(i, 1, ("rest", "move")[i % 2] + stand_in) for i in range(10)]
    made = path.parent / "made.edf"
    edfio.Edf(signals, annotations=notes).write(made)
    content = made.read_bytes().replace(stand_in.encode(), ESCAPE.encode())
    made.unlink()
    path.write_bytes(content.replace(b"C3      ", b"C\x1b[31m  ", 1))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings whose names hold escapes, and a table that labels them."""
    made = tmp_path_factory.mktemp("hostile")
    (made / "rec").mkdir()
    rows = ["file\tlabel\tsubject"]
    for i in range(4):
        path = write_recording(made / "rec" / f"s{i}{ESCAPE}_.edf", i)
        rows.append(f"{path.name}\t{'ab'[i % 2]}{ESCAPE}\tS{i}{ESCAPE}")
    (made / "t.tsv").write_text("\n".join(rows) + "\n")
    (made / "none.tsv").write_text("\n".join([*rows, f"n{ESCAPE}.edf\tx\ty"]) + "\n")
    (made / f"v{ESCAPE}.csv").write_text(f"time,a{ESCAPE}\n0,1\n0.01,x{ESCAPE}\n")
    return made


@pytest.mark.filterwarnings("ignore")
def test_no_command_lets_an_escape_sequence_reach_the_terminal(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    first = str(sorted(Path("rec").iterdir())[0])
    commands = [
        (["info", first], 0),
        (["prepare", "rec", "--out", "c", *CUT, "--labels", "annotations", "--align", "events"], 0),
        (["prepare", "rec", "--out", "ct", *CUT, "--labels", "t.tsv"], 0),
        (["info", "c", "--plot", "c.png"], 0),
        (["info", "ct", "--plot", "ct.png"], 0),
        (["finetune", "c", "--out", "r", "--epochs", "2", *TINY], 0),
        (["info", "r"], 0),
        (["info", "r/model"], 0),
        (["evaluate", "r/model", "c"], 1),
        (["evaluate", "r/model", "c", "--allow-leakage", "--bootstrap", "0"], 0),
        (["predict", "r/model", first, "--out", "p.csv", "--png", "p.png"], 0),
        (["predict", "r/model", f"v{ESCAPE}.csv", "--out", "q.csv"], 1),
        (["predict", f"no{ESCAPE}", first, "--out", "q.csv"], 1),
        (["convert", "r/model", "--out", f"x{ESCAPE}"], 0),
        (["corpus", "drop", "c", "--subject", f"no{ESCAPE}"], 1),
        ([f"no{ESCAPE}"], 2),
        (["prepare", "rec", "--out", "z", "--sfreq", f"1{ESCAPE}", "--window", "1"], 2),
        (["finetune", "ct", "--out", f"rt{ESCAPE}", "--epochs", "1", *TINY], 0),
    ]
    for words, code in commands:
        found = main(words)
        shown = "".join(capsys.readouterr())
        assert found == code, (words, shown)
        assert not set(shown) & set("\x1b\x07\u202e"), words
    assert main(["prepare", "rec", "--out", "cn", *CUT, "--labels", "none.tsv"]) in (0, 1)
    assert "\x1b" not in "".join(capsys.readouterr())


def odd(folder: Path, name: str) -> Path:
    """A path whose name holds a byte that is no UTF-8; skips where files cannot be called so."""
    path = folder / os.fsdecode(name.encode() + b"\xff.edf")
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system takes names of UTF-8 only")
    return path


@pytest.mark.filterwarnings("ignore")
def test_a_recording_whose_name_is_no_text_is_used(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "rec").mkdir()
    path = write_recording(odd(tmp_path / "rec", "a"), 0)
    out = str(tmp_path / "c")
    assert main(["info", str(path)]) == 0
    assert main(["prepare", str(path.parent), "--out", out, *CUT, "--labels", "annotations"]) == 0
    assert main(["info", out, "--plot", str(tmp_path / "c.png")]) == 0
    assert r"a\udcff" in capsys.readouterr().out


def made_corpus(folder: Path, **options: Any) -> Path:
    X = np.random.default_rng(0).normal(size=(12, 2, 100))
    labels, subjects = [("a", "b")[i % 2] for i in range(12)], [str(i // 3) for i in range(12)]
    return from_arrays(
        X, labels, subject=subjects, sfreq=100.0, ch_names=["C3", "C4"], units="µV",
        out=folder / "corpus", **options,
    ).path  # fmt: skip


def test_a_folder_whose_name_is_no_text_is_refused_in_one_line(
    tmp_path: Path, capsys: Capture
) -> None:
    corpus, bad = made_corpus(tmp_path), odd(tmp_path, "x").with_suffix("")
    recording = write_recording(tmp_path / "a.edf", 0)
    for words in (
        ["prepare", str(recording), "--out", str(bad), *CUT, "--labels", "none"],
        ["finetune", str(corpus), "--out", str(bad), "--epochs", "1", *TINY],
        ["pretrain", str(corpus), "--out", str(bad), "--steps", "1", "--batch-size", "4", *TINY],
    ):
        assert main(words) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "the name holds bytes that are no UTF-8 text" in line
        assert not bad.exists()


def test_a_label_that_holds_zero_bytes_is_refused(tmp_path: Path, capsys: Capture) -> None:
    recording = write_recording(tmp_path / "a.edf", 0)
    table = tmp_path / "t.tsv"
    table.write_text("file\tlabel\na.edf\tx\0\n")
    words = ["prepare", str(recording), "--out", str(tmp_path / "c"), *CUT, "--labels", str(table)]
    assert main(words) == 1
    assert "t.tsv: cannot be read as a UTF-8 table (it holds zero bytes" in capsys.readouterr().err
