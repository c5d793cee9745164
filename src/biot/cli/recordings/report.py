"""`biot report`: the page of a run, or of a recording's predictions."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import Parser, in_options, new_command, require_writable
from biot.cli.recordings.report_predictions import (
    OPTIONS,
    add_prediction_options,
    report_many,
    report_predictions,
)
from biot.cli.reports.folders import is_run
from biot.cli.terminal import say
from biot.errors import ConfigError, counted

__all__ = ["parser"]

_EXAMPLES = """\
  biot report run
  biot report run --out for_the_clinic.html
  biot report night.parquet
  biot report nights
  biot report night.csv --recording night.edf --reference annotations --model run/model

of a run, what lies in its folder is shown, and windows with their signal where its corpus still
lies there; the page says what it leaves out.
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "report",
        description="Write one HTML file to look at, without a network: of a run of finetune "
        "(also with --folds) or pretrain, what was asked, data, scores beside baselines, subjects, "
        "curves and examples; of a table of `biot predict`, an interactive timeline, events and "
        "quality.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "path",
        metavar="RUN|PREDICTIONS",
        type=Path,
        help="folder of a run, or what `biot predict` wrote: a .csv or .parquet, or the folder of "
        "many recordings",
    )
    made.add_argument(
        "--out",
        metavar="HTML",
        type=Path,
        help="file to write (default: RUN/report.html, or the table's name with .html)",
    )
    made.add_argument(
        "--force",
        action="store_true",
        help="of a run: replace RUN/report.html even if it shows more than can be shown now, such "
        "as windows of a corpus that is no longer there",
    )
    add_prediction_options(made)
    return made


def _execute(args: Namespace) -> None:
    path: Path = args.path
    if not path.exists():
        raise ConfigError(
            f"{path} does not exist. Name the folder of a run, or a table of `biot predict`."
        )
    if args.out is not None:
        require_writable(args.out, suffixes=(".html",))
    if args.force and not is_run(path):
        raise ConfigError(f"--force is for a run; {path} is none. Leave it out.")
    if path.is_dir() and not is_run(path) and (path / "recordings.tsv").is_file():
        if args.out is not None:
            raise ConfigError(
                f"--out is for one page; those of {path} go into {path / 'reports'}. Leave it out."
            )
        pages = report_many(args, path)
        say(f"{counted(len(pages), 'report')} -> {path / 'reports'}")
        return
    page = _of_folder(args, path) if path.is_dir() else report_predictions(args, path, args.out)
    say(f"report -> {page}")


def _of_folder(args: Namespace, folder: Path) -> Path:
    for option in OPTIONS:
        if getattr(args, option) is not None:
            raise ConfigError(
                f"--{option} is for a table of predictions; {folder} is a folder. Leave it out."
            )
    if not is_run(folder):
        raise ConfigError(
            f"{folder} is no run: it has no run.json. Name the folder that `biot finetune` or "
            "`biot pretrain` was given with --out, or a table of `biot predict`."
        )
    from biot.report.run import write_run_report

    try:
        page, notes = write_run_report(folder, args.out, force=args.force)
    except ConfigError as error:
        told = in_options(str(error), {"out=": "--out", "force=": "--force"})
        raise ConfigError(told) from error
    for note in notes:
        say(f"Left out: {note}")
    return page
