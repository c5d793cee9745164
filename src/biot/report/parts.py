"""What a page of sections is made of; ``templates/parts.html`` shows each kind."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

__all__ = ["Code", "Drawing", "More", "Pairs", "Part", "Section", "Table", "Text", "png_drawing"]


@dataclass(frozen=True)
class Text:
    """Plain text; a blank line begins a new paragraph."""

    text: str
    is_note: bool = False
    """Whether it is something that a reader must not miss."""
    kind: ClassVar[str] = "text"

    @property
    def paragraphs(self) -> list[str]:
        """The text in paragraphs."""
        return [part.strip() for part in self.text.split("\n\n") if part.strip()]


@dataclass(frozen=True)
class Pairs:
    """Names and values, one pair a line."""

    rows: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "pairs"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as they are to be read; the first column names the row."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    kind: ClassVar[str] = "table"

    @property
    def is_number(self) -> list[bool]:
        """Of each column, whether it holds numbers, which stand to the right."""
        return [
            index > 0 and all(_NUMBER.match(row[index]) for row in self.rows)
            for index in range(len(self.headers))
        ]


_NUMBER = re.compile(r"\s*$|[-−+±]?[\d.]|undefined|none$|–$")
"""How a cell begins that stands with numbers."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure; `alt` says to those who cannot see it what it shows."""

    caption: str
    alt: str
    svg: str = ""
    """An ``<svg>`` element, as :func:`biot.report.drawing.drawn` makes it; is not escaped."""
    png: str = ""
    """Or a ``data:`` address."""
    width: int = 640
    """Pixels that it is wide where there is room."""
    kind: ClassVar[str] = "figure"

    @property
    def least(self) -> int:
        """Pixels below which its text cannot be read; then it scrolls in itself."""
        return 0 if self.width <= 480 else round(0.7 * self.width)


@dataclass(frozen=True)
class Code:
    """Commands or the like, set as they are."""

    code: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class More:
    """What is shown when a reader asks for it."""

    title: str
    parts: Sequence[Part]
    kind: ClassVar[str] = "more"


Part = Text | Pairs | Table | Drawing | Code | More


@dataclass(frozen=True)
class Section:
    """One part of a page."""

    title: str
    parts: Sequence[Part]


def png_drawing(path: Path, *, caption: str, alt: str) -> Drawing:
    """A PNG file as a figure of the page.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    content = path.read_bytes()
    data = base64.b64encode(content).decode("ascii")
    width = int.from_bytes(content[16:20], "big") * 96 // 150  # as plots.save_png writes them
    return Drawing(caption=caption, alt=alt, png=f"data:image/png;base64,{data}", width=width)
