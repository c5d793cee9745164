"""The labels of many recordings as one table."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from math import isinf
from pathlib import Path
from typing import Any

from biot.corpus.builder.executor import run
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.labels.source import LabelSource
from biot.corpus.builder.labels.table import Facts, LabelTable, Row
from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording
from biot.corpus.builder.layouts.defaults import Given
from biot.corpus.builder.sources import subject_of
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import LABELS_FILE
from biot.errors import BiotError, ConfigError, RecordingError

__all__ = ["Labelled", "gathered", "label_source", "table_of"]

_TOLD = 5
"""Notes of recordings that are shown."""

_FAULTS = (BiotError, OSError, LookupError, ValueError, SyntaxError, csv.Error)
"""What a layout may meet in a file that is damaged, or not as it was published."""


def label_source(
    given: Given, pattern: re.Pattern[str] | None, *, progress: bool = False
) -> LabelSource:
    """Where labels come from: what the settings say, or the layout.

    Raises
    ------
    ConfigError
        If the labels are to come from a layout, and there is none; or as `LabelSource.open`.
    CorpusError
        As `LabelSource.open`.
    """
    config = given.config
    if config.labels != "layout":
        source = LabelSource.open(config, given.sources, pattern)
        return source if given.layout is None else replace(source, facts=_facts(given))
    if given.layout is None:
        raise ConfigError(
            "labels is 'layout', but no layout is given or recognised. Name it with layout; "
            "`biot layouts` lists them."
        )
    form = LabelFormat.of(config)
    table = gathered(given, form, progress=progress)
    if pattern is not None:
        facts = {
            name: Facts(*subject_of(name, pattern), *one[2:]) for name, one in table.facts.items()
        }
        table = replace(table, facts=facts)
    source = LabelSource("table", form, table, scope=config.label_scope)
    if config.label_scope == "window":
        source.require_times("label_scope=window")
    return source


def _facts(given: Given) -> dict[str, Facts]:
    """Whose recordings are and their official parts, as the layout says, for labels of others."""
    assert given.layout is not None, "is what says it"
    table_says = given.config.split_column is not None
    facts = {}
    for found in given.found:
        try:
            whose = given.layout.subject_of(found)
            split = None if table_says else given.layout.split(found)
        except _FAULTS:  # of a table that may not be needed for these labels
            continue
        facts[found.name] = Facts(whose.name, whose.origin, found.groups.get("session"), split)
    return facts


@dataclass(frozen=True)
class Labelled:
    """What one recording gave."""

    name: str
    stretches: tuple[Stretch, ...]
    facts: Facts
    told: tuple[str, ...] = ()


def gathered(given: Given, how: LabelFormat, *, progress: bool = False) -> LabelTable:
    """The labels, subjects and splits of all recordings of a layout.

    A recording whose labels cannot be read has its fault in the table, so that it is quarantined.
    """
    assert given.layout is not None, "is what gathers"
    work = partial(_labelled, layout=given.layout, how=how)
    bar = "labels" if progress else None
    engine: dict[str, Any] = {"workers": given.config.workers, "dask": given.config.dask}
    done = {one.name: one for one in run(work, given.found, **engine, progress=bar)}
    return table_of(done[found.name] for found in given.found)


def _labelled(found: FoundRecording, layout: DatasetLayout, how: LabelFormat) -> Labelled:
    facts = Facts(*subject_of(found.name), session=found.groups.get("session"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come again when the recording is prepared
            whose = layout.subject_of(found)
            facts = Facts(whose.name, whose.origin, facts.session, layout.split(found))
            stretches = tuple(_of_task(one, how, found) for one in layout.labels(found))
            return Labelled(found.name, stretches, facts, tuple(found.told))
    except _FAULTS as error:
        text = str(error)
        if not isinstance(error, BiotError):
            text = f"{found.name}: its labels cannot be read ({type(error).__name__}: {error})."
        return Labelled(found.name, (), facts._replace(fault=text))


def _of_task(stretch: Stretch, how: LabelFormat, found: FoundRecording) -> Stretch:
    """The label as the task has it: a class, tags, or numbers."""
    where = f"{found.name}: the label {stretch.label!r}"
    if isinstance(stretch.label, str):
        return stretch._replace(label=how.of_text(stretch.label, where))
    if how.task == "classes":
        raise RecordingError(f"{where} is of several tags, so task must be multilabel.")
    return stretch


def table_of(labelled: Iterable[Labelled]) -> LabelTable:
    """Labels by recording as a table, each label a row."""
    rows: dict[str, tuple[Row, ...]] = {}
    facts = {}
    told: list[str] = []
    number = 1
    for one in labelled:
        facts[one.name] = one.facts
        told += one.told
        own = []
        for stretch in one.stretches:
            number += 1
            span = None if isinf(stretch.duration) else (stretch.onset, stretch.duration)
            own.append(
                Row(number=number, file=one.name, label=stretch.label, subject=None, span=span)
            )
        if own:
            rows[one.name] = tuple(own)
    has_events = any(row.span is not None for own in rows.values() for row in own)
    return LabelTable(Path(LABELS_FILE), rows, has_events=has_events, facts=facts, notes=_few(told))


def _few(told: list[str]) -> tuple[str, ...]:
    """What was told, each once, and the number of those that are too many to be read."""
    once = list(dict.fromkeys(told))
    more = (f"and {len(once) - _TOLD} more such notes",) if len(once) > _TOLD else ()
    return (*once[:_TOLD], *more)
