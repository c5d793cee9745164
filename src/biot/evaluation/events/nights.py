"""`score_nights`: how well sleep was staged, night by night."""

# S stages, N nights
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biot.errors import ConfigError
from biot.evaluation.events.night_tables import nights_text
from biot.evaluation.events.sleep import SleepStatistics, sleep_statistics, stage_of
from biot.evaluation.metrics import (
    ClassScores,
    Floats,
    Ints,
    confusion_counts,
    count_scores,
    draw_intervals,
    per_class,
    share,
)
from biot.evaluation.plain import without_nan
from biot.events.stages import STAGES

__all__ = [
    "Agreement",
    "Night",
    "NightScores",
    "SleepEvaluation",
    "epoch_of",
    "score_nights",
]

_LIMIT = 1.96  # standard deviations to either side that hold 95 % of normal differences


@dataclass(frozen=True, kw_only=True)
class Night:
    """True and predicted stages of one recording, an epoch each."""

    name: str
    subject: str
    true: tuple[str, ...]
    """Stage of each epoch, by any published name; ``""`` where nobody scored it."""
    predicted: tuple[str, ...]
    """The same as the model says; ``""`` where it says nothing."""
    epoch: float = 30.0
    """Length of an epoch in seconds."""

    @classmethod
    def of_windows(
        cls,
        name: str,
        subject: str,
        start: Floats,
        epoch: float,
        true: Sequence[str],
        predicted: Sequence[str],
    ) -> Night:
        """A night from windows that begin at `start` (seconds, ascending), an epoch each.

        It begins with the first window; an epoch without one is not scored.
        """
        places = np.rint((start - start[0]) / epoch).astype(int)
        grid = np.full((2, int(places[-1]) + 1), "", dtype=object)
        grid[0, places], grid[1, places] = true, predicted
        return cls(
            name=name, subject=subject, epoch=epoch,
            true=tuple(grid[0]), predicted=tuple(grid[1]),
        )  # fmt: skip


def epoch_of(start: Floats, window: float) -> float:
    """Seconds between the starts of most windows; of a single one its length, `window`."""
    apart = np.diff(start)
    apart = apart[apart > 0]
    return float(np.median(apart)) if len(apart) else window


@dataclass(frozen=True, kw_only=True)
class NightScores:
    """How one night was staged, over the epochs that both score."""

    name: str
    subject: str
    n_epochs: int
    """Epochs with a true and a predicted stage."""
    kappa: float
    """Cohen's kappa; NaN where fewer than two stages occur."""
    accuracy: float
    true: SleepStatistics
    predicted: SleepStatistics

    @property
    def undefined(self) -> str | None:
        """Why kappa is NaN."""
        if math.isfinite(self.kappa):
            return None
        return "no epoch that both score" if self.n_epochs == 0 else "one true stage"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A statistic of the nights, true and predicted (Bland and Altman 1986)."""

    true: float
    """Mean over the nights in which both are defined; NaN without any."""
    predicted: float
    difference: float
    """Mean of predicted minus true."""
    sd: float
    """Standard deviation of the differences; NaN for fewer than two nights."""
    n_nights: int

    @property
    def limits(self) -> tuple[float, float]:
        """Limits of agreement: the mean difference ∓ 1.96 standard deviations."""
        return self.difference - _LIMIT * self.sd, self.difference + _LIMIT * self.sd


@dataclass(frozen=True, kw_only=True)
class SleepEvaluation:
    """How well sleep was staged; ``str()`` gives tables, `to_dict` plain values."""

    nights: tuple[NightScores, ...]
    confusion: Ints
    """(S, S) epochs of all nights; row: true stage, column: predicted stage."""
    stages: tuple[ClassScores, ...]
    """How each of :data:`biot.events.stages.STAGES` fared."""
    kappa_interval: tuple[float, float] | None
    """95 % bootstrap interval over subjects of the mean kappa a night; None for one subject."""
    notes: tuple[str, ...] = ()

    @property
    def kappas(self) -> Floats:
        """(N,) Cohen's kappa of each night."""
        return np.array([night.kappa for night in self.nights])

    @property
    def pooled_kappa(self) -> float:
        """Cohen's kappa of all epochs together."""
        return float(count_scores(self.confusion)["cohen_kappa"])

    @property
    def agreement(self) -> dict[str, Agreement]:
        """Each statistic of :class:`SleepStatistics`, true beside predicted."""
        both = [(night.true.to_dict(), night.predicted.to_dict()) for night in self.nights]
        return {name: _agreement([(t[name], p[name]) for t, p in both]) for name in both[0][0]}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: what is undefined is None."""
        kappas = self.kappas[np.isfinite(self.kappas)]
        stages = zip(STAGES, self.stages, strict=True)
        plain: dict[str, Any] = without_nan(
            {
                "n_nights": len(self.nights),
                "n_subjects": len({night.subject for night in self.nights}),
                "n_epochs": int(self.confusion.sum()),
                "stages": {name: vars(scores) for name, scores in stages},
                "confusion": self.confusion.tolist(),
                "pooled_kappa": self.pooled_kappa,
                "kappa": {
                    "mean": float(kappas.mean()) if len(kappas) else math.nan,
                    "sd": float(kappas.std(ddof=1)) if len(kappas) > 1 else math.nan,
                    "interval": self.kappa_interval,
                    "n_nights": len(kappas),
                },
                "nights": {night.name: _night_dict(night) for night in self.nights},
                "agreement": {
                    name: {**vars(one), "limits": one.limits}
                    for name, one in self.agreement.items()
                },
                "notes": self.notes,
            }
        )
        return plain

    def __str__(self) -> str:
        return nights_text(self.to_dict())


def score_nights(
    nights: Sequence[Night], *, n_bootstrap: int = 1000, seed: int = 0, notes: Sequence[str] = ()
) -> SleepEvaluation:
    """Confusion of stages, Cohen's kappa a night, and statistics of the nights.

    Epochs that either side did not score count for neither, so that both statistics of a night are
    of the same epochs.

    Raises
    ------
    ConfigError
        If there is no night, one has sides of different lengths, or a label is no stage.
    """
    if not nights:
        raise ConfigError("There is no night to score.")
    found, counts = [], []
    for night in nights:
        true, said = _paired(night)
        index = [(STAGES.index(t), STAGES.index(p)) for t, p in zip(true, said, strict=True) if t]
        pairs = np.array(index, dtype=np.int64).reshape(-1, 2)
        table = confusion_counts(pairs[:, 0], pairs[:, 1], len(STAGES))
        scores = count_scores(table)
        counts.append(table)
        found.append(
            NightScores(
                name=night.name, subject=night.subject, n_epochs=len(pairs),
                kappa=float(scores["cohen_kappa"]), accuracy=float(scores["accuracy"]),
                true=sleep_statistics(true, night.epoch),
                predicted=sleep_statistics(said, night.epoch),
            )
        )  # fmt: skip
    confusion = np.sum(counts, axis=0)
    return SleepEvaluation(
        nights=tuple(found),
        confusion=confusion,
        stages=per_class(confusion),
        kappa_interval=_interval(found, n_bootstrap, seed),
        notes=tuple(notes),
    )


def _paired(night: Night) -> tuple[list[str], list[str]]:
    """Both sides as stages; ``""`` in both where either is not scored."""
    if len(night.true) != len(night.predicted):
        raise ConfigError(
            f"{night.name}: {len(night.true)} true epochs, but {len(night.predicted)} predicted."
        )
    sides = [[stage_of(label) for label in side] for side in (night.true, night.predicted)]
    for side, labels in zip(sides, (night.true, night.predicted), strict=True):
        if None in side:
            raise ConfigError(
                f"{night.name}: {labels[side.index(None)]!r} is no stage of sleep; stages are "
                f"{', '.join(STAGES)} and their published names."
            )
    pairs = [(t, p) if t and p else ("", "") for t, p in zip(*sides, strict=True)]
    return [true for true, _ in pairs], [said for _, said in pairs]


def _interval(
    nights: Sequence[NightScores], n_bootstrap: int, seed: int
) -> tuple[float, float] | None:
    """Of the mean kappa; a subject is drawn with all its nights."""
    names, owner = np.unique([night.subject for night in nights], return_inverse=True)
    kappas = np.array([night.kappa for night in nights])
    known = np.isfinite(kappas).astype(np.float64)

    def means(draws_RS: Ints) -> dict[str, Floats]:
        weights = draws_RS[:, owner]
        return {"kappa": share(weights @ np.nan_to_num(kappas), weights @ known)}

    found = draw_intervals(means, len(names), n_bootstrap, seed)
    return None if found is None else found["kappa"]


def _agreement(pairs: Sequence[tuple[float, float]]) -> Agreement:
    both = np.array([pair for pair in pairs if all(map(math.isfinite, pair))]).reshape(-1, 2)
    if not len(both):
        nan = math.nan
        return Agreement(true=nan, predicted=nan, difference=nan, sd=nan, n_nights=0)
    apart = both[:, 1] - both[:, 0]
    return Agreement(
        true=float(both[:, 0].mean()),
        predicted=float(both[:, 1].mean()),
        difference=float(apart.mean()),
        sd=float(apart.std(ddof=1)) if len(apart) > 1 else math.nan,
        n_nights=len(both),
    )


def _night_dict(night: NightScores) -> Mapping[str, Any]:
    return {
        "subject": night.subject,
        "n_epochs": night.n_epochs,
        "kappa": night.kappa,
        "accuracy": night.accuracy,
        "undefined": night.undefined,
        "true": night.true.to_dict(),
        "predicted": night.predicted.to_dict(),
    }
