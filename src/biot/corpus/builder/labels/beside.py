"""`SidecarLabels`: labels of recordings from files that lie beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from biot.corpus.builder.labels.columns import column_note
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.labels.sidecars.edf import holds_annotations_only
from biot.corpus.builder.labels.sidecars.finding import (
    Found,
    all_sidecars,
    find_sidecars,
    find_unknown,
    read_sidecar,
)
from biot.corpus.builder.labels.sidecars.wfdb import RECORD_SUFFIXES
from biot.corpus.builder.sources import Source
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import Label
from biot.errors import ConfigError, CorpusError, RecordingError, counted, listed
from biot.io import sha256_of
from biot.signals.readers import is_table
from biot.signals.recording import Recording

__all__ = [
    "LabelsFound",
    "SidecarLabels",
    "without_sidecars",
]


def without_sidecars(sources: Sequence[Source]) -> tuple[list[Source], tuple[str, ...]]:
    """The recordings without EDF+ files and tables that hold labels of one, and what is told.

    A file of annotations that belongs to none of the recordings stays, so that reading it tells.
    """
    scorings = {source.path for source in sources if holds_annotations_only(source.path)}
    if not scorings and not any(is_table(source.path) for source in sources):
        return list(sources), ()
    used = all_sidecars([source.path for source in sources if source.path not in scorings])
    passed = [source.recording for source in sources if source.path in used]
    left = [source for source in sources if source.path not in used]
    if not passed:
        return left, ()
    return left, (
        f"{len(passed)} of the files hold labels of others, and are not counted as recordings: "
        f"{listed(passed, 3)}",
    )


def _told_of(end: str) -> str:
    return (
        f"files named {end!r} after their recordings may hold labels, but are of no kind that is "
        f"known and not read; --sidecar {end.lstrip('-_ ')} tries them, and a table of labels may "
        "say the same"
    )


@dataclass(frozen=True)
class LabelsFound:
    """What the file beside a recording says."""

    stretches: tuple[Stretch, ...]
    left_out: Mapping[str, int]
    told: tuple[str, ...]
    column: str | None
    """The column of labels that they are of, where WFDB annotations have several."""


@dataclass(frozen=True)
class SidecarLabels:
    """Files of labels beside recordings, and how they are read; may be sent to another process."""

    found: Mapping[str, Found]
    """By recording."""
    format: LabelFormat
    column: str | None
    """The column of labels that counts; None: the first of each file."""
    suffix: str | None
    only: bool
    """Whether these labels are the only ones, and not the recordings' own annotations."""
    background: str | None
    unknown: Mapping[str, str] = field(default_factory=dict)
    """By recording without such a file, how the name of one ends that may hold labels."""

    @classmethod
    def find(
        cls,
        sources: Sequence[Source],
        how: LabelFormat,
        suffix: str | None,
        *,
        only: bool,
        background: str | None,
    ) -> SidecarLabels:
        """The files beside recordings, of one kind or of all.

        Raises
        ------
        ConfigError
            If several columns of labels are asked for.
        CorpusError
            If no recording has such a file, and there are no other labels.
        """
        if len(how.columns) > 1:
            raise ConfigError(
                "label_columns may be several for a table of labels; files beside recordings give "
                f"one at a time, got {', '.join(how.columns)}."
            )
        paths = {source.path: source.recording for source in sources}
        found = find_sidecars(list(paths), suffix, own=only)
        unknown = {} if suffix else find_unknown(list(paths), found)
        if not found and (only or suffix is not None):
            what = "files of labels that are known" if suffix is None else f"a file {suffix!r}"
            option = "labels is 'sidecars'" if suffix is None else f"sidecar is {suffix!r}"
            told = "".join(f" There are {_told_of(end)}." for end in list(unknown.values())[:1])
            raise CorpusError(
                f"None of the {counted(len(paths), 'recording')} has {what} beside it, but "
                f"{option}.{told}"
            )
        has_columns = found or any(path.suffix.lower() in RECORD_SUFFIXES for path in paths)
        if not has_columns and how.columns != ("label",) and how.task != "regression":
            raise ConfigError(
                "label_columns are those of a table, or of files of labels beside recordings, but "
                f"labels is 'annotations' and no recording has such a file; got {how.columns[0]!r}."
            )
        plain = how.columns == ("label",) or how.task == "regression"
        return cls(
            {
                paths[path]: replace(one, path=one.path.absolute()) for path, one in found.items()
            },
            how, None if plain else how.columns[0], suffix, only, background,
            {paths[path]: end for path, end in unknown.items()},
        )  # fmt: skip

    def of(self, name: str) -> SidecarLabels:
        """The same with the file of one recording only."""
        return replace(self, found={name: self.found[name]} if name in self.found else {})

    def told_of(self, name: str) -> tuple[str, ...]:
        """What is to be told of a recording without a file that is known."""
        return (_told_of(self.unknown[name]),) if name in self.unknown else ()

    def lacks(self, name: str) -> str | None:
        """Why a recording has no label, where that is certain."""
        if name in self.found or not self.only:
            return None
        return f"recordings without {self._what} beside them"

    @property
    def _what(self) -> str:
        return "a file of labels" if self.suffix is None else f"a file {self.suffix!r}"

    def checksum(self, name: str) -> str | None:
        """Of the file beside a recording."""
        if name not in self.found:
            return None
        try:
            return sha256_of(self.found[name].path)
        except OSError:
            return "unreadable"

    def notes(self, recordings: Sequence[str]) -> tuple[str, ...]:
        """Which kinds of files give labels to how many recordings, and how many have none."""
        if not self.found:
            return ()
        kinds = Counter(one.kind for one in self.found.values())
        others = Counter(kind for one in self.found.values() for kind in one.others)
        notes = [
            f"labels of {counted(n, 'recording')} are from {kind}"
            for kind, n in sorted(kinds.items())
        ]
        notes += [
            f"{counted(n, 'recording also has', 'recordings also have')} {kind}, which --sidecar "
            "would choose"
            for kind, n in sorted(others.items())
        ]
        lacking = [name for name in recordings if name not in self.found]
        if lacking:
            instead = " and are left out" if self.only else "; their own annotations count"
            if self.background is not None:
                throughout = " and are background throughout"
                outside = ", and windows without one are background"
                instead = throughout if self.only else instead + outside
            none = f"no {self._what.removeprefix('a ')} beside"
            told = counted(len(lacking), f"recording has {none} it", f"recordings have {none} them")
            notes.append(f"{told}{instead}: {listed(lacking, 3)}")
        events = sorted({one.kind for one in self.found.values() if one.events_only})
        if events and self.background is None:
            notes.append(
                f"{listed(events)} mark events only: windows outside get a label with "
                "--background, and are left out without it"
            )
        return tuple(notes)

    def stretches(self, recording: Recording, name: str) -> LabelsFound | None:
        """The labels of a recording from the file beside it; None if it has none.

        Raises
        ------
        RecordingError
            If the file is damaged, lacks the column, or holds what the task cannot use.
        """
        if name not in self.found:
            return None
        path = self.found[name].path
        sidecar = read_sidecar(path, recording)
        kept, left_out = sidecar.within(recording.duration, self.column)
        found = tuple(one._replace(label=self._label(one, path)) for one in kept)
        column = self.column or next(iter(sidecar.columns), None)
        is_of_wfdb = sidecar.kind.startswith("WFDB")
        if column is None or not is_of_wfdb:
            return LabelsFound(found, left_out, sidecar.told, None)
        there = [name for name, stretches in sidecar.columns.items() if stretches]
        told = [*sidecar.told, *([] if self.column else column_note(column, there))]
        return LabelsFound(found, left_out, tuple(told), column)

    def _label(self, stretch: Stretch, path: Path) -> Label:
        where = f"{path.name}: the label {stretch.label!r} at {stretch.onset:g} s"
        try:
            return self.format.of_text(str(stretch.label), where)
        except CorpusError as error:
            raise RecordingError(str(error)) from None
