"""What a run leaves behind beside its model: scores, history, figures and how to repeat it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch

from biot import plots
from biot.evaluation.results import Evaluation
from biot.preprocessing import Preprocessing
from biot.training.datasets import Part
from biot.training.finetuning.config import FinetuneConfig
from biot.training.finetuning.fit import EpochRecord
from biot.training.finetuning.tuner import Trained
from biot.training.run import describe_corpus, relative, surroundings, write_json

__all__ = [
    "RunRecord",
    "write_run",
]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that is told about a run."""

    out: Path
    """The folder's final place; paths in ``run.json`` are relative to it."""
    command: str | None
    config: FinetuneConfig
    metric: str
    """That decided when to stop, and which epoch or penalty was kept."""
    from_model: Path | None
    device: torch.device
    train: Part
    valid: Part
    test: Part
    left_out: Mapping[str, int]
    """Windows of the corpus that are in no part, by reason."""
    trained: Trained
    contract: Preprocessing
    """Of the model, with its thresholds."""
    evaluations: Mapping[str, Evaluation]
    """``valid`` and ``test``."""
    leakage: list[dict[str, Any]]
    """What the test shares with what was learnt from, as far as that is known."""


def write_run(folder: Path, record: RunRecord, model_config: Mapping[str, Any]) -> dict[str, Any]:
    """Write every file of a run but its model; returns what ``metrics.json`` holds."""
    trained = record.trained
    metrics = {
        "metric": record.metric,
        "best_epoch": trained.best_epoch,
        **({} if trained.penalty is None else {"penalty": trained.penalty}),
        "thresholds": record.contract.thresholds,
        **{name: evaluation.to_dict() for name, evaluation in record.evaluations.items()},
    }
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "run.json", {**_description(record), "model": dict(model_config)})
    test = record.evaluations["test"]
    if trained.history and trained.best_epoch is not None:
        _write_history(folder / "history.csv", trained.history, record.metric)
        figure = plots.curves(
            train_loss=[line.train_loss for line in trained.history],
            valid_loss=[line.valid_loss for line in trained.history],
            valid_score=[line.valid_score for line in trained.history],
            best_epoch=trained.best_epoch,
            score_name=test.task.score_names.get(record.metric, record.metric),
        )
        plots.save_png(figure, folder / "curves.png")
    if test.confusion is not None:
        title = f"Test: balanced accuracy {test.scores['balanced_accuracy']:.3f}"
        figure = plots.confusion(test.confusion, test.label_names, title=title)
        plots.save_png(figure, folder / "confusion.png")
    # What the caller gets is what a reader of the file gets.
    return cast("dict[str, Any]", json.loads(json.dumps(metrics)))


def _description(record: RunRecord) -> dict[str, Any]:
    source = record.from_model
    return {
        "command": record.command,
        "config": asdict(record.config),
        "corpus": describe_corpus(record.train.corpus, record.out),
        "test_corpus": None
        if record.test.corpus is record.train.corpus
        else describe_corpus(record.test.corpus, record.out),
        "from_model": None if source is None else relative(source, record.out),
        "split": {
            "train": record.train.to_dict(),
            "valid": record.valid.to_dict(),
            "test": record.test.to_dict(),
            "left_out": dict(record.left_out),
        },
        "leakage": record.leakage,
        "device": str(record.device),
        "threads": torch.get_num_threads(),
        **surroundings(),
    }


def _write_history(path: Path, history: list[EpochRecord], metric: str) -> None:
    """One line an epoch; without a column of its own for a score that is the loss."""
    names = {field.name: field.name for field in fields(EpochRecord)}
    names["valid_score"] = f"valid_{metric}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(names.values())))
        writer.writeheader()
        writer.writerows(
            {names[name]: value for name, value in asdict(record).items()} for record in history
        )
