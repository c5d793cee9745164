"""EDF and BDF files (also EDF+ and BDF+, with or without gaps): samples read where they lie."""

from __future__ import annotations

import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, RecordingError
from biot.signals.channels import kind
from biot.signals.flat import without_flat
from biot.signals.formats.edf_annotations import read_timeline
from biot.signals.formats.edf_header import EdfHeader, EdfSignal, read_edf_header
from biot.signals.formats.edf_start import known_start
from biot.signals.recording import Annotation, Array, Mask, Recording
from biot.signals.resampling import resampled
from biot.signals.units import conversion

__all__ = [
    "read_edf",
    "read_edf_signal",
]

_BYTES_AT_ONCE = 2 * 2**20  # what a processor's cache holds


_FEWEST_STEPS = 255
"""Of a converter's range. A signal of a few values lies at its ends where nothing is wrong."""


_LAST_SAMPLE = 2**53  # beyond, seconds in float64 no longer tell samples apart


def read_edf(path: Path) -> Recording:
    """Open an EDF or BDF file.

    Signals of a lower rate are brought to the highest rate of the file, with a warning that names
    the rates. Time between the records of a discontinuous file (EDF+D) is filled with NaN.

    Raises
    ------
    RecordingError
        If the header is wrong, or the file holds no signal.
    """
    header = read_edf_header(path)
    if not header.signals:
        raise RecordingError(
            f"{path.name}: holds annotations but no signal. Give the recording that they belong to."
        )
    onsets, annotations = read_timeline(path, header)
    rates = sorted({header.sfreq(signal) for signal in header.signals})
    groups = [_of_one_rate(path, header, rate, onsets) for rate in rates]
    if len(groups) > 1:
        listed = ", ".join(f"{float(rate):g}" for rate in rates)
        warnings.warn(
            f"{path.name}: its signals have the rates {listed} Hz; "
            f"all are read at {groups[-1].sfreq:g} Hz, the slower ones resampled.",
            stacklevel=2,
        )
    recording = _joined(path, header, groups, annotations)
    return replace(recording, meas_date=known_start(path, header))


def read_edf_signal(path: Path, row: int) -> Recording:
    """One signal of an EDF or BDF file at the rate at which it is stored, by its position.

    Of BDF, the numbers are those that are stored: BioSemi's ``Status`` holds bits, whatever range
    its header declares.
    """
    header = read_edf_header(path)
    if header.sample_bytes == 3:
        plain = [replace(signal, gain=1.0, offset=0.0, unit="") for signal in header.signals]
        header = replace(header, signals=tuple(plain))
    onsets, _ = read_timeline(path, header)
    rate = header.sfreq(header.signals[row])
    before = [signal for signal in header.signals[:row] if header.sfreq(signal) == rate]
    return _of_one_rate(path, header, rate, onsets).pick([len(before)])


def _of_one_rate(
    path: Path, header: EdfHeader, rate: Fraction, onsets: list[Fraction]
) -> Recording:
    """The signals of one rate, as a recording of their own."""
    signals = [signal for signal in header.signals if header.sfreq(signal) == rate]
    starts = _first_samples(path, header, signals[0].n_samples, onsets)
    conversions = [conversion(signal.unit, kind(signal.label)) for signal in signals]

    def read_samples(start: int, stop: int) -> Array:
        return _read(path, header, signals, starts, [f for f, _ in conversions], start, stop)

    return Recording(
        path=path,
        ch_names=tuple(signal.label for signal in signals),
        sfreq=float(rate),
        n_times=int(starts[-1]) + signals[0].n_samples,
        units=tuple(unit for _, unit in conversions),
        gaps=_gaps(starts, signals[0].n_samples),
        read_samples=read_samples,
        limits=tuple(_limits(s, f) for s, (f, _) in zip(signals, conversions, strict=True)),
    )


def _limits(signal: EdfSignal, factor: float) -> tuple[float, float]:
    """Half a digital step inside the ends of the converter's range, as numbers that are read."""
    low, high = signal.digital
    if high - low < _FEWEST_STEPS:
        return -np.inf, np.inf
    ends = [(end * signal.gain + signal.offset) * factor for end in (low + 0.5, high - 0.5)]
    return min(ends), max(ends)


def _first_samples(
    path: Path, header: EdfHeader, n_samples: int, onsets: list[Fraction]
) -> npt.NDArray[np.int64]:
    """Index of each record's first sample, counted in time: gaps count."""
    if not header.discontinuous:
        return np.arange(len(onsets), dtype=np.int64) * n_samples
    rate = n_samples / header.record_duration
    starts = [0]
    for i in range(1, len(onsets)):
        gap = (onsets[i] - onsets[i - 1] - header.record_duration) * rate
        end = starts[-1] + n_samples
        # a time stamp is rounded text: below half a sample it says nothing
        start = end if abs(gap) < 0.5 else round(onsets[i] * rate)
        if not end <= start < _LAST_SAMPLE:
            raise RecordingError(
                f"{path.name}: data record {i + 1} is stamped {float(onsets[i]):g} s, which cannot "
                "follow the record before it, so its samples have no certain place in time."
            )
        starts.append(start)
    return np.array(starts, dtype=np.int64)


def _gaps(starts: npt.NDArray[np.int64], n_samples: int) -> tuple[tuple[int, int], ...]:
    """What lies between data records that do not follow each other at once."""
    ends, next_starts = starts[:-1] + n_samples, starts[1:]
    apart = next_starts > ends
    return tuple(zip(ends[apart].tolist(), next_starts[apart].tolist(), strict=True))


def _read(
    path: Path,
    header: EdfHeader,
    signals: list[EdfSignal],
    starts: npt.NDArray[np.int64],
    factors: list[float],
    start: int,
    stop: int,
) -> Array:
    n_samples = signals[0].n_samples
    out = np.full((len(signals), stop - start), np.nan, dtype=np.float32)
    first = max(0, int(np.searchsorted(starts, start, side="right")) - 1)
    last = int(np.searchsorted(starts, stop, side="left"))
    at_once = max(1, _BYTES_AT_ONCE // header.record_bytes)
    gaps = np.flatnonzero(np.diff(starts[first:last]) != n_samples) + 1
    cuts = np.union1d(gaps, np.arange(at_once, last - first, at_once))
    with path.open("rb") as file:
        for run in np.split(np.arange(first, last), cuts.astype(np.int64)):
            if not run.size:
                continue
            file.seek(header.n_bytes + int(run[0]) * header.record_bytes)
            records = _records(path, file.read(run.size * header.record_bytes), header)
            begin = int(starts[run[0]])
            low, high = max(begin, start), min(begin + run.size * n_samples, stop)
            for row, (signal, factor) in enumerate(zip(signals, factors, strict=True)):
                digital = _digital(records, signal, header.sample_bytes)[low - begin : high - begin]
                physical = digital * (signal.gain * factor)
                physical += signal.offset * factor
                out[row, low - start : max(low, high) - start] = physical
    return out


def _records(path: Path, raw: bytes, header: EdfHeader) -> npt.NDArray[np.uint8]:
    if len(raw) % header.record_bytes:
        raise RecordingError(f"{path.name}: became shorter while it was being read.")
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, header.record_bytes)


def _digital(
    records: npt.NDArray[np.uint8], signal: EdfSignal, sample_bytes: int
) -> npt.NDArray[np.int32] | npt.NDArray[np.int16]:
    """Stored numbers of one signal: little-endian integers of two or three bytes."""
    n_bytes = signal.n_samples * sample_bytes
    raw = np.ascontiguousarray(records[:, signal.first_byte : signal.first_byte + n_bytes])
    if sample_bytes == 2:
        return raw.reshape(-1).view("<i2")
    wide = np.zeros((raw.size // 3, 4), dtype=np.uint8)
    wide[:, 1:] = raw.reshape(-1, 3)
    return wide.reshape(-1).view("<i4") >> 8  # keeps the sign


def _joined(
    path: Path, header: EdfHeader, groups: list[Recording], annotations: tuple[Annotation, ...]
) -> Recording:
    """All signals at the rate of the last group, in the order of the file."""
    fastest = groups[-1]
    try:
        parts = [resampled(group, fastest.sfreq) for group in groups]
    except ConfigError as error:
        raise RecordingError(f"{path.name}: has signals of several rates. {error}") from error
    rates = [group.sfreq for group in groups]
    rows: list[list[int]] = [[] for _ in groups]
    units = []
    for i, signal in enumerate(header.signals):
        group = rates.index(float(header.sfreq(signal)))
        units.append(groups[group].units[len(rows[group])])
        rows[group].append(i)

    def read_from(parts: list[Recording], start: int, stop: int) -> Array:
        if len(parts) == 1:
            return parts[0].read(start, stop)
        out = np.full((len(units), stop - start), np.nan, dtype=np.float32)
        for part, places in zip(parts, rows, strict=True):
            piece = part.read(min(start, part.n_times), min(stop, part.n_times))
            out[places, : piece.shape[1]] = piece
        return out

    # a slow signal that was resampled is constant no more: its own samples decide what is flat
    varying = [resampled(without_flat(group), fastest.sfreq) for group in groups]

    def read_flat(start: int, stop: int) -> Mask:
        missing = np.isnan(read_from(varying, start, stop))
        return np.asarray(missing & ~np.isnan(read_from(parts, start, stop)))

    return Recording(
        path=path,
        ch_names=tuple(signal.label for signal in header.signals),
        sfreq=fastest.sfreq,
        n_times=fastest.n_times,
        units=tuple(units),
        annotations=annotations,
        gaps=fastest.gaps,
        read_samples=lambda start, stop: read_from(parts, start, stop),
        rates=() if len(parts) == 1 else tuple(float(header.sfreq(s)) for s in header.signals),
        limits=fastest.limits if len(parts) == 1 else (),
        declared=tuple(signal.unit for signal in header.signals),
        read_flat=None if len(parts) == 1 else read_flat,
    )
