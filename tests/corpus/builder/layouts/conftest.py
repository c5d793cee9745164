"""Files as published data sets have them, written small."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

Notes = Sequence[tuple[float, float | None, str]]


@pytest.fixture
def lay_edf() -> Callable[..., Path]:
    """An EDF+ file of noise at a path; without channels one that holds annotations only."""
    edfio = pytest.importorskip("edfio")

    def lay(
        path: Path,
        ch_names: Sequence[str] = (),
        *,
        seconds: int = 20,
        sfreq: float = 200.0,
        notes: Notes = (),
    ) -> Path:
        rng = np.random.default_rng(zlib.crc32(path.name.encode()))
        signals = [
            edfio.EdfSignal(
                rng.integers(-200, 200, round(seconds * sfreq)).astype(float),
                sampling_frequency=sfreq,
                label=name,
                physical_dimension="uV",
                physical_range=(-32768, 32767),
            )
            for name in ch_names
        ]
        annotations = [edfio.EdfAnnotation(*note) for note in notes]
        path.parent.mkdir(parents=True, exist_ok=True)
        edfio.Edf(signals, annotations=annotations or None).write(path)
        return path

    return lay


@pytest.fixture
def lay_wfdb() -> Callable[..., Path]:
    """A WFDB record of noise, with beats where they are given by sample and symbol."""
    wfdb = pytest.importorskip("wfdb")

    def lay(
        header: Path,
        leads: Sequence[str] = ("MLII",),
        *,
        sfreq: int = 100,
        n_times: int = 1000,
        beats: Sequence[tuple[int, str]] = (),
        rhythm: Sequence[tuple[int, str]] = (),
        fmt: str = "16",
    ) -> Path:
        header.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(int.from_bytes(header.stem.encode(), "big") % 2**32)
        signal = rng.normal(size=(n_times, len(leads))).round(3)
        wfdb.wrsamp(
            header.stem, sfreq, ["mV"] * len(leads), list(leads), p_signal=signal,
            fmt=[fmt] * len(leads), adc_gain=[1000.0] * len(leads), baseline=[0] * len(leads),
            write_dir=str(header.parent),
        )  # fmt: skip
        marks = sorted(
            [(at, symbol, "") for at, symbol in beats] + [(at, "+", t) for at, t in rhythm]
        )
        if marks:
            samples, symbols, texts = zip(*marks, strict=True)
            wfdb.wrann(
                header.stem, "atr", np.array(samples), list(symbols), aux_note=list(texts),
                fs=sfreq, write_dir=str(header.parent),
            )  # fmt: skip
        return header

    return lay


@pytest.fixture
def lay_gdf() -> Callable[..., Path]:
    """A GDF 2.2 file of noise with events: 1-based sample and code."""

    def lay(
        path: Path,
        ch_names: Sequence[str],
        events: Sequence[tuple[int, int]],
        *,
        sfreq: int = 250,
        seconds: int = 40,
    ) -> Path:
        n = len(ch_names)
        digital = np.random.default_rng(n).integers(-900, 900, (seconds, n, sfreq)).astype("<i2")
        main = b"GDF 2.20".ljust(184, b"\0") + struct.pack("<H", 1 + n)
        main = main.ljust(236, b"\0") + struct.pack("<qII", seconds, 1, 1)
        main = (main + struct.pack("<HH", n, 0)).ljust(256, b"\0")
        head = b"".join(name.encode().ljust(16, b"\0") for name in ch_names) + bytes(86 * n)
        head += struct.pack(f"<{n}H", *[4275] * n)  # microvolts
        for low_or_high in (-32767.0, 32767.0, -32767.0, 32767.0):
            head += struct.pack(f"<{n}d", *[low_or_high] * n)
        head += bytes(68 * n) + struct.pack(f"<{3 * n}f", *[100] * n, *[0.5] * n, *[50] * n)
        head += struct.pack(f"<{n}i", *[sfreq] * n) + struct.pack(f"<{n}i", *[3] * n)
        head += bytes(32 * n)
        table = struct.pack("<4Bf", 1, len(events) % 256, len(events) // 256, 0, sfreq)
        table += struct.pack(f"<{len(events)}I", *(at for at, _ in events))
        table += struct.pack(f"<{len(events)}H", *(code for _, code in events))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(main + head + digital.tobytes() + table)
        return path

    return lay
