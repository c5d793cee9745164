"""When an EDF or BDF file begins: its header's date and time, and the first time stamp of EDF+."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from biot.signals.formats.edf_header import EdfHeader

__all__ = ["edf_start", "known_start"]

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_STARTDATE = re.compile(r"Startdate (\d{1,2})-([A-Z]{3})-(\d{4})\b", re.IGNORECASE)
"""How the recording's field of an EDF+ header begins; a year there has four digits."""
_UNKNOWN = datetime(1985, 1, 1)
"""What a header has that does not say: 01.01.85, 00.00.00."""


def edf_start(path: Path, header: EdfHeader) -> datetime | None:
    """Date and time in the header, by the clock of the place; None if they are none.

    The date of EDF+ (``Startdate 02-MAR-2021``) counts before the one whose years have two digits,
    which stand for 1985 to 2084. How far within its second a file starts is its first time stamp.
    """
    with path.open("rb") as file:
        main = file.read(256)
    try:
        hour, minute, second = _numbers(main[176:184])
        return datetime(*_date(main), hour, minute, second) + _first_stamp(path, header)
    except (ValueError, OverflowError):
        return None


def known_start(path: Path, header: EdfHeader) -> datetime | None:
    """The same; None also for 00:00:00 on 1 January 1985, by which EDF says that nobody knows."""
    start = edf_start(path, header)
    return None if start is None or start.replace(microsecond=0) == _UNKNOWN else start


def _date(main: bytes) -> tuple[int, int, int]:
    """Year, month and day."""
    said = _STARTDATE.match(main[88:168].decode("latin-1"))
    if said is not None and said[2].upper() in _MONTHS:
        return int(said[3]), _MONTHS.index(said[2].upper()) + 1, int(said[1])
    day, month, year = _numbers(main[168:176])
    return year + (1900 if year >= 85 else 2000), month, day


def _numbers(field: bytes) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", field.decode("latin-1"))]


def _first_stamp(path: Path, header: EdfHeader) -> timedelta:
    """How far within its second a file starts, which EDF+ writes as its first annotation."""
    if not header.annotations:
        return timedelta()
    signal = header.annotations[0]
    with path.open("rb") as file:
        file.seek(header.n_bytes + signal.first_byte)
        raw = file.read(min(32, signal.n_samples * header.sample_bytes))
    stamp = re.match(rb"\+(\d+(?:\.\d*)?)\x14\x14", raw)
    return timedelta(seconds=float(stamp[1])) if stamp is not None else timedelta()
