"""What is written of whole recordings and subjects: tables, and the report of a run."""

# G recordings or subjects, K classes, tags or numbers
from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biot.choices import By, Per
from biot.corpus.builder.report import write_quarantine
from biot.decision import Decision
from biot.errors import counted, listed
from biot.evaluation.groups import Groups, grouped
from biot.inference.many.outcomes import Outcome
from biot.inference.many.staging import RECORDINGS, SUBJECTS
from biot.io import atomic_file, shown_cell

__all__ = ["FolderReport", "groups_of", "write_tables"]


def groups_of(outcomes: Sequence[Outcome], per: Per, by: By) -> tuple[Groups, Decision]:
    """One decision for each recording or subject that was predicted, and the rule.

    Every usable window of a subject counts alike, from whichever recording it is.
    """
    found = [(one, one.predictions) for one in outcomes if one.predictions is not None]
    names = [one.name if per == "recording" else one.subject for one, _ in found]
    counts = [len(predictions) for _, predictions in found]
    values = np.concatenate([predictions.probabilities for _, predictions in found])
    decision = found[0][1].decision
    return grouped(np.repeat(np.array(names), counts), values, decision, by), decision


def write_tables(folder: Path, outcomes: Sequence[Outcome], *, per: Per | None, by: By) -> None:
    """Write ``recordings.tsv``, ``subjects.tsv`` where that is asked for, ``quarantine.tsv``."""
    names = next(one.predictions.label_names for one in outcomes if one.predictions is not None)
    _write(folder / RECORDINGS, _recording_rows(outcomes, names, by))
    if per == "subject":
        _write(folder / SUBJECTS, _subject_rows(outcomes, names, by))
    reasons = tuple((one.name, one.reason) for one in outcomes if one.reason is not None)
    write_quarantine(folder, reasons)


def _recording_rows(
    outcomes: Sequence[Outcome], label_names: Sequence[str], by: By
) -> Iterator[list[Any]]:
    groups, decision = groups_of(outcomes, "recording", by)
    place = {name: row for row, name in enumerate(groups.names)}
    cells = _cells(groups, decision, label_names)
    header = _header(decision, label_names)
    yield [
        "recording", "subject", "state", "seconds", "windows", "unusable", *header,
        "in_training", "notes",
    ]  # fmt: skip
    for one in outcomes:
        found = one.predictions
        if found is None:
            blank = [""] * (len(header) + 1)
            yield [one.name, one.subject, "quarantined", "", "", "", *blank, one.reason]
            continue
        row = place[one.name]
        n_usable = int(groups.n_usable[row])
        yield [
            one.name, one.subject, "predicted" if n_usable else "no usable data",
            "" if found.duration is None else round(found.duration, 6),
            len(found), len(found) - n_usable, *cells[row],
            {True: "yes", False: "no", None: ""}[found.in_training], " ".join(found.notes),
        ]  # fmt: skip


def _subject_rows(
    outcomes: Sequence[Outcome], label_names: Sequence[str], by: By
) -> Iterator[list[Any]]:
    groups, decision = groups_of(outcomes, "subject", by)
    cells = _cells(groups, decision, label_names)
    yield ["subject", "recordings", "windows", "unusable", *_header(decision, label_names)]
    of_subject = [one.subject for one in outcomes if one.predictions is not None]
    for row, name in enumerate(groups.names):
        n_windows, n_usable = int(groups.n_windows[row]), int(groups.n_usable[row])
        yield [name, of_subject.count(name), n_windows, n_windows - n_usable, *cells[row]]


def _header(decision: Decision, label_names: Sequence[str]) -> list[str]:
    if decision.task == "regression":
        return [f"mean_{name}" for name in label_names]
    return [
        "label", *(f"p_{name}" for name in label_names), *(f"windows_{n}" for n in label_names),
    ]  # fmt: skip


def _cells(groups: Groups, decision: Decision, label_names: Sequence[str]) -> list[list[Any]]:
    """Of each group the label, the mean probabilities, and the windows that say each."""
    digits = ".9g" if decision.task == "regression" else ".6g"
    means = [
        ["" if not np.isfinite(value) else float(f"{value:{digits}}") for value in row]
        for row in groups.probabilities.tolist()
    ]
    if decision.task == "regression":
        return means
    labels = groups.labels(label_names, decision.task)
    votes = groups.votes.tolist()
    return [[one, *mean, *vote] for one, mean, vote in zip(labels, means, votes, strict=True)]


def _write(path: Path, rows: Iterator[list[Any]]) -> None:
    with atomic_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        for row in rows:
            table.writerow(
                [cell if isinstance(cell, int | float) else shown_cell(cell) for cell in row]
            )


@dataclass(frozen=True, kw_only=True)
class FolderReport:
    """What became of the recordings; ``str()`` gives an aligned text."""

    out: Path
    outcomes: tuple[Outcome, ...]
    """Of every recording, sorted by name."""
    per: Per | None
    by: By
    subjects: str
    """How many there are, and what named them."""
    changes: tuple[str, ...] = ()
    """What this run found other than it was, where the folder was begun or made before."""

    @property
    def quarantined(self) -> tuple[tuple[str, str], ...]:
        """Recordings that cannot be predicted, each with the reason."""
        return tuple((one.name, one.reason) for one in self.outcomes if one.reason is not None)

    def decisions(self) -> tuple[Groups, Decision]:
        """One decision for each recording or subject; see :func:`groups_of`."""
        return groups_of(self.outcomes, self.per or "recording", self.by)

    def __str__(self) -> str:
        found = [one for one in self.outcomes if one.predictions is not None]
        windows = [one.predictions for one in found if one.predictions is not None]
        unusable = sum(int((~one.usable).sum()) for one in windows)
        noted = sum(bool(one.notes) for one in windows)
        learnt = [one.name for one in windows if one.in_training]
        lost = f", {unusable} of them without usable data" if unusable else ""
        rows = [
            ("folder", str(self.out)),
            ("recordings", f"{len(found)}"),
            ("subjects", self.subjects),
            ("windows", f"{sum(map(len, windows))}{lost}"),
            *([("notes", f"on {counted(noted, 'recording')}, in {RECORDINGS}")] if noted else []),
            *([("learnt from", f"{len(learnt)}: {listed(learnt)}")] if learnt else []),
            *_block("changes", self.changes),
            *_block("quarantined", [reason for _, reason in self.quarantined]),
        ]
        width = max(len(name) for name, _ in rows) + 2
        return "\n".join(f"{name:<{width}}{text}" for name, text in rows)


def _block(name: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(name if place == 0 else "", text) for place, text in enumerate(texts)]
