"""What the files of events hold: all that their writers know of a recording's events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from biot.errors import ConfigError, visible

__all__ = ["FoundEvent", "FoundEvents", "in_order", "label_of", "one_line", "require_apart"]


class FoundEvent(Protocol):
    """One event, as :class:`biot.events.event.Event` is."""

    @property
    def onset(self) -> float:
        """Start in seconds from the recording's first sample."""

    @property
    def duration(self) -> float:
        """Length in seconds."""

    @property
    def label(self) -> str:
        """What it is."""

    @property
    def confidence(self) -> float | None:
        """Probability; None where nobody knows."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that it was found in; empty: all, or not said."""


class FoundEvents(Protocol):
    """The events of one recording, as :class:`biot.events.event.Events` are."""

    @property
    def name(self) -> str:
        """Of the recording."""

    @property
    def events(self) -> Sequence[FoundEvent]:
        """The events."""

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """Labels that events may have."""

    @property
    def background(self) -> str | None:
        """The label that makes no events."""

    @property
    def sfreq(self) -> float | None:
        """Samples a second of the recording as it is stored, in Hz."""

    @property
    def meas_date(self) -> datetime | None:
        """When the first sample was recorded."""

    @property
    def path(self) -> Path | None:
        """File of the recording."""

    @property
    def rules(self) -> str:
        """How the events were made, in plain words; empty where nobody says."""


def in_order(events: FoundEvents) -> list[FoundEvent]:
    """The events in the order of their onsets."""
    return sorted(events.events, key=lambda event: (event.onset, event.duration, event.label))


def label_of(event: FoundEvent) -> str:
    """The label on one line, as text that acts on nothing; ``n/a`` where it is empty or blank."""
    return one_line(event.label) if event.label.strip() else "n/a"


def one_line(text: str) -> str:
    """The text with line ends, tabs, and what acts on a terminal written as ``\\n`` and so on."""
    return visible(text).replace("\t", "\\t").replace("\n", "\\n")


def require_apart(events: FoundEvents, format_name: str, *, within: float = 0.0) -> None:
    """Raise ``ConfigError`` where two events overlap, for a file that holds one label at a time.

    Parameters
    ----------
    format_name
        What the file is, for the message.
    within
        Seconds by which they may.
    """
    before: FoundEvent | None = None
    for event in in_order(events):
        if before is not None and event.onset < before.onset + before.duration - within:
            raise ConfigError(
                f"{events.name}: its events {label_of(before)!r} and {label_of(event)!r} overlap "
                f"at {event.onset:g} s, and {format_name} holds one label at a time. Write another "
                "format, such as bids or edf (--event-format)."
            )
        before = event
