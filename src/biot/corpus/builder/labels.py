"""`LabelSource`: where the labels of a recording come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from biot.corpus.builder.label_table import LabelFormat, LabelTable
from biot.corpus.builder.sources import subject_of
from biot.corpus.builder.windowing import Stretch
from biot.corpus.schema import Label
from biot.errors import ConfigError, CorpusError, RecordingError
from biot.signals.preprocess import is_missing
from biot.signals.recording import Annotation, Recording

__all__ = [
    "LabelSource",
]

# BrainVision and EEGLAB mark with these where a recording was interrupted.
_BREAK = re.compile(r"New Segment(?:/.*)?|boundary", re.IGNORECASE)


@dataclass(frozen=True)
class LabelSource:
    """Gives the labelled stretches of recordings; may be sent to another process."""

    kind: str = "none"
    """``"none"``, ``"annotations"``, ``"folder"`` or ``"table"``."""
    format: LabelFormat = field(default_factory=LabelFormat)
    table: LabelTable | None = None

    @classmethod
    def open(
        cls,
        labels: str | Path,
        how: LabelFormat,
        recordings: Sequence[str],
        pattern: re.Pattern[str] | None,
        background: str | None,
    ) -> LabelSource:
        """The source that the arguments of `prepare` ask for.

        Raises
        ------
        ConfigError
            If arguments contradict each other.
        CorpusError
            If the table is at fault.
        """
        if str(labels) in ("none", "annotations", "folder"):
            if how.columns != ("label",) and (how.task != "regression" or len(how.columns) > 1):
                raise ConfigError(
                    f"label_columns are those of a table, but labels is {str(labels)!r}."
                )
            if str(labels) == "none" and how.task != "classes":
                raise ConfigError(f"task is {how.task!r}, but labels is 'none'.")
            return cls(str(labels), how)
        table = LabelTable.read(Path(labels), recordings, how, partial(subject_of, pattern=pattern))
        if table.has_subjects and pattern is not None:
            raise ConfigError(f"Subjects are given twice: by a pattern and in {table.path}.")
        if background is not None and not table.has_events:
            raise ConfigError(
                f"background names the windows outside all events, but {table.path} labels whole "
                "recordings. Give its rows an onset and a duration, or leave background out."
            )
        return cls("table", how, table)

    def only(self, name: str) -> LabelSource:
        """The same with no rows but those of one recording: all that a worker needs."""
        if self.table is None:
            return self
        rows = {name: self.table.rows[name]} if name in self.table.rows else {}
        return replace(self, table=replace(self.table, rows=rows))

    def lacks(self, name: str) -> str | None:
        """Why a recording is left out if it has no label; None where it may have one."""
        if self.table is None or name in self.table.rows:
            return None
        return f"recordings without a row in {self.table.path.name}"

    def subject(self, name: str, pattern: re.Pattern[str] | None) -> str:
        """Subject of a recording: from the table if it says, else from its path."""
        if self.table is None or not self.table.has_subjects:
            return subject_of(name, pattern)
        if name not in self.table.rows:
            raise CorpusError(
                f"{self.table.path}: no row names {name}, so nothing says whose it is. "
                "Add a row, or leave the column subject out."
            )
        return self.table.subject(name)

    def stretches(self, recording: Recording, name: str) -> list[Stretch]:
        """Labelled stretches of a recording; annotations of spoilt data and breaks are none.

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
            return self.table.stretches(name, recording.duration)
        if self.kind == "folder":
            return [Stretch(0.0, recording.duration, self._of_folder(name))]
        return [
            Stretch(note.onset, note.duration, self._of_annotation(note, name))
            for note in recording.annotations
            if _is_label(note)
        ]

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


def _is_label(note: Annotation) -> bool:
    text = note.label.strip()
    return bool(text) and not is_missing(note) and _BREAK.fullmatch(text) is None
