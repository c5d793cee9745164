"""Whether the shards of a corpus are those that were written: by size and time, or by checksum."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biot.corpus.manifest import MANIFEST_FILE, Manifest
from biot.corpus.schema import INFO_FILE, LABELS_FILE, REPAIR, SHARDS, STATE_FILE, shard_path
from biot.corpus.seal import DESCRIPTION, has_changed, is_kept, require_unchanged
from biot.errors import BiotError, CorpusError
from biot.io import read_json, sha256_of
from biot.preprocessing import FILE_NAME, Preprocessing

__all__ = [
    "CheckedFile",
    "ListedShard",
    "check_corpus",
    "fault_of_content",
    "listed_shards",
    "require_as_written",
]


@dataclass(frozen=True, kw_only=True)
class ListedShard:
    """What ``state.json`` says of a shard."""

    name: str
    n_windows: int
    size: int | None
    """In bytes; None in a corpus of an earlier version."""
    sha256: str | None
    """The same."""


@dataclass(frozen=True, kw_only=True)
class CheckedFile:
    """A file of a corpus, compared with what was written."""

    name: str
    state: str
    """``sound``, or what is wrong or unknown."""
    is_wrong: bool = False


def listed_shards(folder: Path, state: Mapping[str, Any]) -> list[ListedShard]:
    """The shards that ``state.json`` lists.

    Raises
    ------
    CorpusError
        If it lists none, or not as a corpus does.
    """
    try:
        _ = state["_fingerprint"]
        shards = [
            ListedShard(
                name=entry["filename"], n_windows=entry["n_windows"],
                size=entry.get("size"), sha256=entry.get("sha256"),
            )
            for entry in state["_data_files"]
        ]  # fmt: skip
        if not all(isinstance(s.n_windows, int) and s.n_windows >= 0 for s in shards):
            raise TypeError
        if not all(isinstance(s.name, str) for s in shards):
            raise TypeError
    except (AttributeError, KeyError, TypeError):
        raise CorpusError(
            f"{folder / STATE_FILE} does not list the shards of a corpus with their windows. "
            f"Make the corpus with `biot prepare`. {REPAIR}"
        ) from None
    if not shards:
        raise CorpusError(f"{folder}: the corpus lists no shards. {REPAIR}")
    if len({shard.name for shard in shards}) < len(shards):
        raise CorpusError(f"{folder / STATE_FILE}: lists a shard twice. {REPAIR}")
    if has_changed(folder, state, STATE_FILE):
        for shard in shards:
            shard_path(folder, shard.name)  # says more, where a name leads out of the corpus
        require_unchanged(folder, state, [STATE_FILE])
    return shards


def require_as_written(folder: Path, shards: Sequence[ListedShard]) -> None:
    """Compare size and time of each shard with what ``state.json`` says; no content is read.

    ``state.json`` is written after the shards. One that is younger was changed, or copied: its
    checksum decides. Where all are sound, the time of ``state.json`` is set to that of this check,
    so that a copied corpus is read once only.

    Raises
    ------
    CorpusError
        If a shard is missing or damaged.
    """
    now = time.time_ns()
    written = _modified(folder / STATE_FILE)
    younger = []
    for shard in shards:
        path = shard_path(folder, shard.name)
        try:
            found = path.stat()
        except OSError as error:
            raise _unreadable(folder, shard.name, error) from error
        if shard.size is not None and found.st_size != shard.size:
            raise CorpusError(
                f"{path}: damaged (it has {found.st_size} of {shard.size} bytes). {REPAIR}"
            )
        if shard.sha256 is not None and found.st_mtime_ns >= written:
            younger.append(shard)
    for shard in younger:
        fault = fault_of_content(folder, shard.name, shard.sha256)
        if fault is not None:
            raise CorpusError(f"{folder / shard.name}: damaged ({fault}). {REPAIR}")
    if younger and now > written:
        with contextlib.suppress(OSError):  # a corpus that others own is read again next time
            os.utime(folder / STATE_FILE, ns=(now, now))


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _unreadable(folder: Path, name: str, error: OSError) -> CorpusError:
    if isinstance(error, FileNotFoundError):
        return CorpusError(
            f"{folder}: the shard {name} is missing, which {STATE_FILE} lists. {REPAIR}"
        )
    return CorpusError(f"{folder / name}: cannot be read ({error.strerror or error}).")


def fault_of_content(folder: Path, name: str, sha256: str | None) -> str | None:
    """What is wrong with a shard; None if its bytes are those that were written.

    Raises
    ------
    CorpusError
        If the name is not that of a shard.
    """
    path = shard_path(folder, name)
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    same = sha256 is None or sha256 == found
    return None if same else "its content is not what was written"


def check_corpus(folder: Path) -> list[CheckedFile]:
    """Compare every byte of a corpus with the checksums that it keeps.

    Returns
    -------
    list of CheckedFile
        The files that describe the corpus, and each shard.
    """
    checked = [
        _described(STATE_FILE, lambda: listed_shards(folder, _json(folder, STATE_FILE))),
        _described(INFO_FILE, lambda: _json(folder, INFO_FILE)),
        _described(FILE_NAME, lambda: Preprocessing.load(folder)),
        _described(MANIFEST_FILE, lambda: _manifest(folder)),
    ]
    if not checked[0].is_wrong:
        state = _json(folder, STATE_FILE)
        changed = {name for name in DESCRIPTION if has_changed(folder, state, name)}
        why = "its content is not what was written"
        checked = [
            CheckedFile(name=each.name, state=why, is_wrong=True)
            if each.name in changed and not each.is_wrong
            else each
            for each in checked
        ]
    manifest = checked[-1]
    if not checked[0].is_wrong:
        checked += _checked_labels(folder, _json(folder, STATE_FILE))
    shards: dict[str, str | None] = {}
    if not manifest.is_wrong:
        records = _manifest(folder).recordings.values()
        shards |= {str(r.shard): r.shard_sha256 for r in records if r.shard is not None}
    if not checked[0].is_wrong:
        listed = listed_shards(folder, _json(folder, STATE_FILE))
        if shards and {shard.name for shard in listed} != set(shards):
            why = f"does not list the shards that {MANIFEST_FILE} names"
            checked[0] = CheckedFile(name=STATE_FILE, state=why, is_wrong=True)
        shards |= {s.name: s.sha256 or shards.get(s.name) for s in listed}
    checked += [_checked_shard(folder, name, sha256) for name, sha256 in sorted(shards.items())]
    found = folder / SHARDS
    there = {f"{SHARDS}/{path.name}" for path in found.iterdir()} if found.is_dir() else set()
    checked += [
        CheckedFile(name=name, state="is no shard of the corpus, and not read")
        for name in sorted(there - set(shards))
    ]
    return checked


def _json(folder: Path, name: str) -> dict[str, Any]:
    return read_json(folder / name, CorpusError)


def _manifest(folder: Path) -> Manifest:
    found = Manifest.load(folder)
    if found is None:
        raise CorpusError(f"{folder / MANIFEST_FILE}: no such file.")
    return found


def _described(name: str, read: Any) -> CheckedFile:
    try:
        read()
    except BiotError as error:
        return CheckedFile(name=name, state=str(error), is_wrong=True)
    return CheckedFile(name=name, state="sound")


def _checked_labels(folder: Path, state: Mapping[str, Any]) -> list[CheckedFile]:
    """The table of labels, if a checksum of it is kept."""
    if not is_kept(state, LABELS_FILE):
        return []
    if not (folder / LABELS_FILE).is_file():
        return [CheckedFile(name=LABELS_FILE, state="it is missing", is_wrong=True)]
    if has_changed(folder, state, LABELS_FILE):
        why = "its content is not what was written"
        return [CheckedFile(name=LABELS_FILE, state=why, is_wrong=True)]
    return [CheckedFile(name=LABELS_FILE, state="sound")]


def _checked_shard(folder: Path, name: str, sha256: str | None) -> CheckedFile:
    try:
        fault = fault_of_content(folder, name, sha256)
    except CorpusError as error:
        fault = str(error)
    if fault is not None:
        return CheckedFile(name=name, state=fault, is_wrong=True)
    known = "sound" if sha256 is not None else "readable; no checksum is kept of it"
    return CheckedFile(name=name, state=known)
