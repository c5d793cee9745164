"""`biot prepare`: recordings to a corpus of windows."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from biot.cli.options import (
    Commands,
    add_command,
    add_table_options,
    count,
    positive,
    show_progress,
)

__all__ = [
    "add_label_options",
    "add_signal_options",
    "add_to",
]


def add_label_options(parser: ArgumentParser) -> None:
    """What labels are, and which window takes which."""
    parser.add_argument(
        "--label-column",
        metavar="NAME",
        action="append",
        help="column of the table that holds labels; may be given several times (default: label)",
    )
    parser.add_argument(
        "--task",
        choices=("classes", "multilabel", "regression"),
        default="classes",
        help="classes: a window has one label; multilabel: any number of tags, separated by ';' "
        "or each in a column of 0 and 1; regression: numbers (default: classes)",
    )
    parser.add_argument(
        "--label-rule",
        choices=("overlap", "centre", "any"),
        default="overlap",
        help="which event labels a window on the grid, the one shared most of those that: overlap "
        "enough, hold the window's middle sample, or touch it (default: overlap)",
    )
    parser.add_argument(
        "--min-overlap",
        metavar="SHARE",
        type=positive,
        help="least share of the shorter of window and event for overlap (default: 0.5)",
    )
    parser.add_argument(
        "--keep-short",
        action="store_true",
        help="keep what is left at a recording's end, and recordings shorter than a window, as "
        "windows of their own length",
    )


def add_signal_options(parser: ArgumentParser) -> None:
    """Filters, and the way of resampling."""
    parser.add_argument(
        "--l-freq",
        metavar="HZ",
        type=positive,
        help="filter out what lies below",
    )
    parser.add_argument(
        "--h-freq",
        metavar="HZ",
        type=positive,
        help="filter out what lies above",
    )
    parser.add_argument(
        "--notch", metavar="HZ", type=positive, help="filter out this frequency, such as the mains"
    )
    parser.add_argument(
        "--resample",
        choices=("polyphase", "fft"),
        default="polyphase",
        help="fft: as the authors of BIOT do, the whole recording at once (default: polyphase)",
    )


_EXAMPLES = """\
  biot prepare recordings/ --out corpus --sfreq 200 --window 10 --labels annotations
  biot prepare recordings/ --out corpus --sfreq 200 --window 4 --labels annotations --align events
  biot prepare a.edf b.edf --out corpus --sfreq 200 --window 10 --labels patients.tsv
  biot prepare bids/ --out corpus --sfreq 200 --window 10 --labels bids/participants.tsv \\
      --label-column age --task regression --l-freq 0.5 --notch 50
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "prepare",
        summary="turn recordings into a corpus",
        description="Read recordings, bring them to one rate, cut them into windows, label the "
        "windows, and write a corpus: a folder that `biot finetune` trains on and that "
        "datasets.load_from_disk opens. Files that cannot be used are listed with the reason. "
        "A run that was stopped goes on where it was when it is started again; a finished corpus "
        "is brought up to date with its recordings.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    parser.add_argument(
        "paths",
        metavar="FILE|FOLDER",
        nargs="+",
        type=Path,
        help="recordings, or folders to search for them: EDF, BDF, BrainVision, FIF, EEGLAB, "
        "GDF, WFDB; tables and NumPy archives (.csv, .tsv, .parquet, .npz) only where "
        "they are named themselves",
    )
    parser.add_argument(
        "--out",
        metavar="CORPUS",
        type=Path,
        required=True,
        help="folder of the corpus, to make or to update",
    )
    parser.add_argument(
        "--sfreq", metavar="HZ", type=positive, required=True, help="samples a second"
    )
    parser.add_argument(
        "--window", metavar="S", type=positive, required=True, help="length of a window in seconds"
    )
    parser.add_argument(
        "--stride",
        metavar="S",
        type=positive,
        help="seconds between the starts of windows (default: the window, so that none overlap)",
    )
    parser.add_argument(
        "--labels",
        metavar="none|annotations|folder|TABLE.tsv",
        type=_labels,
        default="none",
        help="where labels come from: the recordings' annotations or BIDS events; the folder that "
        "a file lies in; or a table with the columns file (or participant_id), label and, if "
        "wanted, subject, onset and duration in seconds (default: none)",
    )
    add_label_options(parser)
    add_signal_options(parser)
    parser.add_argument(
        "--align",
        choices=("grid", "events"),
        default="grid",
        help="where windows start: every stride from the recording's start, or from the start of "
        "each labelled event (default: grid)",
    )
    parser.add_argument(
        "--background",
        metavar="NAME",
        help="label of windows without an event; by default they are dropped and counted",
    )
    parser.add_argument(
        "--subject",
        metavar="REGEX",
        help="pattern that finds the subject in a file's path, in its first group; by default the "
        "labels table, a BIDS name (sub-01) or the file's stem says",
    )
    parser.add_argument(
        "--scale",
        choices=("q95", "none"),
        default="q95",
        help="q95: each channel of a window is divided by the 95th percentile of its magnitude; "
        "none: numbers stay in physical units (default: q95)",
    )
    add_table_options(parser)
    _add_running(parser)


def _add_running(parser: ArgumentParser) -> None:
    """How it runs, which does not change the corpus."""
    parser.add_argument(
        "--workers",
        metavar="N",
        type=count,
        default=1,
        help="recordings to prepare at a time, each in a process of its own (default: 1)",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="prepare on the workers of this dask.distributed scheduler, such as "
        "tcp://host:8786; they need the same file system",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="fail, once all recordings were tried, if any cannot be used; by default such a "
        "recording is listed in quarantine.tsv and the others make the corpus",
    )


def _labels(text: str) -> str | Path:
    if text in ("none", "annotations", "folder"):
        return text
    if Path(text).suffix.lower() not in (".tsv", ".csv"):
        raise ArgumentTypeError(
            f"expected none, annotations, folder or a table (.tsv), got {text!r}"
        )
    return Path(text)


def _execute(args: Namespace) -> None:
    from biot.corpus.builder.prepare import prepare

    print(
        prepare(
            args.paths,
            args.out,
            sfreq=args.sfreq,
            window=args.window,
            stride=args.stride,
            align=args.align,
            labels=args.labels,
            scale=args.scale,
            background=args.background,
            subject=args.subject,
            label_columns=args.label_column or ("label",),
            task=args.task,
            label_rule=args.label_rule,
            min_overlap=args.min_overlap,
            keep_short=args.keep_short,
            resample=args.resample,
            l_freq=args.l_freq,
            h_freq=args.h_freq,
            notch=args.notch,
            table_sfreq=args.table_sfreq,
            table_units=args.table_units,
            workers=args.workers,
            dask=args.dask,
            strict=args.strict,
            progress=show_progress(),
        )
    )
