"""`read_recording`: a file of any supported format, opened as a `Recording`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biot.errors import ConfigError, InputTypeError, RecordingError
from biot.signals.formats.bids import with_bids_tables
from biot.signals.formats.contained import contained_recording
from biot.signals.formats.edf import read_edf
from biot.signals.formats.files import (
    SPREADSHEETS,
    SUFFIXES,
    files_of,
    is_spreadsheet,
    suffix_of,
)
from biot.signals.formats.headers import require_plausible
from biot.signals.formats.mne import FORMATS, from_mne, is_epochs, is_raw, read_with_mne
from biot.signals.formats.tables.archive import read_npz
from biot.signals.formats.tables.read import read_table
from biot.signals.formats.transfer import require_binary
from biot.signals.formats.wfdb import read_wfdb
from biot.signals.formats.xdf import XDF_NAME, XDF_SUFFIXES, read_xdf
from biot.signals.recording import Recording
from biot.signals.units import tell_of_amplitudes, with_units

__all__ = ["SUFFIXES", "is_named_as_recording", "is_table", "read_recording", "recording_of"]

_READERS = {
    **dict.fromkeys((".edf", ".bdf"), read_edf),
    **dict.fromkeys(FORMATS, read_with_mne),
    **dict.fromkeys((".hea", ".dat", ".mat"), read_wfdb),
    **dict.fromkeys(XDF_SUFFIXES, read_xdf),
}
_FORMAT_NAMES = {
    **{suffix: name for suffix, (name, _) in FORMATS.items()},
    **dict.fromkeys((".hea", ".dat", ".mat"), "WFDB record"),
    **dict.fromkeys(XDF_SUFFIXES, XDF_NAME),
}
"""What other packages parse, which happens in a child process."""
_TABLES = (
    ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".npz",
)  # fmt: skip


_NO_SPREADSHEET = (
    "{}: is a spreadsheet, which is not read. Save the sheet as .csv from the program that made "
    "it, and name that file."
)


def is_named_as_recording(path: Path) -> bool:
    """Whether the suffix of a file is one that :func:`read_recording` knows, if only to refuse."""
    suffix = suffix_of(path)
    return suffix in _READERS or suffix in _TABLES or suffix in SPREADSHEETS


def is_table(path: Path) -> bool:
    """Whether a recording of this name may need its rate and units said; by its suffix."""
    return suffix_of(path) in _TABLES


def recording_of(source: Any, *, columns: Sequence[str] = ()) -> Recording:
    """A recording from any of its forms: itself, its file, an MNE ``Raw`` or ``Epochs``.

    `columns` are those of :func:`read_recording`.

    Raises
    ------
    InputTypeError
        If it is something else.
    RecordingError
        As :func:`read_recording` and :func:`biot.from_mne` do.
    """
    if isinstance(source, Recording):
        return source
    if isinstance(source, str | Path):
        return read_recording(source, columns=columns)
    if is_raw(source) or is_epochs(source):
        return from_mne(source)
    hint = (
        " An array is one with Recording.from_array(data, ch_names=…, sfreq=…, units=…)."
        if hasattr(source, "shape") or isinstance(source, list | tuple)
        else ""
    )
    raise InputTypeError(
        "A recording is the path of a file (str or Path), an mne.io.Raw, an mne.Epochs or a "
        f"biot.Recording; got {type(source).__name__}.{hint}"
    )


def read_recording(
    path: str | Path,
    *,
    sfreq: float | None = None,
    units: str | Sequence[str] | None = None,
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Recording:
    """Open one recording; its samples are read when they are asked for.

    EDF, EDF+, BDF and BDF+ (``.edf``, ``.bdf``), BrainVision (``.vhdr``), FIF (``.fif``, raw or
    epochs), EEGLAB (``.set``, continuous or epochs), GDF (``.gdf``), WFDB (``.hea``, or the
    ``.dat`` or ``.mat`` beside it), XDF (``.xdf``, ``.xdfz``); tables with a column a channel
    (``.csv``, ``.tsv``, ``.txt``, each also packed: ``.csv.gz``; ``.parquet``), exports of devices
    among them, and NumPy archives (``.npz``), which are read at once. The suffix may be in
    capitals, save for ``.vhdr`` and ``.hea``. Of a BIDS data set, the tables of channels and events
    beside the file count too.

    EEG is in µV, ECG in mV, acceleration in g, turning rate in rad/s; other numbers keep the unit
    that the file declares. Of dates, only when the recording began is read
    (:attr:`Recording.meas_date`), for files of events; what a file says of a person is not read.

    Warns, in the file's name, of what is irregular but certain, such as signals of several rates,
    and of amplitudes that the declared unit makes implausible.

    Parameters
    ----------
    path
        The file.
    sfreq, units
        What the file may not say. The rate in Hz: for tables and archives. A unit for all
        channels, or one for each: for the channels of which the file says none; of tables and
        archives, for all.
    columns
        Of a table: columns that are channels although they are called or look like labels, clocks
        or counters, which are left out otherwise. Of other formats nothing is left out.
    labels
        Of a table: columns of labels; each run of one value becomes an annotation.

    Raises
    ------
    RecordingError
        If the file does not exist, is of no supported format, is damaged, or holds no signal.
    ConfigError
        If `sfreq` is given for a format that declares its own.
    MissingDependencyError
        If the package that reads the format is not installed.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if suffix in SPREADSHEETS:
        raise RecordingError(_NO_SPREADSHEET.format(path.name))
    if not suffix and path.is_dir():
        raise RecordingError(f"{path.name}: is a folder. Name one recording.")
    if suffix not in _READERS and suffix not in _TABLES:
        ends = f"files that end in {suffix!r} are" if suffix else "a name without a suffix is"
        raise RecordingError(
            f"{path.name}: {ends} not supported. "
            f"Supported are {', '.join((*_READERS, *_TABLES))}. What another package reads "
            "can be handed over with from_mne or Recording.from_array."
        )
    if suffix in _READERS and sfreq is not None:
        raise ConfigError(
            f"{path.name}: the file declares its rate itself; sfreq is for {', '.join(_TABLES)}."
        )
    if not path.is_file():
        found = (
            "is a folder" if path.is_dir()
            else "is a pipe or a device, no file" if path.exists()
            else "is a link to a file that is not there" if path.is_symlink()
            else "does not exist"
        )  # fmt: skip
        raise RecordingError(f"{path.name}: {found}, looked for at {path}. Name one recording.")
    if path.stat().st_size == 0:
        raise RecordingError(f"{path.name}: is empty (0 bytes). Copy it again from its source.")
    try:
        files = files_of(path)
        _require_permission(files)
        if is_spreadsheet(path):
            raise RecordingError(_NO_SPREADSHEET.format(path.name))
        require_binary(files)
        try:
            recording = _opened(path, files, sfreq, units, columns, labels)
        except RecordingError:
            require_binary(files, has_failed=True)
            raise
        require_plausible(recording.name, recording.sfreq, recording.n_times)
        recording = tell_of_amplitudes(with_bids_tables(recording))
        given = None if suffix in _TABLES else units
        return recording if given is None else with_units(recording, given)
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be read: {error.strerror or error}.") from error


def _opened(
    path: Path,
    files: list[Path],
    sfreq: float | None,
    units: str | Sequence[str] | None,
    columns: Sequence[str],
    labels: Sequence[str],
) -> Recording:
    suffix = suffix_of(path)
    if suffix == ".npz":
        return read_npz(path, sfreq, units)
    if suffix in _TABLES:
        return read_table(path, sfreq, units, columns, labels)
    reader = _READERS[suffix]
    if suffix not in _FORMAT_NAMES:
        return reader(path)
    size = sum(file.stat().st_size for file in files)
    return contained_recording(reader, path, format_name=_FORMAT_NAMES[suffix], size=size)


def _require_permission(files: list[Path]) -> None:
    """Raise ``RecordingError`` for a file that may not be read: parsers call it damaged."""
    for file in files:
        try:
            with file.open("rb"):
                continue
        except OSError as error:
            raise RecordingError(
                f"{file.name}: cannot be read: {error.strerror or error}."
            ) from error
