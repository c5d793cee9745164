"""The labels of many recordings as one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isinf
from pathlib import Path
from typing import Any

from biot.corpus.builder.executor import run
from biot.corpus.builder.labels.table import Facts, LabelFormat, LabelTable, Row
from biot.corpus.builder.layouts.layout import Found, Layout
from biot.corpus.builder.windowing import Stretch
from biot.errors import BiotError

__all__ = ["gathered"]

TABLE = "labels.tsv"
"""What messages call the table."""


@dataclass(frozen=True)
class _Labelled:
    """What one recording gave."""

    name: str
    stretches: tuple[Stretch, ...]
    facts: Facts


def gathered(
    layout: Layout,
    found: Sequence[Found],
    how: LabelFormat,
    *,
    workers: int = 1,
    dask: str | None = None,
    progress: bool = False,
) -> LabelTable:
    """The labels, subjects and splits of all recordings of a layout.

    A recording whose labels cannot be read has its fault in the table, so that it is quarantined.
    """
    work = partial(_labelled, layout=layout)
    engine: dict[str, Any] = {"workers": workers, "dask": dask}
    done = {one.name: one for one in run(work, found, **engine, progress="labels" if progress else None)}
    return table_of([done[one.name] for one in found])


def _labelled(found: Found, layout: Layout) -> _Labelled:
    facts = Facts(session=found.groups.get("session"))
    try:
        whose = layout.subject_of(found)
        facts = Facts(whose.name, whose.origin, facts.session, layout.split(found))
        return _Labelled(found.name, tuple(layout.labels(found)), facts)
    except (BiotError, OSError) as error:
        text = str(error) if isinstance(error, BiotError) else f"{found.name}: {error}"
        return _Labelled(found.name, (), Facts(*facts[:4], fault=text))


def table_of(labelled: Iterable[_Labelled]) -> LabelTable:
    """Labels by recording as a table, each label a row."""
    rows: dict[str, tuple[Row, ...]] = {}
    facts = {}
    number = 1
    for one in labelled:
        facts[one.name] = one.facts
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
    return LabelTable(Path(TABLE), rows, has_events=has_events, facts=facts)
