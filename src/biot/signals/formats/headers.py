"""What holds for headers of all formats: plausible rates and lengths, their text."""

from __future__ import annotations

from pathlib import Path

from biot.errors import RecordingError

__all__ = ["header_text", "require_plausible", "text_of"]

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


def header_text(path: Path) -> str:
    """Text of a header, see :func:`text_of`."""
    return text_of(path.read_bytes())


def text_of(raw: bytes) -> str:
    """Bytes as text: UTF-8, or Latin-1 of older writers."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
