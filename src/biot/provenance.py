"""Who made a model: ``provenance.json`` beside its ``config.json``."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from biot.errors import CheckpointError
from biot.installation import package_version
from biot.io import read_json, write_json

__all__ = ["PROVENANCE", "Parent", "Provenance", "TrainedOn", "git_revision"]

PROVENANCE = "provenance.json"
_VERSION = 1
_MOST_BYTES = 2**24
_WAY_OUT = "Take the file of the same training, or delete it: only what it says is lost."
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The model from which training began, or whose weights were changed."""

    weights: str | None = None
    """SHA-256 of its file of weights."""
    name: str | None = None
    """Its folder, such as ``pretrained/model``, or repository on the Hub."""
    date: str | None = None
    """When it was made, where its own provenance says so."""


@dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """A corpus that a training read."""

    name: str
    """Of its folder."""
    fingerprint: str | None
    """What tells it from others: see ``state.json`` of the corpus."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who a model is; what nobody knows is None, and left out of the file."""

    biot_version: str | None
    """Of the package that made it."""
    date: str
    """When it was made, in UTC: ``2026-11-26T21:50:00Z``."""
    made_by: str
    """``finetune``, ``pretrain``, or ``save_pretrained``, which knows less."""
    git_revision: str | None = None
    """Of the package's sources, where git holds them."""
    parent: Parent | None = None
    corpora: tuple[TrainedOn, ...] = ()
    weights: str | None = None
    """SHA-256 of ``model.safetensors``: the file speaks of these weights and no others."""

    @classmethod
    def of_now(cls, made_by: str, **known: Any) -> Provenance:
        """Of a model that is made now, by this package; ``SOURCE_DATE_EPOCH`` stands for now."""
        return cls(
            biot_version=package_version(), date=_date(), made_by=made_by,
            git_revision=git_revision(Path(__file__)), **known,
        )  # fmt: skip

    def of_weights(self, sha256: str) -> Provenance:
        """What is known of a model with this provenance whose file of weights has this checksum.

        Weights that are the same are the same model. Others were changed after it was opened: it is
        their parent, and when that was is now.
        """
        if self.weights in (None, sha256):
            return replace(self, weights=sha256)
        assert self.weights is not None
        before = Parent(weights=self.weights, date=self.date)
        return Provenance.of_now("save_pretrained", parent=before, weights=sha256)

    def save(self, folder: str | Path) -> Path:
        """Write ``provenance.json`` into a model folder."""
        path = Path(folder) / PROVENANCE
        values = {**asdict(self), "corpora": [asdict(one) for one in self.corpora]}
        known = {name: _known(value) for name, value in values.items()}
        write_json(path, {"version": _VERSION, **_known(known)})
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Provenance | None:
        """Read ``provenance.json`` of a model folder; None where there is none.

        Raises
        ------
        CheckpointError
            If the file is damaged; the message names it.
        """
        path = Path(folder) / PROVENANCE
        if not path.is_file():
            return None
        try:
            values = read_json(path, CheckpointError, most_bytes=_MOST_BYTES)
        except CheckpointError as error:
            raise CheckpointError(f"{error} {_WAY_OUT}") from error
        if values.get("version") != _VERSION:
            raise CheckpointError(
                f"{path}: version must be {_VERSION}, got {values.get('version')!r}. Use the "
                "version of this package that wrote it, or delete the file: no more is lost."
            )
        try:
            return _from_dict(values)
        except (AttributeError, TypeError, ValueError) as error:  # CheckpointError too
            raise CheckpointError(f"{path}: is damaged ({error}). {_WAY_OUT}") from None

    def in_words(self) -> dict[str, str]:
        """Each fact by its name, for people."""
        facts = {"made": f"{self.date} by {self.made_by}", "package": self.package}
        if self.parent is not None:
            facts["parent model"] = self.parent_in_words
        if self.corpora:
            facts["corpora"] = ", ".join(
                f"{one.name} ({one.fingerprint or 'no fingerprint'})" for one in self.corpora
            )
        return facts

    @property
    def package(self) -> str:
        """Version and revision of the package."""
        revision = "" if self.git_revision is None else f", git {self.git_revision}"
        return f"biot {self.biot_version or 'of an unknown version'}{revision}"

    @property
    def parent_in_words(self) -> str:
        """Name and checksum of the parent."""
        if self.parent is None:
            return "none"
        parts = (
            ("{}", self.parent.name),
            ("made {}", self.parent.date),
            ("weights sha256 {}", self.parent.weights),
        )
        return ", ".join(text.format(value) for text, value in parts if value is not None)


def _from_dict(values: Mapping[str, Any]) -> Provenance:
    given = {name: value for name, value in values.items() if name != "version"}
    parent = given.pop("parent", None)
    corpora = given.pop("corpora", [])
    if not isinstance(corpora, list):
        raise CheckpointError("corpora must be a list")
    found = Provenance(
        **{"biot_version": None, **given},
        parent=None if parent is None else Parent(**parent),
        corpora=tuple(TrainedOn(**{"fingerprint": None, **one}) for one in corpora),
    )
    for part in (found, *((found.parent,) if found.parent else ()), *found.corpora):
        for name, value in vars(part).items():
            if name not in ("parent", "corpora") and not isinstance(value, str | None):
                raise CheckpointError(f"{name} must be text, got {value!r}")
    for one in (found.weights, None if found.parent is None else found.parent.weights):
        if one is not None and not _SHA256.fullmatch(one):
            raise CheckpointError(f"weights must be a SHA-256, got {one!r}")
    if found.date is None or found.made_by is None:
        raise CheckpointError("date and made_by must be there")
    datetime.fromisoformat(found.date)
    return found


def _known(value: Any) -> Any:
    """Without what is None or empty."""
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if one is not None and one != []}
    return [_known(one) for one in value] if isinstance(value, list) else value


def _date() -> str:
    """Of now; ``SOURCE_DATE_EPOCH`` stands for it if it is a number of seconds with a date."""
    epoch, now = os.environ.get("SOURCE_DATE_EPOCH", ""), datetime.now(UTC)
    if epoch.isdecimal():
        with suppress(ValueError, OverflowError, OSError):  # a model is not lost for its date
            now = datetime.fromtimestamp(int(epoch), UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=8)
def git_revision(file: str | Path) -> str | None:
    """The commit that holds a file, and ``-dirty`` if the working tree differs from it.

    None where git does not track the file: an environment may lie in a repository of its user's.
    """
    file = Path(file)
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
