"""Which columns of a table of labels name recordings, subjects and official parts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biot.corpus.builder.labels.cells import Recordings, Sheet
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.labels.parts import parts_of
from biot.corpus.builder.labels.times import EMPTY, TimeNames
from biot.errors import CorpusError, listed, near_word

__all__ = [
    "Parts",
    "TableColumns",
    "column_of_files",
    "column_of_parts",
    "column_of_subjects",
    "has_column_of_files",
    "require_columns",
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
    """Header of the column of onsets; None: one with a known name."""
    duration: str | None = None
    """Header of the column of durations; None: one with a known name."""
    stop: str | None = None
    """Header of the column of ends; None: one with a known name."""
    subjects_are_given: bool = False
    """Whether something else than the table names the subjects."""
    times: bool = True
    """Whether columns of times count; else rows label whole recordings, which may have several."""

    @property
    def named_times(self) -> TimeNames:
        """The columns of times that the user names."""
        return TimeNames(self.onset, self.duration, self.stop)


def _known(sheet: Sheet, how: LabelFormat, pattern: re.Pattern[str]) -> list[str]:
    """Columns whose name fits, other than those of labels."""
    labels = {name.lower() for name in how.columns}
    return [
        name
        for name in sheet.header
        if name.lower() not in labels and pattern.fullmatch(sheet.key(name))
    ]


def has_column_of_files(sheet: Sheet) -> bool:
    """Whether a column is called as those that name recordings, or subjects."""
    patterns = (_FILE_COLUMN, *_SUBJECT_COLUMNS)
    keys = map(sheet.key, sheet.header)
    return any(pattern.fullmatch(key) for key in keys for pattern in patterns)


def column_of_subjects(
    sheet: Sheet, how: LabelFormat, columns: TableColumns
) -> tuple[str | None, tuple[str, ...]]:
    """The column that names subjects, if there is one, and what is to be told of it."""
    if columns.subject is not None:
        return sheet.column(columns.subject, "subject_column"), ()
    plain, others = (_known(sheet, how, pattern) for pattern in _SUBJECT_COLUMNS)
    named = plain or others
    plain = [name for name in named if sheet.key(name) == "subject"]
    if plain and len(named) > 1:
        passed = listed([name for name in named if name != plain[0]])
        note = f"{sheet.path.name}: subjects are those of the column {plain[0]!r}, not {passed}"
        return plain[0], (note,)
    if len(named) < 2:
        return next(iter(named), None), ()
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


Parts = tuple[str, Mapping[str, str | None]] | None
"""The column of official parts, and what its cells mean."""


def column_of_parts(sheet: Sheet, columns: TableColumns) -> tuple[Parts, tuple[str, ...]]:
    """The column of official parts with what its cells mean, and what is to be told of it."""
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


def column_of_files(
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
    told: tuple[str, ...] = ()
    if not any(matches for lines in found.values() for matches in lines):
        told, found = _by_file_names(sheet, candidates, recordings) or (told, found)
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
    return best, chosen, (*told, *([note] if others else []))


def _by_file_names(
    sheet: Sheet, candidates: Sequence[str], recordings: Recordings
) -> tuple[tuple[str, ...], dict[str, list[list[str]]]] | None:
    """The recordings that cells name where none of their folders is there; and that in words."""
    by_name = {name: recordings.by_file_names(sheet, name) for name in candidates}
    found = {name: lines for name, lines in by_name.items() if lines is not None}
    if not found:
        return None
    note = "the folders that it names are not there, so recordings are matched by file name alone"
    nothing: list[list[str]] = [[] for _ in sheet.lines]
    return (f"{sheet.path.name}: {note}",), {n: found.get(n, nothing) for n in candidates}


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


def require_columns(sheet: Sheet, how: LabelFormat) -> None:
    """Raise :class:`CorpusError` where a column of labels is missing."""
    for name in how.columns:
        if name.lower() not in sheet.columns:
            near = near_word(name, sheet.header)
            raise CorpusError(
                f"{sheet.path}: the column {name} is missing; {sheet.has} in its first line.{near}"
            )
