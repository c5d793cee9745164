"""Files of labels in a folder of their own, which belong to recordings by their names."""

from __future__ import annotations

import bisect
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from biot.corpus.builder.labels.sidecars.finding import (
    KINDS,
    Found,
    find_sidecars,
    kind_of,
    stems_of,
)
from biot.errors import CorpusError, counted, listed

__all__ = ["FoundElsewhere", "find_elsewhere"]

_WRITTEN = re.compile(
    r"(?:_desc-[a-z0-9]+)?[-_](?:events\.(?:tsv|edf|bdf)|annot\.(?:fif|csv)|hypnogram\.txt)"
)
"""How the files end that `predict --event-format` writes, after the recording's name."""

_ENDS = ("events.tsv", "events.edf", "events.bdf", "annot.fif", "annot.csv", "hypnogram.txt")
"""In the order of preference."""


@dataclass(frozen=True)
class FoundElsewhere:
    """The file of labels of a recording, and where it is taken to lie."""

    place: Path
    """Where the recording would lie for the file to lie beside it."""
    file: Found


def find_elsewhere(
    folder: Path, recordings: Sequence[str], suffix: str | None = None
) -> dict[str, FoundElsewhere]:
    """The file of labels in a folder of each recording that has one, by recording.

    At the recording's own path within the folder, or that without its first folders; else anywhere
    in the folder, where most folders are called as the recording's. Besides the kinds of files
    that lie beside recordings, those that `predict --event-format` writes.

    Parameters
    ----------
    recordings
        Paths in their own folder, with ``/``.
    suffix
        How the files' names end; None: of all kinds that are known, the first.

    Raises
    ------
    CorpusError
        If a recording has several files, or one file may be that of several recordings.
    """
    folder = folder.absolute()
    tree = _Tree.of(folder)
    found = {}
    for name in recordings:
        one = _own(folder, name, suffix) or _anywhere(tree, folder, name, suffix)
        if one is not None:
            found[name] = one
    _require_apart(found, folder)
    return found


def _own(folder: Path, name: str, suffix: str | None) -> FoundElsewhere | None:
    """At the recording's path; ``eeg/sub-01/x.edf`` meets ``sub-01/x.tsv``."""
    parts = PurePosixPath(name).parts
    places = [folder.joinpath(*parts[n:]) for n in range(len(parts))]
    found = find_sidecars(places, suffix)
    return next((FoundElsewhere(at, found[at]) for at in places if at in found), None)


@dataclass(frozen=True)
class _Tree:
    """All files in a folder and the folders within it."""

    files: list[tuple[str, Path]]
    """Names in lower case, sorted."""
    of_several: tuple[Path, ...]
    """Folders with a file that may tell of several recordings."""

    @classmethod
    def of(cls, folder: Path) -> _Tree:
        patterns = [re.compile(kind.of_folder) for kind in KINDS if kind.of_folder is not None]
        files = [
            (name.lower(), Path(at) / name) for at, _, names in os.walk(folder) for name in names
        ]
        several = {
            path.parent: None
            for name, path in files
            if any(pattern.fullmatch(name) for pattern in patterns)
        }
        return cls(sorted(files), tuple(several))

    def starting(self, stem: str) -> Iterable[tuple[Path, str]]:
        """Files whose names start with a text, in any case, and what follows it."""
        stem = stem.lower()
        for name, path in self.files[bisect.bisect_left(self.files, (stem, Path())) :]:
            if not name.startswith(stem):
                return
            yield path, name[len(stem) :]


def _anywhere(tree: _Tree, folder: Path, name: str, suffix: str | None) -> FoundElsewhere | None:
    """In any folder; kinds that lie beside recordings come first."""
    recording = PurePosixPath(name)
    stems = stems_of(Path(recording.name))
    named = [(path, rest) for stem in stems for path, rest in tree.starting(stem)]
    places = [
        at / recording.name
        for at in dict.fromkeys([path.parent for path, _ in named] + list(tree.of_several))
    ]
    beside = find_sidecars(places, suffix)
    options = [FoundElsewhere(at, one) for at, one in beside.items()]
    if not options and suffix is None:
        options = _written([path for path, rest in named if _WRITTEN.fullmatch(rest)], recording)
    return _nearest(options, folder, recording)


def _written(paths: Sequence[Path], recording: PurePosixPath) -> list[FoundElsewhere]:
    """Those of the kind that is preferred, of all that were written."""
    for end in _ENDS:
        of_kind = dict.fromkeys(path for path in paths if path.name.lower().endswith(end))
        if plain := [path for path in of_kind if "_desc-szcore_" not in path.name] or list(of_kind):
            return [
                FoundElsewhere(
                    path.parent / recording.name,
                    Found(path, kind_of(path, path.parent / recording.name)),
                )
                for path in plain
            ]
    return []


def _nearest(
    options: Sequence[FoundElsewhere], folder: Path, recording: PurePosixPath
) -> FoundElsewhere | None:
    """The file in folders that are called as the recording's are."""

    def shared(one: FoundElsewhere) -> int:
        return len(set(one.file.path.relative_to(folder).parts[:-1]) & set(recording.parts[:-1]))

    most = max(map(shared, options), default=0)
    best = {one.file.path: one for one in options if shared(one) == most}
    if len(best) > 1:
        names = [str(path.relative_to(folder)) for path in best]
        raise CorpusError(
            f"{folder}: {counted(len(best), 'file')} of labels may be those of {recording}: "
            f"{listed(names, 3)}"
            ". Give the folder that holds one for each recording, or with --sidecar how its name "
            "ends."
        )
    return next(iter(best.values()), None)


def _require_apart(found: dict[str, FoundElsewhere], folder: Path) -> None:
    """Refuse one file, named as a recording is, for several of them."""
    owners = defaultdict(list)
    for name, one in found.items():
        stems = stems_of(Path(PurePosixPath(name).name))
        if any(one.file.path.name.lower().startswith(stem.lower()) for stem in stems):
            owners[one.file.path].append(name)
    for path, names in owners.items():
        if len(names) > 1:
            raise CorpusError(
                f"{path}: may be the file of labels of {counted(len(names), 'recording')}: "
                f"{listed(names, 3)}"
                f". Put the files into folders in {folder} that are called as the recordings' are."
            )
