"""`OperatingCurve`: what each threshold would find, and how often it would be wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biot import plots
from biot.evaluation.events.counts import Counts
from biot.evaluation.events.rules import EventScoring
from biot.evaluation.events.scores import score_events
from biot.evaluation.metrics import Floats
from biot.evaluation.plain import without_nan
from biot.events.event import Events

__all__ = ["OperatingCurve", "OperatingPoint", "operating_curve", "thresholds_of"]

_MOST = 40  # thresholds of a curve


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """What one threshold gives."""

    threshold: float | None
    """Probability from which on an event begins; None: the model's decision."""
    sensitivity: float
    precision: float
    f1: float
    fp_per_day: float

    @classmethod
    def of(cls, threshold: float | None, counts: Counts) -> OperatingPoint:
        """The scores of counts."""
        return cls(
            threshold=threshold, sensitivity=counts.sensitivity, precision=counts.precision,
            f1=counts.f1, fp_per_day=counts.fp_per_day,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OperatingCurve:
    """Event scores over thresholds, of all recordings pooled."""

    points: tuple[OperatingPoint, ...]
    """By ascending threshold."""
    chosen: OperatingPoint
    """That of the rules in use."""
    rules: str
    """These rules in plain words."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        plain: dict[str, Any] = without_nan(
            {
                "points": [vars(point) for point in self.points],
                "chosen": vars(self.chosen),
                "rules": self.rules,
            }
        )
        return plain

    def to_png(self, path: str | Path, *, title: str = "") -> Path:
        """Draw sensitivity against false positives a day, the rules in use marked."""
        figure = plots.sensitivity_curve(
            [point.fp_per_day for point in self.points],
            [point.sensitivity for point in self.points],
            [point.threshold or 0.0 for point in self.points],
            chosen=(self.chosen.fp_per_day, self.chosen.sensitivity),
            title=title or "Sensitivity against false positives",
            note=f"Marked: {self.rules}.",
        )
        return plots.save_png(figure, path)


def operating_curve(
    reference: Sequence[Events],
    events_at: Callable[[float | None], Sequence[Events]],
    thresholds: Sequence[float],
    scoring: EventScoring,
    *,
    rules: str,
    recorded: Mapping[str, float] | None = None,
) -> OperatingCurve:
    """Scores at each threshold.

    Parameters
    ----------
    reference
        Events of each recording.
    events_at
        The events that are predicted from a threshold on; None: by the rules in use.
    thresholds
        Probabilities to try.
    scoring
        When an event counts as found.
    rules
        The rules in use, in plain words.
    recorded
        As in :func:`~biot.evaluation.events.scores.score_events`.
    """

    def point(threshold: float | None) -> OperatingPoint:
        found = score_events(
            reference, events_at(threshold), scoring, recorded=recorded, n_bootstrap=0
        )
        return OperatingPoint.of(threshold, found.events.counts)

    return OperatingCurve(
        points=tuple(point(threshold) for threshold in sorted(set(thresholds))),
        chosen=point(None),
        rules=rules,
    )


def thresholds_of(probabilities: Floats) -> list[float]:
    """Thresholds at which much changes: quantiles of the probabilities that occur, and even steps.

    Parameters
    ----------
    probabilities
        Of the labels that make events; NaN does not count.
    """
    known = probabilities[np.isfinite(probabilities)]
    shares = 1 - np.geomspace(1, 1e-4, _MOST // 2)  # dense where few windows lie above
    quantiles = np.quantile(known, shares) if len(known) else np.empty(0)
    steps = np.linspace(0.025, 0.975, _MOST // 2)
    return sorted({round(float(p), 6) for p in (*quantiles, *steps) if 0 < p <= 1})
