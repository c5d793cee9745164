"""What the README shows is true: its Python and its commands run, with the results it states."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from biot.cli import main
from biot.simulate import write_study

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
PYTHON = [
    (code, result)
    for (kind, code), (next_kind, result) in itertools.pairwise(BLOCKS)
    if kind == "python" and next_kind == "text"
]
SHELL = [
    shlex.split(line, comments=True)
    for kind, block in BLOCKS
    if kind == "sh"
    for line in block.splitlines()
]
QUICK = ["--epochs", "1", "--embed-dim", "16", "--num-layers", "1", "--device", "cpu"]
"""What the commands that train are given besides, to be quick."""


def test_the_readme_shows_examples_and_stays_short():
    assert sum(kind == "python" for kind, _ in BLOCKS) == len(PYTHON) == 2
    assert {words[0] for words in SHELL} == {"make", "biot", "pip"}
    assert len(README.splitlines()) <= 150
    assert "not for clinical decisions" in README


@pytest.mark.parametrize(("code", "result"), PYTHON)
def test_python_gives_the_stated_result(code, result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    assert _words(printed.getvalue()) == _words(result)
    for found, stated in zip(_scores(printed.getvalue()), _scores(result), strict=True):
        assert found == pytest.approx(stated, abs=0.1)


def _words(text: str) -> list[str]:
    """All but fractions, which differ a little between machines."""
    return re.sub(r"\b0\.\d+", "0.…", text).split()


def _scores(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\b0\.\d+", text)]


def test_commands_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = write_study(Path("recordings"), subjects=range(7), duration=40)
    Path("elsewhere").mkdir()
    for file in files[5:]:
        file.rename(Path("elsewhere") / file.name)
    shutil.copy(files[0], "night.edf")
    for name, *words in SHELL:
        if name == "biot":
            quick = QUICK if words[0] == "finetune" else []
            assert main([*words, *quick]) == 0, capsys.readouterr().err
    made = {path.name for path in tmp_path.iterdir()}
    assert {
        "corpus",
        "corpus2",
        "run",
        "scores.json",
        "night.csv",
        "night.png",
        "model.onnx",
    } <= made


def test_make_and_pip_know_what_they_are_asked_for():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, *words in SHELL:
        if name == "make":
            assert set(words) <= set(targets)
        if name == "pip":
            extras = re.findall(r"[a-z]+", " ".join(re.findall(r"\[(.*?)\]", " ".join(words))))
            assert set(extras) <= set(project["optional-dependencies"])


def test_the_file_tree_names_what_is_there():
    tree = next(block for kind, block in BLOCKS if kind == "")
    paths = re.findall(r"(?:^|\s)(  )?([\w.]+(?:\.\w+|/)|Makefile|src/biot/)(?=\s)", tree)
    inner = [ROOT / "src/biot" / name for _, name in paths]
    outer = [ROOT / name for _, name in paths]
    missing = [str(b) for a, b in zip(inner, outer, strict=True) if not (a.exists() or b.exists())]
    assert missing == []


def test_links_lead_to_files():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target
