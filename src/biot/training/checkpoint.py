"""Checkpoints of a run: each written whole or not at all, checked before it is trusted."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from biot.errors import CheckpointError
from biot.io import atomic_file

__all__ = ["Checkpoints", "require_whole"]

MAGIC = b"biot-run"
_DIGEST_BYTES = 32
_NAME = re.compile(r"step-(\d{9})\.ckpt")


def require_whole(path: Path) -> bytes:
    """The content of a checkpoint, which must be what was written.

    Raises
    ------
    CheckpointError
        If it cannot be read, is damaged, or is no checkpoint.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}).") from error
    start = len(MAGIC) + _DIGEST_BYTES
    if content[: len(MAGIC)] != MAGIC[: len(content)]:
        raise CheckpointError(f"{path}: foreign, not a checkpoint of biot's training.")
    if hashlib.sha256(content[start:]).digest() != content[len(MAGIC) : start]:
        raise CheckpointError(f"{path}: truncated or damaged, its checksum does not agree.")
    return content[start:]


class Checkpoints:
    """The checkpoints of one run, the last two of which are kept.

    A file is eight letters that name its kind, the SHA-256 of the rest, and the rest, which
    ``torch.load`` reads with ``weights_only=True``.

    Parameters
    ----------
    folder
        Where they lie; made when the first is written.
    identity
        What tells this run from others; a checkpoint with another one is foreign.
    keep
        How many stay.
    """

    def __init__(self, folder: Path, identity: str, *, keep: int = 2) -> None:
        self.folder = folder
        self._identity = identity
        self._keep = keep
        self._refused: set[Path] = set()

    def save(self, step: int, state: Mapping[str, Any]) -> Path:
        """Write the state after `step` steps; older checkpoints go only when it stands.

        Raises
        ------
        CheckpointError
            If it cannot be written; those of before are untouched.
        """
        buffer = io.BytesIO()
        torch.save({**state, "step": step, "identity": self._identity}, buffer)
        content = buffer.getvalue()
        path = self.folder / f"step-{step:09d}.ckpt"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as partial:
                partial.write_bytes(MAGIC + hashlib.sha256(content).digest() + content)
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be written ({error.strerror or error}). The checkpoints before it "
                "stand; make room, and give the same command again."
            ) from error
        self._refused.discard(path)
        sound = [file for file in self._found() if file <= path and file not in self._refused]
        for old in (*sound[: -self._keep], *self.folder.glob(".step-*.partial")):
            old.unlink(missing_ok=True)  # a partial one is what a kill left of an earlier save
        return path

    def latest(self) -> dict[str, Any] | None:
        """The newest sound checkpoint of this run; None if there is none at all.

        A damaged or foreign one is told of in a warning, and the one before it is used.

        Raises
        ------
        CheckpointError
            If there are checkpoints, and none of them is sound.
        """
        found = self._found()
        reasons = []
        for path in reversed(found):
            try:
                return self.read(path)
            except CheckpointError as error:
                self._refused.add(path)
                reasons.append(str(error))
                if path != found[0]:
                    warnings.warn(f"{error} The one before it is used.", UserWarning, stacklevel=2)
        if reasons:
            raise CheckpointError(
                f"No checkpoint in {self.folder} can be used: {' '.join(reasons)} "
                "Delete the folder of the run to start anew."
            )
        return None

    def read(self, path: Path) -> dict[str, Any]:
        """One checkpoint.

        Raises
        ------
        CheckpointError
            If it cannot be read, is damaged, or is not one of this run.
        """
        content = require_whole(path)
        try:
            state: dict[str, Any] = torch.load(
                io.BytesIO(content), map_location="cpu", weights_only=True
            )
        except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
            raise CheckpointError(f"{path}: foreign, it holds more than weights.") from error
        if not isinstance(state, dict) or state.get("identity") != self._identity:
            raise CheckpointError(f"{path}: foreign, it belongs to another run.")
        return state

    def _found(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))
