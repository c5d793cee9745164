"""BIDS: what the tables beside a recording say of its channels and events, and of its subjects.

https://bids-specification.readthedocs.io
"""

from __future__ import annotations

import csv
import json
import os
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from biot.errors import RecordingError, counted, listed
from biot.signals.channels import kind
from biot.signals.preprocess import is_missing
from biot.signals.recording import Annotation, Array, Recording
from biot.signals.units import conversion

__all__ = [
    "entities_of",
    "participants",
    "tables_of",
    "with_bids_tables",
]

_NOTHING = ("", "n/a")


_KINDS = {"EEG": "eeg", "ECG": "ecg", "EOG": "eog", "VEOG": "eog", "HEOG": "eog", "EMG": "emg"}


_KINDS |= {"ACCEL": "acc", "GYRO": "gyro"}


_LONGEST_EVENT = 366 * 86_400
"""In seconds; events often reach beyond a recording's end."""


_Rows = list[dict[str, str]]


def entities_of(path: Path) -> dict[str, str]:
    """The entities of a BIDS file name: ``{"sub": "01", "ses": "a", "task": "rest"}``.

    Empty for a name that does not begin with ``sub-``.
    """
    found = dict(re.findall(r"(?:^|_)([a-z]+)-([A-Za-z0-9+]+)(?=_|$)", path.stem))
    return found if path.name.startswith("sub-") else {}


def participants(folder: str | Path) -> dict[str, dict[str, str]]:
    """The rows of a data set's ``participants.tsv`` by subject, without ``sub-``.

    Raises
    ------
    RecordingError
        If the folder has no such table, or a row names no subject.
    """
    folder = Path(folder)
    path = folder / "participants.tsv"
    if not path.is_file():
        raise RecordingError(f"{folder.name}: has no participants.tsv, looked for at {path}.")
    found = {}
    for row in _rows(path, needed=("participant_id",), is_even=False):
        subject = row.pop("participant_id").removeprefix("sub-")
        if subject in _NOTHING or subject in found:
            raise RecordingError(
                f"participants.tsv: participant_id {subject!r} is empty or there twice."
            )
        found[subject] = row
    return found


def with_bids_tables(recording: Recording) -> Recording:
    """The recording as its ``channels.tsv`` and ``events.tsv`` describe it, if it has any.

    A table counts if it lies in the recording's folder, or above it up to the data set's, and its
    entities are among those of the recording; the nearest is taken. Channels with the status
    ``bad`` are missing. The table's unit counts where the file declares none, its type where the
    channel's name does not tell the kind. Events take the place of the file's annotations, save of
    those that mark missing data; their label is ``trial_type``, else ``value``, else ``eventType``
    (SzCORE). Those without an onset are left out, and told.

    Raises
    ------
    RecordingError
        If a table lacks a column that it needs, or an onset or a duration is neither a number nor
        ``n/a``.
    """
    if recording.path is None or not entities_of(recording.path):
        return recording
    channels = _table_of(recording.path, "channels.tsv")
    events = _table_of(recording.path, "events.tsv")
    if channels is not None:
        recording = _with_channels(recording, channels)
    if events is not None:
        recording = replace(recording, annotations=_events(recording, events))
    return replace(recording, reference=_reference(recording))


def _reference(recording: Recording) -> str | None:
    """``EEGReference`` of the nearest ``eeg.json`` that has it, else what the recording says."""
    path = None if recording.path is None else _table_of(recording.path, "eeg.json")
    if recording.reference is not None or path is None:
        return recording.reference
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError):
        warnings.warn(f"{recording.name}: {path.name} is no JSON; it was not read.", stacklevel=4)
        return None
    text = values.get("EEGReference") if isinstance(values, dict) else None
    if not isinstance(text, str):
        return None
    return text[:80].encode("ascii", "backslashreplace").decode()


def tables_of(path: Path) -> list[Path]:
    """The tables of channels and events that :func:`with_bids_tables` reads for a file."""
    if not entities_of(path):
        return []
    tables = (_table_of(path, suffix) for suffix in ("channels.tsv", "events.tsv"))
    return [table for table in tables if table is not None]


def _table_of(path: Path, suffix: str) -> Path | None:
    entities = entities_of(path).items()
    for folder in Path(os.path.abspath(path)).parents:  # a link may lead into an archive
        candidates = [
            table
            for table in sorted(folder.glob(f"*{suffix}"))
            if re.fullmatch(rf"(?:[a-z]+-[A-Za-z0-9+]+_)*{re.escape(suffix)}", table.name)
            and _table_entities(table) <= entities
        ]
        if candidates:
            return max(candidates, key=lambda table: len(_table_entities(table)))
        if (folder / "dataset_description.json").is_file():
            break
        if not re.match(r"(?:sub|ses)-|(?:eeg|ieeg|meg|emg|motion|beh|physio)$", folder.name):
            break
    return None


def _table_entities(table: Path) -> set[tuple[str, str]]:
    return set(re.findall(r"(?:^|_)([a-z]+)-([A-Za-z0-9+]+)(?=_)", table.name))


def _with_channels(recording: Recording, table: Path) -> Recording:
    rows = {row["name"]: row for row in _rows(table, needed=("name",))}
    _require_complete(recording, table, rows)
    unknown = [name for name in rows if name not in recording.ch_names]
    if unknown:
        warnings.warn(
            f"{recording.name}: {table.name} describes channels that it does not have: "
            f"{listed(unknown)}.",
            stacklevel=4,
        )
    bad: list[int] = []
    factors, units = [], []
    for i, (name, unit) in enumerate(zip(recording.ch_names, recording.units, strict=True)):
        row = rows.get(name, {})
        if row.get("status", "").lower() == "bad":
            bad.append(i)
        by_name = kind(name)
        type_ = _KINDS.get(row.get("type", "").upper(), by_name)
        written = row.get("units", "")
        declared = unit or ("" if written in _NOTHING else written)
        factor, wanted = conversion(declared, type_ if by_name == "misc" else by_name)
        factors.append(factor)
        units.append(wanted)
    scale = np.array(factors, dtype=np.float32)[:, np.newaxis]

    def read_samples(start: int, stop: int) -> Array:
        data = recording.read(start, stop) * scale
        data[bad] = np.nan
        return data

    limits = tuple(
        (low * f, high * f) for (low, high), f in zip(recording.limits, factors, strict=False)
    )
    marked = tuple(dict.fromkeys((*recording.bad, *(recording.ch_names[i] for i in bad))))
    return replace(
        recording, units=tuple(units), bad=marked, limits=limits, declared=(),
        read_samples=read_samples,
    )  # fmt: skip


_STATES = ("good", "bad", *_NOTHING)


def _require_complete(recording: Recording, table: Path, rows: dict[str, dict[str, str]]) -> None:
    """Raise ``RecordingError`` where a channel's row or its state cannot be trusted."""
    # channels of triggers are written by some systems and programs, and not by others
    absent = [n for n in recording.ch_names if n not in rows and kind(n) != "stim"]
    if absent:
        raise RecordingError(
            f"{recording.name}: {table.name} has no row for the channels {listed(absent)}, so it "
            "is cut, or of another recording, and nothing says whether they are bad. Copy it "
            "again from its source, or complete it."
        )
    for name, row in rows.items():
        if row.get("status", "").lower() not in _STATES:
            raise RecordingError(
                f"{recording.name}: {table.name} says of channel {name} the status "
                f"{row['status']!r}. It may be good, bad or n/a."
            )


def _events(recording: Recording, table: Path) -> tuple[Annotation, ...]:
    found = [annotation for annotation in recording.annotations if is_missing(annotation)]
    outside = timeless = near = 0
    far: RecordingError | None = None
    for number, row in enumerate(_rows(table, needed=("onset", "duration")), start=2):
        if row["onset"].lower() in (*_NOTHING, "nan"):
            timeless += 1
            continue
        labels = [row.get(column, "") for column in ("trial_type", "value", "eventType")]
        label = next((text for text in labels if text not in _NOTHING), "")
        onset, duration = (
            0.0
            if name == "duration" and row[name].lower() in (*_NOTHING, "nan")
            else _seconds(table, number, name, row)
            for name in ("onset", "duration")
        )
        try:
            _require_near(recording, table, number, onset, duration)
        except RecordingError as error:
            far, outside = far or error, outside + 1
            continue
        near += 1
        if label:
            found.append(Annotation(onset, duration, label))
            outside += not -duration <= onset <= recording.duration
    if far is not None and not near:
        raise far
    of = table.name
    if timeless:
        warnings.warn(
            f"{recording.name}: {counted(timeless, f'event of {of} has', f'events of {of} have')} "
            f"no onset, and {'was' if timeless == 1 else 'were'} left out.",
            stacklevel=4,
        )
    if outside:
        warnings.warn(
            f"{recording.name}: {counted(outside, f'event of {of} lies', f'events of {of} lie')} "
            f"before or after the recording of {recording.duration:g} s.",
            stacklevel=4,
        )
    return tuple(sorted(found, key=lambda annotation: annotation.onset))


def _require_near(
    recording: Recording, table: Path, number: int, onset: float, duration: float
) -> None:
    """Raise ``RecordingError`` for an event further away than the recording is long."""
    length = recording.duration
    for name, value in (("onset", onset), ("duration", duration)):
        if not -length <= value <= max(2 * length, _LONGEST_EVENT * (name == "duration")):
            raise RecordingError(
                f"{table.name}: the {name} in line {number} is {value:g} s, but {recording.name} "
                f"lasts {length:g} s. The table is damaged, or of another recording."
            )


def _seconds(table: Path, number: int, name: str, row: dict[str, str]) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = np.nan
    if not np.isfinite(value) or (name == "duration" and value < 0):
        raise RecordingError(
            f"{table.name}: the {name} in line {number} should be seconds, found {row[name]!r}."
        )
    return value


def _rows(path: Path, *, needed: tuple[str, ...], is_even: bool = True) -> _Rows:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RecordingError(f"{path.name}: is not UTF-8 text, as BIDS asks for.") from None
    reader = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    lacking = [name for name in needed if name not in (reader.fieldnames or ())]
    if lacking:
        raise RecordingError(
            f"{path.name}: lacks the column {', '.join(lacking)}; it has "
            f"{', '.join(reader.fieldnames or ())}."
        )
    rows = []
    for row in reader:
        if is_even and None in row.values():
            raise RecordingError(
                f"{path.name}: line {reader.line_num} has fewer cells than the first, so the "
                "table is cut. Copy it again from its source."
            )
        rows.append({k: (v or "").strip() for k, v in row.items() if k is not None})
    return rows
