"""`DatasetLayout`: how a published data set lies on disk, and how the field uses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial, wraps
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from biot.corpus.builder.labels.parts import PART_WORDS
from biot.corpus.builder.labels.sidecars.finding import read_sidecar
from biot.corpus.builder.labels.source import LabelSource
from biot.corpus.builder.sources import Source, Subject, TableOptions, subject_of
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import Label
from biot.errors import RecordingError, counted_kind, listed
from biot.signals.readers import read_recording
from biot.signals.recording import Recording

__all__ = [
    "DatasetLayout",
    "FoundRecording",
    "annotated",
    "beside",
    "in_samples",
    "remembered",
    "split_of_path",
    "whole",
]

T = TypeVar("T")
_LEVELS = 8
"""Folders above a recording in which a file of the data set is looked for."""


@dataclass(frozen=True)
class FoundRecording:
    """A recording of a data set."""

    name: str
    """Its path relative to the folder given."""
    path: Path
    groups: Mapping[str, str]
    """What the layout's pattern says in its named groups."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of :func:`biot.signals.read_recording`, for tables of samples."""
    told: list[str] = field(default_factory=list, compare=False)
    """What was assumed or left out where labels were read, for the user."""

    def nearest(self, pattern: str) -> Path | None:
        """The file that lies nearest: in the recording's folder, or one above it.

        Parameters
        ----------
        pattern
            Its name or path as :meth:`pathlib.Path.glob` takes it, with groups of the layout's
            pattern in braces: ``"{subject}-summary.txt"``. Of several with ``|`` between them, the
            first counts that is there.
        """
        folder = self.path.absolute().parent
        for name in pattern.format_map(self.groups).split("|"):
            found = _there(folder, name)
            if found is not None:
                return found
        return None

    def require(self, pattern: str) -> Path:
        """The same; ``RecordingError`` if there is none."""
        found = self.nearest(pattern)
        if found is None:
            raise RecordingError(
                f"{self.name}: has no file {self.named(pattern)} in its folder or above, which "
                "holds its labels. Copy it there."
            )
        return found

    def named(self, pattern: str) -> str:
        """What a pattern looks for, in words."""
        return " or ".join(pattern.format_map(self.groups).split("|"))

    def read(self, **options: Any) -> Recording:
        """The recording, opened; `options` as :func:`biot.signals.read_recording` takes them."""
        return read_recording(self.path, **{**self.options, **options})


def _there(folder: Path, name: str) -> Path | None:
    try:
        found = _nearest(folder, name)
        if not found.exists():  # it was there once
            _nearest.cache_clear()
            found = _nearest(folder, name)
    except FileNotFoundError:
        return None
    return found


@lru_cache(maxsize=4096)
def _nearest(folder: Path, pattern: str) -> Path:
    """What is not there is looked for again the next time, as errors are not remembered."""
    for above in (folder, *folder.parents)[:_LEVELS]:
        found = min(above.glob(pattern), default=None)
        if found is not None:
            return found
    raise FileNotFoundError(pattern)


def remembered(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """The same function of a file, which reads it again only when it has changed."""

    @lru_cache(maxsize=8)
    def known(path: Path, changed: int) -> T:
        return read(path)

    @wraps(read)
    def of_file(path: Path) -> T:
        return known(path, path.stat().st_mtime_ns)

    return of_file


def whole(label: Label) -> Stretch:
    """A label of the whole recording, however long it is."""
    return Stretch(0.0, inf, label)


def annotated(found: FoundRecording) -> list[Stretch]:
    """The annotations of the recording, without those that are no labels."""
    return LabelSource("annotations").stretches(found.read(), found.name)[0]


def beside(pattern: str) -> Callable[[FoundRecording], list[Stretch]]:
    """Labels from a file beside each recording or above it, see :meth:`FoundRecording.nearest`."""
    return partial(_beside, pattern=pattern)


def _beside(found: FoundRecording, pattern: str) -> list[Stretch]:
    recording = found.read()
    sidecar = read_sidecar(found.require(pattern), recording)
    kept, left_out = sidecar.within(recording.duration, None)
    found.told.extend(sidecar.told)
    found.told.extend(
        f"{found.name}: {counted_kind(count, what)}" for what, count in left_out.items()
    )
    return list(kept)


def in_samples(found: FoundRecording, columns: Sequence[str]) -> list[Stretch]:
    """Labels in a column of a table of samples: the one that the user names, or the first known."""
    named = found.options.get("labels")
    if not named:
        with found.path.open(encoding="utf-8-sig", errors="replace") as file:
            header = [cell.strip(" \"'\r\n") for cell in re.split(r"[,;\t]", file.readline())]
        named = [name for name in header if name.lower() in columns][:1]
    if not named:
        raise RecordingError(
            f"{found.name}: has no column of labels ({' or '.join(columns)}); it has "
            f"{listed(header, 10)}. Name it with label_columns."
        )
    return [
        Stretch(note.onset, note.duration, note.label)
        for note in found.read(labels=tuple(named)).annotations
    ]


def split_of_path(found: FoundRecording) -> str | None:
    """What the group ``split`` of the layout's pattern says, in the words of :data:`PART_WORDS`."""
    return PART_WORDS.get(found.groups.get("split", ""))


def _subject_of_path(found: FoundRecording) -> str | None:
    return found.groups.get("subject")


def _all(found: Sequence[FoundRecording], sfreq: float) -> list[FoundRecording]:
    return list(found)


@dataclass(frozen=True, kw_only=True)
class DatasetLayout:
    """A published data set: where things are, and the settings with which the field uses it."""

    name: str
    """As ``--layout`` takes it."""
    title: str
    expects: str
    """What lies on disk, in words."""
    licence: str
    recordings: str
    """Regular expression of the end of a recording's path, from the beginning of a folder's or the
    file's name on; its groups ``subject``, ``session`` and ``split`` say what they are called."""
    labels: Callable[[FoundRecording], Iterable[Stretch]]
    """The labels of a recording, in seconds from its start; see :func:`whole`."""
    label_names: tuple[str, ...]
    """Those that come of it; none where that depends on the data set."""
    settings: Mapping[str, Any]
    """Of :class:`biot.corpus.builder.settings.PrepareConfig`; what the user gives goes before."""
    needs: tuple[str, ...] = ()
    """Files beside a recording or above, as :meth:`FoundRecording.nearest` takes them."""
    subject: Callable[[FoundRecording], str | None] = _subject_of_path
    """Whose a recording is; None: as in every other folder."""
    split: Callable[[FoundRecording], str | None] = split_of_path
    """The official part of a recording: ``train``, ``valid`` or ``test``."""
    sources: Callable[[Path], list[Source]] | None = None
    """The recordings of a folder, where they are no files of their own."""
    choose: Callable[[Sequence[FoundRecording], float], list[FoundRecording]] = _all
    """Which of the recordings are used at a rate in Hz, where several are the same one."""
    recognised_by: str | None = None
    """Regular expression as `recordings`, of names that leave no doubt; None: `recordings` do."""
    unmistakable: bool = True
    """Whether it is recognised by its names."""

    def found(self, source: Source, tables: TableOptions | None = None) -> FoundRecording | None:
        """A source as a recording of this data set; None if its path is another one."""
        match = _ending(self.recordings).search(source.path.absolute().as_posix())
        if match is None:
            return None
        groups = {name: text for name, text in match.groupdict().items() if text is not None}
        options = {} if tables is None else tables.of(source.path)
        return FoundRecording(source.recording, source.path, groups, options)

    def is_surely(self, source: Source) -> bool:
        """Whether the name of a source leaves no doubt that it is of this data set."""
        pattern = self.recognised_by or self.recordings
        return _ending(pattern).search(source.path.absolute().as_posix()) is not None

    def lacks(self, found: Iterable[FoundRecording]) -> list[str]:
        """Those of the files needed that none of the recordings has."""
        every = list(found)
        return [need for need in self.needs if not any(one.nearest(need) for one in every)]

    def subject_of(self, found: FoundRecording) -> Subject:
        """Whose a recording is, and what says so."""
        named = self.subject(found)
        return subject_of(found.name) if named is None else Subject(named, self.origin)

    @property
    def origin(self) -> str:
        """What names subjects, in words."""
        return f"the layout {self.name}"


@lru_cache(maxsize=256)
def _ending(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|/)(?:{pattern})$")
