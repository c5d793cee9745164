"""The header of an EDF or BDF file: parsed, and checked before a sample is believed.

Fields are text of fixed width: 256 bytes for the file, then 256 for each signal, field by field.
https://www.edfplus.info/specs/edf.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from biot.errors import RecordingError
from biot.signals.formats.headers import require_plausible
from biot.signals.formats.transfer import went_through_text_mode

__all__ = [
    "EdfHeader",
    "EdfSignal",
    "read_edf_header",
]

_SIGNAL_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("unit", 8),
    ("physical minimum", 8),
    ("physical maximum", 8),
    ("digital minimum", 8),
    ("digital maximum", 8),
    ("prefiltering", 80),
    ("number of samples", 8),
    ("reserved", 32),
)


_LARGEST = 1e30
"""Physical value: its square, and its sum over channels, can still be held."""


_Number = TypeVar("_Number", int, float, Fraction)


@dataclass(frozen=True)
class EdfSignal:
    """One signal of an EDF or BDF file."""

    label: str
    unit: str
    gain: float
    """Physical step of one digital step."""
    offset: float
    """Physical value of digital 0."""
    n_samples: int
    """Samples in each data record."""
    first_byte: int
    """Where they start in a data record."""
    digital: tuple[int, int] = (0, 0)
    """Least and greatest digital number that the header announces."""


@dataclass(frozen=True)
class EdfHeader:
    """What is needed to find and scale the samples; nothing about the patient."""

    sample_bytes: int
    """2 for EDF, 3 for BDF."""
    n_bytes: int
    """Length of the header."""
    record_bytes: int
    n_records: int
    record_duration: Fraction
    """In seconds."""
    discontinuous: bool
    """Whether time may pass between two records (EDF+D)."""
    signals: tuple[EdfSignal, ...]
    annotations: tuple[EdfSignal, ...]
    """Pseudo-signals that hold text."""

    def sfreq(self, signal: EdfSignal) -> Fraction:
        """Samples a second of one signal, exactly."""
        return signal.n_samples / self.record_duration


def read_edf_header(path: Path) -> EdfHeader:
    """Read and check the header of an EDF or BDF file.

    Warns where the header is irregular but the samples are certain; the message names the file.

    Raises
    ------
    RecordingError
        If the header is no EDF or BDF header, or contradicts itself or the length of the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        main = file.read(256)
        sample_bytes = _sample_bytes(path, main)
        n_signals = _number(path, "number of signals", main[252:256], int)
        rest = file.read(256 * max(0, n_signals))
    n_bytes = 256 * (n_signals + 1)
    if n_signals < 1:
        raise RecordingError(f"{path.name}: holds no signal; its header announces {n_signals}.")
    if len(main) + len(rest) < n_bytes:
        raise RecordingError(
            f"{path.name}: the header of {n_signals} signals takes {n_bytes} bytes, but the file "
            f"ends after {size}. Copy the file again from its source."
        )
    if _number(path, "number of bytes in header", main[184:192], int) != n_bytes:
        raise RecordingError(
            f"{path.name}: the header says that it is {_text(main[184:192])} bytes long, but "
            f"{n_signals} signals take {n_bytes}. Copy the file again from its source."
        )
    signals = _signals(path, rest, n_signals, sample_bytes)
    texts = tuple(s for s in signals if s.label in ("EDF Annotations", "BDF Annotations"))
    data = tuple(s for s in signals if s not in texts)
    duration = _number(path, "duration of a data record", main[244:252], Fraction)
    if data and duration <= 0:
        raise RecordingError(
            f"{path.name}: the duration of a data record is {_text(main[244:252])} s, so the "
            "sampling rate is unknown. Correct the header with an EDF editor."
        )
    record_bytes = sum(s.n_samples for s in signals) * sample_bytes
    n_records = _n_records(path, main, size - n_bytes, record_bytes)
    for signal in data:
        rate = float(signal.n_samples / duration)
        require_plausible(path.name, rate, n_records * signal.n_samples)
    return EdfHeader(
        sample_bytes=sample_bytes,
        n_bytes=n_bytes,
        record_bytes=record_bytes,
        n_records=n_records,
        record_duration=duration,
        discontinuous=main[195:197] == b"+D",
        signals=data,
        annotations=texts,
    )


def _sample_bytes(path: Path, main: bytes) -> int:
    if main[:8] == b"0       ":
        return 2
    if main[:8] == b"\xffBIOSEMI":
        return 3
    found = repr(main[:8].decode("latin-1")) if main else "nothing: the file is empty"
    raise RecordingError(
        f"{path.name}: is no EDF or BDF file. Those open with '0' and seven spaces or with 255 and "
        f"'BIOSEMI'; this one with {found}."
    )


def _signals(path: Path, text: bytes, n_signals: int, sample_bytes: int) -> list[EdfSignal]:
    columns: dict[str, list[bytes]] = {}
    position = 0
    for field, width in _SIGNAL_FIELDS:
        columns[field] = [text[position + i * width :][:width] for i in range(n_signals)]
        position += n_signals * width
    signals = []
    first_byte = 0
    for i in range(n_signals):
        row = {field: values[i] for field, values in columns.items()}
        signals.append(_signal(path, i, row, first_byte))
        first_byte += signals[-1].n_samples * sample_bytes
    return signals


def _signal(path: Path, index: int, row: dict[str, bytes], first_byte: int) -> EdfSignal:
    label = _text(row["label"])
    if not row["label"].isascii():
        warnings.warn(
            f"{path.name}: the label of signal {index + 1} is not ASCII; read as {label!r}.",
            stacklevel=2,
        )
    where = f"signal {index + 1} ({label!r})"

    def field(name: str, kind: Callable[[str], _Number]) -> _Number:
        return _number(path, f"{name} of {where}", row[name], kind)

    n_samples = field("number of samples", int)
    if n_samples < 1:
        raise RecordingError(f"{path.name}: {where} has {n_samples} samples in a data record.")
    if label in ("EDF Annotations", "BDF Annotations"):
        return EdfSignal(label, "", 1.0, 0.0, n_samples, first_byte)
    physical = field("physical minimum", float), field("physical maximum", float)
    digital = field("digital minimum", int), field("digital maximum", int)
    for name, (low, high) in (("physical", physical), ("digital", digital)):
        if low == high:
            raise RecordingError(
                f"{path.name}: the {name} minimum and maximum of {where} are both {low:g}, so its "
                "scale is unknown. Correct the header with an EDF editor, or remove the signal."
            )
    if max(map(abs, physical)) > _LARGEST:
        raise RecordingError(
            f"{path.name}: the physical minimum and maximum of {where} are {physical[0]:g} and "
            f"{physical[1]:g}, which no sensor measures. Correct the header with an EDF editor."
        )
    gain = (physical[1] - physical[0]) / (digital[1] - digital[0])
    offset = physical[0] - gain * digital[0]
    low, high = min(digital), max(digital)
    return EdfSignal(label, _text(row["unit"]), gain, offset, n_samples, first_byte, (low, high))


def _n_records(path: Path, main: bytes, n_data_bytes: int, record_bytes: int) -> int:
    announced = _number(path, "number of data records", main[236:244], int)
    whole, surplus = divmod(n_data_bytes, record_bytes)
    if announced == 0 or whole == 0:
        raise RecordingError(f"{path.name}: the header is there, but no complete data record.")
    if announced == -1:
        warnings.warn(
            f"{path.name}: the header leaves the number of data records open, as while recording; "
            f"read the {whole} complete ones that are there.",
            stacklevel=2,
        )
        return whole
    if announced < -1 or announced > whole:
        raise RecordingError(
            f"{path.name}: the header announces {announced} data records, but the file ends "
            f"{'inside' if surplus else 'before'} record {whole + 1}: it is truncated. Copy it "
            "again from its source; if the rest is lost for good, set the number of data records "
            f"to {whole} with an EDF editor."
        )
    surplus = n_data_bytes - announced * record_bytes
    if surplus and went_through_text_mode(path, surplus):
        raise RecordingError(
            f"{path.name}: was changed by a transfer in text mode: it has {surplus} bytes too "
            "many, and before every line feed stands a carriage return. Copy it again from its "
            "source, in binary mode."
        )
    if surplus:
        warnings.warn(
            f"{path.name}: {surplus} surplus bytes after the {announced} data records that the "
            "header announces were not read.",
            stacklevel=2,
        )
    return announced


def _number(path: Path, field: str, raw: bytes, kind: Callable[[str], _Number]) -> _Number:
    text = _text(raw)
    try:
        # first as what takes no time: a fraction of "1e-99999" has a hundred thousand digits
        rough = float(text.partition("/")[0])
        value = kind(text if rough else "0") if np.isfinite(rough) else None
        if value is not None and not np.isfinite(float(value)):
            value = None
    except (ValueError, OverflowError, ZeroDivisionError):
        value = None
    if value is None:
        raise RecordingError(
            f"{path.name}: the {field} should be a number, but the header has {text!r}. "
            "Correct the header with an EDF editor."
        )
    return value


def _text(raw: bytes) -> str:
    """Header text: ASCII by the standard, UTF-8 or Latin-1 in practice."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\x00", " ").strip()
