"""PhysioNet/CinC Challenge 2017: rhythm of short one-lead ECGs, from ``REFERENCE.csv``.

Source: https://physionet.org/content/challenge-2017/1.0.0/ (Clifford et al., CinC 2017). Licence:
ODC-By 1.0. The newest of the lists counts (``REFERENCE-v3.csv``); they have no header. N normal,
A atrial fibrillation, O other rhythm, ~ noisy. Records last 9 to 61 s: windows of 9 s, so that
each has one. The 300 records of ``validation`` are copies of training records.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

from biot.corpus.builder.layouts.layout import DatasetLayout, FoundRecording, whole
from biot.corpus.builder.windows.events import Stretch

__all__ = ["LAYOUT"]

_LISTS = "REFERENCE*.csv"


@lru_cache(maxsize=16)
def _references(folder: Path) -> dict[str, str]:
    newest = max(folder.glob(_LISTS), key=lambda path: path.stem)  # REFERENCE-v3 after REFERENCE
    with newest.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == 2]
    return {name.strip(): label.strip() for name, label in rows}


def _reference(found: FoundRecording) -> list[Stretch]:
    label = _references(found.require(_LISTS).parent).get(found.groups["stem"])
    return [] if label is None else [whole(label)]


def _split(found: FoundRecording) -> str | None:
    return {"training2017": "train", "validation": "valid"}.get(found.groups.get("folder", ""))


LAYOUT = DatasetLayout(
    name="cinc2017",
    title="PhysioNet/CinC Challenge 2017",
    expects="training2017/A00001.hea + .mat …, training2017/REFERENCE.csv (or REFERENCE-v3.csv)",
    licence="ODC-By 1.0",
    recordings=r"(?:(?P<folder>[^/]+)/)?(?P<stem>A\d{5})\.hea",
    needs=(_LISTS,),
    labels=_reference,
    label_names=("N", "A", "O", "~"),
    split=_split,
    settings={"sfreq": 300, "window": 9},
)
