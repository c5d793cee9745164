"""`biot evaluate`: how well a model does on a corpus."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import (
    Parser,
    add_device,
    count,
    new_command,
    require_apart,
    require_writable,
    whole,
)
from biot.cli.terminal import say

__all__ = ["parser"]

_EXAMPLES = """\
  biot evaluate run/model corpus
  biot evaluate run/model corpus_of_another_clinic --json scores.json
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "evaluate",
        description="Scores of a model on the labelled windows of a corpus, with 95 % bootstrap "
        "intervals over subjects, and a table of the outputs: of classes balanced accuracy, "
        "accuracy, Cohen's kappa, weighted F1, AUROC and AUPRC; of tags AUROC, AUPRC and F1; of "
        "both Brier score and expected calibration error; of numbers R², mean absolute error and "
        "Pearson's correlation. Beside them stands what guessing reaches. The corpus must be "
        "prepared as the model's was. For an honest figure, none of its subjects may have been in "
        "training.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "model", metavar="MODEL", type=Path, help="the model folder of a run: RUN/model"
    )
    made.add_argument("corpus", metavar="CORPUS", type=Path, help="folder from `biot prepare`")
    made.add_argument(
        "--json", metavar="FILE", type=Path, help="write all figures to this file too (.json)"
    )
    made.add_argument(
        "--batch-size", metavar="N", type=count, default=64, help="windows at a time (default: 64)"
    )
    made.add_argument(
        "--bootstrap",
        metavar="N",
        type=whole,
        default=1000,
        help="resamples for the intervals; 0 for none (default: 1000)",
    )
    made.add_argument(
        "--seed", metavar="N", type=whole, default=0, help="seed of the resamples (default: 0)"
    )
    made.add_argument(
        "--allow-leakage",
        action="store_true",
        help="score subjects and recordings of the training too",
    )
    add_device(made)
    return made


def _execute(args: Namespace) -> None:
    if args.json is not None:
        require_writable(args.json, suffixes=(".json",))
        require_apart({"--json": args.json}, [args.model, args.corpus])
    from biot.io import write_json
    from biot.training.scoring import evaluate

    evaluation = evaluate(
        args.model,
        args.corpus,
        device=args.device,
        precision=args.precision,
        batch_size=args.batch_size,
        n_bootstrap=args.bootstrap,
        seed=args.seed,
        allow_leakage=args.allow_leakage,
    )
    say(evaluation)
    if args.json is not None:
        write_json(args.json, evaluation.to_dict())
        say(f"\nscores -> {args.json}")
