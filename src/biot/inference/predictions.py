"""`Predictions`: what a model says about each window of a recording, and its files."""

# R windows of a recording, K classes

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biot import plots
from biot.errors import ConfigError, require
from biot.io import atomic_file, safe_cell
from biot.preprocessing import Task, decide

if TYPE_CHECKING:
    from biot.signals.recording import Annotation

__all__ = ["TABLE_SUFFIXES", "PredictionWarning", "Predictions"]

Floats = npt.NDArray[np.float64]

TABLE_SUFFIXES = (".csv", ".parquet")
"""Endings of the tables that :meth:`Predictions.save` writes."""


class PredictionWarning(UserWarning):
    """What is to be known of a recording that was predicted; also in `Predictions.notes`."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """One row for every window of a recording, in the order of time."""

    name: str
    """Of the recording."""
    start: Floats
    """(R,) seconds from the recording's first sample."""
    stop: Floats
    """(R,) seconds; the recording's end where the last window reaches beyond it."""
    probabilities: Floats
    """(R, K), or the numbers of a regression; NaN where a window holds no usable data."""
    label_names: tuple[str, ...]
    """Names of the K classes, tags or numbers."""
    task: Task = "classes"
    """What was predicted."""
    thresholds: tuple[float, ...] | None = None
    """Of the model's contract: from which probability on the second of two classes, or each tag,
    is said to hold."""
    notes: tuple[str, ...] = ()
    """What is to be known of the recording: flat channels, a rate below the model's, and the like;
    the metadata of a Parquet table hold them under ``notes``, as JSON."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(R,) whether a window holds usable data, and so a label."""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1))

    @property
    def labels(self) -> tuple[str, ...]:
        """(R,) what is said of each window; ``""`` without usable data.

        The class; or the tags that hold, joined by ``;``. Of a regression nothing is said.
        """
        if self.task == "regression":
            return ("",) * len(self)
        known = np.where(self.usable[:, None], self.probabilities, 0.0)
        decided = decide(known, self.task, self.thresholds)
        if self.task == "classes":
            said = [self.label_names[index] for index in decided]
        else:
            names = np.array(self.label_names, dtype=object)
            said = [";".join(names[held > 0]) for held in decided]
        return tuple(text if usable else "" for text, usable in zip(said, self.usable, strict=True))

    def columns(self) -> dict[str, list[Any]]:
        """The table: ``start``, ``stop``, ``label``, and ``p_<class>`` for each class or tag.

        Of a regression there is no label, and a column ``<name>`` for each number; one that is
        called ``start`` or ``stop`` stands under ``predicted_start`` or ``predicted_stop``, since
        the times keep their columns. All is None in the rows without usable data.
        """
        table: dict[str, list[Any]] = {"start": self.start.tolist(), "stop": self.stop.tolist()}
        prefix = "" if self.task == "regression" else "p_"
        if prefix:
            table["label"] = [
                label if usable else None
                for label, usable in zip(self.labels, self.usable, strict=True)
            ]
        for name, values in zip(self.label_names, self.probabilities.T, strict=True):
            column = f"predicted_{name}" if f"{prefix}{name}" in table else f"{prefix}{name}"
            table[column] = [
                value if usable else None
                for value, usable in zip(values.tolist(), self.usable, strict=True)
            ]
        return table

    def save(self, path: Path) -> Path:
        """Write the table as ``.csv`` or ``.parquet``, whichever the name ends in."""
        if path.suffix == ".parquet":
            return self.to_parquet(path)
        if path.suffix == ".csv":
            return self.to_csv(path)
        raise ConfigError(f"{path}: a table ends in {' or '.join(TABLE_SUFFIXES)}.")

    def to_csv(self, path: Path) -> Path:
        """Write :meth:`columns` as comma-separated UTF-8; None is an empty cell.

        A text that a spreadsheet would run is marked, see :func:`biot.io.safe_cell`.
        """
        columns = self.columns()
        with (
            atomic_file(path) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(map(safe_cell, columns))
            for row in zip(*columns.values(), strict=True):
                writer.writerow([_cell(value) for value in row])
        return path

    def to_parquet(self, path: Path) -> Path:
        """Write :meth:`columns` as Parquet; None is a null."""
        pyarrow = require("pyarrow", extra="corpus")
        parquet = require("pyarrow.parquet", extra="corpus")
        kinds = {} if self.task == "regression" else {"label": pyarrow.string()}
        arrays = {
            name: pyarrow.array(values, type=kinds.get(name, pyarrow.float64()))
            for name, values in self.columns().items()
        }
        table = pyarrow.table(arrays)
        notes = json.dumps(self.notes, ensure_ascii=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), "notes": notes})
        with atomic_file(path) as partial:
            parquet.write_table(table, partial)
        return path

    def to_png(self, path: Path, *, truth: Sequence[Annotation] = ()) -> Path:
        """Draw probabilities and labels over time; `truth` adds a strip of known events.

        Where windows overlap, they share the overlap half and half.

        Raises
        ------
        ConfigError
            If tags or numbers were predicted: a timeline shows one class a window.
        """
        if self.task != "classes":
            raise ConfigError(
                f"{path}: a timeline shows classes; this model predicts "
                f"{'tags' if self.task == 'multilabel' else 'numbers'}. Write a table instead."
            )
        halfway = (self.stop[:-1] + self.start[1:]) / 2
        figure = plots.timeline(
            np.maximum(self.start, np.append(self.start[:1], halfway)),
            np.minimum(self.stop, np.append(halfway, self.stop[-1:])),
            self.probabilities,
            self.label_names,
            truth=[(event.onset, event.onset + event.duration, event.label) for event in truth],
            title=self.name,
        )
        return plots.save_png(figure, path)


def _cell(value: Any) -> Any:
    """Numbers to the microsecond and the millionth; texts as a spreadsheet may have them."""
    return round(value, 6) if isinstance(value, float) else safe_cell(value)
