"""`biot corpus`: what is done to a corpus that is there."""

from __future__ import annotations

import textwrap
from argparse import Namespace
from pathlib import Path

from biot.cli.options import Parser
from biot.cli.terminal import say
from biot.errors import counted

__all__ = ["parser"]


def parser() -> Parser:
    """The parser of the command."""
    made = Parser(prog="biot corpus", description="Change a corpus: remove a subject for good.")
    actions = made.add_subparsers(
        title="actions", metavar="ACTION", required=True, parser_class=Parser
    )
    drop = actions.add_parser(
        "drop",
        help="remove a subject for good",
        description=textwrap.fill(
            "Remove the windows, recordings and name of a subject from every file of a corpus, as "
            "when consent is withdrawn. Preparing the same recordings again does not bring the "
            "subject back.",
            98,
        ),
        epilog="examples:\n  biot corpus drop corpus --subject P07\n",
    )
    drop.set_defaults(execute=_drop)
    drop.add_argument("corpus", metavar="CORPUS", type=Path, help="folder of the corpus")
    drop.add_argument(
        "--subject", metavar="NAME", required=True, help="the subject, as the corpus names it"
    )
    return made


def _drop(args: Namespace) -> None:
    from biot.corpus.builder.drop import drop

    count = drop(args.corpus, args.subject)
    say(f"{args.corpus}: the subject's {counted(count, 'window is', 'windows are')} removed")
