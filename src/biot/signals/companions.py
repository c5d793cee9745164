"""Which files on disk one recording consists of."""

from __future__ import annotations

import re
from pathlib import Path

from biot.signals.bids import tables_of
from biot.signals.brainvision_header import header_text

__all__ = ["files_of"]


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
    names = re.findall(r"^(?:DataFile|MarkerFile)\s*=\s*(.+?)\s*$", text, flags=re.MULTILINE)
    named = {path.parent / name.replace("$b", path.stem) for name in names}
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
            headers += [header.with_name(f"{name}.hea") for name in names]
        else:
            found |= {header.with_name(name) for name in names}
    return found
