"""Annotation-only EDF+ and BDF+ files: scorings such as the Hypnograms of Sleep-EDF.

https://www.edfplus.info/specs/edfplus.html; Sleep-EDF: https://physionet.org/content/sleep-edfx
"""

from __future__ import annotations

import re
import warnings
from datetime import datetime, timedelta
from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError
from biot.signals.formats.edf_annotations import read_timeline
from biot.signals.formats.edf_header import read_edf_header

__all__ = [
    "KINDS",
    "difference_of_starts",
    "holds_annotations_only",
]

_SUFFIXES = (".edf", ".bdf")

_HIDDEN_DATE = (1, 1, 1985)
"""What EDF+ writes where the date is not to be known."""

_DAY = 86_400.0


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
    shift, told = difference_of_starts(path, beside.path)
    stretches = tuple(
        Stretch(note.onset + shift, note.duration, note.label.strip().rstrip("\0"))
        for note in annotations
        if note.label.strip("\0 ")
    )
    way_out = (
        f". By the headers it starts {shift:+g} s from {beside.path.name}: correct one of the two"
        if shift
        else ""
    )
    kind = "annotation-only EDF+ or BDF+"
    return Sidecar(path, kind, {"label": stretches}, {}, told, way_out)


def difference_of_starts(path: Path, recording: Path) -> tuple[float, tuple[str, ...]]:
    """Seconds from the start of a recording to that of another file, and what was assumed.

    Both headers say when they start. Where one hides its date, as EDF+ does with 1 January 1985,
    the times of day count, less than half a day apart. Where one says nothing, both start
    together. Dates are read here for nothing else.
    """
    start, other = _start_of(path), _start_of(recording)
    if start is None or other is None:
        return 0.0, (
            "files of labels or recordings that do not say when they start: taken as starting "
            "together",
        ) if recording.suffix.lower() in _SUFFIXES else ()
    seconds = (start - other).total_seconds()
    if start.date() != other.date() and _is_hidden(start) | _is_hidden(other):
        seconds = (seconds + _DAY / 2) % _DAY - _DAY / 2
        if _is_unset(start) or _is_unset(other):
            seconds = 0.0
    if not seconds:
        return 0.0, ()
    return seconds, (
        "files of labels that do not start when their recordings do: the difference counts",
    )


def _is_hidden(start: datetime) -> bool:
    return (start.day, start.month, start.year) == _HIDDEN_DATE


def _is_unset(start: datetime) -> bool:
    """Whether neither date nor time are said."""
    return _is_hidden(start) and start == datetime(1985, 1, 1)


def _start_of(path: Path) -> datetime | None:
    """When an EDF or BDF file starts, as its header and the first time stamp say."""
    if path.suffix.lower() not in _SUFFIXES:
        return None
    try:
        with path.open("rb") as file:
            main = file.read(256)
        text = f"{main[168:176].decode('latin-1')} {main[176:184].decode('latin-1')}"
        day, month, year, hour, minute, second = map(int, re.findall(r"\d+", text))
        year += 1900 if year >= 85 else 2000
        return datetime(year, month, day, hour, minute, second) + _first_stamp(path)
    except (OSError, ValueError):
        return None


def _first_stamp(path: Path) -> timedelta:
    """How far within its second a file starts, which EDF+ writes as its first annotation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading the recording says them
        header = read_edf_header(path)
    if not header.annotations:
        return timedelta()
    signal = header.annotations[0]
    with path.open("rb") as file:
        file.seek(header.n_bytes + signal.first_byte)
        raw = file.read(min(32, signal.n_samples * header.sample_bytes))
    stamp = re.match(rb"\+(\d+(?:\.\d*)?)\x14\x14", raw)
    return timedelta(seconds=float(stamp[1])) if stamp is not None else timedelta()


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
