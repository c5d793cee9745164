"""The folder of a run as it is read for its page; the corpus too, where it still lies there."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from biot.corpus.corpus import Corpus
from biot.corpus.load import load_corpus
from biot.errors import BiotError, ConfigError
from biot.io import read_json
from biot.report.runs.values import inner, items
from biot.report.runs.window_table import WindowTable, read_window_table

__all__ = ["Kind", "ReadRun", "read_run"]

Kind = Literal["fine-tuning", "cross-validation", "pretraining"]

_MOST_BYTES = 2**26
"""Of a JSON file; a run of many windows lists their numbers."""


@dataclass(frozen=True, kw_only=True)
class ReadRun:
    """What a run left behind."""

    folder: Path
    kind: Kind
    about: Mapping[str, Any]
    """``run.json``."""
    metrics: Mapping[str, Any]
    """``metrics.json``; empty of pretraining."""
    history: list[dict[str, float]]
    """The lines of ``history.csv``; empty where there were no epochs."""
    tables: Mapping[str, WindowTable]
    """What was said of the windows of ``valid`` and ``test``, where that is kept."""
    corpora: Mapping[str, Corpus]
    """Those of the run that lie where they lay, unchanged, by their place in ``run.json``."""
    notes: tuple[str, ...]
    """What could not be read, and so is left out; a sentence each."""

    @property
    def corpus(self) -> Corpus | None:
        """That was learnt from."""
        return self.corpora.get(str(inner(self.about, "corpus").get("path")))

    @property
    def test_corpus(self) -> Corpus | None:
        """That was tested on."""
        other = inner(self.about, "test_corpus")
        return self.corpora.get(str(other.get("path"))) if other else self.corpus


def read_run(folder: Path) -> ReadRun:
    """Read the folder of a run of `finetune` or `pretrain`.

    Raises
    ------
    ConfigError
        If it is no run, is not finished, or its JSON files are damaged.
    """
    if not (folder / "run.json").is_file():
        raise ConfigError(
            f"{folder} is no run: it has no run.json. Name the folder that `biot finetune` or "
            "`biot pretrain` was given with --out."
        )
    about = read_json(folder / "run.json", ConfigError, most_bytes=_MOST_BYTES)
    kind, metrics = _kind(about), {}
    if kind != "pretraining":
        if not (folder / "metrics.json").is_file():
            raise ConfigError(
                f"{folder} is not finished: it has no metrics.json. The command that began it goes "
                "on with it; run.json holds it."
            )
        metrics = read_json(folder / "metrics.json", ConfigError, most_bytes=_MOST_BYTES)
    history, tables, notes = [], {}, []
    try:
        history = _history(folder / "history.csv")
    except (OSError, ValueError, csv.Error) as error:
        notes.append(f"The learning curves: history.csv cannot be read ({error}).")
    for part in ("valid", "test"):
        path = folder / f"{part}_predictions.parquet"
        if kind == "pretraining" or not path.is_file():
            continue
        try:
            tables[part] = read_window_table(path)
        except BiotError as error:
            notes.append(f"What is drawn from single windows: {error}")
    corpora, lacking = _corpora(folder, about)
    return ReadRun(
        folder=folder, kind=kind, about=about, metrics=metrics, history=history, tables=tables,
        corpora=corpora, notes=(*notes, *lacking),
    )  # fmt: skip


def _kind(about: Mapping[str, Any]) -> Kind:
    asked = inner(about, "what")
    if "corpora" in asked:
        return "pretraining"
    return "cross-validation" if "tested" in about or "folds" in asked else "fine-tuning"


def _history(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: float(value) if value else float("nan") for name, value in row.items() if name}
            for row in csv.DictReader(file)
        ]


def _corpora(folder: Path, about: Mapping[str, Any]) -> tuple[dict[str, Corpus], list[str]]:
    """The corpora by their place, and what is said of those that are not as they were."""
    wanted = {
        str(one["path"]): one.get("fingerprint")
        for one in (inner(about, "corpus"), inner(about, "test_corpus"))
        if "path" in one
    }
    pretrained = inner(inner(about, "what"), "corpora")
    marks = [inner(pretrained, name).get("fingerprint") for name in pretrained]
    wanted |= dict(zip(map(str, items(about, "paths")), marks, strict=False))
    found, notes = {}, []
    for place, fingerprint in wanted.items():
        path = (folder / place).resolve()
        try:
            corpus = load_corpus(path)
        except (BiotError, OSError) as error:
            notes.append(f"What the corpus itself would tell: {error}")
            continue
        if corpus.fingerprint == fingerprint:
            found[place] = corpus
        else:
            notes.append(
                f"What the corpus itself would tell: {path} has changed since the run, and is not "
                "looked at."
            )
    return found, notes
