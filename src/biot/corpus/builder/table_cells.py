"""The cells of a table of labels, and which recordings they name."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from biot.errors import CorpusError, near_word

__all__ = [
    "Recordings",
    "Sheet",
    "read_sheet",
]

_DELIMITERS = {".tsv": "\t", ".csv": ",;"}
"""By suffix; of several, spreadsheets take the one that their country's commas leave."""


@dataclass(frozen=True)
class Sheet:
    """The cells of a table."""

    path: Path
    header: tuple[str, ...]
    lines: tuple[tuple[int, list[str]], ...]
    """Number in the file, the header being line 1, and cells of each line that is not blank."""

    @property
    def columns(self) -> dict[str, int]:
        """Position of each column, by its name in lower case."""
        return {name.lower(): place for place, name in enumerate(self.header)}

    @property
    def has(self) -> str:
        """The columns, for a message."""
        return f"it has {', '.join(self.header)}"

    def place(self, name: str) -> int:
        """Position of a column that is there, in any case."""
        return self.columns[name.lower()]

    def cells(self, name: str) -> list[str]:
        """The cells of a column that is there."""
        return [cells[self.place(name)] for _, cells in self.lines]

    def column(self, name: str, option: str) -> str:
        """The header of a column that the user names, in any case.

        Raises
        ------
        CorpusError
            If there is none; the message names the `option`.
        """
        if name.lower() not in self.columns:
            raise CorpusError(
                f"{self.path}: there is no column {name!r}, as {option} says; {self.has}."
                f"{near_word(name, self.header)}"
            )
        return self.header[self.place(name)]

    @staticmethod
    def key(name: str) -> str:
        """A header as rules know it: ``patient_id`` of "Patient ID"."""
        return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def read_sheet(path: Path) -> Sheet:
    """Read the cells of a table.

    Raises
    ------
    CorpusError
        If it is no table in UTF-8 with unequal headers, at least one row, and as many cells in each
        as there are columns.
    """
    delimiters = _DELIMITERS.get(path.suffix.lower())
    if delimiters is None:
        raise CorpusError(
            "labels must be none, annotations, folder, or a table that ends in .tsv or .csv; "
            f"got {path}."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(delimiters, key=first.count))
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CorpusError(f"{path}: cannot be read as a UTF-8 table ({reason}).") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) < 2:
        raise CorpusError(f"{path}: the table holds no row below its header.")
    (_, header), *body = lines
    sheet = Sheet(path, tuple(header), tuple(body))
    if len(sheet.columns) < len(header):
        raise CorpusError(f"{path}: two columns have the same name; {sheet.has}.")
    for number, cells in body:
        if len(cells) != len(header):
            raise CorpusError(
                f"{path}, line {number}: {len(cells)} cells for {len(header)} columns."
            )
    return sheet


_HEADERS = {
    ".eeg": (".vhdr",),
    ".vmrk": (".vhdr",),
    ".dat": (".hea", ".vhdr"),
    ".mat": (".hea",),
    ".atr": (".hea",),
    ".fdt": (".set",),
}
"""Of files that are read with a recording, the suffixes of the recording's own."""


class _Place(NamedTuple):
    """Where a recording lies."""

    recording: str
    """Its path relative to the folder given."""
    inside: tuple[str, ...]
    """The folders of that path."""
    above: tuple[str, ...]
    """All folders of its full path."""


class Recordings:
    """The recordings of a corpus, by all that a cell may call them.

    Parameters
    ----------
    recordings
        Their paths relative to the folder given.
    places
        Their files; None where only the names are known.
    """

    def __init__(self, recordings: Sequence[str], places: Mapping[str, Path] | None = None) -> None:
        self._recordings = recordings
        self._by_name: dict[str, list[_Place]] = {}
        for recording in recordings:
            path = PurePosixPath(recording)
            full = recording if places is None else os.path.abspath(places[recording])
            place = _Place(recording, path.parent.parts, Path(full).parent.parts)
            for name in {path.name.casefold(), path.stem.casefold()}:
                self._by_name.setdefault(name, []).append(place)

    def __len__(self) -> int:
        return len(self._recordings)

    def hint(self, text: str) -> str:
        """The recording that a name may be meant to be, for a message."""
        close = get_close_matches(text, self._recordings, n=1, cutoff=0.5)
        return f" Did you mean {close[0]}?" if close else ""

    def of_column(self, sheet: Sheet, column: str) -> list[list[str]]:
        """The recordings that each cell of a column may name, see :meth:`named`."""
        cells = sheet.cells(column)
        known = {text: self.named(text, sheet.path) for text in set(cells)}
        return [known[text] for text in cells]

    def named(self, text: str, table: Path) -> list[str]:
        """The recordings that a cell of a table may name: none, or those that fit equally well.

        Case counts only where it tells two apart. A path may be relative to the folder given, to
        one above it or to that of the table; of the path of another machine, and of one above the
        folder given, the end has to agree with the folders within the folder given.
        """
        path = PurePosixPath(text.replace("\\", "/"))
        base = Path(os.path.abspath(table)).parent
        names = [path.name, *(f"{path.stem}{end}" for end in _HEADERS.get(path.suffix.lower(), ()))]
        for name in names:
            fits = [
                (fit, place.recording)
                for place in self._by_name.get(name.casefold(), ())
                if (fit := _fit(path, name, place, base)) is not None
            ]
            if fits:
                best = max(fit for fit, _ in fits)
                return [recording for fit, recording in fits if fit == best]
        return []


def _fit(path: PurePosixPath, name: str, place: _Place, base: Path) -> tuple[int, ...] | None:
    """How well a path fits a recording whose name fits; None: not at all. More is better."""
    own = PurePosixPath(place.recording)
    folders = tuple(part for part in path.parent.parts if part != "/")
    whole = name.casefold() == own.name.casefold()
    at_base = _same(Path(os.path.normpath(base.joinpath(*folders))).parts, place.above)
    exact = (_same(folders, place.inside) or at_base) and (whole or bool(folders))
    absolute = path.is_absolute() or (bool(folders) and folders[0].endswith(":"))
    from_elsewhere = _ends_in(folders, place.inside) and bool(place.inside or absolute)
    if not (exact or at_base or from_elsewhere or _ends_in(place.above, folders)):
        return None
    n_both = min(len(folders), len(place.inside))
    ends = [parts[len(parts) - n_both :] for parts in (folders, place.inside)]
    spelled = name in (own.name, own.stem) and ends[0] == ends[1]
    return exact, whole, len(place.inside) if from_elsewhere else 0, spelled


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    return [part.casefold() for part in one] == [part.casefold() for part in other]


def _ends_in(long: Sequence[str], short: Sequence[str]) -> bool:
    return not short or _same(long[-len(short) :], short)
