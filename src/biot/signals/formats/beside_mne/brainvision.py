"""What MNE does not keep of a BrainVision header, and data files that are text (ASCII)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, require
from biot.signals.channels import kind
from biot.signals.formats.headers import header_text
from biot.signals.recording import Annotation
from biot.signals.units import conversion

__all__ = [
    "AsciiFile",
    "BrainVisionHeader",
    "is_ascii",
    "read_ascii",
    "read_brainvision_header",
    "require_sampling_interval",
]


@dataclass(frozen=True)
class BrainVisionHeader:
    """A part of a BrainVision header file."""

    names: tuple[str, ...]
    resolutions: tuple[float, ...]
    """What the stored numbers of each channel are multiplied by; 1 where none is written."""
    units: tuple[str, ...]
    """Unit of each channel in order; empty where none is written."""
    n_times: int | None
    """Samples that the header announces; None if it does not."""


@dataclass(frozen=True)
class AsciiFile:
    """A recording whose samples are text."""

    ch_names: tuple[str, ...]
    sfreq: float
    data: npt.NDArray[np.float32]
    """(n_chans, n_times) in `units`."""
    units: tuple[str, ...]
    annotations: tuple[Annotation, ...]
    meas_date: datetime | None
    """When the first sample was recorded, as the first marker says."""


def read_brainvision_header(path: Path) -> BrainVisionHeader:
    """Read channels and length from a header file (.vhdr)."""
    text = header_text(path)
    # each channel: ChN=<name>,<reference>,<resolution>,<unit>; a comma in a name is \1
    channels = re.findall(r"^Ch\d+=([^\r\n]*)", _section(text, "Channel Infos"), re.MULTILINE)
    fields = [[*channel.split(","), "", "", ""] for channel in channels]
    length = re.search(r"^DataPoints=(\d+)", _section(text, "Common Infos"), re.MULTILINE)
    return BrainVisionHeader(
        names=tuple(field[0].strip().replace("\\1", ",") for field in fields),
        resolutions=tuple(_number(path, field[2].strip() or "1") for field in fields),
        units=tuple(field[3].strip() for field in fields),
        n_times=int(length[1]) if length else None,
    )


def require_sampling_interval(path: Path) -> None:
    """Raise ``RecordingError`` where the time between samples in a header is not above 0."""
    found = _entry(_section(header_text(path), "Common Infos"), "SamplingInterval")
    if found and not _number(path, found) > 0:
        raise RecordingError(
            f"{path.name}: SamplingInterval must be the time between samples in µs, above 0; the "
            f"header says {found!r}. Correct it there: 1000 µs are 1000 Hz."
        )


def is_ascii(path: Path) -> bool:
    """Whether the header says that the samples are text."""
    return _entry(_section(header_text(path), "Common Infos"), "DataFormat").upper() == "ASCII"


def read_ascii(path: Path) -> AsciiFile:
    """Read a recording whose samples are text, a line a channel or a line a sample.

    Lines and columns that the header says to skip are skipped; a decimal comma is understood where
    it names one. Numbers are multiplied by the resolution of their channel, as MNE does.

    Raises
    ------
    RecordingError
        If the header lacks what is needed, or the numbers are not as many as it says.
    FileNotFoundError
        If the data file is missing.
    """
    text = header_text(path)
    common, ascii_part = _section(text, "Common Infos"), _section(text, "ASCII Infos")
    header = read_brainvision_header(path)
    interval = _number(path, _entry(common, "SamplingInterval") or "0")  # in µs
    if not header.names or not interval > 0:
        raise RecordingError(
            f"{path.name}: its header names {len(header.names)} channels and a SamplingInterval "
            f"of {interval:g} µs; both are needed. Copy it again from its source."
        )
    sfreq = 1e6 / interval
    numbers = _numbers(path, _beside(path, _entry(common, "DataFile")), ascii_part)
    if _entry(common, "DataOrientation").upper() != "VECTORIZED":
        numbers = numbers.T
    found = numbers.shape
    if found[0] != len(header.names) or header.n_times not in (None, found[1]):
        announced = "" if header.n_times is None else f" of {header.n_times} samples"
        raise RecordingError(
            f"{path.name}: announces {len(header.names)} channels{announced}, but its data file "
            f"holds {found[0]} of {found[1]}. DataOrientation, SkipLines and SkipColumns in "
            f"{path.name} must be as in the data file; else copy that again from its source."
        )
    made = [conversion(u, kind(n)) for u, n in zip(header.units, header.names, strict=True)]
    factors = np.array([factor for factor, _ in made]) * header.resolutions
    return AsciiFile(
        ch_names=header.names,
        sfreq=sfreq,
        data=np.asarray(numbers * factors[:, np.newaxis], dtype=np.float32),
        units=tuple(unit for _, unit in made),
        annotations=_markers(path, _entry(common, "MarkerFile"), sfreq),
        meas_date=_start(path, _entry(common, "MarkerFile")),
    )


def _numbers(path: Path, data_file: Path, ascii_part: str) -> npt.NDArray[np.float64]:
    """The numbers of the data file, in its lines and columns."""
    skip_lines = int(_number(path, _entry(ascii_part, "SkipLines") or "0"))
    skip_columns = int(_number(path, _entry(ascii_part, "SkipColumns") or "0"))
    decimal = _entry(ascii_part, "DecimalSymbol") or "."
    lines = header_text(data_file).splitlines()[skip_lines:]
    lines = [line for line in lines if line.strip()]
    first = lines[0] if lines else ""
    # between numbers stands a semicolon, a comma that is no decimal one, or spaces and tabs
    separator = ";" if ";" in first else "," if decimal != "," and "," in first else None

    def rest(line: str) -> Iterator[str]:
        line = line.strip(f" \t{separator or ''}")
        cells = line.split(separator, skip_columns)
        if len(cells) > skip_columns:
            yield cells[skip_columns].replace(decimal, ".")

    if not lines:
        raise RecordingError(f"{path.name}: its data file {data_file.name} holds no numbers.")
    rows = (cells for line in lines for cells in rest(line))
    try:
        return np.loadtxt(rows, delimiter=separator, comments=None, ndmin=2)
    except ValueError as error:
        raise RecordingError(
            f"{path.name}: its data file {data_file.name} holds other text than numbers, or lines "
            f"of different lengths ({error}). DecimalSymbol, SkipLines and SkipColumns in "
            f"{path.name} must be as in the data file."
        ) from error


def _markers(path: Path, name: str, sfreq: float) -> tuple[Annotation, ...]:
    if not name:
        return ()
    mne = require("mne", extra="signals")
    found = mne.read_annotations(_beside(path, name), sfreq=sfreq)
    return tuple(
        Annotation(float(a["onset"]), float(a["duration"]), str(a["description"])) for a in found
    )


def _start(path: Path, name: str) -> datetime | None:
    """The date of the first marker, ``Mk1=New Segment,,1,1,0,20131113161403794232``."""
    text = header_text(_beside(path, name)) if name else ""
    found = re.search(r"^Mk1=(?:[^,\r\n]*,){5}(\d{20})", text, re.MULTILINE)
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M%S%f").replace(tzinfo=UTC) if found else None
    except ValueError:  # all zeros, where nobody says
        return None


def _beside(path: Path, name: str) -> Path:
    """The file that a header names; of a set that was renamed, the one named as the header is."""
    named = path.with_name(Path(name.replace("$b", path.stem) or "?").name)
    renamed = path.with_suffix(named.suffix)
    if named.is_file() or not renamed.is_file() or renamed == path:
        if not named.is_file():
            raise FileNotFoundError(2, "No such file", str(named))
        return named
    return renamed


def _entry(section: str, name: str) -> str:
    found = re.search(rf"^{name}[ \t]*=([^\r\n]*)", section, re.MULTILINE | re.IGNORECASE)
    return found[1].strip() if found else ""


def _number(path: Path, text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise RecordingError(
            f"{path.name}: its header says {text!r} where a number is needed. Correct it there."
        ) from None


def _section(text: str, name: str) -> str:
    parts = re.split(rf"^\[{name}\]", text, maxsplit=1, flags=re.MULTILINE | re.IGNORECASE)
    return re.split(r"^\[", parts[-1], maxsplit=1, flags=re.MULTILINE)[0] if parts[1:] else ""
