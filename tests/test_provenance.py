"""`provenance.json`: who a model is, kept with its weights, shown, and never invented."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from biot import BIOT
from biot.cli import main
from biot.errors import CheckpointError
from biot.installation import package_version
from biot.provenance import Parent, Provenance, TrainedOn, git_revision

SMALL: dict[str, Any] = {
    "embed_dim": 8, "num_heads": 2, "num_layers": 1, "sfreq": 20, "hop_length": 10,
    "n_outputs": 2, "n_chans": 2, "n_times": 80,
}  # fmt: skip


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> str:
    """The clock stands still."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return "2023-11-14T22:13:20Z"


def said(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return values


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_new_model_says_version_date_and_weights_and_no_more(tmp_path: Path, noon: str) -> None:
    folder = Path(BIOT(**SMALL).save_pretrained(tmp_path / "m"))
    known = {
        "version": 1, "biot_version": package_version(), "date": noon, "made_by": "save_pretrained",
        "weights": sha256_of(folder / "model.safetensors"),
    }  # fmt: skip
    revision = git_revision(Path(git_revision.__wrapped__.__code__.co_filename))
    assert {k: v for k, v in said(folder).items() if k != "git_revision"} == known
    assert bool(said(folder).get("git_revision")) == bool(revision)


def test_what_is_opened_and_saved_unchanged_stays_the_same_model(
    tmp_path: Path, noon: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Provenance.of_now(
        "finetune",
        parent=Parent(name="pretrained/model", weights="a" * 64, date=noon),
        corpora=(TrainedOn(name="corpus", fingerprint="f00"),),
    )
    first = Path(BIOT(**SMALL).save_pretrained(tmp_path / "a", provenance=made))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    model = BIOT.from_pretrained(first)
    assert model.provenance == Provenance.load(first)
    second = Path(model.save_pretrained(tmp_path / "b"))
    assert said(second) == said(first)
    assert said(first)["parent"] == {"name": "pretrained/model", "weights": "a" * 64, "date": noon}
    assert said(first)["corpora"] == [{"name": "corpus", "fingerprint": "f00"}]
    card = (second / "README.md").read_text(encoding="utf-8")
    assert f"biot {package_version()}" in card
    assert "a" * 64 in card


def test_changed_weights_are_a_new_model_whose_parent_was_opened(tmp_path: Path, noon: str) -> None:
    first = Path(BIOT(**SMALL).save_pretrained(tmp_path / "a"))
    model = BIOT.from_pretrained(first)
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    second = Path(model.save_pretrained(tmp_path / "b"))
    found = Provenance.load(second)
    assert found is not None
    assert found.parent == Parent(weights=sha256_of(first / "model.safetensors"), date=noon)
    assert found.weights == sha256_of(second / "model.safetensors")
    assert found.corpora == ()


def test_a_folder_without_it_says_nothing_of_a_parent(tmp_path: Path) -> None:
    first = Path(BIOT(**SMALL).save_pretrained(tmp_path / "a"))
    (first / "provenance.json").unlink()
    model = BIOT.from_pretrained(first)
    assert model.provenance is None
    second = Path(model.save_pretrained(tmp_path / "b"))
    assert "parent" not in said(second)


def test_the_same_model_at_the_same_time_gives_the_same_bytes(tmp_path: Path, noon: str) -> None:
    folders = []
    for name in ("a/m", "b/m"):
        torch.manual_seed(0)
        folders.append(Path(BIOT(**SMALL).save_pretrained(tmp_path / name)))
    one, other = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in folders)
    assert one == other


@pytest.mark.parametrize("epoch", ["1700000000000", "9" * 40, "yesterday", "-5"])
def test_a_time_without_a_date_is_not_taken_and_costs_no_model(
    epoch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    before = datetime.now(UTC).replace(microsecond=0)
    BIOT(**SMALL).save_pretrained(tmp_path / "m")
    found = Provenance.load(tmp_path / "m")
    assert found is not None
    assert before <= datetime.fromisoformat(found.date) <= datetime.now(UTC)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_revision_is_of_a_file_that_git_holds_and_says_if_the_tree_differs(
    tmp_path: Path,
) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *words], capture_output=True, check=True, text=True
        )
        return done.stdout.strip()

    held, beside = tmp_path / "held.py", tmp_path / "environment" / "beside.py"
    beside.parent.mkdir()
    for file in (held, beside):
        file.write_text("x = 1\n", encoding="utf-8")
    git_revision.cache_clear()
    try:
        git("init", "--quiet")
        git("add", "held.py")
        git("commit", "--quiet", "-m", "first")
        git("tag", "v1")
        commit = git("rev-parse", "HEAD")
        assert git_revision(held) == commit
        assert git_revision(beside) is None
        held.write_text("x = 2\n", encoding="utf-8")
        git_revision.cache_clear()
        assert git_revision(held) == f"{commit}-dirty"
    finally:
        git_revision.cache_clear()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ('{"version": 2}', "version must be 1, got 2"),
        ('{"version": 1}', "is damaged"),
        ('{"version": 1, "date": "2023-11-14T22:13:20Z", "made_by": 3}', "made_by must be text"),
        ('{"version": 1, "date": "yesterday", "made_by": "finetune"}', "yesterday"),
        ('{"version": 1, "date": "2023-11-14T22:13:20Z", "made_by": "x", "odd": 1}', "odd"),
        ('{"version": 1, "date": "2023-11-14T22:13:20Z", "made_by": "x", "weights": "1"}', "SHA"),
        ('{"version": 1, "date": "2023-11-14T22:13:20Z", "made_by": "x", "parent": 1}', "damaged"),
        ('{"version": 1, "date": "2023-11-14T22:13:20Z", "made_by": "x", "corpora": {}}', "list"),
        ('{"version": 1, "date": "2023-11-14T22:13:20Z", "made_by": "x", "corpora": [1]}', "dama"),
    ],
)
def test_a_damaged_file_is_named(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(BIOT(**SMALL).save_pretrained(tmp_path / "m"))
    (folder / "provenance.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message) as caught:
        BIOT.from_pretrained(folder)
    assert str(caught.value).startswith(f"{folder / 'provenance.json'}: ")
    assert "or delete" in str(caught.value)
    assert main(["info", str(folder)]) == 1
    assert str(folder / "provenance.json") in capsys.readouterr().err


def test_info_shows_it_and_tells_where_the_weights_are_others(
    tmp_path: Path, noon: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Provenance.of_now(
        "finetune", parent=Parent(name="pretrained/model", weights="a" * 64),
        corpora=(TrainedOn(name="corpus", fingerprint="f00"),),
    )  # fmt: skip
    folder = Path(BIOT(**SMALL).save_pretrained(tmp_path / "m", provenance=made))
    assert main(["info", str(folder)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"made {noon} by finetune" in shown
    assert f"package biot {package_version()}" in shown
    assert f"parent model pretrained/model, weights sha256 {'a' * 64}" in shown
    assert "corpora corpus (f00)" in shown
    assert "warning" not in shown
    other = Path(BIOT(**SMALL).save_pretrained(tmp_path / "n"))
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    assert main(["info", str(folder)]) == 0
    assert "speaks of other weights than model.safetensors" in " ".join(
        capsys.readouterr().out.split()
    )
    (folder / "provenance.json").unlink()
    assert main(["info", str(folder)]) == 0
    assert "there is no provenance.json" in capsys.readouterr().out
