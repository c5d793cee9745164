"""Fine-tuning: a labelled corpus becomes a model, its scores, and a folder that explains both."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from biot import plots
from biot.corpus.corpus import Corpus
from biot.corpus.leakage import SeenData, note_of_leakage, require_disjoint
from biot.corpus.load import load_corpus
from biot.corpus.split import split
from biot.corpus.subjects import warn_of_own_subjects
from biot.errors import BiotError, CorpusError, StoppedError
from biot.evaluation.baselines.comparison import RIDGE, told_of_no_ridge
from biot.evaluation.metrics import Ints
from biot.evaluation.results import Evaluation
from biot.model.biot import BIOT
from biot.settings import configured, takes_settings
from biot.training.baseline import KeptBaseline, fit_baseline
from biot.training.datasets import Subset, is_labelled, truth_of
from biot.training.distributed import launch_processes, once
from biot.training.finetuning.build import blind_spots
from biot.training.finetuning.config import FinetuneConfig
from biot.training.finetuning.event_tuning import EventTuning, require_events, tune_events
from biot.training.finetuning.objective import RunFiles
from biot.training.finetuning.run_folder import (
    RunRecord,
    begin_run,
    clean_up,
    require_unfinished,
    run_identity,
    write_run,
)
from biot.training.finetuning.tuner import Learned, learn, require_means
from biot.training.run import alone_in, as_begun, identity_of, made_by
from biot.training.scoring import labelled_rows

__all__ = [
    "finetune",
    "part_of",
    "require_labels",
]


_LOGGER = logging.getLogger(__name__)

_NO_PART = "windows without an official part, or of one that is not used"


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The windows of a run; all labelled."""

    train: Subset
    valid: Subset | None
    """None where nothing validates."""
    test: Subset
    n_overlapping: int
    """Windows of the corpus that are in no part, because they overlap one of an earlier part."""
    n_in_no_part: int
    """Windows that the official parts do not hold."""
    notes: tuple[str, ...]
    """What is to be told of the parts."""

    @property
    def learnt(self) -> Subset:
        """The windows of training and of validation."""
        return self.train if self.valid is None else self.train.joined(self.valid)


@takes_settings(FinetuneConfig)
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
    **settings: Any,
) -> dict[str, Any]:
    """Train a model on a labelled corpus; the same call again resumes a run that was stopped.

    The folder holds ``model/`` (weights, configuration, preprocessing), ``metrics.json`` and
    ``run.json``; ``confusion.png`` where there are classes, ``reliability.png`` where there are
    probabilities; ``history.csv`` and ``curves.png`` where there were epochs; what was said of
    every window in ``test_predictions.parquet`` and ``valid_predictions.parquet``; and
    ``report.html``, the page of all of it. On a CPU the same
    corpus, config and seed give the same metrics again, and a run that was killed at any step ends
    with the same bits as one that was not.

    Parameters
    ----------
    corpus
        Folder of a corpus with labels of two classes or more.
    out
        Folder of the run; absent, empty, or that of the same run, which then goes on.
    from_model
        Pretrained model to start from; its head is replaced. None starts from scratch.
    test
        Another corpus to test on, prepared alike; None keeps a share of `corpus` for the test.
    config
        How to split, build and train, instead of `settings`; None for the defaults.
    allow_leakage
        Go on where `test` shares a subject or a recording with `corpus` or with the training of
        `from_model`; ``run.json`` says what is shared.
    command
        The command line, if there was one, for ``run.json``.
    progress
        Show a bar with loss and validation score on stderr.
    **settings
        The same as keywords: ``epochs=8, embed_dim=32``.

    Returns
    -------
    dict
        What ``metrics.json`` holds: scores of the validation and the test windows; of a refit,
        under ``before_refit``, also the test scores of the model before it.

    Raises
    ------
    CorpusError
        If labels or subjects do not suffice, `out` holds a finished run or
        something else, or the test is on what was learnt from.
    ContractError
        If corpus, test corpus and model were made for different preprocessing.
    ConfigError
        If a setting is unknown, out of range or contradicts the model or the machine, or training
        diverges.
    CheckpointError
        If a checkpoint cannot be written, or none of those that are there can be read.
    StoppedError
        If SIGTERM or SIGUSR1 stopped the run; a checkpoint has been written.
    MissingDependencyError
        If PEFT (mode ``"lora"``) or matplotlib is not installed.
    """
    config = configured(FinetuneConfig, config, settings)
    require_means(config, from_model)
    plots.require_figures(training=True)
    source, out = None if from_model is None else Path(from_model), Path(out)
    require_unfinished(out)
    data = load_corpus(Path(corpus))
    require_labels(data)
    test_data = None if test is None else load_corpus(Path(test))
    if test_data is not None:
        data.preprocessing.require_same(test_data.preprocessing, where=str(test))
    fabric = launch_processes(config)
    tells = bool(fabric.is_global_zero)
    if source is None:
        config = as_begun(config, out, tells=tells)
    if tells:
        _warn_of_subjects([data] if config.split in ("subject", "column") else [], test_data)
    parts = _parts(data, test_data, config)
    seen, leakage = _leakage(parts, source, allow_leakage=allow_leakage)
    if config.tune_events:
        require_events(_validating(parts), data.preprocessing, config)
    identity = run_identity(config, data, test_data, source)

    begin = _beginning(fabric, out, identity, command, source)
    with alone_in(fabric, out), _cleaned_up(fabric, out):
        learned = learn(
            fabric, data.preprocessing, parts.train, parts.valid, config, from_model=source,
            where=str(data.path), files=begin, progress=progress,
        )  # fmt: skip
        learned, events = _with_events(fabric, learned, parts, config)
        record = _record(
            fabric, learned, parts, config, out=out, source=source, command=command,
            leakage=leakage, identity=identity, events=events,
        )  # fmt: skip
        learned.model.cpu()
        return once(fabric, out, lambda: _finish(learned, record, seen, Path(corpus)))


def _beginning(
    fabric: Any, out: Path, identity: dict[str, Any], command: str | None, source: Path | None
) -> Callable[[BIOT], RunFiles]:
    """What makes the run's folder once its model is built, and says what this one cannot see."""
    said: set[str] = set()  # a refit begins too

    def begin(model: BIOT) -> RunFiles:
        once(fabric, out, lambda: begin_run(out, identity, command))
        for note in blind_spots(model, source):
            if fabric.is_global_zero and note not in said:
                _LOGGER.warning("%s", note)
            said.add(note)
        return RunFiles(folder=out, identity=identity_of(identity))

    return begin


@contextlib.contextmanager
def _cleaned_up(fabric: Any, out: Path) -> Iterator[None]:
    """Remove the folder of a new run that fails before its first checkpoint."""
    once(fabric, out, lambda: require_unfinished(out))
    is_new = not out.exists() or not any(out.iterdir())
    try:
        yield
    except StoppedError:
        raise
    except BiotError:
        if is_new and fabric.is_global_zero:
            clean_up(out)
        raise


def _with_events(
    fabric: Any, learned: Learned, parts: _Parts, config: FinetuneConfig
) -> tuple[Learned, EventTuning | None]:
    """The model with rules for events in its contract, if they are asked for."""
    if not config.tune_events:
        return learned, None
    valid = _validating(parts)
    plain = require_events(valid, learned.contract, config)
    chosen_for = learned.validated
    found = tune_events(
        fabric, chosen_for.model, chosen_for.contract, valid, parts.test, config, plain,
        tested=(learned.model, learned.contract),
    )  # fmt: skip
    return replace(learned, contract=replace(learned.contract, events=found.rules)), found


def _validating(parts: _Parts) -> Subset:
    """The validation windows of a run whose config needs them."""
    assert parts.valid is not None  # the config refuses to tune events without
    return parts.valid


def _finish(learned: Learned, record: RunRecord, seen: SeenData, corpus: Path) -> dict[str, Any]:
    """Write the model and all about it."""
    folder = record.out / "model"
    learned.model.save_pretrained(
        folder,
        preprocessing=learned.contract,
        corpora=[corpus.resolve().name],
        population=_population(record),
        model_card_kwargs=record.config.card_fields,
        metrics={
            **_figures(record.evaluations["test"]),
            **({} if record.events is None else record.events.figures),
        },
        provenance=made_by("finetune", [record.train.corpus], record.from_model),
    )
    seen.save(folder)
    if record.baseline is not None:
        record.baseline.save(folder)
    return write_run(record.out, record, learned.model.get_config())


def _population(record: RunRecord) -> dict[str, str]:
    """Whom a model has learnt from, as far as a corpus says."""
    learnt = record.train if record.refit is None else record.refit
    corpus = learnt.corpus
    names, counts = np.unique(corpus.labels[learnt.rows], return_counts=True)
    n_subjects = len(np.unique(corpus.subjects[learnt.rows]))
    told = {"Subjects": f"{n_subjects}, as the corpus counts them"}
    if corpus.task == "classes":
        numbers = zip(names.tolist(), counts.tolist(), strict=True)
        told["Windows"] = ", ".join(f"{name} {count}" for name, count in numbers)
    return told


def _record(
    fabric: Any, learned: Learned, parts: _Parts, config: FinetuneConfig, *, out: Path,
    source: Path | None, command: str | None, leakage: list[dict[str, Any]],
    identity: dict[str, Any], events: EventTuning | None,
) -> RunRecord:  # fmt: skip
    """What is told about a run, with its scores."""
    flattered = tuple(note for note in map(note_of_leakage, leakage) if note is not None)
    predicted = {"test": learned.predict(fabric, parts.test, config)}
    ridge, unfit = _baseline(learned, parts, config)
    test = learned.assess(parts.test, predicted["test"], config, ridge)
    scored = {"test": replace(test, notes=(*flattered, *test.notes))}
    if parts.valid is not None:
        predicted["valid"] = learned.validated.predict(fabric, parts.valid, config)
        scored["valid"] = learned.validated.assess(parts.valid, predicted["valid"], config)
    if learned.before is not None:
        before = learned.before.predict(fabric, parts.test, config)
        scored["before_refit"] = learned.before.assess(parts.test, before, config, ridge)
    return RunRecord(
        out=out, command=command, config=config, identity=identity, from_model=source,
        device=fabric.device, train=parts.train.chosen(learned.kept), valid=parts.valid,
        test=parts.test,
        left_out={
            "training windows without usable data": len(parts.train.rows) - len(learned.kept),
            "windows that overlap an earlier part": parts.n_overlapping,
            **({_NO_PART: parts.n_in_no_part} if config.split == "column" else {}),
        },
        leakage=leakage, metric=learned.metric, trained=learned.trained,
        contract=learned.contract, valid_contract=learned.validated.contract,
        notes=(*parts.notes, *config.kept_weights, *learned.notes, *unfit),
        predicted=predicted, evaluations=scored, events=events, baseline=ridge,
        refit=None if learned.refit_kept is None else parts.learnt.chosen(learned.refit_kept),
    )  # fmt: skip


def _baseline(
    learned: Learned, parts: _Parts, config: FinetuneConfig
) -> tuple[KeptBaseline | None, tuple[str, ...]]:
    """The ridge to stand beside the model, and why there is none although one is wanted."""
    if not config.baseline:
        return None, ()
    learnt = tuple(part for part in (parts.train, parts.valid) if part is not None)
    try:
        return fit_baseline(learned.contract, learnt, config.seed), ()
    except CorpusError as error:
        return None, (told_of_no_ridge(error),)


def _figures(test: Evaluation) -> dict[str, float]:
    """Test scores by name, for the model's card; of a ridge the one that the task goes by."""
    found = {
        f"test {test.task.score_names[key]} ({test.counted})": value
        for key, value in test.scores.items()
        if math.isfinite(value)
    }
    key = test.task.default_metric
    if test.ridge is not None and math.isfinite(test.ridge.differences[key]):
        name = test.task.score_names[key]
        found[f"test {name} of {RIDGE}"] = test.ridge.scores[key]
        found[f"test {name}, model minus ridge"] = test.ridge.differences[key]
    return found


def require_labels(corpus: Corpus) -> None:
    """Raise :class:`CorpusError` unless there is something to learn to say."""
    contract = corpus.preprocessing
    names = contract.label_names or ()
    if contract.task == "classes" and len(names) < 2:
        found = f"only the class {names[0]!r}" if names else "no labels"
        raise CorpusError(
            f"{corpus.path} holds {found}; fine-tuning needs two classes or more. "
            "Prepare it again with --labels."
        )
    if not names:
        raise CorpusError(f"{corpus.path} names no outputs. Prepare it again with --labels.")


def part_of(corpus: Corpus, rows: Ints, role: str) -> Subset:
    """The labelled ones of some windows.

    Raises
    ------
    CorpusError
        If there are none.
    """
    truth = truth_of(corpus)
    labelled = rows[is_labelled(truth[rows])]
    if not len(labelled):
        raise CorpusError(
            f"{corpus.path}: no labelled window is left for {role}. Choose another seed, "
            "other shares, or --split recording|time."
        )
    return Subset(corpus=corpus, rows=labelled, labels=truth[labelled])


def _warn_of_subjects(divided: list[Corpus], test_corpus: Corpus | None) -> None:
    """Warn where training and test, or the windows of a test, may be of other people than said."""
    for corpus in (*divided, *([] if test_corpus is None else [test_corpus])):
        warn_of_own_subjects(corpus.path)


def _parts(corpus: Corpus, test_corpus: Corpus | None, config: FinetuneConfig) -> _Parts:
    test_share = config.test_share if test_corpus is None else 0.0
    shares = (1.0 - config.valid_share - test_share, config.valid_share, test_share)
    division = split(corpus, config.split, shares, seed=config.seed)
    if test_corpus is None:
        test = part_of(corpus, division.test, "the test")
    else:
        rows, labels = labelled_rows(test_corpus, corpus.preprocessing)
        test = Subset(corpus=test_corpus, rows=rows, labels=labels)
    return _Parts(
        train=part_of(corpus, division.train, "training"),
        valid=part_of(corpus, division.valid, "validation") if config.valid_share else None,
        test=test,
        n_overlapping=division.n_overlapping,
        n_in_no_part=division.n_in_no_part,
        notes=division.notes,
    )


def _leakage(
    parts: _Parts, source: Path | None, *, allow_leakage: bool
) -> tuple[SeenData, list[dict[str, Any]]]:
    """What the model will have learnt from, and what the test shares with it."""
    corpus, test = parts.train.corpus, SeenData.of(parts.test.corpus, parts.test.rows)
    learnt = SeenData.of(corpus, parts.learnt.rows)
    records = []
    if parts.test.corpus is not corpus:  # within one corpus the split has seen to it
        where = f"{corpus.path} and {parts.test.corpus.path}"
        records.append(require_disjoint(learnt, test, where=where, allow_leakage=allow_leakage))
    if source is None:
        return learnt, records
    known = SeenData.load(source)
    before = None if known is None else known.by_checksum()
    where = f"the training of {source} and the test on {parts.test.corpus.path}"
    records.append(require_disjoint(before, test, where=where, allow_leakage=allow_leakage))
    return learnt.joined(before), records
