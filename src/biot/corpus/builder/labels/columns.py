"""Which column of annotations holds the labels, of a recording and of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from biot.corpus.builder.labels.label_format import LabelFormat
from biot.errors import RecordingError, listed
from biot.signals.recording import Annotation

__all__ = [
    "column_note",
    "in_column",
    "of_other_columns",
]

OF_WFDB = ("beat", "rhythm", "wave", "note")
"""Columns of WFDB annotations."""

_ORDER = ("label", *OF_WFDB)
"""Of several, the first counts where none is asked for."""


def in_column(
    notes: Sequence[Annotation], how: LabelFormat, name: str, told: list[str]
) -> tuple[list[Annotation], str | None]:
    """The annotations of the column that is asked for, else of the first of label, beat, rhythm.

    The column comes with them, where it is one of :data:`OF_WFDB`.

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
        return [], None
    elif asked == "label" or how.task == "regression":
        chosen = there[0]
        told += column_note(chosen, there)
    else:
        raise RecordingError(
            f"{name}: label_columns must be a column of labels that the recording has "
            f"({listed(there)}); got {asked!r}."
        )
    of_column = [note for note in notes if note.column == chosen]
    return of_column, chosen if chosen in OF_WFDB else None


def column_note(chosen: str, there: Sequence[str]) -> list[str]:
    """What to say of the column that counts where none was asked for, and of the others."""
    others = [f"--label-column {column}" for column in there if column != chosen]
    if not others and chosen == "label":
        return []
    more = f"; others with {listed(others)}" if others else ""
    return [f"labels are the annotations of the column {chosen!r}{more}"]


def of_other_columns(labelled: Mapping[str, str | None]) -> dict[str, str]:
    """Recordings whose labels are of another column of WFDB annotations than those of the corpus.

    A corpus has labels of one column only, the first of :data:`OF_WFDB` that any recording has:
    beats and rhythms are no classes of one task. Each comes with the reason.

    Parameters
    ----------
    labelled
        The column that the labels of each recording are of, where it has any.
    """
    columns = {name: column for name, column in sorted(labelled.items()) if column in OF_WFDB}
    if len(set(columns.values())) < 2:
        return {}
    first = min(filter(None, columns.values()), key=OF_WFDB.index)
    count = sum(column == first for column in columns.values())
    return {
        name: f"{name}: has no labels in the column {first!r}, which {count} of {len(columns)} "
        f"recordings have, only in {column!r}, and a corpus has labels of one column. Choose "
        f"another with label_columns={column}, or prepare it apart."
        for name, column in columns.items()
        if column != first
    }
