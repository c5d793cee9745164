"""BrainVision, FIF, EEGLAB and GDF files, read through MNE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from biot.errors import RecordingError, require
from biot.signals.brainvision_header import read_brainvision_header
from biot.signals.foreign import in_the_name_of
from biot.signals.gdf_header import gdf_units
from biot.signals.mne_objects import recording_of_epochs, recording_of_raw, units_of
from biot.signals.recording import Recording

__all__ = ["FORMATS", "goes_on_in", "read_with_mne"]

FORMATS = {
    ".vhdr": ("BrainVision recording", "read_raw_brainvision"),
    ".fif": ("FIF recording", "read_raw_fif"),
    ".set": ("EEGLAB recording", "read_raw_eeglab"),
    ".gdf": ("GDF recording", "read_raw_gdf"),
}
"""Suffix: what the file should be, and MNE's function for it."""

_EPOCHS = {
    ".fif": ("No raw data", "read_epochs"),
    ".set": ("number of trials", "read_epochs_eeglab"),
}
"""Suffix: what MNE says of a file that may hold epochs, and its function for these."""


def read_with_mne(path: Path) -> Recording:
    """Open a BrainVision, FIF, EEGLAB or GDF file; FIF and EEGLAB may hold epochs.

    What MNE warns of is passed on with the file's name. Channels that the file marks as bad are
    missing: their samples are NaN. Each epoch is a segment, annotated with its event's name.

    Raises
    ------
    RecordingError
        If MNE cannot read the file, or its last sample, or its length is not what it announces.
    MissingDependencyError
        If MNE is not installed.
    """
    suffix = path.suffix.lower()
    format_name, _ = FORMATS[suffix]
    with in_the_name_of(path, format_name):
        opened, of_epochs = _open(path, suffix)
        if of_epochs and len(opened):
            opened.get_data(item=[len(opened) - 1], verbose="WARNING")
        elif not of_epochs and opened.n_times:
            opened.get_data(start=opened.n_times - 1, verbose="WARNING")
    if suffix == ".gdf":
        units = gdf_units(path)
    else:
        units = units_of(opened, _declared_units(path, opened) if suffix == ".vhdr" else None)
    make = recording_of_epochs if of_epochs else recording_of_raw
    return make(opened, units, path=path, format_name=format_name)


def goes_on_in(first: Path, further: Path) -> bool:
    """Whether a FIF file names another one, of such a name, as a further part of its recording.

    Where the first cannot be read as raw data, its parts cannot be told from their names, and True
    is the answer.

    Raises
    ------
    MissingDependencyError
        If MNE is not installed.
    """
    mne = require("mne", extra="signals")
    try:
        with in_the_name_of(first, FORMATS[".fif"][0]):
            raw = mne.io.read_raw_fif(first, preload=False, verbose="ERROR")
    except RecordingError:
        return True
    return further.resolve() in {Path(file).resolve() for file in raw.filenames}


def _open(path: Path, suffix: str) -> tuple[Any, bool]:
    """MNE's object, and whether it is one of epochs."""
    mne = require("mne", extra="signals")
    try:
        return getattr(mne.io, FORMATS[suffix][1])(path, preload=False, verbose="WARNING"), False
    except (TypeError, ValueError) as error:
        sign, function = _EPOCHS.get(suffix, ("", ""))
        if not sign or sign not in str(error):
            raise
    if function == "read_epochs":
        return mne.read_epochs(path, proj=False, preload=False, verbose="WARNING"), True
    return mne.read_epochs_eeglab(path, verbose="WARNING"), True


def _declared_units(path: Path, raw: Any) -> dict[str, str]:
    header = read_brainvision_header(path)
    if header.n_times not in (None, raw.n_times):
        raise RecordingError(
            f"{path.name}: announces {header.n_times} samples, but its data file holds "
            f"{raw.n_times}. Copy the data file again from its source."
        )
    return dict(zip(raw.ch_names, header.units, strict=False))
