"""`biot pretrain`: train an encoder on corpora, with or without labels."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import (
    Parser,
    add_settings,
    channel_names,
    config_of,
    new_command,
    positive,
    require_apart,
)
from biot.cli.terminal import is_first_process, say, show_progress, tell_report
from biot.training.pretraining.config import PretrainConfig

__all__ = ["parser"]

_EXAMPLES = """\
  biot pretrain corpus --out run
  biot pretrain eegmat ssvep alcohol --out run --sfreq 200 --steps 20000 --batch-size 512
  biot pretrain sleep apnoea --out run --objective supervised --mixing-temperature 2
  biot pretrain corpus --out run --objective masked --valid-share 0.1
  torchrun --nproc-per-node 8 --no-python biot pretrain corpus --out run --precision bf16

the same command again resumes a run that was stopped; a finished one is left as it is.

what RUN holds afterwards:
  model/        the encoder: for `biot finetune --from`     history.csv  how it went
  heads/        supervised: the model for each corpus       curves.png   the same as a picture
  checkpoints/  the last two                                run.json     what was asked of it
  report.html   all of it on one page, to look at
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "pretrain",
        description="Train an encoder on the windows of one or more corpora, whose channels and "
        "lengths may differ: without labels, contrastively or from hidden tokens, or with the "
        "labels of each corpus. Checkpoints are kept, and the same command resumes exactly.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "corpora", metavar="CORPUS", type=Path, nargs="+", help="folders from `biot prepare`"
    )
    made.add_argument(
        "--out", metavar="RUN", type=Path, required=True, help="folder of the run, new or begun"
    )
    made.add_argument(
        "--channels",
        metavar="NAMES",
        type=channel_names,
        help="vocabulary, with commas, or prest-16 or prest-18 of the published models; default: "
        "all that occur",
    )
    made.add_argument(
        "--sfreq", metavar="HZ", type=positive, help="resample windows of other rates to this"
    )
    add_settings(made, PretrainConfig)
    return made


def _execute(args: Namespace) -> None:
    config = config_of(args, PretrainConfig)
    require_apart({"--out": args.out}, args.corpora)
    from biot.training.pretraining.pretrain import pretrain

    finished = pretrain(
        args.corpora,
        args.out,
        config=config,
        channels=args.channels,
        sfreq=args.sfreq,
        command=args.command_line,
        progress=show_progress(),
    )
    if not finished and is_first_process():
        say(f"Stopped after a checkpoint. The same command resumes:\n  {args.command_line}")
    if not finished:
        raise SystemExit(143)  # as a SIGTERM that nobody caught
    if is_first_process():
        say(f"model -> {args.out / 'model'}\nhistory -> {args.out / 'history.csv'}")
        tell_report(args.out)
