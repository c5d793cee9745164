"""Cross-validation by subject: every subject is tested by a model that has not seen it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from biot import plots
from biot.corpus import Corpus, load_corpus
from biot.corpus.leakage import SeenData, require_disjoint
from biot.corpus.writer import new_folder
from biot.errors import BiotError, ConfigError, CorpusError, require
from biot.training.build import build_model
from biot.training.config import FinetuneConfig
from biot.training.finetune import part_of, require_labels
from biot.training.fit import launch
from biot.training.folds import Fold, Folds, folds_by_subject
from biot.training.folds_folder import Result, Tested, write_folds
from biot.training.learn import learn
from biot.training.metrics import Ints
from biot.training.modes import require_means
from biot.training.steps import predict_logits
from biot.training.surroundings import describe_corpus, relative, surroundings
from biot.training.tasks import plain_task
from biot.training.windows import batches_of, usable

__all__ = ["cross_validate"]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One training: a fold under a seed."""

    corpus: Path
    from_model: Path | None
    config: FinetuneConfig
    fold: Fold


def cross_validate(
    corpus: Path | str,
    out: Path | str,
    *,
    folds: Folds = 5,
    n_seeds: int = 1,
    workers: int = 1,
    from_model: Path | str | None = None,
    config: FinetuneConfig | None = None,
    allow_leakage: bool = False,
    command: str | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Train and test once a fold and seed, and write all about it into a folder.

    The folder holds ``metrics.json``, ``table.txt``, ``folds.csv``, ``subjects.csv``,
    ``subjects.png`` and ``run.json``; the models themselves are not kept. Validation subjects,
    which stop the training and choose the thresholds, are taken from the training folds. Windows
    without usable data are in no fold; ``run.json`` counts them.

    Parameters
    ----------
    corpus
        Folder of a labelled corpus.
    out
        Folder to write; it appears when all folds are done.
    folds
        Number of folds, or ``"loso"``: leave one subject out.
    n_seeds
        Times that everything is repeated, with the seed of `config` and those after it; folds,
        weights and order of windows differ.
    workers
        Processes that train at the same time; they share the processor's cores.
    from_model
        Model that every fold starts from.
    config
        How to build and train; its `split` must be ``"subject"``, its `test_share` is not used.
    allow_leakage
        Go on where `from_model` was trained on subjects or recordings of the corpus.
    command
        The command line, if there was one, for ``run.json``.
    progress
        Show a bar of the folds on stderr.

    Returns
    -------
    dict
        What ``metrics.json`` holds: each score as mean and standard deviation over the folds
        (``folds``), and over the seeds of all subjects' windows together (``pooled``).

    Raises
    ------
    BiotError
        As :func:`biot.training.finetune`; of a training, the message names seed and fold.
    """
    config = config or FinetuneConfig()
    require_means(config, from_model)
    plots.require_figures()
    _require_numbers(config, n_seeds, workers)
    source = None if from_model is None else Path(from_model)
    with new_folder(Path(out)) as folder:
        data = load_corpus(Path(corpus))
        require_labels(data)
        rows, n_unusable = _usable_rows(data, config, source)
        leakage = None
        if source is not None:
            before = SeenData.load(source)
            leakage = require_disjoint(
                before and before.by_checksum(), SeenData.of(data, rows),
                where=f"the training of {source} and the test on {data.path}",
                allow_leakage=allow_leakage,
            )  # fmt: skip
        jobs = [
            _Job(corpus=Path(corpus), from_model=source, config=seeded, fold=fold)
            for seeded in (replace(config, seed=config.seed + index) for index in range(n_seeds))
            for fold in folds_by_subject(
                data, rows, folds, valid_share=config.valid_share, seed=seeded.seed
            )
        ]
        tested = list(_run_all(jobs, workers, progress))
        result = Result(corpus=data, task=plain_task(data.preprocessing), tested=tested)
        record = {
            "command": command, "folds": folds, "n_seeds": n_seeds, "workers": workers,
            "config": asdict(config), "corpus": describe_corpus(data, Path(out)),
            "from_model": None if source is None else relative(source, Path(out)),
            "left_out": {"windows without usable data": n_unusable},
            "leakage": leakage, **surroundings(),
        }  # fmt: skip
        return write_folds(folder, result, config.metric, record)


def _require_numbers(config: FinetuneConfig, n_seeds: int, workers: int) -> None:
    if config.split != "subject":
        raise ConfigError(f"Folds are made by subject; split is {config.split!r}. Leave it out.")
    if n_seeds < 1 or workers < 1:
        raise ConfigError(f"seeds and workers must be at least 1, got {n_seeds} and {workers}.")


def _usable_rows(corpus: Corpus, config: FinetuneConfig, source: Path | None) -> tuple[Ints, int]:
    """Labelled windows that hold a whole token, and the number of those that do not.

    A subject without any such window could be neither validated nor tested on. The model that is
    made for this also shows, before the first fold, whether the config suits the corpus.
    """
    labelled = part_of(corpus, np.arange(len(corpus)), "cross-validation")
    with torch.random.fork_rng([]):
        model = build_model(config, corpus.preprocessing, from_model=source)
    keep = usable(
        labelled, n_fft=model.n_fft, hop_length=model.hop_length, batch_size=config.batch_size
    )
    if not len(keep):
        raise CorpusError(f"{corpus.path}: none of {len(labelled.rows)} windows has usable data.")
    return labelled.rows[keep], len(labelled.rows) - len(keep)


def _run_all(jobs: Sequence[_Job], workers: int, progress: bool) -> Iterator[Tested]:
    """Results in the order of the jobs, whoever is done first."""
    from tqdm import tqdm

    with tqdm(total=len(jobs), unit="fold", disable=not progress, dynamic_ncols=True) as bar:
        if workers == 1:
            results: Any = map(_run, jobs)
        else:
            joblib = require("joblib", extra="training")
            threads = max(1, (os.cpu_count() or 1) // workers)
            with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=threads):
                results = joblib.Parallel(return_as="generator")(
                    joblib.delayed(_run)(job) for job in jobs
                )
        for result in results:
            bar.update()
            yield result


def _run(job: _Job) -> Tested:
    """Train and test one fold."""
    config, fold = job.config, job.fold
    try:
        corpus = load_corpus(job.corpus)
        fabric = launch(config.device, config.precision)
        train, valid, test = (
            part_of(corpus, rows, role)
            for rows, role in (
                (fold.train, "training"), (fold.valid, "validation"), (fold.test, "the test"),
            )
        )  # fmt: skip
        learned = learn(
            fabric, corpus.preprocessing, train, valid, config, from_model=job.from_model,
            where=str(corpus.path),
        )  # fmt: skip
        network = fabric.setup_module(learned.model)
        outputs, _, _ = predict_logits(network, batches_of(test, config.batch_size), fabric.device)
    except BiotError as error:
        raise type(error)(f"Seed {config.seed}, fold {fold.number}: {error}") from error
    task = plain_task(learned.contract)
    predicted = task.predicted(outputs)
    return Tested(
        seed=config.seed, fold=fold, rows=test.rows, truth=test.labels, predicted=predicted,
        decided=task.decided(predicted, learned.contract),
        thresholds=learned.contract.thresholds, best_epoch=learned.trained.best_epoch,
    )  # fmt: skip
