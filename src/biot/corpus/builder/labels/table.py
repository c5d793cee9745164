"""`LabelTable`: labels, and perhaps subjects, of recordings from a .tsv or .csv file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from biot.corpus.builder.labels.cells import Recordings, Sheet, read_sheet
from biot.corpus.builder.labels.parts import parts_of
from biot.corpus.builder.labels.times import EMPTY, TimeColumns, TimeNames, find_times
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.manifest import LabelCounts
from biot.corpus.schema import Label
from biot.errors import ConfigError, CorpusError, RecordingError, listed, near_word
from biot.preprocessing import Task

__all__ = [
    "Facts",
    "LabelFormat",
    "LabelTable",
    "Row",
    "TableColumns",
]


_SUBJECT_COLUMNS = tuple(
    re.compile(rf"(?:{words})(?:_?(?:id|code|name|no|nr|number))?")
    for words in ("subject|subj|participant|patient|nsrr", "person|user|animal")
)
"""What columns of subjects are called, in any case, with ``_`` for spaces and other separators; the
second only where there is none of the first, since a user may be whoever made the table."""
_FILE_COLUMN = re.compile(
    r"(?:\w+_)?(?:file|filename|filepath|fname|path|record|recording|edf)"
    r"(?:_?(?:name|path|id|file|hr|lr|edf|eeg|ecg))?"
)
"""What columns of recordings are called; of several that fit, the cells decide."""
_FILE_COLUMNS = ("file", "filename", "recording", "path")
"""Those that are named in messages, and preferred."""


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


_NO_SUBJECT = ("n/a", "na", "nan", "null")
"""What stands, in any case, where a subject is not known."""


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
    split: str | None = None
    """Official part of the recording: ``"train"``, ``"valid"`` or ``"test"``; None: not said."""


class Facts(NamedTuple):
    """What a layout says of a recording, whether it has labels or not."""

    subject: str = ""
    subject_from: str = ""
    """What names the subject, in words."""
    session: str | None = None
    split: str | None = None
    """The official part that it belongs to."""
    fault: str | None = None
    """Why its labels cannot be read."""


@dataclass(frozen=True)
class TableColumns:
    """Which columns of a table name recordings and subjects, where the user says so."""

    file: str | None = None
    """Header of the column of recordings; None: one with a known name."""
    subject: str | None = None
    """Header of the column of subjects; None: one with a known name."""
    split: str | None = None
    """Header of the column of official parts; None: there is none."""
    split_parts: str | None = None
    """Which values of it are which part; see :func:`biot.corpus.builder.labels.parts.parts_of`."""
    onset: str | None = None
    """Header of the column of onsets; None: one with a known name. So the next two."""
    duration: str | None = None
    stop: str | None = None
    subjects_are_given: bool = False
    """Whether something else than the table names the subjects."""

    @property
    def named_times(self) -> TimeNames:
        """The columns of times that the user names."""
        return TimeNames(self.onset, self.duration, self.stop)

    times: bool = True
    """Whether columns of times count; else rows label whole recordings, which may have several."""


@dataclass(frozen=True)
class LabelTable:
    """Rows of a table, each given to the recording that it names."""

    path: Path
    rows: dict[str, tuple[Row, ...]]
    """The rows of each recording that has any."""
    has_events: bool
    """Whether rows label stretches of a recording, not the whole."""
    subject_column: str | None = None
    """The column that names the subject of each recording, if there is one."""
    absent: tuple[str, ...] = ()
    """What rows name that is not among the recordings, once each."""
    facts: Mapping[str, Facts] = field(default_factory=dict)
    """Of a layout, what it says of each recording."""
    left_out: tuple[str, ...] = ()
    """Which rows say nothing, in words."""
    notes: tuple[str, ...] = ()
    """What is to be told: columns that were chosen or passed over."""

    @property
    def has_subjects(self) -> bool:
        """Whether rows name the subjects of their recordings."""
        return self.subject_column is not None

    def stretches(
        self, recording: str, duration: float, left_out: Counter[str] | None = None
    ) -> list[Stretch]:
        """Labelled stretches of a recording that lasts `duration` seconds.

        Raises
        ------
        RecordingError
            If all stretches lie outside the recording, or a layout could not read the labels.
        """
        fault = self.facts.get(recording, Facts()).fault
        if fault is not None:
            raise RecordingError(fault)
        counts = Counter() if left_out is None else left_out
        rows, found = self.rows.get(recording, ()), []
        for row in rows:
            onset, length = row.span or (0.0, duration)
            if onset >= duration:
                counts["rows that begin at or beyond the recording's end"] += 1
                continue
            if onset < 0 and onset + length <= 0:
                counts["rows that end before the recording's start"] += 1
                continue
            if onset < 0:
                counts["rows cut at the recording's start"] += 1
                onset, length = 0.0, onset + length
            found.append(Stretch(onset, length, row.label))
        if rows and not found:
            raise RecordingError(
                f"{recording}: it lasts {duration:g} s, and all of its {len(rows)} rows in "
                f"{self.path.name} lie outside: line {rows[0].number} begins at "
                f"{(rows[0].span or (0,))[0]:g} s. Onsets count in seconds from its start."
            )
        return found

    def subject(self, recording: str) -> str:
        """Subject of a recording that has a row, in a table with subjects."""
        return self.rows[recording][0].subject or ""

    def split(self, recording: str) -> str | None:
        """Official part of a recording, where its rows say it."""
        rows = self.rows.get(recording, ())
        return rows[0].split if rows else None

    @classmethod
    def read(
        cls,
        path: Path,
        recordings: Sequence[str],
        how: LabelFormat | None = None,
        subject_of: Callable[[str], str] = str,
        columns: TableColumns | None = None,
        places: Mapping[str, Path] | None = None,
    ) -> LabelTable:
        """Read a table and match its rows to the recordings of a corpus.

        A table without a column of recordings but with one of subjects, as BIDS has in
        ``participants.tsv``, labels every recording of a row's subject, and with a label ``n/a``
        none.

        Parameters
        ----------
        path
            A ``.tsv`` or ``.csv`` file in UTF-8 whose first line names the columns: one of
            recordings (``file``, ``filename``, ``path``, ``recording``, ``record_id``,
            ``filename_hr`` and the like); the columns of labels; and, where wanted, one of subjects
            (``subject``, ``participant_id``, ``patient`` and the like), and ``onset`` and
            ``duration``, or names like them, in seconds. Rows without a label, an onset or a
            recording are left out. Further columns are ignored.
        recordings
            Their paths relative to the folder given. A row names one by its path (relative to this
            folder, to the table's own, or from another machine's), by its file name, or by either
            without suffix.
        how
            What the labels are, and their columns; default: classes in the column ``label``.
        subject_of
            Gives the subject of a recording, for a table of subjects.
        columns
            Which columns are meant, where their names do not say it.
        places
            Where the recordings lie.

        Raises
        ------
        CorpusError
            If a column is missing, a cell is not what it must be, no row names a recording or one
            names several, or rows contradict each other; with table, line and column.
        """
        how, columns = how or LabelFormat(), columns or TableColumns()
        sheet = read_sheet(path)
        _require_columns(sheet, how)
        subjects, notes = _column_of_subjects(sheet, how, columns)
        parts, told = _official_parts(sheet, columns)
        notes += told
        seen = [name for name in (*how.columns, subjects, columns.split, columns.file) if name]
        times = find_times(sheet, seen, columns.named_times) if columns.times else None
        if times is not None and not times.is_plain:
            notes += (times.told,)
        lines = _Lines(sheet, how, parts, times)
        files = _column_of_files(sheet, how, columns, Recordings(recordings, places), subjects)
        if files is None:
            table = _of_subjects(lines, str(subjects), recordings, subject_of, columns)
            return replace(table, notes=notes)
        column, found, more = files
        named = None if columns.subjects_are_given else subjects
        if columns.subjects_are_given and subjects is not None:
            if sheet.key(subjects) == "subject":
                raise ConfigError(
                    f"Subjects are given twice: by a pattern and in {path}. Leave subject= out, or "
                    f"rename the column {subjects}."
                )
            notes += (f"{path.name}: the column {subjects!r} is not used, as --subject is given",)
        rows: dict[str, list[Row]] = {}
        absent: dict[str, None] = {}
        for (number, cells), recording in zip(sheet.lines, found, strict=True):
            name = cells[sheet.place(column)]
            if recording is None and name.lower() not in EMPTY:
                absent[name] = None
            elif (row := lines.row(number, cells, column, named)) is not None and recording:
                rows.setdefault(recording, []).append(row)
        lines.require_any(rows)
        table = cls(
            path=path,
            rows={name: tuple(of_name) for name, of_name in rows.items()},
            has_events=times is not None,
            subject_column=named,
            absent=tuple(absent),
            left_out=lines.told,
            notes=(*more, *notes),
        )
        table._require_consistent(columns)
        return table

    def _require_consistent(self, columns: TableColumns) -> None:
        for recording, rows in self.rows.items():
            first, *others = rows
            for row in others:
                if columns.times and not self.has_events:
                    raise CorpusError(
                        f"{self.path}: lines {first.number} and {row.number} both label "
                        f"{recording}. Keep one, or give each an onset and a duration."
                    )
                if row.subject != first.subject:
                    raise CorpusError(
                        f"{self.path}, column {self.subject_column}: lines {first.number} and "
                        f"{row.number} give {recording} the subjects {first.subject} and "
                        f"{row.subject}."
                    )
                if row.split != first.split:
                    raise CorpusError(
                        f"{self.path}, column of parts: lines {first.number} and {row.number} give "
                        f"{recording} the parts {first.split or 'none'} and {row.split or 'none'}."
                    )


def _require_columns(sheet: Sheet, how: LabelFormat) -> None:
    for name in how.columns:
        if name.lower() not in sheet.columns:
            near = near_word(name, sheet.header)
            raise CorpusError(f"{sheet.path}: the column {name} is missing; {sheet.has}.{near}")


def _known(sheet: Sheet, how: LabelFormat, pattern: re.Pattern[str]) -> list[str]:
    """Columns whose name fits, other than those of labels."""
    labels = {name.lower() for name in how.columns}
    return [
        name
        for name in sheet.header
        if name.lower() not in labels and pattern.fullmatch(sheet.key(name))
    ]


def _column_of_subjects(
    sheet: Sheet, how: LabelFormat, columns: TableColumns
) -> tuple[str | None, tuple[str, ...]]:
    """The column that names subjects, if there is one, and what is to be told of it."""
    if columns.subject is not None:
        return sheet.column(columns.subject, "subject_column"), ()
    plain, others = (_known(sheet, how, pattern) for pattern in _SUBJECT_COLUMNS)
    named = plain or others
    plain = [name for name in named if sheet.key(name) == "subject"]
    if plain or len(named) < 2:
        return next(iter(plain or named), None), ()
    first, *others = named
    values = {name: sheet.cells(name) for name in named}
    for name in others:
        if not columns.subjects_are_given and not _same_groups(values[first], values[name]):
            raise CorpusError(
                f"{sheet.path}: the columns {first} and {name} both may name the subject, and "
                "divide the rows differently. Say which with subject_column."
            )
    note = f"{sheet.path.name}: subjects are those of the column {first!r}; {listed(others)}"
    return first, (f"{note} would give the same",)


_Parts = tuple[str, Mapping[str, str | None]] | None
"""The column of official parts, and what its cells mean."""


def _official_parts(sheet: Sheet, columns: TableColumns) -> tuple[_Parts, tuple[str, ...]]:
    if columns.split is None:
        return None, ()
    name = sheet.column(columns.split, "split_column")
    where = f"{sheet.path}: the column {name!r}"
    meaning, told = parts_of(sheet.cells(name), columns.split_parts, where)
    return (name, meaning), (told.replace(str(sheet.path), sheet.path.name, 1),)


def _same_groups(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two columns have equal cells in the same rows."""
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


_Found = tuple[str, list[str | None], tuple[str, ...]]


def _column_of_files(
    sheet: Sheet,
    how: LabelFormat,
    columns: TableColumns,
    recordings: Recordings,
    subjects: str | None,
) -> _Found | None:
    """The column of recordings, the recording of each line, and what is to be told of it.

    None for a table of subjects.
    """
    if columns.file is not None:
        candidates = [sheet.column(columns.file, "file_column")]
    else:
        candidates = [n for n in _known(sheet, how, _FILE_COLUMN) if n != subjects]
        candidates.sort(key=lambda name: sheet.key(name) not in _FILE_COLUMNS)
        if not candidates and subjects is not None:
            return None
        if not candidates:
            raise CorpusError(_no_column_of_files(sheet, recordings))
    found = {name: recordings.of_column(sheet, name) for name in candidates}
    hits = {name: sum(len(one) == 1 for one in lines) for name, lines in found.items()}
    best = max(candidates, key=lambda name: hits[name])
    _require_one_meaning(sheet, best, found)
    for (number, cells), matches in zip(sheet.lines, found[best], strict=True):
        text = cells[sheet.place(best)]
        if len(matches) > 1:
            raise CorpusError(
                f"{sheet.path}, line {number}: {text} may be {' or '.join(matches)}. "
                "Write its path relative to the folder."
            )
    named = [line for line in sheet.lines if line[1][sheet.place(best)].lower() not in EMPTY]
    if not hits[best] and named:
        number, cells = named[0]
        text = cells[sheet.place(best)]
        raise CorpusError(
            f"{sheet.path}, line {number}: no recording is called {text}; "
            f"{len(recordings)} were found, and no line of the column {best} names one."
            f"{recordings.hint(text)}"
        )
    others = listed([name for name in candidates if name != best])
    note = f"{sheet.path.name}: the column {best!r} names the recordings, not {others}"
    chosen = [next(iter(matches), None) for matches in found[best]]
    return best, chosen, (note,) if others else ()


def _require_one_meaning(sheet: Sheet, best: str, found: Mapping[str, list[list[str]]]) -> None:
    for name, lines in found.items():
        for (number, _), one, other in zip(sheet.lines, found[best], lines, strict=True):
            if one and other and not set(one) & set(other):
                raise CorpusError(
                    f"{sheet.path}: the columns {best} and {name} name different recordings, in "
                    f"line {number} {one[0]} and {other[0]}. Say which is meant with file_column."
                )


def _no_column_of_files(sheet: Sheet, recordings: Recordings) -> str:
    message = f"{sheet.path}: no column names the recording; {sheet.has}."
    for name in sheet.header:
        if any(len(matches) == 1 for matches in recordings.of_column(sheet, name)):
            return f"{message} The cells of {name!r} do: if that is meant, give file_column={name}."
    return (
        f"{message} Have one of {', '.join(_FILE_COLUMNS)}, or participant_id, or say which it is "
        "with file_column."
    )


@dataclass
class _Lines:
    """What the lines of a table say, and which say nothing."""

    sheet: Sheet
    how: LabelFormat
    parts: _Parts
    times: TimeColumns | None
    empty: dict[str, list[str]] = field(default_factory=dict)
    """By what is missing, the numbers of the lines that are left out."""

    def row(
        self, number: int, cells: list[str], name_column: str, subject_column: str | None
    ) -> Row | None:
        """One line; None where it says nothing."""
        where = f"{self.sheet.path}, line {number}"

        def cell(name: str) -> str:
            return cells[self.sheet.place(name)]

        texts = [cell(name) for name in self.how.columns]
        allowed = ("",) if self.how.may_be_empty else ()
        span = None if self.times is None else self.times.span(number, cells)
        lacks = (
            "a recording" if cell(name_column).lower() in EMPTY
            else "a label" if any(t.lower() in EMPTY and t not in allowed for t in texts)
            else "an onset" if self.times is not None and span is None
            else None
        )  # fmt: skip
        if lacks is not None:
            self.empty.setdefault(lacks, []).append(str(number))
            return None
        subject = None if subject_column is None else cell(subject_column)
        if subject is not None and (not subject or subject.lower() in _NO_SUBJECT):
            said = f"{subject!r}" if subject else "empty"
            raise CorpusError(
                f"{where}: the column {subject_column} is {said}, so nothing says whose "
                f"{cell(name_column)} is. Give the recording a subject, or leave the line out."
            )
        return Row(
            number=number,
            file=cell(name_column),
            label=self.how.of_cells(texts, where),
            subject=subject,
            span=span,
            split=self.parts[1][cell(self.parts[0])] if self.parts is not None else None,
        )

    @property
    def told(self) -> tuple[str, ...]:
        """The lines that are left out, in words."""
        name = self.sheet.path.name
        return tuple(
            f"{len(lines)} rows of {name} without {what} are left out: "
            f"line{'s' * (len(lines) > 1)} {listed(lines)}"
            for what, lines in self.empty.items()
        )

    def require_any(self, rows: Mapping[str, list[Row]]) -> None:
        """Raise :class:`CorpusError` where no line that names a recording is left."""
        if not rows and self.empty:
            raise CorpusError(f"{self.sheet.path}: no row can be used. {'; '.join(self.told)}.")


def _of_subjects(
    lines: _Lines,
    column: str,
    recordings: Sequence[str],
    subject_of: Callable[[str], str],
    columns: TableColumns,
) -> LabelTable:
    """A table whose rows label all recordings of a subject."""
    sheet = lines.sheet
    of_subject: dict[str, list[Row]] = {}
    for number, cells in sheet.lines:
        row = lines.row(number, cells, column, None)
        if row is not None:
            of_subject.setdefault(row.file.removeprefix("sub-"), []).append(row)
    lines.require_any(of_subject)
    subjects = {name: subject_of(name) for name in recordings}
    matched = {
        recording: tuple(of_subject[key])
        for recording, subject in subjects.items()
        if (key := subject.removeprefix("sub-")) in of_subject
    }
    if not matched:
        recording, subject = next(iter(subjects.items()))
        raise CorpusError(
            f"{sheet.path}: no {column} with a label is the subject of a recording; the first "
            f"recording is {recording}, of the subject {subject}. Say with subject= where its "
            "name is."
        )
    there = {subject.removeprefix("sub-") for subject in subjects.values()}
    table = LabelTable(
        path=sheet.path,
        rows=matched,
        has_events=lines.times is not None,
        left_out=lines.told,
        absent=tuple(rows[0].file for key, rows in of_subject.items() if key not in there),
    )
    table._require_consistent(columns)
    return table
