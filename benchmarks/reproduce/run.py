"""Seeds and folds of every method on a set: trained side by side, kept, and scored together."""

# W windows, K classes or tags, N seeds

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

import biot
from benchmarks.reproduce.nets import net_outputs
from benchmarks.reproduce.ours import OURS, Recipe, our_outputs, quick
from benchmarks.reproduce.protocols import PROTOCOLS
from benchmarks.reproduce.score import Scored, compared, scored
from benchmarks.reproduce.sets import Problem
from biot.errors import ConfigError, require
from biot.evaluation.baselines import RidgeBaseline, band_powers, signal_kinds
from biot.evaluation.tasks import Classes, MultiLabel
from biot.io import atomic_file

__all__ = ["Options", "methods_of", "results_of", "run_set"]

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

ONE_SEED = ("chance", "ridge")
"""Methods without chance in them."""
TOGETHER = "ours + ridge"
"""The mean of both probabilities; nothing is trained for it."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run."""

    seeds: tuple[int, ...] = (0, 1, 2)
    only: tuple[str, ...] = ()
    """Methods to run; empty for all."""
    quick: bool = False
    """Only show that all works: few windows, one small model, one epoch, one seed."""
    again: bool = False
    """Repeat what is there."""
    jobs: int = 2
    """Processes, each with one thread."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the recipe's models, other than it says."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    method: str
    seed: int
    fold: int


@dataclass(frozen=True, kw_only=True)
class _Done:
    job: _Job
    outputs: Array
    seconds: float
    """Of processor time."""
    said: tuple[str, ...]
    """Warnings."""


def methods_of(name: str) -> tuple[str, ...]:
    """Every method that the set's table has."""
    return ("chance", "ridge", *PROTOCOLS[name].nets, "ours")


def recipe_of(name: str, options: Options) -> Recipe:
    """The recipe of a set, with what the options change in it."""
    recipe = quick(OURS[name]) if options.quick else OURS[name]
    return recipe.changed(options.settings)


def run_set(name: str, problem: Problem, fold_of: Ints, options: Options, out: Path) -> Path:
    """Train and test what is asked for; the outputs of each training are kept in `out`.

    A training whose outputs are there, of the same windows, folds and settings, is not repeated
    (a change of the code is not noticed: ``options.again``).

    Returns
    -------
    Path
        The folder of the outputs, ``out/NAME``.

    Raises
    ------
    ConfigError
        If none of the methods is one of the set's.
    """
    methods = _methods(name, options)
    recipe = recipe_of(name, options)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    seeds = options.seeds[:1] if options.quick else options.seeds
    folds = sorted(set(fold_of[fold_of >= 0].tolist()))
    jobs = _jobs(methods, seeds, folds)
    data = _digest(problem, fold_of)
    prints = {method: _fingerprint(data, method, recipe, options) for method in methods}
    wanted = [
        job for job in jobs
        if options.again or _kept(folder, job, prints[job.method]) is None
    ]  # fmt: skip
    said: Counter[str] = Counter()
    for done in _side_by_side(problem, fold_of, wanted, recipe, options):
        said.update(done.said)
        with atomic_file(_file(folder, done.job)) as path, path.open("wb") as file:
            np.savez(
                file, outputs=done.outputs, seconds=done.seconds,
                fingerprint=prints[done.job.method],
            )  # fmt: skip
    for message, times in said.most_common(20):
        tqdm.write(f"told {times} times: {message}")
    return folder


def _jobs(methods: Sequence[str], seeds: Sequence[int], folds: Sequence[int]) -> list[_Job]:
    """The slowest first, so that the last of them does not run alone."""
    return [
        _Job(method=method, seed=seed, fold=fold)
        for method in reversed(methods)
        for seed in (seeds[:1] if method in ONE_SEED else seeds)
        for fold in folds
    ]


def results_of(
    name: str, problem: Problem, fold_of: Ints, options: Options, folder: Path
) -> dict[str, Any]:
    """Scores of everything that was run with these windows, folds and settings."""
    protocol, recipe = PROTOCOLS[name], recipe_of(name, options)
    outputs, seconds = {}, {}
    data = _digest(problem, fold_of)
    for method in methods_of(name):
        fingerprint = _fingerprint(data, method, recipe, options)
        found = _collected(folder, problem, fold_of, method, fingerprint, options)
        if found is not None:
            outputs[method], seconds[method] = found
    if "ours" in outputs and "ridge" in outputs:
        outputs[TOGETHER] = (outputs["ours"] + outputs["ridge"]) / 2
    metrics = (protocol.metric, *protocol.also)
    result: dict[str, Any] = {
        **_about(name, problem, fold_of, options, recipe),
        "seconds": {method: round(value, 1) for method, value in seconds.items()},
        "scores": {},
        "differences": {},
    }
    for metric in metrics:
        found = scored(problem, fold_of, outputs, metric)
        result["scores"][metric.name] = {m: _plain(value) for m, value in found.items()}
    for other in outputs:
        if "ours" in outputs and other not in ("ours", "chance", TOGETHER):
            value = compared(problem, fold_of, outputs["ours"], outputs[other], protocol.metric)
            result["differences"][other] = _plain(value)
    if TOGETHER in outputs:
        value = compared(problem, fold_of, outputs[TOGETHER], outputs["ridge"], protocol.metric)
        result["differences"]["together"] = _plain(value)
    return result


def _about(
    name: str, problem: Problem, fold_of: Ints, options: Options, recipe: Recipe
) -> dict[str, Any]:
    """What was tested, and how."""
    protocol, tested = PROTOCOLS[name], fold_of >= 0
    return {
        "set": name,
        "quick": options.quick,
        "split": "official or given test part" if (fold_of < 0).any() else "folds by subject",
        "folds": len(set(fold_of[tested].tolist())),
        "windows": int(tested.sum()),
        "subjects": len(np.unique(problem.subject[tested])),
        "seeds": list(options.seeds[:1] if options.quick else options.seeds),
        "metric": protocol.metric.name,
        "note": protocol.note,
        "published": protocol.published,
        "source": protocol.source,
        "nets": list(protocol.nets),
        "passes": recipe.epochs,
        "members": len(recipe.members),
        "recipe": recipe.described(),
        "versions": {"biot": biot.__version__, "torch": torch.__version__},
    }


def _plain(value: Scored) -> dict[str, Any]:
    return {
        "mean": value.mean, "sd": value.sd, "values": list(value.values),
        "interval": None if value.interval is None else list(value.interval),
    }  # fmt: skip


def _methods(name: str, options: Options) -> list[str]:
    """What is asked for of what the set has."""
    known = methods_of(name)
    nets = {net for protocol in PROTOCOLS.values() for net in protocol.nets}
    unknown = [method for method in options.only if method not in {*known, *nets}]
    chosen = [method for method in known if not options.only or method in options.only]
    if unknown or not chosen:
        wrong = unknown[0] if unknown else " ".join(options.only)
        raise ConfigError(f"--only {wrong}: {name} has the methods {', '.join(known)}.")
    return chosen


def _side_by_side(
    problem: Problem, fold_of: Ints, jobs: Sequence[_Job], recipe: Recipe, options: Options
) -> Iterable[_Done]:
    """What each job gives, as it is finished."""
    joblib = require("joblib", extra="corpus")
    if not jobs:
        return
    pool = joblib.Parallel(n_jobs=options.jobs, return_as="generator_unordered")
    call = joblib.delayed(_done)
    done = pool(call(problem, fold_of, job, recipe, options.quick) for job in jobs)
    yield from tqdm(done, total=len(jobs), unit="training", desc="reproduce", disable=None)


def _done(problem: Problem, fold_of: Ints, job: _Job, recipe: Recipe, brief: bool) -> _Done:
    torch.set_num_threads(1)
    started = time.process_time()
    test_rows, train_rows = np.flatnonzero(fold_of == job.fold), np.flatnonzero(fold_of != job.fold)
    if brief:
        train_rows = _few(problem, train_rows)
    train, test = problem.chosen(train_rows), problem.chosen(test_rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outputs = _outputs(job, recipe, train, test)
    ours = {str(one.message) for one in caught if issubclass(one.category, UserWarning)}
    return _Done(
        job=job, outputs=np.asarray(outputs, np.float64),
        seconds=time.process_time() - started, said=tuple(sorted(ours)),
    )  # fmt: skip


def _outputs(job: _Job, recipe: Recipe, train: Problem, test: Problem) -> Array:
    if job.method == "chance":
        share = np.ones(len(train.label_names)) / len(train.label_names)
        return np.tile(share, (len(test.x), 1))
    if job.method == "ridge":
        return ridge_outputs(train, test)
    if job.method == "ours":
        return our_outputs(recipe, train, test, seed=job.seed)
    nets = [
        net_outputs(job.method, train, test, epochs=recipe.epochs, seed=100 * job.seed + i)
        for i in range(len(recipe.members))
    ]
    return np.asarray(np.mean(nets, axis=0))


def ridge_outputs(train: Problem, test: Problem) -> Array:
    """Probabilities of a ridge on log band powers for the test windows, (W, K).

    As those of ours, they are of a world in which all classes are equally common.
    """
    task = (MultiLabel if train.task == "multilabel" else Classes)(names=train.label_names)
    kinds = signal_kinds(train.units)
    seen, asked = (band_powers(part.x, part.sfreq, kinds=kinds) for part in (train, test))
    ridge = RidgeBaseline.fit(seen, train.y, task, groups=train.subject)
    return replace(ridge.decision, class_weights=None).probabilities(ridge.outputs(asked))


def _few(problem: Problem, rows: Ints, most: int = 200) -> Ints:
    """Every n-th window, and enough of them that no class is left out."""
    label = np.unique(problem.y[rows], axis=0, return_inverse=True)[1].reshape(-1)
    order = np.argsort(label, kind="stable")
    return np.sort(rows[order[:: max(1, len(rows) // most)]])


def _file(folder: Path, job: _Job) -> Path:
    return folder / f"{job.method}-seed{job.seed}-fold{job.fold}.npz"


def _kept(folder: Path, job: _Job, fingerprint: str) -> tuple[Array, float] | None:
    """Outputs and seconds of a training that was finished before, of the same."""
    try:
        with np.load(_file(folder, job)) as arrays:
            if str(arrays["fingerprint"]) != fingerprint:
                return None
            return arrays["outputs"], float(arrays["seconds"])
    except (OSError, ValueError, KeyError):
        return None


def _collected(
    folder: Path, problem: Problem, fold_of: Ints, method: str, fingerprint: str, options: Options
) -> tuple[Array, float] | None:
    """Outputs (N, W, K) of a method, NaN where no fold tests; None where a training is missing."""
    seeds = options.seeds[:1] if options.quick or method in ONE_SEED else options.seeds
    outputs = np.full((len(seeds), len(problem.y), len(problem.label_names)), np.nan)
    seconds = 0.0
    for i, seed in enumerate(seeds):
        for fold in set(fold_of[fold_of >= 0].tolist()):
            found = _kept(folder, _Job(method=method, seed=seed, fold=fold), fingerprint)
            if found is None:
                return None
            outputs[i, fold_of == fold] = found[0]
            seconds += found[1]
    return outputs, seconds


def _digest(problem: Problem, fold_of: Ints) -> str:
    """Of windows, labels and folds."""
    digest = hashlib.sha256()
    for array in (problem.x, problem.y, fold_of):
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _fingerprint(data: str, method: str, recipe: Recipe, options: Options) -> str:
    """Of the data and of the settings that matter to a method."""
    settings: list[Any] = [data, options.quick]
    if method == "ours":
        settings += recipe.described()
    elif method not in ONE_SEED:
        settings += [recipe.epochs, len(recipe.members)]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
