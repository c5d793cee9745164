"""What a recording's own annotations say of it, in a model's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from biot.signals.recording import Annotation, Recording

__all__ = ["annotations_of"]


def annotations_of(
    recording: Recording, *, trained: str = "label", labels: Sequence[str] | None = None
) -> list[Annotation]:
    """The annotations of one column, as far as they have one of some labels.

    Parameters
    ----------
    recording
        As it was read.
    trained
        The column that a model learnt from: it counts where it is there, else ``label``, ``beat``
        or ``rhythm``.
    labels
        Those that count; None: all.
    """
    there = {annotation.column for annotation in recording.annotations}
    column = next((c for c in (trained, "label", "beat", "rhythm") if c in there), "label")
    return [
        one
        for one in recording.annotations
        if one.column == column and (labels is None or one.label in labels)
    ]
