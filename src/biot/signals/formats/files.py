"""Which files of a folder are recordings of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from biot.signals.formats.bids import tables_of
from biot.signals.formats.headers import header_text
from biot.signals.formats.mne import FORMATS, goes_on_in
from biot.signals.formats.xdf import XDF_SUFFIXES

__all__ = [
    "SPREADSHEETS",
    "SUFFIXES",
    "TABLES",
    "UNREAD",
    "files_in",
    "files_of",
    "is_spreadsheet",
    "recordings_in",
    "suffix_of",
]

SUFFIXES = (".edf", ".bdf", *FORMATS, ".hea", *XDF_SUFFIXES)
"""Suffixes of the files that a folder is searched for, one a recording.

Tables and NumPy archives are read when they are named: in a folder they may be anything.
"""


TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".npz")
"""Suffixes of the tables and archives that a folder is searched for where that is asked for."""


SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
"""Suffixes of tables that are to be saved as CSV, of recordings and of labels."""


UNREAD = (
    ".acq", ".cnt", ".lay", ".mefd", ".mff", ".ncs", ".nwb", ".nxe", ".snirf", ".trc",
)  # fmt: skip
"""Suffixes of recordings in formats that are not supported; in a folder they are told of."""


_NOT_RAW = ("derivatives", "sourcedata", "code", "stimuli")
"""Folders of a BIDS data set that hold no raw recording."""


_LONGEST_NAME = 255
"""Bytes of a file's name, on every common system."""


# By the names that MNE asks for: events, averages, projections and the like, without samples.
_NO_SIGNAL = re.compile(r".*[-_](?:eve|ave|cov|proj|ica|fwd|inv|src|bem|sol|trans|dip)")


_SPREADSHEET_BYTES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


# Tables that lie beside recordings and hold none: those of BIDS, and the Empatica E4's tags.
_NO_SAMPLES = re.compile(
    r"(?:.*_)?(?:events|channels|electrodes|scans|sessions|participants|samples)\.tsv|tags\.csv",
    re.IGNORECASE,
)


def suffix_of(path: Path) -> str:
    """The suffix that tells a file's format, in lower case; ``.csv.gz`` is one."""
    suffix = path.suffix.lower()
    return f"{Path(path.stem).suffix.lower()}{suffix}" if suffix == ".gz" else suffix


def is_spreadsheet(path: Path) -> bool:
    """Whether a table is a spreadsheet: by its suffix, or its first bytes if it is called CSV."""
    suffix = path.suffix.lower()
    if suffix in SPREADSHEETS:
        return True
    if suffix not in (".csv", ".tsv") or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in _SPREADSHEET_BYTES


def recordings_in(folder: str | Path, *, tables: bool = False) -> list[Path]:
    """The recordings in a folder and below, sorted; links are followed.

    Tables and NumPy archives (:data:`TABLES`) are among them if `tables` is set, save for the
    tables of BIDS, which hold no samples.

    A link to nothing, such as a file that git-annex has not fetched, is among them, so that
    reading it tells. Left out are hidden files and folders, the segments of WFDB records that are
    there whole, the further parts of split FIF files, FIF files that by their names hold no
    samples, and what a BIDS data set keeps beside its raw data.
    """
    folder = Path(folder)
    is_bids = (folder / "dataset_description.json").is_file()
    wanted = (*SUFFIXES, *TABLES) if tables else SUFFIXES
    found = []
    for path in files_in(folder):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in inside)
        beside = is_bids and inside[0] in _NOT_RAW
        if suffix_of(path) not in wanted or hidden or beside or path.is_dir():
            continue
        if not _NO_SAMPLES.fullmatch(path.name):
            found.append(path)
    # a table that is called like a recording beside it holds labels of that
    others = {path.with_suffix("") for path in found if suffix_of(path) in SUFFIXES}
    found = [p for p in found if suffix_of(p) in SUFFIXES or p.with_suffix("") not in others]
    segments = {segment for path in found for segment in _wfdb_segments(path)}
    return [path for path in found if path not in segments and not _is_fif_part(path)]


def files_in(folder: Path) -> list[Path]:
    """All files and folders below a folder, sorted; a link that leads back up is not followed."""
    return sorted(_below(folder, ()))


def _below(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    above = (*above, os.path.realpath(folder))
    for path in folder.iterdir():
        yield path
        if path.is_dir() and os.path.realpath(path) not in above:
            yield from _below(path, above)


def _wfdb_segments(path: Path) -> list[Path]:
    """Headers of the segments that a multi-segment WFDB header names."""
    if path.suffix.lower() != ".hea":
        return []
    if not path.is_file():
        return []
    text = path.read_text(encoding="latin-1")
    lines = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    if not lines or "/" not in lines[0][0]:
        return []
    # a name of its own is a record of zero segments; "~" stands for a gap
    return _beside(path, (f"{line[0]}{path.suffix}" for line in lines[1:] if line[0] != "~"))


def _beside(path: Path, names: Iterable[str]) -> list[Path]:
    """Files of these names in the folder of another; what cannot be a file's name is left out."""
    return [
        path.with_name(name)
        for name in names
        if name not in ("", ".", "..")
        and not re.search(r"[/\0]", name)
        and len(os.fsencode(name)) <= _LONGEST_NAME
    ]


def _is_fif_part(path: Path) -> bool:
    """Whether a FIF file is read with another one, or holds no samples."""
    if path.suffix.lower() != ".fif":
        return False
    if _NO_SIGNAL.fullmatch(path.stem) is not None:
        return True
    stems = re.sub(r"-\d+$", "", path.stem), re.sub(r"_split-\d+_", "_split-01_", path.stem)
    firsts = [path.with_name(f"{stem}{path.suffix}") for stem in stems if stem != path.stem]
    return any(first.is_file() and goes_on_in(first, path) for first in firsts)


def files_of(path: Path) -> list[Path]:
    """The file of a recording, and those beside it that are read with it, sorted.

    These are the data and marker files that a BrainVision header names, the signals, segments and
    annotations of a WFDB record, the ``.fdt`` of EEGLAB, the further parts of a split FIF file, and
    BIDS tables of channels and events. What does not exist is left out.
    """
    suffix = path.suffix.lower()
    found = {path, *tables_of(path)}
    if suffix == ".vhdr":
        found |= _of_brainvision(path)
    elif suffix in (".hea", ".dat", ".mat"):
        found |= _of_wfdb(path.with_suffix(".hea"))
    elif suffix == ".set":
        found.add(path.with_suffix(".fdt"))
    elif suffix == ".fif":
        found |= set(path.parent.glob(f"{_plain(path.stem)}-[0-9]*{path.suffix}"))
        if "_split-01_" in path.name:
            pattern = _plain(path.name).replace("_split-01_", "_split-[0-9]*_")
            found |= set(path.parent.glob(pattern))
    return sorted(file for file in found if file.is_file())


def _plain(text: str) -> str:
    """The text as a pattern that matches itself only."""
    return re.sub(r"([*?\[])", r"[\1]", text)


def _of_brainvision(path: Path) -> set[Path]:
    if not path.is_file():
        return set()
    text = header_text(path)
    pairs = [line.partition("=") for line in text.splitlines()]
    names = {n.strip() for key, _, n in pairs if key.strip() in ("DataFile", "MarkerFile")}
    named = _beside(path, (name.replace("$b", path.stem) for name in names))
    # of a set that was renamed, MNE takes the file that is named as the header is
    return {file if file.is_file() else path.with_suffix(file.suffix) for file in named}


def _of_wfdb(record: Path) -> set[Path]:
    """The files that a header names, those of its segments too, and its annotations."""
    found: set[Path] = set()
    headers = [record]
    while headers:
        header = headers.pop()
        if header in found or not header.is_file():
            continue
        found |= {header, header.with_suffix(".atr")}
        text = header_text(header)
        lines = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
        names = [line[0] for line in lines[1:] if line[0] != "~"]
        if lines and "/" in lines[0][0]:  # a record of several segments names records
            headers += _beside(header, (f"{name}.hea" for name in names))
        else:
            found |= set(_beside(header, names))
    return found
