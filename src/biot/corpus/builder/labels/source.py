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
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.labels.scope import scope_note, whole_recording
from biot.corpus.builder.labels.sidecars.wfdb import RECORD_SUFFIXES
from biot.corpus.builder.labels.table import Facts, LabelTable
from biot.corpus.builder.labels.table_columns import TableColumns
from biot.corpus.builder.labels.triggers import trigger_stretches
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.sources import Source, Subject, subject_of
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.manifest import Record
from biot.corpus.schema import Label
from biot.corpus.subjects import OWN
from biot.errors import ConfigError, CorpusError, RecordingError, counted, listed
from biot.signals.formats.tables.person import person_in
from biot.signals.preprocess import is_missing
from biot.signals.readers import is_table
from biot.signals.recording import Annotation, Recording

__all__ = [
    "LabelSource",
]

_MARKS = "labels beside recordings, marking bad data or breaks"

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
        cls, how: PrepareConfig, sources: Sequence[Source], pattern: re.Pattern[str] | None
    ) -> LabelSource:
        """The source that the settings of `prepare` ask for, where it is no layout.

        Parameters
        ----------
        pattern
            That of `how.subject`, compiled.

        Raises
        ------
        ConfigError
            If settings contradict each other, or the table.
        CorpusError
            If the table is at fault.
        """
        kind, form = str(how.labels), LabelFormat.of(how)
        if kind in ("annotations", "sidecars"):
            found = SidecarLabels.find(
                sources, form, how.sidecar, only=kind == "sidecars", background=how.background
            )
            return cls(kind, form, sidecars=found, scope=how.label_scope)
        if kind in ("none", "folder", "triggers"):
            _require_no_columns(kind, form)
        if kind in ("none", "folder", "samples", "triggers"):
            return cls(kind, form, trigger_channel=how.trigger_channel, scope=how.label_scope)
        source = cls("table", form, _table(how, form, sources, pattern), scope=how.label_scope)
        if how.label_scope == "window":
            source.require_times("label_scope=window")
        if how.epoch is not None:
            source.require_times("epoch")
        return source

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
        return f"recordings without a row{self.table.that_counts} in {self.table.path.name}"

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
                f"{self.table.path}: {'; '.join(self.table.left_out)}, and strict forbids that. "
                "Complete these rows, or remove them."
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
            notes.append(
                f"{counted(len(silent), 'recording has', 'recordings have')} no label in {name}: "
                f"{listed(silent)}"
            )
        if len(lacking) > len(silent):
            lacking = [recording for recording in lacking if recording not in silent]
            none = f"no row{self.table.that_counts} in {name}"
            notes.append(
                f"{counted(len(lacking), 'recording has', 'recordings have')} {none}: "
                f"{listed(lacking)}"
            )
        return (*notes, *(_against_names(self.table) if self.table.has_subjects else ()))

    def subject(self, name: str, pattern: re.Pattern[str] | None, path: Path) -> Subject:
        """Subject of a recording: from the table of labels, the pattern, a column, or its path."""
        if self.table is not None and self.table.facts:
            facts = self.table.facts[name]
            return Subject(facts.subject, facts.subject_from)
        if self.table is None or not self.table.has_subjects:
            if name in self.facts and pattern is None:
                return Subject(self.facts[name].subject, self.facts[name].subject_from)
            person = person_in(path) if pattern is None and is_table(path) else None
            if person is not None:
                return Subject(person.name, f"the column {person.column!r} of tables of samples")
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
    ) -> tuple[list[Stretch], str | None]:
        """Labelled stretches of a recording, before map and scope; no spoilt data, no breaks.

        With them comes the column of WFDB annotations that they are of.

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
            return [], None
        if self.table is not None:
            return self.table.stretches(name, recording.duration, left_out), None
        if self.sidecars is not None:
            found = self.sidecars.stretches(recording, name)
            if found is not None:
                counts = Counter() if left_out is None else left_out
                counts.update(found.left_out)
                ([] if told is None else told).extend(found.told)
                labels = [one for one in found.stretches if not _is_mark(one)]
                if len(labels) < len(found.stretches):
                    counts[_MARKS] += len(found.stretches) - len(labels)
                return labels, found.column
            ([] if told is None else told).extend(self.sidecars.told_of(name))
        if self.kind == "sidecars":
            return [], None
        if self.kind == "folder":
            return [Stretch(0.0, recording.duration, self._of_folder(name))], None
        if self.kind == "triggers":
            counted = Counter() if left_out is None else left_out
            found_codes = trigger_stretches(recording, name, self.trigger_channel, counted, told)
            return [
                one._replace(label=self.format.of_text(str(one.label), name)) for one in found_codes
            ], None
        notes = [note for note in recording.annotations if _is_label(note)]
        column = None
        if self.kind == "samples":
            notes = [note for note in notes if note.column in self.format.columns]
        else:
            notes, column = in_column(notes, self.format, name, [] if told is None else told)
        return [
            Stretch(note.onset, note.duration, self._of_annotation(note, name)) for note in notes
        ], column

    def is_unchosen(self, source: Source, record: Record) -> bool:
        """Whether a recording has labels of columns, and none was chosen.

        So it is in corpora that were prepared before annotations had columns.
        """
        if self.kind not in ("annotations", "sidecars") or not record.labelled:
            return False
        found = {} if self.sidecars is None else self.sidecars.found
        beside = found.get(source.recording)
        of_wfdb = beside is None or beside.kind.startswith("WFDB")
        has_columns = of_wfdb and source.path.suffix.lower() in RECORD_SUFFIXES
        return has_columns and record.label_column is None

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


def _require_no_columns(kind: str, form: LabelFormat) -> None:
    """Raise :class:`ConfigError` for columns, or a task, that labels of this kind cannot have."""
    if form.columns != ("label",) and (form.task != "regression" or len(form.columns) > 1):
        raise ConfigError(f"label_columns are those of a table, but labels is {kind!r}.")
    if kind == "none" and form.task != "classes":
        raise ConfigError(f"task is {form.task!r}, but labels is 'none'.")


def _table(
    how: PrepareConfig,
    form: LabelFormat,
    sources: Sequence[Source],
    pattern: re.Pattern[str] | None,
) -> LabelTable:
    columns = TableColumns(
        file=how.file_column,
        subject=how.subject_column,
        split=how.split_column,
        split_parts=how.split_parts,
        onset=how.onset_column,
        duration=how.duration_column,
        stop=how.stop_column,
        subjects_are_given=pattern is not None,
        times=how.label_scope != "recording",
    )
    places = {source.recording: source.path for source in sources}
    table = LabelTable.read(
        Path(how.labels), list(places), form, lambda name: subject_of(name, pattern).name, columns,
        places,
    )  # fmt: skip
    if how.background is not None and not table.has_events:
        raise ConfigError(
            "background must go with labels in time, as it labels the windows outside all "
            f"events, but {table.path} labels whole recordings. Give its rows an onset and a "
            "duration, or leave background= out."
        )
    return table


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
