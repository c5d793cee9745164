"""`prepare`: recordings in, a corpus of windows out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import get_args

from biot.contract import Preprocessing, Resample, Scale, Task
from biot.corpus.cut import Align, Windowing, cut, rule_options
from biot.corpus.label_format import LabelFormat
from biot.corpus.label_sources import LabelSource
from biot.corpus.labels import Label, LabelRule, to_events
from biot.corpus.layout import Layout, without_triggers
from biot.corpus.report import PrepareReport, write_quarantine
from biot.corpus.sources import Source, TableOptions, find_sources, subject_pattern
from biot.corpus.writer import CorpusWriter, new_folder
from biot.errors import ConfigError, CorpusError, RecordingError
from biot.signals.conditioning import conditioned
from biot.signals.readers import read_recording
from biot.signals.recording import Recording

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
    progress: bool = False,
) -> PrepareReport:
    """Cut recordings into windows and write them as a corpus.

    A recording that cannot be read is quarantined with its reason, and the others go on. The
    folder appears when it is complete; after an error nothing of it remains. The same input gives
    the same bytes. What annotations mark as ``BAD…`` or ``EDGE…`` is missing data. Channels of
    triggers are left out, and counted: they may hold the label.

    Parameters
    ----------
    paths
        Files, and folders that are searched for recordings.
    out
        The corpus folder to make; it must not exist, or be empty.
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
        ``.csv`` table, see :meth:`biot.corpus.table.LabelTable.read`. Windows without a label
        are left out, and counted.
    scale
        How a model is to see the windows, see :class:`biot.contract.Preprocessing`.
    background
        Label for the windows that have none; they are kept then. Empty, for the task
        ``"multilabel"``: they are kept without a tag.
    subject
        Regular expression whose first group is the subject's name in a recording's path relative
        to the folder given. Without it, subjects come from the column ``subject`` of the table,
        else from the BIDS entity ``sub-…`` of the path, else each file is one.
    label_columns, task
        The columns of labels in the table, and what they hold, see
        :class:`biot.contract.Preprocessing`. Tags are separated by ``;`` in one column, or are
        the names of several columns of 0 and 1.
    label_rule, min_overlap
        Which event labels a window, see :func:`biot.corpus.labels.grid_labels`; for tags,
        :func:`biot.corpus.labels.window_tags`. `min_overlap`, for ``"overlap"``, is 0.5 by default.
    keep_short
        Keep what is left at the end of a segment, and a segment shorter than a window, as one
        window of its own length.
    resample, l_freq, h_freq, notch
        How recordings come to `sfreq`, and how they are filtered before, in Hz; see
        :func:`biot.signals.filtered`.
    table_sfreq, table_units
        Rate in Hz, and unit of all channels, of recordings in tables and NumPy archives that do
        not say them.
    progress
        Show a progress bar over recordings.

    Raises
    ------
    ConfigError
        If a parameter is out of range, or two contradict each other.
    CorpusError
        If a path or the table is at fault, recordings have different channels or units, no window
        remains, or `out` is taken.
    """
    contract = Preprocessing(
        sfreq=sfreq, window=window, ch_names=(), units=(), scale=scale, resample=resample,
        l_freq=l_freq, h_freq=h_freq, notch=notch, task=task, label_columns=tuple(label_columns),
    )  # fmt: skip
    how = replace(
        _windowing(contract, stride, align, labels, background),
        **rule_options(label_rule, min_overlap, tags=task == "multilabel", align=align),
        keep_short=keep_short,
    )
    pattern = None if subject is None else subject_pattern(subject)
    sources = find_sources(paths)
    tables = TableOptions(table_sfreq, table_units)
    tables.require_a_table(sources)
    label_format = LabelFormat(contract.task, contract.label_columns)
    names = [source.recording for source in sources]
    source_of_labels = LabelSource.open(labels, label_format, names, pattern, background)
    with new_folder(Path(out)) as folder:
        run = _Preparation(folder, contract, how, source_of_labels, pattern, tables)
        for source in _with_progress(sources, progress):
            run.add(source)
        return run.finish(Path(out))


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
    tags = contract.task == "multilabel"
    named = bool(background) or tags
    if background is not None and (not named or not labelled or align == "events"):
        raise ConfigError(
            "background names the windows outside all events: it needs a name, labels, and "
            f"windows on a grid; got {background!r}, labels {str(labels)!r}, align {align!r}."
        )
    return Windowing(
        n_times=contract.n_times,
        step=step,
        align=align,
        labelled=labelled,
        background=_background(contract, background),
        tags=tags,
    )


def _background(contract: Preprocessing, text: str | None) -> Label | None:
    """The background's label as the task has it: a number for each target of a regression."""
    if text is None:
        return None
    how = LabelFormat(contract.task, contract.label_columns)
    if contract.task == "multilabel":
        return how.of_text(text, "background")
    return how.of_cells([text] * len(how.columns), "background")


class _Preparation:
    """One run of `prepare`: adds recordings one after the other."""

    def __init__(
        self,
        folder: Path,
        contract: Preprocessing,
        how: Windowing,
        labels: LabelSource,
        pattern: re.Pattern[str] | None,
        tables: TableOptions,
    ) -> None:
        self._folder = folder
        self._contract = contract
        self._how = how
        self._labels = labels
        self._tables = tables
        self._pattern = pattern
        self._layout: Layout | None = None
        self._writer = CorpusWriter(folder)
        self._left_out: Counter[str] = Counter()
        self._found_labels: set[Label] = set()
        self._quarantined: list[tuple[str, str]] = []

    def add(self, source: Source) -> None:
        """Prepare one recording, or quarantine it."""
        name = source.recording
        lacks = self._labels.lacks(name)
        if lacks is not None and self._how.background is None:
            self._left_out[lacks] += 1
            return
        subject = self._labels.subject(name, self._pattern)
        left_out: Counter[str] = Counter()
        try:
            recording, triggers = without_triggers(
                read_recording(source.path, **self._tables.of(source.path))
            )
            left_out.update(f"trigger channels {channel!r}" for channel in triggers)
            stretches = self._labels.stretches(recording, name)
            events = to_events(stretches, self._contract.sfreq)
            layout = self._layout or Layout(name, recording.ch_names, recording.units)
            at_rate = self._conditioned(layout.arrange(recording, name))
            self._writer.add(
                cut(at_rate, events, self._how, left_out),
                replace(self._contract, ch_names=layout.ch_names, units=layout.units),
                subject=subject,
                recording=name,
            )
        except RecordingError as error:
            reason = str(error).replace(str(source.path), name)
            self._quarantined.append((name, " ".join(reason.split())))
            return
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error
        self._layout = layout
        self._left_out += left_out
        self._found_labels.update(stretch.label for stretch in stretches)

    def finish(self, out: Path) -> PrepareReport:
        """Write what describes the corpus."""
        if self._layout is None or self._writer.n_windows == 0:
            raise CorpusError(self._why_nothing())
        tally = self._writer.tally
        label_names = self._labels.format.names(tally) if self._how.labelled else None
        contract = replace(
            self._contract,
            ch_names=self._layout.ch_names,
            units=self._layout.units,
            label_names=label_names,
        )
        quarantined = tuple(self._quarantined)
        write_quarantine(self._folder, quarantined)
        self._writer.finish(contract)
        return PrepareReport(
            out=out,
            preprocessing=contract,
            n_recordings=self._writer.n_recordings,
            n_subjects=len(self._writer.subjects),
            n_windows=self._writer.n_windows,
            labels={name: tally.counts[name] for name in label_names or () if not tally.spreads},
            targets=dict(zip(label_names or (), tally.spreads, strict=False)),
            dropped=dict(self._left_out),
            quarantined=quarantined,
        )

    def _conditioned(self, recording: Recording) -> Recording:
        how = self._contract
        return conditioned(
            recording, how.sfreq, resample=how.resample,
            l_freq=how.l_freq, h_freq=how.h_freq, notch=how.notch,
        )  # fmt: skip

    def _why_nothing(self) -> str:
        reasons = [f"{count} {what}" for what, count in self._left_out.items()]
        reasons += [reason.rstrip(".") for _, reason in self._quarantined[:3]]
        if len(self._quarantined) > 3:
            reasons.append(f"and {len(self._quarantined) - 3} more that cannot be read")
        if self._how.labelled and not self._found_labels:
            reasons.append("no recording has a label")
        return f"No window could be prepared: {'; '.join(reasons)}."


def _with_progress(sources: list[Source], progress: bool) -> Iterable[Source]:
    if not progress:
        return sources
    from tqdm import tqdm

    return tqdm(sources, desc="prepare", unit="recording")
