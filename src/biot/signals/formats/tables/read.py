"""`read_table`: a table of samples, opened as a `Recording`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from biot.errors import RecordingError, counted, listed, near_word
from biot.signals.formats.contained import contained
from biot.signals.formats.tables.columns import choose, subjects_in, word_of
from biot.signals.formats.tables.devices import recognised
from biot.signals.formats.tables.parse import read_delimited, read_parquet
from biot.signals.formats.tables.rate import rate_of
from biot.signals.formats.tables.recording import made
from biot.signals.formats.tables.sheet import Column, SampleTable, is_text
from biot.signals.formats.tables.start import start_of
from biot.signals.formats.tables.times import is_time_name
from biot.signals.recording import Annotation, Recording

__all__ = ["read_table"]


def read_table(
    path: Path,
    sfreq: float | None,
    units: str | Sequence[str] | None,
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Recording:
    """Open a table (``.csv``, ``.tsv``, ``.txt``, packed as ``.gz`` or not, or ``.parquet``).

    It has a line of names and a column a channel, or is what a known device wrote (see
    :mod:`biot.signals.formats.tables.devices`). Lines above the names, a line ``sep=``, a row of
    units and a decimal comma are understood.

    The rate is `sfreq`, else the one number in a column ``sfreq``, else what the lines above the
    names say, else that of the evenly spaced column of times. Units are `units`, else those that
    the table says, else the device's. Empty cells are missing samples. The table is read into
    memory.

    Columns of text, times, counters and labels are no channels: those that are called so, and those
    of few whole numbers that are each held for long. A warning says which.

    Parameters
    ----------
    columns
        Names of columns that are channels nevertheless.
    labels
        Names of columns whose values label the samples: each run of one value becomes an
        annotation.

    Raises
    ------
    RecordingError
        If the table has no line of names, a cell is no number, nothing says the rate or times do
        not fit one, it holds several people, or a column of `labels` is not there.
    """
    if path.suffix.lower() == ".parquet":
        sheet = contained(read_parquet, path, format_name="Parquet table")
    else:
        sheet = read_delimited(path)
    sheet, device = recognised(sheet)
    if not sheet.has_header:
        first = ",".join(word_of(column[0]) for column in sheet.columns)
        n_columns = len(sheet.columns)
        raise RecordingError(
            f"{path.name}: needs a first line with a different name for each column, and lines of "
            f"samples; its first line is {first[:60]!r} of {sheet.n_rows}. Write a line with the "
            f"names of its {counted(n_columns, 'column')} above it, such as "
            "time,acc_x,acc_y,activity."
        )
    sheet = _without_events(sheet)
    _require_one_person(sheet, columns)
    _require_wide(sheet, labels)
    chosen = choose(sheet, device, columns, labels)
    rate = rate_of(sheet, sfreq)
    annotations = [note for name in labels for note in _stretches(sheet, name, rate)]
    recording = made(
        path, chosen.numbers, list(chosen.names), rate, units or chosen.units, annotations
    )
    return replace(recording, meas_date=start_of(sheet))


def _without_events(sheet: SampleTable) -> SampleTable:
    """The rows of samples: Muse's exports have others, with nothing but a time and a text."""
    timed = [is_time_name(name) for name in sheet.names]
    others = [c for c, t in zip(sheet.columns, timed, strict=True) if not t]
    numbers = [column for column in others if column.dtype.kind == "f"]
    texts = [column for column in others if is_text(column)]
    if not texts or not numbers or any(c.dtype.kind in "iu" for c in others):
        return sheet
    events = np.logical_and.reduce([np.isnan(column) for column in numbers])
    events &= np.logical_or.reduce([column != "" for column in texts]).astype(bool)
    if not events.any() or events.all():
        return sheet
    met = sorted({cell for column in texts for cell in column[events] if cell})
    what = f"a text and no number ({listed(met, 3)}) and"
    one, several = f"row holds {what} is no sample", f"rows hold {what} are no samples"
    warnings.warn(
        f"{sheet.path.name}: {counted(int(events.sum()), one, several)}.",
        stacklevel=4,
    )
    return sheet.without_rows(events)


def _require_one_person(sheet: SampleTable, columns: Sequence[str]) -> None:
    for name, values in subjects_in(sheet):
        if name in columns:
            continue
        if len(values) > 1:
            raise RecordingError(
                f"{sheet.path.name}: the column {name} holds {len(values)} people "
                f"({listed(values, 3)}), so that it is no one recording. Write a file for each."
            )


_SERIES = frozenset(
    (
        "channel", "channels", "ch", "chan", "channel name", "ch name", "channel id", "electrode",
        "sensor", "sensor name", "sensor id", "lead", "variable", "parameter", "axis",
    )
)  # fmt: skip
"""What the column is called that says whose number a row is, where rows hold one number."""
_MOST_SERIES = 512


def _require_wide(sheet: SampleTable, labels: Sequence[str]) -> None:
    """Raise for a table with a row for each channel of a sample: its rows are no samples."""
    for name, column in zip(sheet.names, sheet.columns, strict=True):
        if name in labels or " ".join(re.split(r"[\W_]+", name.lower())) not in _SERIES:
            continue
        cells = column[column != ""] if is_text(column) else column
        values, counts = np.unique(cells.astype(str), return_counts=True)
        is_series = 1 < len(values) <= _MOST_SERIES and len(values) < len(cells)
        if is_series and (is_text(column) or (counts == counts[0]).all()):
            raise RecordingError(
                f"{sheet.path.name}: the column {name} says for each row whose number it holds "
                f"({listed([word_of(value) for value in values], 3)}), so that rows are no "
                "samples. Write a table with a column for each, as pandas.DataFrame.pivot does."
            )


def _stretches(sheet: SampleTable, name: str, rate: float) -> Iterator[Annotation]:
    """The runs of equal values of a column; empty cells are none."""
    if name not in sheet.names:
        raise RecordingError(
            f"{sheet.path.name}: has no column {name!r} of labels; its columns are "
            f"{listed(sheet.names, 8)}.{near_word(name, sheet.names)}"
        )
    column: Column = sheet.column(name)
    starts = np.concatenate(([0], np.flatnonzero(column[1:] != column[:-1]) + 1))
    for start, stop in zip(starts, np.append(starts[1:], len(column)), strict=True):
        value = column[start]
        if value == value and value != "":
            yield Annotation(
                float(start / rate), float((stop - start) / rate), word_of(value), name
            )
