"""Every error that `biot` raises on purpose: one tree, each kind also a ``ValueError``."""

from __future__ import annotations

import difflib
import importlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from biot.installation import install_command

__all__ = [
    "BiotError",
    "ChannelError",
    "CheckpointError",
    "ConfigError",
    "ContractError",
    "CorpusError",
    "InputTypeError",
    "MissingDependencyError",
    "RecordingError",
    "StoppedError",
    "counted",
    "counted_kind",
    "fetch_first",
    "listed",
    "may_be_repository",
    "near_word",
    "require",
    "visible",
]


class BiotError(ValueError):
    """Something that the user can put right; the message says what, and how."""


class ConfigError(BiotError):
    """Parameters that are missing, contradict each other, or are out of range."""


class RecordingError(BiotError):
    """A recording that cannot be read; the message opens with its file name."""


class ChannelError(BiotError):
    """Channels that are absent, ambiguous or unknown."""


class CorpusError(BiotError):
    """A corpus that cannot be prepared, opened or split as asked."""


class CheckpointError(BiotError):
    """Weights or a configuration that do not load completely."""


class ContractError(BiotError):
    """Data and model that were made for different preprocessing."""


class StoppedError(BiotError):
    """A run that a signal ended after a checkpoint; the same call goes on from there."""


class InputTypeError(BiotError, TypeError):
    """An argument of a kind that is not taken; the message says what is."""


class MissingDependencyError(BiotError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first few names for a message, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def counted(number: Any, one: str, several: str | None = None) -> str:
    """A number and what it counts: ``"1 window"``, ``"2 windows"``.

    `several` is for what does not only end in s, such as ``"windows are"`` beside ``"window is"``.
    """
    return f"{number} {one if number == 1 else several or one + 's'}"


def counted_kind(number: int, kind: str) -> str:
    """The same of a kind that opens with its noun, such as ``"windows without a label"``."""
    noun, _, rest = kind.partition(" ")
    return f"{counted(number, noun.removesuffix('s'), noun)} {rest}"


def near_word(word: str, known: Iterable[str]) -> str:
    """A hint for a message, such as ``" Did you mean 'annotations'?"``; empty if none is near."""
    names = [str(name) for name in known]
    plain = {name.lower().lstrip("-"): name for name in names}  # dashes make options no nearer
    text = word.lower().lstrip("-")
    cutoff = 0.6 if len(text) > 3 else 0.7  # a cpu is no gpu
    near = difflib.get_close_matches(text, plain, n=1, cutoff=cutoff)
    near = near or [name for name in plain if len(text) > 2 and text in name][:1]
    return f" Did you mean {plain[near[0]]!r}?" if near else ""


_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def may_be_repository(source: str | Path) -> bool:
    """Whether this is how a repository on the Hub is named: OWNER/NAME."""
    return _REPOSITORY.fullmatch(str(source)) is not None


def fetch_first(source: str | Path) -> str:
    """The way out for what is no folder here and may be a repository; empty if it cannot be one."""
    if not may_be_repository(source):
        return ""
    return (
        f" If it is a repository on the Hub, fetch it first: hf download {source} --local-dir "
        "FOLDER"
    )


def require(module: str, *, extra: str) -> Any:
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    module
        Dotted name of the module to import, such as ``"mne"`` or ``"sklearn.metrics"``.
    extra
        The extra of this package that installs it.

    Raises
    ------
    MissingDependencyError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise  # the package is there; something that it needs is broken
        raise MissingDependencyError(
            f"{package} is not installed. {install_command(extra)}"
        ) from error


_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that act instead of being seen, writing direction among them."""


def visible(text: str) -> str:
    """The text with every character escaped that would act on the terminal.

    Control characters, escape sequences and marks of writing direction stand in names that come
    from files; they are shown as ``\\x1b``, ``\\u202e`` and so on. Line ends and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if character not in "\n\t" and unicodedata.category(character) in _UNSEEN
        else character
        for character in text
    )
