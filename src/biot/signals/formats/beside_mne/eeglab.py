"""What MNE does not understand of EEGLAB files: numbers as events, joins, MATLAB 7.3."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from biot.errors import MissingDependencyError, require
from biot.installation import install_command
from biot.signals.recording import Annotation

__all__ = ["JOIN", "as_eeglab_means", "require_hdf5_reader"]

JOIN = "boundary"
"""Label of the events where data were joined."""
_JOIN_NUMBER = "-99"
"""The same where event types are numbers."""
_HDF5 = b"\x89HDF\r\n\x1a\n"


def as_eeglab_means(annotations: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """The events of a file, numbers among their types written without ``.0``.

    Where all types are numbers, −99 marks a join and becomes ``boundary``. An event without a
    duration is an instant.
    """
    tidy = [
        replace(
            a,
            duration=0.0 if math.isnan(a.duration) else a.duration,
            label=re.sub(r"^(-?\d+)\.0+$", r"\1", a.label),
        )
        for a in annotations
    ]
    numbers = all(re.fullmatch(r"-?\d+(?:\.\d+)?|boundary", a.label) for a in tidy)
    return tuple(replace(a, label=JOIN) if numbers and a.label == _JOIN_NUMBER else a for a in tidy)


def require_hdf5_reader(path: Path) -> None:
    """Raise ``MissingDependencyError`` for a MATLAB 7.3 file where no package reads those."""
    with path.open("rb") as file:
        beginning = file.read(512 + len(_HDF5))
    if not (beginning.startswith(_HDF5) or beginning.endswith(_HDF5)):
        return
    try:
        for package in ("h5py", "pymatreader"):
            require(package, extra="eeglab")
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{path.name}: is a MATLAB 7.3 file (HDF5), for which the packages pymatreader and "
            f"h5py are needed. {install_command('eeglab')}. Or save the data set again in EEGLAB "
            "without the preference for 7.3 files (save -v7)."
        ) from error
