"""The command `biot`: parse, call the library, show what came of it."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from biot import __version__
from biot.cli import (
    convert,
    corpus,
    demo,
    evaluate,
    export,
    finetune,
    info,
    predict,
    prepare,
    pretrain,
)
from biot.cli.options import HelpFormatter
from biot.errors import BiotError

__all__ = ["execute", "main", "run"]

_COMMANDS = (
    prepare, info, corpus, pretrain, finetune, evaluate, predict, convert, export, demo,
)  # fmt: skip

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
    try:
        with _short_warnings():
            code = _execute_or_help(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads our output any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (BiotError, OSError) as error:
        print(f"biot: error: {_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def execute(words: Sequence[str]) -> None:
    """Run one command; errors and argparse's exits pass through."""
    args = _parser().parse_args(words)
    args.command_line = shlex.join(["biot", *words])
    args.execute(args)


def _execute_or_help(words: Sequence[str]) -> int:
    try:
        execute(words)
    except SystemExit as stop:  # argparse has said what is wrong, or shown its help
        return stop.code if isinstance(stop.code, int) else 2
    return 0


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="biot",
        description="BIOT, the biosignal transformer: recordings in, predictions out.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"biot {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Each warning for the user once, as one line on stderr."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"biot: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.filterwarnings("once", category=UserWarning)
        warnings.showwarning = show
        yield
