"""Events as WFDB annotations (``.atr``), written by wfdb.

https://physionet.org/physiotools/wag/annot-5.htm. The file is for the record of the same name.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from biot.errors import ConfigError, require
from biot.events.files.contents import FoundEvents, in_order, label_of, one_line, require_apart
from biot.io import atomic_file

__all__ = ["BEATS", "NOTHING", "OURS", "record_name", "require_own", "write_wfdb"]

OURS = "biot: events that a model predicts"
"""The text at sample 0 of every file that we write, by which it is known not to be a reference."""
NOTHING = "NONE"
"""The rhythm between events, where no label of the model is their background."""

BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""Symbols of beats, https://physionet.org/physiotools/wpg/wpg_36.htm."""
_LONGEST_BEAT = 2.0
"""Seconds; a longer event is more than one beat, whatever its label."""
_MOST_BYTES = 254
"""Of an annotation's text, whose length is one byte."""
_NOTE, _RHYTHM = '"', "+"

Mark = tuple[int, str, str]
"""Sample, symbol, and text."""


def record_name(stem: str) -> str:
    """A name that WFDB takes: letters, digits, hyphens and underscores."""
    return re.sub(r"[^-A-Za-z0-9_]", "_", stem)


def write_wfdb(events: FoundEvents, path: Path) -> list[Path]:
    """Write the annotations, their samples counted at the recording's rate.

    Where all labels are symbols of beats, and no event is longer than a beat, each is a beat at its
    onset. Else each is a rhythm: ``+`` with the text ``(LABEL`` where it begins, and where nothing
    follows at once, ``(BACKGROUND`` where it ends (``(NONE`` without one). An instant is a comment.
    A comment at sample 0, which wfdb for Python passes over, says that a model predicted them.
    Without events the whole recording is background, since wfdb writes no empty file.

    Raises
    ------
    ConfigError
        If the rate is not known, the name is none of WFDB, events overlap, or the file is there and
        was not written by this function.
    """
    if not events.sfreq:
        raise ConfigError(
            f"{events.name}: its sampling rate is not known, in whose samples WFDB annotations "
            "count. Give Events with sfreq, or write another format."
        )
    if path.suffix != ".atr" or record_name(path.stem) != path.stem:
        raise ConfigError(
            f"{path.name}: WFDB annotations are named RECORD.atr, RECORD of letters, digits, "
            "hyphens and underscores."
        )
    require_own(path)
    marks = [(0, _NOTE, OURS), *_marks(events, events.sfreq)]
    content = _content(path.stem, marks, events.sfreq)
    with atomic_file(path) as partial:
        partial.write_bytes(content)
    return [path]


def require_own(path: Path) -> None:
    """Raise ``ConfigError`` where annotations are there that others made, such as a reference."""
    if path.exists() and OURS.encode() not in path.read_bytes()[:200]:
        raise ConfigError(
            f"{path}: is there already, and holds annotations that were not written by biot, such "
            "as a reference. Write to another folder (--out), or move it away."
        )


def _marks(events: FoundEvents, sfreq: float) -> list[Mark]:
    found = in_order(events)
    labels = {*events.label_names, *(event.label for event in found)}
    if found and labels <= BEATS and all(event.duration <= _LONGEST_BEAT for event in found):
        return [(round(event.onset * sfreq), event.label, "") for event in found]
    return _rhythms(events, sfreq)


def _rhythms(events: FoundEvents, sfreq: float) -> list[Mark]:
    require_apart(events, "a WFDB rhythm", within=0.5 / sfreq)
    rest = _text(f"({NOTHING if events.background is None else events.background}")
    marks: list[Mark] = []
    end = 0  # of the last event
    n_times = round(events.duration * sfreq)
    for event in in_order(events):
        label = label_of(event)
        start = max(0, round(event.onset * sfreq))
        stop = round((event.onset + event.duration) * sfreq)
        if stop <= start:
            marks.append((start, _NOTE, _text(label)))
            continue
        if start > end:
            marks.append((end, _RHYTHM, rest))
        marks.append((start, _RHYTHM, _text(f"({label}")))
        end = stop
    if end < n_times:
        marks.append((end, _RHYTHM, rest))
    return sorted(marks, key=lambda mark: mark[0])


def _text(label: str) -> str:
    """The bytes of a text as wfdb wants them, a character each."""
    content = one_line(label).encode()
    if len(content) > _MOST_BYTES:
        warnings.warn(
            f"the label {label[:30]!r}… is shortened to {_MOST_BYTES} bytes, the most that a WFDB "
            "annotation holds.",
            stacklevel=5,
        )
        content = content[:_MOST_BYTES].decode(errors="ignore").encode()
    return content.decode("latin-1")


def _content(record: str, marks: Sequence[Mark], sfreq: float) -> bytes:
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # about its own use of pandas
        wfdb = require("wfdb", extra="signals")
        wfdb.wrann(
            record,
            "atr",
            np.array([sample for sample, _, _ in marks], dtype=np.int64),
            symbol=[symbol for _, symbol, _ in marks],
            aux_note=[text for _, _, text in marks],
            fs=float(sfreq),
            write_dir=folder,
        )
        return Path(folder, f"{record}.atr").read_bytes()
