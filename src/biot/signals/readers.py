"""`read_recording`: a file of any supported format, opened as a `Recording`."""

from __future__ import annotations

from pathlib import Path

from biot.errors import RecordingError
from biot.signals.edf import read_edf
from biot.signals.mne_files import FORMATS, read_with_mne
from biot.signals.recording import Recording
from biot.signals.wfdb_files import read_wfdb

__all__ = ["SUFFIXES", "read_recording"]

SUFFIXES = (".edf", ".bdf", *FORMATS, ".hea")
"""Suffixes of the files that a folder is searched for, one a recording."""

_READERS = {
    **dict.fromkeys((".edf", ".bdf"), read_edf),
    **dict.fromkeys(FORMATS, read_with_mne),
    **dict.fromkeys((".hea", ".dat", ".mat"), read_wfdb),
}


def read_recording(path: str | Path) -> Recording:
    """Open one recording; its samples are read when they are asked for.

    EDF, EDF+, BDF and BDF+ (``.edf``, ``.bdf``), BrainVision (``.vhdr``), FIF (``.fif``, raw),
    EEGLAB (``.set``, continuous) and WFDB (``.hea``, or the ``.dat`` or ``.mat`` beside it). The
    suffix may be in capitals. Voltages are in µV, those of ECG in mV; other numbers keep the unit
    that the file declares. What a file says of a person or a date is not read.

    Warns, in the file's name, of what is irregular but certain: a header that leaves the length
    open, signals of several rates.

    Raises
    ------
    RecordingError
        If the file does not exist, is of no supported format, is damaged, or holds no signal.
    MissingDependencyError
        If the package that reads the format is not installed.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise RecordingError(
            f"{path.name}: files that end in {path.suffix or 'no suffix'!r} are not supported. "
            f"Supported are {', '.join(_READERS)}."
        )
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise RecordingError(f"{path.name}: {found}, looked for at {path}. Name one recording.")
    if path.stat().st_size == 0:
        raise RecordingError(f"{path.name}: is empty (0 bytes). Copy it again from its source.")
    try:
        return reader(path)
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be read: {error.strerror or error}.") from error
