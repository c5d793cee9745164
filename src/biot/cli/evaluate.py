"""`biot evaluate`: how well a model does on a corpus."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from biot.cli.options import Commands, add_command, add_device, count, require_writable, whole

__all__ = ["add_to"]

_EXAMPLES = """\
  biot evaluate run/model corpus
  biot evaluate run/model corpus_of_another_clinic --json scores.json
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "evaluate",
        summary="score a model on a corpus",
        description="Scores of a model on the labelled windows of a corpus, with 95 % bootstrap "
        "intervals over subjects, and a table of the outputs: of classes balanced accuracy, "
        "Cohen's kappa, weighted F1, AUROC and AUPRC; of tags AUROC, AUPRC and F1; of numbers R², "
        "mean absolute error and Pearson's correlation. The corpus must be prepared as the model's "
        "was. For an honest figure, none of its subjects may have been in training.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    parser.add_argument(
        "model", metavar="MODEL", type=Path, help="the model folder of a run: RUN/model"
    )
    parser.add_argument("corpus", metavar="CORPUS", type=Path, help="folder from `biot prepare`")
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="write all figures to this file too (.json)"
    )
    parser.add_argument(
        "--batch-size", metavar="N", type=count, default=64, help="windows at a time (default: 64)"
    )
    parser.add_argument(
        "--bootstrap",
        metavar="N",
        type=whole,
        default=1000,
        help="resamples for the intervals; 0 for none (default: 1000)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=whole, default=0, help="seed of the resamples (default: 0)"
    )
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="score subjects and recordings of the training too",
    )
    add_device(parser)


def _execute(args: Namespace) -> None:
    from biot.inference.predictions import whole_file
    from biot.training.scoring import evaluate

    if args.json is not None:
        require_writable(args.json, suffixes=(".json",))
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
    print(evaluation)
    if args.json is not None:
        text = json.dumps(evaluation.to_dict(), indent=2, ensure_ascii=False)
        with whole_file(args.json) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
        print(f"\nscores -> {args.json}")
