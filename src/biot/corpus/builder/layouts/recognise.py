"""Which layout a folder has: the one that was named, or one that its names leave no doubt about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording
from biot.corpus.builder.layouts.registry import layouts
from biot.corpus.builder.sources import Source, TableOptions
from biot.errors import CorpusError, listed

__all__ = ["FoundRecordings", "nearly", "recognised", "recordings_of"]

_ENOUGH = 0.8
"""Share of a folder's recordings that must be of the layout for it to be recognised."""


@dataclass(frozen=True, kw_only=True)
class FoundRecordings:
    """The recordings of a layout in what was given."""

    layout: DatasetLayout
    found: tuple[FoundRecording, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    """By reason, how many of the files given are not used."""
    notes: tuple[str, ...] = ()
    """The same with the names of the first few."""


def recordings_of(
    layout: DatasetLayout, sources: Sequence[Source], sfreq: float, tables: TableOptions
) -> FoundRecordings:
    """The recordings of a layout that was named, at the rate in Hz that is asked for.

    Raises
    ------
    CorpusError
        If there is none, or the files with the labels are absent; the message says what the layout
        expects on disk, and what was found.
    """
    every = {source.recording: layout.found(source, tables) for source in sources}
    found = [one for one in every.values() if one is not None]
    if not found:
        raise CorpusError(_unlike(layout, "none of them is named so", sources))
    lacking = layout.lacks(found)
    if lacking:
        names = " and ".join(found[0].named(need) for need in lacking)
        lacks = f"there is no {names} in the folder of {found[0].name} or above"
        raise CorpusError(_unlike(layout, lacks, sources))
    used = {one.name for one in layout.choose(found, sfreq)}
    strange = [s.recording for s in sources if every[s.recording] is None]
    repeated = [one.name for one in found if one.name not in used]
    reasons = {
        f"recordings not named as in the layout {layout.name}": strange,
        f"recordings that {layout.title} has at another rate, too": repeated,
    }
    return FoundRecordings(
        layout=layout,
        found=tuple(one for one in found if one.name in used),
        skipped={reason: len(names) for reason, names in reasons.items() if names},
        notes=tuple(f"{reason}: {listed(n, 3)}" for reason, n in reasons.items() if n),
    )


def recognised(sources: Sequence[Source]) -> DatasetLayout | None:
    """The one layout that the names of recordings, and the files beside them, leave no doubt about.

    Four in five recordings must be named as in the layout, and the files with the labels must be
    there. None where several fit.
    """
    fits = [
        layout for layout in layouts().values() if layout.unmistakable and _is_of(layout, sources)
    ]
    return fits[0] if len(fits) == 1 else None


def nearly(sources: Sequence[Source]) -> str:
    """Which layouts some recordings are named as in, and what lacks of it; empty if none."""
    said = []
    for layout in layouts().values():
        found = [one for one in map(layout.found, filter(layout.is_surely, sources)) if one]
        if found and layout.unmistakable:
            lacking = " and ".join(found[0].named(need) for need in layout.lacks(found))
            but = f", but there is no {lacking} in the folder of {found[0].name} or above"
            said.append(
                f"{len(found)} of {len(sources)} recordings are named as in the layout "
                f"{layout.name}{but if lacking else ''}"
            )
    return "; ".join(said)


def _is_of(layout: DatasetLayout, sources: Sequence[Source]) -> bool:
    found = [one for one in map(layout.found, filter(layout.is_surely, sources)) if one is not None]
    return bool(found) and len(found) >= _ENOUGH * len(sources) and not layout.lacks(found)


def _unlike(layout: DatasetLayout, what: str, sources: Sequence[Source]) -> str:
    kinds = Counter(source.path.suffix.lower() for source in sources)
    counts = ", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items()))
    names = listed([source.recording for source in sources], 3)
    return (
        f"What is given does not look like {layout.title}, the layout {layout.name}, which expects "
        f"{layout.expects}. Found: {counts} ({names}); {what}. Give the folder as it was "
        "published, or another layout: `biot layouts` lists them."
    )
