"""The command `biot`: parse, call the library, show what came of it.

A command's module is imported when the command is asked for; what computes is imported when it
runs. So every help is shown at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import cast

from biot import __version__
from biot.cli.options import Parser, perform
from biot.cli.terminal import (
    complain,
    open_streams,
    short_warnings,
    show_progress,
    silence_stdout,
)
from biot.errors import BiotError, near_word
from biot.installation import install_needed

__all__ = ["execute", "main", "run"]

_COMMANDS = {
    "prepare": "turn recordings into a corpus",
    "layouts": "list the published data sets that prepare knows",
    "labels": "write the labels of recordings as a table",
    "info": "show what a corpus, a recording, a model or a run holds",
    "corpus": "change a corpus: remove a subject for good",
    "pretrain": "train an encoder on corpora, with or without labels",
    "finetune": "train a model on a labelled corpus",
    "evaluate": "score a model on a corpus",
    "predict": "predict every window of a recording",
    "report": "write a page to look at, of a run or of predictions",
    "explain": "show what speaks for a prediction: channels, times, bands",
    "szcore": "find seizures in a recording, as a container of SzCORE does",
    "live": "predict a stream of LSL, or a replayed file, as it comes",
    "convert": "keep a checkpoint of the authors or of braindecode as a model folder",
    "export": "write a model as ONNX",
    "demo": "see all of it at work on simulated EEG",
}
"""Each command and what it does."""

_ROOMS = {
    **dict.fromkeys(("prepare", "layouts", "labels", "corpus"), "corpora."),
    **dict.fromkeys(("pretrain", "finetune", "evaluate", "convert", "export"), "models."),
    **dict.fromkeys(("predict", "report", "explain", "live", "szcore"), "recordings."),
}
"""Where the module of a command lies, which has its name; the others lie beside this file."""

_EPILOG = """\
from recordings to predictions:
  biot prepare recordings/ --out corpus --sfreq 200 --window 10 --labels annotations
  biot finetune corpus --out run
  biot evaluate run/model corpus_of_another_clinic
  biot predict run/model night.edf --out night.csv --png night.png

an encoder from many corpora, with or without labels, to start from:
  biot pretrain corpus other_corpus --out pretrained
  biot finetune corpus --out run --from pretrained/model

or see all of it at work on simulated EEG:
  biot demo

exit codes: 0 done, 1 something that you can put right (one line says what), 2 wrong usage.
Research software, not for clinical decisions.
"""

_NOT_IN_RUNTIME = {
    "torch": "PyTorch (torch)",
    "safetensors": "safetensors",
    "huggingface_hub": "huggingface_hub",
}
"""Packages that `biot` needs and `biot-runtime` does without."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv
        Arguments after the program's name; None takes the process's.

    Returns
    -------
    int
        0 done; 1 a user's error, told on stderr in one line; 2 wrong usage; 130 interrupted.
    """
    open_streams()
    try:
        with short_warnings():
            code = _execute_or_help(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads our output any more
        silence_stdout()
        return 1
    except (BiotError, OSError) as error:
        complain(f"biot: error: {_told(error)}")
        _flush()
        return 1
    except ModuleNotFoundError as error:
        if error.name not in _NOT_IN_RUNTIME:
            raise
        complain(
            f"biot: error: {_NOT_IN_RUNTIME[error.name]} is not installed, and this needs it. "
            f"{install_needed(error.name)}. Without it biot predict, szcore and live take a file "
            "that biot export wrote (.onnx)."
        )
        _flush()
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def execute(words: Sequence[str]) -> None:
    """Run one command; errors and argparse's exits pass through."""
    name = words[0] if words else ""
    if name not in _COMMANDS:
        _overview(words)
        return
    command = importlib.import_module(f"biot.cli.{_ROOMS.get(name, '')}{name}")
    perform(cast("Parser", command.parser()), words, before=lambda: _sign_of_life(name))


def _sign_of_life(name: str) -> None:
    """The libraries take seconds to load: somebody who watches is to know that it began."""
    if show_progress():
        complain(f"biot {name}: loading …")


def _execute_or_help(words: Sequence[str]) -> int:
    try:
        execute(words)
    except SystemExit as stop:  # argparse has said what is wrong, or shown its help
        return stop.code if isinstance(stop.code, int) else 2
    return 0


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())


def _overview(words: Sequence[str]) -> None:
    """Help, version, or what is wrong with the first word."""
    parser = Parser(
        prog="biot",
        usage="biot [-h] [--version] COMMAND ...",
        description="BIOT, the biosignal transformer: recordings in, predictions out.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"biot {__version__}")
    width = max(map(len, _COMMANDS))
    lines = [f"{name:{width}}  {summary}" for name, summary in _COMMANDS.items()]
    lines.append("\nbiot COMMAND --help says more about each.")
    parser.add_argument_group("commands", "\n".join(lines))
    if words and not words[0].startswith("-"):
        near = near_word(words[0], _COMMANDS)
        parser.error(f"there is no command {words[0]!r}.{near} Commands: {', '.join(_COMMANDS)}")
    _, unknown = parser.parse_known_args(words)
    if unknown:
        near = near_word(unknown[0], ["--help", "--version"])
        parser.error(f"unrecognized arguments: {' '.join(unknown)}.{near}")
    parser.error("the following arguments are required: COMMAND")


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{error.filename}: "
        return f"{where}{error.strerror}"
    return str(error)


def _flush() -> None:
    """Write what was said before the error; where that fails, it was told already."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        silence_stdout()
