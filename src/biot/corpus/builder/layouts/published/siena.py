"""Siena Scalp EEG: seizures by the clock, in ``Seizures-list-PN00.txt`` beside the recordings.

Source: https://physionet.org/content/siena-scalp-eeg/1.0.0/ (Detti et al., Processes 2020).
Licence: CC BY 4.0. Rate, half of the recorded one, and windows of 10 s as in SzCORE (Dan et al.
2024) and BIOT. The lists were typed by hand: times with dots or colons, names with blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from biot.corpus.builder.layouts.layout import Found, Layout
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError

__all__ = ["LAYOUT"]

_LINE = re.compile(
    r"(?P<what>file name|(?:registration )?start time|(?:registration )?end time|"
    r"seizure start time|seizure end time)\W*?:?\s*(?P<value>.*)",
    re.IGNORECASE,
)
_TIME = re.compile(r"(\d{1,2})\s*[.:]\s*(\d{1,2})\s*[.:]\s*(\d{1,2})")
_DAY = 24 * 3600


def _seizures(found: Found) -> list[Stretch]:
    path = found.require("Seizures-list-{subject}.txt")
    mine, out = _plain(found.path.name), []
    for name, began, onset, end in _listed(path):
        if name == mine:
            out.append(Stretch((onset - began) % _DAY, (end - onset) % _DAY, "seizure"))
    return out


def _plain(name: str) -> str:
    return re.sub(r"\s|\.edf$", "", name.strip().lower())


def _listed(path: Path) -> Iterator[tuple[str, int, int, int]]:
    """File, its start, and start and end of each seizure, in seconds of the day."""
    name, began, onset = "", None, None
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        match = _LINE.search(line)
        if match is None:
            continue
        what, value = match["what"].lower(), match["value"]
        if what == "file name":
            name, began = _plain(value), None
            continue
        time = _TIME.search(value)
        if time is None:
            raise RecordingError(f"{path.name}, line {number}: no time in {line.strip()!r}.")
        seconds = int(time[1]) * 3600 + int(time[2]) * 60 + int(time[3])
        if what == "registration start time" or (what == "start time" and began is None):
            began = seconds
        elif "seizure start" in what or what == "start time":
            onset = seconds
        elif "registration" not in what and onset is not None and began is not None:
            yield name, began, onset, seconds
            onset = None


LAYOUT = Layout(
    name="siena",
    title="Siena Scalp EEG Database",
    expects="PN00/PN00-1.edf … PN17/PN17-2.edf, PN00/Seizures-list-PN00.txt …",
    licence="CC BY 4.0",
    recordings=r"(?P<subject>PN\d{2})(?:-[\d.]*)?\.edf",
    needs=("Seizures-list-{subject}.txt",),
    labels=_seizures,
    label_names=("background", "seizure"),
    settings={"sfreq": 256, "window": 10, "background": "background", "channels": "eeg"},
)
