"""The rate at which rows follow each other, from times that devices wrote."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from biot.errors import RecordingError, counted
from biot.signals.formats.tables.sheet import SampleTable
from biot.signals.formats.tables.times import Seconds, is_epoch, time_columns, times_of

__all__ = ["rate_of"]

LOWEST_RATE = 1.0
"""Hz; a slower one is taken for times that were not understood."""
_JITTER = 0.25
"""Seconds that a time of arrival may be off."""
_ROUNDED = 3
"""Decimals of a rate that fits as well."""


class _Stamps(NamedTuple):
    """Times that differ, and the rows that have each: devices stamp packets of samples."""

    seconds: Seconds
    starts: np.ndarray  # first row of each
    n_rows: int

    @property
    def counts(self) -> np.ndarray:
        return np.diff(np.append(self.starts, self.n_rows))


def rate_of(sheet: SampleTable, sfreq: float | None) -> float:
    """Samples a second: `sfreq`, else what columns or the lines above say.

    Raises
    ------
    RecordingError
        If nothing says it, or times do not fit a rate of at least 1 Hz.
    """
    said = _said(sheet) if sfreq is None else sfreq
    failures: list[RecordingError] = []
    for name in time_columns(sheet):
        try:
            seconds, unit = times_of(sheet, name)
            if said is not None:
                _tell_of_other(sheet, name, seconds, said, given=sfreq is not None)
                return said
            certain = unit is None or is_epoch(sheet.column(name))
            rate = _measured(sheet, name, seconds, may_jitter=certain)
        except RecordingError as error:
            failures.append(error)
            continue
        if unit is not None:
            warnings.warn(
                f"{sheet.path.name}: the times in column {name} do not say their unit; they were "
                f"taken as {unit}, which makes {rate:g} Hz. Give sfreq= if that is wrong.",
                stacklevel=5,
            )
        return rate
    if said is not None:
        for failure in failures[:1]:
            reason = str(failure).partition(". ")[0].rstrip(".")
            warnings.warn(f"{reason}. It is read at {said:g} Hz all the same.", stacklevel=5)
        return said
    if failures:
        raise failures[0]
    raise RecordingError(
        f"{sheet.path.name}: nothing says its sampling rate: it has no column of times and no "
        "column 'sfreq'. Give sfreq=, in Hz."
    )


def _said(sheet: SampleTable) -> float | None:
    """The one number of a column ``sfreq``, or what the lines above the columns say."""
    name = next((name for name in sheet.names if name.strip().lower() == "sfreq"), None)
    if name is None:
        return sheet.said_rate()
    column = sheet.column(name)
    rates = set() if column.dtype.kind not in "iuf" else set(column[~np.isnan(column)].tolist())
    if len(rates) != 1:
        raise RecordingError(
            f"{sheet.path.name}: the column sfreq must hold one number, found {len(rates)} "
            "different ones. Split the table, or give sfreq=."
        )
    return float(rates.pop())


def _tell_of_other(
    sheet: SampleTable, name: str, seconds: Seconds, rate: float, *, given: bool
) -> None:
    """Warn where times are far off a rate that is given or said elsewhere."""
    stamps = _stamps(seconds)
    span = float(stamps.seconds[-1] - stamps.seconds[0])
    measured = float(stamps.starts[-1] - stamps.starts[0]) / span if span > 0 else np.nan
    off = _largest_shift(seconds, rate)
    fits = off <= 0.5 if given else abs(measured / rate - 1) < 0.02
    if not fits:
        warnings.warn(
            f"{sheet.path.name}: read at {rate:g} Hz as {'given' if given else 'it says'}, but the "
            f"times in column {name} are up to {off:.3g} samples off that; they tell "
            f"{measured:.5g} Hz.",
            stacklevel=6,
        )


def _largest_shift(seconds: Seconds, rate: float) -> float:
    """How many samples a time is off the one that its row has at this rate, at most."""
    return float(np.abs((seconds - seconds[0]) * rate - np.arange(len(seconds))).max())


def _measured(sheet: SampleTable, name: str, seconds: Seconds, *, may_jitter: bool) -> float:
    where = f"{sheet.path.name}: the times in column {name}"
    stamps = _stamps(seconds)
    if len(stamps.seconds) < 2:
        raise RecordingError(
            f"{where} are not evenly spaced: they do not advance. Give sfreq= for the rate of its "
            "rows."
        )
    span = float(stamps.seconds[-1] - stamps.seconds[0])
    if span <= 0:
        raise RecordingError(
            f"{where} end {-span:.6g} s before they begin: the clock was set back. Give sfreq= to "
            "take the rows as evenly spaced."
        )
    rate = float(stamps.starts[-1] - stamps.starts[0]) / span
    even = _even(stamps, rate)
    if even is None:
        _require_no_gap(where, stamps, rate)
        even = _with_jitter(where, stamps, rate, _JITTER if may_jitter else 0.0)
    if even < LOWEST_RATE:
        raise RecordingError(
            f"{where} make a rate of {even:.4g} Hz and a length of "
            f"{_length(float(seconds[-1]))} for {counted(len(seconds), 'row')}, so they were not "
            "understood: "
            "rates below 1 Hz are not read. Give sfreq= for the rate of its rows."
        )
    return even


def _length(seconds: float) -> str:
    return f"{seconds / 86400:.1f} days" if seconds > 86400 else f"{seconds:.6g} s"


def _stamps(seconds: Seconds) -> _Stamps:
    starts = np.concatenate(([0], np.flatnonzero(np.diff(seconds)) + 1))
    stamps = _Stamps(seconds[starts], starts, len(seconds))
    counts = stamps.counts
    # a first packet that was cut has fewer rows: its stamp belongs to rows that are not there
    if len(counts) > 3 and counts[0] < np.median(counts[1:-1]):
        return _Stamps(stamps.seconds[1:], starts[1:], len(seconds))
    return stamps


def _residuals(stamps: _Stamps, rate: float) -> Seconds:
    """How many samples each stamp is off the one that its first row has at this rate."""
    return np.asarray(
        (stamps.seconds - stamps.seconds[0]) * rate - (stamps.starts - stamps.starts[0])
    )


def _even(stamps: _Stamps, rate: float) -> float | None:
    """The rate where no time is off by more than rounding, a whole number if that fits as well."""
    # a packet is stamped when it is complete, whose size may vary by one
    allowed = 0.5 if stamps.counts.max() == 1 else 1.0
    for rounded in (*(round(rate, k) for k in range(_ROUNDED + 1)), rate):
        if rounded > 0 and np.abs(_residuals(stamps, rounded)).max() <= allowed:
            return float(rounded)
    return None


def _require_no_gap(where: str, stamps: _Stamps, rate: float) -> None:
    """Raise where the clock jumps and stays off: samples are missing, or it was set."""
    widths = np.diff(stamps.seconds) / stamps.counts[:-1]
    usual = widths[(widths > 0) & (widths <= 2 * np.median(widths))]
    usual_rate = 1 / float(usual.mean()) if len(usual) else rate
    off = _residuals(stamps, usual_rate)
    jumps = np.flatnonzero(np.abs(np.diff(off)) > 1.5)
    steps = [_step(off, int(i) + 1) for i in jumps[:1000]]
    lasting = [(i, step) for i, step in zip(jumps, steps, strict=False) if abs(step) > 1.0]
    if not lasting or len(lasting) > max(3, 0.05 * len(off)):
        return
    place, step = max(lasting, key=lambda pair: abs(pair[1]))
    row, seconds = int(stamps.starts[place + 1]) + 1, abs(step) / usual_rate
    what = f"lack {seconds:.4g} s" if step > 0 else f"go back by {seconds:.4g} s"
    raise RecordingError(
        f"{where} are not evenly spaced: at {usual_rate:.5g} Hz they {what} before row {row} of "
        f"samples{f', and jump at {len(lasting) - 1} more' if len(lasting) > 1 else ''}, so "
        "samples are missing or the clock was set. Split the table there, or give sfreq= to take "
        "the rows as evenly spaced."
    )


def _step(off: Seconds, i: int, n: int = 15) -> float:
    """How much later than usual stamps are from stamp `i` on."""
    return float(np.median(off[i : i + n]) - np.median(off[max(0, i - n) : i]))


def _with_jitter(where: str, stamps: _Stamps, rate: float, most: float) -> float:
    """The mean rate of times that jitter as those of arrival do.

    Raises
    ------
    RecordingError
        If they are off by more.
    """
    off = _residuals(stamps, rate)
    slope, start = np.polyfit(stamps.starts, stamps.seconds, 1)
    fitted = 1 / float(slope) if slope > 0 else rate
    shift = float(np.abs(stamps.seconds - (start + stamps.starts / fitted)).max())
    if shift > most or shift * fitted > len(stamps.starts) / 4:
        raise RecordingError(
            f"{where} are not evenly spaced (some are {np.abs(off).max():.3g} samples off "
            f"{rate:.5g} Hz), so samples are missing or the rate varies. Give sfreq= to take the "
            "rows as evenly spaced."
        )
    whole = float(round(fitted))
    length = stamps.n_rows / fitted
    if whole > 0 and abs(whole / fitted - 1) * length <= max(shift, 0.005):
        fitted = whole
    warnings.warn(
        f"{where} are up to {1000 * shift:.3g} ms off an even spacing, as times of arrival are; "
        f"the rows were taken as evenly spaced, at {fitted:.6g} Hz.",
        stacklevel=7,
    )
    return fitted
