"""How a text is laid out as a table: its separator, its decimal sign, where its numbers begin."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from biot.signals.formats.tables.sheet import EMPTY
from biot.signals.units import is_known_unit

__all__ = ["TextLayout", "find_layout", "names_and_units"]

_SEPARATORS = ("\t", ";", ",", "|", " ")
_THOUSANDS = {
    ",": re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+"),
    ".": re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+"),
}
"""Numbers with a sign between thousands, which is sure where there is a decimal sign too."""
_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?|"
    + "|".join(pattern.pattern for pattern in _THOUSANDS.values())
)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_TIME = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[ T]\d{1,2}:\d{2}(?::\d{2})?(?:[.,:]\d+)?)?"
    r"(?: ?(?:[AaPp][Mm]|Z|UTC|[+-]\d{2}:?\d{2}))?"
    r"|\d{1,3}:\d{2}(?:[:.,]\d+)*(?: ?[AaPp][Mm])?"
)
_SAID = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_LABCHART = "channeltitle="
_LOOKED_AT = 20
"""Rows of numbers that decide."""


@dataclass(frozen=True)
class TextLayout:
    """Where and how the numbers of a text stand."""

    separator: str
    """One character; a space stands for any number of them."""
    decimal: str
    preamble: tuple[str, ...]
    """Lines above the names."""
    heads: tuple[tuple[str, ...], ...]
    """Rows of names and units, from top to bottom; none where the table has no names."""
    first: int
    """Index of the first line of numbers."""
    n_columns: int
    thousands: str | None = None
    """The sign between thousands, if there is one."""
    lacks_a_name: bool = False
    """Whether a row of names has one cell less than the rows of numbers."""


def _cells_of(line: str, separator: str) -> list[str]:
    """The cells of a line, without spaces around them."""
    if separator == " ":
        line = line.strip(" \r")
        if '"' not in line:
            return re.split(" +", line)
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # longer than a cell may be, so that it is another separator's
        cells = line.split(separator)
    return [cell.strip(" \t'") for cell in cells]  # PhysioNet's have single quotes


def find_layout(lines: Sequence[str]) -> TextLayout | None:
    """The layout of a table that begins with these lines; None where they hold no numbers."""
    said = _SAID.fullmatch(lines[0]) if lines else None
    candidates = []
    for separator in (said[1],) if said else _SEPARATORS:
        found = _with(separator, lines, skipped=1 if said else 0)
        if found is not None:
            candidates.append(found)
    return max(candidates, key=lambda found: found[0])[1] if candidates else None


def _with(
    separator: str, lines: Sequence[str], skipped: int
) -> tuple[tuple[float, int], TextLayout] | None:
    """The layout with one separator, and how well it fits: more is better."""
    rows = [_cells_of(line, separator) if line.strip() else [] for line in lines]
    lower = [len(row) for row in rows[len(rows) // 2 :] if row]
    if not lower:
        return None
    n = Counter(lower).most_common(1)[0][0]
    begins = [i for i in range(skipped, len(rows)) if _begins(rows, i, n)]
    first = next((i for i in begins if _goes_on(rows, i)), begins[0] if begins else None)
    if first is None:
        return None
    while first > skipped and len(rows[first - 1]) == n and all(map(_is_empty, rows[first - 1])):
        first -= 1  # samples may be missing from the start
    while first > skipped and len(rows[first - 1]) == n > 1 and _is_known(rows[first - 1][0]):
        first -= 1  # or be spelled in a way that is told of later
    above_all = rows[first - 1] if first > skipped else []
    if separator != " " and len(above_all) > n and all(above_all) and not _is_data(above_all):
        n = len(above_all)  # rows may lack the empty cells at their end
    numbered = _is_of_numbered_names(rows[first:], n)
    first += numbered
    numbers = [row for row in rows[first:] if len(row) <= n][:_LOOKED_AT]
    cells = [cell for row in numbers for cell in row if not _is_empty(cell)]
    known = sum(map(_is_known, cells)) / len(cells)
    heads, above = _heads(rows, lines, first, n, skipped, separator)
    if numbered:
        heads, above = (tuple(rows[first - 1]),), first - 1
    # a comma is a decimal sign where no cell has a point
    commas = any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
    points = any("." in cell and _is_number(cell) for cell in cells)
    thousands = _thousands(cells)
    layout = TextLayout(
        separator, "," if thousands == "." or (commas and not points) else ".",
        tuple(lines[skipped:above]), heads, first, n, thousands,
        _lacks_a_name(rows[above:first], n),
    )  # fmt: skip
    return (known + 0.5 * bool(heads), n), layout


def _is_of_numbered_names(rows: Sequence[list[str]], n: int) -> bool:
    """Whether the first row counts the columns, perhaps behind other names: ``time,0,1,2``."""
    numbers = [cell for cell in rows[0] if _is_known(cell)]
    start = int(numbers[0]) if numbers and numbers[0] in ("0", "1") else None
    if start is None or n < 3 or numbers != [str(start + i) for i in range(len(numbers))]:
        return False
    others = [i for i, cell in enumerate(rows[0]) if not _is_known(cell)]
    following = [row for row in rows[1:10] if len(row) == n]
    return (
        len(numbers) > 1
        and len(following) > 1
        and all(
            row[0] != ""
            and all(_is_known(row[i]) or not rows[0][i] for i in others)
            and [cell for cell in row if _is_known(cell)][: len(numbers)] != numbers
            for row in following
        )
    )


def _lacks_a_name(heads: Sequence[Sequence[str]], n: int) -> bool:
    """Whether a row of names is short; LabChart's are, where the columns end with comments."""
    if any(row and row[0].lower() == _LABCHART for row in heads):
        return False
    return any(len(row) == n - 1 for row in heads if row)


def _thousands(cells: Sequence[str]) -> str | None:
    """The sign between thousands; none beside dates, which it would join to numbers."""
    for sign, pattern in _THOUSANDS.items():
        if any(map(pattern.fullmatch, cells)) and not any(map(_is_time, cells)):
            return sign
    return None


def _begins(rows: Sequence[Sequence[str]], i: int, n: int) -> bool:
    """Whether rows of `n` cells, numbers among them, begin at row `i`."""
    following = [row for row in rows[i : i + 5] if row]
    alike = sum(len(row) == n for row in following)
    return len(rows[i]) == n and _is_data(rows[i]) and 2 * alike >= len(following)


def _goes_on(rows: Sequence[Sequence[str]], i: int) -> bool:
    """Whether next to all of the rows that follow may be of numbers too, or empty."""
    following = [row for row in rows[i : i + 10] if row]
    return sum(_may_be_data(row) for row in following) >= 0.8 * len(following)


def _may_be_data(row: Sequence[str]) -> bool:
    return _is_data(row) or all(_is_empty(cell) or _is_known(cell) for cell in row)


def _is_data(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if not _is_empty(cell)]
    n_known = sum(map(_is_known, filled))
    return n_known > 1 or (n_known == 1 and len(filled) <= 2)


def _heads(
    rows: Sequence[list[str]],
    lines: Sequence[str],
    first: int,
    n: int,
    skipped: int,
    separator: str,
) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Rows of names above the numbers, and the index of the first of them."""
    heads: list[tuple[str, ...]] = []
    above = first - _comments_below_names(rows, lines, first, n, skipped)
    while above > skipped:
        row = _fitted(rows[above - 1], n)
        if not rows[above - 1] and not heads:  # a blank line
            above -= 1
            continue
        if row is None or lines[above - 1].lstrip()[:1] in ("#", "%") or (n == 1 and heads):
            break
        heads.insert(0, row)
        above -= 1
    if not heads and above > skipped and lines[above - 1].lstrip()[:1] in ("#", "%"):
        # as numpy.savetxt writes names
        row = _fitted(_cells_of(lines[above - 1].lstrip(" #%"), separator), n)
        if row is not None:
            return (row,), above - 1
    return tuple(heads), above


def _comments_below_names(
    rows: Sequence[list[str]], lines: Sequence[str], first: int, n: int, skipped: int
) -> int:
    """How many lines of comments stand between a row of names and the numbers."""
    above = first
    while above > skipped and lines[above - 1].lstrip()[:1] in ("#", "%"):
        above -= 1
    is_named = above > skipped and _fitted(rows[above - 1], n) is not None
    return first - above if is_named else 0


def _fitted(row: Sequence[str], n: int) -> tuple[str, ...] | None:
    """A row of names as `n` cells; None where it is none. An end may have a separator or not."""
    if len(row) == n + 1 and not row[-1]:
        row = row[:-1]
    elif len(row) == n - 1 and n > 2 and not _is_data(row):
        row = [*row, ""]
    filled = sum(cell.lower() not in ("", "na", "nan", "null") for cell in row)
    if len(row) != n or 2 * filled < n or _is_data(row):
        return None
    return tuple(row)


_OF_FORMAT = frozenset(("cal", "raw", "uncal", ""))
_MORE_UNITS = re.compile(
    r"[mµμun]?s(?:ecs?)?|seconds?|no[ _]?units?|unitless|none|n/?a|-|[mk]?hz|°?c|deg(?:rees?)?|"
    r"hh:mm:ss\S*|k?ohms?|[µμu]s(?:iemens)?|counts?|g|mbar|k?pa|local|u?t|rpm|bpm|%|m/s(?:ec)?\^?2",
    re.IGNORECASE,
)
_NO_UNIT = re.compile(r"no[ _]?units?|unitless|none|n/?a|-|local|counts?", re.IGNORECASE)
_WITH_UNIT = re.compile(r"(.*\S)\s*[(\[]([^()\[\]]+)[)\]]")


def names_and_units(
    heads: Sequence[tuple[str, ...]],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of columns, from the rows above the numbers.

    A last row of units is taken as that; rows that say the same of all columns, such as the
    device, are passed over.
    """
    titles = [row for row in heads if row[0].lower() == _LABCHART]
    rows = [("Time", *row[1:]) for row in titles] or list(heads)
    units = [""] * len(rows[0])
    if len(rows) > 1 and _is_of_units(rows[-1]):
        units = [_unit(cell) for cell in rows.pop()]
    named = [row for row in rows if not {cell.lower() for cell in row} <= _OF_FORMAT]
    telling = [row for row in named if len(set(row) - {""}) > 1] or named[-1:] or rows[-1:]
    names = telling[-1]
    if len(set(names)) < len(names) and len(telling) > 1:  # such as back, back / x, y
        names = tuple(f"{a}_{b}" if a else b for a, b in zip(telling[-2], names, strict=True))
    formats = next((row for row in rows if {cell.lower() for cell in row} <= _OF_FORMAT), None)
    if formats is not None:  # Shimmer: the same signal may be there as it came and calibrated
        names = tuple(f"{n}_{f}" if f else n for n, f in zip(names, formats, strict=True))
    found = [_WITH_UNIT.fullmatch(name) for name in names]
    units = [unit or (_unit(m[2]) if m else "") for unit, m in zip(units, found, strict=True)]
    return tuple(m[1] if m else name for m, name in zip(found, names, strict=True)), tuple(units)


def _is_of_units(row: Sequence[str]) -> bool:
    filled = [_plain(cell) for cell in row if cell]
    known = sum(is_known_unit(cell) or bool(_MORE_UNITS.fullmatch(cell)) for cell in filled)
    return bool(filled) and 2 * known > len(filled)


def _unit(cell: str) -> str:
    text = _plain(cell)
    return "" if _NO_UNIT.fullmatch(text) else text


def _plain(unit: str) -> str:
    """``m/(s^2)`` is ``m/s^2``, ``(uV)`` is ``uV``."""
    return re.sub(r"[()\[\]]", "", unit).strip()


def _is_empty(cell: str) -> bool:
    return cell.lower() in EMPTY


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def _is_time(cell: str) -> bool:
    return _TIME.fullmatch(cell) is not None


def _is_known(cell: str) -> bool:
    return _is_number(cell) or _is_time(cell)
