"""Events in tables: ``events.tsv`` of BIDS and SzCORE, beside a recording.

https://bids-specification.readthedocs.io, https://epilepsybenchmarks.com. The label is
``trial_type``, else ``value``, else ``eventType``; each other column may be asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import (
    WITHOUT_TIME,
    Beside,
    Kind,
    Sidecar,
    damaged,
    seconds,
)
from biot.corpus.builder.labels.sidecars.text import first_lines, is_nothing, lines_of
from biot.corpus.builder.windows.events import Stretch
from biot.errors import counted
from biot.signals.formats.bids import tables_of

__all__ = [
    "KINDS",
]

_NAME = "events.tsv"
_LABELS = ("trial_type", "value", "eventtype")
_TIMES = ("onset", "duration")


def _of_bids(path: Path) -> Iterable[Path]:
    """The table that counts for a recording by the rules of BIDS."""
    return [table for table in tables_of(path) if table.name.endswith("events.tsv")]


def _is_events(path: Path, recording: Path) -> bool:
    first = first_lines(path, 1)
    return bool(first) and set(_TIMES) <= {cell.strip().lower() for cell in first[0].split("\t")}


def _read(path: Path, beside: Beside) -> Sidecar:
    lines = lines_of(path, strip="\r")
    header = [cell.strip() for cell in lines[0][1].split("\t")] if lines else []
    lower = [cell.lower() for cell in header]
    lacking = [name for name in _TIMES if name not in lower]
    if lacking or len(set(lower)) < len(lower):
        damaged(path, 1, f"the columns {', '.join(header)}", "onset and duration, each column once")
    columns: dict[str, list[Stretch]] = {
        "label": [], **{name: [] for name in header if name.lower() not in (*_TIMES, "label")}
    }  # fmt: skip
    left_out: Counter[str] = Counter()
    for n, line in lines[1:]:
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != len(header):
            damaged(path, n, counted(len(cells), "cell"), f"{len(header)}, as the columns are")
        row = dict(zip(lower, cells, strict=True))
        if is_nothing(row["onset"]):
            left_out[WITHOUT_TIME] += 1
            continue
        onset = seconds(path, n, "onset", row["onset"])
        length = row["duration"]
        duration = 0.0 if is_nothing(length) else seconds(path, n, "duration", length)
        if duration < 0:
            damaged(path, n, f"the duration {length!r}", "a number of seconds from 0 on")
        texts = [row.get(name, "") for name in ("label", *_LABELS)]
        default = next((text for text in texts if not is_nothing(text)), "")
        for name, found in columns.items():
            text = default if name == "label" else row[name.lower()]
            found.append(Stretch(onset, duration, "" if is_nothing(text) else text))
    found_columns = {name: tuple(found) for name, found in columns.items()}
    return Sidecar(path, _NAME, found_columns, left_out)


KINDS = (
    Kind(
        name=_NAME, pattern=r"[-_.]events\.tsv|\.tsv", read=_read, recognises=_is_events,
        elsewhere=_of_bids, any_name=_is_events,
    ),
)  # fmt: skip
