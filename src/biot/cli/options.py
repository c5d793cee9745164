"""What the commands share: options, their types, and checks of what will be written."""

from __future__ import annotations

import sys
import tempfile
import textwrap
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from biot.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

__all__ = [
    "Commands",
    "HelpFormatter",
    "add_command",
    "add_device",
    "add_table_options",
    "as_table",
    "channel_names",
    "count",
    "number",
    "positive",
    "require_writable",
    "show_progress",
    "whole",
]

Commands: TypeAlias = "_SubParsersAction[ArgumentParser]"
"""What `add_subparsers` gives."""


class HelpFormatter(RawDescriptionHelpFormatter):
    """Keeps the examples' lines, and leaves room for long options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)


def add_command(
    commands: Commands,
    name: str,
    *,
    summary: str,
    description: str,
    examples: str,
    execute: Callable[[Namespace], None],
) -> ArgumentParser:
    """A command with its help, and the function that runs it."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, 98),
        epilog=f"examples:\n{examples}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(execute=execute)
    return parser


def add_device(parser: ArgumentParser) -> None:
    """``--device`` and ``--precision``."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute; auto takes the GPU if there is one (default: auto)",
    )
    parser.add_argument(
        "--precision",
        choices=("32", "bf16"),
        default="32",
        help="bf16 computes in bfloat16 where that is safe: faster, a little less exact "
        "(default: 32)",
    )


def add_table_options(parser: ArgumentParser) -> None:
    """``--table-sfreq`` and ``--table-units``."""
    parser.add_argument(
        "--table-sfreq",
        metavar="HZ",
        type=positive,
        help="samples a second of recordings in .csv, .tsv, .parquet or .npz that do not say it",
    )
    parser.add_argument(
        "--table-units",
        metavar="UNIT",
        help="unit of all channels of such recordings, such as µV",
    )


def number(text: str) -> float:
    """A number, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"expected a number, 0 or more, got {text!r}")
    return value


def positive(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def whole(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"expected a whole number, 0 or more, got {text!r}")
    return int(text)


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        raise ArgumentTypeError(f"expected a whole number, 1 or more, got {text!r}")
    return int(text)


def channel_names(text: str) -> list[str]:
    """Names of channels with commas between them, or those of a published montage."""
    from biot.signals.channels import PREST_16, PREST_18

    published = {"prest-16": PREST_16, "prest-18": PREST_18}
    return list(published.get(text.lower()) or (name.strip() for name in text.split(",")))


def require_writable(path: Path, *, suffixes: Sequence[str]) -> None:
    """Find out before the work, not after it, whether a file can be written.

    Raises
    ------
    ConfigError
        If the name has another ending, or its folder is absent or closed to us.
    """
    if path.suffix not in suffixes:
        raise ConfigError(f"{path}: the name must end in {' or '.join(suffixes)}.")
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot write in {path.parent} ({error.strerror}); choose another folder."
        ) from error


def show_progress() -> bool:
    """Whether anybody watches: bars go to a terminal only."""
    return sys.stderr.isatty()


def as_table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    """Rows as an aligned table."""
    from tabulate import tabulate

    return tabulate(rows, headers=headers, floatfmt=".3f")
