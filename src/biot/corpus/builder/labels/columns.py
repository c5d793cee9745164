"""Which column of a recording's annotations holds the labels."""

from __future__ import annotations

from collections.abc import Sequence

from biot.corpus.builder.labels.label_format import LabelFormat
from biot.errors import RecordingError, listed
from biot.signals.recording import Annotation

__all__ = [
    "in_column",
]

_ORDER = ("label", "beat", "rhythm", "wave", "note")
"""Of several, the first counts where none is asked for."""


def in_column(
    notes: Sequence[Annotation], how: LabelFormat, name: str, told: list[str]
) -> list[Annotation]:
    """The annotations of the column that is asked for, else of the first of label, beat, rhythm.

    Parameters
    ----------
    notes
        Annotations that are labels.
    how
        Its `columns`; that of a regression names the target, and no column where none is called so.
    name
        What messages call the recording.
    told
        Gets which other columns there are.

    Raises
    ------
    RecordingError
        If several columns are asked for, or one that is not there.
    """
    there = sorted(
        {note.column for note in notes},
        key=lambda column: (column not in _ORDER, _ORDER.index(column) if column in _ORDER else 0),
    )
    if len(how.columns) > 1:
        raise RecordingError(
            f"{name}: label_columns must be one column of the annotations; got "
            f"{listed(list(how.columns))}."
        )
    (asked,) = how.columns
    if asked in there:
        chosen = asked
    elif not there:
        return []
    elif asked == "label" or how.task == "regression":
        chosen = there[0]
        others = [f"--label-column {column}" for column in there if column != chosen]
        if others or chosen != "label":
            more = f"; others with {listed(others)}" if others else ""
            told.append(f"labels are the annotations of the column {chosen!r}{more}")
    else:
        raise RecordingError(
            f"{name}: label_columns must be a column of labels that the recording has "
            f"({listed(there)}); got {asked!r}."
        )
    return [note for note in notes if note.column == chosen]
