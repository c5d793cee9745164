"""Tables of predictions: to Arrow with all facts in the metadata, and back; and from CSV."""

# R windows of a recording, K classes
from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, counted, listed, require
from biot.events.rules import EventRules
from biot.io import true_cell

__all__ = [
    "BESIDE",
    "FACTS",
    "RECORDINGS",
    "arrow_of",
    "fields_of_arrow",
    "fields_of_csv",
    "fields_of_facts",
    "plain_facts",
    "require_package_of",
    "value_columns",
]

Floats = npt.NDArray[np.float64]

FACTS = b"biot_predictions"
"""Key of a Parquet table's metadata that holds the facts of its recording, as JSON."""
RECORDINGS = b"biot_recordings"
"""The same of a table of many recordings: a list with the facts of each, in the rows' order."""
BESIDE = ("recording", "subject")
"""Columns of a table of many recordings, before those of one recording's."""
_RESERVED = ("start", "stop", "in_training")
_IN_ROWS = ("start", "stop", "probabilities")
"""Fields that are columns of the table, not facts."""
_TUPLES = ("label_names", "thresholds", "class_weights", "breaks", "notes")


def value_columns(label_names: Sequence[str], task: str, also: Sequence[str] = ()) -> list[str]:
    """Names of the columns of the K probabilities or numbers, each a different one.

    `also` are names of columns that stand beside those of every table.
    """
    if task != "regression":
        return [f"p_{name}" for name in label_names]
    reserved = (*_RESERVED, *also)
    taken, columns = {*reserved, *label_names}, []
    for name in label_names:
        column = name
        if name in reserved:
            while column in taken:
                column = f"predicted_{column}"
            taken.add(column)
        columns.append(column)
    return columns


def plain_facts(predictions: Any) -> dict[str, Any]:
    """All that is known of a ``Predictions`` besides its rows, as JSON holds it."""
    plain = {}
    for one in fields(predictions):
        if one.name in _IN_ROWS:
            continue
        value = getattr(predictions, one.name)
        if isinstance(value, datetime):
            value = value.isoformat()
        if isinstance(value, EventRules):
            value = value.to_dict()
        plain[one.name] = str(value) if isinstance(value, Path) else value
    return plain


def fields_of_facts(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`plain_facts`."""
    found = dict(plain)
    for name in _TUPLES:
        if found.get(name) is not None:
            found[name] = tuple(found[name])
    if found.get("meas_date") is not None:
        found["meas_date"] = datetime.fromisoformat(found["meas_date"])
    if found.get("events_rules") is not None:
        found["events_rules"] = EventRules.from_dict(found["events_rules"])
    if found.get("path") is not None:
        found["path"] = Path(found["path"])
    return found


def require_package_of(path: Path) -> None:
    """Find out before the work, not after it, whether a table of this name can be written.

    Raises
    ------
    MissingDependencyError
        If it is to be Parquet, and pyarrow is not installed.
    """
    if path.suffix == ".parquet":
        require("pyarrow.parquet", extra="corpus")


def arrow_of(
    columns: Mapping[str, Sequence[Any]], texts: Sequence[str], metadata: Mapping[str, str]
) -> Any:
    """An Arrow table of columns of numbers, and of those that are `texts`."""
    pyarrow = require("pyarrow", extra="corpus")
    arrays = {}
    for name, values in columns.items():
        is_text = name in texts
        arrays[name] = pyarrow.array(
            values, type=pyarrow.string() if is_text else pyarrow.float64()
        )
    return pyarrow.table(arrays).replace_schema_metadata(dict(metadata))


def fields_of_arrow(path: Path, recording: str | None = None) -> dict[str, Any]:
    """Fields of :class:`Predictions` from a table that it wrote, or of one of many recordings.

    Raises
    ------
    ConfigError
        If it is none, or the recording is not in it.
    """
    parquet = require("pyarrow.parquet", extra="corpus")
    try:
        table = parquet.read_table(path)
        metadata = table.schema.metadata or {}
        also: tuple[str, ...] = ()
        if RECORDINGS in metadata:
            first, count, facts = _one_of_many(path, json.loads(metadata[RECORDINGS]), recording)
            table, also = table.slice(first, count), BESIDE
        else:
            facts = json.loads(metadata[FACTS])
            _require_called(path, facts["name"], recording)
        found = fields_of_facts(facts)
        names = value_columns(found["label_names"], found["task"], also)
        values = [_numbers(table[name].to_pylist()) for name in names]
        start, stop = (_numbers(table[name].to_pylist()) for name in ("start", "stop"))
    except ConfigError:  # a ValueError too
        raise
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ConfigError(
            f"{path}: is no Parquet table that Predictions.save wrote ({error}); a table of an "
            "earlier release lacks what is needed. Predict the recording again."
        ) from error
    return {**found, "start": start, "stop": stop, "probabilities": _stacked(values, len(start))}


def _one_of_many(
    path: Path, listing: Sequence[Mapping[str, Any]], recording: str | None
) -> tuple[int, int, Mapping[str, Any]]:
    """First row and number of rows of one recording in a table of many, and its facts."""
    predicted = [one for one in listing if one["facts"] is not None]
    names = [one["name"] for one in predicted]
    if recording is None and len(names) > 1:
        raise ConfigError(
            f"{path}: holds {counted(len(names), 'recording')}: {listed(names)}. Say which is "
            "meant, such as "
            f"recording={names[0]!r}."
        )
    name = names[0] if recording is None else recording
    if name not in names:
        lost = [one["reason"] for one in listing if one["name"] == name]
        why = f"could not be predicted ({lost[0]})" if lost else "is not in this table"
        raise ConfigError(f"{path}: {name!r} {why}. Predicted were {listed(names)}.")
    place = names.index(name)
    before = sum(one["n_windows"] for one in predicted[:place])
    return before, predicted[place]["n_windows"], predicted[place]["facts"]


def _require_called(path: Path, name: str, recording: str | None) -> None:
    if recording not in (None, name):
        raise ConfigError(f"{path}: holds one recording, {name!r}, and not {recording!r}.")


def fields_of_csv(path: Path, recording: str | None = None) -> dict[str, Any]:
    """The same from a CSV, as far as its columns tell.

    Raises
    ------
    ConfigError
        If the columns are not those of predictions, or a cell is no number.
    """
    _require_called(path, path.stem, recording)
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    names = [true_cell(name) for name in header]
    if names[:2] != ["start", "stop"] or any(len(row) != len(names) for row in rows):
        raise ConfigError(
            f"{path}: is no table that Predictions.save wrote: its columns are "
            f"{', '.join(names) or 'none'}, and start and stop come first there."
        )
    cells = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    said = cells.pop("in_training", ())
    try:
        start, stop = (_numbers(map(_number, cells.pop(name))) for name in ("start", "stop"))
        found = _read_rows(names, cells)
    except ValueError as error:
        raise ConfigError(f"{path}: a cell is no number ({error}).") from error
    values = found.pop("values")
    return {
        **found,
        "name": path.stem,
        "start": start,
        "stop": stop,
        "probabilities": _stacked(values, len(start)),
        "in_training": {"yes": True, "no": False}.get(said[0]) if said else None,
    }


def _read_rows(names: Sequence[str], cells: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Label names, task, decision and values, by the columns that there are."""
    is_decided = names[2:3] == ["label"] and any(name.startswith("p_") for name in cells)
    if not is_decided:
        numbers = {_number_name(name): _numbers(map(_number, cells[name])) for name in cells}
        return {"task": "regression", "label_names": tuple(numbers), "values": [*numbers.values()]}
    labels = tuple(name[2:] for name in cells if name.startswith("p_"))
    values = [_numbers(map(_number, cells[f"p_{name}"])) for name in labels]
    rules = {
        word: tuple(_first(cells[f"{word}_{name}"]) for name in labels)
        for word in ("threshold", "weight")
        if labels and all(f"{word}_{name}" in cells for name in labels)
    }
    found: dict[str, Any] = {"task": "classes", "label_names": labels, "values": values}
    if "threshold" in cells and len(labels) == 2:
        found["thresholds"] = _known((_first(cells["threshold"]),))
    elif "threshold" in rules:
        found |= {"task": "multilabel", "thresholds": _known(rules["threshold"])}
    elif "weight" in rules:
        found["class_weights"] = _known(rules["weight"])
    return found


def _known(numbers: tuple[float | None, ...]) -> tuple[float, ...] | None:
    known = tuple(number for number in numbers if number is not None)
    return known if len(known) == len(numbers) else None


def _first(cells: Sequence[str]) -> float | None:
    """What stands in every row; None where there is no row."""
    return _number(cells[0]) if cells else None


def _number_name(column: str) -> str:
    """What a number is called whose column was given another name."""
    plain = column
    while plain.startswith("predicted_"):
        plain = plain.removeprefix("predicted_")
    return plain if plain in _RESERVED else column


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _numbers(values: Any) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _stacked(values: Sequence[Floats], n_rows: int) -> Floats:
    return np.stack(values, axis=1) if values else np.empty((n_rows, 0))
