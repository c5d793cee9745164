"""The directive `command-help`: what `biot COMMAND --help` says, for the page of the commands."""

from __future__ import annotations

import importlib
import os
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import biot.cli

__all__ = ["CommandHelp", "setup"]


class CommandHelp(SphinxDirective):
    """A section for every command of `biot`, with its help."""

    def run(self) -> list[nodes.Node]:
        """Make the sections, in the order of the overview."""
        os.environ["COLUMNS"] = "88"  # the width that argparse writes for
        made: list[nodes.Node] = []
        for name, summary in biot.cli._COMMANDS.items():
            room = biot.cli._ROOMS.get(name, "")
            parser = importlib.import_module(f"biot.cli.{room}{name}").parser()
            section = nodes.section(ids=[f"biot-{name}"], names=[f"biot {name}"])
            section += nodes.title(text=f"biot {name}")
            section += nodes.paragraph(text=f"{summary[0].upper()}{summary[1:]}.")
            section += nodes.literal_block(
                parser.format_help(), parser.format_help(), language="text"
            )
            made.append(section)
        return made


def setup(app: Any) -> dict[str, bool]:
    """Make the directive known to Sphinx."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
