"""The columns of a table that say from when to when a label holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from biot.corpus.builder.labels.cells import Sheet
from biot.errors import CorpusError, listed

__all__ = [
    "EMPTY",
    "TimeColumns",
    "TimeNames",
    "find_times",
    "told_of_no_times",
]

EMPTY = ("", "n/a", "nan")
"""What stands, in any case, where a cell says nothing."""
_KINDS = {
    "onset": "onset|onset_time|start|start_time|starttime|begin|begin_time|t_start|tstart|from",
    "duration": "duration|length|dur",
    "stop": "stop|stop_time|stoptime|end|end_time|endtime|offset|t_stop|tstop|t_end|tend|to",
}
"""What columns of times are called, in any case, with ``_`` for spaces and other separators."""
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Decimal(1)),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), Decimal("0.001")),
    **dict.fromkeys(("us", "µs", "μs", "microseconds"), Decimal("0.000001")),
    **dict.fromkeys(("min", "minutes"), Decimal(60)),
}
"""Units that may end such a name, in seconds; without one times are in seconds."""
_SAMPLES = r"(?:\w+_)?samples?(?:_\w+)?"
_OTHERS = re.compile(
    r"times?|timestamps?|latency|samples?|sample_index|t_?(?:min|max|0|1)|"
    r"(?:\w+_)?(?:onset|start|begin|stop|end|duration)"
    r"(?:_?(?:times?|clock|samples?|idx|index|frame|latency|datetime|s|secs?|seconds?|ms|msec|us|ns|"
    r"m|mins?|minutes?|h|hrs?|hours?))?|"
    rf"(?:event|seizure|label)_(?:{'time|sample|latency'})(?:_\w+)?"
)
"""Names of columns that may hold times of events, but do not say how."""
_OF_OTHER_THINGS = re.compile(
    r"(?:^|_)(?:age|birth|date|day|month|year|recording|record|study|session|visit|admission|"
    r"disease|symptom|illness|diagnosis|treatment|therapy|medication|file)(?:_|$)"
)
_ALONE = ("onset", "start", "start_time", "begin", "begin_time", "duration", "stop", "stop_time",
          "end", "end_time", "t_start", "tstart", "t_stop", "tstop")  # fmt: skip
"""Names that mean a time of an event even where the other time is missing."""
_CLOCK = re.compile(r"(?:\d{4}-\d\d?-\d\d?[T ])?\d{1,3}:\d\d(?::\d\d(?:[.,]\d+)?)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
"""A number with a decimal comma, or with a separator of thousands."""
_DATE = re.compile(r"\d{4}([-/.])\d\d?\1\d\d?|\d\d?([-/.])\d\d?\2(?:\d{4}|\d\d)")
_ROUNDING = Decimal("0.0015")
"""Seconds by which two columns of times may differ and still say the same."""


@dataclass(frozen=True)
class TimeNames:
    """Columns that the user names; None: those with a known name."""

    onset: str | None = None
    duration: str | None = None
    stop: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether there is any."""
        return any((self.onset, self.duration, self.stop))


@dataclass(frozen=True)
class TimeColumns:
    """The columns that say when each row's label holds."""

    sheet: Sheet
    onset: str
    end: str
    """Of durations, or of the times at which labels end."""
    is_stop: bool
    """Whether it holds the times at which labels end."""
    also: tuple[str, ...] = ()
    """Columns that say the same."""

    @property
    def told(self) -> str:
        """Which columns were taken, in words."""
        what = f"{self.end!r} - {self.onset!r}" if self.is_stop else repr(self.end)
        text = f"{self.sheet.path.name}: onset from {self.onset!r}, duration from {what}"
        units = {name: _unit(self.sheet.key(name)) for name in (self.onset, self.end)}
        said = [f"{n!r} in {unit}" for n, unit in units.items() if unit and _UNITS[unit] != 1]
        text += f"; converted to seconds: {' and '.join(said)}" if said else ""
        text += "; their commas are decimal" if self._has_commas else ""
        return text + (f"; {listed(self.also)} would give the same" if self.also else "")

    @property
    def is_plain(self) -> bool:
        """Whether they are called as the documentation says, so that nothing is to be told."""
        names = (self.onset.lower(), self.end.lower())
        return names == ("onset", "duration") and not self.also and not self._has_commas

    @property
    def _has_commas(self) -> bool:
        """Whether times have decimal commas."""
        cells = (cell for name in (self.onset, self.end) for cell in self.sheet.cells(name))
        return self.sheet.decimal_comma and any(map(_COMMA.fullmatch, cells))

    def span(self, number: int, cells: Sequence[str]) -> tuple[float, float] | None:
        """Onset and duration in seconds of one line; None where it has no onset.

        Without a duration, or an end, it is an instant.

        Raises
        ------
        CorpusError
            If a cell is no number, or the end lies before the onset.
        """
        where = f"{self.sheet.path}, line {number}"
        onset = _seconds(self.sheet, self.onset, cells, where)
        if onset is None:
            return None
        end = _seconds(self.sheet, self.end, cells, where)
        if end is None:
            return float(onset), 0.0
        if self.is_stop and end < onset:
            raise CorpusError(
                f"{where}: the column {self.end} says {end:f} s, before {self.onset}, "
                f"{onset:f} s. Correct the line, or leave it out."
            )
        if not self.is_stop and end < 0:
            raise CorpusError(
                f"{where}: the column {self.end} must be a number of seconds from 0 on, got "
                f"'{cells[self.sheet.place(self.end)]}'."
            )
        return float(onset), float(end - onset if self.is_stop else end)


def find_times(sheet: Sheet, others: Collection[str], names: TimeNames) -> TimeColumns | None:
    """The columns of times of a table; None where it labels whole recordings.

    Parameters
    ----------
    others
        Columns of labels, and of all else that is known, which are not looked at.
    names
        Columns that the user names.

    Raises
    ------
    CorpusError
        If two columns may be meant, one of the two times is missing, or columns look like times
        and are not understood.
    """
    passed = {name.lower() for name in others}
    free = [name for name in sheet.header if name.lower() not in passed]
    found = {
        kind: [n for n in free if _is_kind(sheet, n, kind) and _holds(sheet, n)] for kind in _KINDS
    }
    given = {kind: getattr(names, kind) for kind in _KINDS}
    for kind, name in given.items():
        if name is not None:
            found[kind] = [sheet.column(name, f"{kind}_column")]
            _require_no_samples(sheet, name)
    if given["duration"] or given["stop"]:
        found["stop" if given["duration"] else "duration"] = []
    ends = found["duration"] or found["stop"]
    if found["onset"] and ends:
        return _complete(sheet, found)
    _require_none(sheet, free, found, names)
    return None


def told_of_no_times(sheet: Sheet, others: Collection[str]) -> tuple[str, ...]:
    """Which columns are called as times are, and hold dates or words only, in words."""
    passed = {name.lower() for name in others}
    names = [
        repr(name)
        for name in sheet.header
        if name.lower() not in passed
        and _without_unit(sheet.key(name)) in _ALONE
        and not {cell.lower() for cell in sheet.cells(name)} <= set(EMPTY)
    ]
    if not names:
        return ()
    return (
        f"{sheet.path.name}: rows label whole recordings; of dates or words, and no times of "
        f"events, are {listed(names)}",
    )


def _complete(sheet: Sheet, found: dict[str, list[str]]) -> TimeColumns:
    is_stop = not found["duration"]
    columns = TimeColumns(
        sheet, found["onset"][0], (found["stop"] if is_stop else found["duration"])[0], is_stop
    )
    same: list[str] = []
    for kind, names in found.items():
        for name in names:
            if name in (columns.onset, columns.end):
                continue
            _require_same(columns, name, kind)
            same.append(name)
    return TimeColumns(sheet, columns.onset, columns.end, is_stop, tuple(same))


def _require_same(columns: TimeColumns, name: str, kind: str) -> None:
    """Another column that may say the time must say the same in every line that has both."""
    sheet = columns.sheet
    for number, cells in sheet.lines:
        where = f"{sheet.path}, line {number}"
        onset, end, other = (
            _seconds(sheet, n, cells, where) for n in (columns.onset, columns.end, name)
        )
        if onset is None or end is None or other is None:
            continue
        is_of_onset = kind == "onset"
        known = onset if is_of_onset else end
        if kind == "stop" and not columns.is_stop:
            known = onset + end
        if abs(known - other) > _ROUNDING:
            mine, option = (columns.onset, "onset") if is_of_onset else (columns.end, None)
            options = f"--{option}-column" if option else "--duration-column or --stop-column"
            raise CorpusError(
                f"{sheet.path}: the columns {mine} and {name} both may say "
                f"{'when labels begin' if is_of_onset else 'when labels end'}, and disagree, first "
                f"in line {number}. Say which is meant with {options}."
            )


def _require_none(
    sheet: Sheet, free: Sequence[str], found: dict[str, list[str]], names: TimeNames
) -> None:
    """Without both times no column may look like one: its row would label the whole recording."""
    alone = [n for of in found.values() for n in of if _without_unit(sheet.key(n)) in _ALONE]
    if names.is_given or alone:
        missing = "onset" if not found["onset"] else "duration"
        raise CorpusError(
            f"{sheet.path}: the column {missing} is missing; {sheet.has}. Events need an onset and "
            f"a duration, or a stop, in seconds. {_way_out()}"
        )
    odd = [
        name
        for name in free
        if _OTHERS.fullmatch(sheet.key(name))
        and not _OF_OTHER_THINGS.search(sheet.key(name))
        and _holds(sheet, name)
    ]
    if odd:
        is_one = len(odd) == 1
        raise CorpusError(
            f"{sheet.path}: the column{'' if is_one else 's'} {listed(odd)} "
            f"look{'s' if is_one else ''} like times of events, and would be passed over, so that "
            f"each row labelled its whole recording. {_way_out()}"
        )


def _way_out() -> str:
    kinds = {kind: ", ".join(text.split("|")) for kind, text in _KINDS.items()}
    return (
        f"Understood are {kinds['onset']}; with {kinds['duration']}, or {kinds['stop']}; in "
        "seconds, or with a unit behind (start_ms). Name the columns with --onset-column and "
        "--duration-column or --stop-column, or rename them; samples are to be divided by the "
        "rate. For labels of whole recordings give --label-scope recording."
    )


def _is_kind(sheet: Sheet, name: str, kind: str) -> bool:
    return re.fullmatch(_KINDS[kind], _without_unit(sheet.key(name))) is not None


def _unit(key: str) -> str | None:
    _, _, last = key.rpartition("_")
    return last if last in _UNITS and last != key else None


def _without_unit(key: str) -> str:
    unit = _unit(key)
    return key if unit is None else key.removesuffix(f"_{unit}").removesuffix("_in")


def _holds(sheet: Sheet, name: str) -> bool:
    """Whether a cell of a column may be a time, also one that is not understood, such as ``10 s``
    or a clock. Words and dates are no times."""
    if name.lower() in ("onset", "duration"):
        return True
    return any(
        re.match(r"[-+]?\.?\d", cell) and not _DATE.fullmatch(cell) for cell in sheet.cells(name)
    )


def _require_no_samples(sheet: Sheet, name: str) -> None:
    if re.fullmatch(_SAMPLES, sheet.key(name)):
        raise CorpusError(
            f"{sheet.path}: the column {name} counts samples. Add a column of seconds, which is "
            "samples divided by the recording's rate, and name that."
        )


def _number(text: str, *, decimal_comma: bool = False) -> Decimal | None:
    if decimal_comma and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < 10**15 else None


def _seconds(sheet: Sheet, name: str, cells: Sequence[str], where: str) -> Decimal | None:
    text = cells[sheet.place(name)]
    if text.lower() in EMPTY:
        return None
    value = _number(text, decimal_comma=sheet.decimal_comma)
    if value is None:
        raise CorpusError(
            f"{where}: the column {name} must be a number of seconds from the recording's start, "
            f"got {text!r}. {_what_is_wrong(text)}For labels of whole recordings, whatever the "
            "times, give --label-scope recording."
        )
    unit = _unit(sheet.key(name))
    return value if unit is None else value * _UNITS[unit]


def _what_is_wrong(text: str) -> str:
    if _CLOCK.fullmatch(text):
        return (
            "Clock times are not understood: convert them to seconds from the recording's start. "
        )
    if _COMMA.fullmatch(text):
        return "Decimals have a point where commas separate cells, and thousands no separator. "
    return ""
