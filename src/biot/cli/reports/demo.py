"""What the demo's report says."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from biot.evaluation.metrics import SCORES
from biot.io import atomic_file
from biot.simulate import ELECTRODES

__all__ = [
    "Section",
    "Table",
    "write_demo_report",
    "write_report",
]

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
    with atomic_file(path) as partial:
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


def write_demo_report(
    out: Path,
    headline: Sequence[str],
    *,
    simulated: str,
    commands: Sequence[Sequence[str]],
    scores: dict[str, Any],
) -> Path:
    """Write ``report.html`` into the demo's folder.

    Parameters
    ----------
    out
        Folder with ``run/`` and ``timeline.png``.
    headline
        The figures to know at a glance, a sentence each.
    simulated
        How much, such as ``"12 subjects, 5 minutes"``.
    commands
        What was run, as words.
    scores
        What ``biot evaluate --json`` wrote for the unseen subjects.
    """
    script = "\n".join(shlex.join(["biot", *words]) for words in commands)
    return write_report(
        out / "report.html",
        title="BIOT on simulated EEG",
        summary="\n\n".join(headline),
        sections=[
            _simulation(simulated),
            Section(title="Scores on unseen subjects", table=_scores(scores)),
            Section(
                title="Class by class",
                table=_classes(scores),
                figures=[out / "run" / "confusion.png"],
            ),
            Section(
                title="One unseen recording, window by window",
                text="The probability of each class; below, what is said of each window, and what "
                "was simulated.",
                figures=[out / "timeline.png"],
            ),
            Section(title="How the model learned", figures=[out / "run" / "curves.png"]),
            Section(title="The same by hand", code=script),
            Section(
                title="What this does not show",
                text="Simulated events are far more alike than real ones. The figures show that "
                "the software works, not how well it does on patients. Research software, not for "
                "clinical decisions.",
            ),
        ],
    )


def _simulation(simulated: str) -> Section:
    return Section(
        title="What was simulated",
        text=f"{simulated} of EEG each, at {', '.join(ELECTRODES)}: a background that falls with "
        "frequency, alpha, blinks, electrode drift, mains interference. Frequencies, amplitudes "
        "and gains differ between subjects. Spike-and-wave discharges and spindles alternate with "
        "rest, and are annotated."
        "\n\n"
        "An event takes over a share of a channel's power and adds none, so total power does not "
        "give it away. What can be learned is the shape of the spectrum, and where on the head.",
    )


def _scores(scores: dict[str, Any]) -> Table:
    intervals, guesses = scores["intervals"], scores["baselines"]
    return Table(
        headers=("score", "value", "95 % interval over subjects", *guesses),
        rows=[
            (
                name,
                _number(scores[key]),
                " to ".join(_number(end) for end in intervals[key]),
                *(_number(guess[key]) for guess in guesses.values()),
            )
            for key, name in SCORES.items()
        ],
    )


def _classes(scores: dict[str, Any]) -> Table:
    return Table(
        headers=("class", "precision", "recall", "F1", "windows"),
        rows=[
            (name, *(_number(of[key]) for key in ("precision", "recall", "f1")), str(of["support"]))
            for name, of in scores["classes"].items()
        ],
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
