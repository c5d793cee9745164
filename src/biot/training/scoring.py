"""Evaluation: how good a model is on a corpus, and how sure that is."""

# W windows, K classes
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from biot.choices import By, Per
from biot.corpus.corpus import Corpus
from biot.corpus.leakage import SeenData, note_of_leakage, require_disjoint
from biot.corpus.load import load_corpus
from biot.corpus.subjects import warn_of_own_subjects
from biot.device import Device, Precision
from biot.errors import ConfigError, CorpusError
from biot.evaluation.baselines.comparison import BaselineAnswers
from biot.evaluation.events.nights import score_nights
from biot.evaluation.group_scores import assess_groups
from biot.evaluation.groups import require_votes
from biot.evaluation.metrics import Floats, Ints
from biot.evaluation.results import Evaluation, assess
from biot.evaluation.tasks import Truth, plain_task
from biot.model.biot import BIOT
from biot.model.saving import require_fit
from biot.preprocessing import Preprocessing
from biot.training.baseline import KeptBaseline, told_without_baseline
from biot.training.datasets import Subset, WindowBatch, batches_of, is_labelled, truth_of
from biot.training.distributed import launch, placed
from biot.training.gradients import forward
from biot.training.nights import nights_of

__all__ = [
    "assess_rows",
    "evaluate",
    "evaluate_groups",
    "evaluate_rows",
    "labelled_rows",
    "predict_logits",
    "predicted_rows",
]


def predict_logits(
    model: nn.Module, batches: Iterable[WindowBatch], device: torch.device
) -> tuple[Floats, Truth, Ints]:
    """Outputs for every window, without dropout.

    Returns
    -------
    tuple
        Outputs (W, K), labels (W,) or (W, K), and the windows' numbers (W,), in the order of the
        batches. A window without usable data has outputs of NaN.
    """
    was_training = model.training
    model.eval()
    logits, labels, rows = [], [], []
    with torch.no_grad():
        for batch in batches:
            logits.append(forward(model, batch, device).double().cpu())
            labels.append(batch.label)
            rows.append(batch.index)
    model.train(was_training)
    return torch.cat(logits).numpy(), torch.cat(labels).numpy(), torch.cat(rows).numpy()


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


def predicted_rows(
    model: nn.Module, part: Subset, contract: Preprocessing, *, device: torch.device,
    batch_size: int = 64,
) -> Floats:  # fmt: skip
    """(W, K) probabilities or numbers for windows, under the model's contract; NaN without data."""
    outputs, _, _ = predict_logits(model, batches_of(part, batch_size), device)
    return plain_task(contract).predicted(outputs, contract.decision)


def evaluate_rows(
    model: nn.Module,
    corpus: Corpus,
    rows: Ints,
    truth: Truth,
    contract: Preprocessing,
    *,
    device: torch.device,
    batch_size: int = 64,
    baseline: KeptBaseline | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores of a trained model, under its contract, on rows of a corpus."""
    part = Subset(corpus=corpus, rows=rows, labels=truth)
    predicted = predicted_rows(model, part, contract, device=device, batch_size=batch_size)
    beside = None if baseline is None else baseline.answers(part)
    return assess_rows(part, predicted, contract, ridge=beside, n_bootstrap=n_bootstrap, seed=seed)


def assess_rows(
    part: Subset, predicted: Floats, contract: Preprocessing, *,
    ridge: BaselineAnswers | None = None, metric: str | None = None, n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:  # fmt: skip
    """Scores of what :func:`predicted_rows` said of windows; of stages of sleep also of nights."""
    corpus, rows, truth = part.corpus, part.rows, part.labels
    found = assess(
        truth, predicted, corpus.subjects[rows], plain_task(contract),
        decision=contract.decision, ridge=ridge, metric=metric, n_bootstrap=n_bootstrap, seed=seed,
    )  # fmt: skip
    if contract.task != "classes":
        return found
    usable = np.isfinite(predicted).all(axis=1)
    decided = np.where(usable, contract.decision.decide(np.nan_to_num(predicted)), -1)
    nights = nights_of(corpus, rows, truth.astype(np.int64), decided, contract.label_names or ())
    if not nights:
        return found
    return replace(found, sleep=score_nights(nights, n_bootstrap=n_bootstrap, seed=seed))


def evaluate_groups(
    model: nn.Module,
    corpus: Corpus,
    rows: Ints,
    truth: Truth,
    contract: Preprocessing,
    *,
    per: Per,
    by: By,
    device: torch.device,
    batch_size: int = 64,
    baseline: KeptBaseline | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Scores of one decision for each recording or subject, from rows of a corpus."""
    part = Subset(corpus=corpus, rows=rows, labels=truth)
    predicted = predicted_rows(model, part, contract, device=device, batch_size=batch_size)
    task, subjects = plain_task(contract), corpus.subjects[rows]
    return assess_groups(
        truth, predicted,
        corpus.recordings[rows] if per == "recording" else subjects, subjects, task,
        contract.decision, per=per, by=by, n_bootstrap=n_bootstrap, seed=seed,
        ridge=None if baseline is None else (baseline.answers(part), baseline.ridge.decision),
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
    per: Per | None = None,
    by: By = "mean",
    baseline: bool = True,
) -> Evaluation:
    """Scores of a fine-tuned model on the labelled windows of a corpus.

    Parameters
    ----------
    model
        Folder of the model, with ``preprocessing.json`` beside the weights.
    corpus
        Folder of the corpus; labels meet the model's outputs by name.
    device, precision
        Where and how to compute, as in :class:`biot.training.finetuning.config.FinetuneConfig`.
    batch_size
        Windows at a time.
    n_bootstrap
        Resamples for the intervals; 0 for none.
    seed
        Seed of the resamples.
    allow_leakage
        Score the model on subjects or recordings that it was trained on, too; `notes` of the result
        say which.
    per
        ``"recording"`` or ``"subject"``: score one decision for each, as
        :func:`biot.evaluation.groups.grouped` makes it; None: score windows.
    by
        ``"mean"``: the mean probability of the windows decides; ``"vote"``: what most of them say.
    baseline
        Score the ridge on log band powers that lies beside the model, too; a note says where there
        is none.

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
    if per is None and by != "mean":
        raise ConfigError(f"by={by} says how whole recordings or subjects are decided. Give per=.")
    folder, data = Path(model), load_corpus(Path(corpus))
    warn_of_own_subjects(data.path)
    network = BIOT.from_pretrained(folder, return_feature=False)
    contract = Preprocessing.load(folder)
    require_fit(network, contract, labelled=True, where=folder)
    require_votes(by, contract.task)
    contract.require_same(data.preprocessing, where=str(corpus))
    rows, labels = labelled_rows(data, contract)
    leakage = require_disjoint(
        SeenData.load(folder), SeenData.of(data, rows),
        where=f"the training of {folder} and {data.path}", allow_leakage=allow_leakage,
    )  # fmt: skip
    beside = KeptBaseline.load(folder) if baseline else None
    fabric = launch(device, precision)
    score = evaluate_rows if per is None else partial(evaluate_groups, per=per, by=by)
    found = score(
        placed(fabric, network), data, rows, labels, contract,
        device=fabric.device, batch_size=batch_size, n_bootstrap=n_bootstrap, seed=seed,
        baseline=beside,
    )  # fmt: skip
    note = note_of_leakage(leakage)
    lacking = told_without_baseline(folder) if baseline and beside is None else None
    notes = [one for one in (note, *found.notes, lacking) if one is not None]
    return replace(found, notes=tuple(notes))
