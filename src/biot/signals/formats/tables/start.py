"""When a table of samples begins, by a column of dates or of times since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from biot.errors import require
from biot.signals.formats.tables.sheet import SampleTable, is_text
from biot.signals.formats.tables.times import seconds_since_1970, time_columns

__all__ = ["start_of"]

_ISO = re.compile(r"'?\d{4}[-/.]\d{1,2}[-/.]\d{1,2}[T ,]+\d{1,2}:\d{2}")


def start_of(sheet: SampleTable) -> datetime | None:
    """Date and time of the first row; None where no column says both.

    Times since 1970 count in UTC, and so do dates that name a time zone; others are of the clock of
    the place. Dates that begin with the day or the month are not taken: which is which is not
    certain.
    """
    for name in time_columns(sheet):
        column = sheet.column(name)
        if not len(column):
            continue
        if column.dtype.kind in "iuf":
            since = seconds_since_1970(sheet, name)
            if since is not None:
                return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=since)
        elif column.dtype.kind == "M" or (is_text(column) and _ISO.match(str(column[0]))):
            found = _date(str(column[0]).strip("' "))
            if found is not None:
                return found
    return None


def _date(text: str) -> datetime | None:
    pandas = require("pandas", extra="signals")
    plain = re.sub(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", text)
    plain = re.sub(r"(\d{2}:\d{2}:\d{2})[,:](\d+)", r"\1.\2", plain)
    try:
        stamp = pandas.to_datetime(plain, format="ISO8601")
    except (ValueError, OverflowError):
        return None
    if stamp is pandas.NaT:
        return None
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC")
    found: datetime = stamp.floor("us").to_pydatetime()
    return found
