"""The options of `biot finetune`: one a field of the configuration, with its default."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

from biot.cli.common import count, number, positive, whole
from biot.corpus.split import SplitBy
from biot.training.config import (
    ClassWeights,
    FinetuneConfig,
    LoraLayers,
    Mode,
    RegressionLoss,
)

__all__ = ["add_config"]

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
