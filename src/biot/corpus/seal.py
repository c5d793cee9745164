"""Checksums of the small files of a corpus: ``state.json`` keeps them, and its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from biot.corpus.schema import INFO_FILE, LABELS_FILE, MANIFEST_FILE, REPAIR, STATE_FILE
from biot.errors import CorpusError
from biot.io import sha256_of
from biot.preprocessing import FILE_NAME

__all__ = ["DESCRIPTION", "has_changed", "is_kept", "require_unchanged", "sealed"]

DESCRIPTION = (FILE_NAME, INFO_FILE, MANIFEST_FILE)
"""What describes a corpus, besides ``state.json``."""


def sealed(
    folder: Path, state: Mapping[str, Any], names: Iterable[str] | None = None
) -> dict[str, Any]:
    """``state`` with checksums of files of the folder, and of itself.

    The files are those that describe the corpus, and its table of labels, if `names` are not given.
    """
    if names is None:
        names = (*DESCRIPTION, *([LABELS_FILE] if (folder / LABELS_FILE).is_file() else []))
    sums = {name: sha256_of(folder / name) for name in names}
    whole = {**state, "_biot": {**state["_biot"], "sha256": sums}}
    sums[STATE_FILE] = _own(whole)
    return whole


def has_changed(folder: Path, state: Mapping[str, Any], name: str) -> bool:
    """Whether a file is not what it was when ``state`` was written.

    False where no checksum of it is kept, as in corpora of earlier releases, or it cannot be read.
    """
    kept = _kept(state).get(name)
    if kept is None:
        return False
    if name == STATE_FILE:
        return bool(_own(state) != kept)
    try:
        return bool(sha256_of(folder / name) != kept)
    except OSError:
        return False


def is_kept(state: Mapping[str, Any], name: str) -> bool:
    """Whether ``state`` has a checksum of a file."""
    return name in _kept(state)


def require_unchanged(folder: Path, state: Mapping[str, Any], names: Iterable[str]) -> None:
    """Compare files with the checksums that ``state`` keeps.

    Raises
    ------
    CorpusError
        If one has another content.
    """
    for name in names:
        if has_changed(folder, state, name):
            raise CorpusError(
                f"{folder / name}: damaged (its content is not what was written). {REPAIR}"
            )


def _kept(state: Mapping[str, Any]) -> Mapping[str, Any]:
    about = state.get("_biot")
    sums = about.get("sha256") if isinstance(about, dict) else None
    return sums if isinstance(sums, dict) else {}


def _own(state: Mapping[str, Any]) -> str:
    """Checksum of all but this checksum."""
    sums = {name: each for name, each in _kept(state).items() if name != STATE_FILE}
    content = {**state, "_biot": {**state["_biot"], "sha256": sums}}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
