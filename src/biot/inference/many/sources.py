"""The recordings to predict: found as `prepare` finds them, with their subjects."""

from __future__ import annotations

import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from biot.corpus.builder.channels.given_units import GivenUnits
from biot.corpus.builder.sources import (
    Source,
    TableOptions,
    find_sources,
    opened,
    subject_of,
    subject_pattern,
)
from biot.corpus.subjects import OWN
from biot.errors import listed
from biot.inference.reading import Item
from biot.preprocessing import Preprocessing
from biot.signals.naming import called, renames_of
from biot.signals.recording import Recording

__all__ = ["ListedRecording", "Opener", "find_recordings", "runs_of", "subjects_in_words"]

_MEAN_RUN = 32
"""Recordings in a run, on average."""


@dataclass(frozen=True)
class Opener:
    """Opens a recording with what is said of its rate and units; goes to other processes."""

    source: Source
    tables: TableOptions
    units: GivenUnits
    renames: tuple[tuple[str, str], ...] = ()

    def __call__(self) -> Recording:
        """The recording; what was done to its units is told in warnings."""
        name = self.source.recording
        recording = opened(self.source, self.tables, units_later=self.units.is_given)
        if not self.units.is_given:
            return recording
        names = called(recording.ch_names, dict(self.renames))
        as_known = replace(recording, ch_names=names)
        changed, done = self.units.said_of(as_known, name)
        for what, channels in done.items():
            warnings.warn(f"{name}: {listed(channels)}: {what}.", stacklevel=2)
        for word in self.units.unmatched(as_known, name):
            warnings.warn(f"{name}: {word!r} of {self.units.table} fits no channel.", stacklevel=2)
        return replace(changed, ch_names=recording.ch_names)


@dataclass(frozen=True, kw_only=True)
class ListedRecording:
    """A recording that is to be predicted."""

    source: Source
    subject: str
    subject_from: str
    item: Item

    @property
    def name(self) -> str:
        """Path relative to the folder given; the file's name if it was given itself."""
        return self.source.recording


def find_recordings(
    paths: Sequence[Path],
    contract: Preprocessing,
    *,
    subject: str | None = None,
    units: str | None = None,
    table_sfreq: float | None = None,
    table_units: str | None = None,
) -> tuple[list[ListedRecording], GivenUnits]:
    """The recordings among files and in folders, sorted by name, each with its subject.

    Raises
    ------
    CorpusError, ConfigError
        As :func:`biot.corpus.builder.sources.find_sources`, and where `subject` or `units` are not
        what they must be.
    """
    sources = find_sources(list(paths), searchable=False)
    pattern = None if subject is None else subject_pattern(subject)
    tables = TableOptions(table_sfreq, table_units, tuple(contract.ch_names))
    tables.require_a_table(sources)
    given = GivenUnits.read(units, {source.recording: source.path for source in sources})
    renames = tuple(renames_of(contract.rename_channels).items())
    found = []
    for source in sources:
        whose = subject_of(source.recording, pattern)
        absolute = replace(source, path=source.path.absolute())  # workers may stand elsewhere
        opener = Opener(absolute, tables, given.only(source.recording), renames)
        item = Item(opened=opener, name=source.recording, path=absolute.path)
        found.append(
            ListedRecording(
                source=absolute, subject=whose.name, subject_from=whose.origin, item=item
            )
        )
    return found, given


def runs_of(found: Sequence[ListedRecording]) -> list[list[ListedRecording]]:
    """The recordings in runs that depend on names alone; see :class:`biot.inference.stream.Stream`.

    So a recording that is added or removed changes one run.
    """
    runs: list[list[ListedRecording]] = [[]]
    for one in found:
        runs[-1].append(one)
        if zlib.crc32(one.name.encode()) % _MEAN_RUN == 0:
            runs.append([])
    return [run for run in runs if run]


def subjects_in_words(found: Sequence[ListedRecording]) -> str:
    """How many subjects there are, and what named them."""
    named = {(one.subject_from, one.subject) for one in found}
    counts = Counter(origin for origin, _ in sorted(named))
    n_own = counts.pop(OWN, 0)
    parts = [f"{count} from {origin}" for origin, count in counts.items()]
    if n_own and not counts:
        return f"{n_own}: every recording is its own subject"
    if n_own:
        parts.append(f"{n_own} are recordings of their own")
    return f"{len({one.subject for one in found})}: {', '.join(parts)}"
