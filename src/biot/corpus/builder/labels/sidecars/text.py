"""The lines of a text file of labels, whatever program wrote it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from biot.corpus.builder.labels.cells import NOT_SAID
from biot.corpus.builder.labels.sidecars.sidecar import damaged
from biot.errors import RecordingError

__all__ = [
    "first_lines",
    "is_nothing",
    "lines_of",
    "text_of",
]

_MOST_BYTES = 64 * 2**20
"""Of a file of labels; what is larger is something else."""


def is_nothing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.strip().lower() in NOT_SAID


def text_of(path: Path) -> str:
    """The text of a file: UTF-8 with or without its mark, UTF-16 with it, else latin-1.

    Raises
    ------
    RecordingError
        If the file cannot be read, is larger than 64 MiB, or is no text.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            damaged(path, None, f"{size / 2**20:.0f} MiB", "at most 64 MiB of labels")
        raw = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be read: {error.strerror or error}.") from error
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    if b"\0" in raw:
        damaged(path, None, "zero bytes", "text")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def lines_of(path: Path, strip: str | None = None) -> list[tuple[int, str]]:
    """The lines that are not blank, each with its number from 1.

    Parameters
    ----------
    strip
        The characters that are taken from both ends; None: all kinds of space.

    Raises
    ------
    RecordingError
        As :func:`text_of`.
    """
    lines = text_of(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(n, line.strip(strip)) for n, line in enumerate(lines, start=1) if line.strip()]


def first_lines(path: Path, count: int) -> list[str]:
    """The first few lines that are not blank; none if the file is no text, or cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(65_536)
    except OSError:
        return []
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = raw.decode("utf-16", errors="replace")
    elif b"\0" in raw:
        return []
    else:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    return list(islice((line.strip() for line in text.splitlines() if line.strip()), count))
