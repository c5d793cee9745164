"""`LabelTable`: labels, and perhaps subjects, of recordings from a .tsv or .csv file."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from biot.corpus.builder.windowing import Stretch
from biot.corpus.manifest import LabelCounts
from biot.corpus.schema import Label
from biot.errors import CorpusError, near_word
from biot.io import true_cell
from biot.preprocessing import Task
from biot.signals.formats.files import SPREADSHEETS, is_spreadsheet

__all__ = [
    "LabelFormat",
    "LabelTable",
    "Row",
]


_SUBJECT_NAMES = ("participant", "participant_id", "patient", "patient_id", "subject_id")
"""Columns, in any case, that name the subject of a file where there is no ``subject``."""


@dataclass(frozen=True)
class LabelFormat:
    """What labels are, and the columns of a table that hold them."""

    task: Task = "classes"
    columns: tuple[str, ...] = ("label",)

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty cell says something: that no tag holds."""
        return self.task == "multilabel" and len(self.columns) == 1

    def of_cells(self, texts: Sequence[str], where: str) -> Label:
        """Label of one row of a table, whose cells are `texts`, one a column.

        Classes are taken as they are. Tags are separated by ``;`` in one column, or each has a
        column of 0 and 1. Targets are finite numbers.

        Raises
        ------
        CorpusError
            If a text is not what the task needs; `where` begins the message.
        """
        if self.task == "regression":
            named = zip(self.columns, texts, strict=True)
            return tuple(_number(text, f"{where}: the column {name}") for name, text in named)
        if self.task == "multilabel":
            return _tags(texts[0]) if len(texts) == 1 else self._of_flags(texts, where)
        return texts[0] if len(texts) == 1 else tuple(texts)

    def of_text(self, text: str, where: str) -> Label:
        """Label of a text that stands alone, such as an annotation's; as :meth:`of_cells`."""
        if self.task == "regression":
            return (_number(text, where),)
        return _tags(text) if self.task == "multilabel" else text

    def names(self, tally: LabelCounts) -> tuple[str, ...]:
        """Names of the classes, tags or targets of a corpus with these labels."""
        fixed = self.task == "regression" or (self.task == "multilabel" and len(self.columns) > 1)
        return self.columns if fixed else tuple(sorted(tally.counts))

    def _of_flags(self, texts: Sequence[str], where: str) -> Label:
        for name, text in zip(self.columns, texts, strict=True):
            if text not in ("0", "1"):
                raise CorpusError(
                    f"{where}: the column {name} must be 0 or 1, as one of several columns of "
                    f"tags; got {text!r}."
                )
        held = (name for name, text in zip(self.columns, texts, strict=True) if text == "1")
        return tuple(sorted(held))


def _tags(text: str) -> Label:
    return tuple(sorted({tag.strip() for tag in text.split(";")} - {""}))


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CorpusError(f"{where} must be a number, the target of a regression; got {text!r}.")
    return value


FILE_COLUMNS = ("file", "filename", "recording", "path")


SUBJECT_COLUMN = "participant_id"


_DELIMITERS = {".tsv": "\t", ".csv": ",;"}
"""By suffix; of several, spreadsheets take the one that their country's commas leave."""


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    number: int
    """Line of the file, the header being line 1."""
    file: str
    """Name of the recording, or of the subject where the table is one of participants."""
    label: Label
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

    def stretches(self, recording: str, duration: float) -> list[Stretch]:
        """Labelled stretches of a recording that lasts `duration` seconds.

        Raises
        ------
        CorpusError
            If a stretch begins outside the recording.
        """
        found = []
        for row in self.rows.get(recording, ()):
            onset, length = row.span or (0.0, duration)
            if not 0 <= onset < duration:
                raise CorpusError(
                    f"{self.path}, line {row.number}: onset is {onset:g} s, "
                    f"but {recording} lasts {duration:g} s. Onsets count in seconds from its start."
                )
            found.append(Stretch(onset, length, row.label))
        return found

    def subject(self, recording: str) -> str:
        """Subject of a recording that has a row, in a table with subjects."""
        return self.rows[recording][0].subject or ""

    @classmethod
    def read(
        cls,
        path: Path,
        recordings: Sequence[str],
        how: LabelFormat | None = None,
        subject_of: Callable[[str], str] = str,
    ) -> LabelTable:
        """Read a table and match its rows to the recordings of a corpus.

        A table of participants, as BIDS has it, names subjects in its column ``participant_id``
        instead; a row labels every recording of its subject, and one with a label ``n/a`` none.

        Parameters
        ----------
        path
            A ``.tsv`` or ``.csv`` file in UTF-8 whose first line names the columns: one of
            ``file``, ``filename``, ``recording``, ``path``; the columns of labels; and, where
            wanted, ``subject`` (or ``participant``, ``participant_id``,
            ``patient``, ``patient_id``, ``subject_id``), and ``onset`` and ``duration`` in
            seconds. Further columns are
            ignored.
        recordings
            Their paths relative to the folder given. A row names one by this path, by its file
            name or by the name without suffix.
        how
            What the labels are, and their columns; default: classes in the column ``label``.
        subject_of
            Gives the subject of a recording, for a table of participants.

        Raises
        ------
        CorpusError
            If a column is missing, a cell is empty or not a number, a row names no recording
            or several, or rows contradict each other; with table, line and column.
        """
        how = how or LabelFormat()
        columns, lines = _read_lines(path, how)
        if SUBJECT_COLUMN in columns and not set(FILE_COLUMNS) & set(columns):
            lines = [line for line in lines if not _unknown(line[1], columns, how)]
            rows = [_row(path, number, columns, cells, how) for number, cells in lines]
            matched = _by_subject(path, rows, {name: subject_of(name) for name in recordings})
        else:
            rows = [_row(path, number, columns, cells, how) for number, cells in lines]
            names = _Names(recordings)
            matched = {}
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


def _read_lines(path: Path, how: LabelFormat) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
    """Position of each column, and the cells of each line that is not blank."""
    if path.suffix.lower() in SPREADSHEETS or (os.access(path, os.R_OK) and is_spreadsheet(path)):
        raise CorpusError(
            f"{path}: is a spreadsheet, which is not read. Save the sheet as .csv from the program "
            "that made it, and give that file for labels."
        )
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
            lines = [
                (reader.line_num, [true_cell(cell.strip()) for cell in cells]) for cells in reader
            ]
        if any("\0" in cell for _, cells in lines for cell in cells):
            raise CorpusError("it holds zero bytes, which are no text")
    except (OSError, UnicodeDecodeError, csv.Error, CorpusError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CorpusError(f"{path}: cannot be read as a UTF-8 table ({reason}).") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) < 2:
        raise CorpusError(f"{path}: the table holds no row below its header.")
    (_, header), *body = lines
    columns = {name.lower(): place for place, name in enumerate(header)}
    _require_columns(path, header, columns, how)
    _find_subjects(path, columns, how)
    for number, cells in body:
        if len(cells) != len(header):
            raise CorpusError(
                f"{path}, line {number}: {len(cells)} cells for {len(header)} columns."
            )
    return columns, body


def _find_subjects(path: Path, columns: dict[str, int], how: LabelFormat) -> None:
    """Take a column of another known name as that of subjects, where files are named too."""
    labels = {name.lower() for name in how.columns}
    if "subject" in columns or not any(name in columns for name in FILE_COLUMNS):
        return
    named = [name for name in _SUBJECT_NAMES if name in columns and name not in labels]
    if len(named) > 1:
        raise CorpusError(
            f"{path}: the columns {' and '.join(named)} all name the subject. Call the right one "
            "subject."
        )
    if named:
        columns["subject"] = columns[named[0]]


def _require_columns(
    path: Path, header: list[str], columns: dict[str, int], how: LabelFormat
) -> None:
    found = f"it has {', '.join(header)}"
    if len(columns) < len(header):
        raise CorpusError(f"{path}: two columns have the same name; {found}.")
    naming = [name for name in FILE_COLUMNS if name in columns]
    if len(naming) != 1 and (naming or SUBJECT_COLUMN not in columns):
        problem = "no column names" if not naming else f"{' and '.join(naming)} both name"
        raise CorpusError(
            f"{path}: {problem} the recording; {found}. Have one of {', '.join(FILE_COLUMNS)}, "
            f"or {SUBJECT_COLUMN}."
        )
    for name in how.columns:
        if name.lower() not in columns:
            near = near_word(name, header)
            raise CorpusError(f"{path}: the column {name} is missing; {found}.{near}")
    if ("onset" in columns) != ("duration" in columns):
        missing = "duration" if "onset" in columns else "onset"
        raise CorpusError(
            f"{path}: the column {missing} is missing; {found}. Events need an onset and a "
            "duration in seconds; for labels of whole recordings remove both columns."
        )


def _row(
    path: Path, number: int, columns: dict[str, int], cells: list[str], how: LabelFormat
) -> Row:
    def cell(name: str, *, may_be_empty: bool = False) -> str:
        text = cells[columns[name.lower()]]
        if not text and not may_be_empty:
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

    texts = [cell(name, may_be_empty=how.may_be_empty) for name in how.columns]
    return Row(
        number=number,
        file=cell(next(name for name in (*FILE_COLUMNS, SUBJECT_COLUMN) if name in columns)),
        label=how.of_cells(texts, f"{path}, line {number}"),
        subject=cell("subject") if "subject" in columns else None,
        span=(seconds("onset"), seconds("duration")) if "onset" in columns else None,
    )


def _unknown(cells: list[str], columns: dict[str, int], how: LabelFormat) -> bool:
    """Whether a participant's label is not known: BIDS writes ``n/a``."""
    return any(cells[columns[name.lower()]].lower() == "n/a" for name in how.columns)


def _by_subject(path: Path, rows: Sequence[Row], subjects: dict[str, str]) -> dict[str, list[Row]]:
    """The rows of each recording's subject; a participant without a recording is no fault."""
    of_subject: dict[str, list[Row]] = {}
    for row in rows:
        of_subject.setdefault(row.file.removeprefix("sub-"), []).append(row)
    matched = {
        recording: of_subject[key]
        for recording, subject in subjects.items()
        if (key := subject.removeprefix("sub-")) in of_subject
    }
    if not matched:
        recording, subject = next(iter(subjects.items()))
        raise CorpusError(
            f"{path}: no {SUBJECT_COLUMN} with a label is the subject of a recording; the first "
            f"recording is {recording}, of the subject {subject}. Say with subject= where its "
            "name is."
        )
    return matched


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
