"""Annotation-only EDF+ and BDF+ files: scorings such as the Hypnograms of Sleep-EDF.

https://www.edfplus.info/specs/edfplus.html; Sleep-EDF: https://physionet.org/content/sleep-edfx
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError
from biot.signals.formats.edf_annotations import read_timeline
from biot.signals.formats.edf_header import read_edf_header
from biot.signals.formats.edf_start import edf_start

__all__ = [
    "KINDS",
    "holds_annotations_only",
]

_SUFFIXES = (".edf", ".bdf")

_HIDDEN_DATE = (1, 1, 1985)
"""What EDF+ writes where the date is not to be known."""

_DAY = 86_400.0

_NOT_SAID = (
    "files of labels or recordings that do not say when they start: taken as starting together"
)
_NOT_TOGETHER = "files of labels that do not start when their recordings do: the difference counts"
_OTHER_DATES = (
    "files of labels with another date than their recordings, by which no label lies in these: the "
    "times of day count, by which labels do"
)


def holds_annotations_only(path: Path, recording: Path | None = None) -> bool:
    """Whether a file is EDF+ or BDF+ without a signal; files that cannot be read are not."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            main = file.read(256)
            n_signals = int(main[252:256])
            labels = file.read(16 * n_signals) if 0 < n_signals <= 16 else b""
    except (OSError, ValueError):
        return False
    names = [labels[i : i + 16].strip() for i in range(0, len(labels), 16)]
    return bool(names) and all(name in (b"EDF Annotations", b"BDF Annotations") for name in names)


def _read(path: Path, beside: Beside) -> Sidecar:
    try:
        header = read_edf_header(path)
        _, annotations = read_timeline(path, header)
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be read: {error.strerror or error}.") from error
    notes = [note for note in annotations if note.label.strip("\0 ")]
    shift, told = _difference_of_starts(path, beside, [note.onset for note in notes])
    stretches = tuple(
        Stretch(note.onset + shift, note.duration, note.label.strip().rstrip("\0"))
        for note in notes
    )
    way_out = (
        f". By the headers it starts {shift:+g} s from {beside.path.name}: correct one of the two"
        if shift
        else ""
    )
    kind = "annotation-only EDF+ or BDF+"
    return Sidecar(path, kind, {"label": stretches}, {}, told, way_out)


def _difference_of_starts(
    path: Path, beside: Beside, onsets: Sequence[float]
) -> tuple[float, tuple[str, ...]]:
    """Seconds from the start of a recording to that of another file, and what was assumed.

    Both headers say when they start. Where one says nothing, both start together. Where one hides
    its date, as EDF+ does with 1 January 1985, the times of day count; so they do where by the
    dates no label begins in the recording, and by the times of day most do, as one of the two had
    its date changed then. Dates are read here for nothing else.

    Parameters
    ----------
    onsets
        When labels begin, in seconds from the start of the other file.
    """
    start, other = _start_of(path), _start_beside(beside)
    if start is None or other is None:
        return 0.0, (_NOT_SAID,) if beside.path.suffix.lower() in _SUFFIXES else ()
    seconds = (start - other).total_seconds()
    if _is_unset(start) or _is_unset(other):
        return 0.0, (_NOT_SAID,) if seconds else ()
    if start.date() != other.date():
        by_clock = _by_clock(seconds, onsets, beside)
        if _is_hidden(start) or _is_hidden(other):
            seconds = by_clock
        elif not _begin_within(seconds, onsets, beside) and (
            2 * _begin_within(by_clock, onsets, beside) > len(onsets)
        ):
            return by_clock, (_OTHER_DATES,)
    return seconds, (_NOT_TOGETHER,) if seconds else ()


def _by_clock(seconds: float, onsets: Sequence[float], beside: Beside) -> float:
    """The difference of two times of day: the one by which most labels begin in the recording."""
    nearest = (seconds + _DAY / 2) % _DAY - _DAY / 2
    ways = nearest, nearest - math.copysign(_DAY, nearest)
    return max(ways, key=lambda way: _begin_within(way, onsets, beside))


def _begin_within(shift: float, onsets: Sequence[float], beside: Beside) -> int:
    """How many labels begin in the recording."""
    return sum(0 <= onset + shift < beside.recording.duration for onset in onsets)


def _is_hidden(start: datetime) -> bool:
    return (start.day, start.month, start.year) == _HIDDEN_DATE


def _is_unset(start: datetime) -> bool:
    """Whether neither date nor time are said: programs write the first second of a year then."""
    return start.replace(microsecond=0) == datetime(start.year, 1, 1)


def _start_beside(beside: Beside) -> datetime | None:
    """When the recording starts, also where its labels lie in another folder."""
    if beside.path.exists():
        return _start_of(beside.path)
    start = beside.recording.meas_date
    return start if start is None or start.tzinfo is None else start.replace(tzinfo=None)


def _start_of(path: Path) -> datetime | None:
    """When an EDF or BDF file starts, as its header and the first time stamp say."""
    if path.suffix.lower() not in _SUFFIXES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # reading the recording says them
            return edf_start(path, read_edf_header(path))
    except (OSError, RecordingError):
        return None


KINDS = (
    Kind(
        name="annotation-only EDF+ or BDF+",
        # SC4001E0-PSG and SC4001EC-Hypnogram: the eighth letter is the scorer's
        pattern=r"(?:|[a-z0-9]{1,2}(?=-hypnogram)|[-_. ])"
        r"(?:[-_. ]?(?:annotations?|hypnogram|hypno|scoring|sleepscoring|stages?|events?|labels?"
        r"|base))?"  # MASS: "01-03-0001 Base" for "01-03-0001 PSG"
        r"\.(?:edf|bdf)",
        read=_read,
        recognises=holds_annotations_only,
    ),
)
