"""One run of preparation: what is there, what has changed, what is left to do."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from biot.corpus.builder.assemble import finish, quarantined, report_of, together
from biot.corpus.builder.config import WorkerConfig
from biot.corpus.builder.executor import WorkerDiedError, run
from biot.corpus.builder.report import PrepareReport, labels_without, write_labels
from biot.corpus.builder.staging import Staging
from biot.corpus.builder.worker import (
    DIED,
    Job,
    PreparedRecording,
    checksum,
    prepare_recording,
    stamp,
)
from biot.corpus.builder.writer import write_state
from biot.corpus.integrity import fault_of_content, listed_shards
from biot.corpus.manifest import MANIFEST_FILE, Manifest, Record, versions
from biot.corpus.schema import INFO_FILE, LABELS_FILE, STATE_FILE, shard_path
from biot.corpus.seal import DESCRIPTION, require_unchanged
from biot.errors import BiotError, ConfigError, CorpusError, counted
from biot.io import read_json
from biot.preprocessing import OF_EARLIER_RELEASES, Preprocessing

__all__ = [
    "Engine",
    "make",
]


class Engine(TypedDict):
    """Who computes, see :func:`biot.corpus.builder.executor.run`."""

    workers: int
    dask: str | None


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What a run has to do."""

    todo: list[Job]
    removed: list[str]
    """Recordings that are in the corpus but no longer given."""
    renamed: dict[str, dict[str, Any]]
    """Fields of records that changed and decide over no window: what names the subject, though it
    is the same, and the official part."""
    died: list[str]
    """Recordings to do that have ended a process before."""
    changes: tuple[str, ...]
    """All of it in words."""


def make(
    place: Staging,
    recipe: WorkerConfig,
    jobs: list[Job],
    skipped: Mapping[str, int],
    engine: Engine,
    strict: bool,
    progress: bool,
    notes: tuple[str, ...] = (),
    labels: str | None = None,
) -> PrepareReport:
    """Bring a corpus to what the recordings given say; the caller holds its lock.

    `labels` is what ``labels.tsv`` is to hold; None: there is none.

    Raises
    ------
    CorpusError, ConfigError
        See :func:`biot.corpus.prepare`.
    """
    try:
        place.recover()
        old, lost = _old(place, recipe)
        all_names = {job.source.recording for job in jobs}
        jobs, skipped = _without_dropped(jobs, skipped, old)
        gone = all_names - {job.source.recording for job in jobs}
        labels = None if labels is None else labels_without(labels, gone)
        damage: list[str] = []
        had = frozenset(old.recordings if old is not None else ())
        if old is not None:
            old, damage = _sound(old, place.out, lost)
        known: dict[str, tuple[Record, Any]] = {}
        if old is not None:
            known = {name: (record, None) for name, record in old.recordings.items()}
        known |= place.records()
        plan = _plan(jobs, known, engine, had, begun=old is None or lost is not None)
        unfinished = place.parameters() is not None
        idle = not (unfinished or plan.todo or plan.removed or plan.renamed or damage)
        if old is not None and idle:
            _require_readable(old.recordings, strict, place)
            contract = Preprocessing.load(place.out)
            said = _labels_restored(place.out, labels)
            if said:
                write_state(place.out, contract, old)  # it keeps the checksum of the table
            said = said or ("none: the corpus is as these recordings and parameters make it",)
            return report_of(place.out, contract, old, skipped, said, notes)
        place.begin(recipe.parameters, old)
        records = _prepared(place, recipe, plan, engine, progress)
        _require_readable(together(records), strict, place)
        _require_used(records, recipe, place)
        write_labels(place.folder, labels)
        contract, manifest = finish(place, recipe, records, old, skipped)
        place.publish()
    except OSError as error:
        raise CorpusError(
            f"{error.filename or place.out}: cannot be written ({error.strerror or error})."
        ) from error
    finally:
        place.tidy()
        if not place.is_whole and not any(r.shard for r, _ in place.records().values()):
            place.discard()  # nothing that another run could go on from
    changes = (*damage, *plan.changes)
    return report_of(place.out, contract, manifest, skipped, changes, notes)


def _labels_restored(folder: Path, labels: str | None) -> tuple[str, ...]:
    """Write the table of labels again where it is not what it was, and say so."""
    path = folder / LABELS_FILE
    if labels is None or (path.is_file() and path.read_bytes() == labels.encode()):
        return ()
    how = "was damaged" if path.exists() else "was missing"
    write_labels(folder, labels)
    return (f"{LABELS_FILE} {how} and is written anew",)


def _old(place: Staging, recipe: WorkerConfig) -> tuple[Manifest | None, str | None]:
    """Manifest of the corpus that is there, which must be of the same kind, and what was wrong."""
    old, lost = None, None
    if place.out.exists() and not (place.out.is_dir() and not any(place.out.iterdir())):
        if place.out.is_dir():
            old, lost = Manifest.recover(place.out)
        if old is None or "sfreq" not in old.parameters:
            raise CorpusError(
                f"{place.out} exists already, and is no corpus of recordings. "
                "Choose another folder, or delete it first."
            )
        _require_same(old.parameters, recipe.parameters, place.out, "was prepared")
        if old.versions != versions():
            warnings.warn(
                f"{place.out}: was prepared with {_listed(old.versions)}; now it is "
                f"{_listed(versions())}. What is there is kept.",
                stacklevel=4,
            )
    begun = place.parameters()
    if begun is not None:
        _require_same(begun, recipe.parameters, place.folder, "is unfinished, and was begun")
    return old, lost


def _sound(old: Manifest, folder: Path, lost: str | None) -> tuple[Manifest, list[str]]:
    """The manifest without recordings whose shards are damaged, and in words what is damaged."""
    if lost is not None:
        return old, [f"{MANIFEST_FILE} {lost}; all recordings were prepared anew"]
    damage = []
    sound = {}
    listed = _listed_counts(folder)
    for name, record in old.recordings.items():
        shard, fault = record.shard, None
        if shard is not None:
            fault = fault_of_content(folder, shard, record.shard_sha256)
            if fault is None and listed and listed.get(shard) != record.n_windows:
                fault = f"its number of windows differs between {STATE_FILE} and {MANIFEST_FILE}"
        if fault is None:
            sound[name] = record
        else:
            how = f"was damaged and is made anew ({fault})"
            is_there = shard_path(folder, str(shard)).exists()
            damage.append(f"{shard} {how if is_there else 'was missing and is made anew'}")
    try:
        state = read_json(folder / STATE_FILE, CorpusError)
        listed_shards(folder, state)
        read_json(folder / INFO_FILE, CorpusError)
        Preprocessing.load(folder)
        require_unchanged(folder, state, DESCRIPTION)
    except BiotError as error:
        damage.append(f"the description of the corpus was damaged and is made anew ({error})")
    else:
        if set(listed) != {r.shard for r in old.recordings.values() if r.shard is not None}:
            damage.append(f"{STATE_FILE} did not list the shards of the corpus and is made anew")
    return replace(old, recordings=sound), damage


def _listed_counts(folder: Path) -> dict[str, int]:
    """Windows of each shard that ``state.json`` lists; none where it cannot be read."""
    try:
        shards = listed_shards(folder, read_json(folder / STATE_FILE, CorpusError))
        return {shard.name: shard.n_windows for shard in shards}
    except (CorpusError, TypeError):
        return {}


def _listed(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in packages.items())


def _require_same(
    there: Mapping[str, Any], asked: Mapping[str, Any], folder: Path, what: str
) -> None:
    there = {**OF_EARLIER_RELEASES, **there}
    names = dict.fromkeys([*there, *asked])
    differing = [
        f"{name} {there.get(name)!r}, not {asked.get(name)!r}"
        for name in names
        if there.get(name) != asked.get(name)
    ]
    if differing:
        raise CorpusError(
            f"{folder} exists already: it {what} with {'; '.join(differing)}. "
            f"Choose another folder for the corpus, or delete {folder}."
        )


def _without_dropped(
    jobs: list[Job], skipped: Mapping[str, int], old: Manifest | None
) -> tuple[list[Job], Mapping[str, int]]:
    """Subjects that were removed for good do not come back."""
    if old is None or not old.dropped:
        return jobs, skipped
    kept = [job for job in jobs if not old.is_dropped(job.subject)]
    if len(kept) == len(jobs):
        return jobs, skipped
    count = len(jobs) - len(kept)
    return kept, {**skipped, "recordings of subjects that were removed for good": count}


def _plan(
    jobs: Sequence[Job],
    known: Mapping[str, tuple[Record, Any]],
    engine: Engine,
    had: Collection[str],
    *,
    begun: bool,
) -> _Plan:
    """Compare the recordings given with those that are there; the corpus `had` some."""
    there = [job for job in jobs if job.source.recording in known]
    unsure = [t for t in there if not _untouched(t, known[t.source.recording][1])]
    sums = dict(run(_named_checksum, unsure, **engine))
    changed: dict[str, str] = {}
    for job in there:
        name = job.source.recording
        record = known[name][0]
        if record.sha256 is None:
            changed[name] = f"{name} was tried again"
        elif name in sums and sums[name] != (record.size, record.sha256):
            changed[name] = f"{name} has changed and was prepared anew"
        elif job.rows != record.rows or job.subject != record.subject:
            changed[name] = f"{name} has another subject, labels or units and was prepared anew"
        elif job.labels.is_unchosen(job.source, record):
            changed[name] = f"{name} has labels of an earlier release and was prepared anew"
    renamed = {
        job.source.recording: {"subject_from": job.subject_from, "split": job.split}
        for job in there
        if job.source.recording not in changed
        and not _is_described(job, known[job.source.recording][0])
    }
    names = [job.source.recording for job in jobs]
    added = [name for name in names if name not in known]
    removed = sorted(set(known) - set(names))
    if changed or added or removed:
        # a recording that did not go with the others may do so now
        changed |= {
            name: changed.get(name, f"{name} was tried again")
            for name in names
            if name in known and known[name][0].clash
        }
    said = [text for _, text in sorted(changed.items())]
    for field, what in (
        ("subject_from", "what names the subjects of {} was written down anew"),
        ("split", "the official parts of {} were written down anew"),
    ):
        count = sum(getattr(known[n][0], field) != new[field] for n, new in renamed.items())
        said += [what.format(counted(count, "recording"))] if count else []
    said += [f"{name} was added" for name in added if not begun and name not in had]
    said += [f"{name} is no longer given and was removed" for name in removed]
    if begun and there:
        kept = counted(len(there) - len(changed), "recording was", "recordings were")
        said.append(f"{kept} prepared by an earlier run")
    todo = [t for t in jobs if t.source.recording in changed or t.source.recording not in known]
    died = [name for name in changed if DIED in (known[name][0].quarantine or "")]
    return _Plan(todo=todo, removed=removed, renamed=renamed, died=died, changes=tuple(said))


def _is_described(job: Job, record: Record) -> bool:
    """Whether a record tells of a recording what is known of it now, besides its windows."""
    return (record.subject_from, record.split) == (job.subject_from, job.split)


def _untouched(job: Job, known: Any) -> bool:
    """Whether the files of a recording are as an unfinished run has seen them."""
    return bool(known) and known == stamp(job.source)


def _named_checksum(job: Job) -> tuple[str, tuple[int, str | None]]:
    return job.source.recording, checksum(job.source)


def _prepared(
    place: Staging, recipe: WorkerConfig, plan: _Plan, engine: Engine, progress: bool
) -> dict[str, Record]:
    """The records of all recordings, after those that were left to do are done."""
    for name in plan.removed:
        place.forget(name)
    for name, (record, seen) in place.records().items():
        if name in plan.renamed:
            place.keep(name, replace(record, **plan.renamed[name]), seen)
    for name in plan.died:
        place.suspect(name)
    work = partial(prepare_recording, recipe=recipe, folder=place.folder)
    left = {job.source.recording: job for job in plan.todo}
    while left:
        begun = place.begun(left)  # when a process died: these first, one at a time
        jobs = [left[name] for name in sorted(begun)] or list(left.values())
        one_at_a_time: Engine = {"workers": 1, "dask": engine["dask"]}
        outcomes = run(
            work,
            jobs,
            **(one_at_a_time if begun else engine),
            progress="prepare" if progress else None,
        )
        try:
            for outcome in _kept(place, outcomes):
                del left[outcome.name]
        except WorkerDiedError:
            if begun or not place.begun(left):
                raise
            warnings.warn(
                "A worker process has died, perhaps for want of memory. What the processes were "
                "preparing is done again, one recording at a time.",
                stacklevel=5,
            )
    return {name: record for name, (record, _) in place.records().items()}


def _kept(
    place: Staging, outcomes: Generator[PreparedRecording, None, None]
) -> Iterator[PreparedRecording]:
    with closing(outcomes):  # an error here ends the workers before temporary files are removed
        for outcome in outcomes:
            place.keep(outcome.name, outcome.record, outcome.stamp)
            for text in outcome.warnings:
                warnings.warn(text, stacklevel=6)
            yield outcome


def _require_readable(records: Mapping[str, Record], strict: bool, place: Staging) -> None:
    reasons = quarantined(records)
    if strict and reasons:
        listed = "; ".join(reason.rstrip(".") for _, reason in reasons[:3])
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        raise CorpusError(
            f"{place.out}: {len(reasons)} of {len(records)} recordings cannot be used, and strict "
            f"forbids that: {listed}{more}. The others are prepared and kept for the next run."
        )


def _require_used(records: Mapping[str, Record], recipe: WorkerConfig, place: Staging) -> None:
    try:
        recipe.choice.require_used(records)
    except ConfigError:  # a corrected choice is another corpus
        place.discard()
        raise
