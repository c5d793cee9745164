"""What a run leaves behind beside its model: scores, history, figures and how to repeat it."""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from biot import plots
from biot.corpus import Corpus
from biot.corpus.writer import STATE_FILE
from biot.training.config import FinetuneConfig
from biot.training.evaluate import Evaluation
from biot.training.fit import EpochRecord
from biot.training.metrics import Ints

__all__ = ["Part", "RunRecord", "write_run"]

PACKAGES = ("biot", "torch", "numpy", "lightning-fabric", "scikit-learn")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Windows of one corpus that play one role in a run."""

    corpus: Corpus
    rows: Ints
    """(W,) positions in the corpus, ascending."""
    labels: Ints
    """(W,) classes as the model counts them."""

    def to_dict(self) -> dict[str, Any]:
        """Subjects, and the rows as ranges [first, last + 1]."""
        breaks = np.flatnonzero(np.diff(self.rows) != 1) + 1
        ranges = [[int(run[0]), int(run[-1]) + 1] for run in np.split(self.rows, breaks)]
        subjects = np.unique(self.corpus.subjects[self.rows]).tolist()
        return {"n_windows": len(self.rows), "subjects": subjects, "rows": ranges}


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that is told about a run."""

    out: Path
    """The folder's final place; paths in ``run.json`` are relative to it."""
    command: str | None
    config: FinetuneConfig
    from_model: Path | None
    device: torch.device
    train: Part
    valid: Part
    test: Part
    left_out: Mapping[str, int]
    """Windows of the corpus that are in no part, by reason."""
    history: list[EpochRecord]
    best_epoch: int
    evaluations: Mapping[str, Evaluation]
    """``valid`` and ``test``."""
    leakage: list[dict[str, Any]] = field(default_factory=list)
    """What the test shares with what was learnt from, as far as that is known."""


def write_run(folder: Path, record: RunRecord, model_config: Mapping[str, Any]) -> dict[str, Any]:
    """Write every file of a run but its model; returns what ``metrics.json`` holds."""
    metrics = {
        "best_epoch": record.best_epoch,
        **{name: evaluation.to_dict() for name, evaluation in record.evaluations.items()},
    }
    _write_json(folder / "metrics.json", metrics)
    _write_json(folder / "run.json", {**_description(record), "model": dict(model_config)})
    _write_history(folder / "history.csv", record.history)
    figure = plots.curves(
        train_loss=[line.train_loss for line in record.history],
        valid_loss=[line.valid_loss for line in record.history],
        valid_score=[line.valid_balanced_accuracy for line in record.history],
        best_epoch=record.best_epoch,
    )
    plots.save_png(figure, folder / "curves.png")
    test = record.evaluations["test"]
    title = f"Test: balanced accuracy {test.scores['balanced_accuracy']:.3f}"
    figure = plots.confusion(test.confusion, test.label_names, title=title)
    plots.save_png(figure, folder / "confusion.png")
    return metrics


def _description(record: RunRecord) -> dict[str, Any]:
    source = record.from_model
    return {
        "command": record.command,
        "config": asdict(record.config),
        "corpus": _corpus(record.train.corpus, record.out),
        "test_corpus": None
        if record.test.corpus is record.train.corpus
        else _corpus(record.test.corpus, record.out),
        "from_model": None if source is None else _relative(source, record.out),
        "split": {
            "train": record.train.to_dict(),
            "valid": record.valid.to_dict(),
            "test": record.test.to_dict(),
            "left_out": dict(record.left_out),
        },
        "leakage": record.leakage,
        "device": str(record.device),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
    }


def _corpus(corpus: Corpus, out: Path) -> dict[str, Any]:
    state = json.loads((corpus.path / STATE_FILE).read_text(encoding="utf-8"))
    return {
        "path": _relative(corpus.path, out),
        "fingerprint": state.get("_fingerprint"),
        "n_windows": len(corpus),
    }


def _relative(path: Path, start: Path) -> str:
    return Path(os.path.relpath(path.resolve(), start.resolve())).as_posix()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _write_history(path: Path, history: list[EpochRecord]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in fields(EpochRecord)])
        writer.writeheader()
        writer.writerows(asdict(record) for record in history)
