"""`biot predict`: every window of recordings to a table, and what else is asked for."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from biot.cli.options import (
    Parser,
    add_device,
    add_settings,
    add_table_options,
    as_table,
    new_command,
    note_in_options,
    open_recording,
    positive,
    require_apart,
    require_writable,
)
from biot.cli.recordings import extras
from biot.cli.recordings.many import predict_folder
from biot.cli.recordings.opening import MODEL_HELP, open_predictor, tell_of_stride
from biot.cli.recordings.truth import annotations_of
from biot.cli.terminal import say, show_progress
from biot.errors import ConfigError, counted
from biot.inference.many.settings import ManySettings

if TYPE_CHECKING:
    from biot.inference.predictions import Predictions
    from biot.signals.recording import Recording

__all__ = ["parser"]

_TABLE_SUFFIXES = (".csv", ".parquet")

_EXAMPLES = """\
  biot predict run/model night.edf --out night.csv --png night.png
  biot predict run/model night.edf --out night.parquet --stride 1
  biot predict run/model night.edf --out night.csv --events --event-format bids,edf
  biot predict run/model night.edf --out night.csv --report
  biot predict run/model recordings/ --out predicted --workers 2 --per subject
  biot predict model.onnx night.edf --out night.csv
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "predict",
        description="Predict every window of whole recordings, prepared as the model's corpus "
        "was. The table holds start and stop in seconds, the label, the probability p_CLASS of "
        "each class, the threshold or weights that the label follows from, and whether the model "
        "learnt from this recording (in_training, where known); label and probabilities are empty "
        "where nothing usable was recorded. In a CSV, a text that a spreadsheet would run has an "
        "apostrophe before it. Several recordings, or folders of them, give a folder with one "
        "table of all windows, one of all recordings, and the list of those that cannot be read.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    _add_inputs(made)
    made.add_argument(
        "--png",
        metavar="FILE",
        type=Path,
        help="timeline to draw (.png); annotations named like the model's classes are drawn beside",
    )
    made.add_argument(
        "--stride",
        metavar="S",
        type=positive,
        help="seconds between the starts of windows (default: the window, so that none overlap)",
    )
    add_settings(made, ManySettings)
    extras.add_options(made)
    add_table_options(made)
    add_device(made)
    return made


def _add_inputs(made: Parser) -> None:
    """What is read, and where the tables go."""
    made.add_argument("model", metavar="MODEL", type=Path, help=MODEL_HELP)
    made.add_argument(
        "recordings",
        metavar="FILE|FOLDER",
        nargs="+",
        type=Path,
        help="EDF, BDF, BrainVision, FIF, …, and folders to search for them; tables and NumPy "
        "archives only where they are named themselves",
    )
    made.add_argument(
        "--out",
        metavar="FILE|FOLDER",
        type=Path,
        required=True,
        help="of one recording the table to write, .csv or .parquet; else the folder to make",
    )


def _execute(args: Namespace) -> None:
    if _is_one(args):
        _predict_one(args, args.recordings[0])
    else:
        predict_folder(args)


def _is_one(args: Namespace) -> bool:
    """Whether one recording is to give one table; else a folder is to be made."""
    if len(args.recordings) > 1 or args.recordings[0].is_dir():
        return False
    return args.out.suffix in _TABLE_SUFFIXES or (bool(args.out.suffix) and not args.out.is_dir())


def _require_one(args: Namespace) -> None:
    """Refuse options that are for a folder of many recordings, and names that are no table's."""
    for name in ("workers", "per", "by", "subject"):
        if name in args.given:
            raise ConfigError(
                f"--{name} is for several recordings. Give a folder as --out, such as "
                f"--out {args.out.with_suffix('')}; a table is of one recording's windows."
            )


def _predict_one(args: Namespace, path: Path) -> None:
    from biot.inference.predictions import PredictionWarning

    _require_one(args)
    _require_files(args, path)
    from biot.signals.naming import renames_of

    place = extras.Place.beside(args.out)
    predictor = open_predictor(args, args.model)
    if args.png is not None and predictor.preprocessing.task != "classes":
        raise ConfigError(f"{args.png}: a timeline shows classes, which this model does not say.")
    extras.require_possible(args, predictor, [place])
    contract = predictor.preprocessing
    recording = open_recording(args, path, renames_of(contract.rename_channels), contract.ch_names)
    say(predictor.montage(recording))
    tell_of_stride(args.stride, contract.window)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PredictionWarning)  # its notes stand on stdout
        predictions = predictor.predict(recording, stride=args.stride, progress=show_progress())
    seen = _is_in_training(args.model, path)
    predictions = replace(predictions, in_training=seen)
    predictions.save(args.out)
    _tell(predictions)
    say(f"{counted(len(predictions), 'window')} -> {args.out}")
    if args.png is not None:  # after the table: if it fails, that is there
        _draw(args, predictions, recording, contract.label_columns[0])
    extras.tell(args, [predictions], predictor)
    for written in extras.write(args, predictor, predictions, recording, place):
        say(f"written -> {written}")


def _require_files(args: Namespace, path: Path) -> None:
    """Refuse, before the work, names of files that cannot be written."""
    from biot.inference.tables import require_package_of
    from biot.plots import require_figures

    require_writable(args.out, suffixes=_TABLE_SUFFIXES)
    require_package_of(args.out)
    if args.png is not None:
        require_writable(args.png, suffixes=(".png",))
        require_figures()
    require_apart({"--out": args.out, "--png": args.png}, [args.model, path, args.units])


def _draw(args: Namespace, predictions: Predictions, recording: Recording, trained: str) -> None:
    """The timeline, with annotations that are named as the classes are."""
    truth = annotations_of(recording, trained=trained, labels=predictions.label_names)
    predictions.to_png(args.png, truth=truth)
    say(f"timeline -> {args.png}")


def _tell(predictions: Predictions) -> None:
    """How many windows have each class or tag, or what the numbers are on average."""
    n_unusable = int((~predictions.usable).sum())
    if predictions.task == "regression":
        values = predictions.probabilities[predictions.usable]
        means = values.mean(axis=0) if len(values) else [float("nan")] * values.shape[1]
        headers = ("number", "mean")
        rows = list(zip(predictions.label_names, map(float, means), strict=True))
        rows += [("windows without usable data", n_unusable)] if n_unusable else []
    else:
        said = predictions.labels
        if predictions.task == "multilabel":
            said = tuple(tag for label in said for tag in label.split(";"))
        found = Counter(said)
        headers = ("label", "windows")
        rows = [(name, found[name]) for name in predictions.label_names]
        rows += [("no usable data", n_unusable)] if n_unusable else []
    say(f"\n{as_table(rows, headers)}\n")
    if predictions.task != "regression":
        say(f"Decision: {predictions.decision.described(predictions.label_names)}.")
    if predictions.in_training:
        say(
            f"The model learnt from this recording ({predictions.name}): these predictions do not "
            "show how it does on others."
        )
    for note in predictions.notes:
        say(f"{note_in_options(note)}\n")


def _is_in_training(model: Path, recording: Path) -> bool | None:
    """Whether the training of a model read these very files; None where nobody wrote it down."""
    from biot.corpus.builder.sources import Source
    from biot.corpus.builder.worker import checksum
    from biot.corpus.leakage import SeenData
    from biot.inference.many.folder import in_training

    return in_training(SeenData.load(model), checksum(Source(recording.name, recording))[1])
