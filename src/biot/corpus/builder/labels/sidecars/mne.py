"""Annotations that MNE-Python writes, ``x_annot.fif`` and ``x_annot.csv``, for who asks for them.

https://mne.tools/stable/generated/mne.Annotations.html. They are not taken for labels by
themselves: predictions are written in this format as well.
"""

from __future__ import annotations

from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar
from biot.corpus.builder.labels.sidecars.text import first_lines
from biot.corpus.builder.windows.events import Stretch
from biot.events.reading import read_events

__all__ = [
    "KINDS",
]

_NAME = "MNE annotations"


def _is_of_mne(path: Path, recording: Path) -> bool:
    if path.suffix.lower() == ".fif":
        return path.stem.lower().endswith(("_annot", "-annot", "_annotations", "-annotations"))
    return path.suffix.lower() == ".csv" and first_lines(path, 1) == ["onset,duration,description"]


def _read(path: Path, beside: Beside) -> Sidecar:
    recording = beside.recording
    events = read_events(path, duration=recording.duration, meas_date=recording.meas_date)
    stretches = tuple(Stretch(one.onset, one.duration, one.label) for one in events)
    return Sidecar(path, _NAME, {"label": stretches})


KINDS = (
    Kind(
        name=_NAME, pattern=r"(?:_desc-[a-z0-9]+)?[-_.]annot(?:ations)?\.(?:fif|csv)", read=_read,
        recognises=_is_of_mne, any_name=_is_of_mne, on_request=True,
    ),
)  # fmt: skip
