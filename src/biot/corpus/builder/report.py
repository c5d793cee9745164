"""`PrepareReport`: what became of the recordings given to `prepare`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from biot.corpus.manifest import Spread
from biot.corpus.schema import QUARANTINE_FILE
from biot.io import atomic_file, safe_cell
from biot.preprocessing import Preprocessing

__all__ = [
    "PrepareReport",
    "write_quarantine",
]


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """What became of the recordings; ``str()`` gives an aligned text."""

    out: Path
    """The corpus folder."""
    preprocessing: Preprocessing
    n_recordings: int
    """Recordings that gave at least one window."""
    n_subjects: int
    n_windows: int
    labels: Mapping[str, int]
    """Windows of each class, or of each tag, sorted by name; empty without labels."""
    targets: Mapping[str, Spread] = field(default_factory=dict)
    """Mean and range of each target of a regression."""
    dropped: Mapping[str, int]
    """What was left out, such as ``"windows without a label"``: how many."""
    quarantined: tuple[tuple[str, str], ...]
    """Recordings that could not be read, each with the reason; also in ``quarantine.tsv``."""
    changes: tuple[str, ...] = ()
    """What this run found other than it was, where the folder was begun or made before."""

    def __str__(self) -> str:
        contract = self.preprocessing
        lines = [
            ("corpus", str(self.out)),
            ("recordings", f"{self.n_recordings}"),
            ("subjects", f"{self.n_subjects}"),
            (
                "windows",
                f"{self.n_windows} of {contract.window:g} s, "
                f"{contract.n_chans} channels at {contract.sfreq:g} Hz",
            ),
            *_block("filter", [contract.filter] if contract.filter else []),
            *_block("labels", [f"{name}: {count}" for name, count in self.labels.items()]),
            *_block("targets", [f"{name}: {spread}" for name, spread in self.targets.items()]),
            *_block("left out", [f"{count} {what}" for what, count in self.dropped.items()]),
            *_block("changes", list(self.changes)),
            *_block("quarantined", [_named(*entry) for entry in self.quarantined]),
        ]
        width = max(len(name) for name, _ in lines) + 2
        return "\n".join(f"{name:<{width}}{text}" for name, text in lines)


def write_quarantine(folder: Path, quarantined: tuple[tuple[str, str], ...]) -> None:
    """Write the unreadable recordings of a corpus into its folder, if there are any."""
    (folder / QUARANTINE_FILE).unlink(missing_ok=True)
    if quarantined:
        with (
            atomic_file(folder / QUARANTINE_FILE) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            table = csv.writer(file, delimiter="\t", lineterminator="\n")  # quotes tabs in names
            table.writerow(("file", "reason"))
            table.writerows([map(safe_cell, row) for row in quarantined])


def _named(file: str, reason: str) -> str:
    """Most reasons open with the file's name."""
    return reason if reason.startswith(f"{file}: ") else f"{file}: {reason}"


def _block(name: str, texts: list[str]) -> list[tuple[str, str]]:
    return [(name if place == 0 else "", text) for place, text in enumerate(texts)]
