"""`prepare`: recordings in, a corpus of windows out."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from biot.corpus.builder.channels.choice import ChannelChoice
from biot.corpus.builder.channels.given_units import GivenUnits
from biot.corpus.builder.config import WorkerConfig, windowing
from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.labels.samples import table_options
from biot.corpus.builder.labels.source import LabelSource
from biot.corpus.builder.layouts.defaults import Given, with_layout
from biot.corpus.builder.layouts.gather import label_source
from biot.corpus.builder.layouts.writing import labels_text
from biot.corpus.builder.report import PrepareReport
from biot.corpus.builder.runner import Engine, make
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.sources import Source, TableOptions, subject_pattern
from biot.corpus.builder.staging import Staging, locked
from biot.corpus.builder.windows.placing import Windowing
from biot.corpus.builder.worker import Job
from biot.preprocessing import Preprocessing
from biot.settings import configured, takes_settings

__all__ = [
    "prepare",
]


@takes_settings(PrepareConfig)
def prepare(
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    config: PrepareConfig | None = None,
    progress: bool = False,
    **settings: Any,
) -> PrepareReport:
    """Cut recordings into windows and write them as a corpus.

    A recording that cannot be read is quarantined with its reason, and the others go on. The
    folder appears when it is complete; a run that was interrupted, however hard, goes on where it
    was when it is started again. On a corpus that is there, what has changed among the recordings
    is brought up to date. The same input gives the same bytes, whoever computes them. What
    annotations mark as ``BAD…`` or ``EDGE…`` is missing data. Channels of triggers are left out,
    and counted: they may hold the label. Recordings may have different channels. Of equal channels
    of one name one is kept; those without a name are left out.

    Parameters
    ----------
    paths
        Files, and folders that are searched for recordings.
    out
        The corpus folder to make, or one that was made with the same parameters. Unfinished work
        lies beside it, in a hidden folder whose name ends in ``.partial``.
    config
        All settings in one object, instead of `settings`.
    progress
        Show a progress bar over recordings.
    **settings
        The settings of :class:`biot.corpus.builder.settings.PrepareConfig` as keywords; `sfreq`
        and `window` (or `epoch`) are required, unless a layout gives them. For the table of
        labels see
        :meth:`biot.corpus.builder.labels.table.LabelTable.read`, for filters
        :func:`biot.signals.filtered`, for the rules of labels
        :func:`biot.corpus.builder.windows.rules.grid_labels` and
        :func:`biot.corpus.builder.windows.rules.window_tags`. A cluster other than dask: call this
        inside ``joblib.parallel_config(backend=…)``, with ``workers`` above 1.

    Raises
    ------
    ConfigError
        If a setting is unknown or out of range, or two contradict each other.
    CorpusError
        If a path or the table is at fault, no window remains, `out` is something else or was
        prepared with other parameters, another run is at work on it, or it cannot be written.
    """
    given = with_layout(paths, configured(PrepareConfig, config, settings))
    how, sources = given.config, given.sources
    pattern = None if how.subject is None else subject_pattern(how.subject)
    recipe, label_map, units = _recipe(given)
    labels = replace(label_source(given, pattern, progress=progress), map=label_map)
    named = [source.recording for source in sources]
    notes = (*given.notes, *labels.notes(named, strict=how.strict), *units.notes())
    jobs, skipped = _jobs(sources, labels, units, pattern, how.background is not None)
    table = labels.table if how.labels == "layout" else None
    kept = None if table is None else labels_text(table, label_map)
    with locked(Path(out)):
        engine = Engine(workers=how.workers, dask=how.dask)
        return make(
            Staging(Path(out)), recipe, jobs, {**given.skipped, **skipped}, engine, how.strict,
            progress, notes, kept,
        )  # fmt: skip


def _recipe(given: Given) -> tuple[WorkerConfig, LabelMap | None, GivenUnits]:
    """What is done to each recording, the map of labels, and units that files do not say."""
    how = given.config
    assert how.sfreq is not None, "with_layout requires it"
    contract = Preprocessing(
        sfreq=how.sfreq, window=how.length, ch_names=(), units=(), scale=how.scale,
        resample=how.resample, l_freq=how.l_freq, h_freq=how.h_freq, notch=how.notch,
        causal=how.causal,
        task=how.task, label_columns=how.label_columns, keep_flat=how.keep_flat,
        reference=how.reference, rename_channels=how.rename_channels or "",
    )  # fmt: skip
    cutting = windowing(contract, how)
    choice = replace(
        ChannelChoice.of(how.channels, how.drop_channels, how.rename_channels),
        by_layout=given.by_layout,
    )
    tables = table_options(how, choice.channels)
    tables.require_a_table(given.sources)
    label_map = None if how.label_map is None else LabelMap.read(how.label_map)
    units = GivenUnits.read(how.units, {one.recording: one.path for one in given.sources})
    parameters = _parameters(
        contract, cutting, tables, stride=how.length if how.stride is None else how.stride,
        labels=Path(how.labels).name, background=how.background, subject=how.subject,
        file_column=how.file_column, subject_column=how.subject_column, channels=how.channels,
        drop_channels=how.drop_channels, rename_channels=how.rename_channels, sidecar=how.sidecar,
        units=units.parameter, label_map=None if label_map is None else dict(label_map.pairs),
        trigger_channel=how.trigger_channel,
        epoch=how.epoch, label_scope=how.label_scope,
        split_column=how.split_column, split_parts=how.split_parts,
        onset_column=how.onset_column, duration_column=how.duration_column,
        stop_column=how.stop_column, label_threshold=how.label_threshold,
        layout=None if given.layout is None else given.layout.name,
    )  # fmt: skip
    recipe = WorkerConfig(
        contract=contract, how=cutting, tables=tables, parameters=parameters, choice=choice
    )
    return recipe, label_map, units


def _parameters(
    contract: Preprocessing, how: Windowing, tables: TableOptions, **given: Any
) -> dict[str, Any]:
    """What the user asked for, as the manifest keeps it."""
    of_contract = {
        name: value
        for name, value in contract.to_dict().items()
        if name not in ("version", "ch_names", "units", "label_names", "recorded_references")
    }
    of_windows = {
        name: getattr(how, name) for name in ("align", "rule", "min_overlap", "keep_short")
    }
    of_tables = {"table_sfreq": tables.sfreq, "table_units": tables.units}
    content = {**of_contract, **of_windows, **of_tables, **given}
    plain: dict[str, Any] = json.loads(json.dumps(content))  # as it is read back
    return plain


def _jobs(
    sources: list[Source],
    labels: LabelSource,
    units: GivenUnits,
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
        whose = labels.subject(name, pattern, source.path)
        # workers may stand in another folder
        absolute = replace(source, path=source.path.absolute())
        jobs.append(
            Job(
                source=absolute, subject=whose.name, subject_from=whose.origin,
                labels=labels.only(name), units=units.only(name), split=labels.split(name),
            )
        )  # fmt: skip
    return jobs, skipped
