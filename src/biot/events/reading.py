"""`read_events`: a file of events of one recording, in the formats that `write_events` writes.

Files of labels of other kinds, such as TUSZ's or CHB-MIT's, and tables over many recordings, are
read by the room that prepares corpora (`biot.corpus.builder.labels`), above this one.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from biot.errors import RecordingError, counted, require
from biot.events.event import Event, Events
from biot.events.files.hypnogram import EPOCH, written_stage
from biot.events.files.wfdb import BEATS, NOTHING
from biot.io import true_cell

__all__ = ["read_events"]

_LABELS = ("trial_type", "eventtype", "label", "description", "value")
_NOTHING = ("", "n/a", "nan")
_OF_MNE = (".fif", ".gdf", ".vmrk", ".set")
_UNSCORED = ("UNS", "-2", "?")
_LETTER = re.compile(r"&#(\d{3,7});")
"""How MNE writes letters beyond Latin-1 in FIF files."""
_SECONDS = "seconds from the recording's first sample"


def read_events(
    path: str | Path,
    *,
    name: str | None = None,
    duration: float | None = None,
    sfreq: float | None = None,
    meas_date: datetime | None = None,
    background: str | None = None,
    epoch: float = EPOCH,
) -> Events:
    """Read a file of events of one recording.

    Tables with ``onset`` and ``duration`` in seconds and ``trial_type``, ``eventType``, ``label``
    or ``value`` (``.tsv``, ``.csv``: BIDS, SzCORE), EDF+ annotations (``.edf``, ``.bdf``), others
    that ``mne.read_annotations`` reads (``.fif``, ``.vmrk``, ``.set``; MNE's ``.csv``, ``.txt``),
    WFDB annotations (``.atr``: rhythms, or beats where there are none), and hypnograms
    (``.txt``, one stage a line).

    Parameters
    ----------
    path
        The file.
    name
        Of the recording; None: the file's name.
    duration
        Length of the recording in seconds; None: what the file says, else the end of its last
        event. The last rhythm of an ``.atr`` lasts until then, without it for no time.
    sfreq
        Rate of the recording in Hz, for ``.atr`` files that do not say their own, and ``.vmrk``.
    meas_date
        When the recording began, for files whose events have dates: the CSV of MNE.
    background
        A label that is no event. SzCORE's ``bckg`` is none, nor is ``NONE``, which stands between
        the rhythms of our own ``.atr`` files where the model had no background, nor an epoch of a
        hypnogram that was not scored.
    epoch
        Seconds of a line of a hypnogram.

    Raises
    ------
    RecordingError
        If the file cannot be read, or an event has no time.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordingError(f"{path}: no such file of events.")
    suffix = path.suffix.lower()
    first = _first_line(path) if suffix in (".csv", ".tsv", ".txt") else ""
    length = duration
    if suffix == ".atr":
        found = _of_wfdb(path, sfreq, duration)
    elif suffix in (".edf", ".bdf"):
        found = _of_edf(path)
    elif suffix in _OF_MNE or first.startswith(("# MNE", "onset,duration,desc")):
        found = _of_mne(path, sfreq, meas_date)
    elif "onset" in first.lower():
        found, said = _of_table(path)
        length = said if duration is None else duration
    elif first:
        found = _of_hypnogram(path, epoch, duration)
    else:
        raise RecordingError(
            f"{path.name}: is no file of events that is known here. Known are tables with onset "
            "and duration (.tsv, .csv), EDF+ (.edf), MNE's (_annot.fif), WFDB's (.atr) and "
            "hypnograms (.txt)."
        )
    events = sorted((e for e in found if e.label != background), key=lambda e: (e.onset, e.label))
    return Events(
        name=path.name if name is None else name,
        events=tuple(events),
        duration=max((e.stop for e in events), default=0.0) if length is None else length,
        background=background,
        sfreq=sfreq,
        meas_date=meas_date,
    )


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return next((line.strip() for line in file if line.strip()), "")
    except UnicodeDecodeError:
        return ""


def _of_table(path: Path) -> tuple[list[Event], float | None]:
    """The events of a table, and the length of the recording where it says so."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = "," if path.suffix.lower() == ".csv" else "\t"
        rows = list(csv.reader(file, delimiter=delimiter))
    header = [cell.strip().lower() for cell in rows[0]]
    column = next((header.index(name) for name in _LABELS if name in header), None)
    if column is None or "onset" not in header or "duration" not in header:
        raise RecordingError(
            f"{path.name}: has the columns {', '.join(rows[0])}; a table of events has onset, "
            "duration, and one of trial_type, eventType, label, description and value."
        )
    events: list[Event] = []
    length: float | None = None
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        if len(row) != len(header):
            raise RecordingError(
                f"{path.name}, line {number}: has {counted(len(row), 'cell')}, the header "
                f"{len(header)}."
            )
        cells = dict(zip(header, row, strict=True))
        length = _number(path, number, cells, "recordingduration", length)
        label = true_cell(row[column].strip())
        if label in _NOTHING or (header[column] == "eventtype" and label == "bckg"):
            continue
        onset = _number(path, number, cells, "onset", None)
        if onset is None:
            raise RecordingError(
                f"{path.name}, line {number}: the event {label!r} has no onset. Give {_SECONDS}."
            )
        events.append(
            Event(
                onset=onset,
                duration=_number(path, number, cells, "duration", 0.0) or 0.0,
                label=label,
                confidence=_number(path, number, cells, "confidence", None),
                channels=_channels(cells),
            )
        )
    return events, length


def _number(
    path: Path, line: int, cells: dict[str, str], column: str, default: float | None
) -> float | None:
    text = cells.get(column, "").strip()
    if text.lower() in _NOTHING:
        return default
    try:
        return float(text)
    except ValueError:
        raise RecordingError(
            f"{path.name}, line {line}: {column} should be a number, and is {text!r}. Give "
            f"{_SECONDS}."
        ) from None


def _channels(cells: dict[str, str]) -> tuple[str, ...]:
    text = true_cell(cells.get("channels", cells.get("channel", "")).strip())
    return () if text.lower() in (*_NOTHING, "all") else tuple(text.split(","))


def _of_edf(path: Path) -> list[Event]:
    """Annotations of EDF+ and BDF+; those of a channel (``text@@Fp1``) name it."""
    edfio = require("edfio", extra="signals")
    read = edfio.read_edf if path.suffix.lower() == ".edf" else edfio.read_bdf
    found = []
    for onset, duration, text in _attempt(path, lambda: read(path).annotations):
        label, _, channel = text.partition("@@")
        channels = (channel.strip(),) if channel.strip() else ()
        found.append(Event(onset=onset, duration=duration or 0.0, label=label, channels=channels))
    return found


def _of_mne(path: Path, sfreq: float | None, meas_date: datetime | None) -> list[Event]:
    mne = require("mne", extra="signals")
    with path.open(encoding="utf-8-sig", errors="ignore") as file:
        if path.suffix.lower() == ".csv" and len([line for line in file if line.strip()]) < 2:
            return []  # which MNE writes, and cannot read
    options = {} if sfreq is None else {"sfreq": sfreq}
    found = _attempt(path, lambda: mne.read_annotations(path, **options))
    before = 0.0
    if path.suffix.lower() == ".csv":
        before = _first_of_csv(path, found.orig_time, meas_date)
    return [
        Event(
            onset=float(one["onset"]) + before,
            duration=float(one["duration"]),
            label=_LETTER.sub(lambda found: chr(int(found[1])), str(one["description"])),
            channels=tuple(map(str, one.get("ch_names") or ())),
        )
        for one in found
    ]


def _first_of_csv(path: Path, first: datetime | None, meas_date: datetime | None) -> float:
    """Seconds from the start of the recording to the first event, whose date MNE's table has.

    MNE gives none where that is 1970-01-01, the time 0 of a recording whose start is not known.
    """
    first = datetime(1970, 1, 1, tzinfo=UTC) if first is None else first
    if meas_date is None and first.year != 1970:
        raise RecordingError(
            f"{path.name}: its events have dates, the first {first:%Y-%m-%d %H:%M:%S}, and when "
            "the recording began is not known. Give the recording's start (meas_date), or the .fif "
            "beside it."
        )
    start = datetime(1970, 1, 1, tzinfo=UTC) if meas_date is None else meas_date
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start
    return (first - start).total_seconds()


def _attempt(path: Path, function: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names, and the packages' own
        try:
            return function()
        except Exception as error:  # whatever a parser meets in a damaged file
            raise RecordingError(
                f"{path.name}: cannot be read as a file of events: {error}. Check that it is "
                "complete."
            ) from error


def _of_wfdb(path: Path, sfreq: float | None, duration: float | None) -> list[Event]:
    def read() -> Any:
        wfdb = require("wfdb", extra="signals")
        return wfdb.rdann(str(path.with_suffix("")), path.suffix.removeprefix("."))

    found = _attempt(path, read)
    rate = float(found.fs or sfreq or 0)
    if not rate:
        raise RecordingError(
            f"{path.name}: does not say its sampling rate. Give that of the recording (sfreq)."
        )
    texts = [note.strip("\x00 ") for note in found.aux_note]
    marks = [
        (float(sample) / rate, str(symbol), text)
        for sample, symbol, text in zip(found.sample, found.symbol, texts, strict=True)
    ]
    rhythms = [(at, text.removeprefix("(")) for at, symbol, text in marks if symbol == "+"]
    if not rhythms:
        return [Event(onset=at, duration=0, label=s) for at, s, _ in marks if s in BEATS]
    notes = [Event(onset=at, duration=0, label=_text(t)) for at, s, t in marks if s == '"' and t]
    return [*_lasting(rhythms, duration), *notes]


def _text(stored: str) -> str:
    """Text of which wfdb made a character of each byte."""
    try:
        return stored.encode("latin-1").decode()
    except UnicodeError:
        return stored


def _lasting(rhythms: Sequence[tuple[float, str]], duration: float | None) -> Iterator[Event]:
    """Rhythms, each until the next begins."""
    end = max(rhythms[-1][0], duration or 0.0)
    for (at, label), (following, _) in pairwise([*rhythms, (end, "")]):
        if label and label != NOTHING:
            yield Event(onset=at, duration=following - at, label=_text(label))


def _of_hypnogram(path: Path, epoch: float, duration: float | None) -> list[Event]:
    """Runs of one stage; those of no stage are none."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    events: list[Event] = []
    for place, line in enumerate(line for line in lines if line):
        if line not in _UNSCORED and written_stage(line) is None:
            raise RecordingError(
                f"{path.name}, line {place + 1}: {line[:40]!r} is no stage of sleep, such as W, "
                "N2, R or 0 to 9, nor is the file a table with the columns onset and duration."
            )
        onset = place * epoch
        stop = min(onset + epoch, duration) if duration is not None else onset + epoch
        if line in _UNSCORED or stop <= onset:
            continue
        last = events[-1] if events else None
        if last is not None and last.label == line and abs(last.stop - onset) < 1e-9:
            events[-1] = replace(last, duration=stop - last.onset)
        else:
            events.append(Event(onset=onset, duration=stop - onset, label=line))
    return events
