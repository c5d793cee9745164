"""Events as BIDS derivatives: ``…_desc-biot_events.tsv`` and the JSON that explains its columns.

https://bids-specification.readthedocs.io/en/stable/modality-specific-files/task-events.html
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from biot.errors import ConfigError
from biot.events.files.contents import FoundEvents, in_order, label_of, one_line
from biot.io import atomic_file, read_json, safe_cell, write_json

__all__ = ["bids_stem", "cell", "write_bids", "write_dataset_description"]

_SUFFIX = re.compile(r"_(?:eeg|ieeg|meg|emg|ecg|nirs|motion|physio|beh)$", re.IGNORECASE)
"""What a recording's name ends in by BIDS; the files about it have the same name without it."""
_DESC = re.compile(r"_desc-([A-Za-z0-9+]+)")
_BIDS_VERSION = "1.10.0"
_DECIMALS = 6


def bids_stem(stem: str, desc: str = "biot") -> str:
    """What files about a recording are named, up to the last word.

    ``sub-01_task-rest_eeg`` gives ``sub-01_task-rest_desc-biot``: entities stay in their order,
    and ``desc``, which is the last, follows them. One that is there already is kept in its label.
    """
    base = _SUFFIX.sub("", stem)
    there = _DESC.search(base)
    return f"{_DESC.sub('', base)}_desc-{there[1] if there else ''}{desc}"


def cell(text: str) -> str:
    """A text as a cell of a table: on one line, and nothing that a spreadsheet would run."""
    return str(safe_cell(one_line(text)))


def write_bids(events: FoundEvents, path: Path) -> list[Path]:
    """Write ``X_events.tsv``, and ``X_events.json`` beside it.

    Columns are ``onset`` and ``duration`` in seconds, ``trial_type`` and ``confidence``; and
    ``channel`` where an event names channels. Without events the table has its header only.
    """
    found = in_order(events)
    of_channels = any(event.channels for event in found)
    columns = ["onset", "duration", "trial_type", "confidence", *["channel"] * of_channels]
    with (
        atomic_file(path) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        for event in found:
            certain = "n/a" if event.confidence is None else round(event.confidence, _DECIMALS)
            row = [_seconds(event.onset), _seconds(event.duration), cell(label_of(event)), certain]
            channels = ",".join(event.channels) or "n/a"
            writer.writerow([*row, *[cell(channels)] * of_channels])
    sidecar = path.with_suffix(".json")
    write_json(sidecar, _described(events, of_channels))
    return [path, sidecar]


def _seconds(value: float) -> float:
    return round(float(value), _DECIMALS)


def _described(events: FoundEvents, of_channels: bool) -> dict[str, Any]:
    """The JSON beside the table: its columns, and where they come from."""
    names = dict.fromkeys((*events.label_names, *(event.label for event in events.events)))
    levels = {
        cell(name or "n/a"): f"predicted: {name or 'n/a'}"
        for name in names
        if name != events.background
    }
    columns: dict[str, Any] = {
        "onset": {"Description": "Start, counted from the first sample.", "Units": "s"},
        "duration": {"Description": "Length.", "Units": "s"},
        "trial_type": {
            "LongName": "Predicted label",
            "Description": "What a model predicts of this stretch; nobody has checked it.",
            "Levels": levels,
        },
        "confidence": {
            "Description": "Mean probability of the label over the event, from 0 to 1.",
        },
    }
    if of_channels:
        columns["channel"] = {"Description": "Channels of the event.", "Delimiter": ","}
    if events.path is not None:
        columns["Sources"] = [events.path.name]
    made_by = {"Name": "biot", **({"Description": events.rules} if events.rules else {})}
    return {
        **columns,
        "GeneratedBy": [made_by],
        "RecordingDuration": round(events.duration, _DECIMALS),
    }


def write_dataset_description(folder: Path, *, version: str, name: str = "Events by biot") -> Path:
    """Write ``dataset_description.json`` of a folder of derivatives, unless one is there.

    Parameters
    ----------
    folder
        The folder that holds the files of events, or folders of them.
    version
        Of this package.
    name
        Title of the data set.

    Raises
    ------
    ConfigError
        If the folder holds one of a data set that is no derivative: a folder of recordings.
    """
    path = folder / "dataset_description.json"
    if path.exists():
        kind = read_json(path, ConfigError).get("DatasetType", "raw")
        if kind != "derivative":
            raise ConfigError(
                f"{path}: describes a data set of the kind {kind!r}, which may not hold "
                "predictions. Choose another folder for them (--out)."
            )
        return path
    write_json(
        path,
        {
            "Name": name,
            "BIDSVersion": _BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "biot", "Version": version}],
        },
    )
    return path
