"""Options of `biot prepare` for labels and for what is done to signals."""

from __future__ import annotations

from argparse import ArgumentParser

from biot.cli.common import positive

__all__ = ["add_label_options", "add_signal_options"]


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
