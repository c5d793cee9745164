"""XDF files of LabStreamingLayer, through pyxdf: one stream of signals, and the markers.

C. Kothe et al., https://github.com/sccn/xdf/wiki/Specifications
"""

from __future__ import annotations

import gzip
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, counted, require
from biot.signals.channels import kind
from biot.signals.formats.contained import in_the_name_of
from biot.signals.recording import Annotation, Recording
from biot.signals.units import conversion

__all__ = ["XDF_NAME", "XDF_SUFFIXES", "read_xdf"]

XDF_NAME = "XDF recording"
XDF_SUFFIXES = (".xdf", ".xdfz")

_GZIP = b"\x1f\x8b"
_TOLERANCE = 0.01
"""Part by which the rate that was kept may differ from the one that is announced."""
_BREAK_SECONDS, _BREAK_SAMPLES = 1, 5
"""Longer between two samples than both is a break; less is delay on the way."""
_MARKERS = ("marker", "event", "trigger", "stim", "annotation")
"""Words in the types of streams whose numbers are labels."""


def read_xdf(path: Path) -> Recording:
    """Open an XDF file.

    Read is the stream of type EEG, else the only one of regular rate; streams of text, and others
    of markers, are annotations, their times counted in samples of that stream. Clocks of streams
    are brought together, and time stamps smoothed, by pyxdf. A break of more than a second, and
    more than five samples, begins a new segment.

    Raises
    ------
    RecordingError
        If it is damaged, or it is not certain which stream is meant.
    MissingDependencyError
        If pyxdf is not installed.
    """
    with in_the_name_of(path, XDF_NAME):
        pyxdf = require("pyxdf", extra="xdf")
        with _opened(path) as file:
            found = pyxdf.resolve_streams(file)
        chosen = _chosen(path, found)
        marks = [s for s in found if s is not chosen and _is_marks(s)]
        _tell_of_others(chosen, [s for s in found if s is not chosen and s not in marks])
        numbers = [int(s["stream_id"]) for s in (chosen, *marks)]
        with _opened(path) as file, _told_of_damage():
            streams, _ = pyxdf.load_xdf(
                file,
                select_streams=numbers,
                jitter_break_threshold_seconds=_BREAK_SECONDS,
                jitter_break_threshold_samples=_BREAK_SAMPLES,
            )
        by_number = {int(s["info"]["stream_id"]): s for s in streams}
        return _recording(path, by_number[numbers[0]], [by_number[n] for n in numbers[1:]])


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's content; it may be compressed whatever its name says."""
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
        file.seek(0)
        if not is_packed:
            yield file
            return
        with gzip.open(file) as unpacked:
            yield unpacked  # type: ignore[misc]


class _Kept(logging.Handler):
    """Keeps messages about damage, which pyxdf logs and does not raise."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _told_of_damage() -> Iterator[None]:
    """Warn of chunks that pyxdf could not read, such as the last one of a recorder that died."""
    kept, logger = _Kept(), logging.getLogger("pyxdf")
    said, logger.propagate = logger.propagate, False
    logger.addHandler(kept)
    try:
        yield
    finally:
        logger.removeHandler(kept)
        logger.propagate = said
    if kept.messages:
        warnings.warn(
            f"is damaged or was cut off: {counted(len(kept.messages), 'part is', 'parts are')} "
            f"unreadable and left out (pyxdf says: {kept.messages[0].rstrip('.')})",
            stacklevel=2,
        )


def _is_marks(stream: dict[str, Any]) -> bool:
    if stream["channel_format"] == "string":
        return True
    named = (stream["type"] or "").lower()
    return stream["nominal_srate"] == 0 and any(word in named for word in _MARKERS)


def _chosen(path: Path, streams: list[dict[str, Any]]) -> dict[str, Any]:
    """The stream of signals that is meant."""
    regular = [s for s in streams if s["nominal_srate"] > 0 and s["channel_format"] != "string"]
    of_eeg = [s for s in regular if (s["type"] or "").strip().lower() == "eeg"]
    for candidates in (of_eeg, regular):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            break
    listed = "; ".join(map(_described, streams)) or "none"
    if not regular:
        raise RecordingError(
            f"{path.name}: holds no stream of signals with a regular rate. Its streams: {listed}."
        )
    raise RecordingError(
        f"{path.name}: holds several streams of signals, and not one alone is of type EEG: "
        f"{listed}. Read the one that you mean with pyxdf, and hand it over with "
        "Recording.from_array, or save it in a file of its own."
    )


def _described(stream: dict[str, Any]) -> str:
    rate = f"{stream['nominal_srate']:g} Hz" if stream["nominal_srate"] else "no regular rate"
    return (
        f"{stream['name'] or 'no name'} (type {stream['type'] or 'none'}, "
        f"{stream['channel_count']} channels, {rate})"
    )


def _tell_of_others(chosen: dict[str, Any], others: list[dict[str, Any]]) -> None:
    if others:
        warnings.warn(
            f"read is the stream {_described(chosen)}; left out are "
            f"{'; '.join(map(_described, others))}",
            stacklevel=2,
        )


def _recording(path: Path, stream: dict[str, Any], marks: list[dict[str, Any]]) -> Recording:
    data, stamps = np.asarray(stream["time_series"]), np.asarray(stream["time_stamps"])
    if not data.size:
        raise RecordingError(f"{path.name}: its stream {_name(stream)} holds no sample.")
    sfreq = _rate(stream)
    names, units = _channels(stream, data.shape[1])
    made = [conversion(unit, kind(name)) for unit, name in zip(units, names, strict=True)]
    factors = np.array([factor for factor, _ in made])
    starts = {int(first) for first, _ in stream["info"]["segments"]}
    starts |= {int(i) + 1 for i in np.flatnonzero(np.diff(stamps) <= 0)}  # a clock set back
    return Recording.from_array(
        (data * factors).T,
        ch_names=names,
        sfreq=sfreq,
        units=[unit for _, unit in made],
        annotations=_annotations(marks, np.maximum.accumulate(stamps), sfreq),
        starts=sorted(starts | {0}),
        path=path,
    )


def _rate(stream: dict[str, Any]) -> float:
    """The rate announced, or the one kept where it is another."""
    nominal = float(stream["info"]["nominal_srate"][0])
    kept = float(stream["info"]["effective_srate"] or 0)
    if not kept > 0 or abs(kept - nominal) <= _TOLERANCE * nominal:
        return nominal
    warnings.warn(
        f"its stream {_name(stream)} announces {nominal:g} Hz, but its time stamps say "
        f"{kept:.4g} Hz, which is taken",
        stacklevel=2,
    )
    return kept


def _channels(stream: dict[str, Any], n: int) -> tuple[list[str], list[str]]:
    """Name and unit of each channel, as the stream describes them."""
    described: Any = stream["info"]
    for key in ("desc", "channels"):
        described = ((described or {}).get(key) or [None])[0]
        described = described if isinstance(described, dict) else {}
    rows = [row if isinstance(row, dict) else {} for row in described.get("channel", [])]
    if rows and len(rows) != n:
        warnings.warn(
            f"its stream {_name(stream)} describes {counted(len(rows), 'channel')} and holds {n}; "
            "the "
            "description is not used",
            stacklevel=2,
        )
        rows = []
    rows = rows or [{} for _ in range(n)]
    kind_of = str((stream["info"].get("type") or [None])[0] or "signal")
    names = [_text(row, "label") or _text(row, "name") for row in rows]
    named = [name or f"{kind_of} {i + 1}" for i, name in enumerate(names)]
    return named, [_text(row, "unit") for row in rows]


def _text(row: dict[str, Any], key: str) -> str:
    return str((row.get(key) or [None])[0] or "").strip()


def _name(stream: dict[str, Any]) -> str:
    return str((stream["info"].get("name") or [None])[0] or "without a name")


def _annotations(
    marks: list[dict[str, Any]], stamps: npt.NDArray[np.float64], sfreq: float
) -> list[Annotation]:
    """Each text or number of a marker as an annotation, at its place among the samples."""
    found = []
    for stream in marks:
        for at, values in zip(stream["time_stamps"], stream["time_series"], strict=True):
            # smoothed time stamps carry the error of their fit
            onset = round(_place(float(at), stamps, sfreq), 6) / sfreq
            found += [Annotation(onset, 0.0, label) for label in map(_label, values) if label]
    return sorted(found, key=lambda a: a.onset)


def _place(at: float, stamps: npt.NDArray[np.float64], sfreq: float) -> float:
    """The sample, with a fraction, that was taken at a time; before and after count at the rate."""
    if at < stamps[0]:
        return (at - float(stamps[0])) * sfreq
    if at > stamps[-1]:
        return len(stamps) - 1 + (at - float(stamps[-1])) * sfreq
    return float(np.interp(at, stamps, np.arange(len(stamps))))


def _label(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if not np.isfinite(value):
        return ""
    return f"{int(value)}" if value == int(value) else f"{value:g}"
