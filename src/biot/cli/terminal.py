"""What reaches the terminal: readable text only, and never a traceback for want of a letter."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from biot.errors import visible

__all__ = [
    "complain",
    "is_first_process",
    "log_to_stderr",
    "open_streams",
    "say",
    "short_warnings",
    "show_progress",
    "silence_stdout",
    "tell_report",
    "visible",
]


def say(text: object = "") -> None:
    """Print for the user; the only way in which commands write to stdout."""
    print(visible(str(text)), flush=True)


def tell_report(run: Path) -> None:
    """Say where the page of a run is, if it could be written."""
    if (run / "report.html").is_file():
        say(f"report -> {run / 'report.html'}")


def complain(text: str) -> None:
    """One line on stderr, if there still is one."""
    with suppress(OSError, ValueError):
        print(visible(" ".join(text.split())), file=sys.stderr)


def show_progress() -> bool:
    """Whether anybody watches: bars go to a terminal only."""
    return sys.stderr is not None and sys.stderr.isatty()


def open_streams() -> None:
    """Make the standard streams usable, whatever the process was started with.

    A closed stream becomes the null device, so that no other file takes its number; letters that
    the terminal lacks are escaped.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _take_number(number)
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _take_number(number: int) -> None:
    """Open the null device under a descriptor's number, if that is free."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)


def silence_stdout() -> None:
    """Send to nowhere what is still to be written, so that closing it cannot fail."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def short_warnings() -> Iterator[None]:
    """Each warning for the user once, as one line on stderr."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        complain(f"biot: warning: {message}")

    with warnings.catch_warnings():
        warnings.filterwarnings("once", category=UserWarning)
        warnings.showwarning = show
        yield


class _Lines(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        told = record.getMessage()
        self.said.append(told)
        complain(f"biot: warning: {told}" if record.levelno >= logging.WARNING else told)


@contextmanager
def log_to_stderr(module: str) -> Iterator[list[str]]:
    """What a module of ours reports while it works, a line each; beside bars, only warnings.

    Yields what was said so far.
    """
    level = logging.WARNING if show_progress() else logging.INFO
    logger, handler = logging.getLogger(module), _Lines(level)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield handler.said
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def is_first_process() -> bool:
    """Whether this process speaks: of several that train together, one does."""
    from torch import distributed

    return not distributed.is_initialized() or distributed.get_rank() == 0
