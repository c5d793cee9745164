"""What a run says of the sources and packages that made it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from biot.corpus import Corpus
from biot.errors import ConfigError
from biot.provenance import git_revision
from biot.training import FinetuneConfig
from biot.training.finetuning.run_folder import run_identity
from biot.training.pretraining.config import PretrainConfig
from biot.training.run import as_begun, open_run, provenance


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    told = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, check=True)
    return told.stdout.decode().strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_revision_is_that_of_our_sources_and_of_no_repository_around_them(tmp_path: Path):
    source = tmp_path / "env" / "biot.py"
    source.parent.mkdir()
    source.write_text("1")
    assert git_revision.__wrapped__(source) is None
    git(tmp_path, "init", "-q")
    (tmp_path / "mine").write_text("1")
    git(tmp_path, "add", "mine")
    git(tmp_path, "commit", "-q", "-m", "work of the user")
    assert git_revision.__wrapped__(source) is None  # git knows the folder, not the file
    git(tmp_path, "add", "env")
    git(tmp_path, "commit", "-q", "-m", "sources")
    assert git_revision.__wrapped__(source) == git(tmp_path, "rev-parse", "HEAD")
    source.write_text("2")
    assert git_revision.__wrapped__(source) == git(tmp_path, "rev-parse", "HEAD") + "-dirty"


def begun(folder: Path, **what: Any) -> Path:
    """The folder of a run that was begun with this."""
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"what": what}))
    return folder


def test_a_run_from_scratch_names_its_tokens_unless_they_are_magnitudes(wave_corpus: Corpus):
    def named(config: FinetuneConfig, source: Path | None = None) -> str | None:
        return run_identity(config, wave_corpus, None, source)["config"].get("spectrum")

    assert named(FinetuneConfig()) == "log" == named(FinetuneConfig(spectrum="log"))
    assert named(FinetuneConfig(spectrum="magnitude")) is None  # as runs of earlier versions
    assert named(FinetuneConfig(), Path("model")) is None  # the model's own


@pytest.mark.parametrize("kind", ["finetuning", "pretraining"])
def test_a_run_that_was_begun_with_magnitudes_keeps_them(tmp_path: Path, kind: str):
    model = {} if kind == "finetuning" else {"model": {"embed_dim": 8}}
    config = FinetuneConfig() if kind == "finetuning" else PretrainConfig()
    run = begun(tmp_path / "run", config={"epochs": 3}, **model)
    with pytest.warns(UserWarning, match=r"run was begun with .* 'magnitude', and keeps them"):
        assert as_begun(config, run).spectrum == "magnitude"
    assert as_begun(config, run, tells=False).spectrum == "magnitude"
    given = replace(config, spectrum="log")
    assert as_begun(given, run) is given  # and is refused:
    now = {"config": {"epochs": 3, "spectrum": "log"}}
    with pytest.raises(ConfigError, match=r'config\.spectrum was "magnitude", is "log"'):
        open_run(run, "training", {**now, **model}, {})


def test_other_runs_and_new_ones_take_the_tokens_of_today(tmp_path: Path):
    config = FinetuneConfig()
    named = begun(tmp_path / "named", config={"spectrum": "log"})
    pretrained = begun(tmp_path / "pretrained", config={}, from_model="checksum")
    for folder in (tmp_path / "new", named, pretrained):
        assert as_begun(config, folder) is config


def test_packages_are_told_by_their_versions():
    versions = provenance()["versions"]
    assert {"python", "biot", "torch", "numpy", "lightning-fabric", "scikit-learn"} <= set(versions)
    assert versions["torch"] == metadata.version("torch")
