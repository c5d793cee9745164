"""What labels count for: a whole recording, or windows by time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from biot.choices import LabelScope
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import Label
from biot.errors import RecordingError, listed
from biot.preprocessing import Task

__all__ = [
    "scope_note",
    "whole_recording",
]


def whole_recording(
    stretches: Sequence[Stretch], duration: float, task: Task, name: str
) -> list[Stretch]:
    """One stretch that labels all of a recording, whatever the times; none without a label.

    Tags are those of all stretches. Of classes and numbers there may be one only.

    Raises
    ------
    RecordingError
        If several differ; the message has each with its number.
    """
    if not stretches:
        return []
    if task == "multilabel":
        tags = {tag for stretch in stretches for tag in stretch.label}
        return [Stretch(0.0, duration, tuple(sorted(tags)))]
    counts = Counter(stretch.label for stretch in stretches)
    if len(counts) > 1:
        found = [f"{_words(label)} {count}" for label, count in counts.most_common()]
        way_out = "" if task == "regression" else ", or leave the others out with label_map"
        raise RecordingError(
            f"{name}: has {len(counts)} different labels, but with label_scope=recording one must "
            f"hold for all of it: {listed(found, 10)}. Keep one{way_out}."
        )
    (label,) = counts
    return [Stretch(0.0, duration, label)]


def scope_note(scope: LabelScope) -> str:
    """Which scope was used, in words."""
    if scope == "recording":
        return "labels count for whole recordings (label_scope=recording); times are not used"
    return "labels are in time (label_scope=window)"


def _words(label: Label) -> str:
    if isinstance(label, str):
        return label
    return "/".join(f"{part:g}" if isinstance(part, float) else str(part) for part in label)
