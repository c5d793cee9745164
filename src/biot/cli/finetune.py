"""`biot finetune`: train a model on a labelled corpus."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from biot.cli.options import (
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
from biot.corpus.split import SplitBy
from biot.errors import ConfigError
from biot.evaluation.tasks import RegressionLoss
from biot.training.finetuning.config import ClassWeights, FinetuneConfig, LoraLayers, Mode

__all__ = [
    "add_config",
    "add_to",
]

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
    ("--lora-rank", count, "N", "rank of what --mode lora adds to each matrix"),
)


_TRAINING: tuple[Option, ...] = (
    ("--epochs", count, "N", "passes over the training windows, at most"),
    ("--patience", count, "N", "epochs without a better validation score until training stops"),
    ("--metric", str, "NAME", "validation score that decides, such as auroc, or loss; by default "
     "balanced_accuracy of classes, auroc of tags, r2 of numbers"),
    ("--batch-size", count, "N", "windows a step"),
    ("--micro-batch-size", count, "N", "windows at once, gradients add up over a step"),
    ("--learning-rate", positive, "X", "peak of the one-cycle schedule"),
    ("--warmup", number, "X", "share of the steps in which the learning rate climbs"),
    ("--layer-decay", positive, "X", "each layer learns this much slower than the one above it"),
    ("--weight-decay", number, "X", "weight decay of AdamW"),
    ("--clip-norm", positive, "X", "largest norm of the gradient"),
    ("--label-smoothing", number, "X", "share of each target that is spread over all classes"),
    ("--ema", number, "X", "decay of a running mean of the weights, which is kept; 0 for none"),
    ("--seed", whole, "N", "of the split, the weights, the order of windows and dropout"),
)  # fmt: skip


_AUGMENTATION: tuple[Option, ...] = (
    ("--mixup", number, "X", "mix windows in pairs, by shares from Beta(X, X)"),
    ("--time-shift", number, "S", "move each window by up to S seconds"),
    ("--channel-drop", number, "X", "share of the channels that are made missing"),
    ("--band-stop", number, "HZ", "take a band of this width out of every second window"),
    ("--amplitude", number, "X", "multiply channels by 1 / (1 + X) to 1 + X"),
)


_CHOICES: dict[str, tuple[tuple[str, ...], str]] = {
    "--mode": (get_args(Mode), "what is trained: everything; the last layer; the same by ridge or "
               "logistic regression, in seconds; low-rank additions"),
    "--lora-layers": (get_args(LoraLayers), "what --mode lora adds to: attention, or the "
                      "feed-forward layers too"),
    "--split": (get_args(SplitBy), "what training, validation and test never share; time: early "
                "windows of each recording train, late ones test"),
    "--class-weights": (get_args(ClassWeights), "balanced: every class counts as much as the "
                        "others, however rare; sampled: rare ones are shown more often instead"),
    "--regression-loss": (get_args(RegressionLoss), "of numbers; huber heeds outliers less"),
}  # fmt: skip


def add_config(parser: ArgumentParser) -> None:
    """Every field of the configuration but device and precision."""
    parser_groups = {
        name: parser.add_argument_group(name)
        for name in ("split", "model", "training", "augmentation, of training windows only")
    }
    split, model, training, augmentation = parser_groups.values()
    _add_choice(split, "--split")
    _add_options(split, _SPLIT)
    _add_choice(model, "--mode")
    _add_options(model, _MODEL)
    _add_choice(model, "--lora-layers")
    _add_options(training, _TRAINING)
    _add_choice(training, "--class-weights")
    _add_choice(training, "--regression-loss")
    _add_options(augmentation, _AUGMENTATION)


def _default(option: str) -> Any:
    name = option[2:].replace("-", "_")
    return next(field.default for field in fields(FinetuneConfig) if field.name == name)


def _add_options(group: Any, options: tuple[Option, ...]) -> None:
    for option, kind, letter, meaning in options:
        default = _default(option)
        shown = meaning if default is None else f"{meaning} (default: {default:g})"
        group.add_argument(option, type=kind, metavar=letter, default=default, help=shown)


def _add_choice(group: Any, option: str) -> None:
    choices, meaning = _CHOICES[option]
    default = _default(option)
    group.add_argument(
        option, choices=choices, default=default, help=f"{meaning} (default: {default})"
    )


_EXAMPLES = """\
  biot finetune corpus --out run
  biot finetune corpus --out run --from pretrained/model --epochs 10
  biot finetune corpus --out run --test corpus_of_another_clinic --seed 1
  biot finetune one_recording --out run --split time
  biot finetune corpus --out run --from pretrained/model --mode logistic
  biot finetune corpus --out folds --folds loso --seeds 3 --workers 2

what RUN holds afterwards:
  model/           the best model: for `biot evaluate` and `biot predict`
  metrics.json     scores on the test windows     confusion.png  the same as a picture
  history.csv      one line an epoch              curves.png     the same as a picture
  run.json         all that is needed to repeat the run
with --folds: metrics.json, table.txt, folds.csv, subjects.csv, subjects.png, run.json
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "finetune",
        summary="train a model on a labelled corpus",
        description="Train a model on the labelled windows of a corpus (classes, tags or numbers), "
        "from scratch or from a pretrained model; stop when the validation score no longer rises, "
        "keep the best weights, and score them on subjects that were not used.",
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
    folds = parser.add_argument_group("cross-validation by subject, instead of one split")
    folds.add_argument(
        "--folds", metavar="N", type=_folds, help="folds, or loso: leave one subject out"
    )
    folds.add_argument(
        "--seeds", metavar="N", type=count, help="repeat with so many seeds, from --seed on"
    )
    folds.add_argument(
        "--workers", metavar="N", type=count, help="trainings at the same time (default: 1)"
    )
    parser.add_argument(
        "--allow-leakage",
        action="store_true",
        help="test on subjects and recordings of the training too; run.json says which",
    )
    add_config(parser)
    add_device(parser)


def _folds(text: str) -> int | str:
    return text if text == "loso" else count(text)


def _execute(args: Namespace) -> None:
    config = FinetuneConfig(**{f.name: getattr(args, f.name) for f in fields(FinetuneConfig)})
    if args.folds is None:
        _execute_once(args, config)
    else:
        _execute_folds(args, config)


def _execute_once(args: Namespace, config: FinetuneConfig) -> None:
    from biot.training.finetuning.finetune import finetune

    for option in ("seeds", "workers"):
        if getattr(args, option) is not None:
            raise ConfigError(f"--{option} is for cross-validation. Give --folds too.")
    metrics = finetune(
        args.corpus,
        args.out,
        from_model=args.from_model,
        test=args.test,
        config=config,
        allow_leakage=args.allow_leakage,
        command=args.command_line,
        progress=show_progress(),
    )
    if metrics["best_epoch"] is None:
        print(f"Test, with the penalty {metrics['penalty']:g}:\n")
    else:
        print(f"Test, with the weights of epoch {metrics['best_epoch']}:\n")
    print(score_table(metrics["test"]))
    print(f"\nmodel -> {args.out / 'model'}\nall scores -> {args.out / 'metrics.json'}")


def _execute_folds(args: Namespace, config: FinetuneConfig) -> None:
    from biot.training.finetuning.cross_validate import cross_validate

    if args.test is not None:
        raise ConfigError("--test and --folds exclude each other: folds test on the corpus itself.")
    cross_validate(
        args.corpus,
        args.out,
        folds=args.folds,
        n_seeds=args.seeds or 1,
        workers=args.workers or 1,
        from_model=args.from_model,
        config=config,
        allow_leakage=args.allow_leakage,
        command=args.command_line,
        progress=show_progress(),
    )
    print((args.out / "table.txt").read_text(encoding="utf-8"))
    print(f"subjects -> {args.out / 'subjects.csv'}\nall scores -> {args.out / 'metrics.json'}")


def score_table(metrics: Mapping[str, Any]) -> str:
    """Scores of a part of ``metrics.json``, with their intervals."""
    from biot.evaluation.metrics import SCORES, TAG_SCORES, TARGET_SCORES

    intervals = metrics["intervals"] or {}
    names = next(n for n in (SCORES, TAG_SCORES, TARGET_SCORES) if set(n) <= set(metrics))
    rows = [
        (name, metrics[key], " to ".join(f"{end:.3f}" for end in intervals.get(key) or ()))
        for key, name in names.items()
    ]
    return as_table(rows, ("score", "value", "95 % interval"))
