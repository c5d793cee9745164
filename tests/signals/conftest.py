"""Small EDF and BDF files, written byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # machines of all speeds run these tests
settings.load_profile("untimed")


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One signal of a file to write: digital numbers, and its header fields."""

    digital: npt.NDArray[np.int64]
    per_record: int
    label: str = "EEG Fp1"
    unit: str = "uV"
    physical: tuple[str, str] = ("-100", "100")
    range: tuple[str, str] = ("-32768", "32767")


def _field(text: object, width: int) -> bytes:
    return str(text).encode("latin-1").ljust(width)


def _columns(signals: Sequence[Signal], text_bytes: int, sample_bytes: int) -> bytes:
    rows = [(s.label, "", s.unit, *s.physical, *s.range, "", s.per_record, "") for s in signals]
    if text_bytes:
        label = "EDF Annotations" if sample_bytes == 2 else "BDF Annotations"
        rows.append((label, "", "", "-1", "1", "-1", "1", "", text_bytes // sample_bytes, ""))
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    return b"".join(_field(row[i], width) for i, width in enumerate(widths) for row in rows)


@pytest.fixture
def write_edf(tmp_path: Path) -> Callable[..., Path]:
    """Write a file from signals and, record by record, the text of its annotations."""

    def write(
        signals: Sequence[Signal],
        *,
        name: str = "made.edf",
        duration: str = "1",
        reserved: str = "",
        texts: Sequence[bytes] = (),
        n_records: int | None = None,
    ) -> Path:
        sample_bytes = 3 if name.endswith(".bdf") else 2
        text_bytes = 0 if not texts else 6 * (max(map(len, texts)) // 6 + 1)
        n_there = len(texts) or len(signals[0].digital) // signals[0].per_record
        n_signals = len(signals) + bool(texts)
        version = b"0       " if sample_bytes == 2 else b"\xffBIOSEMI"
        main = version + _field("Doe, Jane 1900", 80) + _field("ward 5", 80) + b"01.01.8500.00.00"
        main += _field(256 * (n_signals + 1), 8) + _field(reserved, 44)
        main += _field(n_there if n_records is None else n_records, 8) + _field(duration, 8)
        body = bytearray(main + _field(n_signals, 4))
        body += _columns(signals, text_bytes, sample_bytes)
        for i in range(n_there):
            for signal in signals:
                piece = signal.digital[i * signal.per_record : (i + 1) * signal.per_record]
                for number in piece.tolist():
                    body += number.to_bytes(sample_bytes, "little", signed=True)
            if texts:
                body += texts[i].ljust(text_bytes, b"\x00")
        path = tmp_path / name
        path.write_bytes(bytes(body))
        return path

    return write


@pytest.fixture
def make_signal() -> Callable[..., Signal]:
    """A signal of random digital numbers."""

    def make(n_times: int = 40, per_record: int = 10, seed: int = 0, **fields: object) -> Signal:
        digital = np.random.default_rng(seed).integers(-30000, 30000, n_times)
        return Signal(digital=digital, per_record=per_record, **fields)  # type: ignore[arg-type]

    return make
