"""`biot szcore`: seizures of one recording as a table of SzCORE, as its containers are called.

J. Dan et al., SzCORE, Epilepsia 2024; https://epilepsybenchmarks.com.
"""

from __future__ import annotations

import os
import warnings
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from biot.cli.options import (
    Parser,
    add_device,
    add_settings,
    add_table_options,
    new_command,
    note_in_options,
    open_recording,
    positive,
    require_apart,
    require_open,
)
from biot.cli.recordings.event_options import changed_rules, rules_of
from biot.cli.recordings.opening import open_predictor, tell_of_stride
from biot.cli.terminal import complain, say, show_progress
from biot.errors import ConfigError, counted
from biot.events.rules import EventRules

if TYPE_CHECKING:
    from biot.events.event import Events
    from biot.preprocessing import Preprocessing

__all__ = ["parser"]

_MODEL = "BIOT_MODEL"
"""Environment variable that names the model, where no argument does."""

_EXAMPLES = """\
  biot szcore run/model night.edf night_events.tsv
  INPUT=sub-01/eeg/night.edf OUTPUT=sub-01/eeg/night.tsv biot szcore run/model
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "szcore",
        description="Find seizures in one recording and write them as SzCORE has them: a row for "
        "each, or one row bckg over the whole recording. In a container of SzCORE the names come "
        "from the environment: read is /data/$INPUT, written /output/$OUTPUT, and the model may be "
        f"${_MODEL}. The rules for events that were tuned with the model hold, unless an option "
        "says otherwise.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "words",
        metavar="MODEL INPUT OUTPUT",
        nargs="*",
        help="the model folder of a run (RUN/model) or an ONNX file of biot export, the recording, "
        "and the table to write; what is left out comes from the environment",
    )
    made.add_argument(
        "--model", metavar="MODEL", type=Path, default=None,
        help=f"the model, in place of MODEL and ${_MODEL}",
    )  # fmt: skip
    made.add_argument(
        "--seizure-label",
        metavar="LABEL",
        action="append",
        default=[],
        help="label of the model that means a seizure, as often as needed (default: those that "
        "say so, such as seiz, seizure, sz, ictal, fnsz)",
    )
    _add_roots(made)
    made.add_argument(
        "--stride",
        metavar="S",
        type=positive,
        help="seconds between the starts of windows (default: the window, so that none overlap)",
    )
    group = made.add_argument_group("events")
    add_settings(made, EventRules, group=group, shows_defaults=False)
    add_table_options(made)
    add_device(made)
    return made


def _add_roots(made: Parser) -> None:
    for option, root, variable in (
        ("--data-root", "/data", "INPUT"),
        ("--output-root", "/output", "OUTPUT"),
    ):
        made.add_argument(
            option, metavar="FOLDER", type=Path, default=Path(root),
            help=f"folder in which ${variable} lies (default: {root})",
        )  # fmt: skip


def _execute(args: Namespace) -> None:
    model, source, target = _places(args)
    if target.is_dir():
        raise ConfigError(f"{target}: is a folder; OUTPUT is the name of a file.")
    require_apart({"OUTPUT": target}, [model, source, args.units])
    _require_place(target)
    from biot.events.files.szcore import write_szcore
    from biot.inference.predictions import PredictionWarning
    from biot.signals.naming import renames_of

    predictor = open_predictor(args, model)
    contract = predictor.preprocessing
    chosen = _seizure_labels(args, contract)
    renames = renames_of(contract.rename_channels)
    recording = open_recording(args, source, renames, contract.ch_names)
    tell_of_stride(args.stride, contract.window)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PredictionWarning)  # its notes follow
        predictions = predictor.predict(recording, stride=args.stride, progress=show_progress())
    for note in predictions.notes:
        complain(f"biot: warning: {note_in_options(note)}")
    events = predictions.to_events(**changed_rules(args))
    _make_parents(target)
    write_szcore(events, target, seizure_label=chosen)
    if not predictions.usable.any():
        complain(
            f"biot: warning: {recording.name}: holds nothing that the model could use; the table "
            "has one row bckg, which says only that no seizure was found."
        )
    _tell(events, chosen, target)


def _places(args: Namespace) -> tuple[Path, Path, Path]:
    """Model, recording and table: as they are given, else as the environment says."""
    words = [Path(word) for word in args.words]
    model = args.model
    if model is None and len(words) in (1, 3):
        model, *words = words
    elif model is None and os.environ.get(_MODEL):
        model = Path(os.environ[_MODEL])
    if model is None and len(words) < 4:
        raise ConfigError(
            "which model? Give it as the first argument, biot szcore MODEL INPUT OUTPUT, with "
            f"--model, or in the environment variable {_MODEL}."
        )
    if model is not None and len(words) == 2:
        return model, words[0], words[1]
    if words or model is None:
        raise ConfigError(
            "biot szcore takes MODEL, or MODEL INPUT OUTPUT; got "
            f"{counted(len(args.words), 'argument')}"
            f"{' besides --model' if args.model is not None else ''}: {' '.join(args.words)}."
        )
    roots = {"INPUT": args.data_root, "OUTPUT": args.output_root}
    found = {name: os.environ.get(name, "") for name in roots}
    lacking = [name for name, value in found.items() if not value.strip()]
    if lacking:
        raise ConfigError(
            f"the environment variable {lacking[0]} is not set. Set INPUT and OUTPUT, the names "
            f"under {roots['INPUT']} and {roots['OUTPUT']}, or give both: biot szcore MODEL INPUT "
            "OUTPUT."
        )
    source, target = (_under(root, name, found[name]) for name, root in roots.items())
    return model, source, target


def _under(root: Path, variable: str, name: str) -> Path:
    """The file, as "/data/$INPUT" is read: a name that begins with / lies under the root too."""
    inside = os.path.normpath(name.lstrip("/"))
    if inside.split(os.sep)[0] == os.pardir:
        raise ConfigError(
            f"{variable} is {name!r}, which leads out of {root}. Give a name under it, or all "
            "three in full: biot szcore MODEL INPUT OUTPUT."
        )
    return root / name.lstrip("/")


def _seizure_labels(args: Namespace, contract: Preprocessing) -> tuple[str, ...]:
    """The labels of the model that mean a seizure."""
    from biot.events.files.szcore import seizure_labels

    if contract.task == "regression":
        raise ConfigError("this model predicts numbers; biot szcore takes one with labels.")
    names = contract.label_names or ()
    background = rules_of(args, contract).background_among(names)
    return seizure_labels([name for name in names if name != background], args.seizure_label)


def _require_place(target: Path) -> None:
    """Refuse, before the work, a place where the table cannot be written."""
    there = next(folder for folder in target.absolute().parents if os.path.lexists(folder))
    if not there.is_dir():
        what = "is a file" if there.exists() else "is a link to a folder that is not there"
        raise _without_folder(target, f"{there} {what}")
    require_open(there, target)


def _make_parents(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _without_folder(target, error.strerror or str(error)) from error


def _without_folder(target: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{target}: the folder {target.parent} cannot be made ({why}). Give another OUTPUT, or "
        "--output-root."
    )


def _tell(events: Events, chosen: tuple[str, ...], target: Path) -> None:
    found = [event for event in events if event.label in chosen]
    seconds = sum(event.duration for event in found)
    number = f"{len(found)} seizure{'' if len(found) == 1 else 's'}" if found else "no seizure"
    of_all = f" ({seconds:g} s of {events.duration:g} s)" if found else ""
    say(f"{events.name}: {number}{of_all}, by the label {' or '.join(chosen)}.")
    say(f"Rules for events: {events.rules}.")
    if events.meas_date is None:
        say("The recording does not say when it began; dateTime is 1985-01-01 00:00:00.")
    say(f"written -> {target}")
