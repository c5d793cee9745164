"""`LabelTable`: labels, and perhaps subjects, of recordings from a .tsv or .csv file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from biot.corpus.builder.labels.cells import Recordings, Sheet, read_sheet
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.labels.table_columns import (
    Parts,
    TableColumns,
    column_of_files,
    column_of_parts,
    column_of_subjects,
    require_columns,
)
from biot.corpus.builder.labels.times import EMPTY, TimeColumns, find_times, told_of_no_times
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import Label
from biot.errors import ConfigError, CorpusError, RecordingError, counted, listed

__all__ = [
    "Facts",
    "LabelTable",
    "Row",
]


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
    unlabelled: Mapping[str, Facts] = field(default_factory=dict)
    """Of recordings that have rows, but no label, whose they are and their part."""
    left_out: tuple[str, ...] = ()
    """Which rows say nothing, in words."""
    has_codes: bool = False
    """Whether labels are sets of codes, also where there may be one class only."""
    notes: tuple[str, ...] = ()
    """What is to be told: columns that were chosen or passed over."""

    @property
    def has_subjects(self) -> bool:
        """Whether rows name the subjects of their recordings."""
        return self.subject_column is not None

    @property
    def that_counts(self) -> str:
        """Of a row that a recording lacks, in words: it may have one that is left out."""
        return " that counts" if self.left_out else ""

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
                counts["rows beginning at or beyond the recording's end"] += 1
                continue
            if onset < 0 and onset + length <= 0:
                counts["rows ending before the recording's start"] += 1
                continue
            if onset < 0:
                counts["rows cut at the recording's start"] += 1
                onset, length = 0.0, onset + length
            found.append(Stretch(onset, length, row.label))
        if rows and not found:
            name = self.path.name
            all_of = counted(len(rows), f"row in {name} lies", f"rows in {name} lie")
            raise RecordingError(
                f"{recording}: it lasts {duration:g} s, and its {all_of} outside: line "
                f"{rows[0].number} begins at "
                f"{(rows[0].span or (0,))[0]:g} s. Onsets count in seconds from its start; for "
                "labels of whole recordings, whatever the times, give --label-scope recording."
            )
        return found

    def subject(self, recording: str) -> str:
        """Subject of a recording that has a row, in a table with subjects."""
        if recording in self.rows:
            return self.rows[recording][0].subject or ""
        return self.unlabelled[recording].subject

    def split(self, recording: str) -> str | None:
        """Official part of a recording, where its rows say it."""
        rows = self.rows.get(recording, ())
        return rows[0].split if rows else self.unlabelled.get(recording, Facts()).split

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
        require_columns(sheet, how)
        subjects, notes = column_of_subjects(sheet, how, columns)
        parts, told = column_of_parts(sheet, columns)
        notes += told
        times, told = _times(sheet, how, subjects, columns)
        notes += told
        lines = _Lines(sheet, how, parts, times)
        files = column_of_files(sheet, how, columns, Recordings(recordings, places), subjects)
        if files is None:
            table = _of_subjects(lines, str(subjects), recordings, subject_of, columns)
            return replace(table, notes=(*notes, *lines.told_of_codes()))
        column, found, more = files
        named = None if columns.subjects_are_given else subjects
        if columns.subjects_are_given and subjects is not None:
            notes += (_note_of_unused(sheet, subjects),)
        rows: dict[str, list[Row]] = {}
        absent: dict[str, None] = {}
        for (number, cells), recording in zip(sheet.lines, found, strict=True):
            name = cells[sheet.place(column)]
            if recording is None and name.lower() not in EMPTY:
                absent[name] = None
            elif (row := lines.row(number, cells, column, named)) is not None and recording:
                rows.setdefault(recording, []).append(row)
            elif row is None and recording is not None:
                lines.keep_whose(recording, cells, named)
        lines.require_any(rows)
        notes += lines.told_of_codes()
        table = cls(
            path=path,
            rows={name: tuple(of_name) for name, of_name in rows.items()},
            has_events=times is not None,
            subject_column=named,
            absent=tuple(absent),
            unlabelled={name: own for name, own in lines.whose.items() if name not in rows},
            left_out=lines.told,
            has_codes=lines.has_codes,
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


def _note_of_unused(sheet: Sheet, subjects: str) -> str:
    """That a column of subjects is not used, as a pattern gives them; not both may be meant."""
    if sheet.key(subjects) == "subject":
        raise ConfigError(
            f"Subjects are given twice: by a pattern and in {sheet.path}. Leave subject= out, or "
            f"rename the column {subjects}."
        )
    return f"{sheet.path.name}: the column {subjects!r} is not used, as --subject is given"


@dataclass
class _Lines:
    """What the lines of a table say, and which say nothing."""

    sheet: Sheet
    how: LabelFormat
    parts: Parts
    times: TimeColumns | None
    has_codes: bool = False
    """Whether a label is a set of codes with likelihoods."""
    empty: dict[str, list[str]] = field(default_factory=dict)
    """By what is missing, the numbers of the lines that are left out."""
    whose: dict[str, Facts] = field(default_factory=dict)
    """Subject and part of recordings that have a line without a label."""

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
        codes = None if lacks else self.how.codes(texts, where)
        if codes is not None:
            self.has_codes = True
            if not codes:
                lacks = "a code that counts"
        if lacks is not None:
            if lacks != "a label" or self.times is None or span is not None or any(texts):
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
            split=self._part(cells),
        )

    def keep_whose(self, recording: str, cells: list[str], subject_column: str | None) -> None:
        """Keep what a line without a label says of its recording: its windows may be background."""
        subject = "" if subject_column is None else cells[self.sheet.place(subject_column)]
        if subject_column is None or (subject and subject.lower() not in _NO_SUBJECT):
            self.whose[recording] = Facts(subject, split=self._part(cells))

    def _part(self, cells: list[str]) -> str | None:
        return None if self.parts is None else self.parts[1][cells[self.sheet.place(self.parts[0])]]

    @property
    def told(self) -> tuple[str, ...]:
        """The lines that are left out, in words."""
        name = self.sheet.path.name
        return tuple(
            f"{counted(len(lines), f'row of {name}', f'rows of {name}')} without {what} "
            f"{'is' if len(lines) == 1 else 'are'} left out: "
            f"line{'s' * (len(lines) > 1)} {listed(lines)}"
            for what, lines in self.empty.items()
        )

    def told_of_codes(self) -> tuple[str, ...]:
        """Which codes count, in words.

        Raises
        ------
        ConfigError
            If there is a threshold, and nothing that it is for.
        """
        least = self.how.threshold
        if not self.has_codes and least is not None:
            raise ConfigError(
                "label_threshold is for cells such as {'NORM': 100.0, 'SR': 0.0}; the column "
                f"{', '.join(self.how.columns)} of {self.sheet.path} has none."
            )
        if not self.has_codes:
            return ()
        which = "whatever their likelihood (0 means unknown)"
        if least is not None:
            which = f"with a likelihood of {least:g} or more"
        return (f"{self.sheet.path.name}: codes of {self.how.columns[0]!r} count {which}",)

    def require_any(self, rows: Mapping[str, list[Row]]) -> None:
        """Raise :class:`CorpusError` where no line that names a recording is left."""
        if not rows and self.empty:
            raise CorpusError(f"{self.sheet.path}: no row can be used. {'; '.join(self.told)}.")


def _times(
    sheet: Sheet, how: LabelFormat, subjects: str | None, columns: TableColumns
) -> tuple[TimeColumns | None, tuple[str, ...]]:
    """The columns of times, if there are any that count, and what is to be told of them."""
    if not columns.times:
        return None, ()
    seen = [name for name in (*how.columns, subjects, columns.split, columns.file) if name]
    times = find_times(sheet, seen, columns.named_times)
    if times is None:
        return None, told_of_no_times(sheet, seen)
    return times, () if times.is_plain else (times.told,)


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
            f"recording is {recording}, of the subject {subject}, and the first in the table is "
            f"{next(iter(of_subject.values()))[0].file}. Say with subject= where the name is in "
            "the path, or write the table's as it is there."
        )
    there = {subject.removeprefix("sub-") for subject in subjects.values()}
    table = LabelTable(
        path=sheet.path,
        rows=matched,
        has_events=lines.times is not None,
        left_out=lines.told,
        has_codes=lines.has_codes,
        absent=tuple(rows[0].file for key, rows in of_subject.items() if key not in there),
    )
    table._require_consistent(columns)
    return table
