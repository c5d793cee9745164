"""`prepare`: recordings in, a corpus of windows out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import get_args

from biot.contract import Preprocessing, Scale
from biot.corpus.cut import Align, Windowing, cut
from biot.corpus.labels import to_events
from biot.corpus.layout import Layout, without_triggers
from biot.corpus.report import PrepareReport, write_quarantine
from biot.corpus.sources import Source, find_sources, subject_of, subject_pattern
from biot.corpus.table import LabelTable
from biot.corpus.writer import CorpusWriter, new_folder
from biot.errors import ConfigError, CorpusError, RecordingError
from biot.signals.missing import is_missing, without_bad_spans
from biot.signals.preprocess import resampled
from biot.signals.readers import read_recording
from biot.signals.recording import Annotation, Recording

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
    contract = Preprocessing(sfreq=sfreq, window=window, ch_names=(), units=(), scale=scale)
    how = _windowing(contract, stride, align, labels, background)
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
    with new_folder(Path(out)) as folder:
        run = _Preparation(folder, contract, how, table, pattern)
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


class _Preparation:
    """One run of `prepare`: adds recordings one after the other."""

    def __init__(
        self,
        folder: Path,
        contract: Preprocessing,
        how: Windowing,
        table: LabelTable | None,
        pattern: re.Pattern[str] | None,
    ) -> None:
        self._folder = folder
        self._contract = contract
        self._how = how
        self._table = table
        self._pattern = pattern
        self._layout: Layout | None = None
        self._writer = CorpusWriter(folder)
        self._left_out: Counter[str] = Counter()
        self._found_labels: set[str] = set()
        self._quarantined: list[tuple[str, str]] = []

    def add(self, source: Source) -> None:
        """Prepare one recording, or quarantine it."""
        name = source.recording
        if self._table is not None and name not in self._table.rows and not self._how.background:
            self._left_out[f"recordings without a row in {self._table.path.name}"] += 1
            return
        subject = self._subject(name)
        left_out: Counter[str] = Counter()
        try:
            recording, triggers = without_triggers(read_recording(source.path))
            left_out.update(f"trigger channels {channel!r}" for channel in triggers)
            annotations = self._annotations(recording, name)
            events = to_events(annotations, self._contract.sfreq)
            layout = self._layout or Layout(name, recording.ch_names, recording.units)
            arranged = layout.arrange(without_bad_spans(recording), name)
            at_rate = resampled(arranged, self._contract.sfreq)
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
        self._found_labels.update(annotation.label for annotation in annotations)

    def finish(self, out: Path) -> PrepareReport:
        """Write what describes the corpus."""
        if self._layout is None or self._writer.n_windows == 0:
            raise CorpusError(self._why_nothing())
        counts = self._writer.labels
        label_names = tuple(sorted(counts)) if self._how.labelled else None
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
            labels={name: counts[name] for name in label_names or ()},
            dropped=dict(self._left_out),
            quarantined=quarantined,
        )

    def _subject(self, name: str) -> str:
        if self._table is None or not self._table.has_subjects:
            return subject_of(name, self._pattern)
        if name not in self._table.rows:
            raise CorpusError(
                f"{self._table.path}: no row names {name}, so nothing says whose it is. "
                "Add a row, or leave the column subject out."
            )
        return self._table.subject(name)

    def _annotations(self, recording: Recording, name: str) -> list[Annotation]:
        if not self._how.labelled:
            return []
        if self._table is not None:
            return self._table.annotations(name, recording.duration)
        return [
            annotation
            for annotation in recording.annotations
            if annotation.label.strip() and not is_missing(annotation)
        ]

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
