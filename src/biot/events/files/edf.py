"""Events as EDF+ annotations, in a file without signals, written by edfio.

https://www.edfplus.info/specs/edfplus.html. The duration of its one data record is 0, as that page
asks of files without signals.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Any

from biot.errors import counted, require
from biot.events.files.contents import FoundEvents, in_order, label_of
from biot.io import atomic_file

__all__ = ["write_edf"]

_DECIMALS = 6
_OF_CHANNEL = "@@"
"""Stands between a text and the channel that it holds for."""
_MOST_BYTES = 10 * 2**20
"""Of a data record that EDFbrowser opens."""
_YEARS = range(1985, 2085)
"""That the header's two digits of a year can mean."""


def write_edf(events: FoundEvents, path: Path) -> list[Path]:
    """Write an EDF+ file that holds nothing but annotations; no name of a person.

    It begins when the recording does, to the microsecond; where that is not known, at 00:00:00 on
    1 January 1985 as EDF has it, with ``Startdate X``. An event of certain channels becomes one
    annotation for each of them, ``label@@channel``.
    """
    edfio = require("edfio", extra="signals")
    start = _start(events)
    recording = edfio.Recording(startdate=start.date() if start is not None else None)
    made = edfio.Edf(
        [],
        recording=recording,
        starttime=time(0) if start is None else start.time(),
        annotations=iter(list(_annotations(edfio, events))),  # an empty list would be refused
    )
    with atomic_file(path) as partial:
        made.write(partial)
        size = partial.stat().st_size
    if size > _MOST_BYTES:
        warnings.warn(
            f"{path.name}: {counted(len(events.events), 'event takes', 'events take')} "
            f"{size / 2**20:.0f} MB in one data "
            "record; EDFbrowser opens up to 10 MB. Other programs read it; fewer events come of a "
            "longer --min-duration or --merge-gap.",
            stacklevel=2,
        )
    return [path]


def _annotations(edfio: Any, events: FoundEvents) -> Iterator[Any]:
    for event in in_order(events):
        onset, duration = round(event.onset, _DECIMALS), round(event.duration, _DECIMALS)
        label = label_of(event).replace(_OF_CHANNEL, "@ @")  # else a reader takes it for a channel
        label = label.replace("{COLON}", ":")  # which MNE refuses to read
        texts = [f"{label}{_OF_CHANNEL}{name}" for name in event.channels] or [label]
        for text in texts:
            yield edfio.EdfAnnotation(onset, duration, text)


def _start(events: FoundEvents) -> datetime | None:
    """The clock of the place at the first sample, where EDF's two digits of a year can hold it."""
    start = events.meas_date
    if start is None or start.year in _YEARS:
        return start
    warnings.warn(
        f"{events.name}: was recorded in the year {start.year}, and EDF holds "
        f"{_YEARS[0]} to {_YEARS[-1]}; its annotations begin at 1985 instead.",
        stacklevel=4,
    )
    return None
