"""`ManySettings`: how many recordings are read at a time, and what is decided on them."""

from __future__ import annotations

from dataclasses import dataclass

from biot.choices import By, Per
from biot.settings import Settings, documented, setting

__all__ = ["ManySettings"]

_GROUP = "several recordings"


@documented
@dataclass(frozen=True, kw_only=True)
class ManySettings(Settings):
    """Settings of :func:`biot.inference.many.folder.predict_folder`."""

    workers: int = setting(
        1,
        help="Processes that read recordings while the model computes; with 1 both take turns in "
        "one process.",
        least=1, group=_GROUP,
    )  # fmt: skip
    per: Per | None = setting(
        None,
        help="Show one decision for each recording, or for each subject, which then stands in "
        "subjects.tsv; recordings.tsv has one for each recording in any case.",
        group=_GROUP,
    )
    by: By = setting(
        "mean",
        help="What decides on a recording or subject: the mean probability of its windows, or the "
        "class that most windows say (a tag that more than half of them say).",
        group=_GROUP,
    )
    subject: str | None = setting(
        None,
        help="Regular expression that finds the subject in a file's path, in its first group; "
        "without it the name of the file or of a folder says (sub-01, S001R04, subject_03, …), or "
        "each recording is its own subject. What is found is said.",
        group=_GROUP, metavar="REGEX",
    )  # fmt: skip
