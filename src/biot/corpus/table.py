"""`LabelTable`: labels, and perhaps subjects, of recordings from a .tsv or .csv file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from biot.errors import CorpusError
from biot.signals.recording import Annotation

__all__ = ["LabelTable", "Row"]

FILE_COLUMNS = ("file", "filename", "recording", "path")
_DELIMITERS = {".tsv": "\t", ".csv": ","}


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    number: int
    """Line of the file, the header being line 1."""
    file: str
    label: str
    subject: str | None
    span: tuple[float, float] | None
    """Onset and duration in seconds; None for the whole recording."""


@dataclass(frozen=True)
class LabelTable:
    """Rows of a table, each given to the recording that it names."""

    path: Path
    rows: dict[str, tuple[Row, ...]]
    """The rows of each recording that has any."""
    has_events: bool
    """Whether rows label stretches of a recording, not the whole."""
    has_subjects: bool

    def annotations(self, recording: str, duration: float) -> list[Annotation]:
        """Labelled stretches of a recording that lasts `duration` seconds.

        Raises
        ------
        CorpusError
            If a stretch begins outside the recording.
        """
        stretches = []
        for row in self.rows.get(recording, ()):
            onset, length = row.span or (0.0, duration)
            if not 0 <= onset < duration:
                raise CorpusError(
                    f"{self.path}, line {row.number}: onset is {onset:g} s, "
                    f"but {recording} lasts {duration:g} s. Onsets count in seconds from its start."
                )
            stretches.append(Annotation(onset, length, row.label))
        return stretches

    def subject(self, recording: str) -> str:
        """Subject of a recording that has a row, in a table with subjects."""
        return self.rows[recording][0].subject or ""

    @classmethod
    def read(cls, path: Path, recordings: Sequence[str]) -> LabelTable:
        """Read a table and match its rows to the recordings of a corpus.

        Parameters
        ----------
        path
            A ``.tsv`` or ``.csv`` file in UTF-8 whose first line names the columns: one of
            ``file``, ``filename``, ``recording``, ``path``; ``label``; and, where wanted,
            ``subject``, and ``onset`` and ``duration`` in seconds. Further columns are ignored.
        recordings
            Their paths relative to the folder given. A row names one by this path, by its file
            name or by the name without suffix.

        Raises
        ------
        CorpusError
            If a column is missing, a cell is empty or not a number, a row names no recording
            or several, or rows contradict each other; with table, line and column.
        """
        columns, lines = _read_lines(path)
        rows = [_row(path, number, columns, cells) for number, cells in lines]
        names = _Names(recordings)
        matched: dict[str, list[Row]] = {}
        for row in rows:
            matched.setdefault(names.match(path, row), []).append(row)
        table = cls(
            path=path,
            rows={name: tuple(of_name) for name, of_name in matched.items()},
            has_events="onset" in columns,
            has_subjects="subject" in columns,
        )
        table._require_consistent()
        return table

    def _require_consistent(self) -> None:
        for recording, rows in self.rows.items():
            first, *others = rows
            for row in others:
                if not self.has_events:
                    raise CorpusError(
                        f"{self.path}: lines {first.number} and {row.number} both label "
                        f"{recording}. Keep one, or give each an onset and a duration."
                    )
                if row.subject != first.subject:
                    raise CorpusError(
                        f"{self.path}, column subject: lines {first.number} and {row.number} give "
                        f"{recording} the subjects {first.subject} and {row.subject}."
                    )


def _read_lines(path: Path) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
    """Position of each column, and the cells of each line that is not blank."""
    delimiter = _DELIMITERS.get(path.suffix.lower())
    if delimiter is None:
        raise CorpusError(
            f"labels must be none, annotations, or a table that ends in .tsv or .csv; got {path}."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CorpusError(f"{path}: cannot be read as a UTF-8 table ({reason}).") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) < 2:
        raise CorpusError(f"{path}: the table holds no row below its header.")
    (_, header), *body = lines
    columns = {name.lower(): place for place, name in enumerate(header)}
    _require_columns(path, header, columns)
    for number, cells in body:
        if len(cells) != len(header):
            raise CorpusError(
                f"{path}, line {number}: {len(cells)} cells for {len(header)} columns."
            )
    return columns, body


def _require_columns(path: Path, header: list[str], columns: dict[str, int]) -> None:
    found = f"it has {', '.join(header)}"
    if len(columns) < len(header):
        raise CorpusError(f"{path}: two columns have the same name; {found}.")
    naming = [name for name in FILE_COLUMNS if name in columns]
    if len(naming) != 1:
        problem = "no column names" if not naming else f"{' and '.join(naming)} both name"
        raise CorpusError(
            f"{path}: {problem} the recording; {found}. Have one of {', '.join(FILE_COLUMNS)}."
        )
    if "label" not in columns:
        raise CorpusError(f"{path}: the column label is missing; {found}.")
    if ("onset" in columns) != ("duration" in columns):
        missing = "duration" if "onset" in columns else "onset"
        raise CorpusError(
            f"{path}: the column {missing} is missing; {found}. Events need an onset and a "
            "duration in seconds; for labels of whole recordings remove both columns."
        )


def _row(path: Path, number: int, columns: dict[str, int], cells: list[str]) -> Row:
    def cell(name: str) -> str:
        text = cells[columns[name]]
        if not text:
            raise CorpusError(f"{path}, line {number}: the column {name} is empty.")
        return text

    def seconds(name: str) -> float:
        text = cell(name)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise CorpusError(
                f"{path}, line {number}: the column {name} must be a number of seconds from 0 on, "
                f"got {text!r}."
            )
        return value

    return Row(
        number=number,
        file=cell(next(name for name in FILE_COLUMNS if name in columns)),
        label=cell("label"),
        subject=cell("subject") if "subject" in columns else None,
        span=(seconds("onset"), seconds("duration")) if "onset" in columns else None,
    )


class _Names:
    """The recordings of a corpus by path, by file name and by stem."""

    def __init__(self, recordings: Sequence[str]) -> None:
        self._recordings = recordings
        self._spellings: tuple[dict[str, list[str]], ...] = ({}, {}, {})
        for recording in recordings:
            path = PurePosixPath(recording)
            for known, spelling in zip(
                self._spellings, (recording, path.name, path.stem), strict=True
            ):
                known.setdefault(spelling, []).append(recording)

    def match(self, table: Path, row: Row) -> str:
        """The one recording that a row names."""
        wanted = PurePosixPath(row.file.replace("\\", "/")).as_posix()
        matches = next((known[wanted] for known in self._spellings if wanted in known), [])
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise CorpusError(
                f"{table}, line {row.number}: {row.file} may be {' or '.join(matches)}. "
                "Write its path relative to the folder."
            )
        close = get_close_matches(wanted, self._recordings, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise CorpusError(
            f"{table}, line {row.number}: no recording is called {row.file}; "
            f"{len(self._recordings)} were found.{hint}"
        )
