"""`biot predict` of several recordings: a folder with tables of windows, recordings, subjects."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biot.cli.options import as_table, config_of, note_in_options, require_apart
from biot.cli.recordings import extras
from biot.cli.recordings.opening import open_predictor, tell_of_stride
from biot.cli.terminal import say, show_progress
from biot.errors import ConfigError

if TYPE_CHECKING:
    from biot.inference.many.folder import Extras
    from biot.inference.many.sources import ListedRecording
    from biot.inference.many.summary import FolderReport
    from biot.inference.predictions import Predictions
    from biot.inference.windowed import WindowPredictor

__all__ = ["predict_folder"]

_TABLES = (".csv", ".parquet", ".tsv")
_MOST_SHOWN = 40
"""Decisions that are shown; the table has all."""


def predict_folder(args: Namespace) -> None:
    """Predict the recordings given and write the folder."""
    _require_folder(args)
    from biot.inference.many.folder import predict_folder as predicted
    from biot.inference.many.settings import ManySettings
    from biot.inference.many.staging import RECORDINGS, SUBJECTS, WINDOWS

    predictor = open_predictor(args, args.model)
    place = extras.Place(events=args.out / "events", reports=args.out / "reports", stem="")
    extras.require_possible(args, predictor, [place])
    tell_of_stride(args.stride, predictor.preprocessing.window)
    report = predicted(
        predictor,
        args.model,
        args.recordings,
        args.out,
        stride=args.stride,
        units=args.units,
        table_sfreq=args.table_sfreq,
        table_units=args.table_units,
        extras=_extras(args, predictor),
        progress=show_progress(),
        config=config_of(args, ManySettings),
    )
    say(note_in_options(str(report)))
    if args.per is not None:
        _tell_decisions(report)
    known = [one.predictions for one in report.outcomes if one.predictions is not None]
    extras.tell(args, known, predictor)
    say(f"\nwindows -> {args.out / WINDOWS}")
    say(f"recordings -> {args.out / RECORDINGS}")
    for folder in (args.out / "events", args.out / "reports"):
        if folder.is_dir():
            say(f"{folder.name} -> {folder}")
    if args.per == "subject":
        say(f"subjects -> {args.out / SUBJECTS}")


def _require_folder(args: Namespace) -> None:
    """Refuse what only one recording can have, and outputs that are inputs."""
    several = "several recordings" if len(args.recordings) > 1 else "folders of recordings"
    if args.out.suffix in _TABLES and not args.out.is_dir():
        raise ConfigError(
            f"--out {args.out}: {several} give a folder, with one table of all windows. Name a "
            "folder, such as --out predicted; a table is of one FILE."
        )
    if args.png is not None:
        raise ConfigError(
            f"--png {args.png}: a timeline is of one FILE, with a table as --out, and here a "
            "folder is made."
        )
    if args.out.exists() and not args.out.is_dir():
        raise ConfigError(
            f"--out {args.out}: is a file, and {several} give a folder. Name another."
        )
    require_apart({"--out": args.out}, [args.model, *args.recordings, args.units])
    for one in args.recordings:
        if not one.exists():
            raise ConfigError(f"{one}: there is no such file or folder of recordings.")


def _extras(args: Namespace, predictor: WindowPredictor) -> Extras:
    """What is written of each recording besides the tables, in the words of the library."""
    from biot.inference.many.folder import Extras

    if not extras.is_asked(args):
        return Extras()

    def write(found: ListedRecording, stem: str, predictions: Predictions, folder: Path) -> None:
        parent, name = Path(stem).parent, Path(stem).name
        place = extras.Place(
            events=folder / "events" / parent, reports=folder / "reports" / parent, stem=name
        )
        extras.write(args, predictor, predictions, found.item.opened(), place)
        extras.describe(args, folder)

    return Extras(parameters=extras.parameters(args), write=write)


def _tell_decisions(report: FolderReport) -> None:
    """The decision on each recording or subject, and the rule."""
    groups, decision = report.decisions()
    found = next(one.predictions for one in report.outcomes if one.predictions is not None)
    names = found.label_names
    headers: list[str] = [str(report.per), "windows"]
    headers += ["label"] if decision.task != "regression" else []
    headers += [f"p_{name}" if decision.task != "regression" else name for name in names]
    labels = groups.labels(names, decision.task)
    rows: list[list[Any]] = []
    for row, name in enumerate(groups.names[:_MOST_SHOWN]):
        label = [labels[row] or "no usable data"] if decision.task != "regression" else []
        rows.append([name, int(groups.n_usable[row]), *label, *groups.probabilities[row].tolist()])
    say(f"\n{as_table(rows, headers)}\n")
    more = len(groups.names) - len(rows)
    if more > 0:
        say(f"… and {more} more in the table.")
    if decision.task == "regression":
        say("Decision: the mean over the windows.")
        return
    how = {
        "mean": "by the mean probability of the windows",
        "vote": "what most windows say, each by the same rule",
    }[report.by]
    say(f"Decision: {decision.described(names)}, {how}; windows without usable data do not count.")
