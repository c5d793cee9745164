"""Finding the file of labels beside a recording, and reading it, whatever its kind."""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from biot.corpus.builder.labels.sidecars import (
    chb_mit,
    edf,
    events,
    hypnogram,
    nsrr,
    siena,
    tuh,
    wfdb,
)
from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar
from biot.errors import RecordingError, listed
from biot.signals.recording import Recording

__all__ = [
    "KINDS",
    "Found",
    "find_sidecar",
    "find_sidecars",
    "read_sidecar",
    "scorings_among",
]

KINDS: tuple[Kind, ...] = (
    *edf.KINDS, *tuh.KINDS, *chb_mit.KINDS, *siena.KINDS, *events.KINDS, *nsrr.KINDS, *wfdb.KINDS,
    *hypnogram.KINDS,
)  # fmt: skip
"""In the order of preference: of several files beside a recording, the first counts."""


@dataclass(frozen=True)
class Found:
    """A file of labels beside a recording."""

    path: Path
    kind: str
    """In words."""
    events_only: bool = False
    """Whether it marks events, and what lies between them is background."""
    others: tuple[str, ...] = ()
    """Kinds of further files that fit, and were not taken."""


class _Folders:
    """The names of the files in folders, each folder listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, list[tuple[str, str]]] = {}

    def starting(self, folder: Path, prefix: str) -> Iterator[Path]:
        """Files whose names start with a text, in any case."""
        if folder not in self._names:
            try:
                names = os.listdir(folder)
            except OSError:
                names = []
            self._names[folder] = sorted((name.casefold(), name) for name in names)
        known = self._names[folder]
        prefix = prefix.casefold()
        for folded, name in known[bisect.bisect_left(known, (prefix, "")) :]:
            if not folded.startswith(prefix):
                return
            yield folder / name


def find_sidecar(path: Path, suffix: str | None = None) -> Path | None:
    """The file of labels beside a recording; None if there is none.

    Parameters
    ----------
    path
        The recording.
    suffix
        How the name of the file ends, such as ``.tse_bi`` or ``_hypno.txt``; None: of all kinds
        that are there, the first of :data:`KINDS`.
    """
    found = find_sidecars([path], suffix)
    return found[path].path if path in found else None


def find_sidecars(recordings: Sequence[Path], suffix: str | None = None) -> dict[Path, Found]:
    """The file of labels of each recording that has one, see :func:`find_sidecar`."""
    folders = _Folders()
    found = {}
    for path in recordings:
        one = _named(path, suffix, folders) if suffix else _known(path, folders)
        if one is not None:
            found[path] = one
    return found


def scorings_among(recordings: Sequence[Path]) -> set[Path]:
    """Annotation-only EDF+ files that belong to one of the recordings."""
    folders = _Folders()
    kinds = edf.KINDS
    return {
        file for path in recordings for kind in kinds for file in _candidates(kind, path, folders)
    }


def _known(path: Path, folders: _Folders) -> Found | None:
    first: tuple[Kind, Path] | None = None
    others = []
    for kind in KINDS:
        if kind.on_request:
            continue
        for file in _candidates(kind, path, folders):
            if first is None:
                first = kind, file
            elif file != first[1] and kind.name not in others and kind.name != first[0].name:
                others.append(kind.name)
            break
    if first is None:
        return None
    kind, file = first
    return Found(file, kind.name, kind.events_only, tuple(others))


def _candidates(kind: Kind, path: Path, folders: _Folders) -> Iterator[Path]:
    """Files of a kind that belong to a recording by name, or place, and content."""
    for stem in _stems(path):
        pattern = re.compile(re.escape(stem.casefold()) + f"(?:{kind.pattern})")
        for file in folders.starting(path.parent, stem):
            if pattern.fullmatch(file.name.casefold()) and _is_one(kind, file, path):
                yield file
    for file in _elsewhere(kind, path):
        if _is_one(kind, file, path):
            yield file


def _elsewhere(kind: Kind, path: Path) -> list[Path]:
    return list(kind.elsewhere(path)) if kind.elsewhere is not None else []


def _is_one(kind: Kind, file: Path, path: Path) -> bool:
    if file.name == path.name or not file.is_file():
        return False
    return kind.recognises is None or kind.recognises(file, path)


def _stems(path: Path) -> list[str]:
    """What the names of files of labels may begin with: the recording's stem, and what it is of."""
    stems = [path.stem]
    base = re.sub(r"[-_](?:psg|eeg|raw)$", "", path.stem, flags=re.IGNORECASE)
    if base != path.stem:
        stems.append(base)
    if re.fullmatch(r"s[ct]\d{4}[a-z][a-z0-9]-psg", path.stem, re.IGNORECASE):  # Sleep-EDF
        stems += [path.stem[:7], path.stem[:6]]
    return stems


def _named(path: Path, suffix: str, folders: _Folders) -> Found | None:
    """The file that ends as the user says."""
    wanted = suffix.casefold()
    for stem in _stems(path):
        for file in folders.starting(path.parent, stem):
            rest = file.name[len(stem) :].casefold()
            if file.name != path.name and rest in _ways_to_write(wanted) and file.is_file():
                return _found(file, path)
    for kind in KINDS:
        for file in _candidates(kind, path, folders):
            if file.name.casefold().endswith(wanted):
                return Found(file, kind.name, kind.events_only)
    return None


def _ways_to_write(suffix: str) -> set[str]:
    return {suffix, *(f"{separator}{suffix}" for separator in ".-_")}


def _found(file: Path, path: Path) -> Found:
    kind = _kind_of(file, path)
    return Found(file, "unknown" if kind is None else kind.name, bool(kind and kind.events_only))


def _kind_of(file: Path, recording: Path) -> Kind | None:
    """The kind of a file of labels: by its name and content, else by its content alone."""
    name = file.name.casefold()
    for kind in KINDS:
        named = re.search(f"(?:{kind.pattern})$", name) is not None
        if (named or file in _elsewhere(kind, recording)) and _is_one(kind, file, recording):
            return kind
    chosen = (k for k in KINDS if k.any_name and _is_one(k, file, recording))
    return next(chosen, None)


def read_sidecar(sidecar: Path, recording: Path | Recording) -> Sidecar:
    """What a file of labels says of a recording.

    Parameters
    ----------
    sidecar
        The file, as :func:`find_sidecar` gives it.
    recording
        The recording, or its file.

    Raises
    ------
    RecordingError
        If the file is damaged, or of no kind that is known.
    """
    beside = Beside(recording)
    kind = _kind_of(sidecar, beside.path)
    if kind is None:
        raise RecordingError(
            f"{sidecar.name}: is no file of labels that is known. Known are "
            f"{_listed(k.name for k in KINDS)}. Other labels can be given as a table."
        )
    return kind.read(sidecar, beside)


def _listed(names: Iterable[str]) -> str:
    return listed(list(dict.fromkeys(names)), 30)
