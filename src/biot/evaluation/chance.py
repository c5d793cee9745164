"""What scores are worth: what guessing would reach, and whether anything was learned."""

# W windows, K classes, tags or targets
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from biot.decision import Decision
from biot.errors import counted, require
from biot.evaluation.calibration import brier_of_each, ranked
from biot.evaluation.metrics import (
    Floats,
    confusion_counts,
    count_scores,
    mean_of_defined,
    per_target,
    ranked_classes,
)
from biot.evaluation.tasks import Task, Truth

__all__ = ["baselines", "note_on_chance", "notes_on", "notes_on_loss"]


def baselines(task: Task, truth: Truth) -> dict[str, dict[str, float]]:
    """Scores of those who do not look at the recording, by name; NaN where one is undefined.

    Of classes and tags: ``"chance"`` draws what it says by the shares that hold among these
    windows, ``"majority"`` always says the commonest; both give these shares as probabilities. Of
    numbers: ``"mean"`` always says the mean of these windows.
    """
    kind = task.plain_decision.task
    if kind == "regression":
        middle = np.broadcast_to(truth.mean(axis=0), truth.shape)
        scored = per_target(truth, middle)
        columns = {key: [getattr(one, key) for one in scored] for key in task.score_names}
        return {"mean": {key: mean_of_defined(values) for key, values in columns.items()}}
    guessed = _of_tags(truth > 0.5) if kind == "multilabel" else _of_classes(truth, task)
    return {name: {key: found[key] for key in task.score_names} for name, found in guessed.items()}


def _of_classes(truth: Truth, task: Task) -> dict[str, dict[str, float]]:
    n_classes = len(task.names)
    shares = np.bincount(truth, minlength=n_classes) / len(truth)
    asked = shares[list(ranked_classes(n_classes))]
    asked = asked[(asked > 0) & (asked < 1)]
    probabilities = np.broadcast_to(shares, (len(truth), n_classes))
    same = _same(len(asked) > 0, asked, brier_of_each(truth, probabilities))
    always = np.full(len(truth), shares.argmax())
    majority = count_scores(confusion_counts(truth, always, n_classes))
    drawn = float((shares**2).sum())
    n_present = int((shares > 0).sum())
    chance = {
        "accuracy": drawn,
        "balanced_accuracy": 1 / n_present if n_present > 1 else math.nan,
        "cohen_kappa": 0.0 if n_present > 1 else math.nan,
        "weighted_f1": drawn,
    }
    return {
        "chance": {**chance, **same},
        "majority": {**{name: float(value) for name, value in majority.items()}, **same},
    }


def _of_tags(held: Truth) -> dict[str, dict[str, float]]:
    shares = held.mean(axis=0)
    asked = shares[(shares > 0) & (shares < 1)]
    same = _same(len(asked) > 0, asked, brier_of_each(held, np.broadcast_to(shares, held.shape)))
    always = np.where(shares > 0.5, 2 * shares / (1 + shares), np.where(shares > 0, 0.0, np.nan))
    drawn = np.where(shares > 0, shares, np.nan)
    return {
        "chance": {"f1": mean_of_defined(drawn), **same},
        "majority": {"f1": mean_of_defined(always), **same},
    }


def _same(is_ranked: bool, asked: Floats, brier_W: Floats) -> dict[str, float]:
    """Scores of shares that are given as probabilities to every window."""
    ranking = {"auroc": 0.5, "auprc": float(asked.mean())} if is_ranked else {}
    nothing = {"auroc": math.nan, "auprc": math.nan}
    return {**nothing, **ranking, "brier": float(brier_W.mean()), "ece": 0.0}


def notes_on(
    task: Task,
    losses: Sequence[float],
    outputs_WK: Floats,
    truth: Truth,
    decision: Decision,
    calibrated: bool,
) -> tuple[str, ...]:
    """What a reader of a model's scores must know of its training, a sentence each.

    Parameters
    ----------
    losses
        Mean training loss of each epoch; empty without epochs.
    outputs_WK, truth
        Of the validation windows.
    decision
        What was fitted to them.
    calibrated
        Whether a temperature was asked for.
    """
    notes = [*notes_on_loss(losses)]
    ranked_badly = _on_validation(task, outputs_WK, truth, len(losses))
    notes += [] if ranked_badly is None else [ranked_badly]
    if calibrated and decision.task != "regression" and decision.temperature is None:
        what = "one class" if decision.task == "classes" else "no tag both with and without it"
        done = "not corrected" if decision.class_weights is None else "corrected for weights only"
        notes.append(
            f"Probabilities are {done}: the "
            f"{counted(len(truth), 'validation window holds', 'validation windows hold')} {what}, "
            "so that "
            "no temperature can be fitted."
        )
    return tuple(notes)


def notes_on_loss(losses: Sequence[float]) -> tuple[str, ...]:
    """Whether the mean training loss of an epoch never fell below that of the first."""
    if len(losses) < 2 or min(losses[1:]) < losses[0]:
        return ()
    return (
        f"Training learnt nothing: its loss was {losses[0]:.3f} in the first epoch and never lower "
        f"after it ({losses[-1]:.3f} in the last).",
    )


def _on_validation(task: Task, outputs_WK: Floats, truth: Truth, n_epochs: int) -> str | None:
    """Whether validation windows are ranked no better than at random, and how that shows.

    The best of several epochs is luckier than one: the limit is that of Bonferroni for a one-sided
    test at 2.5 %.
    """
    ndtri = require("scipy.special", extra="training").ndtri
    predicted = task.predicted(outputs_WK)
    if task.plain_decision.task == "regression":
        r2 = mean_of_defined([one.r2 for one in per_target(truth, predicted)])
        over = counted(len(truth), "window")
        said = f"Training learnt nothing: the validation R² is {r2:.3f} over {over}"
        return f"{said}, and always saying their mean gives 0." if r2 <= 0 else None
    auroc, spread = _ranking(truth, predicted)
    limit = 0.5 + float(ndtri(1 - 0.025 / max(n_epochs, 1))) * spread
    if not auroc <= (limit if limit < 1 else 0.5):  # of very few windows nothing can be told
        return None
    what = "learnt nothing" if auroc <= 0.5 + spread else "may have learnt nothing"
    return (
        f"Training {what}: the validation AUROC is {auroc:.3f} over "
        f"{counted(len(truth), 'window')}, and a "
        f"random ranking gives 0.5, by luck up to {min(limit, 1.0):.3f}."
    )


def note_on_chance(task: Task, score: float, predicted_WK: Floats, truth: Truth) -> str | None:
    """That a score is one that guesses reach too; None where it is better, or cannot be told.

    Parameters
    ----------
    score
        ``task.default_metric`` of these windows: balanced accuracy of classes, AUROC of tags, R² of
        numbers. Guesses reach up to 1.96 standard deviations more than their mean.
    predicted_WK, truth
        Of the windows, all with usable data.
    """
    guess = spread = 0.0
    if task.plain_decision.task == "multilabel":
        guess, spread = 0.5, _ranking(truth, predicted_WK)[1]
    elif task.plain_decision.task == "classes":
        counts = np.bincount(truth)
        counts = counts[counts > 0]
        guess = 1 / len(counts)
        spread = guess * float(np.sqrt((guess * (1 - guess) / counts).sum()))
    limit = guess + 1.96 * spread
    if not score <= limit:
        return None
    by_luck = f", by luck up to {min(limit, 1.0):.3f}" if spread else ""
    return (
        f"{task.score_names[task.default_metric]} {score:.3f} over {counted(len(truth), 'window')} "
        f"is no better than guessing, which gives {guess:.3g}{by_luck}"
    )


def _ranking(truth: Truth, predicted_WK: Floats) -> tuple[float, float]:
    """Mean AUROC, and its standard deviation where nothing is known; NaN where undefined.

    The deviation is that of the rank-sum statistic (Mann and Whitney 1947).
    """
    metrics = require("sklearn.metrics", extra="training")
    holds_WJ, p_WJ = ranked(truth, predicted_WK)
    columns = [
        (metrics.roc_auc_score(held, p), (len(p) + 1) / (12 * held.sum() * (~held).sum()))
        for held, p in zip(holds_WJ.T, p_WJ.T, strict=True)
        if held.any() and not held.all()
    ]
    if not columns:
        return math.nan, math.nan
    areas, variances = zip(*columns, strict=True)
    return float(np.mean(areas)), float(np.sqrt(variances).mean())
