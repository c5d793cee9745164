"""What MNE does not keep of a BrainVision header: the units as written, and the length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BrainVisionHeader", "read_brainvision_header"]


@dataclass(frozen=True)
class BrainVisionHeader:
    """A part of a BrainVision header file."""

    units: tuple[str, ...]
    """Unit of each channel in order; empty where none is written."""
    n_times: int | None
    """Samples that the header announces; None if it does not."""


def read_brainvision_header(path: Path) -> BrainVisionHeader:
    """Read the units and the length from a header file (.vhdr) that MNE has accepted."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    # each channel: ChN=<name>,<reference>,<resolution>,<unit>; a comma in a name is \1
    channels = re.findall(r"^Ch\d+=([^\r\n]*)", _section(text, "Channel Infos"), re.MULTILINE)
    fields = [channel.split(",") for channel in channels]
    length = re.search(r"^DataPoints=(\d+)", _section(text, "Common Infos"), re.MULTILINE)
    return BrainVisionHeader(
        units=tuple(field[3].strip() if len(field) > 3 else "" for field in fields),
        n_times=int(length[1]) if length else None,
    )


def _section(text: str, name: str) -> str:
    _, _, rest = text.partition(f"[{name}]")
    return re.split(r"^\[", rest, maxsplit=1, flags=re.MULTILINE)[0]
