"""Cross-validation by subject: every subject is tested by a model that has not seen it."""

# W windows, K outputs

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from biot import plots
from biot.corpus import Corpus, load_corpus
from biot.corpus.leakage import SeenData, require_disjoint
from biot.corpus.writer import new_folder
from biot.errors import BiotError, ConfigError, require
from biot.training.config import FinetuneConfig
from biot.training.evaluate import Evaluation, assess, tabulated
from biot.training.finetune import learn, part_of, require_labels
from biot.training.fit import launch
from biot.training.folds import Fold, Folds, folds_by_subject
from biot.training.metrics import Floats, Ints
from biot.training.modes import require_means
from biot.training.steps import predict_logits
from biot.training.surroundings import describe_corpus, relative, surroundings, write_json
from biot.training.tasks import Task, Truth, plain_task
from biot.training.windows import batches_of

__all__ = ["cross_validate", "summary_table"]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One training: a fold under a seed."""

    corpus: Path
    from_model: Path | None
    config: FinetuneConfig
    fold: Fold


@dataclass(frozen=True, kw_only=True)
class _Tested:
    """What the model of one fold says about its test windows."""

    seed: int
    fold: Fold
    rows: Ints
    truth: Truth
    predicted: Floats
    decided: Truth
    thresholds: tuple[float, ...] | None
    best_epoch: int | None


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
    which stop the training and choose the thresholds, are taken from the training folds.

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
        As :func:`biot.training.finetune`; the message names seed and fold.
    """
    config = config or FinetuneConfig()
    require_means(config, from_model)
    plots.require_figures()
    _require_numbers(config, n_seeds, workers)
    source = None if from_model is None else Path(from_model)
    with new_folder(Path(out)) as folder:
        data = load_corpus(Path(corpus))
        require_labels(data)
        rows = part_of(data, np.arange(len(data)), "cross-validation").rows
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
        result = _Result(corpus=data, task=plain_task(data.preprocessing), tested=tested)
        record = {
            "command": command, "folds": folds, "n_seeds": n_seeds, "workers": workers,
            "config": asdict(config), "corpus": describe_corpus(data, Path(out)),
            "from_model": None if source is None else relative(source, Path(out)),
            "leakage": leakage, **surroundings(),
        }  # fmt: skip
        return _write(folder, result, config, record)


def _require_numbers(config: FinetuneConfig, n_seeds: int, workers: int) -> None:
    if config.split != "subject":
        raise ConfigError(f"Folds are made by subject; split is {config.split!r}. Leave it out.")
    if n_seeds < 1 or workers < 1:
        raise ConfigError(f"seeds and workers must be at least 1, got {n_seeds} and {workers}.")


def _run_all(jobs: Sequence[_Job], workers: int, progress: bool) -> Iterator[_Tested]:
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


def _run(job: _Job) -> _Tested:
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
    return _Tested(
        seed=config.seed, fold=fold, rows=test.rows, truth=test.labels, predicted=predicted,
        decided=task.decided(predicted, learned.contract),
        thresholds=learned.contract.thresholds, best_epoch=learned.trained.best_epoch,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Result:
    """Test windows of all folds and seeds."""

    corpus: Corpus
    task: Task
    tested: Sequence[_Tested]

    def of_folds(self) -> list[Evaluation]:
        """One each, in the order of `tested`."""
        return [self._assess([fold]) for fold in self.tested]

    def of_seeds(self) -> dict[int, Evaluation]:
        """All subjects' windows of a seed together."""
        seeds = dict.fromkeys(fold.seed for fold in self.tested)
        return {s: self._assess([f for f in self.tested if f.seed == s]) for s in seeds}

    def of_subjects(self) -> Iterator[dict[str, Any]]:
        """One row a seed and subject: where it was tested, and its scores."""
        for fold in self.tested:
            subjects = self.corpus.subjects[fold.rows]
            for name in np.unique(subjects).tolist():
                kept = (subjects == name) & np.isfinite(fold.predicted).all(axis=1)
                given = fold.truth[kept], fold.predicted[kept], fold.decided[kept]
                scores = dict.fromkeys(self.task.score_names, float("nan"))
                if kept.any():
                    scores = self.task.scores(*given)
                yield {
                    "seed": fold.seed, "fold": fold.fold.number, "subject": name,
                    "n_windows": int(kept.sum()), **scores,
                }  # fmt: skip

    def _assess(self, folds: Sequence[_Tested]) -> Evaluation:
        truth, predicted, decided, rows = (
            np.concatenate([getattr(fold, name) for fold in folds])
            for name in ("truth", "predicted", "decided", "rows")
        )
        return assess(
            truth, predicted, self.corpus.subjects[rows], self.task, decided=decided,
            n_bootstrap=0,
        )  # fmt: skip


def _write(
    folder: Path, result: _Result, config: FinetuneConfig, record: Mapping[str, Any]
) -> dict[str, Any]:
    of_folds, of_seeds, subjects = result.of_folds(), result.of_seeds(), [*result.of_subjects()]
    names = result.task.score_names
    metrics = {
        "n_folds": len(of_folds) // len(of_seeds),
        "seeds": list(of_seeds),
        "folds": {key: _spread([e.scores[key] for e in of_folds]) for key in names},
        "pooled": {key: _spread([e.scores[key] for e in of_seeds.values()]) for key in names},
        "each_seed": {str(seed): e.to_dict() for seed, e in of_seeds.items()},
    }
    write_json(folder / "metrics.json", metrics)
    tested = [
        {
            "seed": fold.seed, "fold": fold.fold.number,
            "thresholds": fold.thresholds, "best_epoch": fold.best_epoch,
            **{
                part: np.unique(result.corpus.subjects[getattr(fold.fold, part)]).tolist()
                for part in ("train", "valid", "test")
            },
        }
        for fold in result.tested
    ]  # fmt: skip
    write_json(folder / "run.json", {**record, "tested": tested})
    (folder / "table.txt").write_text(summary_table(metrics, names) + "\n", encoding="utf-8")
    _write_csv(
        folder / "folds.csv",
        [
            {"seed": f.seed, "fold": f.fold.number, "n_windows": e.n_windows, **e.scores}
            for f, e in zip(result.tested, of_folds, strict=True)
        ],
    )
    _write_csv(folder / "subjects.csv", subjects)
    metric = result.task.require_metric(config.metric)
    metric = metric if metric in names else result.task.default_metric
    _draw(folder / "subjects.png", subjects, metric, names[metric])
    return metrics


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation of what is defined; None where there is too little."""
    numbers = np.array([value for value in values if np.isfinite(value)])
    return {
        "mean": float(numbers.mean()) if len(numbers) else None,
        "sd": float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
        "values": [value if np.isfinite(value) else None for value in values],
    }


def summary_table(metrics: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Mean ± standard deviation of each score, as text."""

    def cell(spread: Mapping[str, Any]) -> str:
        mean, sd = spread["mean"], spread["sd"]
        if mean is None:
            return "undefined"
        return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"

    rows = [
        (name, cell(metrics["folds"][key]), cell(metrics["pooled"][key]))
        for key, name in names.items()
    ]
    n_seeds = len(metrics["seeds"])
    over = f"{metrics['n_folds']} folds × {n_seeds} seed{'s' * (n_seeds > 1)}"
    return tabulated(rows, ("score", f"mean ± sd of {over}", "all windows of a seed"))


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: "" if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
            for row in rows
        )


def _draw(path: Path, rows: Sequence[Mapping[str, Any]], metric: str, name: str) -> None:
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    values = [[row[metric] for row in rows if row["subject"] == subject] for subject in subjects]
    plots.save_png(plots.groups(subjects, values, score_name=name), path)
