"""`biot prepare`: recordings to a corpus of windows."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from biot.cli.options import (
    Parser,
    add_settings,
    config_of,
    in_options,
    new_command,
    require_apart,
)
from biot.cli.terminal import say, show_progress
from biot.corpus.builder.settings import PrepareConfig
from biot.settings import settings_of

if TYPE_CHECKING:
    from biot.corpus.builder.report import PrepareReport

__all__ = ["parser"]

_EXAMPLES = """\
  biot prepare recordings/ --out corpus --sfreq 200 --window 10 --labels annotations
  biot prepare recordings/ --out corpus --sfreq 200 --window 4 --labels annotations --align events
  biot prepare a.edf b.edf --out corpus --sfreq 200 --window 10 --labels patients.tsv
  biot prepare bids/ --out corpus --sfreq 200 --window 10 --labels bids/participants.tsv \\
      --label-column age --task regression --l-freq 0.5 --notch 50
"""
_TABLES = {"sfreq=": "--table-sfreq", "units=": "--units", "columns=": "--channels"}
"""Options of what readers of tables ask for by these names."""
_NAMES = {
    **_TABLES, "keep_flat": "--keep-flat", "reference=": "--reference",
    "label_rule=": "--label-rule", "label_scope=": "--label-scope",
}  # fmt: skip


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "prepare",
        description="Read recordings, bring them to one rate, cut them into windows, label the "
        "windows, and write a corpus: a folder that `biot finetune` trains on and that "
        "datasets.load_from_disk opens. Files that cannot be used are listed with the reason. "
        "A run that was stopped goes on where it was when it is started again; a finished corpus "
        "is brought up to date with its recordings.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "paths",
        metavar="FILE|FOLDER",
        nargs="+",
        type=Path,
        help="recordings, or folders to search for them: EDF, BDF, BrainVision, FIF, EEGLAB, "
        "GDF, WFDB, XDF; tables and NumPy archives (.csv, .tsv, .parquet, .npz) only where "
        "they are named themselves",
    )
    made.add_argument(
        "--out",
        metavar="CORPUS",
        type=Path,
        required=True,
        help="folder of the corpus, to make or to update",
    )
    add_settings(made, PrepareConfig)
    made.set_defaults(library_names=_TABLES)
    return made


def _execute(args: Namespace) -> None:
    config = config_of(args, PrepareConfig)
    require_apart({"--out": args.out}, [*args.paths, *config.tables])
    from biot.corpus.builder.prepare import prepare

    report = prepare(args.paths, args.out, config=config, progress=show_progress())
    say(in_options(str(_with_options(report)), _NAMES))


def _with_options(report: PrepareReport) -> PrepareReport:
    """The report with the names of options in its reasons, which begin with a file's name."""
    names = {**{one.name: one.option for one in settings_of(PrepareConfig)}, **_NAMES}
    names["method"] = names["resample"]
    reasons = [
        (file, f"{file}: {in_options(reason.removeprefix(f'{file}: '), names)}")
        for file, reason in report.quarantined
    ]
    return replace(report, quarantined=tuple(reasons))
