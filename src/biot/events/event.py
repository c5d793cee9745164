"""`Event` and `Events`: labelled stretches that were found in a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from biot.errors import require
from biot.events.files.writing import save_events

__all__ = ["Event", "Events"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One labelled stretch of a recording."""

    onset: float
    """Start in seconds from the recording's first sample."""
    duration: float
    """Length in seconds."""
    label: str
    confidence: float | None = None
    """Mean probability of the label over the stretch; None where nobody knows."""
    channels: tuple[str, ...] = ()
    """Channels that it was found in; empty: all, or not said."""

    @property
    def stop(self) -> float:
        """End in seconds from the recording's first sample."""
        return self.onset + self.duration


@dataclass(frozen=True, kw_only=True, repr=False)
class Events:
    """The events of one recording, in the order of time, and what their files need to know of it.

    Iterating gives each :class:`Event`; ``len()`` is their number.
    """

    name: str
    """Of the recording."""
    events: tuple[Event, ...]
    duration: float
    """Length of the recording in seconds."""
    label_names: tuple[str, ...] = ()
    """Labels that events may have."""
    background: str | None = None
    """The label that makes no events, such as ``"bckg"``; None: all labels make events."""
    sfreq: float | None = None
    """Samples a second of the recording as it is stored, in Hz, for files that count samples."""
    meas_date: datetime | None = None
    """When the first sample was recorded, where the recording says so."""
    path: Path | None = None
    """File of the recording."""
    rules: str = ""
    """How the events were made of probabilities, in plain words; empty where nobody says."""

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def of_label(self, label: str) -> tuple[Event, ...]:
        """The events of one label."""
        return tuple(event for event in self.events if event.label == label)

    def __str__(self) -> str:
        labels = dict.fromkeys((*self.label_names, *(event.label for event in self.events)))
        found = {name: self.of_label(name) for name in labels if name != self.background}
        counted = [
            f"{name} {len(those)} ({sum(event.duration for event in those):g} s)"
            for name, those in found.items()
        ]
        return f"{self.name}, {self.duration:g} s: {', '.join(counted) or 'no events'}"

    def __repr__(self) -> str:
        return f"<Events of {self}>" if not self.rules else f"<Events of {self}; {self.rules}>"

    def to_dataframe(self) -> Any:
        """A pandas table with a row an event: ``onset``, ``duration``, ``label``, ``confidence``
        and ``channels``, joined by commas; NaN and empty where these are not known.
        """
        pandas = require("pandas", extra="signals")
        rows = [(e.onset, e.duration, e.label, e.confidence, ",".join(e.channels)) for e in self]
        columns = ["onset", "duration", "label", "confidence", "channels"]
        types = {"onset": float, "duration": float, "confidence": float}
        return pandas.DataFrame(rows, columns=columns).astype(types)

    def save(self, path: str | Path, format: str | None = None) -> Path:  # noqa: A002
        """Write the events as one file that other programs open.

        Parameters
        ----------
        path
            The file. ``.tsv`` is a table as BIDS has it, ``.edf`` EDF+ annotations,
            ``_annot.fif`` and ``_annot.csv`` those of MNE, ``.atr`` WFDB annotations, ``.txt`` a
            hypnogram.
        format
            ``"bids"``, ``"edf"``, ``"mne"``, ``"szcore"``, ``"wfdb"`` or ``"hypnogram"``; None:
            as the suffix says.

        Raises
        ------
        ConfigError
            If the format is unknown, or cannot hold these events.
        """
        return save_events(self, Path(path), format)
