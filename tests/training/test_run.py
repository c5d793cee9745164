"""What a run says of the sources and packages that made it."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from biot.training.run import _revision, provenance


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    told = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, check=True)
    return told.stdout.decode().strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_revision_is_that_of_our_sources_and_of_no_repository_around_them(tmp_path: Path):
    source = tmp_path / "env" / "biot.py"
    source.parent.mkdir()
    source.write_text("1")
    assert _revision(source) is None
    git(tmp_path, "init", "-q")
    (tmp_path / "mine").write_text("1")
    git(tmp_path, "add", "mine")
    git(tmp_path, "commit", "-q", "-m", "work of the user")
    assert _revision(source) is None  # git knows the folder, not the file
    git(tmp_path, "add", "env")
    git(tmp_path, "commit", "-q", "-m", "sources")
    assert _revision(source) == git(tmp_path, "rev-parse", "HEAD")
    source.write_text("2")
    assert _revision(source) == git(tmp_path, "rev-parse", "HEAD") + "-dirty"


def test_packages_are_told_by_their_versions():
    versions = provenance()["versions"]
    assert {"python", "biot", "torch", "numpy", "lightning-fabric", "scikit-learn"} <= set(versions)
    assert versions["torch"] == metadata.version("torch")
