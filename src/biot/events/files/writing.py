"""`write_events`: the events of a recording in the formats that other programs open."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from biot.errors import ConfigError, near_word, require
from biot.events.files.bids import bids_stem, write_bids
from biot.events.files.contents import FoundEvents, require_apart
from biot.events.files.edf import write_edf
from biot.events.files.hypnogram import require_stages, write_hypnogram
from biot.events.files.mne import write_mne
from biot.events.files.szcore import seizure_labels, write_szcore
from biot.events.files.wfdb import record_name, require_own, write_wfdb

__all__ = [
    "EVENT_FORMATS",
    "files_of_events",
    "formats_of",
    "require_event_files_free",
    "require_event_formats",
    "save_events",
    "write_events",
]

EVENT_FORMATS = ("bids", "edf", "mne", "szcore", "wfdb", "hypnogram")
"""Formats of :func:`write_events`."""

_WRITERS = {
    "bids": write_bids,
    "edf": write_edf,
    "mne": write_mne,
    "szcore": write_szcore,
    "wfdb": write_wfdb,
    "hypnogram": write_hypnogram,
}
_SUFFIXES = {
    ".tsv": "bids", ".edf": "edf", ".fif": "mne", ".csv": "mne", ".atr": "wfdb",
    ".txt": "hypnogram",
}  # fmt: skip
"""Which format a file of this suffix is of, unless another is named."""


def formats_of(text: str) -> tuple[str, ...]:
    """The formats in a list with commas, such as ``bids,edf``, each once.

    Raises
    ------
    ConfigError
        If one is unknown.
    """
    names = tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    _require_known(names or (text,))
    return names


def _require_known(formats: Iterable[str]) -> None:
    for name in formats:
        if name not in EVENT_FORMATS:
            raise ConfigError(
                f"events are not written as {name!r}.{near_word(name, EVENT_FORMATS)} "
                f"Formats: {', '.join(EVENT_FORMATS)} (--event-format)."
            )


def require_event_formats(
    formats: Sequence[str],
    label_names: Sequence[str],
    *,
    background: str | None = None,
    several: bool = False,
    seizure_label: Iterable[str] = (),
) -> None:
    """Refuse formats that cannot hold a model's labels, or want a package, before the work.

    Parameters
    ----------
    formats
        Of :data:`EVENT_FORMATS`.
    label_names, background
        Labels that events may have, and the one that makes none.
    several
        Whether several labels may hold at a time, as tags do.
    seizure_label
        Labels that mean a seizure; empty: those that do by their words.

    Raises
    ------
    ConfigError
        If a format is unknown, or cannot hold the labels.
    MissingDependencyError
        If the package that writes a format is not installed.
    """
    _require_known(formats)
    names = [name for name in label_names if name != background]
    if "szcore" in formats:
        seizure_labels(names, seizure_label)
    if "hypnogram" in formats:
        require_stages(label_names)
    for name in ("wfdb", "hypnogram"):
        if several and name in formats:
            raise ConfigError(
                f"the model predicts tags, several of which may hold at a time; {name} holds one "
                "label at a time. Write another format, such as bids or edf (--event-format)."
            )
    _require_packages(formats)


def _require_packages(formats: Sequence[str]) -> None:
    if "edf" in formats:
        require("edfio", extra="signals")
    if "mne" in formats:
        for package in ("mne", "pandas"):
            require(package, extra="signals")
    if "wfdb" in formats:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about its own use of pandas
            require("wfdb", extra="signals")


def files_of_events(formats: Sequence[str], stem: str) -> dict[str, list[str]]:
    """The names of the files that :func:`write_events` writes, by format.

    Parameters
    ----------
    formats
        Of :data:`EVENT_FORMATS`.
    stem
        Name of the recording without its suffix.
    """
    base = bids_stem(stem)
    names = {
        "bids": [f"{base}_events.tsv", f"{base}_events.json"],
        "edf": [f"{base}_events.edf"],
        "mne": [f"{base}_annot.fif", f"{base}_annot.csv"],
        "szcore": [f"{bids_stem(stem, 'szcore')}_events.tsv"],
        "wfdb": [f"{record_name(stem)}.atr"],
        "hypnogram": [f"{base}_hypnogram.txt"],
    }
    _require_known(formats)
    return {name: names[name] for name in dict.fromkeys(formats)}


def require_event_files_free(formats: Sequence[str], folder: str | Path, stem: str) -> None:
    """Raise ``ConfigError`` where :func:`write_events` would refuse to replace a file.

    Parameters
    ----------
    formats
        Of :data:`EVENT_FORMATS`.
    folder, stem
        As for :func:`write_events`.
    """
    for name in files_of_events(formats, stem).get("wfdb", ()):
        require_own(Path(folder) / name)


def write_events(
    events: FoundEvents,
    folder: str | Path,
    formats: Sequence[str],
    *,
    stem: str | None = None,
    seizure_label: Iterable[str] = (),
) -> list[Path]:
    """Write the events of one recording in several formats.

    Each file appears whole. One of the same name that we wrote before is replaced.

    Parameters
    ----------
    events
        An :class:`~biot.events.event.Events`.
    folder
        Where the files lie; it is made if needed.
    formats
        Of :data:`EVENT_FORMATS`.
    stem
        What their names begin with; None: the recording's name without its suffix.
    seizure_label
        For ``szcore``: labels that mean a seizure; empty: those that do by their words.

    Returns
    -------
    list of Path
        The files, in the order of `formats`.

    Raises
    ------
    ConfigError
        If a format is unknown, or cannot hold these events; nothing is written then.
    """
    folder = Path(folder)
    stem = Path(events.name).stem if stem is None else stem
    files = files_of_events(formats, stem)
    _require_fit(events, formats, seizure_label)
    targets = [folder / name for names in files.values() for name in names]
    for target in targets:
        _require_not_recording(events, target)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, (first, *others) in files.items():
        if name == "szcore":
            written += write_szcore(events, folder / first, seizure_label=seizure_label)
            continue
        written += _WRITERS[name](events, folder / first)
        if name == "mne":
            written += [path for other in others for path in write_mne(events, folder / other)]
    return written


def save_events(events: FoundEvents, path: str | Path, format_name: str | None = None) -> Path:
    """Write one file; its format follows from the suffix unless it is named.

    ``.tsv`` is ``bids``, ``.edf`` ``edf``, ``_annot.fif`` and ``_annot.csv`` ``mne``, ``.atr``
    ``wfdb``, ``.txt`` ``hypnogram``.

    Raises
    ------
    ConfigError
        If the format is unknown, or cannot hold these events.
    """
    path = Path(path)
    name = _SUFFIXES.get(path.suffix.lower()) if format_name is None else format_name
    if name is None:
        raise ConfigError(
            f"{path.name}: files of events end in {', '.join(_SUFFIXES)}. Or name the format: "
            f"{', '.join(EVENT_FORMATS)}."
        )
    _require_known([name])
    _require_fit(events, [name], ())
    _require_not_recording(events, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return _WRITERS[name](events, path)[0]


def _require_fit(events: FoundEvents, formats: Sequence[str], seizure_label: Iterable[str]) -> None:
    """Raise ``ConfigError`` where a format cannot hold these events."""
    labels = tuple(dict.fromkeys((*events.label_names, *(event.label for event in events.events))))
    if labels != (() if events.background is None else (events.background,)):
        require_event_formats(
            formats, labels, background=events.background, seizure_label=seizure_label
        )
    if "hypnogram" in formats:
        require_apart(events, "a hypnogram", within=1e-6)


def _require_not_recording(events: FoundEvents, target: Path) -> None:
    if events.path is not None and target.resolve() == events.path.resolve():
        raise ConfigError(
            f"{target}: is the recording itself. Write its events to another folder or name."
        )
