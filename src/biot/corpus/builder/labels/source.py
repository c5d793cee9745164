"""`LabelSource`: where the labels of a recording come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from biot.choices import LabelScope
from biot.corpus.builder.labels.beside import SidecarLabels
from biot.corpus.builder.labels.codes import with_one_label
from biot.corpus.builder.labels.columns import in_column
from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.labels.scope import scope_note, whole_recording
from biot.corpus.builder.labels.table import Facts, LabelFormat, LabelTable, TableColumns
from biot.corpus.builder.labels.triggers import trigger_stretches
from biot.corpus.builder.sources import Source, Subject, subject_of
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import Label
from biot.corpus.subjects import OWN
from biot.errors import ConfigError, CorpusError, RecordingError, listed
from biot.signals.preprocess import is_missing
from biot.signals.recording import Annotation, Recording

__all__ = [
    "LabelSource",
]

_MARKS = "labels beside recordings that mark bad data or breaks"

# BrainVision and EEGLAB mark with these where a recording was interrupted.
_BREAK = re.compile(r"New Segment(?:/.*)?|boundary", re.IGNORECASE)


@dataclass(frozen=True)
class LabelSource:
    """Gives the labelled stretches of recordings; may be sent to another process."""

    kind: str = "none"
    """``"none"``, ``"annotations"``, ``"sidecars"``, ``"samples"``, ``"triggers"``,
    ``"folder"`` or ``"table"``."""
    format: LabelFormat = field(default_factory=LabelFormat)
    table: LabelTable | None = None
    sidecars: SidecarLabels | None = None
    """Files of labels beside the recordings, where they count."""
    trigger_channel: str | None = None
    """The channel of triggers, where it is named."""
    map: LabelMap | None = None
    """Other names of the labels; None: they stay."""
    scope: LabelScope | None = None
    """What labels count for; None: what the source says."""
    facts: Mapping[str, Facts] = field(default_factory=dict)
    """What a layout says of recordings, where labels are not its own."""

    @classmethod
    def open(
        cls,
        labels: str | Path,
        how: LabelFormat,
        sources: Sequence[Source],
        pattern: re.Pattern[str] | None,
        background: str | None,
        columns: TableColumns | None = None,
        sidecar: str | None = None,
        trigger_channel: str | None = None,
    ) -> LabelSource:
        """The source that the arguments of `prepare` ask for.

        Raises
        ------
        ConfigError
            If arguments contradict each other.
        CorpusError
            If the table is at fault.
        """
        if str(labels) == "samples":
            return cls("samples", how)
        if str(labels) in ("annotations", "sidecars"):
            found = SidecarLabels.find(
                sources, how, sidecar, only=str(labels) == "sidecars", background=background
            )
            return cls(str(labels), how, sidecars=found)
        if str(labels) == "triggers":
            return cls("triggers", how, trigger_channel=trigger_channel)
        if str(labels) in ("none", "folder", "layout"):
            if how.columns != ("label",) and (how.task != "regression" or len(how.columns) > 1):
                raise ConfigError(
                    f"label_columns are those of a table, but labels is {str(labels)!r}."
                )
            if str(labels) == "none" and how.task != "classes":
                raise ConfigError(f"task is {how.task!r}, but labels is 'none'.")
            return cls(str(labels), how)
        columns = replace(columns or TableColumns(), subjects_are_given=pattern is not None)
        places = {source.recording: source.path for source in sources}
        table = LabelTable.read(
            Path(labels), list(places), how, lambda name: subject_of(name, pattern).name, columns,
            places,
        )  # fmt: skip
        if background is not None and not table.has_events:
            raise ConfigError(
                "background must go with labels in time, as it labels the windows outside all "
                f"events, but {table.path} labels whole recordings. Give its rows an onset and a "
                "duration, or leave background out."
            )
        return cls("table", how, table)

    def require_times(self, option: str) -> None:
        """Refuse a table of whole recordings where an option goes with labels in time.

        Raises
        ------
        ConfigError
            If the table has no times; the message names the `option`.
        """
        if self.table is not None and not self.table.has_events:
            raise ConfigError(
                f"{option} goes with labels in time, but {self.table.path} labels whole "
                "recordings. Give its rows an onset and a duration, or leave the option out."
            )

    def only(self, name: str) -> LabelSource:
        """The same with no rows but those of one recording: all that a worker needs."""
        if self.facts:
            own = {name: self.facts[name]} if name in self.facts else {}
            self = replace(self, facts=own)
        if self.sidecars is not None:
            return replace(self, sidecars=self.sidecars.of(name))
        if self.table is None:
            return self
        rows = {name: self.table.rows[name]} if name in self.table.rows else {}
        facts = {name: self.table.facts[name]} if name in self.table.facts else {}
        return replace(
            self,
            table=replace(self.table, rows=rows, facts=facts, unlabelled={}, absent=(), notes=()),
        )

    def lacks(self, name: str) -> str | None:
        """Why a recording is left out if it has no label; None where it may have one."""
        if self.sidecars is not None:
            return self.sidecars.lacks(name)
        if self.table is None or name in self.table.rows:
            return None
        if name in self.table.facts:
            has_fault = self.table.facts[name].fault is not None
            return None if has_fault else "recordings without a label in their layout"
        return f"recordings without a row in {self.table.path.name}"

    def notes(self, recordings: Sequence[str], *, strict: bool = False) -> tuple[str, ...]:
        """What is to be told of the table: its columns, and what it does not share with the folder.

        Raises
        ------
        CorpusError
            If rows name what is not among the recordings, and `strict` is set.
        """
        notes = [] if self.scope is None else [scope_note(self.scope)]
        if self.sidecars is not None:
            return (*notes, *self.sidecars.notes(recordings))
        if self.table is None:
            return tuple(notes)
        notes += self.table.notes
        if self.table.facts:
            return tuple(notes)
        name, absent = self.table.path.name, self.table.absent
        if self.table.left_out and strict:
            raise CorpusError(
                f"{self.table.path}: {'; '.join(self.table.left_out)}, and strict forbids that."
            )
        notes += self.table.left_out
        if absent:
            told = f"{len(absent)} named in {name} are not among the recordings: {listed(absent)}"
            if strict:
                raise CorpusError(
                    f"{self.table.path}: {told}, and strict forbids that. Remove their rows, or "
                    "give the recordings."
                )
            notes.append(told)
        lacking = [recording for recording in recordings if recording not in self.table.rows]
        silent = [recording for recording in lacking if recording in self.table.unlabelled]
        if silent:
            notes.append(f"{len(silent)} recordings have no label in {name}: {listed(silent)}")
        if len(lacking) > len(silent):
            lacking = [recording for recording in lacking if recording not in silent]
            notes.append(f"{len(lacking)} recordings have no row in {name}: {listed(lacking)}")
        return (*notes, *(_against_names(self.table) if self.table.has_subjects else ()))

    def subject(self, name: str, pattern: re.Pattern[str] | None) -> Subject:
        """Subject of a recording: from the table if it says, else from its path."""
        if self.table is not None and self.table.facts:
            facts = self.table.facts[name]
            return Subject(facts.subject, facts.subject_from)
        if self.table is None or not self.table.has_subjects:
            if name in self.facts and pattern is None:
                return Subject(self.facts[name].subject, self.facts[name].subject_from)
            return subject_of(name, pattern, labelled_by_folder=self.kind == "folder")
        if name not in self.table.rows and name not in self.table.unlabelled:
            raise CorpusError(
                f"{self.table.path}: no row names {name}, so nothing says whose it is. "
                f"Add a row, or leave the column {self.table.subject_column} out."
            )
        origin = f"the column {self.table.subject_column!r} of {self.table.path.name}"
        return Subject(self.table.subject(name), origin)

    def split(self, name: str) -> str | None:
        """Official part of a recording, if a layout or a column of the table says it."""
        if self.table is not None and name in self.table.facts:
            return self.table.facts[name].split
        said = None if self.table is None else self.table.split(name)
        return self.facts[name].split if said is None and name in self.facts else said

    def stretches(
        self,
        recording: Recording,
        name: str,
        left_out: Counter[str] | None = None,
        told: list[str] | None = None,
    ) -> list[Stretch]:
        """Labelled stretches of a recording, before map and scope; no spoilt data, no breaks.

        Parameters
        ----------
        left_out
            Counts by reason which labels say nothing.
        told
            Gets what was assumed.

        Raises
        ------
        RecordingError
            If an annotation of a regression is no number.
        CorpusError
            If a row lies outside the recording, or the file lies in no folder that could name it.
        """
        if self.kind == "none":
            return []
        if self.table is not None:
            return self.table.stretches(name, recording.duration, left_out)
        if self.sidecars is not None:
            found = self.sidecars.stretches(recording, name)
            if found is not None:
                counts = Counter() if left_out is None else left_out
                counts.update(found.left_out)
                ([] if told is None else told).extend(found.told)
                labels = [one for one in found.stretches if not _is_mark(one)]
                if len(labels) < len(found.stretches):
                    counts[_MARKS] += len(found.stretches) - len(labels)
                return labels
        if self.kind == "sidecars":
            return []
        if self.kind == "folder":
            return [Stretch(0.0, recording.duration, self._of_folder(name))]
        if self.kind == "triggers":
            counted = Counter() if left_out is None else left_out
            found_codes = trigger_stretches(recording, name, self.trigger_channel, counted)
            return [
                one._replace(label=self.format.of_text(str(one.label), name)) for one in found_codes
            ]
        notes = [note for note in recording.annotations if _is_label(note)]
        if self.kind != "samples":
            notes = in_column(notes, self.format, name, [] if told is None else told)
        return [
            Stretch(note.onset, note.duration, self._of_annotation(note, name))
            for note in notes
            if self.kind != "samples" or note.column in self.format.columns
        ]

    def in_scope(
        self,
        stretches: list[Stretch],
        duration: float,
        name: str,
        left_out: Counter[str] | None = None,
    ) -> list[Stretch]:
        """What labels count for, of a recording of `duration` seconds; after the map.

        Raises
        ------
        RecordingError
            If labels are to count for the whole recording, and several differ.
        """
        if self.table is not None and self.table.has_codes and self.format.task == "classes":
            stretches = with_one_label(stretches, Counter() if left_out is None else left_out)
        if self.scope != "recording":
            return stretches
        return whole_recording(stretches, duration, self.format.task, name)

    def _of_folder(self, name: str) -> Label:
        folder = PurePosixPath(name).parent.name
        if not folder:
            raise CorpusError(
                f"{name} lies directly in the folder given, so no folder names its label. Give "
                "the folder above, or move the file into a folder that is named as its label."
            )
        return self.format.of_text(folder, f"{name}: the folder's name {folder!r}")

    def _of_annotation(self, note: Annotation, name: str) -> Label:
        where = f"{name}: the annotation {note.label!r} at {note.onset:g} s"
        try:
            # zero bytes are how some formats end a text, and numpy's texts cannot end in one
            return self.format.of_text(note.label.strip().rstrip("\0"), where)
        except CorpusError as error:
            raise RecordingError(str(error)) from None


def _against_names(table: LabelTable) -> Iterator[str]:
    """Where the subjects of a table are not those that names of files and folders give."""
    pairs: set[tuple[str, str]] = set()
    for recording in table.rows:
        found = subject_of(recording)
        if found.origin != OWN:
            pairs.add((table.subject(recording), found.name))
    column = f"the column {table.subject_column!r} of {table.path.name}"
    for sentence, first, second in (
        ("has one subject where the names of files or folders have several", 0, 1),
        ("has several subjects where the names of files or folders have one", 1, 0),
    ):
        others: dict[str, list[str]] = {}
        for pair in sorted(pairs):
            others.setdefault(pair[first], []).append(pair[second])
        several = [f"{one} ({listed(many, 3)})" for one, many in others.items() if len(many) > 1]
        if several:
            yield f"{column} {sentence}: {listed(several, 3)}"


def _is_mark(stretch: Stretch) -> bool:
    """Whether a label from beside a recording says that data are bad, or where a break is."""
    label = stretch.label
    return isinstance(label, str) and not _is_label(
        Annotation(stretch.onset, stretch.duration, label)
    )


def _is_label(note: Annotation) -> bool:
    text = note.label.strip()
    return bool(text) and not is_missing(note) and _BREAK.fullmatch(text) is None
