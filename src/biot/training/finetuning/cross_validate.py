"""Cross-validation by subject: every subject is tested by a model that has not seen it."""

# W windows of a corpus that are labelled, K outputs
from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from biot import plots
from biot.corpus.corpus import Corpus
from biot.corpus.leakage import SeenData, require_disjoint
from biot.corpus.load import load_corpus
from biot.corpus.subjects import warn_of_own_subjects
from biot.decision import Decision
from biot.errors import BiotError, CheckpointError, ConfigError, CorpusError, counted, require
from biot.evaluation.baselines.comparison import BaselineAnswers
from biot.evaluation.metrics import Floats, Ints
from biot.evaluation.results import Evaluation, assess, why_undefined
from biot.evaluation.tasks import Task, Truth, plain_task
from biot.io import atomic_file, remove_leftovers, require_text_name, shown_cell, write_json
from biot.locks import alone_on
from biot.report.run import add_run_report
from biot.settings import changed_settings
from biot.training.datasets import batches_of, usable
from biot.training.distributed import launch, placed, warn_of_precision
from biot.training.finetuning.build import blind_spots, build_model
from biot.training.finetuning.config import FinetuneConfig
from biot.training.finetuning.finetune import part_of, require_labels
from biot.training.finetuning.fold_baselines import fold_answers
from biot.training.finetuning.fold_files import KeptFolds
from biot.training.finetuning.fold_split import Fold, Folds, folds_by_subject
from biot.training.finetuning.fold_table import summary_table
from biot.training.finetuning.run_folder import require_unfinished, run_identity
from biot.training.finetuning.tuner import learn, require_means
from biot.training.finetuning.window_table import write_fold_windows
from biot.training.run import (
    RUN_FILE,
    as_begun,
    describe_corpus,
    open_run,
    provenance,
    relative,
)
from biot.training.scoring import predict_logits

__all__ = [
    "Fold",
    "Folds",
    "Result",
    "Tested",
    "cross_validate",
    "folds_by_subject",
    "write_folds",
]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What the model of one fold says about its test windows."""

    seed: int
    fold: Fold
    rows: Ints
    truth: Truth
    predicted: Floats
    decided: Truth
    decision: Decision
    """How its outputs are read."""
    best_epoch: int | None
    notes: tuple[str, ...] = ()
    """What a reader of its scores must know."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Test windows of all folds and seeds."""

    corpus: Corpus
    task: Task
    tested: Sequence[Tested]
    notes: tuple[str, ...] = ()
    """What holds of every training."""
    ridge: Sequence[BaselineAnswers] | None = None
    """What a ridge says of the windows of each of `tested`; None: there is none."""
    metric: str | None = None
    """The score by which the two are compared in words; None: the task's own."""

    def of_seeds(self) -> dict[int, Evaluation]:
        """All subjects' windows of a seed together."""
        places: dict[int, list[int]] = {}
        for place, fold in enumerate(self.tested):
            places.setdefault(fold.seed, []).append(place)
        return {seed: self._assess(of_seed) for seed, of_seed in places.items()}

    def of_folds(self) -> list[dict[str, Any]]:
        """One row a seed and fold."""
        return [
            {"seed": fold.seed, "fold": fold.fold.number}
            | self._scores(fold, np.ones(len(fold.rows), dtype=bool))
            for fold in self.tested
        ]

    def of_subjects(self) -> list[dict[str, Any]]:
        """One row a seed and subject: where it was tested, and its scores."""
        rows = []
        for fold in self.tested:
            subjects = self.corpus.subjects[fold.rows]
            for name in np.unique(subjects).tolist():
                place = {"seed": fold.seed, "fold": fold.fold.number, "subject": name}
                rows.append(place | self._scores(fold, subjects == name))
        return rows

    def _scores(self, fold: Tested, chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """Of some windows of a fold; NaN, and the reason, where one is undefined."""
        kept = chosen & np.isfinite(fold.predicted).all(axis=1)
        scores = dict.fromkeys(self.task.score_names, float("nan"))
        if kept.any():
            scores = self.task.scores(fold.truth[kept], fold.predicted[kept], fold.decided[kept])
        why = why_undefined(self.task, fold.truth[kept], scores)
        return {
            "n_windows": int(kept.sum()),
            "n_subjects": len(np.unique(self.corpus.subjects[fold.rows[kept]])),
            **scores,
            "undefined": f"{', '.join(why)} ({'; '.join(set(why.values()))})" if why else "",
        }

    def _assess(self, places: Sequence[int]) -> Evaluation:
        folds, beside = [self.tested[place] for place in places], None
        if self.ridge is not None:
            beside = BaselineAnswers.together([self.ridge[place] for place in places])
        truth, predicted, decided, rows = (
            np.concatenate([getattr(fold, name) for fold in folds])
            for name in ("truth", "predicted", "decided", "rows")
        )
        return assess(
            truth, predicted, self.corpus.subjects[rows], self.task, decided=decided,
            ridge=beside, metric=self.metric,
        )  # fmt: skip


def write_folds(
    folder: Path, result: Result, metric: str | None, record: Mapping[str, Any]
) -> dict[str, Any]:
    """Write every file of a cross-validation; returns what ``metrics.json`` holds.

    Parameters
    ----------
    folder
        Where to.
    result
        What the models of the folds said.
    metric
        Score of the figure; None for the task's own.
    record
        What else ``run.json`` tells.
    """
    of_folds, of_seeds, subjects = result.of_folds(), result.of_seeds(), result.of_subjects()
    names = result.task.score_names
    metrics = _metrics(result, of_folds, of_seeds)
    tested = [
        {
            "seed": fold.seed, "fold": fold.fold.number,
            **asdict(fold.decision), "best_epoch": fold.best_epoch,
            **{
                part: np.unique(result.corpus.subjects[getattr(fold.fold, part)]).tolist()
                for part in ("train", "valid", "test")
            },
        }
        for fold in result.tested
    ]  # fmt: skip
    write_json(folder / "run.json", {**record, "tested": tested})
    with atomic_file(folder / "table.txt") as partial:
        partial.write_text(summary_table(metrics, names) + "\n", encoding="utf-8")
    _write_csv(folder / "folds.csv", of_folds)
    _write_csv(folder / "subjects.csv", subjects)
    write_fold_windows(folder / "test_predictions.parquet", result.corpus, result.tested)
    write_json(folder / "metrics.json", metrics)  # with it the run is finished
    shown = _shown(subjects, metric if metric in names else result.task.default_metric, names)
    plots.draw(folder / "subjects.png", lambda: _figure(subjects, shown, names[shown]))
    return metrics


def _metrics(
    result: Result, of_folds: Sequence[Mapping[str, Any]], of_seeds: Mapping[int, Evaluation]
) -> dict[str, Any]:
    """Scores over folds and seeds, with the folds that they are of."""
    keys = list(result.task.score_names)
    alone = "" if len(of_seeds) > 1 else f"seed {next(iter(of_seeds))}, "
    folds = [f"seed {f.seed}, fold {f.fold.number}".removeprefix(alone) for f in result.tested]
    seeds = [f"seed {seed}" for seed in of_seeds]
    pooled = {key: [one.scores[key] for one in of_seeds.values()] for key in keys}
    rows = list(zip(folds, of_folds, strict=True))
    compared = [
        f"{f'Seed {seed}: ' * bool(not alone)}{note}"
        for seed, one in of_seeds.items() for note in one.notes
    ]  # fmt: skip
    return {
        "n_folds": len(of_folds) // len(of_seeds),
        "seeds": list(of_seeds),
        "notes": [
            *result.notes,
            *compared,
            *_notes(folds, result.tested),
        ],
        "folds": {key: _spread([row[key] for row in of_folds], folds) for key in keys},
        "undefined": {name: row["undefined"] for name, row in rows if row["undefined"]},
        "pooled": {key: _spread(values, seeds) for key, values in pooled.items()},
        **_beside(of_seeds, keys, seeds),
        "each_seed": {str(seed): one.to_dict() for seed, one in of_seeds.items()},
    }


def _notes(names: Sequence[str], tested: Sequence[Tested]) -> list[str]:
    """What is to be known of the trainings: once what holds of all, else with the fold's name."""
    of_all = [note for note in tested[0].notes if all(note in fold.notes for fold in tested)]
    of_each = [
        f"{name}: {note}"
        for name, fold in zip(names, tested, strict=True)
        for note in fold.notes if note not in of_all
    ]  # fmt: skip
    return [*of_all, *of_each]


def _beside(
    of_seeds: Mapping[int, Evaluation], keys: Sequence[str], seeds: Sequence[str]
) -> dict[str, Any]:
    """A ridge's scores, and the model's minus these, over the seeds; empty where there is none."""
    ridges = [one.ridge for one in of_seeds.values() if one.ridge is not None]
    if not ridges:
        return {}
    scores = {key: _spread([one.scores[key] for one in ridges], seeds) for key in keys}
    apart = {key: _spread([one.differences[key] for one in ridges], seeds) for key in keys}
    return {"ridge": {"pooled": scores, "differences": apart}}


def _spread(values: Sequence[float], names: Sequence[str]) -> dict[str, Any]:
    """Mean and standard deviation of what is defined, and of whom; None with too little."""
    numbers = np.array([value for value in values if np.isfinite(value)])
    return {
        "mean": float(numbers.mean()) if len(numbers) else None,
        "sd": float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
        "of": [name for name, value in zip(names, values, strict=True) if np.isfinite(value)],
        "values": [value if np.isfinite(value) else None for value in values],
    }


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with (
        atomic_file(path) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(shown_cell, rows[0]))
        for row in rows:
            values = ["" if isinstance(v, float) and np.isnan(v) else v for v in row.values()]
            writer.writerow(map(shown_cell, values))


def _shown(rows: Sequence[Mapping[str, Any]], wanted: str | None, names: Mapping[str, str]) -> str:
    """The score for the figure: the wanted one, or the first that some subject defines."""
    keys = [key for key in (wanted, *names) if key is not None]
    return next((key for key in keys if any(np.isfinite(row[key]) for row in rows)), keys[0])


def _figure(rows: Sequence[Mapping[str, Any]], metric: str, name: str) -> Any:
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    values = [[row[metric] for row in rows if row["subject"] == subject] for subject in subjects]
    return plots.groups(subjects, values, score_name=name)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One training: a fold under a seed."""

    corpus: Path
    from_model: Path | None
    config: FinetuneConfig
    fold: Fold

    @property
    def key(self) -> tuple[int, int]:
        """Seed and number of the fold."""
        return self.config.seed, self.fold.number


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
    ``subjects.png``, ``test_predictions.parquet`` (what was said of every window, with its seed and
    fold) and ``run.json``; the models themselves are not kept. Validation subjects,
    which stop the training and choose the thresholds, are taken from the training folds. Windows
    without usable data are in no fold; ``run.json`` counts them.

    Parameters
    ----------
    corpus
        Folder of a labelled corpus.
    out
        Folder of the run; absent, empty, or that of the same run, which then goes on with the
        folds that are left. What a fold gave is kept in it as soon as it is done.
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
        (``folds``), and over the seeds of all subjects' windows together (``pooled``); the same of
        a ridge and of the differences from it (``ridge``), unless the config leaves it out.

    Raises
    ------
    BiotError
        As :func:`biot.training.finetune`; of a training, the message names seed and fold.
    """
    config = config or FinetuneConfig()
    require_means(config, from_model)
    plots.require_figures(training=True)
    _require_numbers(config, n_seeds, workers)
    source = None if from_model is None else Path(from_model)
    out = Path(out)
    require_unfinished(out)
    data = load_corpus(Path(corpus))
    require_labels(data)
    warn_of_own_subjects(data.path)
    if source is None:
        config = as_begun(config, out)
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
    identity = {**run_identity(config, data, None, source), "folds": folds, "n_seeds": n_seeds}
    record = {
        "what": identity, "command": command, "folds": folds, "n_seeds": n_seeds,
        "workers": workers, "config": asdict(config), "changed": changed_settings(config),
        "corpus": describe_corpus(data, out),
        "from_model": None if source is None else relative(source, out),
        "left_out": {"windows without usable data": n_unusable},
        "leakage": leakage, **provenance(),
    }  # fmt: skip
    with _run_folder(out, identity, command) as kept:
        tested = _all_tested(jobs, kept, workers, progress)
        metrics = write_folds(out, _result(data, tested, config), config.metric, record)
        kept.remove()
        add_run_report(out)
    return metrics


def _result(data: Corpus, tested: Sequence[Tested], config: FinetuneConfig) -> Result:
    """What the folds gave, and a ridge beside them unless the config leaves it out."""
    ridge, unfit = None, None
    if config.baseline:
        ridge, unfit = fold_answers(data, [(one.seed, one.fold) for one in tested])
    return Result(
        corpus=data, task=plain_task(data.preprocessing), tested=tested,
        notes=(*config.kept_weights, *([] if unfit is None else [unfit])), ridge=ridge,
        metric=config.metric,
    )  # fmt: skip


@contextmanager
def _run_folder(out: Path, identity: Mapping[str, Any], command: str | None) -> Iterator[KeptFolds]:
    """The folder of a run that nobody else is at work in; gone again if nothing came of it."""
    kept = KeptFolds(out / "folds")
    require_text_name(out, CorpusError)
    with alone_on(out, "this folder", CorpusError):
        remove_leftovers(out.resolve())
        require_unfinished(out)
        was_there = out.is_dir()
        try:
            open_run(out, "cross-validation", identity, {"command": command, **provenance()})
            yield kept
        except (BiotError, OSError) as error:
            done = len(kept)
            if not done:
                (out / RUN_FILE).unlink(missing_ok=True)
                with suppress(OSError):
                    kept.folder.rmdir()
                if not was_there:
                    with suppress(OSError):
                        out.rmdir()
                raise
            told = str(error)
            if isinstance(error, OSError):
                told = f"{error.filename or out}: cannot be written ({error.strerror or error})."
            kind = type(error) if isinstance(error, BiotError) else CheckpointError
            raise kind(
                f"{told} {done} of the trainings are done and kept in {out}; the same command "
                "goes on from there."
            ) from error


def _all_tested(
    jobs: Sequence[_Job], kept: KeptFolds, workers: int, progress: bool
) -> list[Tested]:
    """The results of all trainings, in their order; those of an earlier run are not repeated."""
    done = {}
    for job in jobs:
        found = kept.load(*job.key)
        if found is not None:
            done[job.key] = _of_file(job, *found)
    if done:
        _LOGGER.info("%d of %d trainings were done by an earlier run", len(done), len(jobs))
    for tested in _run_all([job for job in jobs if job.key not in done], workers, progress):
        key = (tested.seed, tested.fold.number)
        kept.save(*key, *_for_file(tested))
        done[key] = tested
    return [done[job.key] for job in jobs]


_ARRAYS = ("rows", "truth", "predicted", "decided")


def _for_file(tested: Tested) -> tuple[dict[str, Any], dict[str, Any]]:
    about = {
        "decision": asdict(tested.decision), "best_epoch": tested.best_epoch,
        "notes": tested.notes,
    }  # fmt: skip
    return {name: getattr(tested, name) for name in _ARRAYS}, about


def _of_file(job: _Job, arrays: Mapping[str, Any], about: Mapping[str, Any]) -> Tested:
    rule: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in about["decision"].items()
    }
    return Tested(
        seed=job.config.seed, fold=job.fold, **{name: arrays[name] for name in _ARRAYS},
        decision=Decision(**rule), best_epoch=about["best_epoch"], notes=tuple(about["notes"]),
    )  # fmt: skip


def _require_numbers(config: FinetuneConfig, n_seeds: int, workers: int) -> None:
    if config.split != "subject":
        raise ConfigError(f"Folds are made by subject; split is {config.split!r}. Leave it out.")
    alone = {"devices": config.devices, "nodes": config.nodes, "tensorboard": config.tensorboard}
    asked = [name for name, value in alone.items() if value not in (None, False, 1)]
    if asked:
        raise ConfigError(
            f"{', '.join(asked)} cannot be had with folds, each of which is trained in one process "
            "without a folder of its own. Leave it out; workers trains several at the same time."
        )
    if config.tune_events:
        raise ConfigError(
            "tune_events (--tune-events) keeps rules with a model, and the models of folds are not "
            "kept. Leave it out here, and tune in a run without folds."
        )
    if n_seeds < 1 or workers < 1:
        raise ConfigError(f"seeds and workers must be at least 1, got {n_seeds} and {workers}.")


def _usable_rows(corpus: Corpus, config: FinetuneConfig, source: Path | None) -> tuple[Ints, int]:
    """Labelled windows that hold a whole token, and the number of those that do not.

    A subject without any such window could be neither validated nor tested on. The model that is
    made for this also shows, before the first fold, whether the config suits the corpus, and what
    no model of the folds can see, which is told.
    """
    labelled = part_of(corpus, np.arange(len(corpus)), "cross-validation")
    with torch.random.fork_rng([]):
        model = build_model(config, corpus.preprocessing, from_model=source)
    keep = usable(
        labelled, n_fft=model.n_fft, hop_length=model.hop_length, batch_size=config.batch_size
    )
    if not len(keep):
        raise CorpusError(
            f"{corpus.path}: none of {counted(len(labelled.rows), 'window')} has usable data."
        )
    for note in blind_spots(model, source):
        _LOGGER.warning("%s", note)
    return labelled.rows[keep], len(labelled.rows) - len(keep)


def _run_all(jobs: Sequence[_Job], workers: int, progress: bool) -> Iterator[Tested]:
    """Each result as soon as it is there."""
    from tqdm import tqdm

    if jobs:
        warn_of_precision(jobs[0].config.device, jobs[0].config.precision)
    with tqdm(total=len(jobs), unit="fold", disable=not progress, dynamic_ncols=True) as bar:
        if workers == 1:
            results: Any = map(_run, jobs)
        else:
            joblib = require("joblib", extra="training")
            threads = max(1, (os.cpu_count() or 1) // workers)
            with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=threads):
                results = joblib.Parallel(return_as="generator_unordered")(
                    joblib.delayed(_run)(job) for job in jobs
                )
        for number, result in enumerate(results, 1):
            bar.update()
            _LOGGER.info(
                "seed %d, fold %d: done (%d of %d)",
                result.seed, result.fold.number, number, len(jobs),
            )  # fmt: skip
            yield result


def _run(job: _Job) -> Tested:
    """Train and test one fold."""
    config, fold = job.config, job.fold
    try:
        corpus = load_corpus(job.corpus)
        fabric = launch(config.device, config.precision, warns=False)  # said once, for all folds
        train, test = (
            part_of(corpus, rows, role)
            for rows, role in ((fold.train, "training"), (fold.test, "the test"))
        )
        valid = part_of(corpus, fold.valid, "validation") if len(fold.valid) else None
        learned = learn(
            fabric, corpus.preprocessing, train, valid, config, from_model=job.from_model,
            where=str(corpus.path),
        )  # fmt: skip
        network = placed(fabric, learned.model)
        outputs, _, _ = predict_logits(network, batches_of(test, config.batch_size), fabric.device)
    except BiotError as error:
        raise type(error)(f"Seed {config.seed}, fold {fold.number}: {error}") from error
    task = plain_task(learned.contract)
    decision = learned.contract.decision
    predicted = task.predicted(outputs, decision)
    return Tested(
        seed=config.seed, fold=fold, rows=test.rows, truth=test.labels, predicted=predicted,
        decided=task.decided(predicted, decision), decision=decision,
        best_epoch=learned.trained.best_epoch, notes=learned.notes,
    )  # fmt: skip
