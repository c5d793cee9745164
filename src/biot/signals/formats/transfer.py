"""Files that a transfer in text mode has changed: before every line feed stands a carriage return.

Such a transfer takes each byte 10 for the end of a line. In a binary file the bytes after the first
one are then no longer in their places.
"""

from __future__ import annotations

import re
from pathlib import Path

from biot.errors import RecordingError

__all__ = ["require_binary", "went_through_text_mode"]

_BINARY = (
    ".edf", ".bdf", ".gdf", ".eeg", ".dat", ".mat", ".fdt", ".atr", ".fif", ".set", ".npz",
    ".parquet", ".xdf",
)  # fmt: skip
_MAY_HOLD_TEXT = (".fif", ".set", ".xdf")
"""Their comments may have such line ends; they are looked at where a parser has failed."""
_ENOUGH = 8
"""Line feeds: each has a carriage return before it by chance once in 256 times."""
_LOOKED_AT = 2**22
_BEGIN = 2**16
_OF_TEXT = bytes((9, 10, 13, *range(32, 127)))


def went_through_text_mode(path: Path, surplus: int | None = None) -> bool:
    """Whether every line feed of a binary file has a carriage return before it.

    Parameters
    ----------
    surplus
        Bytes that the file is too long, where that is known: as many were put in. Without it, only
        the beginning is looked at, and a few line feeds prove nothing.
    """
    with path.open("rb") as file:
        begin = file.read(_BEGIN)
        if re.search(rb"[^\r]\n", begin):  # so it is with most files
            return False
        content = begin + file.read(-1 if surplus is not None else _LOOKED_AT - _BEGIN)
    if not content.translate(None, _OF_TEXT):  # such as a data file of BrainVision in ASCII
        return False
    count = content.count(b"\n")
    if count != content.count(b"\r\n"):
        return False
    return count >= _ENOUGH if surplus is None else 0 < surplus <= count


def require_binary(files: list[Path], *, has_failed: bool = False) -> None:
    """Raise ``RecordingError`` if one of a recording's files went through a transfer in text mode.

    Parameters
    ----------
    has_failed
        Whether the recording could not be read, so that it is worth to look at all of them.
    """
    for path in files:
        suffix = path.suffix.lower()
        if suffix not in _BINARY or (suffix in _MAY_HOLD_TEXT and not has_failed):
            continue
        if went_through_text_mode(path):
            raise RecordingError(
                f"{path.name}: was changed by a transfer in text mode: before every line feed "
                "stands a carriage return, so its bytes are no longer in their places. Copy it "
                "again from its source, in binary mode."
            )
