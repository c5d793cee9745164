"""Files of tables to columns: text of any layout with pandas, Parquet with pyarrow."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, counted, listed, require
from biot.signals.formats.contained import MEGABYTES, in_the_name_of, memory_for, size_in_words
from biot.signals.formats.tables.layout import TextLayout, find_layout, names_and_units
from biot.signals.formats.tables.sheet import EMPTY, Column, SampleTable, is_number
from biot.signals.formats.tables.times import is_time_name

__all__ = ["first_bytes", "read_delimited", "read_parquet"]

_LONGEST_CELL = 131_072
"""Characters, as in Python's module csv."""
_MOST_COLUMNS = 10_000
_HEAD_LINES, _HEAD_BYTES = 400, 2**20
_EMPTY = sorted({spelled for word in EMPTY for spelled in (word, word.upper(), word.title())})


def read_delimited(path: Path, *, only_first: bool = False) -> SampleTable:
    """The table in a text (``.csv``, ``.tsv``, ``.txt``, each also ``.gz``), as it is written.

    Parameters
    ----------
    only_first
        Read only the rows that begin in the first lines.

    Raises
    ------
    RecordingError
        If it is no text, holds no numbers, or its rows have different numbers of cells.
    """
    content = _text(first_bytes(path) if only_first else _bytes(path), path)
    if only_first and len(content) >= _HEAD_BYTES // 2:  # the last line may be cut
        content = content[: content.rfind(b"\n") + 1]
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == 10)
    _require_no_long_cell(path, content, ends)
    lines = _first_lines(content, ends)
    layout = find_layout(lines)
    if layout is None:
        first = lines[0].strip()[:60] if lines else ""
        raise RecordingError(
            f"{path.name}: needs a first line with a different name for each column, and lines of "
            f"samples; its first line is {first!r} of {len(ends) + 1}."
        )
    if layout.n_columns > _MOST_COLUMNS:
        raise RecordingError(
            f"{path.name}: has {counted(layout.n_columns, 'column')}; a table of samples has one "
            "a channel, "
            f"at most {_MOST_COLUMNS}. Is it turned, with a row a channel?"
        )
    ragged = _require_even(path, content, layout)
    columns = _parsed(path, content, layout)
    if ragged is not None and any(_holds_number(c[:]) for c in columns[ragged[1] :]):
        raise _uneven(path, layout, *ragged)
    return _sheet(path, columns, layout)


def _sheet(path: Path, columns: list[Column], layout: TextLayout) -> SampleTable:
    """Names given to columns; an empty one without a name is the end of lines, and left out."""
    if layout.heads:
        names, units = names_and_units(layout.heads)
        if layout.lacks_a_name and _is_filled(columns[-1]):
            _require_row_names(path, columns, names)
            names, units = ("", *names[:-1]), ("", *units[:-1])
    else:
        names, units = ("",) * len(columns), ("",) * len(columns)
    kept = [i for i, name in enumerate(names) if name or _is_filled(columns[i])]
    names = tuple(names[i] or f"column {i + 1}" for i in kept)
    return SampleTable(
        path, _without_repeats(names), tuple(columns[i] for i in kept),
        tuple(units[i] for i in kept), layout.preamble, bool(layout.heads), _repeats(names),
        layout.first + 1,
    )  # fmt: skip


def _require_row_names(path: Path, columns: Sequence[Column], names: Sequence[str]) -> None:
    """Raise unless the column without a name is the first: R writes names of rows there."""
    first = columns[0]
    if first.dtype.kind == "O":
        are_names = not is_time_name(names[0])
    else:
        are_names = len(first) > 1 and np.array_equal(first, np.arange(1, len(first) + 1))
    if not are_names:
        raise RecordingError(
            f"{path.name}: has {len(names) - 1} names ({listed(names[:-1], 4)}) for {len(columns)} "
            "columns, so it is not sure which is whose. Write a name for each."
        )
    warnings.warn(
        f"{path.name}: the first of its {len(columns)} columns has no name and holds those of its "
        "rows, as R writes them: it was not read.",
        stacklevel=4,
    )


def _repeats(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name, count in Counter(names).items() if count > 1)


def _without_repeats(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with a number behind each that stood before."""
    met: Counter[str] = Counter()
    out: list[str] = []
    for name in names:
        met[name] += 1
        out.append(name if met[name] == 1 else f"{name}.{met[name] - 1}")
    return tuple(out)


def first_bytes(path: Path) -> bytes:
    """What a text begins with, unpacked if it is packed.

    Raises
    ------
    RecordingError
        If it cannot be unpacked.
    """
    if path.suffix.lower() == ".gz":
        return _unpacked(path, _HEAD_BYTES)
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _bytes(path: Path) -> bytes:
    return _unpacked(path) if path.suffix.lower() == ".gz" else path.read_bytes()


def _text(content: bytes, path: Path) -> bytes:
    """The bytes of a text in UTF-8, with line feeds."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = content.decode("utf-16", "replace").encode()
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content:
        raise RecordingError(
            f"{path.name}: not a table of samples (it holds zero bytes, so it is no text). Is it "
            "of another kind, or damaged?"
        )
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    try:
        content.decode()
    except UnicodeDecodeError:
        content = content.decode("latin-1").encode()
    for end in (b";\n", b";\r\n"):  # as WISDM ends its lines
        if end in content[:_HEAD_BYTES]:
            content = content.replace(end, b"\n")
    return content


def _unpacked(path: Path, n_bytes: int | None = None) -> bytes:
    most = memory_for(path.stat().st_size)
    try:
        with gzip.open(path) as file:
            content = file.read(most + 1 if n_bytes is None else n_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordingError(
            f"{path.name}: cannot be unpacked ({error}): it is damaged or truncated."
        ) from error
    if len(content) > most:
        raise RecordingError(
            f"{path.name}: unpacks to more than {size_in_words(most)}, the limit for "
            f"{size_in_words(path.stat().st_size)}. If it is sound, unpack it, or set the "
            f"environment variable {MEGABYTES} to a larger number."
        )
    return content


def _first_lines(content: bytes, ends: npt.NDArray[np.int64]) -> list[str]:
    stop = len(content)
    if len(ends) > _HEAD_LINES:
        stop = int(ends[_HEAD_LINES])
    if stop > _HEAD_BYTES:  # long lines: as many as there is room for, but two
        shorter = int(np.searchsorted(ends, _HEAD_BYTES, side="right")) - 1
        shorter = max(shorter, 2)
        stop = int(ends[shorter]) if shorter < len(ends) else len(content)
    return content[:stop].decode("utf-8", "replace").splitlines()


def _require_no_long_cell(path: Path, content: bytes, ends: npt.NDArray[np.int64]) -> None:
    starts = np.concatenate(([0], ends + 1))
    lengths = np.concatenate((ends, [len(content)])) - starts
    for row in np.flatnonzero(lengths > _LONGEST_CELL):
        line = content[starts[row] : starts[row] + lengths[row]]
        if max(map(len, re.split(rb"[\t;,| ]", line))) > _LONGEST_CELL:
            raise RecordingError(
                f"{path.name}: not a table of samples (field larger than {_LONGEST_CELL} "
                f"characters in line {row + 1}). Is it of another kind, or damaged?"
            )


def _require_even(path: Path, content: bytes, layout: TextLayout) -> tuple[int, int] | None:
    """Line and number of cells of the shortest row, where rows are shorter than others.

    Some writers leave out empty cells at a row's end; where another row has a number, one is lost.
    """
    body = content.split(b"\n", layout.first)[-1]
    counts, numbers = _counts(body, layout.separator)
    if len(counts) and counts.max() > layout.n_columns:
        row = int(counts.argmax())
        raise _uneven(path, layout, int(numbers[row]) + layout.first, int(counts[row]))
    if not len(counts) or counts.min() == layout.n_columns:
        return None
    row = int(counts.argmin())
    return int(numbers[row]) + layout.first, int(counts[row])


def _counts(body: bytes, separator: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cells of each line that is not blank, and which line it is."""
    if separator == " " or b'"' in body:
        lines = body.decode().splitlines()
        if separator == " " and b'"' not in body:
            counts = np.array([len(line.split()) for line in lines], dtype=np.int64)
        else:
            stripped = map(str.strip, lines) if separator == " " else lines
            rows = csv.reader(stripped, delimiter=separator, skipinitialspace=True)
            counts = np.array([len(row) for row in rows], dtype=np.int64)
        numbers = np.flatnonzero(counts)
        return counts[numbers], numbers
    array = np.frombuffer(body if body.endswith(b"\n") else body + b"\n", np.uint8)
    ends = np.flatnonzero(array == 10)
    found = np.flatnonzero(array == ord(separator))
    starts = np.concatenate(([0], ends[:-1] + 1))
    counts = np.searchsorted(found, ends) - np.searchsorted(found, starts) + 1
    length = ends - starts
    first = array[np.minimum(starts, len(array) - 1)]
    numbers = np.flatnonzero((length > 1) | ((length == 1) & (first != 13)))
    return counts[numbers], numbers


def _uneven(path: Path, layout: TextLayout, line: int, n_cells: int) -> RecordingError:
    return RecordingError(
        f"{path.name}: row {line + 1} has {counted(n_cells, 'cell')}, the first "
        f"{layout.n_columns}: it is "
        "damaged or truncated."
    )


def _parsed(path: Path, content: bytes, layout: TextLayout) -> list[Column]:
    pandas = require("pandas", extra="signals")
    spaces = layout.separator == " "
    with in_the_name_of(path, "table"):
        frame = pandas.read_csv(
            io.BytesIO(content), header=None, names=range(layout.n_columns),
            sep=r"\s+" if spaces else layout.separator, decimal=layout.decimal,
            thousands=layout.thousands, skiprows=layout.first, skipinitialspace=True,
            index_col=False, low_memory=False,
            na_values=_EMPTY, keep_default_na=True, encoding="utf-8",
        )  # fmt: skip
    return [_column(pandas, frame[i]) for i in range(layout.n_columns)]


def _column(pandas: Any, series: Any) -> Column:
    """A column as numbers if each cell is one or empty, else as text."""
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iuf":
        return np.asarray(series.to_numpy())
    if kind == "b" or series.dropna().map(lambda cell: isinstance(cell, bool)).any():
        texts = series.astype(object).map(lambda cell: str(cell) if cell == cell else "")
        return np.asarray(texts.to_numpy(dtype=object))
    numbers = pandas.to_numeric(series, errors="coerce")
    if numbers.notna().equals(series.notna()):
        return np.asarray(numbers.to_numpy(dtype=np.float64))
    texts = series.astype(object).where(series.notna(), "")
    return np.array([str(cell).strip() for cell in texts], dtype=object)


def _is_filled(column: Column) -> bool:
    if column.dtype.kind == "O":
        return any(cell != "" for cell in column)
    return column.dtype.kind != "f" or bool(np.isfinite(column).any())


def _holds_number(column: Column) -> bool:
    if column.dtype.kind != "O":
        return _is_filled(column)
    return any(is_number(cell) for cell in column)


def read_parquet(path: Path) -> SampleTable:
    """The table in a Parquet file.

    Raises
    ------
    RecordingError
        If it cannot be read.
    """
    with in_the_name_of(path, "Parquet table"):
        table = require("pyarrow.parquet", extra="corpus").read_table(path)
    found = [_of_arrow(path, column) for column in table.columns]
    if not found or not table.num_rows:
        raise RecordingError(f"{path.name}: holds no samples.")
    heads = (tuple(str(name).strip() for name in table.column_names),)
    names, units = names_and_units(heads)
    return SampleTable(path, _without_repeats(names), tuple(found), units, repeated=_repeats(names))


def _of_arrow(path: Path, column: Any) -> Column:
    kind = str(column.type)
    if kind.startswith(("timestamp", "date")):
        return np.asarray(column.to_numpy()).astype("datetime64[ns]")
    if kind.startswith("duration"):
        since = np.asarray(column.to_numpy()).astype("timedelta64[ns]")
        return np.asarray(since / np.timedelta64(1, "s"), dtype=np.float64)
    if "string" in kind or kind == "bool":
        cells = column.to_pylist()
        text = np.array(["" if cell is None else str(cell) for cell in cells], dtype=object)
        if kind == "bool" or not all(is_number(cell) or cell.lower() in EMPTY for cell in text):
            return text
        numbers = [float(cell) if cell.lower() not in EMPTY else np.nan for cell in text]
        return np.array(numbers) if not np.isnan(numbers).all() else text
    with in_the_name_of(path, "Parquet table"):
        if kind.startswith(("int", "uint")) and not column.null_count:
            return np.asarray(column.to_numpy())
        return np.asarray(column.cast("double").to_numpy(), dtype=np.float64)
