"""`Predictions`: what a model says about each window of a recording, and its files."""

# R windows of a recording, K classes

from __future__ import annotations

import csv
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biot import plots
from biot.decision import Decision
from biot.errors import ConfigError, counted, require
from biot.events.detect import detect
from biot.events.event import Events
from biot.events.rules import EventRules
from biot.inference.tables import (
    FACTS,
    arrow_of,
    fields_of_arrow,
    fields_of_csv,
    plain_facts,
    value_columns,
)
from biot.io import atomic_file, shown_cell
from biot.preprocessing import Task

if TYPE_CHECKING:
    from biot.signals.recording import Annotation

__all__ = ["TABLE_SUFFIXES", "PredictionWarning", "Predictions"]

Floats = npt.NDArray[np.float64]

_ROWS_SHOWN = 10
"""Of the table in a notebook."""
TABLE_SUFFIXES = (".csv", ".parquet")
"""Endings of the tables that :meth:`Predictions.save` writes."""


class PredictionWarning(UserWarning):
    """What is to be known of a recording that was predicted; also in `Predictions.notes`."""


@dataclass(frozen=True, kw_only=True, repr=False)
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
    class_weights: tuple[float, ...] | None = None
    """Of the model's contract: by which probabilities are weighted where the largest decides."""
    in_training: bool | None = None
    """Whether the model learnt from this recording; None: nobody knows."""
    duration: float | None = None
    """Length of the recording in seconds; None: the last window's stop."""
    sfreq: float | None = None
    """Samples a second of the recording as it is stored, in Hz."""
    meas_date: datetime | None = None
    """When the recording's first sample was recorded, where it says so."""
    path: Path | None = None
    """File of the recording."""
    breaks: tuple[float, ...] = ()
    """Seconds at which a new segment begins: what lies before was recorded at another time."""
    events_rules: EventRules | None = None
    """How the model's probabilities become events, where that was tuned; see :meth:`to_events`."""
    notes: tuple[str, ...] = ()
    """What is to be known of the recording: flat channels, a rate below the model's, and the like;
    the metadata of a Parquet table hold them under ``notes``, as JSON."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def decision(self) -> Decision:
        """How :attr:`labels` follow from the probabilities."""
        return Decision(
            task=self.task, thresholds=self.thresholds, class_weights=self.class_weights
        )

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(R,) whether a window holds usable data, and so a label."""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1))

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """(R,) from when to when each window is drawn: of an overlap each has half."""
        halfway = (self.stop[:-1] + self.start[1:]) / 2
        begin = np.maximum(self.start, np.append(self.start[:1], halfway))
        return begin, np.minimum(self.stop, np.append(halfway, self.stop[-1:]))

    @property
    def labels(self) -> tuple[str, ...]:
        """(R,) what is said of each window; ``""`` without usable data.

        The class; or the tags that hold, joined by ``;``. Of a regression nothing is said.
        """
        if self.task == "regression":
            return ("",) * len(self)
        known = np.where(self.usable[:, None], self.probabilities, 0.0)
        said = self.decision.words(self.decision.decide(known), self.label_names)
        return tuple(text if usable else "" for text, usable in zip(said, self.usable, strict=True))

    def to_events(self, rules: EventRules | None = None, **changes: Any) -> Events:
        """Labelled stretches of time: what the probabilities of the windows amount to.

        The probability of a moment is the mean over the windows that cover it. No event reaches
        over a break, nor over time of which nothing is said.

        Parameters
        ----------
        rules
            How probabilities become events; None takes the model's own rules
            (:attr:`events_rules`), or the defaults of :class:`biot.EventRules`.
        **changes
            Rules that differ, by name: ``min_duration=2, background="rest"``.

        Returns
        -------
        Events
            In the order of time.

        Raises
        ------
        ConfigError
            If the model predicts numbers, or a rule is unknown or cannot be.
        """
        if rules is not None and not isinstance(rules, EventRules):
            raise ConfigError(f"rules must be EventRules, got {type(rules).__name__}.")
        chosen = (rules or self.events_rules or EventRules()).changed(**changes)
        events = detect(
            self.start, self.stop, self.probabilities, self.label_names, self.decision, chosen,
            breaks=self.breaks,
        )  # fmt: skip
        ends = float(self.stop.max()) if len(self) else 0.0
        return Events(
            name=self.name, events=events, label_names=self.label_names, sfreq=self.sfreq,
            duration=ends if self.duration is None else self.duration, meas_date=self.meas_date,
            background=chosen.background_among(self.label_names), path=self.path,
            rules=str(chosen),
        )  # fmt: skip

    def columns(self, also: Sequence[str] = ()) -> dict[str, list[Any]]:
        """The table: ``start``, ``stop``, ``label``, and ``p_<class>`` for each class or tag.

        Then what the label follows from, the same in every row: ``threshold`` of the second of two
        classes, ``threshold_<tag>``, or ``weight_<class>`` where the largest product of probability
        and weight decides. ``in_training`` is ``yes`` or ``no`` where that is known.

        Of a regression there is no label, and a column ``<name>`` for each number; one that is
        called ``start``, ``stop`` or ``in_training`` stands under ``predicted_<name>``, and where
        another number is called so, under ``predicted_predicted_<name>``. All is None in the rows
        without usable data. `also` are names of columns that a caller adds, which no number may
        have either.
        """
        table: dict[str, list[Any]] = {"start": self.start.tolist(), "stop": self.stop.tolist()}
        if self.task != "regression":
            table["label"] = [
                label if usable else None
                for label, usable in zip(self.labels, self.usable, strict=True)
            ]
        for column, values in zip(
            value_columns(self.label_names, self.task, also), self.probabilities.T, strict=True
        ):
            table[column] = [
                value if usable else None
                for value, usable in zip(values.tolist(), self.usable, strict=True)
            ]
        for column, number in self._rule().items():
            table[column] = [number] * len(self)
        if self.in_training is not None:
            table["in_training"] = ["yes" if self.in_training else "no"] * len(self)
        return table

    def _rule(self) -> dict[str, float]:
        """The numbers of the decision, by the names of their columns."""
        limits = self.decision.limits(len(self.label_names))
        if self.task == "classes" and limits is not None:
            return {"threshold": limits[0]}
        numbers, word = (self.class_weights, "weight") if limits is None else (limits, "threshold")
        return {f"{word}_{n}": x for n, x in zip(self.label_names, numbers or (), strict=False)}

    def save(self, path: str | Path) -> Path:
        """Write the table as ``.csv`` or ``.parquet``, whichever the name ends in."""
        path = Path(path)
        if path.suffix == ".parquet":
            return self.to_parquet(path)
        if path.suffix == ".csv":
            return self.to_csv(path)
        raise ConfigError(f"{path}: a table ends in {' or '.join(TABLE_SUFFIXES)}.")

    @classmethod
    def load(cls, path: str | Path, *, recording: str | None = None) -> Predictions:
        """Read a table that :meth:`save` wrote, or one recording of a table of many.

        Parquet keeps everything. A CSV keeps what its columns tell: windows, labels' names,
        rounded probabilities, the rule and `in_training`; the name is the file's, without suffix.

        Parameters
        ----------
        path
            The table; also ``predictions.parquet`` of a folder of many recordings.
        recording
            Name of the recording, as the column ``recording`` has it; needed where there are many.

        Raises
        ------
        ConfigError
            If the file is not there, or is no such table; if there are many recordings and none is
            named, or the one that is named is not among them.
        """
        path = Path(path)
        readers = {".parquet": fields_of_arrow, ".csv": fields_of_csv}
        if path.suffix not in readers:
            raise ConfigError(f"{path}: a table ends in {' or '.join(TABLE_SUFFIXES)}.")
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such file.")
        return cls(**readers[path.suffix](path, recording))

    def to_dataframe(self) -> Any:
        """:meth:`columns` as a ``pandas.DataFrame``; what is None there is missing.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pandas = require("pandas", extra="signals")
        columns = self.columns()
        kinds = {name: object if name in self.text_columns else "float64" for name in columns}
        return pandas.DataFrame({n: pandas.Series(v, dtype=kinds[n]) for n, v in columns.items()})

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Which of :meth:`columns` hold text; a number of a regression may be called ``label``."""
        own = () if self.task == "regression" else ("label",)
        return (*own, "in_training")

    def __repr__(self) -> str:
        end = self.stop[-1] if len(self) else 0.0
        unusable = int((~self.usable).sum())
        lost = f", {unusable} without usable data" if unusable else ""
        held = f"{counted(len(self), 'window')} in {end:g} s{lost}"
        return f"Predictions({self.name}: {held}; {self._found()})"

    def _found(self) -> str:
        """Windows of each class or tag, or the means of the numbers."""
        if self.task == "regression":
            known = self.probabilities[self.usable]
            means = known.mean(axis=0) if len(known) else np.full(len(self.label_names), np.nan)
            pairs = zip(self.label_names, means, strict=True)
            return ", ".join(f"{name} {mean:.4g} on average" for name, mean in pairs)
        said = [tag for label in self.labels for tag in label.split(";")]
        return ", ".join(f"{name} {said.count(name)}" for name in self.label_names)

    def _repr_html_(self) -> str:
        """For notebooks: what ``repr`` says, and the first rows."""
        head = f"<p>{html.escape(repr(self))}</p>"
        columns = self.columns()
        cells = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
        rows = [f"<tr>{cells}</tr>"]
        for row in list(zip(*columns.values(), strict=True))[:_ROWS_SHOWN]:
            shown = (f"{v:.4g}" if isinstance(v, float) else str(v or "") for v in row)
            rows.append(f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in shown)}</tr>")
        more = len(self) - _ROWS_SHOWN
        foot = f"<p>and {counted(more, 'more window')}</p>" if more > 0 else ""
        return f"{head}<table>{''.join(rows)}</table>{foot}"

    def to_csv(self, path: str | Path) -> Path:
        """Write :meth:`columns` as comma-separated UTF-8; None is an empty cell.

        A text that a spreadsheet would run is marked, and what would act on a terminal is escaped,
        see :func:`biot.io.shown_cell`.
        """
        path = Path(path)
        columns = self.columns()
        with (
            atomic_file(path) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(map(shown_cell, columns))
            cells = [_seconds if name in ("start", "stop") else self._cell for name in columns]
            for row in zip(*columns.values(), strict=True):
                writer.writerow([cell(value) for cell, value in zip(cells, row, strict=True)])
        return path

    def _cell(self, value: Any) -> Any:
        """Numbers of a regression to 9 digits, as many as float32 has; probabilities to 6.

        Thresholds are shortened as probabilities are, so that both still compare alike.
        """
        if not isinstance(value, float):
            return shown_cell(value)
        return float(f"{value:.9g}" if self.task == "regression" else f"{value:.6g}")

    def to_parquet(self, path: str | Path) -> Path:
        """Write :meth:`columns` as Parquet; None is a null. Its metadata say how it was decided."""
        path = Path(path)
        parquet = require("pyarrow.parquet", extra="corpus")
        notes = json.dumps(self.notes, ensure_ascii=False)
        facts = {"decision": self.decision.described(self.label_names), "notes": notes}
        if self.in_training is not None:
            facts["in_training"] = "yes" if self.in_training else "no"
        facts[FACTS.decode()] = json.dumps(plain_facts(self), ensure_ascii=False)
        table = arrow_of(self.columns(), self.text_columns, facts)
        with atomic_file(path) as partial:
            parquet.write_table(table, partial)
        return path

    def to_png(self, path: str | Path, *, truth: Sequence[Annotation] = ()) -> Path:
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
        learnt = " (the model learnt from this recording)" if self.in_training else ""
        limits = self.decision.limits(len(self.label_names))
        figure = plots.timeline(
            *self.shares,
            self.probabilities,
            self.label_names,
            self.labels,
            truth=[(event.onset, event.onset + event.duration, event.label) for event in truth],
            threshold=None if limits is None else limits[0],
            title=f"{self.name}{learnt}",
            note=f"Decision: {self.decision.described(self.label_names)}",
        )
        return plots.save_png(figure, path)


def _seconds(value: float) -> float:
    """To the microsecond."""
    return round(value, 6)
