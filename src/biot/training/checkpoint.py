"""Checkpoints of a run: each written whole or not at all, checked before it is trusted."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from biot.errors import CheckpointError
from biot.io import atomic_file

__all__ = ["Checkpoints", "require_whole"]

MAGIC = b"biot-run"
_DIGEST_BYTES = 32
_NEEDED = {"weights": Mapping, "step": int}
"""What every checkpoint holds."""
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
        self.taken: Path | None = None
        """The file that :meth:`latest` gave."""

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
                state = self.read(path)
                self.taken = path
                return state
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
        except pickle.UnpicklingError as error:
            raise CheckpointError(f"{path}: foreign, it holds more than weights.") from error
        except Exception as error:  # unpickling raises anything on a damaged file
            raise CheckpointError(
                f"{path}: foreign or damaged, its checksum agrees but it is no file of PyTorch's "
                f"({type(error).__name__})."
            ) from error
        if not isinstance(state, dict) or state.get("identity") != self._identity:
            raise CheckpointError(f"{path}: foreign, it belongs to another run.")
        _require_state(path, state)
        return state

    def _found(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))


def _require_state(path: Path, state: Mapping[str, Any]) -> None:
    """Raise ``CheckpointError`` unless a state is one, as far as that can be seen by itself."""
    lacking = [name for name in _NEEDED if name not in state]
    if lacking:
        raise CheckpointError(f"{path}: damaged, it lacks {', '.join(lacking)}.")
    step, expected = state["step"], int(path.stem.removeprefix("step-"))
    if isinstance(step, bool) or step != expected:
        raise CheckpointError(f"{path}: damaged, its step is {step!r}, not {expected}.")
    for name, kind in _NEEDED.items():
        if not isinstance(state[name], kind):
            found = type(state[name]).__name__
            raise CheckpointError(f"{path}: damaged, its {name} are a {found}.")
    for name in ("weights", "optimizer", "ema", "best"):
        if not all(tensor.isfinite().all() for tensor in _tensors_in(state.get(name))):
            raise CheckpointError(f"{path}: damaged, its {name} hold NaN or infinite numbers.")


def _tensors_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors_in(one)
