"""Recordings in tables: CSV, TSV and Parquet (a column a channel), and NumPy archives."""

from __future__ import annotations

import csv
import math
import re
import warnings
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, require
from biot.signals.channels import kind
from biot.signals.formats.contained import MEGABYTES, contained, memory_for, size_in_words
from biot.signals.formats.mne import in_the_name_of
from biot.signals.recording import Recording
from biot.signals.units import conversion

__all__ = [
    "rate_of_column",
    "rate_of_times",
    "read_npz",
    "read_table",
]


def rate_of_column(path: Path, column: npt.NDArray[np.float64] | list[str]) -> float:
    """The one number of a column ``sfreq``; rows may be empty."""
    rates = set() if isinstance(column, list) else set(column[~np.isnan(column)].tolist())
    if len(rates) != 1:
        raise RecordingError(
            f"{path.name}: the column sfreq must hold one number, found {len(rates)} different "
            "ones. Split the table, or give sfreq=."
        )
    return float(rates.pop())


def rate_of_times(
    path: Path, name: str, seconds: npt.NDArray[np.float64], sfreq: float | None
) -> float:
    """The rate at which rows follow each other, checked against `sfreq` if that is given.

    A time may be half a sample off, as written times are rounded. A whole number is taken where
    it fits as well.

    Raises
    ------
    RecordingError
        If the times are not evenly spaced, and no rate is given.
    """
    length = seconds[-1] - seconds[0]
    measured = (len(seconds) - 1) / length if len(seconds) > 1 and length > 0 else np.nan
    if sfreq is not None:
        off = _largest_shift(seconds, sfreq)
        if not off <= 0.5:
            warnings.warn(
                f"{path.name}: read at {sfreq:g} Hz as given, but the times in column {name} are "
                f"up to {off:.3g} samples off that; they tell {measured:.5g} Hz.",
                stacklevel=5,
            )
        return sfreq
    for rate in (float(round(measured)) if np.isfinite(measured) else np.nan, measured):
        if rate > 0 and _largest_shift(seconds, rate) <= 0.5:
            return float(rate)
    raise RecordingError(
        f"{path.name}: the times in column {name} are not evenly spaced (some are "
        f"{_largest_shift(seconds, measured):.3g} samples off {measured:.5g} Hz), so samples are "
        "missing or the rate varies. Give sfreq= to take the rows as evenly spaced."
    )


def _largest_shift(seconds: npt.NDArray[np.float64], rate: float) -> float:
    """How many samples a time is off the one that its row has at this rate, at most."""
    return float(np.abs((seconds - seconds[0]) * rate - np.arange(len(seconds))).max())


_EMPTY = frozenset(("", "nan", "na", "n/a", "null", "none"))


_TIME = re.compile(
    r"(?:time[\s_]?stamps?|date[\s_]?time|times?|t|seconds?|lsl_?timestamp)"
    r"(?:[\s_]*[(\[]?(ms|milliseconds|s|sec|seconds)[)\]]?)?",
    re.IGNORECASE,
)


_WITH_UNIT = re.compile(r"(.*\S)\s*[(\[]([^()\[\]]+)[)\]]")


_Column = npt.NDArray[np.float64] | list[str]


def read_table(path: Path, sfreq: float | None, units: str | Sequence[str] | None) -> Recording:
    """Open a table (``.csv``, ``.tsv``, ``.parquet``) with a line of names and a column a channel.

    The rate is `sfreq`, else the one number in a column ``sfreq``, else that of the evenly spaced
    column of times (seconds, or dates as text). Those columns are no channels, nor are columns of
    text, of which a warning tells. Units are `units`, else those in the names: ``Fp1 (µV)``. Empty
    cells are missing samples. The table is read into memory.

    Raises
    ------
    RecordingError
        If the table has no line of names, a cell is no number, or nothing says the rate.
    """
    if path.suffix.lower() == ".parquet":
        columns = contained(_parquet, path, format_name="Parquet table")
    else:
        columns = _delimited(path)
    rate_column = next((name for name in columns if name.strip().lower() == "sfreq"), None)
    time_column = next((name for name in columns if _TIME.fullmatch(name.strip())), None)
    if rate_column is not None and sfreq is None:
        sfreq = rate_of_column(path, columns[rate_column])
    if time_column is not None:
        sfreq = rate_of_times(path, time_column, _seconds(path, time_column, columns), sfreq)
    if sfreq is None:
        raise RecordingError(
            f"{path.name}: nothing says its sampling rate: it has no column of times and no column "
            "'sfreq'. Give sfreq=, in Hz."
        )
    channels = {k: v for k, v in columns.items() if k not in (rate_column, time_column)}
    texts = [name for name, column in channels.items() if isinstance(column, list)]
    numbers = {name: v for name, v in channels.items() if not isinstance(v, list)}
    if texts:
        warnings.warn(
            f"{path.name}: the columns {', '.join(texts)} hold no number and were not read.",
            stacklevel=4,
        )
    if not numbers:
        raise RecordingError(f"{path.name}: no column holds numbers, so there is no signal.")
    split = [_WITH_UNIT.fullmatch(name) for name in numbers]
    names = [m[1] if m else name for m, name in zip(split, numbers, strict=True)]
    written = [m[2] if m else "" for m in split]
    return _recording(path, np.stack(list(numbers.values())), names, sfreq, units or written)


def read_npz(path: Path, sfreq: float | None, units: str | Sequence[str] | None) -> Recording:
    """Open a NumPy archive of ``data`` (n_chans, n_times), ``ch_names``, ``sfreq`` and ``units``.

    The last two may be given as arguments instead; empty `units` are for an archive that may not
    say them, whose channels have none then. Nothing pickled is opened.

    Raises
    ------
    RecordingError
        If an array is missing or has another shape.
    """
    needed = ("data", "ch_names", "sfreq", "units")
    with in_the_name_of(path, "NumPy archive"), np.load(path, allow_pickle=False) as archive:
        there = archive.files
        _require_sizes(path, [name for name in needed if name in there])
        arrays = {name: archive[name] for name in needed if name in there}
    given = {"sfreq": sfreq, "units": units}
    lacking = [name for name in needed if name not in arrays and given.get(name) is None]
    if lacking:
        raise RecordingError(
            f"{path.name}: lacks {', '.join(lacking)}; it has {', '.join(there)}. A recording "
            f"needs {', '.join(needed)}; otherwise use Recording.from_array."
        )
    rate = _one_number(path, "sfreq", arrays["sfreq"]) if sfreq is None else sfreq
    declared = _texts(arrays["units"]) if "units" in arrays and not units else units or ""
    data, names = arrays["data"], _texts(arrays["ch_names"])
    if data.ndim != 2 or len(data) != len(names) or data.dtype.kind not in "iuf":
        raise RecordingError(
            f"{path.name}: data must hold numbers, a row for each of the {len(names)} ch_names; "
            f"its shape is {data.shape}, its type {data.dtype}."
        )
    if not isinstance(declared, str) and len(declared) == 1:
        declared = declared[0]
    return _recording(path, data, names, rate, declared)


def _require_sizes(path: Path, names: list[str]) -> None:
    """Raise ``RecordingError`` where arrays take more memory than their archive's size allows.

    Zeros take a thousandth of their size there, and a header may claim anything.
    """
    most = memory_for(path.stat().st_size) // 2  # the samples are held as float32 beside
    left = most
    with zipfile.ZipFile(path) as archive:
        for name in names:
            with archive.open(f"{name}.npy") as file:
                version = np.lib.format.read_magic(file)
                header = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = header(file)
                claimed = math.prod(max(0, n) for n in shape) * dtype.itemsize
            left -= claimed
            if left < 0:
                raise RecordingError(
                    f"{path.name}: {name} of shape {shape} and type {dtype} would take "
                    f"{size_in_words(claimed)}; the arrays of an archive of "
                    f"{size_in_words(path.stat().st_size)} may take {size_in_words(most)}. If "
                    "it is sound, save it with np.savez, or set the environment variable "
                    f"{MEGABYTES} to a larger number."
                )


def _one_number(path: Path, name: str, array: npt.NDArray[Any]) -> float:
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise RecordingError(f"{path.name}: {name} must be one number, got {array.tolist()!r}.")
    return float(array.item())


def _texts(array: npt.NDArray[Any]) -> list[str]:
    return [
        text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        for text in np.atleast_1d(array).tolist()
    ]


def _recording(
    path: Path,
    data: npt.NDArray[Any],
    names: list[str],
    sfreq: float,
    units: str | Sequence[str],
) -> Recording:
    declared = [units] * len(names) if isinstance(units, str) else list(units)
    if len(declared) != len(names):
        raise RecordingError(
            f"{path.name}: {len(declared)} units for {len(names)} channels "
            f"({', '.join(names)}). Give one unit, or one a channel."
        )
    if not (np.isfinite(sfreq) and sfreq > 0):
        raise RecordingError(f"{path.name}: a sampling rate must be above 0 Hz, got {sfreq:g}.")
    converted = [conversion(u, kind(name)) for u, name in zip(declared, names, strict=True)]
    factors = np.array([factor for factor, _ in converted])[:, np.newaxis]
    return Recording.from_array(
        data * factors,
        ch_names=names,
        sfreq=sfreq,
        units=[unit for _, unit in converted],
        path=path,
    )


def _parquet(path: Path) -> dict[str, _Column]:
    with in_the_name_of(path, "Parquet table"):
        table = require("pyarrow.parquet", extra="corpus").read_table(path)
    columns: dict[str, _Column] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        cells = column.to_pylist() if str(column.type) in ("string", "large_string") else None
        if cells is not None:
            columns[name] = _parsed(path, name, ["" if cell is None else cell for cell in cells])
        elif str(column.type).startswith(("timestamp", "date")):
            columns[name] = [
                "" if cell is None else cell.isoformat() for cell in column.to_pylist()
            ]
        else:
            with in_the_name_of(path, "Parquet table"):
                columns[name] = np.asarray(column.cast("double").to_numpy(), dtype=np.float64)
    return columns


def _delimited(path: Path) -> dict[str, _Column]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="latin-1")
    header = text.partition("\n")[0]
    separator = max("\t;,", key=header.count)
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if row]
    except csv.Error as error:
        raise RecordingError(
            f"{path.name}: not a table of samples ({error}). Is it of another kind, or damaged?"
        ) from error
    names = [name.strip() for name in rows[0]] if rows else []
    if len(rows) < 2 or len(set(names)) < len(names) or any(map(_is_number, names)):
        raise RecordingError(
            f"{path.name}: needs a first line with a different name for each column, and lines of "
            f"samples; its first line is {header.strip()[:60]!r} of {len(rows)}."
        )
    # some writers leave out empty cells at a row's end; where another row has a number, one is lost
    shortest = min(range(len(rows)), key=lambda i: len(rows[i]))
    longest = max(range(len(rows)), key=lambda i: len(rows[i]))
    surplus = any(_is_number(cell) for row in rows[1:] for cell in row[len(rows[shortest]) :])
    if surplus or len(rows[longest]) > len(names):
        uneven = longest if len(rows[longest]) > len(names) else shortest
        raise RecordingError(
            f"{path.name}: row {uneven + 1} has {len(rows[uneven])} cells, the first "
            f"{len(names)}: it is damaged or truncated."
        )
    cells = zip(*(row + [""] * (len(names) - len(row)) for row in rows[1:]), strict=True)
    return {n: _parsed(path, n, list(column)) for n, column in zip(names, cells, strict=True)}


def _parsed(path: Path, name: str, cells: list[str]) -> _Column:
    """Numbers where a cell is one, NaN where it is empty; the text itself where no cell is."""
    try:
        return np.array([float(cell) for cell in cells])
    except ValueError:
        pass
    texts = [i for i, cell in enumerate(cells) if not _is_number(cell) and not _is_empty(cell)]
    n_numbers = sum(map(_is_number, cells))
    if texts and n_numbers:
        raise RecordingError(
            f"{path.name}: column {name}, row {texts[0] + 2}: {cells[texts[0]]!r} is no number, "
            f"but {n_numbers} other cells of the column are. Correct or empty the cell."
        )
    if not n_numbers:
        return cells
    return np.array([np.nan if _is_empty(cell) else float(cell) for cell in cells])


def _is_empty(cell: str) -> bool:
    return cell.strip().lower() in _EMPTY


def _is_number(cell: str) -> bool:
    if _is_empty(cell):
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _seconds(path: Path, name: str, columns: dict[str, _Column]) -> npt.NDArray[np.float64]:
    column = columns[name]
    if isinstance(column, list):
        try:
            dates = [datetime.fromisoformat(cell.strip()) for cell in column]
            return np.array([(date - dates[0]).total_seconds() for date in dates])
        except (ValueError, TypeError) as error:
            raise RecordingError(
                f"{path.name}: column {name} should hold times, but {error}. Write seconds, or "
                "dates as 2020-01-31 12:00:00.000."
            ) from error
    unit = _TIME.fullmatch(name.strip())
    in_ms = unit is not None and (unit[1] or "").lower().startswith("m")
    return column / 1000 if in_ms else column
