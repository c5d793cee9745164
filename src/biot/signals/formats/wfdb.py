"""WFDB records (PhysioNet), read through wfdb."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from biot.errors import RecordingError, require
from biot.signals.channels import kind
from biot.signals.formats.annotators import read_annotation_file
from biot.signals.formats.contained import in_the_name_of
from biot.signals.recording import Annotation, Array, Recording
from biot.signals.units import conversion

__all__ = [
    "read_wfdb",
]


def read_wfdb(path: Path) -> Recording:
    """Open a WFDB record by its header (``.hea``) or signal file (``.dat``, ``.mat``).

    Beats, rhythms and notes come from the ``.atr`` file beside it, if there is one; see
    :func:`biot.signals.formats.annotators.read_annotation_file`. Signals
    of which the record stores several samples a frame are averaged over each frame, with a
    warning.

    Raises
    ------
    RecordingError
        If the header or the signals cannot be read.
    MissingDependencyError
        If wfdb is not installed.
    """
    with in_the_name_of(path, "WFDB record"):
        wfdb = require("wfdb", extra="signals")
    record = path.with_suffix("")
    header_path = path.with_suffix(".hea")
    if not header_path.is_file():
        raise _without_header(path, header_path.name)
    header = _attempt(path, wfdb.rdheader, str(record))
    n_times = header.sig_len
    # the ends of the record show its channels, and that its signal files are complete
    ends = [(0, min(1, n_times)), (max(0, n_times - 1), n_times)] if n_times else [(0, None)]
    first, *_ = (_samples(path, wfdb, record, *end) for end in ends)
    if not first.sig_name or not first.p_signal.size:
        raise RecordingError(f"{path.name}: holds no signal.")
    _tell_of_averages(path, first)
    # a signal's description is optional
    names = [name or f"signal {i}" for i, name in enumerate(first.sig_name)]
    conversions = [
        conversion(unit or "", kind(name)) for unit, name in zip(first.units, names, strict=True)
    ]
    factors = np.array([factor for factor, _ in conversions])[:, np.newaxis]

    def read_samples(start: int, stop: int) -> Array:
        if start == stop:
            return np.empty((len(factors), 0), dtype=np.float32)
        if n_times:
            data = _samples(path, wfdb, record, start, stop).p_signal
        else:  # a header without length: wfdb cannot start in the middle
            data = first.p_signal[start:stop]
        return np.asarray(data.T * factors, dtype=np.float32)

    return Recording(
        path=path,
        ch_names=tuple(names),
        sfreq=float(first.fs),
        n_times=n_times or len(first.p_signal),
        units=tuple(unit for _, unit in conversions),
        declared=tuple(unit or "" for unit in first.units),
        annotations=_annotations(path, float(first.fs), n_times or len(first.p_signal)),
        meas_date=header.base_datetime,  # None where date or time is not said
        read_samples=read_samples,
    )


def _samples(path: Path, wfdb: Any, record: Path, start: int, stop: int | None) -> Any:
    return _attempt(path, wfdb.rdrecord, str(record), sampfrom=start, sampto=stop)


def _attempt(path: Path, function: Any, *args: Any, **options: Any) -> Any:
    with in_the_name_of(path, "WFDB record"):
        return function(*args, **options)


def _without_header(path: Path, header: str) -> RecordingError:
    way_out = "Put it beside the file."
    if _is_text(path):
        way_out = (
            "It holds text: if it is a table of samples, call it .txt, and write a line with the "
            "names of its columns above."
        )
    return RecordingError(
        f"{path.name}: is read as a WFDB record, whose header {header} is missing. {way_out}"
    )


def _is_text(path: Path) -> bool:
    """Whether a file begins with lines of numbers or words."""
    with path.open("rb") as file:
        first = file.read(2000)
    return b"\n" in first and re.fullmatch(rb"[\t\n\r -~]+", first) is not None


def _tell_of_averages(path: Path, record: Any) -> None:
    per_frame = getattr(record, "samps_per_frame", None) or []
    dense = [
        f"{name} ({n * record.fs:g} Hz)"
        for name, n in zip(record.sig_name, per_frame, strict=False)
        if n > 1
    ]
    if dense:
        warnings.warn(
            f"{path.name}: stores {', '.join(dense)} beside signals of {record.fs:g} Hz; all are "
            f"read at {record.fs:g} Hz, the faster ones averaged.",
            stacklevel=4,
        )


def _annotations(path: Path, sfreq: float, n_times: int) -> tuple[Annotation, ...]:
    file = path.with_suffix(".atr")
    if not file.is_file():
        return ()
    return read_annotation_file(file, sfreq, n_times / sfreq, record=path.name)
