"""`biot finetune`: train a classifier on a corpus."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from biot.cli.common import (
    Commands,
    add_command,
    add_device,
    as_table,
    count,
    number,
    positive,
    show_progress,
    whole,
)
from biot.training.config import FinetuneConfig

__all__ = ["add_to"]

_EXAMPLES = """\
  biot finetune corpus --out run
  biot finetune corpus --out run --from pretrained/model --epochs 10
  biot finetune corpus --out run --test corpus_of_another_clinic --seed 1
  biot finetune one_recording --out run --split time

what RUN holds afterwards:
  model/           the best model: for `biot evaluate` and `biot predict`
  metrics.json     scores on the test windows     confusion.png  the same as a picture
  history.csv      one line an epoch              curves.png     the same as a picture
  run.json         all that is needed to repeat the run
"""

Option = tuple[str, Callable[[str], Any], str, str]

# Option, its type, its letter in the help, its meaning; the defaults are those of FinetuneConfig.
_SPLIT: tuple[Option, ...] = (
    ("--valid-share", positive, "X", "share of the subjects (recordings, time) for validation"),
    ("--test-share", positive, "X", "share for the test; without meaning beside --test"),
)
_MODEL: tuple[Option, ...] = (
    ("--embed-dim", count, "N", "width of a token; from scratch 128"),
    ("--num-heads", count, "N", "attention heads; from scratch 8"),
    ("--num-layers", count, "N", "transformer layers; from scratch 4"),
    ("--n-fft", count, "N", "samples a token; from scratch one second"),
    ("--hop-length", count, "N", "samples from token to token; from scratch half of --n-fft"),
    ("--drop-prob", number, "X", "dropout on the tokens; from scratch 0"),
    ("--att-layer-drop-prob", number, "X", "dropout on what attention adds; from scratch 0"),
)
_TRAINING: tuple[Option, ...] = (
    ("--epochs", count, "N", "passes over the training windows, at most"),
    ("--patience", count, "N", "epochs without a better validation score until training stops"),
    ("--batch-size", count, "N", "windows a step"),
    ("--micro-batch-size", count, "N", "windows at once, gradients add up over a step"),
    ("--learning-rate", positive, "X", "peak of the one-cycle schedule"),
    ("--warmup", number, "X", "share of the steps in which the learning rate climbs"),
    ("--weight-decay", number, "X", "weight decay of AdamW"),
    ("--clip-norm", positive, "X", "largest norm of the gradient"),
)


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "finetune",
        summary="train a classifier on a corpus",
        description="Train a classifier on the labelled windows of a corpus, from scratch or from "
        "a pretrained model; stop when the validation score no longer rises, keep the best "
        "weights, and score them on subjects that were not used.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    parser.add_argument("corpus", metavar="CORPUS", type=Path, help="folder from `biot prepare`")
    parser.add_argument(
        "--out", metavar="RUN", type=Path, required=True, help="folder to make for the run"
    )
    parser.add_argument(
        "--from", dest="from_model", metavar="MODEL", type=Path, help="model to start from"
    )
    parser.add_argument(
        "--test", metavar="CORPUS2", type=Path, help="corpus to score on, instead of a share"
    )
    _add_split(parser)
    _add_options(parser.add_argument_group("model"), _MODEL)
    training = parser.add_argument_group("training")
    _add_options(training, _TRAINING)
    training.add_argument(
        "--class-weights",
        choices=("balanced", "none"),
        default="balanced",
        help="balanced: every class counts as much as the others, however rare (default: balanced)",
    )
    training.add_argument(
        "--seed",
        metavar="N",
        type=whole,
        default=0,
        help="of the split, the weights, the order of windows and dropout (default: 0)",
    )
    add_device(parser)


def _add_split(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("split")
    group.add_argument(
        "--split",
        choices=("subject", "recording", "time"),
        default="subject",
        help="what training, validation and test never share; time: early windows of each "
        "recording train, late ones test (default: subject)",
    )
    _add_options(group, _SPLIT)


def _add_options(group: Any, options: tuple[Option, ...]) -> None:
    defaults = {field.name: field.default for field in fields(FinetuneConfig)}
    for option, kind, letter, meaning in options:
        default = defaults[option[2:].replace("-", "_")]
        shown = meaning if default is None else f"{meaning} (default: {default:g})"
        group.add_argument(option, type=kind, metavar=letter, default=default, help=shown)


def _execute(args: Namespace) -> None:
    from biot.training import finetune

    config = FinetuneConfig(**{f.name: getattr(args, f.name) for f in fields(FinetuneConfig)})
    metrics = finetune(
        args.corpus,
        args.out,
        from_model=args.from_model,
        test=args.test,
        config=config,
        command=args.command_line,
        progress=show_progress(),
    )
    print(f"Test, with the weights of epoch {metrics['best_epoch']}:\n")
    print(score_table(metrics["test"]))
    print(f"\nmodel -> {args.out / 'model'}\nall scores -> {args.out / 'metrics.json'}")


def score_table(metrics: Mapping[str, Any]) -> str:
    """Scores of a part of ``metrics.json``, with their intervals."""
    from biot.training.metrics import SCORES

    intervals = metrics["intervals"] or {}
    rows = [
        (name, metrics[key], " to ".join(f"{end:.3f}" for end in intervals.get(key) or ()))
        for key, name in SCORES.items()
    ]
    return as_table(rows, ("score", "value", "95 % interval"))
