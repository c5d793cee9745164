"""The table of labels as a file: `labels.tsv` of a corpus, and what `biot labels` writes."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from biot.corpus.builder.executor import run
from biot.corpus.builder.labels.columns import of_other_columns
from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.labels.samples import table_options
from biot.corpus.builder.labels.source import LabelSource
from biot.corpus.builder.labels.table import Facts, LabelTable
from biot.corpus.builder.layouts.defaults import Given, with_layout
from biot.corpus.builder.layouts.gather import Labelled, label_source, table_of
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.sources import Source, TableOptions, opened, subject_pattern
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import Label
from biot.errors import BiotError, ConfigError, CorpusError, counted, listed
from biot.io import atomic_file, safe_cell

__all__ = ["LabelReport", "labels_text", "write_label_table"]


@dataclass(frozen=True, kw_only=True)
class LabelReport:
    """What a table of labels holds; ``str()`` gives an aligned text."""

    out: Path
    n_recordings: int
    """Recordings that have a label."""
    n_subjects: int
    labels: dict[str, int]
    """Rows of each label, or tag."""
    without: tuple[str, ...]
    """Recordings without a label."""
    unreadable: tuple[str, ...]
    """Why labels of recordings cannot be read."""
    notes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            ("table", str(self.out)),
            ("recordings", str(self.n_recordings)),
            ("subjects", str(self.n_subjects)),
            *_block("labels", [f"{name or 'no tag'}: {n}" for name, n in self.labels.items()]),
        ]
        if self.without:
            without = counted(len(self.without), "recording")
            lines.append(("no label", f"{without}: {listed(self.without, 3)}"))
        lines += [*_block("told", self.notes), *_block("not read", self.unreadable)]
        width = max(len(name) for name, _ in lines) + 2
        return "\n".join(f"{name:<{width}}{text}" for name, text in lines)


def _block(name: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(name if place == 0 else "", text) for place, text in enumerate(texts)]


def write_label_table(
    paths: str | Path | Sequence[str | Path],
    out: Path,
    *,
    config: PrepareConfig,
    progress: bool = False,
) -> LabelReport:
    """Write the labels that `prepare` would take, one a row; see :func:`labels_text`.

    Raises
    ------
    ConfigError, CorpusError
        As `prepare`, where nothing says what the labels are, or no recording has one.
    """
    given = with_layout(paths, config, complete=False)
    how = given.config
    if str(how.labels) == "none":
        raise ConfigError(
            "labels must say where labels come from, or layout must name a published data set; "
            "none is recognised by its names."
        )
    pattern = None if how.subject is None else subject_pattern(how.subject)
    source = label_source(given, pattern, progress=progress)
    notes = (*given.notes, *source.notes([one.recording for one in given.sources]))
    table = source.table
    if table is None or not table.facts:
        table = _read(given, source, pattern, progress=progress)
    label_map = None if how.label_map is None else LabelMap.read(how.label_map)
    flags = how.task == "multilabel" and len(how.label_columns) > 1
    text = labels_text(table, label_map, ("label",) if flags else how.label_columns)
    report = _report(out, text, table, notes)
    if not report.n_recordings:
        raise CorpusError(f"{out}: no recording has a label. {' '.join(report.unreadable[:3])}")
    with atomic_file(out) as partial_file:
        partial_file.write_text(text, encoding="utf-8", newline="")
    return report


def _read(
    given: Given, source: LabelSource, pattern: re.Pattern[str] | None, *, progress: bool
) -> LabelTable:
    """The labels of recordings that no layout knows."""
    how = given.config
    work = partial(_labelled, tables=table_options(how, ()))
    jobs = []
    for one in given.sources:
        if source.lacks(one.recording) is None:
            name = one.recording
            facts = Facts(*source.subject(name, pattern, one.path), split=source.split(name))
            jobs.append((one, source.only(one.recording), facts))
    bar = "labels" if progress else None
    engine: dict[str, Any] = {"workers": how.workers, "dask": how.dask}
    found = list(run(work, jobs, **engine, progress=bar))
    reasons = of_other_columns({one.name: column for one, column in found if one.stretches})
    done = {one.name: _without_labels(one, reasons.get(one.name)) for one, _ in found}
    without = [
        Labelled(one.recording, (), Facts()) for one in given.sources if one.recording not in done
    ]
    ordered = [done[one.recording] for one, _, _ in jobs]
    return table_of([*ordered, *without])


def _without_labels(one: Labelled, fault: str | None) -> Labelled:
    """The same with a fault instead of labels, if there is one."""
    if fault is None:
        return one
    return replace(one, stretches=(), facts=one.facts._replace(fault=fault))


def _labelled(
    job: tuple[Source, LabelSource, Facts], tables: TableOptions
) -> tuple[Labelled, str | None]:
    """The labels of a recording, and the column of annotations that they are of."""
    source, labels, facts = job
    name = source.recording
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come again when the recording is prepared
            recording = opened(source, tables)
            found, column = labels.stretches(recording, name)
            return Labelled(name, tuple(found), facts), column
    except BiotError as error:
        return Labelled(name, (), facts._replace(fault=str(error))), None


def _report(out: Path, text: str, table: LabelTable, notes: tuple[str, ...]) -> LabelReport:
    every = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    column = text.partition("\n")[0].split("\t")[-2]
    rows = [row for row in every if row.get("onset") != ""]
    counts = Counter(tag for row in rows for tag in row[column].split(";"))
    labelled = {row["file"] for row in rows}
    faults = {name: facts.fault for name, facts in table.facts.items() if facts.fault}
    names = [safe_cell(name) for name in table.facts if name not in faults]
    return LabelReport(
        out=out,
        n_recordings=len(labelled),
        n_subjects=len({row["subject"] for row in every}),
        labels=dict(sorted(counts.items())),
        without=tuple(name for name in names if name not in labelled),
        unreadable=tuple(str(fault) for fault in faults.values()),
        notes=notes,
    )


def labels_text(
    table: LabelTable, label_map: LabelMap | None, columns: Sequence[str] = ("label",)
) -> str:
    """A gathered table as it is written, with the labels that the map makes of those found.

    Its columns are file, subject, session, onset, duration, label, split; without onset and
    duration where labels are of whole recordings. A recording without a label in time has a row
    without them, as its windows may be background. It may be given as labels again.
    """
    times = ("onset", "duration") if table.has_events else ()
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(("file", "subject", "session", *times, *columns, "split"))
    for name in dict.fromkeys([*table.facts, *table.rows]):
        facts = table.facts.get(name, Facts())
        found = [Stretch(*(row.span or (0.0, 0.0)), row.label) for row in table.rows.get(name, ())]
        lines = []
        for stretch in found if label_map is None else label_map.stretches(found):
            spans = [f"{seconds:.10g}" for seconds in stretch[:2]] if times else []
            lines.append([*spans, *_texts(stretch.label, len(columns))])
        if times and not lines and facts.fault is None:  # so that it is known whose it is
            lines = [["", "", *[""] * len(columns)]]
        for line in lines:
            cells = (name, facts.subject, facts.session or "", *line)
            writer.writerow([*map(safe_cell, cells), facts.split or ""])
    return out.getvalue()


def _texts(label: Label, n_columns: int) -> list[str]:
    """The cells of a label: one, with ``;`` between tags, or one a column."""
    texts = [label] if isinstance(label, str) else [str(part) for part in label]
    return texts if len(texts) == n_columns else [";".join(texts)]
