"""WFDB annotation files beside recordings of any format: ``.atr``, ``.qrs``, ``.ecg`` and others.

https://wfdb.io. A WFDB record's own ``.atr`` is read with the record; other annotators count where
the user names them.
"""

from __future__ import annotations

from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar
from biot.corpus.builder.windows.events import Stretch
from biot.signals.formats.wfdb_annotations import is_wfdb_annotation, read_annotation_file

__all__ = [
    "KINDS",
]

_OWN = (".hea", ".dat", ".mat")
"""Of WFDB records."""

_COMMON = (".atr", ".qrs", ".ecg", ".apn", ".ari", ".st")
"""Annotators that are known by their names."""


def _read(path: Path, beside: Beside) -> Sidecar:
    notes = read_annotation_file(path, beside.recording.sfreq)
    stretches = tuple(Stretch(note.onset, note.duration, note.label) for note in notes)
    return Sidecar(path, f"WFDB {path.suffix.lower()}", {"label": stretches})


def _beside_others(path: Path, recording: Path) -> bool:
    return recording.suffix.lower() not in _OWN


def _is_annotation(path: Path, recording: Path) -> bool:
    return path.suffix.lower() in _COMMON or is_wfdb_annotation(path)


KINDS = (
    Kind(name="WFDB .atr", pattern=r"\.atr", read=_read, recognises=_beside_others),
    Kind(name="WFDB .qrs", pattern=r"\.qrs", read=_read, recognises=_beside_others),
    Kind(name="WFDB .ecg", pattern=r"\.ecg", read=_read, recognises=_beside_others),
    Kind(
        name="WFDB annotations", pattern=r"\.[a-z0-9]+", read=_read, recognises=_is_annotation,
        any_name=True, on_request=True,
    ),
)  # fmt: skip
