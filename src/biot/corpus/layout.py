"""The channels that all recordings of a corpus share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from biot.errors import CorpusError, RecordingError
from biot.signals.channels import canonical, kind
from biot.signals.recording import Array, Recording

__all__ = ["Layout", "same_channel", "without_triggers"]


def same_channel(ch_names: Sequence[str]) -> tuple[str, str] | None:
    """Two names that mean the same channel, if there are any."""
    seen: dict[str, str] = {}
    for name in ch_names:
        key = canonical(name)
        if key in seen:
            return seen[key], name
        seen[key] = name
    return None


def without_triggers(recording: Recording) -> tuple[Recording, list[str]]:
    """The recording's channels of signal, and the names of those of triggers.

    Raises
    ------
    RecordingError
        If there are channels of triggers only, or two channels cannot be told apart by name.
    """
    rows = [row for row, name in enumerate(recording.ch_names) if kind(name) != "stim"]
    ch_names = tuple(recording.ch_names[row] for row in rows)
    if not rows:
        raise RecordingError(f"{recording.name}: holds channels of triggers only.")
    same = same_channel(ch_names)
    if same is not None:
        raise RecordingError(
            f"{recording.name}: {same[0]!r} and {same[1]!r} are the same channel by name. "
            "Rename one in the file."
        )
    if len(rows) == len(recording.ch_names):
        return recording, []
    triggers = [name for name in recording.ch_names if name not in ch_names]
    units = tuple(recording.units[row] for row in rows)
    return _with_rows(recording, rows, ch_names, units), triggers


@dataclass(frozen=True)
class Layout:
    """Channels and units of the first recording; the others must have the same."""

    recording: str
    """Name of the recording that they come from."""
    ch_names: tuple[str, ...]
    units: tuple[str, ...]

    def arrange(self, recording: Recording, name: str) -> Recording:
        """The recording with its channels in this order and under these names.

        Raises
        ------
        CorpusError
            If it lacks a channel, has another besides, or has one in another unit.
        """
        order = self._order(recording.ch_names, name)
        differing = [
            f"{self.ch_names[i]} is in {recording.units[row]}, not {self.units[i]}"
            for i, row in enumerate(order)
            if recording.units[row] != self.units[i]
        ]
        if differing:
            raise CorpusError(
                f"{name} has other units than {self.recording}: {'; '.join(differing)}. "
                "All recordings of a corpus need the same; prepare them apart."
            )

        return _with_rows(recording, order, self.ch_names, self.units)

    def _order(self, ch_names: Sequence[str], name: str) -> list[int]:
        """Row of each of these channels among `ch_names`."""
        wanted = [canonical(channel) for channel in self.ch_names]
        found = [canonical(channel) for channel in ch_names]
        lacking = [self.ch_names[i] for i, key in enumerate(wanted) if key not in found]
        surplus = [ch_names[i] for i, key in enumerate(found) if key not in wanted]
        if lacking or surplus:
            differences = [
                f"it lacks {', '.join(lacking)}" if lacking else "",
                f"it has {', '.join(surplus)} besides" if surplus else "",
            ]
            raise CorpusError(
                f"{name} has other channels than {self.recording}: "
                f"{' and '.join(filter(None, differences))}. "
                "All recordings of a corpus need the same; prepare them apart."
            )
        return [found.index(key) for key in wanted]


def _with_rows(
    recording: Recording, rows: list[int], ch_names: tuple[str, ...], units: tuple[str, ...]
) -> Recording:
    def read_samples(start: int, stop: int) -> Array:
        return recording.read(start, stop)[rows]

    return replace(recording, ch_names=ch_names, units=units, read_samples=read_samples)
