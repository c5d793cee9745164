"""A report: one HTML file that needs no other, from text, tables and figures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from biot.inference.predictions import whole_file

__all__ = ["Section", "Table", "write_report"]

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d5d8dc; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem .25rem 0; text-align: right; border-bottom: 1px solid #e8eaed; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; margin: .6rem 0; }
pre { background: #f4f5f7; padding: .8rem 1rem; overflow-x: auto; }
""".strip()


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as they are to be read; the first column names the row."""

    headers: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a report; what is empty is left out."""

    title: str
    text: str = ""
    """Plain text; a blank line begins a new paragraph."""
    table: Table | None = None
    figures: Sequence[Path] = ()
    """PNG files, copied into the report."""
    code: str = ""
    """Commands or the like, set as they are."""


def write_report(path: Path, *, title: str, summary: str, sections: Sequence[Section]) -> Path:
    """Write a report as one HTML file.

    Parameters
    ----------
    path
        Where to; its folder must exist, an older file is replaced.
    title, summary
        Heading, and what to know at a glance; plain text.
    sections
        In the order of reading.

    Returns
    -------
    Path
        `path`.
    """
    body = "\n".join(_section(section) for section in sections)
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{escape(title)}</title>\n'
        f"<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f"{_paragraphs(summary)}\n{body}\n</body>\n</html>\n"
    )
    with whole_file(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    if section.text:
        parts.append(_paragraphs(section.text))
    if section.table is not None:
        parts.append(_table(section.table))
    parts.extend(_figure(figure, section.title) for figure in section.figures)
    if section.code:
        parts.append(f"<pre>{escape(section.code)}</pre>")
    return "\n".join(parts)


def _paragraphs(text: str) -> str:
    return "\n".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n"))


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.headers)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _figure(path: Path, alternative: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{escape(alternative)}" src="data:image/png;base64,{data}">'
