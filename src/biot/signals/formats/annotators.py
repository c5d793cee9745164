"""Annotation files of WFDB, such as 100.atr, 100.qrs or chb01_03.edf.seizures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from biot.errors import RecordingError, counted, require
from biot.signals.formats.contained import in_the_name_of
from biot.signals.recording import Annotation

__all__ = [
    "BEATS",
    "in_columns",
    "is_wfdb_annotation",
    "read_annotation_file",
]

_MOST_BYTES = 256 * 2**20
_END = b"\x00\x00"

BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""Symbols of beats, as PhysioNet's table has them: those that wfdb takes for QRS complexes, save
``!``, a wave of ventricular flutter. https://physionet.org/physiotools/wpg/wpg_36.htm"""

_WAVES = frozenset("(ptu)")
_RHYTHM, _FLUTTER, _FLUTTER_END = "+", "[", "]"


def is_wfdb_annotation(path: Path) -> bool:
    """Whether a file ends, and holds pairs of bytes, as WFDB annotations do."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(2)
            file.seek(max(0, size - 2))
            last = file.read(2)
    except OSError:
        return False
    codes = first != _END and first[1:] != b"" and first[1] >> 2 <= 63
    return size >= 4 and size % 2 == 0 and last == _END and codes


def read_annotation_file(
    path: Path, sfreq: float, duration: float | None = None, *, record: str | None = None
) -> tuple[Annotation, ...]:
    """Read an annotation file; in the order of their onsets.

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
    path
        The file; what follows its last dot is the annotator.
    sfreq
        Rate of the recording in Hz, which counts where the file does not say its own.
    duration
        Length of the recording in seconds; None: all are instants of one column, ``label``.
    record
        What messages call the recording that it is read with; None: the file speaks for itself.

    Raises
    ------
    RecordingError
        If the file is damaged.
    MissingDependencyError
        If wfdb is not installed.
    """
    found = _parsed(path, record)
    rate = float(found.fs or sfreq)
    if duration is not None:
        return in_columns(found, rate, duration)
    fields = zip(found.sample, found.symbol or (), found.aux_note or (), strict=True)
    return tuple(
        Annotation(onset=float(at) / rate, duration=0.0, label=note.strip("\x00 ") or symbol)
        for at, symbol, note in fields
    )


def _parsed(path: Path, record: str | None) -> Any:
    """What wfdb makes of the file."""
    what = path.name if record is None else f"{record}: its annotation file {path.name}"
    way_out = "Copy it again from its source, or remove it to do without annotations."
    try:
        end = path.read_bytes()[-2:] if path.stat().st_size <= _MOST_BYTES else b""
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be read: {error.strerror or error}.") from error
    if end != _END:
        raise RecordingError(
            f"{what}{':' * (record is None)} lacks the mark at its end, two zero bytes, so it is "
            f"truncated, or no WFDB annotation file. {way_out}"
        )
    with in_the_name_of(Path(record or path.name), "WFDB annotation file"):
        wfdb = require("wfdb", extra="signals")
        found = wfdb.rdann(str(path.with_suffix("")), path.suffix.removeprefix("."))
    symbols = list(found.symbol or ())
    unknown = [at for at, symbol in enumerate(symbols) if not isinstance(symbol, str)]
    if unknown:  # wfdb gives NaN for a code that neither WFDB nor the file defines
        raise RecordingError(
            f"{f'{what}:' if record is None else f'{record}: in its annotation file {path.name},'} "
            f"{counted(len(unknown), 'annotation has', 'annotations have')} a code that has no "
            "meaning, the first at sample "
            f"{found.sample[unknown[0]]}, so it is damaged. {way_out}"
        )
    return found


def in_columns(found: Any, rate: float, duration: float) -> tuple[Annotation, ...]:
    """What wfdb has read as annotations in columns, see :func:`read_annotation_file`.

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
