"""`prepare`: recordings in, a corpus of windows out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from biot.contract import Preprocessing, Scale
from biot.corpus.cut import Align, Windowing
from biot.corpus.make import Engine, make
from biot.corpus.one import Recipe, Task
from biot.corpus.place import Place, locked
from biot.corpus.report import PrepareReport
from biot.corpus.sources import Source, find_sources, subject_of, subject_pattern
from biot.corpus.table import LabelTable
from biot.errors import ConfigError, CorpusError

__all__ = ["prepare"]


def prepare(
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    sfreq: float,
    window: float,
    stride: float | None = None,
    align: Align = "grid",
    labels: str | Path = "none",
    scale: Scale = "q95",
    background: str | None = None,
    subject: str | None = None,
    workers: int = 1,
    dask: str | None = None,
    strict: bool = False,
    progress: bool = False,
) -> PrepareReport:
    """Cut recordings into windows and write them as a corpus.

    A recording that cannot be read is quarantined with its reason, and the others go on. The
    folder appears when it is complete; a run that was interrupted, however hard, goes on where it
    was when it is started again. On a corpus that is there, what has changed among the recordings
    is brought up to date. The same input gives the same bytes, whoever computes them. What
    annotations mark as ``BAD…`` or ``EDGE…`` is missing data. Channels of triggers are left out,
    and counted: they may hold the label. Recordings may have different channels.

    Parameters
    ----------
    paths
        Files, and folders that are searched for recordings.
    out
        The corpus folder to make, or one that was made with the same parameters. Unfinished work
        lies beside it, in a hidden folder whose name ends in ``.partial``.
    sfreq
        Samples a second of the windows, in Hz; recordings are resampled to it.
    window, stride
        Length of a window, and from one start to the next, in seconds; without a stride, windows
        follow each other.
    align
        ``"grid"``: windows from the start of a recording on, each with the label of the event
        that it shares most samples with, if that is at least half of the shorter of the two.
        ``"events"``: windows from the start of each event on while they fit inside it, but at
        least one.
    labels
        ``"none"``; ``"annotations"`` of the recordings; or the path of a ``.tsv`` or ``.csv``
        table, see :meth:`biot.corpus.table.LabelTable.read`. Windows without a label are left
        out, and counted.
    scale
        How a model is to see the windows, see :class:`biot.contract.Preprocessing`.
    background
        Label for the windows that have none; they are kept then.
    subject
        Regular expression whose first group is the subject's name in a recording's path relative
        to the folder given. Without it, subjects come from the column ``subject`` of the table,
        else from the BIDS entity ``sub-…`` of the path, else each file is one.
    workers
        Processes that prepare recordings.
    dask
        Address of a ``dask.distributed`` scheduler whose workers do it instead; they need the same
        file system. Any other cluster: call this inside ``joblib.parallel_config(backend=…)``,
        with ``workers`` above 1.
    strict
        Raise an error, once all recordings were tried, if any was quarantined; no corpus appears
        then, but what was prepared is kept for the next run.
    progress
        Show a progress bar over recordings.

    Raises
    ------
    ConfigError
        If a parameter is out of range, or two contradict each other.
    CorpusError
        If a path or the table is at fault, no window remains, `out` is something else or was
        prepared with other parameters, another run is at work on it, or it cannot be written.
    """
    contract = Preprocessing(sfreq=sfreq, window=window, ch_names=(), units=(), scale=scale)
    how = _windowing(contract, stride, align, labels, background)
    if workers < 1 or (dask is not None and workers != 1):
        raise ConfigError(
            f"workers must be 1 or more, and is for this machine only; got {workers}, "
            f"with dask {dask!r}."
        )
    pattern = None if subject is None else subject_pattern(subject)
    sources = find_sources(paths)
    names = [source.recording for source in sources]
    table = None if str(labels) in ("none", "annotations") else LabelTable.read(Path(labels), names)
    if table is not None and table.has_subjects and pattern is not None:
        raise ConfigError(f"Subjects are given twice: by a pattern and in {table.path}.")
    if table is not None and background is not None and not table.has_events:
        raise ConfigError(
            f"background names the windows outside all events, but {table.path} labels whole "
            "recordings. Give its rows an onset and a duration, or leave background out."
        )
    recipe = Recipe(
        contract=contract,
        how=how,
        parameters=_parameters(contract, stride, how, labels, subject),
    )
    tasks, skipped = _tasks(sources, table, pattern, background is not None)
    with locked(Path(out)):
        engine = Engine(workers=workers, dask=dask)
        return make(Place(Path(out)), recipe, tasks, skipped, engine, strict, progress)


def _windowing(
    contract: Preprocessing,
    stride: float | None,
    align: Align,
    labels: str | Path,
    background: str | None,
) -> Windowing:
    step = contract.sfreq * (contract.window if stride is None else stride)
    if not (isfinite(step) and step >= 1):
        raise ConfigError(f"stride must be at least one sample, got {stride} s.")
    if align not in get_args(Align):
        raise ConfigError(f"align must be 'grid' or 'events', got {align!r}.")
    labelled = str(labels) != "none"
    if align == "events" and not labelled:
        raise ConfigError("align is 'events', but labels is 'none': nothing says where events are.")
    if background is not None and (not background or not labelled or align == "events"):
        raise ConfigError(
            "background names the windows outside all events: it needs a name, labels, and "
            f"windows on a grid; got {background!r}, labels {str(labels)!r}, align {align!r}."
        )
    return Windowing(
        n_times=contract.n_times,
        step=step,
        align=align,
        labelled=labelled,
        background=background,
    )


def _parameters(
    contract: Preprocessing,
    stride: float | None,
    how: Windowing,
    labels: str | Path,
    subject: str | None,
) -> dict[str, Any]:
    """What the user asked for, as the manifest keeps it."""
    return {
        "sfreq": contract.sfreq,
        "window": contract.window,
        "stride": contract.window if stride is None else stride,
        "align": how.align,
        "labels": Path(labels).name,
        "background": how.background,
        "scale": contract.scale,
        "subject": subject,
    }


def _tasks(
    sources: list[Source],
    table: LabelTable | None,
    pattern: re.Pattern[str] | None,
    has_background: bool,
) -> tuple[list[Task], Mapping[str, int]]:
    """The recordings to prepare, and by reason how many are passed over."""
    tasks = []
    skipped: Counter[str] = Counter()
    for source in sources:
        name = source.recording
        rows: LabelTable | None = None
        if table is not None:
            if name not in table.rows and not has_background:
                skipped[f"recordings without a row in {table.path.name}"] += 1
                continue
            rows = replace(table, rows={name: table.rows.get(name, ())})
        whose = _subject(name, table, pattern)
        absolute = Source(name, source.path.absolute())  # workers may stand in another folder
        tasks.append(Task(source=absolute, subject=whose, table=rows))
    return tasks, skipped


def _subject(name: str, table: LabelTable | None, pattern: re.Pattern[str] | None) -> str:
    if table is None or not table.has_subjects:
        return subject_of(name, pattern)
    if name not in table.rows:
        raise CorpusError(
            f"{table.path}: no row names {name}, so nothing says whose it is. "
            "Add a row, or leave the column subject out."
        )
    return table.subject(name)
