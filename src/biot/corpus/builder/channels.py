"""The channels of a recording that count, and those of a whole corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from biot.corpus.manifest import Record
from biot.errors import RecordingError
from biot.signals.channels import canonical, kind
from biot.signals.recording import Array, Mask, Recording

__all__ = [
    "Layout",
    "layout_of",
    "same_channel",
    "without_triggers",
]


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


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The channels of a corpus, and what of its recordings does not go together with them."""

    ch_names: tuple[str, ...]
    units: tuple[str, ...]
    mixed: bool
    """Whether recordings have different channels; each row keeps its recording's own then."""
    clashes: Mapping[str, str]
    """Recordings that have a channel in another unit than those before, each with the reason."""

    def of(self, record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Channels and units of the rows of one recording, in their order."""
        return (record.ch_names, record.units) if self.mixed else (self.ch_names, self.units)


def layout_of(records: Mapping[str, Record]) -> Layout:
    """The channels of recordings, given by name, that each gave windows.

    Where all have the same channels, they are those of the first by name, in its order and
    spelling; otherwise all that occur, by their canonical names, sorted.
    """
    units: dict[str, str] = {}
    clashes: dict[str, str] = {}
    used: list[Record] = []
    for name in sorted(records):
        record = records[name]
        own = {canonical(ch): unit for ch, unit in zip(record.ch_names, record.units, strict=True)}
        other = [
            f"{channel} is in {unit}, but in {units[channel]} in recordings before it"
            for channel, unit in own.items()
            if units.get(channel, unit) != unit
        ]
        if other:
            # without the others' names: they may be removed from the corpus one day
            clashes[name] = f"{name}: {'; '.join(other)}. Convert it, or prepare it apart."
        else:
            units |= own
            used.append(record)
    if not used:
        return Layout(ch_names=(), units=(), mixed=False, clashes=clashes)
    first = used[0]
    mixed = any(len(record.ch_names) < len(units) for record in used)
    names = tuple(sorted(units)) if mixed else first.ch_names
    return Layout(
        ch_names=names,
        units=tuple(units[channel] for channel in names) if mixed else first.units,
        mixed=mixed,
        clashes=clashes,
    )


def _with_rows(
    recording: Recording, rows: list[int], ch_names: tuple[str, ...], units: tuple[str, ...]
) -> Recording:
    def read_samples(start: int, stop: int) -> Array:
        return recording.read(start, stop)[rows]

    def read_flat(start: int, stop: int) -> Mask:
        assert recording.read_flat is not None
        return recording.read_flat(start, stop)[rows]

    return replace(
        recording,
        ch_names=ch_names,
        units=units,
        read_samples=read_samples,
        rates=tuple(recording.rates[row] for row in rows) if recording.rates else (),
        limits=tuple(recording.limits[row] for row in rows) if recording.limits else (),
        read_flat=None if recording.read_flat is None else read_flat,
    )
