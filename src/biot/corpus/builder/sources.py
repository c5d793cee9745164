"""Finding the recordings to prepare, and whose they are."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from biot.errors import ConfigError, CorpusError, listed
from biot.signals.formats.files import SUFFIXES, UNREAD, files_in, recordings_in
from biot.signals.readers import is_table

__all__ = [
    "Source",
    "TableOptions",
    "find_sources",
    "readable",
    "subject_of",
    "subject_pattern",
]

_BIDS_SUBJECT = re.compile(r"(?:^|[/_])sub-([A-Za-z0-9]+)")


_KNOWN_SUBJECTS = (
    re.compile(r"(S\d{3})R\d{2}"),  # PhysioNet eegmmidb: S001R04
    re.compile(r"(chb\d{2})[a-z]?_\d+\+?"),  # CHB-MIT: chb01_03
    re.compile(r"(S[CT][47]\d{2})\d[A-Z]\w(?:-PSG)?"),  # Sleep-EDF: SC4ssNE0-PSG, N the night
    re.compile(r"([a-z]{8})_s\d{3}_t\d{3}"),  # TUH: aaaaaaac_s001_t000
    re.compile(r"((?:p|s|subj?|subject|participant|patient)[-_]?\d+)_.+", re.IGNORECASE),
)
"""How known collections name files, the subject first; the whole stem must match."""


@dataclass(frozen=True)
class Source:
    """A file to prepare."""

    recording: str
    """Its path relative to the folder given, with forward slashes; its name if given itself. Bytes
    that are not UTF-8 are written as ``\\udc..``."""
    path: Path


@dataclass(frozen=True)
class TableOptions:
    """What recordings in tables and NumPy archives may not say themselves."""

    sfreq: float | None = None
    """Their rate in Hz."""
    units: str | None = None
    """Unit of all their channels."""

    def of(self, path: Path) -> dict[str, Any]:
        """Options of :func:`biot.signals.read_recording` for a file; none for other formats."""
        given = {"sfreq": self.sfreq, "units": self.units}
        return {k: v for k, v in given.items() if v is not None} if is_table(path) else {}

    def require_a_table(self, sources: Sequence[Source]) -> None:
        """Raise ``ConfigError`` if something is said of tables, but none is given."""
        if self != TableOptions() and not any(is_table(source.path) for source in sources):
            raise ConfigError(
                "table_sfreq and table_units are for tables and NumPy archives, but no such "
                "recording is given; the other formats say both themselves."
            )


def readable(text: str) -> str:
    """Text that UTF-8 can hold: names of files may be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def find_sources(paths: str | Path | Sequence[str | Path]) -> list[Source]:
    """The recordings among files and, recursively, in folders, sorted by name.

    In folders those count that :func:`biot.signals.recordings_in` finds; a file that is given
    itself is taken as it is.

    Raises
    ------
    CorpusError
        If a path does not exist, a folder holds no recording, or two have the same name.
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    found: dict[str, Source] = {}
    seen: set[str] = set()
    for path in map(Path, given):
        for source in _sources_at(path):
            place = os.path.abspath(source.path)  # links stay: two of them are two recordings
            if place in seen:
                continue
            other = found.setdefault(source.recording, source)
            if other is not source:
                raise CorpusError(
                    f"Two recordings would be called {source.recording}: {other.path} and "
                    f"{source.path}. Give the folder that holds both instead."
                )
            seen.add(place)
    if not found:
        raise CorpusError("No recording is given. Name files or folders.")
    return [found[name] for name in sorted(found)]


def _sources_at(path: Path) -> list[Source]:
    if path.is_file():
        return [Source(readable(path.name), path)]
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist. Name files or folders of recordings.")
    sources = [
        Source(readable(file.relative_to(path).as_posix()), file) for file in recordings_in(path)
    ]
    if not sources:
        raise CorpusError(
            f"{path} holds no recording: no file there ends in {', '.join(SUFFIXES)}. "
            "Name tables and NumPy archives themselves."
        )
    _tell_of_unread(path)
    return sources


def _tell_of_unread(folder: Path) -> None:
    names = [file.name for file in files_in(folder) if file.suffix.lower() in UNREAD]
    if names:
        warnings.warn(
            f"{folder}: {listed(names, 3)} passed over, of formats that are not "
            f"supported. Supported are {', '.join(SUFFIXES)}.",
            stacklevel=5,
        )


def subject_pattern(text: str) -> re.Pattern[str]:
    """Compile the user's pattern for subjects; its first group is the subject's name.

    Raises
    ------
    ConfigError
        If it is no regular expression, or has no group.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ConfigError(f"subject: {text!r} is no regular expression ({error}).") from error
    if pattern.groups == 0:
        raise ConfigError(
            f"subject: {text!r} has no group. Put parentheses around the subject's name."
        )
    return pattern


def subject_of(recording: str, pattern: re.Pattern[str] | None) -> str:
    """Name of a recording's subject, from its path relative to the folder given.

    It is the pattern's first group where there is a pattern, else the BIDS entity ``sub-…``, else
    what the names of PhysioNet's eegmmidb, CHB-MIT, Sleep-EDF, TUH or ``P00_rest`` say, else the
    file's stem. What the file's header says of a person is not looked at.

    Raises
    ------
    CorpusError
        If the pattern does not match.
    """
    if pattern is None:
        entities = _BIDS_SUBJECT.findall(recording)
        if entities:
            return str(entities[-1])
        stem = PurePosixPath(recording).stem
        matches = (known.fullmatch(stem) for known in _KNOWN_SUBJECTS)
        return next((found[1] for found in matches if found), stem)
    match = pattern.search(recording)
    if match is None or not match[1]:
        raise CorpusError(
            f"subject: {pattern.pattern!r} finds no subject in {recording}. "
            "It is searched in the path relative to the folder given, and must match every file."
        )
    return match[1]
