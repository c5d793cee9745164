"""Columns of times, as devices write them: seconds from their first row on."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, require
from biot.signals.formats.headers import HIGHEST_RATE
from biot.signals.formats.tables.sheet import EMPTY, Column, SampleTable, is_text

__all__ = [
    "Seconds",
    "is_dated",
    "is_epoch",
    "is_time_name",
    "seconds_since_1970",
    "time_columns",
    "times_of",
    "words_of",
]

Seconds = npt.NDArray[np.float64]

_WORDS = frozenset(
    (
        "time", "times", "timestamp", "timestamps", "timestap", "datetime", "date", "dates",
        "clock", "elapsed", "epoch", "utc",
        "zeit", "uhrzeit", "zeitstempel", "datum", "tiempo", "fecha", "hora",
    )
)  # fmt: skip
_WHOLE_NAMES = frozenset(
    (
        "t", "ts", "sec", "secs", "second", "seconds", "ms", "msec", "msecs", "millis",
        "millisec", "millisecs",
        "microsec",
        "milliseconds", "us", "usec", "micros", "microseconds", "ns", "nanoseconds", "minutes",
        "hours", "datenum", "unix",
        "unixtime", "epochtime", "timems", "systime",
    )
)  # fmt: skip
_UNITS = {
    "s": re.compile(r"s|secs?|seconds?"),
    "ms": re.compile(r"ms|msecs?|millis|millisec(?:ond)?s?"),
    "µs": re.compile(r"[µμu]s|[µμu]secs?|micros|microseconds?"),
    "ns": re.compile(r"ns|nsecs?|nanos|nanoseconds?"),
    "min": re.compile(r"mins?|minutes?"),
    "h": re.compile(r"h|hrs?|hours?"),
    "days": re.compile(r"days?|datenum"),
}
_SHORT = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}
_FACTORS = {**_SHORT, "min": 1 / 60, "h": 1 / 3600, "days": 1 / 86400}
"""Of each unit how many make a second."""
_EPOCHS = {unit: (5e8 * factor, 4.1e9 * factor) for unit, factor in _SHORT.items()}
"""Where numbers are times since 1970: from 1985 to 2099."""

_SERIAL_DAYS = 20_000, 800_000
"""Days that spreadsheets count from 1900 and MATLAB from the year 0."""
_FASTEST_UNSAID = 5000
"""Hz; for a faster rate it is told that the times were taken as seconds."""


def words_of(name: str) -> list[str]:
    """The words of a column's name, in lower case and without numbers: ``markerIndex2``."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[a-zµμ]+", apart.lower())


def is_time_name(name: str) -> bool:
    """Whether a column's name says that it holds times."""
    words = words_of(name)
    whole = re.sub(r"[^\w]|_", "", name.lower())  # T3 and T4 are electrodes
    return whole in _WHOLE_NAMES or bool(_WORDS.intersection(words)) or "timestamp" in whole


def is_epoch(column: Column) -> bool:
    """Whether numbers rise as times since 1970 do, whatever the column is called."""
    if column.dtype.kind not in "iuf" or len(column) < 2:
        return False
    known = column[~np.isnan(column)] if column.dtype.kind == "f" else column
    if len(known) < 2 or not _epoch_unit(float(known[0])):
        return False
    length = float(known[-1]) - float(known[0])
    return 0 < length < 0.01 * float(known[0]) and bool((np.diff(known) >= 0).all())


def is_dated(column: Column) -> bool:
    """Whether texts are dates with times of day, as an index without a name may be."""
    ends = (column[0], column[-1]) if is_text(column) and len(column) else ("",)
    return all(re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", cell) for cell in ends)


def _epoch_unit(first: float) -> str | None:
    return next((unit for unit, (low, high) in _EPOCHS.items() if low <= first < high), None)


def seconds_since_1970(sheet: SampleTable, name: str) -> float | None:
    """The first number of a column of such times, in seconds; None where it holds others."""
    first = float(sheet.column(name)[0])
    said = _said_unit(name, sheet.unit(name))
    unit = _epoch_unit(first)
    if unit is None or said not in (None, unit):
        return None
    return first / _FACTORS[unit]


def time_columns(sheet: SampleTable) -> list[str]:
    """Columns that hold times by their names, or dates, or rise as times since 1970 do."""
    by_name = {name: None for name in sheet.names if is_time_name(name)}
    others = [
        name
        for name, column in zip(sheet.names, sheet.columns, strict=True)
        if name not in by_name and (is_epoch(column) or is_dated(column))
    ]
    return [*by_name, *others]


def times_of(sheet: SampleTable, name: str) -> tuple[Seconds, str | None]:
    """Seconds from the first row on, and the unit where that was assumed.

    Raises
    ------
    RecordingError
        If the column holds no times.
    """
    column = sheet.column(name)
    if column.dtype.kind == "M":
        return _from_dates(sheet, name, column), None
    if is_text(column):
        return _from_texts(sheet, name, column), None
    if column.dtype.kind == "f" and np.isnan(column).any():
        row = int(np.isnan(column).argmax())
        raise RecordingError(
            f"{sheet.path.name}: column {name} should hold times, but row {row + 1} of samples "
            "has none."
        )
    since = np.asarray(column - column[0], dtype=np.float64)
    unit, assumed = _unit(sheet, name, float(column[0]), since)
    return since / _FACTORS[unit], unit if assumed else None


def _unit(sheet: SampleTable, name: str, first: float, since: Seconds) -> tuple[str, bool]:
    """The unit of times in numbers, and whether it was assumed."""
    said = _said_unit(name, sheet.unit(name))
    if said is not None:
        return said, False
    epoch = _epoch_unit(first)
    if epoch is not None:
        return epoch, epoch != "s"
    length = float(since[-1])
    if not length > 0:
        return "s", False
    rate = (len(since) - 1) / length
    if np.all(np.diff(since) == 1) and len(since) > 2:
        raise RecordingError(
            f"{sheet.path.name}: column {name} counts 1 a row, which may be seconds, milliseconds "
            "or row numbers. Give sfreq=."
        )
    if rate < 1 and np.all(since % 60 == 0):
        return "s", False  # minutes, which are too slow
    if rate > HIGHEST_RATE and _SERIAL_DAYS[0] <= first <= _SERIAL_DAYS[1]:
        return "days", True
    if rate > _FASTEST_UNSAID:
        return "s", True
    slower = [unit for unit, factor in _SHORT.items() if rate * factor >= 1]
    return (slower[0], slower[0] != "s") if slower else ("s", False)


def _said_unit(name: str, unit: str) -> str | None:
    """The unit that a name (``time_ms``) or a row of units says."""
    for text in (unit.strip().lower(), (words_of(name) or [""])[-1]):
        for said, pattern in _UNITS.items():
            if pattern.fullmatch(text):
                return said
    return None


def _from_dates(sheet: SampleTable, name: str, column: Column) -> Seconds:
    if np.isnat(column).any():
        row = int(np.isnat(column).argmax())
        raise RecordingError(
            f"{sheet.path.name}: column {name} should hold times, but row {row + 1} of samples "
            "has none."
        )
    since = (column - column[0]) / np.timedelta64(1, "ns")
    return np.asarray(since, dtype=np.float64) / 1e9


_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})(?:[.,:](\d+))?( ?[AaPp][Mm])?")
_SLASHED = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})[ T,]+(.*)")


def _from_texts(sheet: SampleTable, name: str, column: Column) -> Seconds:
    pandas = require("pandas", extra="signals")
    texts = pandas.Series(column).str.strip("' ")
    first = str(texts.iloc[0])
    clock, slashed = _CLOCK.fullmatch(first), _SLASHED.fullmatch(first)
    try:
        empty = next((i for i, cell in enumerate(column) if cell.lower() in EMPTY), None)
        if empty is not None:
            raise RecordingError(f"row {empty + 1} of samples has none")
        if clock is not None:
            return _from_clock(texts, clock)
        if re.match(r"\d+ days? \d", first):  # as pandas writes differences of times
            since = pandas.to_timedelta(texts).dt.total_seconds().to_numpy()
            return np.asarray(since - since[0], dtype=np.float64)
        odd = _one_that_is_no_number(texts)
        if odd is not None:
            raise RecordingError(f"row {odd + 1} of samples is {texts.iloc[odd]!r}")
        if slashed is not None:
            return _from_slashed(pandas, texts)
        return _from_iso(pandas, texts)
    except (RecordingError, ValueError, TypeError, OverflowError) as error:
        reason = str(error).partition("\n")[0].partition(". You might")[0]
        raise RecordingError(
            f"{sheet.path.name}: column {name} should hold times, but {reason} (the first is "
            f"{first[:40]!r}). Write seconds, or dates as 2020-01-31 12:00:00.000, or give sfreq=."
        ) from error


def _one_that_is_no_number(texts: Any) -> int | None:
    """Where the first cell stands that is no number, if most of the others are."""
    is_odd = ~texts.str.fullmatch(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?").to_numpy(dtype=bool)
    return int(is_odd.argmax()) if 0 < is_odd.sum() < 0.5 * len(is_odd) else None


def _since(dates: Any) -> Seconds:
    plain = dates if dates.dt.tz is None else dates.dt.tz_convert(None)
    values = np.asarray(plain.to_numpy()).astype("datetime64[ns]").astype(np.int64)
    return np.asarray(values - values[0], dtype=np.float64) / 1e9


def _from_iso(pandas: Any, texts: Any) -> Seconds:
    plain = texts.str.replace(r"(\d{2}:\d{2}:\d{2})[,:](\d+)", r"\1.\2", regex=True)
    plain = plain.str.replace(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", regex=True)
    return _since(pandas.to_datetime(plain, format="ISO8601", utc=True))


def _from_slashed(pandas: Any, texts: Any) -> Seconds:
    """Dates with the day or the month first: what a first number above 12 says, or the times."""
    parts = texts.str.extract(_SLASHED.pattern)
    if parts[0].isna().any():
        row = int(parts[0].isna().to_numpy().argmax())
        raise RecordingError(f"row {row + 1} of samples is {texts.iloc[row]!r}")
    days = [parts[i].astype(int).to_numpy() for i in (0, 2)]
    years = parts[3].astype(int).to_numpy()
    years = np.where(years < 100, years + 2000, years)
    clock = _CLOCK.fullmatch(str(parts[4].iloc[0]))
    if clock is None:
        raise RecordingError(f"{parts[4].iloc[0]!r} is no time of day")
    within = _clock_seconds(parts[4], clock)
    if clock[1] is None:  # hours and minutes, as spreadsheets show them
        within = within * 60
    found = []
    for day, month in ((days[0], days[1]), (days[1], days[0])):
        if month.max() <= 12:
            dates = pandas.to_datetime({"year": years, "month": month, "day": day})
            found.append(_since(dates) + within - within[0])
    if not found:
        raise RecordingError("its months go beyond 12")
    return min(found, key=lambda seconds: (bool((np.diff(seconds) < 0).any()), seconds[-1]))


def _from_clock(texts: Any, first: re.Match[str]) -> Seconds:
    """Times of day; a night that goes over midnight goes on, as an hour does without hours."""
    if first[1] is None and first[4] is None:
        raise RecordingError("these may be hours and minutes, or minutes and seconds")
    seconds = _clock_seconds(texts, first)
    period = 86_400.0 if first[1] is not None else 3600.0
    back = np.diff(seconds, prepend=seconds[0]) < -period / 2
    return np.asarray(seconds + period * np.cumsum(back) - seconds[0], dtype=np.float64)


def _clock_seconds(texts: Any, first: re.Match[str]) -> Seconds:
    parts = texts.str.strip().str.extract(f"^{_CLOCK.pattern}$")
    if parts[1].isna().any():
        row = int(parts[1].isna().to_numpy().argmax())
        raise RecordingError(f"row {row + 1} of samples is {texts.iloc[row]!r}")
    hours = parts[0].fillna("0").astype(float).to_numpy()
    if first[5] is not None:
        later = parts[4].str.strip().str.lower().eq("pm").to_numpy()
        hours = hours % 12 + 12 * later
    minutes, seconds = (parts[i].astype(float).to_numpy() for i in (1, 2))
    fraction = ("0." + parts[3].fillna("0")).astype(float).to_numpy()
    return np.asarray(hours * 3600 + minutes * 60 + seconds + fraction, dtype=np.float64)
