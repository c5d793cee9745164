"""`biot evaluate`: how well a model does on a corpus."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.models import event_scores
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
from biot.errors import ConfigError

__all__ = ["parser"]

_EXAMPLES = """\
  biot evaluate run/model corpus
  biot evaluate run/model corpus_of_another_clinic --json scores.json
  biot evaluate run/model corpus --per subject --by vote
  biot evaluate run/model recordings/ --events seizures.tsv --plot curve.png
  biot evaluate run/model corpus --events windows --tolerance-start 0 --tolerance-end 0
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "evaluate",
        description="Scores of a model on the labelled windows of a corpus, with 95 % bootstrap "
        "intervals over subjects, and a table of the outputs: of classes balanced accuracy, "
        "accuracy, Cohen's kappa, weighted F1, AUROC and AUPRC; of tags AUROC, AUPRC and F1; of "
        "both Brier score and expected calibration error; of numbers R², mean absolute error and "
        "Pearson's correlation. Beside them stand what guessing reaches and a ridge on log band "
        "powers, which `biot finetune` keeps with the model. The corpus must be "
        "prepared as the model's was. For an honest figure, none of its subjects may have been in "
        "training. With --events, how well events are found in whole recordings, or in a corpus, "
        "by the rules of SzCORE. Where labels are stages of sleep, Cohen's kappa a night and what "
        "each night amounts to, besides.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "model", metavar="MODEL", type=Path, help="the model folder of a run: RUN/model"
    )
    made.add_argument(
        "corpus",
        metavar="CORPUS|FOLDER",
        type=Path,
        help="folder from `biot prepare`; with --events also recordings: a folder or a file",
    )
    _add_groups(made)
    _add_computing(made)
    event_scores.add_options(made)
    add_device(made)
    return made


def _add_groups(made: Parser) -> None:
    """One decision for each recording or subject."""
    made.add_argument(
        "--per",
        choices=("recording", "subject"),
        help="score one decision for each recording or subject, instead of windows; the label is "
        "that of all its windows, and one with several labels is set aside",
    )
    made.add_argument(
        "--by",
        choices=("mean", "vote"),
        default="mean",
        help="what decides then: the mean probability of its windows, or the class that most "
        "windows say (default: mean)",
    )


def _add_computing(made: Parser) -> None:
    """What is written, and how intervals are found."""
    made.add_argument(
        "--json", metavar="FILE", type=Path, help="write all figures to this file too (.json)"
    )
    made.add_argument(
        "--batch-size", metavar="N", type=count, default=64, help="windows at a time (default: 64)"
    )
    made.add_argument(
        "--no-baseline",
        action="store_true",
        help="leave out the ridge on log band powers that `biot finetune` kept beside the model; "
        "with --events there is none",
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


def _require_none_of_windows(args: Namespace) -> None:
    """Raise :class:`ConfigError` for an option that event scores have no use for."""
    of_windows = {"per": "--per", "by": "--by", "no_baseline": "--no-baseline"}
    for name, option in of_windows.items():
        if name in args.given:
            why = " (no ridge is scored by events)" if name == "no_baseline" else ""
            raise ConfigError(
                f"{option} is for labels of windows, and cannot go with --events{why}. "
                f"Leave {option} out."
            )


def _execute(args: Namespace) -> None:
    event_scores.require_events(args)
    if args.json is not None:
        require_writable(args.json, suffixes=(".json",))
        require_apart({"--json": args.json}, [args.model, args.corpus])
    if args.events is not None:
        _require_none_of_windows(args)
        event_scores.execute(args)
        return
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
        per=args.per,
        by=args.by,
        baseline=not args.no_baseline,
    )
    say(evaluation)
    if args.json is not None:
        write_json(args.json, evaluation.to_dict())
        say(f"\nscores -> {args.json}")
