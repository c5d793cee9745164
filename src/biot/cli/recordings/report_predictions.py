"""`biot report PREDICTIONS`: the page of a recording from a table that `biot predict` wrote."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from biot.cli.options import (
    Parser,
    add_table_options,
    open_recording,
    require_apart,
    require_writable,
)
from biot.cli.recordings.opening import contract_of
from biot.cli.recordings.report_options import events_of_annotations, in_words_of_the_command
from biot.cli.recordings.truth import annotations_of
from biot.cli.terminal import say
from biot.errors import ConfigError

if TYPE_CHECKING:
    from biot.events.event import Events
    from biot.inference.predictions import Predictions
    from biot.preprocessing import Preprocessing
    from biot.signals.recording import Recording

__all__ = ["OPTIONS", "add_prediction_options", "report_many", "report_predictions"]

OPTIONS = ("recording", "reference", "channels", "model")
"""What :func:`add_prediction_options` adds besides the options for tables."""


def add_prediction_options(parser: Parser) -> None:
    """``--recording``, ``--reference``, ``--channels``, ``--model`` and those for tables."""
    parser.add_argument(
        "--recording",
        metavar="FILE",
        type=Path,
        help="of predictions: the recording, for its signals (default: the file that was "
        "predicted, where it still lies there)",
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        help="of predictions: events to show beside those decided: a file of events, or the word "
        "annotations for those in the recording",
    )
    parser.add_argument(
        "--channels",
        metavar="NAMES",
        help="of predictions: the channels to draw, with commas between them (default: those of "
        "--model, else all; at most 32)",
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        type=Path,
        help="of predictions: the model folder, RUN/model, or the ONNX file, to tell what it makes "
        "of each channel",
    )
    add_table_options(parser)


def report_predictions(args: Namespace, table: Path, out: Path | None) -> Path:
    """Write the page of a table of predictions.

    Parameters
    ----------
    args
        With :func:`add_prediction_options`.
    table
        What ``biot predict`` wrote: ``.parquet``, or ``.csv``, which knows less.
    out
        The page; None: beside the table, with its name.

    Returns
    -------
    Path
        The page.
    """
    from biot.inference.predictions import Predictions
    from biot.report.page import require_pages
    from biot.report.recording import require_timeline

    if table.name == "predictions.parquet" and (table.parent / "predict.json").is_file():
        raise ConfigError(
            f"{table}: holds many recordings. Give its folder, biot report {table.parent}: that "
            "makes a page of each."
        )
    page = table.with_suffix(".html") if out is None else out
    require_writable(page, suffixes=(".html",))
    _require_apart(args, table, page)
    require_pages()
    require_timeline()
    return _page(args, Predictions.load(table), page)


def report_many(args: Namespace, folder: Path) -> list[Path]:
    """Write a page for each recording of a folder of ``biot predict``, into its ``reports``.

    Raises
    ------
    ConfigError
        If its table is not there, or damaged, or an option is for one recording.
    """
    from biot.inference.many.folder import stems_of
    from biot.inference.many.outcomes import read_outcomes
    from biot.inference.many.staging import WINDOWS
    from biot.report.page import require_pages
    from biot.report.recording import require_timeline

    for option in ("recording", "reference"):
        if getattr(args, option) not in (None, "annotations"):
            raise ConfigError(
                f"--{option} is for one recording; {folder} holds many. Leave it out."
            )
    require_pages()
    require_timeline()
    pages = []
    outcomes = read_outcomes(folder / WINDOWS)
    stems = stems_of([outcome.name for outcome in outcomes])
    for outcome in outcomes:
        if outcome.predictions is not None:
            page = folder / "reports" / f"{stems[outcome.name]}.html"
            if not page.resolve().is_relative_to((folder / "reports").resolve()):
                raise ConfigError(f"{folder}: {outcome.name!r} is no name of a recording in it.")
            page.parent.mkdir(parents=True, exist_ok=True)
            pages.append(_page(args, outcome.predictions, page))
    return pages


def _require_apart(args: Namespace, table: Path, page: Path) -> None:
    reference = None if args.reference in (None, "annotations") else Path(args.reference)
    require_apart({"--out": page}, [table, args.recording, reference, args.model, args.units])


def _page(args: Namespace, predictions: Predictions, page: Path) -> Path:
    from biot.report.recording import recording_report

    contract = None if args.model is None else contract_of(args.model)
    recording = _recording(args, predictions, contract)
    return recording_report(
        page,
        in_words_of_the_command(predictions),
        recording,
        reference=_reference(args, predictions, recording, contract),
        channels=None if args.channels is None else _names(args.channels),
        preprocessing=contract,
        model=None if args.model is None else str(args.model),
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _recording(
    args: Namespace, predictions: Predictions, contract: Preprocessing | None
) -> Recording | None:
    """The recording that was named, or that was predicted, if it is still there."""
    path: Path | None = args.recording or predictions.path
    if path is None or (args.recording is None and not path.exists()):
        where = "is not known" if path is None else f"was {path}, where it is no longer"
        if args.channels is not None or args.reference == "annotations":
            option = "--channels" if args.channels is not None else "--reference annotations"
            raise ConfigError(
                f"{option} needs the recording, whose place {where}. Give --recording FILE."
            )
        say(
            f"The place of the recording {where}: the page has no signals. "
            "--recording FILE adds them."
        )
        return None
    from biot.signals.naming import renames_of

    renames = renames_of(contract.rename_channels) if contract is not None else {}
    columns = contract.ch_names if contract is not None else ()
    return open_recording(args, path, renames, columns)


def _reference(
    args: Namespace,
    predictions: Predictions,
    recording: Recording | None,
    contract: Preprocessing | None,
) -> Events | None:
    if args.reference is None:
        return None
    if args.reference == "annotations":
        assert recording is not None
        trained = contract.label_columns[0] if contract is not None else "label"
        found = annotations_of(recording, trained=trained)
        if not found:
            say(f"{recording.name} holds no annotations: there is no reference to show.")
            return None
        return events_of_annotations(recording, found)
    from biot.events.reading import read_events

    return read_events(
        args.reference,
        name=predictions.name,
        duration=predictions.duration,
        sfreq=predictions.sfreq,
        meas_date=predictions.meas_date,
    )
