"""Finding the file of labels beside a recording, and reading it, whatever its kind."""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from biot.corpus.builder.labels.sidecars import (
    chb_mit,
    edf,
    events,
    hypnogram,
    mne,
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
    "all_sidecars",
    "find_sidecar",
    "find_sidecars",
    "find_unknown",
    "found_in_list",
    "kind_of",
    "read_sidecar",
    "stems_of",
]

KINDS: tuple[Kind, ...] = (
    *edf.KINDS, *tuh.KINDS, *chb_mit.KINDS, *siena.KINDS, *events.KINDS, *nsrr.KINDS, *wfdb.KINDS,
    *hypnogram.KINDS, *mne.KINDS,
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
        self._named: dict[tuple[Path, str], list[Path]] = {}

    def _in(self, folder: Path) -> list[tuple[str, str]]:
        """Names in lower case and as they are, sorted; none of a folder that cannot be listed."""
        if folder not in self._names:
            try:
                names = os.listdir(folder)
            except OSError:
                names = []
            self._names[folder] = sorted((name.lower(), name) for name in names)
        return self._names[folder]

    def starting(self, folder: Path, prefix: str) -> Iterator[tuple[Path, str]]:
        """Files whose names start with a text, in any case, and what follows it."""
        known = self._in(folder)
        prefix = prefix.lower()
        for place in range(bisect.bisect_left(known, (prefix, "")), len(known)):
            lower, name = known[place]
            if not lower.startswith(prefix):
                return
            yield folder / name, lower[len(prefix) :]

    def named(self, folder: Path, pattern: str) -> list[Path]:
        """Files whose whole name in lower case fits a regular expression."""
        if (folder, pattern) not in self._named:
            fits = re.compile(pattern).fullmatch
            self._named[folder, pattern] = [
                folder / name for lower, name in self._in(folder) if fits(lower)
            ]
        return self._named[folder, pattern]


def find_sidecar(path: str | Path, suffix: str | None = None) -> Path | None:
    """The file of labels beside a recording; None if there is none.

    Parameters
    ----------
    path
        The recording.
    suffix
        How the name of the file ends, such as ``.tse_bi`` or ``_hypno.txt``; None: of all kinds
        that are there, the first of :data:`KINDS`.
    """
    path = Path(path)
    found = find_sidecars([path], suffix)
    return found[path].path if path in found else None


def find_sidecars(
    recordings: Sequence[str | Path], suffix: str | None = None, *, own: bool = True
) -> dict[Path, Found]:
    """The file of labels of each recording that has one, see :func:`find_sidecar`.

    Parameters
    ----------
    own
        Whether recordings have no other labels that count. The ``.atr`` of a WFDB record, which
        reading the record reads too, is such a file then, and so are numbers, one a line, in
        ``X.txt``, which may be something else.
    """
    folders = _Folders()
    found = {}
    for path in map(Path, recordings):
        one = _named(path, suffix, folders) if suffix else _known(path, folders, own)
        if one is not None:
            found[path] = one
    return found


_NAMED_AS_LABELS = re.compile(
    r"(?:[-_. ]?(?:hypno\w*|stages?|scoring|events?|annot\w*|labels?|markers?|seizures?|profusion|"
    r"nsrr))?\.(?:csv|tsv|txt|xml|rec)"
)
"""What follows the recording's name where a file beside it may well hold labels."""


def find_unknown(recordings: Sequence[Path], found: Container[Path]) -> dict[Path, str]:
    """How the name of a file beside a recording ends that is called as files of labels are, and is
    of no kind that is known; of the recordings without one that is.
    """
    folders, passed = _Folders(), set(recordings)
    unknown = {}
    for path in recordings:
        ends = (
            rest
            for stem in stems_of(path)
            for file, rest in folders.starting(path.parent, stem)
            if _NAMED_AS_LABELS.fullmatch(rest) and file not in passed and file.is_file()
        )
        end = None if path in found else next(ends, None)
        if end is not None:
            unknown[path] = end
    return unknown


def all_sidecars(recordings: Sequence[Path]) -> set[Path]:
    """All files of labels that belong to recordings, of all kinds that count unless asked for."""
    folders = _Folders()
    kinds = [kind for kind in KINDS if not kind.on_request]
    return {
        file for path in recordings for kind in kinds for file in _candidates(kind, path, folders)
    }


def _known(path: Path, folders: _Folders, own: bool) -> Found | None:
    first: tuple[Kind, Path] | None = None
    others = []
    for kind in KINDS:
        if kind.on_request:
            continue
        for file in _candidates(kind, path, folders, lenient=own):
            if not own and wfdb.is_own(file, path):
                continue
            if first is None:
                first = kind, file
            elif file != first[1] and kind.name not in others and kind.name != first[0].name:
                others.append(kind.name)
            break
    if first is None:
        return None
    kind, file = first
    return Found(file, kind.name, kind.events_only, tuple(others))


def _candidates(
    kind: Kind, path: Path, folders: _Folders, *, lenient: bool = False
) -> Iterator[Path]:
    """Files of a kind that belong to a recording by name, or place, and content."""
    for stem in stems_of(path):
        for file, rest in folders.starting(path.parent, stem):
            if re.fullmatch(kind.pattern, rest) and _is_one(kind, file, path, lenient=lenient):
                yield file
    for file in _elsewhere(kind, path, folders):
        if _is_one(kind, file, path):
            yield file


def _elsewhere(kind: Kind, path: Path, folders: _Folders) -> list[Path]:
    """Files that are not named as the recording is, but may tell of it."""
    near = folders.named(path.parent, kind.of_folder) if kind.of_folder is not None else []
    return [*near, *(kind.elsewhere(path) if kind.elsewhere is not None else ())]


def _is_one(kind: Kind, file: Path, path: Path, *, lenient: bool = False) -> bool:
    if file.name == path.name or not file.is_file():
        return False
    by_content = kind.any_name if lenient and kind.any_name is not None else kind.recognises
    return by_content is None or by_content(file, path)


def stems_of(path: Path) -> list[str]:
    """What the names of files of labels may begin with: the recording's stem, and what it is of."""
    stems = [path.stem]
    base = re.sub(r"[-_ ](?:psg|eeg|raw)$", "", path.stem, flags=re.IGNORECASE)
    if base != path.stem:
        stems.append(base)
    if re.fullmatch(r"s[ct]\d{4}[a-z][a-z0-9]-psg", path.stem, re.IGNORECASE):  # Sleep-EDF
        stems += [path.stem[:7], path.stem[:6]]
    return stems


def _named(path: Path, suffix: str, folders: _Folders) -> Found | None:
    """The file that ends as the user says."""
    wanted = suffix.lower()
    for stem in (*stems_of(path), path.name):  # x.edf.event lies beside x.edf
        for file, rest in folders.starting(path.parent, stem):
            if file.name != path.name and rest in _ways_to_write(wanted) and file.is_file():
                return _found(file, path)
    for kind in KINDS:
        for file in _candidates(kind, path, folders):
            if file.name.lower().endswith(wanted):
                return Found(file, kind.name, kind.events_only)
    return None


def _ways_to_write(suffix: str) -> set[str]:
    return {suffix, *(f"{separator}{suffix}" for separator in ".-_")}


def found_in_list(file: Path, recording: Path) -> Found | None:
    """A file that may tell of several recordings, if it tells of this one, wherever it lies."""
    name = file.name.lower()
    lists = (kind for kind in KINDS if kind.of_folder and re.fullmatch(kind.of_folder, name))
    kind = next((kind for kind in lists if _is_one(kind, file, recording)), None)
    return None if kind is None else Found(file.absolute(), kind.name, kind.events_only)


def kind_of(file: Path, path: Path) -> str:
    """In words, the kind of a file of labels, whatever it is called."""
    return _found(file, path).kind


def _found(file: Path, path: Path) -> Found:
    kind = _kind_of(file, path)
    return Found(file, "unknown" if kind is None else kind.name, bool(kind and kind.events_only))


def _kind_of(file: Path, recording: Path) -> Kind | None:
    """The kind of a file of labels: by its name and content, else by its content alone."""
    file, recording = file.absolute(), recording.absolute()  # each may be given either way
    name, folders = file.name.lower(), _Folders()
    for kind in KINDS:
        named = re.search(f"(?:{kind.pattern})$", name) is not None
        if (named or file in _elsewhere(kind, recording, folders)) and _is_one(
            kind, file, recording
        ):
            return kind
    chosen = (k for k in KINDS if k.any_name and _is_one(k, file, recording, lenient=True))
    return next(chosen, None)


def read_sidecar(sidecar: str | Path, recording: str | Path | Recording) -> Sidecar:
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
    sidecar = Path(sidecar)
    beside = Beside(Path(recording) if isinstance(recording, str) else recording)
    kind = _kind_of(sidecar, beside.path)
    if kind is None:
        raise RecordingError(
            f"{sidecar.name}: is no file of labels of {beside.path.name} that is known: it is "
            "damaged, does not list the recording, or is of another kind. Known are "
            f"{_listed(k.name for k in KINDS)}. "
            "Other labels can be given as a table."
        )
    return kind.read(sidecar, beside)


def _listed(names: Iterable[str]) -> str:
    return listed(list(dict.fromkeys(names)), 30)
