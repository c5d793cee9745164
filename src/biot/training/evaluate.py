"""Evaluation: how good a model is on a corpus, and how sure that is."""

# W windows, K classes

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from biot.contract import Preprocessing
from biot.corpus import Corpus, load_corpus
from biot.corpus.leakage import SeenData, require_disjoint
from biot.errors import ConfigError, ContractError, CorpusError
from biot.model import BIOT
from biot.training.config import Device, Precision
from biot.training.fit import launch
from biot.training.metrics import ClassScores, Floats, Ints, TargetScores
from biot.training.steps import predict_logits
from biot.training.tasks import Task, Truth, plain_task
from biot.training.windows import Part, batches_of, is_labelled, truth_of

__all__ = ["Evaluation", "assess", "evaluate", "evaluate_rows", "labelled_rows", "tabulated"]


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

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, tags or targets."""
        return self.task.names

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: what is undefined is None."""
        classes = dict(zip(self.label_names, map(asdict, self.classes), strict=True))
        intervals = None
        if self.intervals is not None:
            finite = {name: math.isfinite(low) for name, (low, _) in self.intervals.items()}
            intervals = {n: ends if finite[n] else None for n, ends in self.intervals.items()}
        plain: dict[str, Any] = _without_nan(
            {
                **self.scores,
                "intervals": intervals,
                "n_windows": self.n_windows,
                "n_left_out": self.n_left_out,
                "n_subjects": self.n_subjects,
                "label_names": self.label_names,
                "classes": classes,
                "confusion": self.confusion,
            }
        )
        return plain

    def __str__(self) -> str:
        return "\n\n".join((self._head(), self._score_table(), self._class_table()))

    def _head(self) -> str:
        head = f"{self.n_windows} windows of {_count(self.n_subjects, 'subject')}"
        if self.n_left_out:
            head += f"; {self.n_left_out} more without usable data are left out"
        if self.n_subjects < 2:
            head += "; no intervals: they need two subjects or more"
        return head + "."

    def _score_table(self) -> str:
        rows = []
        for key, name in self.task.score_names.items():
            low, high = (self.intervals or {}).get(key, (math.nan, math.nan))
            interval = f"{low:.3f} to {high:.3f}" if math.isfinite(low) else ""
            rows.append((name, _number(self.scores[key]), interval))
        return tabulated(rows, ("score", "value", "95 % interval"))

    def _class_table(self) -> str:
        columns = [field.name for field in fields(self.classes[0])]
        rows = [
            (name, *(_number(getattr(scored, column)) for column in columns))
            for name, scored in zip(self.label_names, self.classes, strict=True)
        ]
        return tabulated(rows, ("class", *(_HEADERS.get(column, column) for column in columns)))


_HEADERS = {
    "f1": "F1", "support": "windows", "auroc": "AUROC", "auprc": "AUPRC", "r2": "R²", "mae": "MAE",
}  # fmt: skip


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if math.isfinite(value) else "undefined"


def tabulated(rows: Iterable[tuple[str, ...]], headers: tuple[str, ...]) -> str:
    """Rows of text as an aligned table, numbers to the right."""
    from tabulate import tabulate

    align = ("left", *("right" for _ in headers[1:]))
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def assess(
    truth: Truth,
    predicted_WK: Floats,
    subjects: npt.NDArray[np.str_],
    task: Task,
    *,
    decided: Truth | None = None,
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
    decided
        What is said to hold, as :meth:`Task.decided` gives it; None decides without thresholds.
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
        raise CorpusError(f"None of the {len(truth)} windows to evaluate has usable data.")
    if decided is None:
        decided = task.decided(predicted_WK)
    given = truth[usable], predicted_WK[usable], decided[usable]
    return Evaluation(
        task=task,
        n_windows=int(usable.sum()),
        n_left_out=int((~usable).sum()),
        n_subjects=len(np.unique(subjects[usable])),
        scores=task.scores(*given),
        intervals=task.intervals(*given, subjects[usable], n_bootstrap=n_bootstrap, seed=seed),
        classes=task.details(*given),
        confusion=task.confusion(given[0], given[2]),
    )


def labelled_rows(corpus: Corpus, contract: Preprocessing) -> tuple[Ints, Truth]:
    """Rows of a corpus that have a label, and the truth as a model of the contract counts it.

    Returns
    -------
    tuple
        (W,) positions; (W,) classes, or (W, K) tags or numbers. A tag that the corpus does not
        name holds in none of its windows.

    Raises
    ------
    CorpusError
        If no window has a label, or one has a label that the contract does not name.
    """
    truth, own_names = truth_of(corpus), corpus.label_names
    rows = np.flatnonzero(is_labelled(truth)) if own_names else np.array([], dtype=np.int64)
    if not len(rows):
        raise CorpusError(f"{corpus.path}: no window has a label. Prepare it again with --labels.")
    truth, names = truth[rows], contract.label_names or ()
    if corpus.task == "classes":
        found = [own_names[index] for index in np.unique(truth)]
    elif corpus.task == "multilabel":
        found = [name for name, held in zip(own_names, truth.T, strict=True) if held.any()]
    else:
        found = [*own_names, *(name for name in names if name not in own_names)]
    unknown = [name for name in found if name not in names or name not in own_names]
    if unknown:
        raise CorpusError(
            f"{corpus.path}: windows are labelled {', '.join(unknown)}; the model knows "
            f"{', '.join(names)} only. Evaluate on a corpus of these."
        )
    if corpus.task == "classes":
        place = np.array([names.index(name) if name in found else -1 for name in own_names])
        return rows, place[truth].astype(np.int64)
    columns = [
        truth[:, own_names.index(name)] if name in own_names else np.zeros(len(rows))
        for name in names
    ]
    return rows, np.stack(columns, axis=1)


def evaluate_rows(
    model: nn.Module,
    corpus: Corpus,
    rows: Ints,
    truth: Truth,
    contract: Preprocessing,
    *,
    device: torch.device,
    batch_size: int = 64,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores of a trained model, under its contract, on rows of a corpus."""
    part = Part(corpus=corpus, rows=rows, labels=truth)
    outputs, _, _ = predict_logits(model, batches_of(part, batch_size), device)
    task = plain_task(contract)
    predicted = task.predicted(outputs)
    return assess(
        truth, predicted, corpus.subjects[rows], task,
        decided=task.decided(predicted, contract), n_bootstrap=n_bootstrap, seed=seed,
    )  # fmt: skip


def evaluate(
    model: Path | str,
    corpus: Path | str,
    *,
    device: Device = "auto",
    precision: Precision = "32",
    batch_size: int = 64,
    n_bootstrap: int = 1000,
    seed: int = 0,
    allow_leakage: bool = False,
) -> Evaluation:
    """Scores of a fine-tuned model on the labelled windows of a corpus.

    Parameters
    ----------
    model
        Folder of the model, with ``preprocessing.json`` beside the weights.
    corpus
        Folder of the corpus; labels meet the model's outputs by name.
    device, precision
        Where and how to compute, as in :class:`biot.training.config.FinetuneConfig`.
    batch_size
        Windows at a time.
    n_bootstrap
        Resamples for the intervals; 0 for none.
    seed
        Seed of the resamples.
    allow_leakage
        Score the model on subjects or recordings that it was trained on, too.

    Raises
    ------
    ContractError
        If the corpus was prepared differently, or the model does not name its classes.
    CorpusError
        If the corpus has no labels, or others than the model knows, or holds subjects or
        recordings that the model was trained on.
    ConfigError
        If a number is out of range, or a GPU is asked for and there is none.
    """
    if batch_size < 1 or n_bootstrap < 0:
        raise ConfigError(
            "batch_size must be at least 1 and n_bootstrap at least 0, got "
            f"{batch_size} and {n_bootstrap}."
        )
    folder, data = Path(model), load_corpus(Path(corpus))
    network = BIOT.from_pretrained(folder, return_feature=False)
    contract = Preprocessing.load(folder)
    label_names = contract.label_names or ()
    if len(label_names) != network.n_outputs:
        raise ContractError(
            f"{folder}: the model has {network.n_outputs} outputs, its preprocessing.json names "
            f"{len(label_names)} classes. Fine-tune it first."
        )
    contract.require_same(data.preprocessing, where=str(corpus))
    rows, labels = labelled_rows(data, contract)
    require_disjoint(
        SeenData.load(folder), SeenData.of(data, rows),
        where=f"the training of {folder} and {data.path}", allow_leakage=allow_leakage,
    )  # fmt: skip
    fabric = launch(device, precision)
    return evaluate_rows(
        fabric.setup_module(network), data, rows, labels, contract,
        device=fabric.device, batch_size=batch_size, n_bootstrap=n_bootstrap, seed=seed,
    )  # fmt: skip
