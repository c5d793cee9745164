"""What a cross-validation leaves: scores over folds, seeds and subjects, and their tables."""

# W windows, K outputs

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot import plots
from biot.corpus import Corpus
from biot.training.evaluation import Evaluation, assess, tabulated
from biot.training.folds import Fold
from biot.training.metrics import Floats, Ints
from biot.training.surroundings import write_json
from biot.training.tasks import Task, Truth

__all__ = ["Result", "Tested", "summary_table", "write_folds"]


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What the model of one fold says about its test windows."""

    seed: int
    fold: Fold
    rows: Ints
    truth: Truth
    predicted: Floats
    decided: Truth
    thresholds: tuple[float, ...] | None
    best_epoch: int | None


@dataclass(frozen=True, kw_only=True)
class Result:
    """Test windows of all folds and seeds."""

    corpus: Corpus
    task: Task
    tested: Sequence[Tested]

    def of_seeds(self) -> dict[int, Evaluation]:
        """All subjects' windows of a seed together."""
        seeds = dict.fromkeys(fold.seed for fold in self.tested)
        return {s: self._assess([f for f in self.tested if f.seed == s]) for s in seeds}

    def of_folds(self) -> list[dict[str, Any]]:
        """One row a seed and fold."""
        return [
            {"seed": fold.seed, "fold": fold.fold.number}
            | self._scores(fold, np.ones(len(fold.rows), dtype=bool))
            for fold in self.tested
        ]

    def of_subjects(self) -> list[dict[str, Any]]:
        """One row a seed and subject: where it was tested, and its scores."""
        rows = []
        for fold in self.tested:
            subjects = self.corpus.subjects[fold.rows]
            for name in np.unique(subjects).tolist():
                place = {"seed": fold.seed, "fold": fold.fold.number, "subject": name}
                rows.append(place | self._scores(fold, subjects == name))
        return rows

    def _scores(self, fold: Tested, chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """Of some windows of a fold; NaN where none of them has usable data."""
        kept = chosen & np.isfinite(fold.predicted).all(axis=1)
        scores = dict.fromkeys(self.task.score_names, float("nan"))
        if kept.any():
            scores = self.task.scores(fold.truth[kept], fold.predicted[kept], fold.decided[kept])
        return {"n_windows": int(kept.sum()), **scores}

    def _assess(self, folds: Sequence[Tested]) -> Evaluation:
        truth, predicted, decided, rows = (
            np.concatenate([getattr(fold, name) for fold in folds])
            for name in ("truth", "predicted", "decided", "rows")
        )
        return assess(
            truth, predicted, self.corpus.subjects[rows], self.task, decided=decided,
            n_bootstrap=0,
        )  # fmt: skip


def write_folds(
    folder: Path, result: Result, metric: str | None, record: Mapping[str, Any]
) -> dict[str, Any]:
    """Write every file of a cross-validation; returns what ``metrics.json`` holds.

    Parameters
    ----------
    folder
        Where to.
    result
        What the models of the folds said.
    metric
        Score of the figure; None for the task's own.
    record
        What else ``run.json`` tells.
    """
    of_folds, of_seeds, subjects = result.of_folds(), result.of_seeds(), result.of_subjects()
    names = result.task.score_names
    metrics = {
        "n_folds": len(of_folds) // len(of_seeds),
        "seeds": list(of_seeds),
        "folds": {key: _spread([row[key] for row in of_folds]) for key in names},
        "pooled": {key: _spread([e.scores[key] for e in of_seeds.values()]) for key in names},
        "each_seed": {str(seed): e.to_dict() for seed, e in of_seeds.items()},
    }
    write_json(folder / "metrics.json", metrics)
    tested = [
        {
            "seed": fold.seed, "fold": fold.fold.number,
            "thresholds": fold.thresholds, "best_epoch": fold.best_epoch,
            **{
                part: np.unique(result.corpus.subjects[getattr(fold.fold, part)]).tolist()
                for part in ("train", "valid", "test")
            },
        }
        for fold in result.tested
    ]  # fmt: skip
    write_json(folder / "run.json", {**record, "tested": tested})
    (folder / "table.txt").write_text(summary_table(metrics, names) + "\n", encoding="utf-8")
    _write_csv(folder / "folds.csv", of_folds)
    _write_csv(folder / "subjects.csv", subjects)
    shown = metric if metric is not None and metric in names else result.task.default_metric
    _draw(folder / "subjects.png", subjects, shown, names[shown])
    return metrics


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation of what is defined; None where there is too little."""
    numbers = np.array([value for value in values if np.isfinite(value)])
    return {
        "mean": float(numbers.mean()) if len(numbers) else None,
        "sd": float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
        "values": [value if np.isfinite(value) else None for value in values],
    }


def summary_table(metrics: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Mean ± standard deviation of each score, as text."""

    def cell(spread: Mapping[str, Any]) -> str:
        mean, sd = spread["mean"], spread["sd"]
        if mean is None:
            return "undefined"
        return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"

    rows = [
        (name, cell(metrics["folds"][key]), cell(metrics["pooled"][key]))
        for key, name in names.items()
    ]
    n_seeds = len(metrics["seeds"])
    over = f"{metrics['n_folds']} folds × {n_seeds} seed{'s' * (n_seeds > 1)}"
    return tabulated(rows, ("score", f"mean ± sd of {over}", "all windows of a seed"))


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: "" if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
            for row in rows
        )


def _draw(path: Path, rows: Sequence[Mapping[str, Any]], metric: str, name: str) -> None:
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    values = [[row[metric] for row in rows if row["subject"] == subject] for subject in subjects]
    plots.save_png(plots.groups(subjects, values, score_name=name), path)
