"""Fine-tuning: a labelled corpus becomes a model, its scores, and a folder that explains both."""

# K classes

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from biot.corpus import Corpus, load_corpus
from biot.corpus.batch import batches
from biot.corpus.leakage import SeenData, require_disjoint
from biot.corpus.split import split
from biot.corpus.writer import new_folder
from biot.errors import CorpusError
from biot.model import BIOT
from biot.model.tokenizer import token_mask
from biot.training.build import build_model
from biot.training.config import FinetuneConfig
from biot.training.evaluate import Evaluation, evaluate_rows, labelled_rows, require_classes_task
from biot.training.fit import EpochRecord, Passes, fit, launch
from biot.training.metrics import SCORES, Floats, Ints
from biot.training.run_folder import Part, RunRecord, write_run

__all__ = ["class_weights", "finetune"]


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The windows of a run; all labelled."""

    train: Part
    valid: Part
    test: Part
    left_out: dict[str, int]
    """Labelled windows of the corpus that are in no part, by reason."""


def finetune(
    corpus: Path | str,
    out: Path | str,
    *,
    from_model: Path | str | None = None,
    test: Path | str | None = None,
    config: FinetuneConfig | None = None,
    allow_leakage: bool = False,
    command: str | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Train a model on a labelled corpus and write all about it into a folder.

    The folder holds ``model/`` (weights, configuration, preprocessing), ``metrics.json``,
    ``history.csv``, ``confusion.png``, ``curves.png`` and ``run.json``. On a CPU the same corpus,
    config and seed give the same metrics again.

    Parameters
    ----------
    corpus
        Folder of a corpus with labels of two classes or more.
    out
        Folder to write; it appears when the run is complete.
    from_model
        Pretrained model to start from; its head is replaced. None starts from scratch.
    test
        Another corpus to test on, prepared alike; None keeps a share of `corpus` for the test.
    config
        How to split, build and train; None for the defaults.
    allow_leakage
        Go on where `test` shares a subject or a recording with `corpus` or with the training of
        `from_model`; ``run.json`` says what is shared.
    command
        The command line, if there was one, for ``run.json``.
    progress
        Show a bar with loss and validation score on stderr.

    Returns
    -------
    dict
        What ``metrics.json`` holds: scores of the validation and the test windows.

    Raises
    ------
    CorpusError
        If labels or subjects do not suffice, `out` exists, or the test is on what was learnt from.
    ContractError
        If corpus, test corpus and model were made for different preprocessing.
    ConfigError
        If the config contradicts the model or the machine, or training diverges.
    """
    config = config or FinetuneConfig()
    source = None if from_model is None else Path(from_model)
    with new_folder(Path(out)) as folder:
        data = load_corpus(Path(corpus))
        contract = data.preprocessing
        _require_classes(data)
        test_data = None if test is None else load_corpus(Path(test))
        if test_data is not None:
            contract.require_same(test_data.preprocessing, where=str(test))
        fabric = launch(config.device, config.precision)
        # The caller's random state is left as it was.
        gpus = [fabric.device.index] if fabric.device.type == "cuda" else []
        with torch.random.fork_rng(gpus):
            torch.manual_seed(config.seed)
            model = build_model(config, contract, from_model=source)
            parts = _parts(data, test_data, model, config)
            seen, leakage = _leakage(parts, source, allow_leakage=allow_leakage)
            history, best_epoch = _train(fabric, model, parts, config, progress)
        evaluations = {
            name: _evaluate(fabric, model, part, config)
            for name, part in (("valid", parts.valid), ("test", parts.test))
        }
        record = RunRecord(
            out=Path(out), command=command, config=config, from_model=source,
            device=fabric.device, train=parts.train, valid=parts.valid, test=parts.test,
            left_out=parts.left_out, history=history, best_epoch=best_epoch,
            evaluations=evaluations, leakage=leakage,
        )  # fmt: skip
        test_scores = evaluations["test"].scores
        model.cpu().save_pretrained(
            folder / "model",
            preprocessing=contract,
            corpora=[Path(corpus).resolve().name],
            metrics={
                f"test {SCORES[key]}": value
                for key, value in test_scores.items()
                if math.isfinite(value)
            },
        )
        seen.save(folder / "model")
        return write_run(folder, record, model.get_config())


def _require_classes(corpus: Corpus) -> None:
    require_classes_task(corpus)
    names = corpus.preprocessing.label_names or ()
    if len(names) < 2:
        found = f"only the class {names[0]!r}" if names else "no labels"
        raise CorpusError(
            f"{corpus.path} holds {found}; fine-tuning needs two classes or more. "
            "Prepare it again with --labels."
        )


def _parts(
    corpus: Corpus, test_corpus: Corpus | None, model: BIOT, config: FinetuneConfig
) -> _Parts:
    names = corpus.preprocessing.label_names or ()
    test_share = config.test_share if test_corpus is None else 0.0
    shares = (1.0 - config.valid_share - test_share, config.valid_share, test_share)
    division = split(corpus, config.split, shares, seed=config.seed)

    def part(rows: Ints, role: str) -> Part:
        labelled = rows[corpus.label_ids[rows] >= 0]
        if not len(labelled):
            raise CorpusError(
                f"{corpus.path}: no labelled window is left for {role}. Choose another seed, "
                "other shares, or --split recording|time."
            )
        return Part(corpus=corpus, rows=labelled, labels=corpus.label_ids[labelled])

    labelled = part(division.train, "training")
    train = _usable(labelled, model, config)
    missing = [name for index, name in enumerate(names) if not (train.labels == index).any()]
    if missing:
        raise CorpusError(
            f"{corpus.path}: no training window with usable data is labelled "
            f"{', '.join(missing)}. Choose another seed, or --split recording|time, or prepare "
            "the corpus without that class."
        )
    if test_corpus is None:
        test = part(division.test, "the test")
    else:
        rows, labels = labelled_rows(test_corpus, names)
        test = Part(corpus=test_corpus, rows=rows, labels=labels)
    return _Parts(
        train=train,
        valid=part(division.valid, "validation"),
        test=test,
        left_out={
            "training windows without usable data": len(labelled.rows) - len(train.rows),
            "windows that overlap an earlier part": division.n_overlapping,
        },
    )


def _leakage(
    parts: _Parts, source: Path | None, *, allow_leakage: bool
) -> tuple[SeenData, list[dict[str, Any]]]:
    """What the model will have learnt from, and what the test shares with it."""
    corpus, test = parts.train.corpus, SeenData.of(parts.test.corpus, parts.test.rows)
    learnt = SeenData.of(corpus, np.concatenate([parts.train.rows, parts.valid.rows]))
    records = []
    if parts.test.corpus is not corpus:  # within one corpus the split has seen to it
        where = f"{corpus.path} and {parts.test.corpus.path}"
        records.append(require_disjoint(learnt, test, where=where, allow_leakage=allow_leakage))
    if source is None:
        return learnt, records
    before = SeenData.load(source)
    where = f"the training of {source} and the test on {parts.test.corpus.path}"
    records.append(require_disjoint(before, test, where=where, allow_leakage=allow_leakage))
    return learnt.joined(before), records


def _usable(part: Part, model: BIOT, config: FinetuneConfig) -> Part:
    """Without the windows that hold no whole token: there is nothing to learn from them."""
    keep = []
    for batch in batches(part.corpus, part.rows, config.batch_size):
        mask = token_mask(~batch.signal.isnan(), model.n_fft, model.hop_length)
        keep.append(mask.flatten(1).any(dim=1).numpy())
    usable = np.concatenate(keep)
    return Part(corpus=part.corpus, rows=part.rows[usable], labels=part.labels[usable])


def class_weights(labels: Ints, n_classes: int) -> Floats:
    """Weight of each class, (K,): each class weighs the same in sum, a window 1 on average."""
    return len(labels) / (n_classes * np.bincount(labels, minlength=n_classes))


def _train(
    fabric: Any, model: BIOT, parts: _Parts, config: FinetuneConfig, progress: bool
) -> tuple[list[EpochRecord], int]:
    train, valid = parts.train, parts.valid
    weights = np.ones(model.n_outputs)
    if config.class_weights == "balanced":
        weights = class_weights(train.labels, model.n_outputs)
    part_size = config.micro_batch_size or config.batch_size
    if config.micro_batch_size is None and fabric.device.type == "cpu":
        part_size = model.encoder.cached_batch_size(model.n_chans, model.n_times)

    def shuffled(epoch: int) -> int:
        return int(np.random.SeedSequence([config.seed, epoch]).generate_state(1)[0])

    passes = Passes(
        train=lambda epoch: batches(
            train.corpus, train.rows, config.batch_size, seed=shuffled(epoch)
        ),
        valid=lambda: batches(valid.corpus, valid.rows, config.batch_size),
        n_steps=-(-len(train.rows) // config.batch_size),
    )
    return fit(
        fabric,
        model,
        passes,
        weights_K=torch.tensor(weights, dtype=torch.float32),
        part_size=part_size,
        config=config,
        progress=progress,
    )


def _evaluate(fabric: Any, model: nn.Module, part: Part, config: FinetuneConfig) -> Evaluation:
    names = part.corpus.preprocessing.label_names or ()
    return evaluate_rows(
        fabric.setup_module(model), part.corpus, part.rows, part.labels, names,
        device=fabric.device, batch_size=config.batch_size, seed=config.seed,
    )  # fmt: skip
