"""`prepare`: recordings in, a corpus of windows out."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from biot.corpus.builder.config import Recipe, windowing
from biot.corpus.builder.labels import LabelSource
from biot.corpus.builder.report import PrepareReport
from biot.corpus.builder.runner import Engine, make
from biot.corpus.builder.sources import Source, TableOptions, find_sources, subject_pattern
from biot.corpus.builder.staging import Place, locked
from biot.corpus.builder.windowing import Align, LabelRule, Windowing, rule_options
from biot.corpus.builder.worker import Job
from biot.errors import ConfigError
from biot.preprocessing import Preprocessing, Resample, Scale, Task

__all__ = [
    "prepare",
]


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
    label_columns: Sequence[str] = ("label",),
    task: Task = "classes",
    label_rule: LabelRule = "overlap",
    min_overlap: float | None = None,
    keep_short: bool = False,
    resample: Resample = "polyphase",
    l_freq: float | None = None,
    h_freq: float | None = None,
    notch: float | None = None,
    table_sfreq: float | None = None,
    table_units: str | None = None,
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
        ``"grid"``: windows from the start of a recording on, with labels as `label_rule` says.
        ``"events"``: windows from the start of each event on while they fit inside it, but at
        least one.
    labels
        ``"none"``; ``"annotations"`` of the recordings, and the ``events.tsv`` of BIDS;
        ``"folder"``: the name of the folder that a file lies in; or the path of a ``.tsv`` or
        ``.csv`` table, see :meth:`biot.corpus.builder.label_table.LabelTable.read`. Windows
        without a label are left out, and counted.
    scale
        How a model is to see the windows, see :class:`biot.preprocessing.Preprocessing`.
    background
        Label for the windows that have none; they are kept then. Empty, for the task
        ``"multilabel"``: they are kept without a tag.
    subject
        Regular expression whose first group is the subject's name in a recording's path relative
        to the folder given. Without it, subjects come from the column ``subject`` of the table,
        else from the BIDS entity ``sub-…`` of the path, else each file is one.
    label_columns, task
        The columns of labels in the table, and what they hold, see
        :class:`biot.preprocessing.Preprocessing`. Tags are separated by ``;`` in one column, or are
        the names of several columns of 0 and 1.
    label_rule, min_overlap
        Which event labels a window, see
        :func:`biot.corpus.builder.windowing.grid_labels`; for tags,
        :func:`biot.corpus.builder.windowing.window_tags`. `min_overlap`, for ``"overlap"``, is
        0.5 by default.
    keep_short
        Keep what is left at the end of a segment, and a segment shorter than a window, as one
        window of its own length.
    resample, l_freq, h_freq, notch
        How recordings come to `sfreq`, and how they are filtered before, in Hz; see
        :func:`biot.signals.filtered`.
    table_sfreq, table_units
        Rate in Hz, and unit of all channels, of recordings in tables and NumPy archives that do
        not say them.
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
    contract = Preprocessing(
        sfreq=sfreq, window=window, ch_names=(), units=(), scale=scale, resample=resample,
        l_freq=l_freq, h_freq=h_freq, notch=notch, task=task, label_columns=tuple(label_columns),
    )  # fmt: skip
    how = replace(
        windowing(contract, stride, align, labels, background),
        **rule_options(label_rule, min_overlap, tags=task == "multilabel", align=align),
        keep_short=keep_short,
    )
    _require_one_engine(workers, dask)
    pattern = None if subject is None else subject_pattern(subject)
    sources = find_sources(paths)
    tables = TableOptions(table_sfreq, table_units)
    tables.require_a_table(sources)
    parameters = _parameters(
        contract, how, tables, stride=contract.window if stride is None else float(stride),
        labels=Path(labels).name, background=background, subject=subject,
    )  # fmt: skip
    recipe = Recipe(contract=contract, how=how, tables=tables, parameters=parameters)
    names = [source.recording for source in sources]
    source_of_labels = LabelSource.open(labels, recipe.labels, names, pattern, background)
    jobs, skipped = _jobs(sources, source_of_labels, pattern, background is not None)
    with locked(Path(out)):
        engine = Engine(workers=workers, dask=dask)
        return make(Place(Path(out)), recipe, jobs, skipped, engine, strict, progress)


def _require_one_engine(workers: int, dask: str | None) -> None:
    if workers < 1 or (dask is not None and workers != 1):
        raise ConfigError(
            f"workers must be 1 or more, and is for this machine only; got {workers}, "
            f"with dask {dask!r}."
        )


def _parameters(
    contract: Preprocessing, how: Windowing, tables: TableOptions, **given: Any
) -> dict[str, Any]:
    """What the user asked for, as the manifest keeps it."""
    of_contract = {
        name: value
        for name, value in contract.to_dict().items()
        if name not in ("version", "ch_names", "units", "label_names")
    }
    of_windows = {
        name: getattr(how, name) for name in ("align", "rule", "min_overlap", "keep_short")
    }
    of_tables = {f"table_{name}": value for name, value in asdict(tables).items()}
    content = {**of_contract, **of_windows, **of_tables, **given}
    plain: dict[str, Any] = json.loads(json.dumps(content))  # as it is read back
    return plain


def _jobs(
    sources: list[Source],
    labels: LabelSource,
    pattern: re.Pattern[str] | None,
    has_background: bool,
) -> tuple[list[Job], Mapping[str, int]]:
    """The recordings to prepare, and by reason how many are passed over."""
    jobs = []
    skipped: Counter[str] = Counter()
    for source in sources:
        name = source.recording
        lacks = labels.lacks(name)
        if lacks is not None and not has_background:
            skipped[lacks] += 1
            continue
        whose = labels.subject(name, pattern)
        absolute = Source(name, source.path.absolute())  # workers may stand in another folder
        jobs.append(Job(source=absolute, subject=whose, labels=labels.only(name)))
    return jobs, skipped
