"""`biot corpus`: what is done to a corpus that is there."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import Commands, HelpFormatter, add_command

__all__ = ["add_to"]


def add_to(commands: Commands) -> None:
    """Add the command."""
    summary = "change a corpus: remove a subject for good"
    parser = commands.add_parser(
        "corpus",
        help=summary,
        description=summary,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    drop = add_command(
        actions,
        "drop",
        summary="remove a subject for good",
        description="Remove the windows, recordings and name of a subject from every file of a "
        "corpus, as when consent is withdrawn. Preparing the same recordings again does not bring "
        "the subject back.",
        examples="  biot corpus drop corpus --subject P07\n",
        execute=_drop,
    )
    drop.add_argument("corpus", metavar="CORPUS", type=Path, help="folder of the corpus")
    drop.add_argument(
        "--subject", metavar="NAME", required=True, help="the subject, as the corpus names it"
    )


def _drop(args: Namespace) -> None:
    from biot.corpus.builder.drop import drop

    count = drop(args.corpus, args.subject)
    print(f"{args.corpus}: the subject's {count} windows are removed")
