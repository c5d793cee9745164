"""What MNE does not check or keep of a GDF header: units, several rates, the length of the file.

A. Schlögl, GDF - A general dataformat for biosignals, https://arxiv.org/abs/cs/0608052
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from biot.errors import RecordingError
from biot.signals.channels import kind
from biot.signals.units import conversion

__all__ = [
    "BrainVisionHeader",
    "gdf_units",
    "header_text",
    "read_brainvision_header",
    "require_plausible",
]

HIGHEST_RATE = 1e6
"""Of a recording, in Hz; the fastest amplifiers take a tenth of it."""


MOST_DAYS = 366
"""Length of a recording without its gaps, in days."""


def require_plausible(name: str, sfreq: float, n_times: int) -> None:
    """Raise ``RecordingError`` for a rate or a length that no recording has, before it is used."""
    if not 0 < sfreq <= HIGHEST_RATE:
        raise RecordingError(
            f"{name}: its rate would be {sfreq:g} Hz; above 0 and up to {HIGHEST_RATE:,.0f} Hz are "
            "read. What the file says of its rate is damaged."
        )
    days = n_times / sfreq / 86_400
    if days > MOST_DAYS:
        raise RecordingError(
            f"{name}: {n_times} samples at {sfreq:g} Hz would last {days:,.0f} days; up to "
            f"{MOST_DAYS} are read. What the file says of its rate or length is damaged."
        )


_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 8, 8: 8, 16: 4, 17: 8, 279: 3, 535: 3}
"""Type of a channel's numbers: bytes of each."""


_VOLT = 4256


_PREFIXES = {0: "", 18: "m", 19: "µ", 20: "n"}


def gdf_units(path: Path) -> tuple[tuple[float, str], ...]:
    """For each channel what MNE's numbers are multiplied by, and the unit that they are in then.

    `path` is a GDF file whose header MNE has accepted.

    Raises
    ------
    RecordingError
        If its channels have several rates, or it is shorter than its header announces.
    """
    with path.open("rb") as file:
        main = file.read(256)
        second = float(main[4:8]) >= 1.9
        n_chans = int(np.frombuffer(main, "<u2" if second else "<u4", 1, 252)[0])
        fields = file.read(256 * n_chans)
    names = [_text(fields[16 * i : 16 * (i + 1)]) for i in range(n_chans)]
    n_samples = np.frombuffer(fields, "<i4", n_chans, 216 * n_chans)
    types = np.frombuffer(fields, "<i4", n_chans, 220 * n_chans)
    if len(set(n_samples.tolist())) > 1:
        raise RecordingError(
            f"{path.name}: its channels have several rates ({sorted(set(n_samples.tolist()))} "
            "samples in a data record), which is not supported for GDF. Convert it to EDF or BDF."
        )
    blocks = len(main) // 256 + n_chans
    n_header = int(np.frombuffer(main, "<u2", 1, 184)[0]) * 256 if second else blocks * 256
    n_records = int(np.frombuffer(main, "<i8", 1, 236)[0])
    record = sum(_BYTES[int(t)] * int(n) for t, n in zip(types, n_samples, strict=True))
    size, needed = path.stat().st_size, n_header + n_records * record
    if n_records < 1 or size < needed:
        raise RecordingError(
            f"{path.name}: announces {n_records} data records, which end at byte {needed}, but the "
            f"file has {size} bytes. Copy it again from its source."
        )
    if second:
        codes = np.frombuffer(fields, "<u2", n_chans, 102 * n_chans).tolist()
        # MNE brings these two to volts, and takes every other number for one in volts
        units = ["V" if code in (4274, 4275) else _unit_of(code) for code in codes]
    else:
        written = [_text(fields[96 * n_chans + 8 * i :][:8]) for i in range(n_chans)]
        units = ["V" if unit.startswith("uV") else unit for unit in written]
    return tuple(conversion(unit, kind(name)) for unit, name in zip(units, names, strict=True))


def _unit_of(code: int) -> str:
    """Unit of a code of GDF 2; empty for what is no voltage."""
    prefix = _PREFIXES.get(code % 32)
    return f"{prefix}V" if code - code % 32 == _VOLT and prefix is not None else ""


def _text(raw: bytes) -> str:
    return raw.split(b"\x00")[0].decode("latin-1").strip()


@dataclass(frozen=True)
class BrainVisionHeader:
    """A part of a BrainVision header file."""

    units: tuple[str, ...]
    """Unit of each channel in order; empty where none is written."""
    n_times: int | None
    """Samples that the header announces; None if it does not."""


def read_brainvision_header(path: Path) -> BrainVisionHeader:
    """Read the units and the length from a header file (.vhdr) that MNE has accepted."""
    text = header_text(path)
    # each channel: ChN=<name>,<reference>,<resolution>,<unit>; a comma in a name is \1
    channels = re.findall(r"^Ch\d+=([^\r\n]*)", _section(text, "Channel Infos"), re.MULTILINE)
    fields = [channel.split(",") for channel in channels]
    length = re.search(r"^DataPoints=(\d+)", _section(text, "Common Infos"), re.MULTILINE)
    return BrainVisionHeader(
        units=tuple(field[3].strip() if len(field) > 3 else "" for field in fields),
        n_times=int(length[1]) if length else None,
    )


def header_text(path: Path) -> str:
    """Text of a header: UTF-8, or Latin-1 of older writers."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _section(text: str, name: str) -> str:
    _, _, rest = text.partition(f"[{name}]")
    return re.split(r"^\[", rest, maxsplit=1, flags=re.MULTILINE)[0]
