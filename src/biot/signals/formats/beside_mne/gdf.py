"""What MNE does not check or keep of a GDF file: units, missing samples, its table of events.

A. Schlögl, GDF - A general dataformat for biosignals, https://arxiv.org/abs/cs/0608052
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, counted
from biot.signals.channels import kind
from biot.signals.recording import Annotation, Array, ReadSamples
from biot.signals.units import conversion

__all__ = ["NEW_SEGMENT", "GdfFile", "read_gdf_header", "with_event_table"]

_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 8, 8: 8, 16: 4, 17: 8, 279: 3, 535: 3}
"""Type of a channel's numbers: bytes of each."""
_INTEGERS = range(1, 9)
_VOLT = 4256
_PREFIXES = {0: "", 18: "m", 19: "µ", 20: "n"}
_IN_SI = {4274: 1e-3, 4275: 1e-6}
"""Codes of units that MNE brings to volts, and what it multiplies by."""
_STIM = ("status", "trigger")
"""Channels whose numbers MNE leaves as they are stored."""

NEW_SEGMENT = "32766"
"""Event that begins a run: time passed before it."""
_VALUE = 0x7FFF
"""Event that stands for a sample of its channel; in place of a duration it has a number."""
_END = 0x8000
"""Added to the type of an event it marks where that event ends."""


@dataclass(frozen=True)
class GdfFile:
    """What is read from a file whose header MNE has accepted."""

    units: tuple[tuple[float, str], ...]
    """For each channel what MNE's numbers are multiplied by, and the unit that they are in then."""
    lowest: npt.NDArray[np.float64]
    """For each channel a number in that unit: a sample at or below it is missing."""
    highest: npt.NDArray[np.float64]
    """The same of a channel whose scale is turned over: at or above it."""
    annotations: tuple[Annotation, ...]
    """The events, by their codes."""

    def without_missing(self, read: ReadSamples) -> ReadSamples:
        """Read samples as `read` does; those that bear the mark of missing ones are NaN."""

        def read_samples(start: int, stop: int) -> Array:
            data = read(start, stop)
            marked = (data <= self.lowest[:, np.newaxis]) | (data >= self.highest[:, np.newaxis])
            data[marked] = np.nan
            return data

        return read_samples


@dataclass(frozen=True)
class _Header:
    second: bool
    version: float
    names: list[str]
    fields: bytes
    sfreq: float
    end: int
    """Byte after the last sample, where the table of events begins."""

    def column(self, kind_of: str, place: int) -> npt.NDArray[np.float64]:
        """A number of each channel, whose column begins at `place` bytes a channel."""
        n = len(self.names)
        return np.frombuffer(self.fields, kind_of, n, place * n).astype(float)


def read_gdf_header(path: Path) -> GdfFile:
    """Read units, marks of missing samples and events of a file that MNE has accepted.

    A channel of integers marks a sample that is missing, or was beyond the converter's range, by
    its digital minimum or less. A channel whose digital minimum is 0 has no mark: 0 is where a
    trigger rests.

    Raises
    ------
    RecordingError
        If its channels have several rates or types, or it is shorter than its header or its table
        of events announces.
    """
    header = _header(path)
    if header.second:
        codes = [int(code) for code in header.column("<u2", 102)]
        # MNE takes every other number for one in volts
        units = ["V" if code in _IN_SI else _unit_of(code) for code in codes]
        gains = [_IN_SI.get(code, 1.0) for code in codes]
    else:
        n = len(header.names)
        written = [_text(header.fields[96 * n + 8 * i :][:8]) for i in range(n)]
        units = ["V" if unit.startswith("uV") else unit for unit in written]
        gains = [1e-6 if unit.startswith("uV") else 1.0 for unit in written]
    found = tuple(
        conversion(unit, kind(name)) for unit, name in zip(units, header.names, strict=True)
    )
    factors = np.array([factor for factor, _ in found]) * gains
    lowest, highest = _marks(header, factors)
    return GdfFile(units=found, lowest=lowest, highest=highest, annotations=_events(path, header))


def with_event_table(path: Path) -> io.BytesIO | None:
    """The content of a GDF 1 file with an empty table of events where it has none, else None.

    The table may be left out, but MNE reads none of such a file.
    """
    header = _header(path)
    if header.second or path.stat().st_size > header.end:
        return None
    return io.BytesIO(path.read_bytes() + bytes(8))


def _header(path: Path) -> _Header:
    with path.open("rb") as file:
        main = file.read(256)
        version = float(main[4:8])
        second = version >= 1.9
        n = int(np.frombuffer(main, "<u2" if second else "<u4", 1, 252)[0])
        fields = file.read(256 * n)
    n_samples = np.frombuffer(fields, "<i4", n, 216 * n).tolist()
    types = np.frombuffer(fields, "<i4", n, 220 * n).tolist()
    if len(set(n_samples)) > 1:
        raise RecordingError(
            f"{path.name}: its channels have several rates ({sorted(set(n_samples))} "
            "samples in a data record), which is not supported for GDF. Convert it to EDF or BDF."
        )
    if len(set(types)) > 1:
        raise RecordingError(
            f"{path.name}: its channels hold numbers of several types ({sorted(set(types))}), "
            "which is not supported for GDF. Convert it to EDF or BDF."
        )
    n_header = int(np.frombuffer(main, "<u2", 1, 184)[0]) * 256 if second else 256 * (1 + n)
    n_records = int(np.frombuffer(main, "<i8", 1, 236)[0])
    record = sum(_BYTES[t] * samples for t, samples in zip(types, n_samples, strict=True))
    size, needed = path.stat().st_size, n_header + n_records * record
    if n_records < 1 or size < needed:
        raise RecordingError(
            f"{path.name}: announces {n_records} data records, which end at byte {needed}, but the "
            f"file has {size} bytes. Copy it again from its source."
        )
    numerator, denominator = np.frombuffer(main, "<u4", 2, 244).tolist()
    seconds = (numerator or 1) / (denominator or 1)
    return _Header(
        second=second,
        version=version,
        names=[_text(fields[16 * i : 16 * (i + 1)]) for i in range(n)],
        fields=fields,
        sfreq=n_samples[0] / seconds if n else 0.0,
        end=needed,
    )


def _marks(
    header: _Header, factors: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Numbers at or below which, and at or above which, a sample of each channel is missing."""
    low, high = header.column("<f8", 104), header.column("<f8", 112)
    kind_of = "<f8" if header.second else "<i8"
    digital_low, digital_high = header.column(kind_of, 120), header.column(kind_of, 128)
    span = digital_high - digital_low
    step = (high - low) / np.where(span == 0, 1, span)
    edge = (low + step / 2) * factors  # half a step above the mark: numbers are rounded
    integers = np.isin(header.column("<i4", 220), _INTEGERS)
    has_mark = integers & (digital_low != 0) & (span != 0) & (step != 0)
    has_mark &= np.array([name.lower() not in _STIM for name in header.names], dtype=bool)
    return (
        np.where(has_mark & (step > 0), edge, -np.inf),
        np.where(has_mark & (step < 0), edge, np.inf),
    )


def _events(path: Path, header: _Header) -> tuple[Annotation, ...]:
    """The table of events; its codes are the labels.

    Durations stand in a table of mode 3; in one of mode 1 an event may have one of its own kind at
    its end, else it is an instant.
    """
    with path.open("rb") as file:
        file.seek(header.end)
        mode = file.read(1)
        head = file.read(7)
        if not mode or len(head) < 7:
            return ()
        if header.version < 1.94:
            rate = float(int.from_bytes(head[:3], "little"))
            n = int.from_bytes(head[3:], "little")
        else:
            n = int.from_bytes(head[:3], "little")
            rate = float(np.frombuffer(head, "<f4", 1, 3)[0])
        with_durations = bool(mode[0] & 2)
        width = 12 if with_durations else 6
        table = file.read(n * width)
    if len(table) < n * width:
        raise RecordingError(
            f"{path.name}: its table announces {counted(n, 'event')}, but holds "
            f"{len(table) // width}. Copy "
            "it again from its source."
        )
    if not rate > 0:
        rate = header.sfreq
    at = np.frombuffer(table, "<u4", n)
    types = np.frombuffer(table, "<u2", n, 4 * n)
    channels = np.zeros(n, dtype=int)
    lengths = np.zeros(n, dtype=int)
    if with_durations:
        channels = np.frombuffer(table, "<u2", n, 6 * n)
        lengths = np.frombuffer(table, "<u4", n, 8 * n)
    rows = zip(at.tolist(), types.tolist(), channels.tolist(), lengths.tolist(), strict=True)
    return tuple(
        Annotation((begin - 1) / rate, length / rate, str(code))  # the first sample has number 1
        for begin, code, length in _closed(rows)
    )


def _closed(rows: Iterator[tuple[int, int, int, int]]) -> list[tuple[int, int, int]]:
    """Sample, code and length of each event in order of time; marks of ends give lengths."""
    found: list[tuple[int, int, int]] = []
    open_ones: dict[tuple[int, int], list[int]] = {}
    for at, code, channel, length in sorted(rows):
        begins = open_ones.get((code - _END, channel), [])
        if code == _VALUE:
            length = 0
        if code >= _END and begins:
            row = begins.pop()
            found[row] = (found[row][0], found[row][1], at - found[row][0])
            continue
        if not length:
            open_ones.setdefault((code, channel), []).append(len(found))
        found.append((at, code, length))
    return found


def _unit_of(code: int) -> str:
    """Unit of a code of GDF 2; empty for what is no voltage."""
    prefix = _PREFIXES.get(code % 32)
    return f"{prefix}V" if code - code % 32 == _VOLT and prefix is not None else ""


def _text(raw: bytes) -> str:
    return raw.split(b"\x00")[0].decode("latin-1").strip()
