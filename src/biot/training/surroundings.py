"""What every run's folder tells: with what it was made, of which corpora, as JSON for people."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from biot.corpus import Corpus
from biot.corpus.writer import STATE_FILE
from biot.training.checkpoint import write_whole

__all__ = ["describe_corpus", "relative", "surroundings", "write_json"]

_PACKAGES = ("biot", "torch", "numpy", "lightning-fabric", "scikit-learn", "pyarrow", "peft")


def surroundings() -> dict[str, Any]:
    """``versions`` of what computes, and the ``git_revision`` of our sources, if git holds them."""
    return {"versions": _versions(), "git_revision": _revision(Path(__file__))}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # an extra that the run did not need
    return found


def _revision(file: Path) -> str | None:
    """The commit that holds a file, and ``-dirty`` if the working tree differs from it.

    None where git does not track the file: an environment may lie in a repository of its user's.
    """
    git = ["git", "-C", str(file.parent)]
    told = ""
    for words in (("ls-files", file.name), ("describe", "--always", "--abbrev=40", "--dirty",
                                            "--exclude=*")):  # fmt: skip
        try:
            answer = subprocess.run([*git, *words], capture_output=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return None
        told = answer.stdout.decode().strip() if answer.returncode == 0 else ""
        if not told:
            return None
    return told


def describe_corpus(corpus: Corpus, out: Path) -> dict[str, Any]:
    """Where a corpus lies, seen from a run's folder, and what tells it from others."""
    state = json.loads((corpus.path / STATE_FILE).read_text(encoding="utf-8"))
    return {
        "path": relative(corpus.path, out),
        "fingerprint": state.get("_fingerprint"),
        "n_windows": len(corpus),
    }


def relative(path: Path, start: Path) -> str:
    """A path as seen from a folder, so that both can move together."""
    return Path(os.path.relpath(path.resolve(), start.resolve())).as_posix()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write strict JSON that people can read; the file appears whole."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(path, f"{text}\n".encode())
