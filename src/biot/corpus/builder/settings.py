"""Everything that the preparation of a corpus can be told, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from biot.choices import (
    HIGHEST_SFREQ,
    LONGEST_WINDOW,
    LOWEST_FREQ,
    Align,
    LabelRule,
    LabelScope,
    Resample,
    Scale,
    Task,
)
from biot.errors import ConfigError
from biot.settings import Settings, documented, setting

__all__ = [
    "PrepareConfig",
    "is_path_of_table",
]

_COLUMNS = (
    "file_column", "subject_column", "split_column", "onset_column", "duration_column",
    "stop_column", "label_threshold",
)  # fmt: skip
"""Settings that are for tables of labels only."""

_WORDS = ("none", "annotations", "sidecars", "samples", "triggers", "folder", "layout")
"""What `labels` may be besides the path of a table."""

# Headings of the command's help.
_WINDOWS, _LABELS, _SIGNAL = "windows", "labels and subjects", "signal"
_TABLES, _RUNNING = "recordings in tables", "how it runs"


def is_path_of_table(text: str) -> bool:
    """Whether `label_map` or `units` is the path of a table, and not the map or the unit itself."""
    return Path(text).suffix.lower() in (".tsv", ".csv")


@documented
@dataclass(frozen=True, kw_only=True)
class PrepareConfig(Settings):
    """How recordings are filtered, resampled, cut and labelled, and how the work is run."""

    given: ClassVar[frozenset[str]] = frozenset()
    """Of an instance, the settings that were given to it."""

    layout: str | None = setting(
        None,
        help="The published data set that a folder holds, such as sleep-edf, tuab, ptb-xl (`biot "
        "layouts` lists all): it gives labels, subjects, official splits, and all settings that "
        "are not given. Without it one is recognised by its names where rate or window are not "
        "given; none turns that off.",
        group=_WINDOWS, metavar="NAME|none",
    )  # fmt: skip
    sfreq: float | None = setting(
        None,
        help="Samples a second of the windows, in Hz; recordings are resampled to it. Required, "
        "unless a layout gives it.",
        above=0, most=HIGHEST_SFREQ, group=_WINDOWS, metavar="HZ",
    )  # fmt: skip
    window: float | None = setting(
        None,
        help="Length of a window in seconds; required, unless `epoch` or a layout says it.",
        above=0, most=LONGEST_WINDOW, group=_WINDOWS, metavar="S",
    )  # fmt: skip
    stride: float | None = setting(
        None,
        help="Seconds between the starts of windows; without it the window, so that none overlap.",
        above=0, group=_WINDOWS, metavar="S",
    )  # fmt: skip
    align: Align | None = setting(
        None,
        help="Where windows start. grid: every stride from the recording's start, with labels as "
        "`label_rule` says; events: from the start of each labelled event on while they fit "
        "inside it, but at least one. Without it events where `epoch` is given, else grid.",
        group=_WINDOWS,
    )
    epoch: tuple[float, float] | None = setting(
        None,
        help="One window an event: from START to before STOP seconds around its onset, such as "
        "-0.5 4. Events without room for it are counted.",
        least=-LONGEST_WINDOW, most=LONGEST_WINDOW, group=_WINDOWS, metavar="START STOP",
    )  # fmt: skip
    keep_short: bool = setting(
        False,
        help="Keep what is left at the end of a segment, and a segment shorter than a window, as "
        "windows of their own length.",
        group=_WINDOWS,
    )

    labels: str | Path = setting(
        "none",
        help="Where labels come from. annotations: those of the recordings, of BIDS events, and "
        "of the files of labels beside them; sidecars: of these files only; "
        "samples: the column `label_columns` of recordings that are tables; "
        "triggers: the codes of a channel of triggers; "
        "folder: the name of the folder that a file lies in; layout: what the layout says, which "
        "holds wherever one is used and nothing else is given; or the path of a table (.tsv, .csv) "
        "with the columns file (or participant_id), label and, if wanted, subject, onset and "
        "duration in seconds. Windows without a label are left out, and counted.",
        choices=_WORDS,
        group=_LABELS, metavar="none|annotations|sidecars|samples|triggers|folder|layout|TABLE.tsv",
    )  # fmt: skip
    sidecar: str | None = setting(
        None,
        help="How the names of the files of labels beside recordings end, such as .tse_bi or "
        "_hypno.txt; without it, of all kinds that are there, the first in the order of the "
        "documentation.",
        group=_LABELS, metavar="SUFFIX",
    )  # fmt: skip
    trigger_channel: str | None = setting(
        None,
        help="The channel whose codes are the labels, where a recording has several of triggers.",
        group=_LABELS, metavar="NAME",
    )  # fmt: skip
    label_columns: tuple[str, ...] = setting(
        ("label",),
        help="Column of the table that holds labels; there may be several. Without `labels`, the "
        "column of labels in recordings that are tables of samples.",
        group=_LABELS, option="--label-column",
    )  # fmt: skip
    label_map: str | None = setting(
        None,
        help="Other names for labels: OLD=NEW with commas between; A,B=C makes two one, A= leaves "
        "one out. Or a table (.tsv, .csv) with the columns label and new. What it does not name "
        "stays, and is listed. PTB-XL's scp_statements.csv gives codes their diagnostic "
        "superclass; aami makes symbols of beats the classes N, S, V, F and Q of ANSI/AAMI EC57.",
        group=_LABELS, metavar="TABLE.tsv|OLD=NEW[,…]|aami",
    )  # fmt: skip
    label_threshold: float | None = setting(
        None,
        help="Least likelihood of a code in cells such as {'NORM': 100.0, 'SR': 0.0}, PTB-XL's "
        "scp_codes; without it all codes count, also those of unknown likelihood, 0.",
        least=0, most=100, group=_LABELS, metavar="PERCENT",
    )  # fmt: skip
    task: Task = setting(
        "classes",
        help="What labels are. classes: a window has one label; multilabel: any number of tags, "
        "separated by ';' or each in a column of 0 and 1; regression: numbers.",
        group=_LABELS,
    )
    label_scope: LabelScope | None = setting(
        None,
        help="What labels count for. recording: each for its whole recording, and times are not "
        "used; window: they must be in time. Without it folders and tables without times label "
        "whole recordings, the others are in time.",
        group=_LABELS,
    )
    label_rule: LabelRule = setting(
        "overlap",
        help="Which event labels a window on the grid, the one shared most of those that: overlap "
        "enough, hold the window's middle sample (centre), or touch it (any). Of instants alone, "
        "the most frequent label.",
        group=_LABELS,
    )
    min_overlap: float | None = setting(
        None,
        help="Least share of the shorter of window and event for overlap; without it 0.5.",
        above=0, most=1, group=_LABELS, metavar="SHARE",
    )  # fmt: skip
    background: str | None = setting(
        None,
        help="Label of windows without an event; without it they are dropped and counted. Empty, "
        "for multilabel: they are kept without a tag.",
        group=_LABELS,
    )
    file_column: str | None = setting(
        None,
        help="Column of the table that names recordings; without it one called file, filename, "
        "path, recording or the like.",
        group=_LABELS, metavar="NAME",
    )  # fmt: skip
    subject: str | None = setting(
        None,
        help="Regular expression that finds the subject in a file's path, in its first group; "
        "without it a column of the table says, the name of the file or of a folder (sub-01, "
        "S001R04, subject_03, …), or each recording is its own subject. What is found is said.",
        group=_LABELS, metavar="REGEX",
    )  # fmt: skip
    subject_column: str | None = setting(
        None,
        help="Column of the table that names subjects; without it one called subject, "
        "participant_id, patient or the like.",
        group=_LABELS, metavar="NAME",
    )  # fmt: skip

    onset_column: str | None = setting(
        None,
        help="Column of the table with the onset of each row, in seconds; without it one called "
        "onset, start, start_time, begin or the like.",
        group=_LABELS, metavar="NAME",
    )  # fmt: skip
    duration_column: str | None = setting(
        None,
        help="Column of the table with the duration of each row, in seconds; without it one "
        "called duration or the like.",
        group=_LABELS, metavar="NAME",
    )  # fmt: skip
    stop_column: str | None = setting(
        None,
        help="Column of the table with the end of each row, in seconds, instead of a duration; "
        "without it one called stop, stop_time, end or the like.",
        group=_LABELS, metavar="NAME",
    )  # fmt: skip
    split_column: str | None = setting(
        None,
        help="Column of the table with the official part of each recording, kept for `biot "
        "finetune --split column`. Words such as train, dev, val, test and eval are parts; numbers "
        "are folds: the highest is the test, the one below it the validation.",
        group=_LABELS, metavar="NAME",
    )  # fmt: skip
    split_parts: str | None = setting(
        None,
        help="Which values of `split_column` are which part, such as train=1-8,valid=9,test=10; "
        "none=… belong to no part.",
        group=_LABELS, metavar="PART=VALUE[,…]",
    )  # fmt: skip

    channels: str | None = setting(
        None,
        help="The only channels to use: names, types (eeg, ecg, eog, emg, resp, acc, gyro, misc) "
        "and patterns such as F*, with commas between them; without it all. A channel that is not "
        "used may still be the reference.",
        group=_SIGNAL, metavar="NAME|TYPE|PATTERN[,…]",
    )  # fmt: skip
    drop_channels: str | None = setting(
        None,
        help="Channels to leave out, given as for `channels`, and of those that it leaves.",
        group=_SIGNAL, metavar="NAME|TYPE|PATTERN[,…]",
    )  # fmt: skip
    rename_channels: str | None = setting(
        None,
        help="New names of channels, which count from then on, also for `channels` and "
        "`reference`; kept with the model, so that it finds channels under their old names.",
        group=_SIGNAL, metavar="OLD=NEW[,…]",
    )  # fmt: skip
    units: str | None = setting(
        None,
        help="Unit of channels for which a recording says none, such as µV; or a table (.tsv, "
        ".csv) with the columns channel (as for `channels`), unit and, if wanted, file. A unit "
        "that is declared stays, save where a row names both file and channel.",
        group=_SIGNAL, metavar="UNIT|TABLE.tsv",
    )  # fmt: skip
    scale: Scale = setting(
        "q95",
        help="q95: each channel of a window is divided by the 95th percentile of its magnitude; "
        "none: numbers stay in physical units.",
        group=_SIGNAL,
    )
    l_freq: float | None = setting(
        None,
        help="Filter out what lies below, in Hz.",
        least=LOWEST_FREQ, group=_SIGNAL, metavar="HZ",
    )  # fmt: skip
    h_freq: float | None = setting(
        None, help="Filter out what lies above, in Hz.", above=0, group=_SIGNAL, metavar="HZ"
    )
    notch: float | None = setting(
        None,
        help="Filter out this frequency, such as the mains, in Hz.",
        above=0, group=_SIGNAL, metavar="HZ",
    )  # fmt: skip
    causal: bool = setting(
        False,
        help="Filter by causal (minimum-phase) filters instead of zero-phase ones, as `biot live` "
        "needs: no sample depends on a later one. Kept with the model.",
        group=_SIGNAL,
    )
    resample: Resample = setting(
        "polyphase",
        help="How recordings come to `sfreq`; fft: as the authors of BIOT do, the whole recording "
        "at once.",
        group=_SIGNAL,
    )
    reference: str = setting(
        "none",
        help="What EEG channels are re-referenced to: average, the mean of them all; or channels "
        "with commas between them, whose mean it is, such as M1,M2. Missing data are left out.",
        group=_SIGNAL, metavar="none|average|CHANNEL[,CHANNEL]",
    )  # fmt: skip
    keep_flat: bool = setting(
        False,
        help="Keep channels and stretches that are flat: constant, or at the ends of the "
        "converter's range, for a second and 10 samples or more. Otherwise they are missing data. "
        "For slow signals that are stored with repeated values, and for sensors at rest.",
        group=_SIGNAL,
    )

    search_tables: bool = setting(
        False,
        help="Search folders for tables of samples (.csv, .tsv, both also .gz, .parquet) and .npz "
        "too; without it they are read where they are named. The table of labels is left out.",
        group=_TABLES,
    )
    table_sfreq: float | None = setting(
        None,
        help="Samples a second of recordings in .csv, .tsv, .parquet or .npz that do not say it.",
        above=0, group=_TABLES, metavar="HZ",
    )  # fmt: skip
    table_units: str | None = setting(
        None,
        help="Unit of all channels of such recordings, such as µV, whatever they say; `units` is "
        "for recordings of all formats, and for channels that have none.",
        group=_TABLES, metavar="UNIT",
    )  # fmt: skip

    workers: int = setting(
        1,
        help="Recordings to prepare at a time, each in a process of its own.",
        least=1, group=_RUNNING,
    )  # fmt: skip
    dask: str | None = setting(
        None,
        help="Prepare on the workers of the dask.distributed scheduler at this address, such as "
        "tcp://host:8786; they need the same file system.",
        group=_RUNNING, metavar="ADDRESS",
    )  # fmt: skip
    strict: bool = setting(
        False,
        help="Fail, once all recordings were tried, if any cannot be used; what was prepared is "
        "kept for the next run. Otherwise such a recording is listed in quarantine.tsv and the "
        "others make the corpus.",
        group=_RUNNING,
    )

    def __new__(cls, **given: Any) -> PrepareConfig:
        """Keep which settings were given: a layout decides over the others."""
        made = super().__new__(cls)
        object.__setattr__(made, "given", frozenset(given))
        return made

    def __post_init__(self) -> None:
        if isinstance(self.label_map, Path):
            object.__setattr__(self, "label_map", str(self.label_map))
        if isinstance(self.units, Path):
            object.__setattr__(self, "units", str(self.units))
        super().__post_init__()
        if self.is_complete:
            self._require_a_window()
        if not self.awaits_layout:
            self._require_labels_in_time()
        self._require_labels_beside()
        if self.label_map is not None and not self.awaits_layout:
            self._require_labels_to_map()
        if self.dask is not None and self.workers != 1:
            raise ConfigError(
                f"workers is for this machine only; got {self.workers}, with dask {self.dask!r}."
            )
        self._require_a_table()
        self._require_frequencies()

    @property
    def names_a_column_only(self) -> bool:
        """Whether a column of labels is named, and nothing that has it but the recordings."""
        is_named = self.label_columns != ("label",) or (
            "label_columns" in self.given and "labels" not in self.given
        )
        return is_named and str(self.labels) == "none"

    @property
    def is_complete(self) -> bool:
        """Whether rate and window are known; a layout may give them otherwise."""
        return self.sfreq is not None and not (self.window is None and self.epoch is None)

    @property
    def awaits_layout(self) -> bool:
        """Whether labels may still come from a layout: what goes with labels is checked then."""
        may_come = self.layout is not None or not self.is_complete
        return "labels" not in self.given and self.layout != "none" and may_come

    @property
    def tables(self) -> list[Path]:
        """The tables that are named, which are no recordings."""
        labels = [] if str(self.labels) in _WORDS else [Path(self.labels)]
        return [
            *labels,
            *(Path(t) for t in (self.label_map, self.units) if t and is_path_of_table(t)),
        ]

    @property
    def _labels_said(self) -> str:
        """Where labels come from, in words."""
        if "labels" not in self.given and self.layout not in (None, "none"):
            return f"labels is not given, so that those of the layout {self.layout} count"
        return f"labels is {str(self.labels)!r}"

    @property
    def length(self) -> float:
        """Seconds of a window: `window`, or what `epoch` spans.

        Raises
        ------
        ConfigError
            If neither is given.
        """
        if self.epoch is not None:
            start, stop = (Fraction(str(seconds)) for seconds in self.epoch)
            return float(stop - start)
        if self.window is None:
            raise ConfigError("window is not given: the length of a window in seconds.")
        return self.window

    @property
    def placed(self) -> Align:
        """Where windows start: `align`, or what follows from `epoch`."""
        return self.align or ("grid" if self.epoch is None else "events")

    def _require_a_window(self) -> None:
        length = self.length
        if self.epoch is None:
            return
        start, stop = self.epoch
        if start >= stop:
            raise ConfigError(
                f"epoch must have START before STOP, in seconds; got {start:g} and {stop:g}."
            )
        if round(length * (self.sfreq or 0)) < 1:
            raise ConfigError(
                f"epoch must hold at least one sample, got {start:g} to {stop:g} s at "
                f"{self.sfreq or 0:g} Hz."
            )
        if self.window is not None and self.window != length:
            raise ConfigError(
                f"window must be left out, or be the {length:g} s of the epoch from {start:g} to "
                f"{stop:g} s; got {self.window:g} s."
            )
        if self.align == "grid":
            raise ConfigError(
                "align is 'grid', but epoch places windows around events. Leave one of them out."
            )
        if self.stride is not None:
            raise ConfigError(
                f"stride must be left out with an epoch, of which each event has one; got "
                f"{self.stride:g} s."
            )

    def _require_a_table(self) -> None:
        """What says something of a table of labels goes with one, and once."""
        is_table = str(self.labels) not in _WORDS
        for name in _COLUMNS:
            if getattr(self, name) is not None and not is_table:
                raise ConfigError(f"{name} goes with a table of labels, but {self._labels_said}.")
        if self.subject is not None and self.subject_column is not None:
            raise ConfigError(
                "subject and subject_column both name the subjects; leave one of them out."
            )
        if self.duration_column is not None and self.stop_column is not None:
            raise ConfigError(
                "duration_column and stop_column both say when labels end; leave one of them out."
            )
        if self.split_parts is not None and self.split_column is None:
            raise ConfigError("split_parts goes with split_column, whose values it explains.")

    def _require_labels_in_time(self) -> None:
        labels, scope = str(self.labels), self.label_scope
        if scope is not None and labels == "none":
            raise ConfigError("label_scope goes with labels, but labels is 'none'.")
        in_time = {"label_scope=window": scope == "window", "epoch": self.epoch is not None}
        for name, given in in_time.items():
            if given and labels in ("none", "folder"):
                of_folder = "" if labels == "none" else ", which label whole recordings"
                raise ConfigError(
                    f"{name} goes with labels in time, but labels is {labels!r}{of_folder}."
                )
        for name in ("epoch", "background"):
            if scope == "recording" and getattr(self, name) is not None:
                raise ConfigError(
                    f"{name} goes with labels in time, but with label_scope=recording they count "
                    "for whole recordings. Leave one of them out."
                )

    def _require_frequencies(self) -> None:
        if self.causal and (self.l_freq, self.h_freq, self.notch) == (None, None, None):
            raise ConfigError("causal goes with l_freq=, h_freq= or notch=, but none is given.")
        if self.causal and self.resample == "fft":
            raise ConfigError(
                "causal goes with resample=polyphase; with resample=fft every sample depends on "
                "all that follow."
            )
        for name in ("l_freq", "h_freq", "notch"):
            frequency = getattr(self, name)
            if frequency is None or self.sfreq is None:
                continue
            if frequency > self.sfreq / 2:
                raise ConfigError(
                    f"{name} must be at most half of sfreq, {self.sfreq / 2:g} Hz, as windows hold "
                    f"nothing above; got {frequency:g} Hz."
                )

    def _require_labels_beside(self) -> None:
        if self.trigger_channel is not None and str(self.labels) != "triggers":
            raise ConfigError(
                f"trigger_channel goes with labels=triggers, but {self._labels_said}."
            )
        beside = str(self.labels) in ("annotations", "sidecars")
        if self.sidecar is not None and not (beside and self.sidecar):
            raise ConfigError(
                "sidecar goes with labels 'annotations' or 'sidecars', and is how the names of "
                f"files of labels end, such as .tse_bi; got {self.sidecar!r}, but "
                f"{self._labels_said}."
            )

    def _require_labels_to_map(self) -> None:
        if str(self.labels) == "none" and not self.names_a_column_only:
            raise ConfigError("label_map goes with labels, but labels is 'none'.")
        if self.task == "regression":
            raise ConfigError(
                "label_map is for classes and tags; the targets of a regression are numbers, "
                "which have no other names."
            )
        if len(self.label_columns) > 1:
            raise ConfigError(
                f"label_map is for one column of labels; got {', '.join(self.label_columns)}."
            )
