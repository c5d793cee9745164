"""`biot layouts`: the published data sets that are known."""

from __future__ import annotations

import textwrap
from argparse import Namespace
from typing import TYPE_CHECKING

from biot.cli.options import Parser, new_command
from biot.cli.terminal import say

if TYPE_CHECKING:
    from biot.corpus.builder.layouts.dataset import DatasetLayout

__all__ = ["parser"]

_EXAMPLES = """\
  biot layouts
  biot prepare physionet.org/files/sleep-edfx/1.0.0 --layout sleep-edf --out corpus
"""
_WIDTH = 98


def parser() -> Parser:
    """The parser of the command."""
    return new_command(
        "layouts",
        description="List the published data sets whose folders `biot prepare` and `biot labels` "
        "know with --layout: what they expect on disk, and the rate, windows and labels that they "
        "give. Every setting is a default that the option of its name overrides.",
        examples=_EXAMPLES,
        execute=_execute,
    )


def _execute(args: Namespace) -> None:
    from biot.corpus.builder.layouts.registry import layouts

    for known in layouts().values():
        say("\n".join(_lines(known)))


def _lines(known: DatasetLayout) -> list[str]:
    rows = {
        "on disk": known.expects,
        "windows": _windows(known),
        "labels": ", ".join(known.label_names) or "those of the data set",
        "licence": known.licence,
    }
    width = max(map(len, rows)) + 4
    lines = [f"{known.name}: {known.title}"]
    for name, text in rows.items():
        indent = " " * width
        first = f"  {name}".ljust(width)
        lines += textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=indent)
    return [*lines, ""]


def _windows(known: DatasetLayout) -> str:
    given = known.settings
    if "epoch" in given:
        start, stop = given["epoch"]
        length = f"{stop - start:g} s, from {start:g} to {stop:g} s around each event"
    elif given.get("align") == "events":
        length = f"{given['window']:g} s from each event on"
    else:
        length = f"{given['window']:g} s"
    return f"{length}, at {given['sfreq']:g} Hz"
