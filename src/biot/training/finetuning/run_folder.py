"""What a run leaves behind beside its model: scores, history, figures and how to repeat it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from biot import plots
from biot.corpus.corpus import Corpus
from biot.errors import CorpusError
from biot.evaluation.metrics import Floats
from biot.evaluation.results import Evaluation
from biot.io import sha256_of, write_json
from biot.preprocessing import Preprocessing
from biot.report.run import add_run_report
from biot.settings import changed_settings
from biot.training.baseline import KeptBaseline
from biot.training.datasets import Subset
from biot.training.finetuning.config import FinetuneConfig
from biot.training.finetuning.event_tuning import EventTuning
from biot.training.finetuning.tuner import Trained
from biot.training.finetuning.window_table import write_window_table
from biot.training.run import (
    RUN_FILE,
    checksums_of,
    describe_corpus,
    open_run,
    provenance,
    relative,
)
from biot.training.settings import SPECTRUM

__all__ = [
    "RunRecord",
    "begin_run",
    "clean_up",
    "require_unfinished",
    "run_identity",
    "write_run",
]

_LAST_FILE = "metrics.json"
"""A run that has it is finished."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that is told about a run."""

    out: Path
    """The folder's final place; paths in ``run.json`` are relative to it."""
    command: str | None
    config: FinetuneConfig
    identity: Mapping[str, Any]
    """What tells the run from others."""
    metric: str
    """That decided when to stop, and which epoch or penalty was kept."""
    from_model: Path | None
    device: torch.device
    train: Subset
    valid: Subset | None
    """None where nothing validates."""
    test: Subset
    left_out: Mapping[str, int]
    """Windows of the corpus that are in no part, by reason."""
    trained: Trained
    contract: Preprocessing
    """Of the model, with its decision."""
    valid_contract: Preprocessing
    """Of the model that says something of the validation windows: of a refit, the one before it."""
    evaluations: Mapping[str, Evaluation]
    """``valid`` and ``test``; of a refit, ``before_refit``: the test by the model before it."""
    predicted: Mapping[str, Floats]
    """(W, K) of the parts: probabilities or numbers; NaN without usable data."""
    leakage: list[dict[str, Any]]
    """What the test shares with what was learnt from, as far as that is known."""
    notes: tuple[str, ...] = ()
    """What a reader of the scores must know of the training."""
    events: EventTuning | None = None
    """The rules for events, where they were tuned."""
    baseline: KeptBaseline | None = None
    """The ridge that stands beside the model."""
    refit: Subset | None = None
    """The windows of training and validation that a refit learned from; None without one."""


def write_run(folder: Path, record: RunRecord, model_config: Mapping[str, Any]) -> dict[str, Any]:
    """Write every file of a run but its model; returns what ``metrics.json`` holds."""
    trained = record.trained
    metrics = {
        "metric": record.metric,
        "best_epoch": trained.best_epoch,
        **({} if trained.penalty is None else {"penalty": trained.penalty}),
        "epochs": len(trained.history) or None,
        **({} if record.refit is None else {"refit": _told_of_refit(record.refit, trained)}),
        "thresholds": record.contract.thresholds,
        "class_weights": record.contract.class_weights,
        "temperature": record.contract.temperature,
        "notes": list(record.notes),
        **({} if record.events is None else {"events": record.events.to_dict()}),
        **{name: evaluation.to_dict() for name, evaluation in record.evaluations.items()},
    }
    tables = [
        write_window_table(
            folder / f"{name}_predictions.parquet", part, record.predicted[name], contract
        )
        for name, part, contract in (
            ("valid", record.valid, record.valid_contract),
            ("test", record.test, record.contract),
        )
        if part is not None
    ]  # fmt: skip
    told = {
        "what": dict(record.identity), **_description(record), "model": dict(model_config),
        "files": checksums_of(folder, "model", *(table.name for table in tables)),
    }  # fmt: skip
    write_json(folder / RUN_FILE, told)
    write_json(folder / _LAST_FILE, metrics)
    _draw(folder, record)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # the best weights are in model/
    add_run_report(folder)
    # What the caller gets is what a reader of the file gets.
    return cast("dict[str, Any]", json.loads(json.dumps(metrics)))


def _told_of_refit(windows: Subset, trained: Trained) -> dict[str, Any]:
    """How the second training went."""
    subjects = windows.corpus.subjects[windows.rows]
    return {
        "epochs": len(trained.refit), "train_loss": trained.refit[-1].train_loss,
        "n_windows": len(windows.rows), "n_subjects": len(np.unique(subjects)),
    }  # fmt: skip


def _draw(folder: Path, record: RunRecord) -> None:
    """The figures of a run."""
    test, history = record.evaluations["test"], record.trained.history
    best_epoch = record.trained.best_epoch
    if history and best_epoch is not None:
        plots.draw(
            folder / "curves.png",
            lambda: plots.curves(
                train_loss=[line.train_loss for line in history],
                valid_loss=[line.valid_loss for line in history],
                valid_score=[line.valid_score for line in history],
                best_epoch=best_epoch,
                score_name=test.task.score_names.get(record.metric, record.metric),
            ),
        )
    counts = test.confusion
    if counts is not None:
        value = test.scores["balanced_accuracy"]
        said = f"{value:.3f}" if math.isfinite(value) else "undefined"
        title = f"Test, {test.counted}: balanced accuracy {said}"
        rule = record.contract.decision.described(test.label_names)
        plots.draw(
            folder / "confusion.png",
            lambda: plots.confusion(counts, test.label_names, title=title, note=rule),
        )
    if test.reliability:
        headed = f"Test, {test.counted}: calibration error {test.scores['ece']:.3f}"
        shown = {
            name: (one.mean_probability, one.frequency, one.n_windows)
            for name, one in test.reliability.items()
        }
        plots.draw(folder / "reliability.png", lambda: plots.reliability(shown, title=headed))


def _description(record: RunRecord) -> dict[str, Any]:
    source = record.from_model
    return {
        "command": record.command,
        "config": asdict(record.config),
        "changed": changed_settings(record.config),
        "corpus": describe_corpus(record.train.corpus, record.out),
        "test_corpus": None
        if record.test.corpus is record.train.corpus
        else describe_corpus(record.test.corpus, record.out),
        "from_model": None if source is None else relative(source, record.out),
        "split": {
            "train": record.train.to_dict(),
            "valid": None if record.valid is None else record.valid.to_dict(),
            "test": record.test.to_dict(),
            "left_out": dict(record.left_out),
        },
        "leakage": record.leakage,
        "device": str(record.device),
        "threads": torch.get_num_threads(),
        **provenance(),
    }


def require_unfinished(out: Path) -> None:
    """Refuse a folder that holds a finished run, or something else.

    Raises
    ------
    CorpusError
        If it does.
    """
    is_ours = (out / RUN_FILE).is_file() and not (out / _LAST_FILE).exists()
    if out.exists() and not (out.is_dir() and (is_ours or not any(out.iterdir()))):
        raise CorpusError(f"{out} exists already. Choose another folder, or delete it first.")


def run_identity(
    config: FinetuneConfig, corpus: Corpus, test: Corpus | None, source: Path | None
) -> dict[str, Any]:
    """All that decides what is learned; a run that goes on must have the same."""
    if source is None:
        config = replace(config, spectrum=config.spectrum or SPECTRUM)
    return {
        "config": config.identity(),
        "corpus": {"fingerprint": corpus.fingerprint, "n_windows": len(corpus)},
        "test_corpus": None
        if test is None
        else {"fingerprint": test.fingerprint, "n_windows": len(test)},
        "from_model": None if source is None else _checksum(source),
    }


def _checksum(source: Path) -> str | None:
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    return sha256_of(*(file for file in files if file.is_file())) if source.exists() else None


def begin_run(out: Path, identity: Mapping[str, Any], command: str | None) -> None:
    """Make the folder of a run, or find that it is that of the same run."""
    open_run(out, "fine-tuning", identity, {"command": command, **provenance()})


def clean_up(out: Path) -> None:
    """Remove what a run left that failed before its first checkpoint."""
    if (out / RUN_FILE).is_file() and not (out / "checkpoints").exists():
        shutil.rmtree(out)
