"""Annotation files of WFDB: beats, rhythms, waves and notes, each a column of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from biot.errors import RecordingError, require
from biot.signals.formats.mne import in_the_name_of
from biot.signals.recording import Annotation

__all__ = [
    "BEATS",
    "in_columns",
    "read_wfdb_annotations",
]

BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""Symbols of beats, as PhysioNet's table has them: those that wfdb takes for QRS complexes, save
``!``, a wave of ventricular flutter. https://physionet.org/physiotools/wpg/wpg_36.htm"""

_WAVES = frozenset("(ptu)")
_RHYTHM, _FLUTTER, _FLUTTER_END = "+", "[", "]"


def read_wfdb_annotations(
    file: Path, name: str, *, sfreq: float, duration: float
) -> tuple[Annotation, ...]:
    """Read an annotation file (``.atr``, ``.qrs``, …); in the order of their onsets.

    What is annotated belongs to one of four columns of labels:

    - ``beat``: a symbol of :data:`BEATS`, an instant.
    - ``rhythm``: the text of a ``+`` without its bracket (``AFIB`` of ``(AFIB``). It lasts until
      the next ``+``, or to the end of the recording.
    - ``wave``: ``(``, ``p``, ``t``, ``u`` and ``)``, the marks of delineated waves, instants.
    - ``note``: everything else, and texts that beats and waves bear: the text, or the symbol where
      there is none. ``[``, the start of ventricular flutter, lasts until ``]``; others are
      instants. A ``+`` without a text is one; the rhythm before it ends there.

    Parameters
    ----------
    file
        The annotation file.
    name
        What messages call the recording.
    sfreq
        Rate of the recording in Hz, for files that do not say in which their samples count.
    duration
        Length of the recording in seconds.

    Raises
    ------
    RecordingError
        If the file is damaged.
    """
    found = _parsed(file, name)
    return in_columns(found, float(found.fs or sfreq), duration)


def in_columns(found: Any, rate: float, duration: float) -> tuple[Annotation, ...]:
    """What wfdb has read as annotations in columns, see :func:`read_wfdb_annotations`.

    Parameters
    ----------
    found
        wfdb's object of an annotation file.
    rate
        Samples a second in which its samples count.
    duration
        Length of the recording in seconds.
    """
    fields = zip(found.sample, found.symbol or (), found.aux_note or (), strict=True)
    marks = [(float(at) / rate, symbol, note.strip("\x00 ")) for at, symbol, note in fields]
    marks.sort(key=lambda mark: mark[0])
    annotations = [annotation for mark in marks for annotation in _of(*mark)]
    ends = [onset for onset, symbol, _ in marks if symbol == _RHYTHM]
    return tuple(_lasting(annotations, ends, duration))


def _parsed(file: Path, name: str) -> Any:
    wfdb = require("wfdb", extra="signals")
    way_out = "Copy it again from its source, or remove it to do without annotations."
    if file.read_bytes()[-2:] != b"\x00\x00":
        raise RecordingError(
            f"{name}: its annotation file {file.name} lacks the mark at its end, so it is "
            f"truncated. {way_out}"
        )
    with in_the_name_of(Path(name), "WFDB record"):
        found = wfdb.rdann(str(file.with_suffix("")), file.suffix.removeprefix("."))
    unknown = [
        at
        for at, symbol in zip(found.sample, found.symbol, strict=True)
        if not isinstance(symbol, str)
    ]  # wfdb gives NaN for a code that neither WFDB nor the file defines
    if unknown:
        raise RecordingError(
            f"{name}: in its annotation file {file.name}, {len(unknown)} annotations have a "
            f"code that has no meaning, the first at sample {unknown[0]}, so it is damaged. "
            f"{way_out}"
        )
    return found


def _of(onset: float, symbol: str, text: str) -> Iterator[Annotation]:
    """What one mark says, before it is known how long it lasts."""
    if symbol == _RHYTHM and text:
        yield Annotation(onset, 0.0, text.removeprefix("("), "rhythm")
    elif symbol in BEATS or symbol in _WAVES:
        yield Annotation(onset, 0.0, symbol, "beat" if symbol in BEATS else "wave")
        if text:
            yield Annotation(onset, 0.0, text, "note")
    else:
        yield Annotation(onset, 0.0, text or symbol, "note")


def _lasting(
    annotations: list[Annotation], rhythm_marks: list[float], duration: float
) -> Iterator[Annotation]:
    """The same, where rhythms and flutter last until they end."""
    next_mark = dict(pairwise([*rhythm_marks, max([duration, *rhythm_marks])]))
    flutter_ends = [a.onset for a in annotations if (a.column, a.label) == ("note", _FLUTTER_END)]
    for annotation in annotations:
        onset, end = annotation.onset, annotation.onset
        if annotation.column == "rhythm":
            end = next_mark[onset]
        elif (annotation.column, annotation.label) == ("note", _FLUTTER):
            end = next((each for each in flutter_ends if each >= onset), duration)
        yield replace(annotation, duration=max(0.0, end - onset))
