"""Whose samples a table holds, as far as a column of it says; known from its first lines."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import NamedTuple

from biot.errors import RecordingError
from biot.signals.formats.contained import contained
from biot.signals.formats.tables.columns import subjects_in
from biot.signals.formats.tables.devices import recognised
from biot.signals.formats.tables.parse import first_bytes, read_delimited, read_parquet

__all__ = ["Person", "person_in"]

_MAY_HOLD_ONE = re.compile(
    rb"subject|participant|person|patient|user|\A\d+,\w+,\d+,", re.IGNORECASE
)
"""What is found in the first lines of such a table; the last is how lines of WISDM begin."""


class Person(NamedTuple):
    """Whose a table is."""

    column: str
    """The column that says it."""
    name: str


def person_in(path: Path) -> Person | None:
    """Who is named in the column of subjects, in the first row; None without such a column.

    A table with rows of several people is none of this: to read it is refused. Nor is anything said
    of a table that cannot be read, which reading it tells.
    """
    is_parquet = path.suffix.lower() == ".parquet"
    if path.suffix.lower() == ".npz":
        return None
    try:
        if not is_parquet and not _MAY_HOLD_ONE.search(first_bytes(path).replace(b"\0", b"")):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is said when samples are read
            if is_parquet:
                sheet = contained(read_parquet, path, format_name="Parquet table")
            else:
                sheet = read_delimited(path, only_first=True)
            sheet, _ = recognised(sheet)
    except (RecordingError, OSError):
        return None
    found = [Person(name, values[0]) for name, values in subjects_in(sheet) if len(values) == 1]
    return found[0] if len(found) == 1 else None
