"""Seizures of CHB-MIT: ``chb01-summary.txt`` and ``chb01_03.edf.seizures``.

https://physionet.org/content/chbmit. What is not a seizure is background; recordings that the
summary lists without a seizure have none.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar, damaged
from biot.corpus.builder.labels.sidecars.text import lines_of
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError
from biot.signals.formats.annotators import read_annotation_file

__all__ = [
    "KINDS",
]

_SEIZURE = "seizure"
_SUMMARY, _SEIZURES = "CHB-MIT -summary.txt", "CHB-MIT .seizures"

_FILE = re.compile(r"file name\s*:\s*(.*)", re.IGNORECASE)
_NUMBER = re.compile(r"number of seizures in file\s*:\s*(\d+)", re.IGNORECASE)
_TIME = re.compile(
    r"seizure\s*(?:\d+\s*)?(start|end) time\s*:\s*(\d+(?:\.\d+)?)\s*(?:seconds|secs?|s)?",
    re.IGNORECASE,
)


def _tells_of(path: Path, recording: Path) -> bool:
    try:
        stat = path.stat()
        return recording.name.lower() in _names_in(path, stat.st_size, stat.st_mtime_ns)
    except (OSError, RecordingError):
        return False


@functools.lru_cache(maxsize=64)
def _names_in(path: Path, size: int, changed: int) -> frozenset[str]:
    """The recordings that a summary is on; size and time of change keep what is known true."""
    named = (_FILE.fullmatch(line) for _, line in lines_of(path))
    return frozenset(one[1].strip().lower() for one in named if one is not None)


def _block_of(path: Path, recording: Path) -> list[tuple[int, str]]:
    """The lines of a summary that are on a recording, the one with its name first."""
    block: list[tuple[int, str]] = []
    for n, line in lines_of(path):
        named = _FILE.fullmatch(line)
        if named is not None:
            if block:
                break
            if named[1].strip().lower() == recording.name.lower():
                block = [(n, line)]
        elif block:
            if line.lower().startswith(("channels changed", "channels in edf")):
                break  # what follows is on the files after it
            block.append((n, line))
    return block


def _read_summary(path: Path, beside: Beside) -> Sidecar:
    block = _block_of(path, beside.path)
    if not block:
        damaged(path, None, f"no block on {beside.path.name}", f"'File Name: {beside.path.name}'")
    count = None
    starts: list[tuple[int, float]] = []
    stretches: list[Stretch] = []
    for n, line in block:
        number, time = _NUMBER.fullmatch(line), _TIME.fullmatch(line)
        if number is not None:
            count = int(number[1])
        elif time is not None and time[1].lower() == "start":
            starts.append((n, float(time[2])))
        elif time is not None:
            if len(starts) != len(stretches) + 1 or float(time[2]) < starts[-1][1]:
                damaged(path, n, repr(line), "the end of a seizure after its start")
            stretches.append(Stretch(starts[-1][1], float(time[2]) - starts[-1][1], _SEIZURE))
        elif "seizure" in line.lower():
            damaged(path, n, repr(line), "'Seizure Start Time: 2996 seconds' or the like")
    if count is None or not len(starts) == len(stretches) == count:
        said = "no number" if count is None else f"{count} by their number"
        damaged(
            path, block[0][0], f"{len(starts)} starts and {len(stretches)} ends of seizures, and "
            f"{said}", "as many of each",
        )  # fmt: skip
    return Sidecar(path, _SUMMARY, {"label": tuple(stretches)})


def _read_seizures(path: Path, beside: Beside) -> Sidecar:
    notes = read_annotation_file(path, beside.recording.sfreq)
    onsets = [note.onset for note in notes if note.label == "["]
    ends = [note.onset for note in notes if note.label == "]"]
    symbols = "".join(note.label for note in notes)
    if symbols != "[]" * len(onsets) or not onsets:
        damaged(path, None, f"the marks {symbols[:40]!r}", "'[' and ']' in turn")
    stretches = (Stretch(a, b - a, _SEIZURE) for a, b in zip(onsets, ends, strict=True))
    return Sidecar(path, _SEIZURES, {"label": tuple(stretches)})


KINDS = (
    Kind(
        name=_SUMMARY, pattern=r"-summary\.txt", of_folder=r".*-summary\.txt",
        read=_read_summary, recognises=_tells_of, events_only=True,
    ),
    Kind(
        name=_SEIZURES, pattern=r"\.(?:edf\.)?seizures?", read=_read_seizures, events_only=True
    ),
)  # fmt: skip
