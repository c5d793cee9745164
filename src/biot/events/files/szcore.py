"""Events as SzCORE has seizures: a table with one row a seizure, or one row of background.

J. Dan et al., SzCORE, Epilepsia 2024; https://epilepsybenchmarks.com, and its library
epilepsy2bids.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from biot.errors import ConfigError, listed
from biot.events.files.contents import FoundEvent, FoundEvents, in_order
from biot.io import atomic_file

__all__ = ["COLUMNS", "is_seizure", "seizure_labels", "write_szcore"]

COLUMNS = (
    "onset", "duration", "eventType", "confidence", "channels", "dateTime", "recordingDuration",
)  # fmt: skip
_SEIZURE, _BACKGROUND = "sz", "bckg"

_WORDS = frozenset(
    (
        "seiz", "seizure", "seizures", "sz", "szs", "ictal", "ictus", "epilepticus", "anfall",
        "crisis", "crise",
        "fnsz", "gnsz", "spsz", "cpsz", "absz", "tnsz", "cnsz", "tcsz", "atsz", "mysz",
    )
)  # fmt: skip
"""Words for a seizure; the last line holds TUSZ's."""
_NOT = frozenset(
    (
        "no", "non", "not", "without", "pre", "post", "inter", "peri", "free", "nonepileptic",
        "psychogenic", "functional", "pseudo",
    )
)  # fmt: skip
"""Words beside which none of these means a seizure."""
_UNKNOWN_START = datetime(1985, 1, 1)
"""What EDF has where nobody knows when a recording began."""
_DECIMALS = 6
_TOUCHING = 1e-6
"""Seconds between two events that are one."""


def is_seizure(label: str) -> bool:
    """Whether a label means an epileptic seizure, by its words: ``seiz``, ``Seizure``, ``sz_foc``.

    ``no seizure``, ``non-seizure``, ``pre-ictal`` and ``interictal`` mean none.
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
    words = set(re.findall(r"[^\W\d_]+", apart.lower()))
    return bool(words & _WORDS) and not words & _NOT


def seizure_labels(names: Iterable[str], chosen: Iterable[str] = ()) -> tuple[str, ...]:
    """Those of a model's labels that mean a seizure: the ones `chosen`, else by their words.

    Raises
    ------
    ConfigError
        If none does, or one that was chosen is not among the names.
    """
    known = tuple(names)
    wanted = tuple(chosen)
    strangers = [label for label in wanted if label not in known]
    if strangers:
        raise ConfigError(
            f"--seizure-label {strangers[0]}: is none of the model's labels that make events: "
            f"{listed(known, 20)}."
        )
    found = wanted or tuple(name for name in known if is_seizure(name))
    if not found:
        raise ConfigError(
            f"none of the labels {listed(known, 20)} is known to mean a seizure, which a file of "
            "SzCORE holds. Name the one that does with --seizure-label."
        )
    return found


def write_szcore(
    events: FoundEvents, path: Path, *, seizure_label: Iterable[str] = ()
) -> list[Path]:
    """Write the table; without a seizure it holds one row ``bckg`` over the whole recording.

    Parameters
    ----------
    seizure_label
        Labels that mean a seizure; empty: those that do by their words, see :func:`is_seizure`.
        Events with other labels are none, and are left out; seizures of different kinds that touch
        are one.

    Raises
    ------
    ConfigError
        If no label that events may have means a seizure.
    """
    names = dict.fromkeys((*events.label_names, *(event.label for event in events.events)))
    if events.background is not None:
        names.pop(events.background, None)
    wanted = seizure_labels(names, seizure_label) if names else ()
    start = (events.meas_date or _UNKNOWN_START).strftime("%Y-%m-%d %H:%M:%S")
    length = round(events.duration, _DECIMALS)
    rows: list[list[object]] = [
        [
            round(event.onset, _DECIMALS),
            round(event.duration, _DECIMALS),
            _SEIZURE,
            "n/a" if event.confidence is None else round(event.confidence, 4),
            ",".join(event.channels) or "all",
            start,
            length,
        ]
        for event in _seizures(events, wanted)
    ]
    with (
        atomic_file(path) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows or [[0.0, length, _BACKGROUND, "n/a", "all", start, length]])
    return [path]


def _seizures(events: FoundEvents, wanted: Iterable[str]) -> list[FoundEvent]:
    """The events that are seizures; of different kinds that touch or overlap, one over both."""
    found: list[FoundEvent] = []
    for event in in_order(events):
        if event.label not in wanted:
            continue
        last = found[-1] if found else None
        end = last.onset + last.duration if last is not None else -1.0
        if last is None or last.label == event.label or event.onset > end + _TOUCHING:
            found.append(event)
            continue
        known = [e.confidence for e in (last, event) if e.confidence is not None]
        found[-1] = _Seizure(
            onset=last.onset,
            duration=max(end, event.onset + event.duration) - last.onset,
            label=event.label,
            confidence=max(known, default=None),
            channels=tuple(dict.fromkeys((*last.channels, *event.channels)))
            if last.channels and event.channels
            else (),
        )
    return found


@dataclass(frozen=True, kw_only=True)
class _Seizure:
    """Several events that are one seizure."""

    onset: float
    duration: float
    label: str
    confidence: float | None
    channels: tuple[str, ...]
