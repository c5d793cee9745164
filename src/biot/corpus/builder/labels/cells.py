"""The cells of a table of labels, and which recordings they name."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from biot.errors import CorpusError, counted, near_word
from biot.io import true_cell
from biot.signals.formats.files import SPREADSHEETS, is_spreadsheet

__all__ = [
    "NOT_SAID",
    "Recordings",
    "Sheet",
    "read_sheet",
]

_DELIMITERS = {".tsv": ("\t", ",;"), ".csv": (",;", "\t")}
"""By suffix: those that are looked for, and those that count where none of them is there; of two,
spreadsheets take the one that their country's commas leave."""
_SAID = re.compile(r"sep=(.)", re.IGNORECASE)
"""A first line of spreadsheets that says the delimiter."""


NOT_SAID = ("", "n/a", "na", "nan", "none", "null")
"""What stands, in any case, where a cell says nothing."""


@dataclass(frozen=True)
class Sheet:
    """The cells of a table."""

    path: Path
    header: tuple[str, ...]
    lines: tuple[tuple[int, list[str]], ...]
    """Number in the file, the header being line 1, and cells of each line that is not blank."""
    decimal_comma: bool = False
    """Whether commas in numbers are decimal, as nothing else separates the cells by commas."""

    @cached_property
    def columns(self) -> dict[str, int]:
        """Position of each column, by its name in lower case."""
        return {name.lower(): place for place, name in enumerate(self.header)}

    @property
    def has(self) -> str:
        """The columns, for a message."""
        return f"it has {', '.join(self.header)}"

    def without(self, names: Collection[str]) -> Sheet:
        """The same without some columns, in any case; those that are not there are passed over."""
        kept = [place for place, name in enumerate(self.header) if name.lower() not in names]
        return Sheet(
            self.path,
            tuple(self.header[place] for place in kept),
            tuple((number, [cells[place] for place in kept]) for number, cells in self.lines),
            self.decimal_comma,
        )

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
    if path.suffix.lower() in SPREADSHEETS or (os.access(path, os.R_OK) and is_spreadsheet(path)):
        raise CorpusError(
            f"{path}: is a spreadsheet, which is not read. Save the sheet as .csv from the program "
            "that made it, and give that file for labels."
        )
    delimiters = _DELIMITERS.get(path.suffix.lower())
    if delimiters is None:
        raise CorpusError(
            "labels must be none, annotations, sidecars, samples, triggers, folder, or a table "
            "that ends in .tsv or .csv; "
            f"got {path}."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            said = _SAID.fullmatch(first.strip("\r\n"))
            if said is None:
                file.seek(0)
            delimiter = _delimiter(first, *delimiters) if said is None else said[1]
            reader = csv.reader(file, delimiter=delimiter)
            lines = [
                (reader.line_num + (said is not None), [true_cell(cell.strip()) for cell in cells])
                for cells in reader
            ]
        if any("\0" in cell for _, cells in lines for cell in cells):
            raise CorpusError("it holds zero bytes, which are no text")
    except (OSError, UnicodeDecodeError, csv.Error, CorpusError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        way_out = " Save it as UTF-8." if isinstance(error, UnicodeDecodeError) else ""
        raise CorpusError(
            f"{path}: cannot be read as a UTF-8 table ({reason}).{way_out}"
        ) from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) < 2:
        raise CorpusError(f"{path}: the table holds no row below its header.")
    (_, header), *body = lines
    sheet = Sheet(path, tuple(header), tuple(body), delimiter != ",")
    if len(sheet.columns) < len(header):
        raise CorpusError(f"{path}: two columns have the same name; {sheet.has}.")
    for number, cells in body:
        if len(cells) != len(header):
            raise CorpusError(
                f"{path}, line {number}: {counted(len(cells), 'cell')} for "
                f"{counted(len(header), 'column')}."
            )
    return sheet


def _delimiter(first: str, usual: str, others: str) -> str:
    """The delimiter of a table, by its first line."""
    here = usual if any(one in first for one in usual) else others
    return max(here, key=first.count) if any(one in first for one in here) else usual[0]


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
    """Where a recording lies; names of folders without case."""

    recording: str
    """Its path relative to the folder given."""
    inside: tuple[str, ...]
    """The folders of that path."""
    above: tuple[str, ...]
    """All folders of its full path."""


class _Named(NamedTuple):
    """What a cell says."""

    path: PurePosixPath
    name: str
    """Of the file; perhaps with the suffix of the header that it is read with."""
    folders: tuple[str, ...]
    """Without case."""
    at_table: tuple[str, ...]
    """The folders of the full path, if it is relative to the table; without case."""
    absolute: bool


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
        self._known: dict[tuple[str, str | None], list[_Place]] = {}
        """By name or stem and the folder that they lie in; with None: in any."""
        for recording in recordings:
            path = PurePosixPath(recording)
            full = recording if places is None else os.path.abspath(places[recording])
            inside, above = _folded(path.parent.parts), _folded(Path(full).parent.parts)
            place = _Place(recording, inside, above)
            folders = {None, above[-1] if inside else ""}
            for name in {path.name.casefold(), path.stem.casefold()}:
                for folder in folders:
                    self._known.setdefault((name, folder), []).append(place)

    def __len__(self) -> int:
        return len(self._recordings)

    def hint(self, text: str) -> str:
        """The recording that a name may be meant to be, for a message."""
        close = get_close_matches(text, self._recordings, n=1, cutoff=0.5)
        return f" Did you mean {close[0]}?" if close else ""

    def of_column(self, sheet: Sheet, column: str) -> list[list[str]]:
        """The recordings that each cell of a column may name, see :meth:`named`."""
        cells = sheet.cells(column)
        base = Path(os.path.abspath(sheet.path)).parent
        known = {text: self.named(text, base) for text in set(cells)}
        return [known[text] for text in cells]

    def by_file_names(self, sheet: Sheet, column: str) -> list[list[str]] | None:
        """The recordings of a column's cells by file name alone, whatever folders the cells say.

        Only where all recordings lie directly in the folder given, as after a download of single
        files, and no two cells name one recording; else None.
        """
        if any("/" in recording for recording in self._recordings):
            return None
        cells = sheet.cells(column)
        names = {text: PurePosixPath(text.replace("\\", "/")).name.casefold() for text in cells}
        found = {
            text: [place.recording for place in self._known.get((name, ""), [])]
            for text, name in names.items()
        }
        hits = [recording for matches in found.values() for recording in matches]
        return [found[text] for text in cells] if hits and len(set(hits)) == len(hits) else None

    def named(self, text: str, base: Path) -> list[str]:
        """The recordings that a cell of a table may name: none, or those that fit equally well.

        Case counts only where it tells two apart. A path may be relative to the folder given, to
        one above it or to `base`, the table's own; of the path of another machine, and of one above
        the folder given, the end has to agree with the folders within the folder given.
        """
        path = PurePosixPath(text.replace("\\", "/"))
        folders = tuple(part for part in path.parent.parts if part != "/")
        at_table = _folded(Path(os.path.normpath(base.joinpath(*folders))).parts)
        absolute = path.is_absolute() or (bool(folders) and folders[0].endswith(":"))
        for name in (path.name, *_names_of_headers(path)):
            cell = _Named(path, name, _folded(folders), at_table, absolute)
            fits = [
                (fit, place.recording)
                for place in self._near(cell)
                if (fit := _fit(cell, place)) is not None
            ]
            if fits:
                best = max(fit for fit, _ in fits)
                return [recording for fit, recording in fits if fit == best]
        return []

    def _near(self, cell: _Named) -> list[_Place]:
        """Recordings of the cell's name that may lie where it says."""
        name = cell.name.casefold()
        if not cell.folders or cell.folders[-1] == "..":
            return self._known.get((name, None), [])
        # Those that lie directly in the folder given have no folder that must agree.
        return self._known.get((name, cell.folders[-1]), []) + self._known.get((name, ""), [])


def _names_of_headers(path: PurePosixPath) -> list[str]:
    return [f"{path.stem}{suffix}" for suffix in _HEADERS.get(path.suffix.lower(), ())]


def _fit(cell: _Named, place: _Place) -> tuple[int, ...] | None:
    """How well a cell fits a recording whose name fits; None: not at all. More is better."""
    own = PurePosixPath(place.recording)
    folders, inside, above = cell.folders, place.inside, place.above
    whole = cell.name.casefold() == own.name.casefold()
    there = folders == inside or cell.at_table == above
    exact = there and (whole or bool(folders))
    from_elsewhere = _ends_in(folders, inside) and bool(inside or cell.absolute)
    if not (there or from_elsewhere or _ends_in(above, folders)):
        return None
    n_both = min(len(folders), len(inside))
    one, other = cell.path.parent.parts, own.parent.parts
    spelled = one[len(one) - n_both :] == other[len(other) - n_both :]
    return (
        exact, whole, len(inside) if from_elsewhere else 0,
        spelled and cell.name in (own.name, own.stem),
    )  # fmt: skip


def _ends_in(long: Sequence[str], short: Sequence[str]) -> bool:
    return long[len(long) - len(short) :] == short if len(short) <= len(long) else False


def _folded(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.casefold() for part in parts)
