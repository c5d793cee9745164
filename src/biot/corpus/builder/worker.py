"""One recording to one shard: what a worker process does."""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from biot.corpus.builder.channels.choice import without_trigger, without_triggers
from biot.corpus.builder.channels.given_units import GivenUnits
from biot.corpus.builder.config import WorkerConfig
from biot.corpus.builder.labels.source import LabelSource
from biot.corpus.builder.sources import Source, opened, readable
from biot.corpus.builder.windows.events import Stretch, to_events
from biot.corpus.builder.windows.placing import cut
from biot.corpus.builder.windows.several import SeveralLabels
from biot.corpus.builder.writer import Shard, shard_name, write_shard
from biot.corpus.manifest import Record
from biot.errors import ConfigError, CorpusError, RecordingError, listed
from biot.io import sha256_of
from biot.signals.flat import FlatChannels, find_flat
from biot.signals.formats.child import Child, ChildError
from biot.signals.formats.contained import ParserLimitError
from biot.signals.formats.files import files_of
from biot.signals.formats.tables.columns import ColumnsLeftOut
from biot.signals.naming import named
from biot.signals.notes import note_of_reference
from biot.signals.preprocess import preprocessed
from biot.signals.recording import Recording
from biot.signals.reference import recorded_reference

__all__ = [
    "BEGUN",
    "DIED",
    "Job",
    "PreparedRecording",
    "checksum",
    "prepare_recording",
    "stamp",
]

BEGUN = "begun"
"""Folder of the unfinished corpus with a file for each recording that is being prepared."""


DIED = "the process that prepared it has died"
"""In the reason for a quarantine: such a recording is tried in a process of its own next time."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A recording to prepare."""

    source: Source
    subject: str
    subject_from: str
    labels: LabelSource
    """A table has the rows of this recording only."""
    units: GivenUnits = field(default_factory=GivenUnits)
    """What is given of its units."""
    split: str | None = None
    """Its official part, if something says it."""

    @property
    def rows(self) -> str | None:
        """Checksum of its rows in the tables of labels and units, and of its file of labels."""
        beside = self.labels.sidecars
        table, own = self.labels.table, self.units.of_recordings.get(self.source.recording)
        scored = None if beside is None else beside.checksum(self.source.recording)
        if own is None and (beside is not None or table is None):
            return scored
        rows = [asdict(r) for r in table.rows.get(self.source.recording, ())] if table else []
        unseen = ("number", "file", "split")
        content: list[Any] = [{k: v for k, v in row.items() if k not in unseen} for row in rows]
        content += [] if own is None else [{"units": own, "beside": scored}]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class PreparedRecording:
    """What a worker hands back."""

    name: str
    record: Record
    stamp: Any
    """See :func:`stamp`."""
    warnings: tuple[str, ...]
    """What was to be said of the recording."""


def prepare_recording(job: Job, recipe: WorkerConfig, folder: Path) -> PreparedRecording:
    """Read one recording and write its shard, or find out why that cannot be.

    A function of its arguments and the file alone, so that it may run in any process. What has
    ended a process before is done in one of its own; if that dies too, it is quarantined.

    Parameters
    ----------
    folder
        Where the corpus is made; it holds ``shards``.

    Raises
    ------
    CorpusError
        If the folder is not there or the shard cannot be written.
    """
    if not folder.is_dir():
        raise CorpusError(
            f"{folder}: is not there for this worker. All workers need the file system that holds "
            "the recordings and the corpus, under the same paths."
        )
    with _begun(folder, job.source.recording) as another_died:
        work = _prepared_apart if another_died else _prepared
        return work(job, recipe, folder)


@contextlib.contextmanager
def _begun(folder: Path, name: str) -> Iterator[bool]:
    """Note that a recording is begun until it is finished; whether it was begun and never finished.

    A process that dies leaves the note.
    """
    note = folder / BEGUN / shard_name(name)
    try:
        note.parent.mkdir(exist_ok=True)
        there = note.exists()
        note.touch()
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    try:
        yield there
    finally:
        with contextlib.suppress(OSError):
            note.unlink()


def _prepared_apart(job: Job, recipe: WorkerConfig, folder: Path) -> PreparedRecording:
    """The same in a process of its own, whose death is the recording's fault."""
    child = Child()
    try:
        outcome: PreparedRecording = child.call(_prepared, job, recipe, folder)[0]
    except ChildError as error:
        name = job.source.recording
        if error.kind == "fault":
            raise CorpusError(f"{name}: cannot be prepared ({error.text}).") from error
        why = f"{name}: {DIED}, and so has one of its own: {error.text}."
        return _outcome(job, stamp(job.source), (checksum(job.source)[0], None), why)
    finally:
        child.close()
    return outcome


def _prepared(job: Job, recipe: WorkerConfig, folder: Path) -> PreparedRecording:
    name = job.source.recording
    before, content = stamp(job.source), checksum(job.source)
    left_out: Counter[str] = Counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            known, written = _written(job, recipe, folder, left_out)
        except (RecordingError, ConfigError) as error:  # of this recording: its rate, say
            if isinstance(error, ParserLimitError):  # which may be raised: to be tried again
                content = (content[0], None)
            return _outcome(job, before, content, _named(error, name), caught)
        except MemoryError:
            why = f"{name}: to prepare it, there is not enough memory."
            return _outcome(job, before, (content[0], None), why, caught)
        except OSError as error:
            reason = error.strerror or error
            raise CorpusError(
                f"{name}: its windows cannot be written ({reason}: {error.filename or folder})."
            ) from error
    columns = [w.message for w in caught if isinstance(w.message, ColumnsLeftOut)]
    for counted in {str(message): message.counted() for message in columns}.values():
        left_out.update(counted)
    known |= {**asdict(written), "left_out": dict(sorted(left_out.items()))}
    return _outcome(job, before, content, None, caught, **known)


def _outcome(
    job: Job,
    before: Any,
    content: tuple[int, str | None],
    quarantine: str | None,
    caught: Sequence[warnings.WarningMessage] = (),
    **known: Any,
) -> PreparedRecording:
    if quarantine is not None:
        quarantine = _without_places(quarantine, job.source)
    size, sha256 = content
    record = Record(
        size=size,
        sha256=sha256,
        subject=job.subject,
        subject_from=job.subject_from,
        rows=job.rows,
        split=job.split,
        quarantine=quarantine,
        **known,
    )
    # what columns were left out is counted
    messages = [w.message for w in caught if not isinstance(w.message, ColumnsLeftOut)]
    said = tuple(dict.fromkeys(map(str, messages)))
    return PreparedRecording(name=job.source.recording, record=record, stamp=before, warnings=said)


def _written(
    job: Job, recipe: WorkerConfig, folder: Path, left_out: Counter[str]
) -> tuple[dict[str, Any], Shard]:
    """What is to be known of a recording, and its shard."""
    name, contract = job.source.recording, recipe.contract
    read = opened(job.source, recipe.tables, units_later=job.units.is_given)
    signals, codes = without_trigger(read, job.labels.trigger_channel)
    left_out.update(f"channels of triggers, {channel!r}" for channel in codes)
    recording, not_found = _named_channels(signals, recipe, left_out)
    if "rename_channels" in recipe.choice.by_layout:
        not_found = ()  # a layout names all that copies of the data set may have
    not_found += job.units.unmatched(recording, name)
    recording, units_said = job.units.said_of(recording, name)
    rows, idle = recipe.choice.rows(recording)
    chosen = recording.pick(rows)
    left_out.update("channels marked as bad" for _ in chosen.bad)
    stretches, of_labels = _labelled(job, read, left_out)
    events = to_events(stretches, contract.sfreq)
    at_rate = preprocessed(recording, contract, rows)
    ch_names, units = chosen.ch_names, chosen.units
    looked_at = chosen if contract.reference == "none" else recording
    flat = FlatChannels() if contract.keep_flat else find_flat(looked_at)
    lost = note_of_reference(recording, flat, contract)
    if lost is not None:
        warnings.warn(lost, stacklevel=2)
    several = SeveralLabels()
    written = write_shard(
        folder,
        cut(at_rate, events, recipe.how, left_out, several),
        replace(contract, ch_names=ch_names, units=units),
        job.subject,
        name,
    )
    known = {
        "ch_names": ch_names,
        "units": units,
        "sfreq": recording.sfreq,
        **of_labels,
        "several": several.windows,
        "label_over": several.over,
        "unused": tuple(n for n in recording.ch_names if n not in ch_names),
        "unmatched": (*not_found, *idle),
        "flat": flat.among(ch_names),
        "reference": recorded_reference(recording),
        "units_said": units_said,
    }
    return known, written


def _labelled(
    job: Job, recording: Recording, left_out: Counter[str]
) -> tuple[list[Stretch], dict[str, Any]]:
    """The labelled stretches of a recording, and what is to be known of them."""
    name = job.source.recording
    told: list[str] = []
    met: dict[str, int] = {}
    stretches, column = job.labels.stretches(recording, name, left_out, told)
    if job.labels.map is not None:
        met = job.labels.map.met(stretches)
        job.labels.map.require_known(met, name)
        stretches = job.labels.map.stretches(stretches)
    stretches = job.labels.in_scope(stretches, recording.duration, name, left_out)
    return stretches, {
        "labelled": bool(stretches), "label_column": column, "met": met, "told": tuple(told),
    }  # fmt: skip


def _named_channels(
    recording: Recording, recipe: WorkerConfig, left_out: Counter[str]
) -> tuple[Recording, tuple[str, ...]]:
    """The recording's channels of signal under the names that count, and old names not found."""
    found = named(recording, recipe.choice.renames)
    left_out.update("channels without a name" for _ in found.dummies)
    left_out.update(f"channels {name!r} again, with equal samples" for name in found.repeated)
    if found.numbered:
        changes = [f"{old!r} is {new!r}" for old, new in found.numbered]
        warnings.warn(
            f"{recording.name}: channels of one name that differ got numbers: {listed(changes)}.",
            stacklevel=2,
        )
    recording, triggers = without_triggers(found.recording)
    left_out.update(f"channels of triggers, {channel!r}" for channel in triggers)
    return recording, found.not_found


def _named(error: RecordingError | ConfigError, name: str) -> str:
    """What is wrong, with the recording's name: options do not know it."""
    return str(error) if isinstance(error, RecordingError) else f"{name}: {error}"


def _without_places(reason: str, source: Source) -> str:
    """A reason that names the recording, and nothing of where it lies on this machine."""
    path = source.path
    for place in (path, path.absolute(), path.resolve()):
        reason = reason.replace(str(place), source.recording)
        if str(place.parent) != ".":
            reason = reason.replace(f"{place.parent}/", "")
    return readable(" ".join(reason.split()))


def stamp(source: Source) -> list[list[int]]:
    """What changes whenever a file of a recording does, without reading the samples.

    It holds times of one machine, so it is for the unfinished corpus only.
    """
    try:
        stats = [file.stat() for file in source.files or files_of(source.path)]
    except OSError:
        return []
    return [[stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for stat in stats]


def checksum(source: Source) -> tuple[int, str | None]:
    """Size in bytes and checksum of the files of a recording; no checksum if they are closed."""
    try:
        files = source.files or tuple(files_of(source.path))
        digest = sha256_of(*files)
        if source.read is not None:  # several recordings share the files
            digest = hashlib.sha256(f"{digest}{source.recording}".encode()).hexdigest()
        return sum(file.stat().st_size for file in files), digest
    except OSError:
        return 0, None
