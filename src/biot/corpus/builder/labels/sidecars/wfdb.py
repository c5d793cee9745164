"""WFDB annotation files beside recordings of any format: ``.atr``, ``.qrs``, ``.ecg`` and others.

https://wfdb.io. A WFDB record's own ``.atr`` is read with the record; other annotators count where
the user names them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar
from biot.corpus.builder.windows.events import Stretch
from biot.signals.formats.annotators import is_wfdb_annotation, read_annotation_file
from biot.signals.recording import Annotation

__all__ = [
    "KINDS",
    "RECORD_SUFFIXES",
    "is_own",
]

RECORD_SUFFIXES = (".hea", ".dat", ".mat")
"""Suffixes of WFDB records, whose own annotations may have several columns."""

_COLUMNS = ("label", "beat", "rhythm", "note", "wave")
"""Columns of labels; of those that a file has, the first counts unless another is asked for."""

_EDF = r"(?:\.[eb]df)?"
"""PhysioNet names annotators of EDF files x.edf.qrs."""

_COMMON = (".atr", ".qrs", ".ecg", ".apn", ".ari", ".st")
"""Annotators that are known by their names."""


def _read(path: Path, beside: Beside) -> Sidecar:
    recording = beside.recording
    return _by_column(path, read_annotation_file(path, recording.sfreq, recording.duration))


def _by_column(path: Path, notes: Iterable[Annotation]) -> Sidecar:
    columns: dict[str, list[Stretch]] = {}
    for note in notes:
        found = columns.setdefault(note.column, [])
        found.append(Stretch(note.onset, note.duration, note.label))
    order = [*(name for name in _COLUMNS if name in columns), *columns, "label"]
    found_columns = {name: tuple(columns.get(name, ())) for name in order}
    return Sidecar(path, f"WFDB {path.suffix.lower()}", found_columns)


def is_own(path: Path, recording: Path) -> bool:
    """Whether an annotation file is read with the record that it lies beside."""
    return recording.suffix.lower() in RECORD_SUFFIXES and path == recording.with_suffix(".atr")


def _read_own(path: Path, beside: Beside) -> Sidecar:
    """The ``.atr`` of a WFDB record is read with it, which knows its columns."""
    if not is_own(path, beside.path):
        return _read(path, beside)
    return _by_column(path, beside.recording.annotations)


def _beside_others(path: Path, recording: Path) -> bool:
    return recording.suffix.lower() not in RECORD_SUFFIXES


def _is_annotation(path: Path, recording: Path) -> bool:
    return path.suffix.lower() in _COMMON or is_wfdb_annotation(path)


KINDS = (
    Kind(name="WFDB .atr", pattern=rf"{_EDF}\.atr", read=_read_own),
    Kind(name="WFDB .qrs", pattern=rf"{_EDF}\.qrs", read=_read, recognises=_beside_others),
    Kind(name="WFDB .ecg", pattern=rf"{_EDF}\.ecg", read=_read, recognises=_beside_others),
    Kind(
        name="WFDB annotations", pattern=r"\.[a-z0-9]+", read=_read, recognises=_is_annotation,
        any_name=_is_annotation, on_request=True,
    ),
)  # fmt: skip
