"""`Explanation`: what each part of a window speaks for, as a table, files and a figure."""

# C channels, S stretches, F bands, K classes, T samples

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biot import plots
from biot.errors import ConfigError, require
from biot.inference.explaining.figure import draw
from biot.inference.explaining.values import KINDS, ExplainedWindow
from biot.io import atomic_file, shown_cell, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPLANATION_SUFFIXES", "Explanation"]

EXPLANATION_SUFFIXES = (".json", ".csv")
"""Endings of the files that :meth:`Explanation.save` writes."""

_SHOWN = 5
"""Rows of each kind in the table that is printed."""
_HEADERS = ("part", "channel", "start", "stop", "band", "low", "high", "score")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Explanation(ExplainedWindow):
    """How much the target of one window loses when parts of it are missing.

    A score is the target's log-odds with the whole window less those without the part (of a
    regression: the number, less the number without it). Above 0 the part spoke for the target,
    below 0 against it. NaN: nothing of the part was recorded, or nothing is left without it.
    ``print()`` shows the strongest parts of each kind.
    """

    def to_dataframe(self) -> DataFrame:
        """:meth:`rows` as a ``pandas.DataFrame``.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        table: DataFrame = require("pandas", extra="signals").DataFrame(
            list(self.rows()), columns=_HEADERS
        )
        return table

    def to_dict(self) -> dict[str, Any]:
        """All but the signal as plain values for JSON; None stands for NaN."""
        scores = {
            name: _plain(getattr(self, name))
            for name in ("channel_scores", "stretch_scores", "cell_scores", "band_scores",
                         "channel_band_scores")
        }  # fmt: skip
        return {
            "recording": self.name, "start": self.start, "stop": self.stop, "task": self.task,
            "label": self.label, "target": self.target, "measure": self.measure,
            "baseline": self.baseline,
            "label_names": list(self.label_names), "probabilities": _plain(self.probabilities),
            "ch_names": list(self.ch_names), "absent": list(self.absent),
            "stretches": _plain(self.stretches),
            "bands": [{"name": b.name, "low": b.low, "high": b.high} for b in self.bands],
            **scores,
            "notes": list(self.notes),
        }  # fmt: skip

    def save(self, path: Path | str) -> Path:
        """Write :meth:`to_dict` as ``.json``, or :meth:`rows` as ``.csv``.

        Raises
        ------
        ConfigError
            If the name ends in neither.
        """
        path = Path(path)
        if path.suffix == ".json":
            write_json(path, self.to_dict())
        elif path.suffix == ".csv":
            with (
                atomic_file(path) as partial,
                partial.open("w", encoding="utf-8", newline="") as file,
            ):
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(_HEADERS)
                writer.writerows([_cell(value) for value in row] for row in self.rows())
        else:
            raise ConfigError(
                f"{path}: an explanation ends in {' or '.join(EXPLANATION_SUFFIXES)}."
            )
        return path

    def figure(self) -> Figure:
        """Signal and scores: channel × time, and bars of channels, stretches and bands.

        A map of the head joins them where eight channels or more lie at known places of the scalp.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        """
        return draw(self)

    def to_png(self, path: Path | str) -> Path:
        """Draw :meth:`figure` into a ``.png``."""
        path = Path(path)
        if path.suffix != ".png":
            raise ConfigError(f"{path}: a figure ends in .png.")
        return plots.save_png(self.figure(), path)

    def __str__(self) -> str:
        lines = [self.title, self._baseline_said(), "", self._table(), *self.notes]
        return "\n".join(lines)

    __repr__ = __str__

    def _baseline_said(self) -> str:
        if self.task == "regression":
            return f"A score is what is lost of {self.target} without the part."
        return (
            f"The {self.measure} are {self.baseline:.3f}; a score is what they lose without the "
            "part."
        )

    def _table(self) -> str:
        from tabulate import tabulate

        rows: list[tuple[str, ...]] = []
        found = list(self.rows())
        digits = "+.4g" if self.task == "regression" else "+.3f"
        for kind in KINDS:
            known = [row for row in found if row[0] == kind and np.isfinite(row[-1])]
            known.sort(key=lambda row: -abs(row[-1]))
            for number, row in enumerate(known[:_SHOWN]):
                first = _counted(kind, len(known)) if not number else ""
                rows.append((first, *_shown(row), f"{row[-1]:{digits}}"))
        if not rows:
            return "No part has a score."
        headers = ("without", "channel", "seconds", "band", "score")
        return tabulate(
            rows, headers=headers, disable_numparse=True, colalign=("left",) * 4 + ("right",)
        )


def _counted(kind: str, number: int) -> str:
    return kind if number <= _SHOWN else f"{kind}, {_SHOWN} of {number}"


def _shown(row: tuple[Any, ...]) -> tuple[str, ...]:
    _, channel, start, stop, band, low, high, _ = row
    seconds = f"{start:g} to {stop:g}" if np.isfinite(start) else ""
    # a band without a name of its own is called by its frequencies
    hertz = f"{band} ({low:g}-{high:g} Hz)" if band and not band.endswith(" Hz") else band
    return channel, seconds, hertz


def _plain(values: npt.NDArray[Any]) -> Any:
    """Lists of numbers, None for NaN."""
    return np.where(np.isfinite(values), values, np.array(None)).tolist()


def _cell(value: Any) -> Any:
    """Empty for NaN; numbers to 6 digits behind the point."""
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else ""
    return shown_cell(value)
