"""`biot info`: what a corpus, a recording, a model or a run holds."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from biot.cli.options import (
    Parser,
    add_table_options,
    channel_names,
    in_options,
    new_command,
    note_in_options,
    open_recording,
    require_apart,
    require_writable,
)
from biot.cli.recordings.opening import contract_of
from biot.cli.reports.folders import describe_model, describe_run, is_model, is_run
from biot.cli.terminal import say
from biot.errors import ConfigError, listed

if TYPE_CHECKING:
    from biot.signals.recording import Recording

__all__ = ["parser"]

_ONNX_BEGINS = b"\x08"
"""Of the protocol buffer: the number of its version comes first."""
_EXAMPLES = """\
  biot info corpus
  biot info corpus --plot corpus.png
  biot info corpus --check
  biot info night.edf --vocabulary prest-18
  biot info night.edf --vocabulary run/model
  biot info run
  biot info run/model
  biot info model.onnx
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "info",
        description="Of a corpus: recordings, subjects, hours, channels, labels by subject, "
        "the share of missing samples, and what was quarantined. Of a recording: its header, its "
        "channels, its annotations, how its channels would meet a model's, what of it is flat (for "
        "which all samples are read), and its reference. Of a model: what it "
        "is, its channels and labels, how its data were prepared, and what it learned from. Of a "
        "run: what was asked for, and how well it did.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "path", metavar="CORPUS|FILE|MODEL|RUN", type=Path, help="folder, recording or ONNX file"
    )
    made.add_argument(
        "--plot", metavar="PNG", type=Path, help="draw the overview of a corpus into this file"
    )
    made.add_argument(
        "--vocabulary",
        metavar="NAMES|MODEL",
        help="channels to meet a recording with: a model (folder or ONNX file), names with commas "
        "between them, or prest-16, prest-18: the published montages",
    )
    made.add_argument(
        "--check",
        action="store_true",
        help="of a corpus, model or run: compare every byte with the checksums that were kept; "
        "exit with 1, and say what repairs it, where one differs",
    )
    add_table_options(made)
    return made


def _execute(args: Namespace) -> None:
    path: Path = args.path
    if args.plot is not None:
        from biot.plots import require_figures

        require_writable(args.plot, suffixes=(".png",))
        require_figures()
        require_apart({"--plot": args.plot}, [path])
    if args.check:
        _check(args)
        return
    if path.is_file() and _may_be_onnx(path):
        _show_onnx(args)
        return
    if path.is_file():
        _require_recording(path)
        _show_recording(args)
        return
    if args.vocabulary is not None:
        raise ConfigError(
            f"--vocabulary is for a recording; {path} is a folder. Name one of its files."
        )
    if is_run(path) or is_model(path):
        if args.plot is not None:
            raise ConfigError(f"--plot draws a corpus; {path} is none. Leave it out.")
        say(describe_run(path) if is_run(path) else describe_model(path))
    else:
        _show_corpus(args)


def _may_be_onnx(path: Path) -> bool:
    """Whether a file is shown as an exported model: it is called .onnx, or begins like one."""
    from biot.signals.readers import is_named_as_recording

    if path.suffix.lower() == ".onnx":
        return True
    if is_named_as_recording(path):
        return False
    try:
        with path.open("rb") as file:
            return file.read(1) == _ONNX_BEGINS
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _require_recording(path: Path) -> None:
    """Refuse a file that is neither a recording nor an ONNX file, and say what may be meant."""
    from biot.signals.readers import is_named_as_recording

    if is_named_as_recording(path):
        return
    ends = f"its name ends in {path.suffix!r}" if path.suffix else "its name has no suffix"
    folder = path.parent  # of a link, not of what it leads to
    kind = "model" if is_model(folder) else "run" if is_run(folder) else None
    way = "Give a recording under its full name, such as night.edf, or an ONNX file."
    if kind is not None:
        way = f"It lies in the folder of a {kind}: biot info {folder}"
    raise ConfigError(
        f"{path}: is neither a recording, as {ends}, nor an ONNX file of biot export. {way}"
    )


def _show_onnx(args: Namespace) -> None:
    from biot.cli.reports.exported import describe_onnx

    for option in ("plot", "vocabulary"):
        if getattr(args, option) is not None:
            raise ConfigError(
                f"--{option} is not for an exported model; {args.path} is one. Leave it out."
            )
    say(describe_onnx(args.path))


def _check(args: Namespace) -> None:
    from biot.cli.reports.checks import check_corpus_folder, check_run_or_model

    if args.plot is not None or args.vocabulary is not None:
        raise ConfigError("--check checks and shows nothing else. Leave the other options out.")
    if args.path.is_file():
        raise ConfigError(
            f"--check is for the folders of corpora, models and runs; {args.path} is a file. Give "
            "a folder, or leave --check out."
        )
    if is_run(args.path) or is_model(args.path):
        check_run_or_model(args.path)
    else:
        check_corpus_folder(args.path)


def _show_corpus(args: Namespace) -> None:
    from biot.corpus.schema import staging_folder
    from biot.corpus.summary import overview

    if not args.path.exists() and not staging_folder(args.path).is_dir():
        raise ConfigError(
            f"{args.path} does not exist. Name a corpus, a recording, a model folder, an ONNX file "
            "or a run. A repository of the Hugging Face Hub is fetched first: hf download "
            "OWNER/NAME --local-dir FOLDER."
        )
    found = overview(args.path)
    say(in_options(str(found), {"label_rule=": "--label-rule"}))
    if args.plot is not None:
        found.to_png(args.plot)
        say(f"\noverview -> {args.plot}")


def _missing(recording: Recording) -> str:
    """What of a recording is missing data: flat, or marked as bad; triggers are no signals."""
    from biot.signals.channels import kind
    from biot.signals.flat import find_flat

    signals = [name for name in recording.ch_names if kind(name) != "stim"]
    flat = find_flat(recording).among(signals)
    lines = [f"\nFlat: {flat or 'nothing'}."]
    if flat.mostly:
        lines.append(f"Of several values, each held for long: {listed(flat.mostly)}.")
    if flat:
        lines.append(note_in_options(f"Flat is missing data; {flat.way_out}."))
    if recording.bad:
        lines.append(f"Marked as bad, so missing data: {listed(recording.bad)}.")
    return "\n".join(lines)


def _names_a_model(given: str) -> bool:
    """Whether ``--vocabulary`` names a model; else it names channels, perhaps very many."""
    # unlike those of Path, these take a text that is too long for the name of a file
    return os.path.isdir(given) or os.path.isfile(given) or given.endswith(".onnx")


def _show_recording(args: Namespace) -> None:
    from biot.signals.naming import renames_of
    from biot.signals.notes import note_of_other_reference, note_of_rate
    from biot.signals.reference import recorded_reference
    from biot.signals.summary import overview

    if args.plot is not None:
        raise ConfigError(f"--plot draws a corpus; {args.path} is a file. Leave it out.")
    contract, vocabulary = None, None
    if args.vocabulary is not None and _names_a_model(args.vocabulary):
        contract = contract_of(Path(args.vocabulary))
        vocabulary = list(contract.ch_names)
    elif args.vocabulary is not None:
        vocabulary = channel_names(args.vocabulary)
    renames = None if contract is None else renames_of(contract.rename_channels)
    recording = open_recording(args, args.path, renames)
    found = overview(recording, vocabulary, renames)
    say(found)
    say(_missing(recording))
    say(f"Reference: {recorded_reference(recording) or 'not said'}.")
    if contract is not None:
        other = (
            None if found.plan is None else note_of_other_reference(recording, contract, found.plan)
        )
        for note in filter(None, (note_of_rate(recording, contract, found.plan), other)):
            say(note_in_options(note))
