"""WFDB annotation files of any name, such as ``100.qrs`` or ``chb01_03.edf.seizures``."""

from __future__ import annotations

from pathlib import Path

from biot.errors import RecordingError, require
from biot.signals.formats.mne import in_the_name_of
from biot.signals.recording import Annotation

__all__ = [
    "is_wfdb_annotation",
    "read_annotation_file",
]

_MOST_BYTES = 256 * 2**20
_END = b"\x00\x00"


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


def read_annotation_file(path: Path, sfreq: float) -> tuple[Annotation, ...]:
    """The annotations of a WFDB annotation file.

    A note's text is its label, else the symbol.

    Parameters
    ----------
    path
        The file; what follows its last dot is the annotator.
    sfreq
        Rate of the recording in Hz, which counts where the file does not say its own.

    Raises
    ------
    RecordingError
        If the file is damaged.
    MissingDependencyError
        If wfdb is not installed.
    """
    try:
        size = path.stat().st_size
        end = path.read_bytes()[-2:] if size <= _MOST_BYTES else b""
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be read: {error.strerror or error}.") from error
    if end != _END:
        raise RecordingError(
            f"{path.name}: is no WFDB annotation file, or truncated: it lacks the mark at its end, "
            "two zero bytes. Copy it again from its source."
        )
    with in_the_name_of(path, "WFDB annotation file"):
        wfdb = require("wfdb", extra="signals")
        found = wfdb.rdann(str(path.with_suffix("")), path.suffix.removeprefix("."))
    symbols = list(found.symbol or ())
    unknown = [at for at, symbol in enumerate(symbols) if not isinstance(symbol, str)]
    if unknown:
        raise RecordingError(
            f"{path.name}: {len(unknown)} annotations have a code that has no meaning, the first "
            f"at sample {found.sample[unknown[0]]}, so it is damaged. Copy it again from its "
            "source."
        )
    rate = float(found.fs or sfreq)
    return tuple(
        Annotation(onset=float(sample) / rate, duration=0.0, label=note.strip("\0 ") or symbol)
        for sample, symbol, note in zip(found.sample, symbols, found.aux_note, strict=True)
    )
