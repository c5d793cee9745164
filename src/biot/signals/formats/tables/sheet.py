"""What a table holds before anything is decided about it: its columns, names, units, preamble."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError

__all__ = ["EMPTY", "Column", "SampleTable", "is_number", "is_text"]

Column = npt.NDArray[Any]
"""Numbers, NaN where a cell is empty; or objects: texts, ``""`` where a cell is empty."""


EMPTY = ("", "nan", "na", "n/a", "null", "none", "<na>", "-nan", "#n/a")
"""What stands, in any case, in a cell without a number."""


_RATE = re.compile(
    r"(?:sampl\w*[ _-]?(?:rate|freq\w*)|sampling|sfreq|measurement frequency|\bfs)"
    r"[^\d\n]{0,24}?(?:eeg_)?(\d+(?:\.\d+)?)(?:\s*(k?)hz)?"
    r"|\bat\s+(\d+(?:\.\d+)?)\s*(k?)hz",
    re.IGNORECASE,
)
"""How a preamble says the rate, as in ``Sample Rate = 250 Hz`` or ``at 30 Hz``."""


@dataclass(frozen=True)
class SampleTable:
    """A table with a name for each column."""

    path: Path
    names: tuple[str, ...]
    """Different ones; as they are written, save that a repeated one has a number behind it."""
    columns: tuple[Column, ...]
    units: tuple[str, ...]
    """What a row of units says, or the name: ``Fp1 (µV)``; else empty."""
    preamble: tuple[str, ...] = ()
    """Lines above the names."""
    has_header: bool = True
    repeated: tuple[str, ...] = field(default=())
    """Names that several columns have."""
    first_row: int = 2
    """Line of the file that the first sample stands in; the first line is 1."""

    @property
    def n_rows(self) -> int:
        """Number of samples."""
        return len(self.columns[0])

    def column(self, name: str) -> Column:
        """The column of a name."""
        return self.columns[self._places[name]]

    def unit(self, name: str) -> str:
        """The unit of a column, as far as the table says it."""
        return self.units[self._places[name]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def said_rate(self) -> float | None:
        """The rate that the preamble says, in Hz.

        Raises
        ------
        RecordingError
            If it says several.
        """
        found = set()
        for line in self.preamble:
            for match in _RATE.finditer(line):
                number, kilo = match[1] or match[3], match[2] or match[4]
                found.add(float(number) * (1000 if kilo else 1))
        found.discard(0.0)
        if len(found) > 1:
            rates = ", ".join(f"{rate:g}" for rate in sorted(found))
            raise RecordingError(
                f"{self.path.name}: the lines above its columns say several sampling rates, "
                f"{rates} Hz. Give sfreq=."
            )
        return found.pop() if found else None

    def named(self, names: tuple[str, ...]) -> SampleTable:
        """The same with other names, for a table that has none."""
        return replace(self, names=names, has_header=True)

    def without_rows(self, dropped: npt.NDArray[np.bool_]) -> SampleTable:
        """The same without some rows."""
        return replace(self, columns=tuple(column[~dropped] for column in self.columns))


def is_text(column: Column) -> bool:
    """Whether a column holds text."""
    return column.dtype.kind == "O"


def is_number(cell: str) -> bool:
    """Whether a cell of text is a number, in any way of writing that Python knows."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
