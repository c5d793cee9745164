"""What MNE does not keep of a BrainVision header: the units as written, and the length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BrainVisionHeader", "header_text", "read_brainvision_header"]


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
