"""PhysioNet/CinC Challenge 2017: rhythm of short one-lead ECGs, from ``REFERENCE.csv``.

Source: https://physionet.org/content/challenge-2017/1.0.0/ (Clifford et al., CinC 2017). Licence:
ODC-By 1.0. The newest of the lists counts (``REFERENCE-v3.csv``); they have no header. N normal,
A atrial fibrillation, O other rhythm, ~ noisy. Records last 9 to 61 s: windows of 9 s, so that
each has one. The 300 records of ``validation`` are copies of training records.
"""

from __future__ import annotations

import csv
from pathlib import Path

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, remembered, whole
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError

__all__ = ["LAYOUT"]

_LISTS = ("REFERENCE-v3.csv", "REFERENCE-v2.csv", "REFERENCE-v1.csv", "REFERENCE.csv")


@remembered
def _references(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    for row in rows:
        if len(row) != 2:
            raise RecordingError(
                f"{path.name}: found the line {','.join(row)!r}; expected a record and its label, "
                "such as A00001,N."
            )
    return {name.strip(): label.strip() for name, label in rows}


def _reference(found: FoundRecording) -> list[Stretch]:
    path = next(filter(None, map(found.nearest, _LISTS)), None) or found.require(_LISTS[-1])
    label = _references(path).get(found.groups["stem"])
    return [] if label is None else [whole(label)]


def _split(found: FoundRecording) -> str | None:
    return {"training2017": "train", "validation": "valid"}.get(found.groups.get("folder", ""))


LAYOUT = DatasetLayout(
    name="cinc2017",
    title="PhysioNet/CinC Challenge 2017",
    expects="training2017/A00001.hea + .mat …, training2017/REFERENCE.csv (or REFERENCE-v3.csv)",
    licence="ODC-By 1.0",
    recordings=r"(?:(?P<folder>[^/]+)/)?(?P<stem>A\d{5})\.hea",
    needs=("REFERENCE*.csv",),
    labels=_reference,
    label_names=("N", "A", "O", "~"),
    split=_split,
    settings={"sfreq": 300, "window": 9},
)
