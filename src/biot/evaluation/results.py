"""What is told of predictions: scores, how sure they are, and tables for readers."""

# W windows, K classes
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.choices import By, Per
from biot.decision import Decision
from biot.errors import CorpusError, counted
from biot.evaluation.baselines.comparison import BaselineAnswers, Comparison, compared
from biot.evaluation.calibration import N_BINS, Reliability, ranked, reliability
from biot.evaluation.chance import baselines
from biot.evaluation.events.nights import SleepEvaluation
from biot.evaluation.metrics import ClassScores, Floats, TargetScores
from biot.evaluation.plain import without_nan
from biot.evaluation.tables import class_table, scores_text
from biot.evaluation.tasks import Task, Truth

__all__ = [
    "Evaluation",
    "assess",
    "why_undefined",
]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of one model on one set of windows; ``str()`` gives tables, `to_dict` plain values."""

    task: Task
    """What was asked for; it names the scores."""
    n_windows: int
    """Windows that the scores are of."""
    n_left_out: int
    """Windows without usable data; the model says nothing about them."""
    n_subjects: int
    scores: dict[str, float]
    """Value by key of the task's `score_names`; NaN where undefined."""
    intervals: dict[str, tuple[float, float]] | None
    """95 % bootstrap interval over subjects of each score; None where it cannot be had."""
    classes: Sequence[ClassScores | TargetScores]
    """How each class, tag or target fared, in the order of `label_names`."""
    confusion: tuple[tuple[int, ...], ...] | None
    """Windows; row: true class, column: predicted class; None unless there are classes."""

    decision: Decision | None
    """How the model's outputs were read; None where windows of several models are together."""
    baselines: dict[str, dict[str, float]]
    """Scores of guesses on the same windows, see :func:`biot.evaluation.chance.baselines`."""
    ridge: Comparison | None = None
    """A ridge on log band powers on the same windows; None where there is none."""
    undefined: dict[str, str]
    """Why a score is undefined, by its key."""
    no_intervals: str | None
    """Why there are no intervals."""
    reliability: dict[str, Reliability]
    """Probability against frequency, of the second of two classes, else of each class or tag."""
    notes: tuple[str, ...] = ()
    """What a reader of the scores must know, a sentence each."""
    per: Per | None = None
    """What one decision was made of; then `n_windows`, `n_left_out`, supports and the confusion
    count recordings or subjects. None: windows."""
    by: By | None = None
    """How whole recordings or subjects were decided."""
    n_windows_behind: int | None = None
    """Usable windows behind the decisions on whole recordings or subjects."""
    sleep: SleepEvaluation | None = None
    """Scores of nights, where classes are stages of sleep and windows are whole nights."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, tags or targets."""
        return self.task.names

    @property
    def counted(self) -> str:
        """What the scores are of, such as ``"60 windows of 1 subject"``."""
        units = counted(self.n_windows, self.per or "window")
        return f"{units} of {counted(self.n_subjects, 'subject')}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: what is undefined is None."""
        classes = dict(zip(self.label_names, map(asdict, self.classes), strict=True))
        intervals = None
        if self.intervals is not None:
            finite = {name: math.isfinite(low) for name, (low, _) in self.intervals.items()}
            intervals = {n: ends if finite[n] else None for n, ends in self.intervals.items()}
        rule, names = self.decision, self.label_names
        curves = {name: _listed(curve) for name, curve in self.reliability.items()}
        guesses, differences = dict[str, Any](self.baselines), dict[str, Any]()
        if self.ridge is not None:
            guesses["ridge"], apart = self.ridge.to_dict()
            differences = {"differences": {"ridge": apart}}
        counts: dict[str, Any] = {"n_windows": self.n_windows}
        if self.per is not None:
            behind = {"n_windows": self.n_windows_behind, "n_recordings": self.n_windows}
            counts = {"per": self.per, "by": self.by, **behind}
            if self.per == "subject":
                del counts["n_recordings"]
        plain: dict[str, Any] = without_nan(
            {
                **self.scores,
                "intervals": intervals,
                "no_intervals": self.no_intervals,
                "undefined": self.undefined,
                "baselines": guesses,
                **differences,
                **counts,
                "n_left_out": self.n_left_out,
                "n_subjects": self.n_subjects,
                "notes": self.notes,
                "label_names": self.label_names,
                "decision": "each fold by its own rule" if rule is None else rule.described(names),
                "thresholds": None if rule is None else rule.limits(len(names)),
                "classes": classes,
                "confusion": self.confusion,
                "reliability": {"bins": f"{N_BINS} of equal width, from 0 to 1", "of": curves},
            }
        )
        return plain if self.sleep is None else {**plain, "sleep": self.sleep.to_dict()}

    def __str__(self) -> str:
        plain = self.to_dict()
        text = f"{scores_text(plain)}\n\n{class_table(plain)}"
        return text if self.sleep is None else f"{text}\n\n{self.sleep}"


def _listed(curve: Reliability) -> dict[str, list[float]]:
    return {one.name: getattr(curve, one.name).tolist() for one in fields(curve)}


def assess(
    truth: Truth,
    predicted_WK: Floats,
    subjects: npt.NDArray[np.str_],
    task: Task,
    *,
    decision: Decision | None = None,
    decided: Truth | None = None,
    ridge: BaselineAnswers | None = None,
    metric: str | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores of given predictions.

    Parameters
    ----------
    truth
        (W,) true classes, 0 to K − 1; of tags (W, K) 0 or 1; of targets (W, K) numbers.
    predicted_WK
        Probabilities or numbers; a row of NaN is a window without usable data, and left out.
    subjects
        (W,) name of each window's subject.
    task
        What was predicted.
    decision
        How the model's outputs are read; None: as where nothing was fitted.
    decided
        What is said to hold, where not all windows were decided alike; None: by `decision`.
    ridge
        What a ridge says of the same windows, to stand beside the model; None: nothing.
    metric
        The score by which the two are compared in words; None: the task's own.
    n_bootstrap
        Resamples for the intervals; 0 for none.
    seed
        Seed of the resamples.

    Raises
    ------
    CorpusError
        If no window has usable data.
    """
    usable = np.isfinite(predicted_WK).all(axis=1)
    if not usable.any():
        raise CorpusError(
            f"None of the {counted(len(truth), 'window')} to evaluate has usable data."
        )
    if decided is None:
        decision = decision or task.plain_decision
        decided = task.decided(np.nan_to_num(predicted_WK), decision)
    given = truth[usable], predicted_WK[usable], decided[usable]
    n_subjects = len(np.unique(subjects[usable]))
    values = task.scores(*given)
    beside, said = None, None
    if ridge is not None:
        beside = compared(
            task, *given, ridge.chosen(np.flatnonzero(usable)), subjects[usable],
            n_bootstrap=n_bootstrap, seed=seed,
        )  # fmt: skip
        said = beside.verdict(task, metric, values)
    return Evaluation(
        task=task,
        n_windows=int(usable.sum()),
        n_left_out=int((~usable).sum()),
        n_subjects=n_subjects,
        scores=values,
        intervals=task.intervals(*given, subjects[usable], n_bootstrap=n_bootstrap, seed=seed),
        classes=task.details(*given),
        confusion=task.confusion(given[0], given[2]),
        decision=decision,
        baselines=baselines(task, given[0]),
        undefined=why_undefined(task, given[0], values),
        no_intervals=_why_no_intervals(n_subjects, n_bootstrap),
        reliability=_reliability(task, *given[:2]),
        ridge=beside,
        notes=() if said is None else (said,),
    )


def _why_no_intervals(n_subjects: int, n_bootstrap: int) -> str | None:
    if n_subjects < 2:
        return "one subject: no interval"
    return "no resamples were asked for" if n_bootstrap < 1 else None


def _reliability(task: Task, truth: Truth, predicted_WK: Floats) -> dict[str, Reliability]:
    if task.plain_decision.task == "regression":
        return {}
    columns = [array.T for array in ranked(truth, predicted_WK)]
    names = task.names[-len(columns[0]) :]
    curves = (reliability(held, p) for held, p in zip(*columns, strict=True))
    return dict(zip(names, curves, strict=True))


def why_undefined(task: Task, truth: Truth, values: Mapping[str, float]) -> dict[str, str]:
    """The reason for each score that is NaN, by its key.

    Parameters
    ----------
    task
        What was asked for.
    truth
        (W,) or (W, K), of the windows that the scores are of.
    values
        Scores by key.
    """
    undefined = [key for key, value in values.items() if not math.isfinite(value)]
    kind = task.plain_decision.task
    if not len(truth):
        reason = "no window with usable data"
    elif kind == "classes":
        names = [task.names[index] for index in np.unique(truth)]
        reason = f"one class among the windows: {', '.join(names)}"
    elif kind == "multilabel":
        reason = "every tag is in all windows or in none"
    else:
        reason = "the truth does not vary" if truth.std() == 0 else "truth or answer do not vary"
    return dict.fromkeys(undefined, reason)
