"""`from_mne`: what MNE holds in memory, and how its numbers are understood."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from biot.errors import RecordingError, require
from biot.signals.channels import kind
from biot.signals.formats.beside_mne.brainvision import (
    is_ascii,
    read_ascii,
    read_brainvision_header,
    require_sampling_interval,
)
from biot.signals.formats.beside_mne.eeglab import as_eeglab_means, require_hdf5_reader
from biot.signals.formats.beside_mne.gdf import NEW_SEGMENT, read_gdf_header, with_event_table
from biot.signals.formats.beside_mne.joins import starts_of
from biot.signals.formats.contained import contained, in_the_name_of
from biot.signals.preprocess import is_missing
from biot.signals.recording import Annotation, Array, ReadSamples, Recording
from biot.signals.units import conversion, tell_of_amplitudes

__all__ = [
    "FORMATS",
    "from_mne",
    "goes_on_in",
    "is_epochs",
    "is_raw",
    "read_with_mne",
    "recording_of_epochs",
    "recording_of_raw",
    "units_of",
]

_FIFF_UNITS = {107: "V", 112: "T", 114: "C", 201: "T/m"}


Units = tuple[tuple[float, str], ...]
"""For each channel: what MNE's numbers are multiplied by, and the unit that they are in then."""


def from_mne(instance: Any) -> Recording:
    """A `Recording` of an MNE ``Raw`` or ``Epochs`` object.

    Samples are read from the object when they are asked for, so it should not be changed after.
    Channels that it marks as bad are missing. Where continuous data were joined (``boundary``) or
    paused (``New Segment/``), a new segment begins. Each epoch is a segment, with an annotation
    that bears the name of its event; dropped epochs are left out.

    Raises
    ------
    RecordingError
        If it is neither, or holds no sample.
    MissingDependencyError
        If MNE is not installed.
    """
    mne = require("mne", extra="signals")
    if isinstance(instance, mne.io.BaseRaw):
        return tell_of_amplitudes(recording_of_raw(instance, units_of(instance)))
    if isinstance(instance, mne.BaseEpochs):
        return tell_of_amplitudes(recording_of_epochs(instance, units_of(instance)))
    raise RecordingError(
        f"from_mne takes an MNE Raw or Epochs object, got {type(instance).__name__}. "
        "Use Recording.from_array for arrays."
    )


def is_raw(instance: object) -> bool:
    """Whether it is an MNE ``Raw`` object; MNE need not be installed to know."""
    return _is_of_mne(instance, "BaseRaw")


def is_epochs(instance: object) -> bool:
    """Whether it is an MNE ``Epochs`` object; MNE need not be installed to know."""
    return _is_of_mne(instance, "BaseEpochs")


def _is_of_mne(instance: object, name: str) -> bool:
    kinds = type(instance).__mro__
    return any(one.__name__ == name and one.__module__.startswith("mne.") for one in kinds)


def units_of(instance: Any, declared: Mapping[str, str] | None = None) -> Units:
    """Units of an MNE object's channels, `declared` being those that the file names itself."""
    result = []
    types = instance.get_channel_types()
    for channel, mne_type in zip(instance.info["chs"], types, strict=True):
        name = channel["ch_name"]
        named = kind(name)
        channel_kind = mne_type if named == "misc" else named
        in_si = "" if mne_type == "stim" else _FIFF_UNITS.get(int(channel["unit"]), "")
        written = (declared or {}).get(name, "")
        if in_si != "V" and written:
            # MNE brings siemens to SI too, and leaves every other unit as it is
            factor, unit = conversion(written, channel_kind)
            result.append((1e6 if written in ("µS", "uS") else factor, unit))
        else:
            result.append(conversion(in_si, channel_kind))
    return tuple(result)


def recording_of_raw(
    raw: Any, units: Units, *, path: Path | None = None, format_name: str = ""
) -> Recording:
    """A recording that reads from an MNE ``Raw`` object."""
    if not raw.n_times or not raw.ch_names:
        raise RecordingError(f"{_name(path)}: holds no signal.")

    def read(start: int, stop: int) -> Any:
        return raw.get_data(start=start, stop=stop, verbose="WARNING")

    annotations = tuple(
        # MNE counts from the start of the measurement, which may lie before the first sample
        Annotation(float(a["onset"] - raw.first_time), float(a["duration"]), a["description"])
        for a in raw.annotations
    )
    return Recording(
        path=path,
        ch_names=tuple(raw.ch_names),
        sfreq=float(raw.info["sfreq"]),
        n_times=int(raw.n_times),
        units=tuple(unit for _, unit in units),
        annotations=annotations,
        starts=starts_of(annotations, float(raw.info["sfreq"]), int(raw.n_times)),
        bad=_bad(raw),
        reference=_reference(raw.info),
        meas_date=_moved(raw.info["meas_date"], float(raw.first_time)),
        read_samples=_reader(raw, read, units, path, format_name),
    )


def recording_of_epochs(
    epochs: Any, units: Units, *, path: Path | None = None, format_name: str = ""
) -> Recording:
    """A recording that reads from an MNE ``Epochs`` object: each epoch is a segment."""
    if not getattr(epochs, "_bad_dropped", False):  # a copy is slow where it changes nothing
        with _named(path, format_name):
            epochs = epochs.copy().drop_bad(verbose="WARNING")
    length = len(epochs.times)
    if not len(epochs) or not epochs.ch_names:
        raise RecordingError(f"{_name(path)}: holds no epoch that was not dropped.")

    def read(start: int, stop: int) -> Any:
        first, last = start // length, -(-stop // length)
        data = epochs.get_data(item=np.arange(first, last), verbose="WARNING")
        joined = np.moveaxis(data, 1, 0).reshape(data.shape[1], -1)
        return joined[:, start - first * length : stop - first * length]

    return Recording(
        path=path,
        ch_names=tuple(epochs.ch_names),
        sfreq=float(epochs.info["sfreq"]),
        n_times=len(epochs) * length,
        units=tuple(unit for _, unit in units),
        annotations=tuple(_epoch_annotations(epochs, length)),
        starts=tuple(range(0, len(epochs) * length, length)),
        bad=_bad(epochs),
        reference=_reference(epochs.info),
        meas_date=_start_of_epochs(epochs),
        read_samples=_reader(epochs, read, units, path, format_name),
    )


def _moved(start: datetime | None, seconds: float) -> datetime | None:
    """A date so many seconds later; that of a measurement may lie before the data."""
    return None if start is None else start + timedelta(seconds=seconds)


def _start_of_epochs(epochs: Any) -> datetime | None:
    """When the first epoch began, where its place in the measurement is known."""
    raw_sfreq = getattr(epochs, "_raw_sfreq", None)
    if type(epochs).__name__ == "EpochsArray" or raw_sfreq is None:
        return None  # the samples of its events are none of a measurement
    rate = float(np.ravel(raw_sfreq)[0])  # MNE reads it from FIF as an array
    at = float(epochs.events[0, 0]) / rate + float(epochs.tmin)
    return _moved(epochs.info["meas_date"], at)


def _reference(info: Any) -> str | None:
    """What EEG was re-referenced to in MNE; None where it is as it was recorded."""
    if any(p["active"] and "Average EEG reference" in p["desc"] for p in info["projs"]):
        return "average"
    return "custom" if info["custom_ref_applied"] else None


def _epoch_annotations(epochs: Any, length: int) -> Iterator[Annotation]:
    """The name of each epoch's event over the epoch, and what in it is marked as missing."""
    sfreq = float(epochs.info["sfreq"])
    names = {code: name for name, code in epochs.event_id.items()}
    marks = epochs.get_annotations_per_epoch() if epochs.annotations else [()] * len(epochs)
    for i, code in enumerate(epochs.events[:, 2]):
        begin = i * length / sfreq
        yield Annotation(begin, length / sfreq, str(names.get(int(code), code)))
        for onset, duration, label, *_ in marks[i]:
            first = max(0.0, float(onset) - float(epochs.tmin))
            last = min(length / sfreq, float(onset) - float(epochs.tmin) + float(duration))
            mark = Annotation(begin + first, max(0.0, last - first), str(label))
            if is_missing(mark) and first < length / sfreq:
                yield mark


def _reader(
    instance: Any, read: Any, units: Units, path: Path | None, format_name: str
) -> ReadSamples:
    factors = np.array([factor for factor, _ in units])[:, np.newaxis]
    bad = [instance.ch_names.index(name) for name in _bad(instance)]

    def read_samples(start: int, stop: int) -> Array:
        if start == stop:
            return np.empty((len(factors), 0), dtype=np.float32)
        with _named(path, format_name):
            data = np.array(read(start, stop))  # a copy: the object may give its own
        data[bad] = np.nan
        return np.asarray(data * factors, dtype=np.float32)

    return read_samples


def _bad(instance: Any) -> tuple[str, ...]:
    return tuple(map(str, instance.info["bads"]))


def _named(path: Path | None, format_name: str) -> AbstractContextManager[None]:
    return nullcontext() if path is None else in_the_name_of(path, format_name)


def _name(path: Path | None) -> str:
    return "<recording in memory>" if path is None else path.name


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
        if suffix == ".vhdr":
            require_sampling_interval(path)
        if suffix == ".vhdr" and is_ascii(path):
            return _of_ascii(path)
        opened, of_epochs = _open(path, suffix)
        if of_epochs and len(opened):
            opened.get_data(item=[len(opened) - 1], verbose="WARNING")
        elif not of_epochs and opened.n_times:
            opened.get_data(start=opened.n_times - 1, verbose="WARNING")
    if suffix == ".gdf":
        return _of_gdf(path, opened, format_name)
    if suffix == ".fif" and not of_epochs and opened.first_samp > 0:
        _require_first_part(path, format_name)
    declared = _declared_units(path, opened) if suffix == ".vhdr" else {}
    units = units_of(opened, declared)
    make = recording_of_epochs if of_epochs else recording_of_raw
    recording = make(opened, units, path=path, format_name=format_name)
    if suffix == ".vhdr":  # where the header says none, it means µV
        written = tuple(declared.get(name) or "µV" for name in recording.ch_names)
        return replace(recording, declared=written)
    if suffix != ".set":
        return recording
    events = as_eeglab_means(recording.annotations)
    joins = starts_of(events, recording.sfreq, recording.n_times)
    return replace(recording, annotations=events, starts=recording.starts if of_epochs else joins)


def _of_ascii(path: Path) -> Recording:
    """A BrainVision recording whose data file is text."""
    found = read_ascii(path)
    return Recording.from_array(
        found.data,
        ch_names=found.ch_names,
        sfreq=found.sfreq,
        units=found.units,
        annotations=found.annotations,
        starts=starts_of(found.annotations, found.sfreq, found.data.shape[1]),
        path=path,
        meas_date=found.meas_date,
    )


def _of_gdf(path: Path, raw: Any, format_name: str) -> Recording:
    """A GDF recording: missing samples are NaN, events as its own table has them."""
    with in_the_name_of(path, format_name):
        header = read_gdf_header(path)
    recording = recording_of_raw(raw, header.units, path=path, format_name=format_name)
    events = header.annotations
    return replace(
        recording,
        annotations=events,
        starts=starts_of(events, recording.sfreq, recording.n_times, also=NEW_SEGMENT),
        read_samples=header.without_missing(recording.read_samples),
    )


def goes_on_in(first: Path, further: Path) -> bool:
    """Whether a FIF file names another one, of such a name, as a further part of its recording.

    Where the first cannot be read as raw data, its parts cannot be told from their names, and True
    is the answer.

    Raises
    ------
    MissingDependencyError
        If MNE is not installed.
    """
    try:
        parts = contained(_parts_of_fif, first, format_name=FORMATS[".fif"][0])
    except RecordingError:
        return True
    return further.resolve() in parts


def _require_first_part(path: Path, format_name: str) -> None:
    """Raise ``RecordingError`` for a part of a split recording that goes on from another file."""
    mne = require("mne", extra="signals")
    with in_the_name_of(path, format_name):
        tags = mne.io.show_fiff(path, tag=118)  # the names of other parts, and which those are
    if not re.search(r"FIFF_REF_ROLE .*= \[1\]", tags):
        return
    stem = re.sub(r"_split-\d+", "_split-01", re.sub(r"-\d+$", "", path.stem))
    first = path.with_name(f"{stem}{path.suffix}")
    if first.is_file() and first != path:
        raise RecordingError(
            f"{path.name}: is a further part of a recording that begins in another file. Name its "
            f"first file, {first.name}; the parts are read with it."
        )
    raise RecordingError(
        f"{path.name}: is a further part of a recording whose first file, {first.name} by its "
        "name, is missing. Put all parts beside each other under their own names."
    )


def _parts_of_fif(first: Path) -> set[Path]:
    mne = require("mne", extra="signals")
    with in_the_name_of(first, FORMATS[".fif"][0]):
        raw = mne.io.read_raw_fif(first, preload=False, verbose="ERROR")
    return {Path(file).resolve() for file in raw.filenames}


def _open(path: Path, suffix: str) -> tuple[Any, bool]:
    """MNE's object, and whether it is one of epochs."""
    mne = require("mne", extra="signals")
    if suffix == ".set":
        require_hdf5_reader(path)
    content = with_event_table(path) if suffix == ".gdf" else None
    if content is not None:
        return mne.io.read_raw_gdf(content, preload=True, verbose="WARNING"), False
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
