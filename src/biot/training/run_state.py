"""The folder of a pretraining run: what it says of itself, and whether a command continues it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biot.errors import ConfigError
from biot.training.surroundings import write_json

__all__ = ["RUN_FILE", "identity_of", "open_run"]

RUN_FILE = "run.json"


def open_run(out: Path, what: Mapping[str, Any], about: Mapping[str, Any]) -> bool:
    """Begin a run, or find the one that is there; returns whether it is finished.

    Parameters
    ----------
    out
        Its folder; absent, empty, or that of the same run.
    what
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
                f"{out} exists, and is no pretraining run. Choose another folder, or delete it."
            )
        out.mkdir(parents=True, exist_ok=True)
        write_json(file, {"what": what, **about})
        return False
    try:
        before = json.loads(file.read_text(encoding="utf-8"))["what"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file}: does not describe a pretraining run. Delete {out}.") from error
    now = json.loads(json.dumps(what))
    changed = _differences(before, now) if before != now else _reordered(before, now)
    if changed:
        raise ConfigError(
            f"{out} holds a run with other settings or corpora: {'; '.join(changed)}. Give the "
            f"command that began it ({RUN_FILE} holds it), or choose another folder."
        )
    return (out / "model").is_dir()


def identity_of(what: Mapping[str, Any]) -> str:
    """A digest of what is learned; checkpoints carry it."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


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
