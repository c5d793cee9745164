"""The recordings to prepare: finding and opening them, and whose they are."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from biot.corpus.subjects import OWN
from biot.errors import ConfigError, CorpusError, listed
from biot.signals.formats.files import SUFFIXES, TABLES, UNREAD, files_in, recordings_in
from biot.signals.readers import is_table, read_recording
from biot.signals.recording import Recording

__all__ = [
    "Source",
    "Subject",
    "TableOptions",
    "find_sources",
    "opened",
    "readable",
    "subject_of",
    "subject_pattern",
]


@dataclass(frozen=True)
class Source:
    """A file to prepare."""

    recording: str
    """Its path relative to the folder given, with forward slashes; its name if given itself. Bytes
    that are not UTF-8 are written as ``\\udc..``."""
    path: Path
    read: Callable[[], Recording] | None = field(default=None, compare=False)
    """How it is opened, where a layout finds several recordings in one file."""
    files: tuple[Path, ...] = ()
    """Those that it is read from, if a layout opens it."""


@dataclass(frozen=True)
class TableOptions:
    """What recordings in tables and NumPy archives may not say themselves."""

    sfreq: float | None = None
    """Their rate in Hz."""
    units: str | None = None
    """Unit of all their channels."""
    columns: tuple[str, ...] = ()
    """Columns that are channels although they look like labels, clocks or counters."""
    labels: tuple[str, ...] = ()
    """Columns that label the samples."""

    def of(self, path: Path, *, units_later: bool = False) -> dict[str, Any]:
        """Options of :func:`biot.signals.read_recording` for a file; none for other formats.

        With `units_later`, a table or archive need not say units.
        """
        given = asdict(self)
        if self.units is None and units_later:
            given["units"] = ""
        return {k: v for k, v in given.items() if v not in (None, ())} if is_table(path) else {}

    def require_a_table(self, sources: Sequence[Source]) -> None:
        """Raise ``ConfigError`` if something is said of tables, but none is given."""
        is_given = self.sfreq is not None or self.units is not None
        if is_given and not any(is_table(source.path) for source in sources):
            raise ConfigError(
                "table_sfreq and table_units are for tables and NumPy archives, but no such "
                "recording is given; other formats say their rate, and units= is for all formats."
            )


def opened(source: Source, tables: TableOptions, *, units_later: bool = False) -> Recording:
    """A recording; `tables` says what tables do not, as :meth:`TableOptions.of` gives it."""
    if source.read is not None:
        return source.read()
    return read_recording(source.path, **tables.of(source.path, units_later=units_later))


def readable(text: str) -> str:
    """Text that UTF-8 can hold: names of files may be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def find_sources(
    paths: str | Path | Sequence[str | Path],
    *,
    tables: bool = False,
    but: Sequence[Path] = (),
    searchable: bool = True,
) -> list[Source]:
    """The recordings among files and, recursively, in folders, sorted by name.

    In folders those count that :func:`biot.signals.recordings_in` finds; a file that is given
    itself is taken as it is.

    Parameters
    ----------
    tables
        Search folders for tables and NumPy archives too.
    but
        Files that are none of them, such as the table of labels.
    searchable
        Whether the caller has an option to set `tables`, which messages may name.

    Raises
    ------
    CorpusError
        If a path does not exist, a folder holds no recording, or two have the same name.
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    found: dict[str, Source] = {}
    seen: set[str] = set()
    for path in map(Path, given):
        for source in _sources_at(path, tables, but, searchable):
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


def _sources_at(path: Path, tables: bool, but: Sequence[Path], searchable: bool) -> list[Source]:
    if path.is_file():
        return [Source(readable(path.name), path)]
    if not path.is_dir():
        raise CorpusError(f"{path} does not exist. Name files or folders of recordings.")
    found = recordings_in(path, tables=tables)
    if tables:
        others = {os.path.realpath(each) for each in but}
        found = [file for file in found if os.path.realpath(file) not in others]
    sources = [Source(readable(file.relative_to(path).as_posix()), file) for file in found]
    if not sources:
        suffixes = (*SUFFIXES, *TABLES) if tables else SUFFIXES
        option = ", or set search_tables" if searchable else ""
        way_out = "" if tables else f" Name tables and NumPy archives themselves{option}."
        raise CorpusError(
            f"{path} holds no recording: no file there ends in {', '.join(suffixes)}.{way_out}"
        )
    _tell_of_unread(path)
    return sources


def _tell_of_unread(folder: Path) -> None:
    names = [file.name for file in files_in(folder) if file.suffix.lower() in UNREAD]
    if names:
        warnings.warn(
            f"{folder}: {listed(names, 3)} passed over, of formats that are not "
            f"supported. Supported are {', '.join(SUFFIXES)}. Save them as EDF or FIF with a "
            "package that reads them, such as MNE.",
            stacklevel=5,
        )


class Subject(NamedTuple):
    """A subject, and what named it."""

    name: str
    origin: str
    """In words, such as ``"the file names (BIDS)"``; kept in the manifest."""


_BY_PATTERN = "--subject"


_BIDS = re.compile(r"(?:^|[/_])sub-([A-Za-z0-9]+)")


_COLLECTIONS = {
    "PhysioNet, eegmmidb": r"(S\d{3})R\d{2}",  # S001R04
    "CHB-MIT": r"(chb\d{2})[a-z]?_\d+\+?",  # chb01_03
    "Sleep-EDF": r"(S[CT][47]\d{2})\d[A-Z]\w(?:-PSG|-Hypnogram)?",  # SC4ssNE0-PSG, N the night
    "TUH": r"([a-z]{8}|\d{8})_s\d{3}_t\d{3}",  # aaaaaaac_s001_t000
    "TUEV": r"([a-z]{8})_0{5}\d{3}",  # aaaaaaar_00000001
    "BCI Competition IV": r"(A0\d|B0\d(?=\d\d))(?:\d\d)?[TE]",  # A01T, B0103T
    "Siena": r"(PN\d{2})-\d.*",  # PN00-1
    "SHHS": r"shhs[12]-(\d{6})",  # shhs1-200001
}
"""How known collections name files, the subject first; the whole stem must match."""


_FOLDERS = {
    "TUH": r"([a-z]{8}|\d{8})/s\d{3}(?:_[^/]*)?",  # aaaaaaac/s001_2002/02_tcp_le/
    "CHB-MIT": r"(chb\d{2})",
    "Siena": r"(PN\d{2})",
}
"""The same of folders; one whole folder must match, or two that follow each other."""


_END = r"(?![A-Za-z0-9])"
_WORD = (
    r"(?<![A-Za-z0-9])((?:subject|subj|sub|participant|patient|pat|proband|volunteer|person|user)"
    rf"(?:[-_ ]?\d+[a-z]?|[-_ ][a-z]\d*)){_END}"
)
_LETTERS = r"((?!p300\b|p300_)(?:vp|pt|p)[-_ ]?\d+)", r"(s[-_ ]?\d+)"
"""P01/S02_rest is session 2 of P01, so that P goes before S; P300 is a kind of experiment."""


def _ignoring_case(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_WORD_IN_STEM = _ignoring_case(_WORD)
_WORD_IN_FOLDER = _ignoring_case(_WORD + r"(?![-_ ]*(?:-|to)[-_ ]*\d)")  # not subject1-10
_LETTER_RULES = [(_ignoring_case(f"^{p}$"), _ignoring_case(f"^{p}{_END}")) for p in _LETTERS]
"""Of each letter the rule for folders, and that for the beginning of a file's stem."""


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
        raise ConfigError(
            f"subject must be a regular expression, got {text!r} ({error})."
        ) from error
    if pattern.groups == 0:
        raise ConfigError(
            f"subject must have a group, but {text!r} has no group. Put parentheses around the "
            "subject's name."
        )
    return pattern


def subject_of(
    recording: str, pattern: re.Pattern[str] | None = None, *, labelled_by_folder: bool = False
) -> Subject:
    """Subject of a recording, from its path relative to the folder given.

    The first of these that there is: the pattern's first group; the BIDS entity ``sub-…``; a folder
    such as ``subject_03``; the names and folders of known collections (eegmmidb, CHB-MIT,
    Sleep-EDF, TUH, BCI Competition IV, Siena, SHHS); a file name with ``subject03`` in it; ``P03``,
    then ``S03``, as a folder or at the beginning of the file name. Of several folders the outer
    one counts. Otherwise the recording is its own subject, by the file's stem. What the file's
    header says of a person is not looked at.

    Parameters
    ----------
    recording
        With forward slashes.
    pattern
        See :func:`subject_pattern`.
    labelled_by_folder
        Whether the folder that the file lies in is its label: ``S2`` is a stage of sleep then.

    Raises
    ------
    CorpusError
        If the pattern does not match.
    """
    if pattern is not None:
        return Subject(_by_pattern(recording, pattern), _BY_PATTERN)
    entities = _BIDS.findall(recording)
    if entities:
        return Subject(str(entities[-1]), "the file names (BIDS)")
    path = PurePosixPath(recording)
    folders, stem = path.parent.parts, path.stem
    return (
        _in_folders(_WORD_IN_FOLDER, folders)
        or _of_collection(folders, stem)
        or _in_stem(_WORD_IN_STEM, stem)
        or _by_letter(folders[: len(folders) - labelled_by_folder], stem)
        or Subject(stem, OWN)
    )


def _by_pattern(recording: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(recording)
    if match is None or not match[1]:
        raise CorpusError(
            f"subject must match every file, but {pattern.pattern!r} finds no subject in "
            f"{recording}. It is searched in the path relative to the folder given."
        )
    return match[1]


def _in_folders(pattern: re.Pattern[str], folders: Sequence[str]) -> Subject | None:
    found = next(filter(None, map(pattern.search, folders)), None)
    return Subject(found[1], "the folder") if found is not None else None


def _in_stem(pattern: re.Pattern[str], stem: str) -> Subject | None:
    found = pattern.search(stem)
    return Subject(found[1], "the file names") if found is not None else None


def _by_letter(folders: Sequence[str], stem: str) -> Subject | None:
    for of_folder, of_stem in _LETTER_RULES:
        found = _in_folders(of_folder, folders) or _in_stem(of_stem, stem)
        if found is not None:
            return found
    return None


def _of_collection(folders: Sequence[str], stem: str) -> Subject | None:
    for name, pattern in _COLLECTIONS.items():
        found = re.fullmatch(pattern, stem, re.IGNORECASE)
        if found is not None:
            return Subject(found[1], f"the file names ({name})")
    for name, pattern in _FOLDERS.items():
        found = re.search(rf"(?:^|/){pattern}/", "/".join((*folders, "")))
        if found is not None:
            return Subject(found[1], f"the folder ({name})")
    return None
