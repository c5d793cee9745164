"""Hypnograms as text: one stage of sleep a line, as YASA and many scorers write them.

https://github.com/raphaelvallat/yasa. Lines are epochs of 30 s from the recording's start on, as
the AASM scores; their number has to fit the recording. Stages stay as they are written: what a
number means differs between programs, and a map of labels says it.
"""

from __future__ import annotations

import re
from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar, damaged
from biot.corpus.builder.labels.sidecars.text import first_lines, lines_of
from biot.corpus.builder.windows.events import Stretch
from biot.errors import counted

__all__ = [
    "KINDS",
]

_EPOCH = 30.0
"""Seconds of a line."""

_NAME = "hypnogram, one stage a line"

_STAGE = re.compile(
    r"-?\d+(?:\.0*)?|[WRM?]|wake|awake|N[1-4]|S[0-4]|NREM\s?[1-4]|REM|MT|movement"
    r"|art(?:efact|ifact)?|uns(?:cored)?|unknown|(?:sleep )?stage (?:[WRM?1-4]|N[1-4]|REM)",
    re.IGNORECASE,
)
_OF_SLEEP = re.compile(r"[NS][1-4]|N?REM|(?:a?wake|stage|sleep|hypno)", re.IGNORECASE)
_MOST_STAGE = 9
_HEADER = re.compile(r"(?:sleep[ _]?)?(?:stages?|hypno(?:gram)?|scor(?:es?|ing)|labels?)", re.I)


def _cell(line: str) -> str:
    return line.strip().rstrip(",;\t").strip().strip("\"'").strip()


def _is_stage(cell: str) -> bool:
    if _STAGE.fullmatch(cell) is None:
        return False
    return not re.match(r"-?\d", cell) or -3 <= float(cell) <= _MOST_STAGE


def _is_hypnogram(path: Path, recording: Path) -> bool:
    cells = [_cell(line) for line in first_lines(path, 200)]
    if cells and _HEADER.fullmatch(cells[0]):
        cells = cells[1:]
    return len(cells) > 1 and all(map(_is_stage, cells[:-1]))  # the last may be cut off


def _is_surely_hypnogram(path: Path, recording: Path) -> bool:
    """The same, save for numbers or single letters in a file whose name says nothing of sleep."""
    if not _is_hypnogram(path, recording):
        return False
    of_sleep = re.search(r"hyp|stage|scoring", path.name[len(recording.stem) :], re.IGNORECASE)
    cells = [_cell(line) for line in first_lines(path, 200)]
    return of_sleep is not None or any(_OF_SLEEP.match(cell) for cell in cells)


def _read(path: Path, beside: Beside) -> Sidecar:
    lines = [(n, _cell(line)) for n, line in lines_of(path)]
    if lines and _HEADER.fullmatch(lines[0][1]):
        lines = lines[1:]
    for n, cell in lines:
        if not _is_stage(cell):
            damaged(path, n, repr(cell), "a stage of sleep, such as W, N2, R or 0 to 5")
    length, duration = len(lines) * _EPOCH, beside.recording.duration
    if abs(length - duration) > _EPOCH:
        fits = [f"{each:g} s" for each in (20, 10, 5, 1) if abs(len(lines) * each - duration) < 30]
        hint = f" (they would fit at {fits[0]} a line)" if fits else ""
        damaged(
            path, None,
            f"{counted(len(lines), 'stage')}, at {_EPOCH:g} s a line {length:g} s long{hint}",
            f"as many as fit the {duration:g} s of {beside.path.name}, within one. Give stages of "
            "another length, or start, as a table with onset and duration",
        )  # fmt: skip
    stretches = tuple(
        Stretch(place * _EPOCH, _EPOCH, cell.removesuffix(".0") if cell[-1:].isdigit() else cell)
        for place, (_, cell) in enumerate(lines)
    )
    told = [f"a stage a line is taken for {_EPOCH:g} s from the recording's start on"]
    if any(cell.lstrip("-").replace(".", "").isdigit() for _, cell in lines):
        told.append("stages are numbers, which --label-map may name, such as 0=W,1=N1")
    return Sidecar(path, _NAME, {"stage": stretches}, {}, tuple(told))


KINDS = (
    Kind(
        name=_NAME,
        pattern=r"[-_. ]?(?:hypno|hypnogram|stages?|sleep_?stages?|scoring)\.(?:txt|csv|tsv|hyp)"
        r"|\.(?:txt|csv|tsv|hyp|hypno|stages?|eannot)",
        read=_read, recognises=_is_surely_hypnogram, any_name=_is_hypnogram,
    ),
)  # fmt: skip
