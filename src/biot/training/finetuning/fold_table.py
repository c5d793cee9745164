"""The scores of a cross-validation as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biot.errors import counted
from biot.evaluation.tables import fold_cells, fold_columns, tabulated

__all__ = ["summary_table"]


def summary_table(metrics: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Mean ± standard deviation of each score, as text, and what a reader must know of it."""

    def cell(spread: Mapping[str, Any]) -> str:
        mean, sd = spread["mean"], spread["sd"]
        if mean is None:
            return "undefined"
        of = counted(len(spread["of"]), "fold")
        few = "" if len(spread["of"]) == len(spread["values"]) else f" ({of})"
        return f"{mean:.3f}{few}" if sd is None else f"{mean:.3f} ± {sd:.3f}{few}"

    whole: Mapping[str, Any] = next(iter(metrics["each_seed"].values()))
    rows = [
        (
            name, cell(metrics["folds"][key]), cell(metrics["pooled"][key]),
            *fold_cells(metrics, key),
        )
        for key, name in names.items()
    ]  # fmt: skip
    n_seeds = len(metrics["seeds"])
    over = f"{metrics['n_folds']} folds × {n_seeds} seed{'s' * (n_seeds > 1)}"
    subjects = counted(whole["n_subjects"], "subject")
    head = f"{counted(whole['n_windows'], 'window')} of {subjects}, each tested once a seed."
    columns = (f"mean ± sd of {over}", "all windows of a seed", *fold_columns(metrics))
    table = tabulated(rows, ("score", *columns))
    return "\n\n".join(part for part in (head, table, _told(metrics, names)) if part)


def _told(metrics: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Which folds a mean is of where some do not define it, why, and the notes on the folds."""
    lines = []
    of_fewer: dict[tuple[str, ...], list[str]] = {}
    for key, name in names.items():
        spread = metrics["folds"][key]
        if 0 < len(spread["of"]) < len(spread["values"]):
            of_fewer.setdefault(tuple(spread["of"]), []).append(name)
    for folds, scores in of_fewer.items():
        lines.append(f"{', '.join(scores)}: mean over {'; '.join(folds)}.")
    lines += [f"Undefined in {fold}: {why}." for fold, why in metrics["undefined"].items()]
    return "\n".join([*lines, *metrics["notes"]])
