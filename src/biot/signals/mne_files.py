"""BrainVision, FIF and EEGLAB files, read through MNE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from biot.errors import RecordingError, require
from biot.signals.brainvision_header import read_brainvision_header
from biot.signals.channels import kind
from biot.signals.foreign import in_the_name_of
from biot.signals.recording import Annotation, Array, Recording
from biot.signals.units import conversion

__all__ = ["FORMATS", "read_with_mne"]

FORMATS = {
    ".vhdr": ("BrainVision recording", "read_raw_brainvision"),
    ".fif": ("continuous FIF recording", "read_raw_fif"),
    ".set": ("continuous EEGLAB recording", "read_raw_eeglab"),
}
"""Suffix: what the file should be, and MNE's function for it."""

_FIFF_UNITS = {107: "V", 112: "T", 114: "C", 201: "T/m"}


def read_with_mne(path: Path) -> Recording:
    """Open a BrainVision, FIF (raw) or EEGLAB (continuous) file.

    What MNE warns of is passed on with the file's name. Channels that the file marks as bad are
    missing: their samples are NaN.

    Raises
    ------
    RecordingError
        If MNE cannot read the file, or its last sample.
    MissingDependencyError
        If MNE is not installed.
    """
    format_name, function = FORMATS[path.suffix.lower()]
    with in_the_name_of(path, format_name):
        mne = require("mne", extra="signals")
        raw = getattr(mne.io, function)(path, preload=False, verbose="WARNING")
        if raw.n_times:
            raw.get_data(start=raw.n_times - 1, verbose="WARNING")
    if not raw.n_times or not raw.ch_names:
        raise RecordingError(f"{path.name}: holds no signal.")
    return _recording(path, raw, _conversions(path, raw))


def _conversions(path: Path, raw: Any) -> list[tuple[float, str]]:
    """For each channel: what MNE's numbers are multiplied by, and the unit they are in then."""
    declared: dict[str, str] = {}
    if path.suffix.lower() == ".vhdr":
        header = read_brainvision_header(path)
        if header.n_times not in (None, raw.n_times):
            raise RecordingError(
                f"{path.name}: announces {header.n_times} samples, but its data file holds "
                f"{raw.n_times}. Copy the data file again from its source."
            )
        declared = dict(zip(raw.ch_names, header.units, strict=False))
    result = []
    for channel, mne_type in zip(raw.info["chs"], raw.get_channel_types(), strict=True):
        name = channel["ch_name"]
        named = kind(name)
        channel_kind = mne_type if named == "misc" else named
        in_si = "" if mne_type == "stim" else _FIFF_UNITS.get(int(channel["unit"]), "")
        if in_si != "V" and declared.get(name):
            # MNE brings siemens to SI too, and leaves every other unit as it is
            result.append((1e6 if declared[name] in ("µS", "uS") else 1.0, declared[name]))
        else:
            result.append(conversion(in_si, channel_kind))
    return result


def _recording(path: Path, raw: Any, conversions: list[tuple[float, str]]) -> Recording:
    factors = np.array([factor for factor, _ in conversions])[:, np.newaxis]
    bad = [raw.ch_names.index(name) for name in raw.info["bads"]]

    def read_samples(start: int, stop: int) -> Array:
        if start == stop:
            return np.empty((len(factors), 0), dtype=np.float32)
        with in_the_name_of(path, FORMATS[path.suffix.lower()][0]):
            data = raw.get_data(start=start, stop=stop, verbose="WARNING")
        data[bad] = np.nan
        return np.asarray(data * factors, dtype=np.float32)

    return Recording(
        path=path,
        ch_names=tuple(raw.ch_names),
        sfreq=float(raw.info["sfreq"]),
        n_times=int(raw.n_times),
        units=tuple(unit for _, unit in conversions),
        annotations=tuple(
            # MNE counts from the start of the measurement, which may lie before the first sample
            Annotation(float(a["onset"] - raw.first_time), float(a["duration"]), a["description"])
            for a in raw.annotations
        ),
        read_samples=read_samples,
    )
