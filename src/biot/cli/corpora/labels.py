"""`biot labels`: the labels of recordings as a table that a person can check."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import (
    Parser,
    add_settings,
    config_of,
    new_command,
    require_apart,
    require_writable,
)
from biot.cli.terminal import say, show_progress
from biot.corpus.builder.settings import PrepareConfig

__all__ = ["parser"]

_EXAMPLES = """\
  biot labels tuab/ --layout tuab --out labels.tsv
  biot labels recordings/ --labels annotations --out labels.tsv
  biot prepare recordings/ --labels labels.tsv --out corpus --sfreq 200 --window 10
"""
_OPTIONS = (
    *("layout", "labels", "label_columns", "label_map", "label_threshold", "label_scope", "task"),
    *("background", "sidecar", "trigger_channel", "subject"),
    *("file_column", "subject_column", "onset_column", "duration_column", "stop_column"),
    *("split_column", "split_parts"),
    *("search_tables", "table_sfreq", "table_units", "workers", "dask"),
)
"""Those of `prepare` that decide over labels."""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "labels",
        description="Write the labels that `biot prepare` would take as a table: one row a label, "
        "with the columns file, subject, session, onset and duration in seconds (where labels are "
        "in time), label and split. It may be checked, changed, and given to `biot prepare "
        "--labels`.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "paths", metavar="FILE|FOLDER", nargs="+", type=Path, help="recordings, as for prepare"
    )
    made.add_argument(
        "--out", metavar="LABELS.tsv", type=Path, required=True, help="table to write"
    )
    add_settings(made, PrepareConfig, only=_OPTIONS)
    return made


def _execute(args: Namespace) -> None:
    config = config_of(args, PrepareConfig)
    require_writable(args.out, suffixes=(".tsv",))
    require_apart({"--out": args.out}, [*args.paths, *config.tables])
    from biot.corpus.builder.layouts.writing import write_label_table

    say(str(write_label_table(args.paths, args.out, config=config, progress=show_progress())))
