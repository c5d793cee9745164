"""Provenance of a run: software, corpora and settings, in ``run.json``; and whose a folder is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from biot.corpus.corpus import Corpus
from biot.corpus.schema import STATE_FILE
from biot.errors import ConfigError, CorpusError
from biot.io import (
    read_json,
    remove_leftovers,
    require_text_name,
    sha256_of,
    write_json,
)
from biot.locks import alone_on
from biot.model.saving import WEIGHT_NAMES
from biot.provenance import Parent, Provenance, TrainedOn, git_revision
from biot.training.distributed import once
from biot.training.settings import EARLIER_SPECTRUM, SPECTRUM, TrainingSettings

__all__ = [
    "RUN_FILE",
    "alone_in",
    "as_begun",
    "checksums_of",
    "describe_corpus",
    "identity_of",
    "made_by",
    "open_run",
    "provenance",
    "relative",
]

_PACKAGES = ("biot", "torch", "numpy", "lightning-fabric", "scikit-learn", "pyarrow", "peft")


def provenance() -> dict[str, Any]:
    """``versions`` of what computes, and the ``git_revision`` of our sources, if git holds them."""
    return {"versions": _versions(), "git_revision": git_revision(Path(__file__))}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # an extra that the run did not need
    return found


def describe_corpus(corpus: Corpus, out: Path) -> dict[str, Any]:
    """Where a corpus lies, seen from a run's folder, and what tells it from others."""
    state = read_json(corpus.path / STATE_FILE, CorpusError)
    return {
        "path": relative(corpus.path, out),
        "fingerprint": state.get("_fingerprint"),
        "n_windows": len(corpus),
    }


def made_by(command: str, corpora: Sequence[Corpus], source: Path | None = None) -> Provenance:
    """Who a model is that a run ends with, for its ``provenance.json``.

    Parameters
    ----------
    command
        ``finetune`` or ``pretrain``.
    corpora
        That it was trained on.
    source
        Model folder, file or repository from which training began.
    """
    trained_on = tuple(
        TrainedOn(name=one.path.resolve().name, fingerprint=one.fingerprint) for one in corpora
    )
    parent = None if source is None else _parent(source)
    return Provenance.of_now(command, parent=parent, corpora=trained_on)


def _parent(source: Path) -> Parent:
    if not source.exists():
        return Parent(name=source.as_posix())
    place = source.resolve()
    name = f"{place.parent.name}/{place.name}".lstrip("/")
    files = [source] if source.is_file() else [source / name for name in WEIGHT_NAMES]
    weights = next((file for file in files if file.is_file()), None)
    known = Provenance.load(source) if source.is_dir() else None
    return Parent(
        name=name, weights=None if weights is None else sha256_of(weights),
        date=None if known is None else known.date,
    )  # fmt: skip


def relative(path: Path, start: Path) -> str:
    """A path as seen from a folder, so that both can move together."""
    return Path(os.path.relpath(path.resolve(), start.resolve())).as_posix()


RUN_FILE = "run.json"

Config = TypeVar("Config", bound=TrainingSettings)


def as_begun(config: Config, out: Path, *, tells: bool = True) -> Config:
    """The settings of a run from scratch; one that goes on keeps the tokens it was begun with.

    Runs of versions whose tokens from scratch were magnitudes do not name them; a warning says
    that such a run keeps them, in the process that `tells`.

    Raises
    ------
    ConfigError
        If ``run.json`` of a run that was begun cannot be read.
    """
    file = out / RUN_FILE
    if config.spectrum is not None or not file.is_file():
        return config
    what = read_json(file, ConfigError).get("what")
    if not isinstance(what, dict) or what.get("from_model") is not None:
        return config  # another run, which is refused with its reasons
    parts = [what[part] for part in ("config", "model") if isinstance(what.get(part), dict)]
    if not parts or any("spectrum" in part for part in parts):
        return config
    if tells:
        warnings.warn(
            f"{out} was begun with tokens of the form {EARLIER_SPECTRUM!r}, and keeps them. A new "
            f"run from scratch takes {SPECTRUM!r} unless it is told otherwise (--spectrum, "
            "spectrum).",
            stacklevel=3,
        )
    return replace(config, spectrum=EARLIER_SPECTRUM)


@contextlib.contextmanager
def alone_in(fabric: Any, out: Path) -> Iterator[None]:
    """Keep other runs away from the folder of this one; all its processes share the lock.

    Raises
    ------
    ConfigError
        If another run is at work in the folder.
    """
    require_text_name(out, ConfigError)
    with contextlib.ExitStack() as stack:
        lock = alone_on(out, "this folder", ConfigError)
        once(fabric, out, lambda: stack.enter_context(lock))
        once(fabric, out, lambda: remove_leftovers(out.resolve()))
        yield


def open_run(out: Path, kind: str, identity: Mapping[str, Any], about: Mapping[str, Any]) -> bool:
    """Begin a run, or find the one that is there; returns whether it is finished.

    Parameters
    ----------
    out
        Its folder; absent, empty, or that of the same run.
    kind
        What kind of run it is, for messages: "pretraining", "fine-tuning".
    identity
        All that decides what is learned; a run that is there must have the same.
    about
        What else ``run.json`` tells.

    Raises
    ------
    ConfigError
        If `out` holds something else, or a run with other settings or corpora.
    """
    file = out / RUN_FILE
    if not file.is_file():
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise ConfigError(
                f"{out} exists, and is no {kind} run. Choose another folder, or delete it."
            )
        out.mkdir(parents=True, exist_ok=True)
        write_json(file, {"what": dict(identity), **about})
        return False
    before = read_json(file, ConfigError).get("what")
    if not isinstance(before, dict) or ("corpora" in before) != ("corpora" in identity):
        raise ConfigError(
            f"{file}: does not describe a {kind} run. Choose another folder, or delete {out}."
        )
    now = json.loads(json.dumps(identity))
    changed = _reordered(before, now)
    if before != now:
        changed = _differences(_with_spectrum(before), _with_spectrum(now))
    if changed:
        raise ConfigError(
            f"{out} holds a run with other settings or corpora: {'; '.join(changed)}. Give the "
            f"command that began it ({RUN_FILE} holds it), or choose another folder."
        )
    return (out / "model").is_dir()


def checksums_of(out: Path, *names: str) -> dict[str, str]:
    """The SHA-256 of files of a run, and of those in its folders, by place, for ``run.json``."""
    files = [path for name in names for path in ((out / name), *sorted((out / name).rglob("*")))]
    return {p.relative_to(out).as_posix(): sha256_of(p) for p in files if p.is_file()}


def identity_of(identity: Mapping[str, Any]) -> str:
    """A digest of what is learned; checkpoints carry it."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _with_spectrum(what: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is learned, with the form of token that a run from scratch does not name."""
    if what.get("from_model") is not None:
        return what
    parts = {part: what[part] for part in ("config", "model") if isinstance(what.get(part), dict)}
    return {**what, **{n: {"spectrum": EARLIER_SPECTRUM, **part} for n, part in parts.items()}}


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            line
            for key in dict.fromkeys((*before, *now))
            if before.get(key) != now.get(key)
            for line in _differences(before.get(key), now.get(key), f"{name}.{key}".strip("."))
        ]
    return [f"{name} was {json.dumps(before)}, is {json.dumps(now)}"]


def _reordered(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Whether the corpora have changed places, and with them their windows and heads."""
    was, is_now = (", ".join(run.get("corpora", ())) for run in (before, now))
    return [] if was == is_now else [f"the order of corpora was {was}; it is {is_now}"]
