"""`biot pretrain`: train an encoder on corpora, with or without labels."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from biot.cli.options import (
    Commands,
    add_command,
    channel_names,
    count,
    number,
    positive,
    show_progress,
    whole,
)
from biot.training.pretraining.config import PretrainConfig

__all__ = ["add_to"]

_EXAMPLES = """\
  biot pretrain corpus --out run
  biot pretrain eegmat ssvep alcohol --out run --sfreq 200 --steps 20000 --batch-size 512
  biot pretrain sleep apnoea --out run --objective supervised --mixing-temperature 2
  torchrun --nproc-per-node 8 --no-python biot pretrain corpus --out run --precision bf16

the same command again resumes a run that was stopped; a finished one is left as it is.

what RUN holds afterwards:
  model/        the encoder: for `biot finetune --from`     history.csv  how it went
  heads/        supervised: the model for each corpus       curves.png   the same as a picture
  checkpoints/  the last two                                run.json     what was asked of it
"""

Option = tuple[str, Callable[[str], Any], str, str]

# Option, its type, its letter in the help, its meaning; the defaults are those of PretrainConfig.
_TRAINING: tuple[Option, ...] = (
    ("--steps", count, "N", "steps of the whole run"),
    ("--batch-size", count, "B", "windows a step, over all processes"),
    ("--seed", whole, "S", "of weights, order of windows, perturbations and dropout"),
    ("--checkpoint-every", count, "K", "steps between checkpoints"),
    ("--log-every", count, "N", "steps between lines of the history"),
    ("--learning-rate", positive, "X", "peak of the one-cycle schedule"),
    ("--warmup", number, "X", "share of the steps in which the learning rate climbs"),
    ("--weight-decay", number, "X", "weight decay of AdamW"),
    ("--clip-norm", positive, "X", "largest norm of the gradient"),
    ("--ema", number, "X", "decay of an average of the weights, for the model; none if not given"),
    ("--mixing-temperature", positive, "X", "corpora are drawn ∝ windows^(1/X); large: all alike"),
)
_OBJECTIVE: tuple[Option, ...] = (
    ("--temperature", positive, "X", "of the contrastive loss"),
    ("--rotation", number, "DEG", "movement sensors are turned by so many degrees in one view"),
    ("--focal-gamma", number, "X", "exponent of the focal loss"),
)
_MODEL: tuple[Option, ...] = (
    ("--embed-dim", count, "N", "width of a token"),
    ("--num-heads", count, "N", "attention heads"),
    ("--num-layers", count, "N", "transformer layers"),
    ("--n-fft", count, "N", "samples a token; if not given, one second"),
    ("--hop-length", count, "N", "samples from token to token; if not given, half of --n-fft"),
    ("--drop-prob", number, "X", "dropout on the tokens"),
    ("--att-layer-drop-prob", number, "X", "dropout on what attention adds"),
)
_MACHINE: tuple[Option, ...] = (
    ("--micro-batch-size", count, "N", "windows that go through the model at once"),
    ("--workers", whole, "N", "threads that load windows"),
    ("--devices", count, "N", "processes a node; as torchrun or SLURM says, else 1"),
    ("--nodes", count, "N", "nodes; as torchrun or SLURM says, else 1"),
)
_CHOICES = {
    "--perturbation": (
        ("paper", "authors"),
        "paper: each window drops channels and tokens of its own; authors: tokens only, the same "
        "in the whole batch",
    ),
    "--class-loss": (("cross-entropy", "focal"), "loss of the supervised objective"),
}
_SWITCHES = {
    "--symmetric": "contrastive loss in both directions",
    "--cache-gradients": "a second forward pass instead of the memory for a whole batch",
    "--compile": "compile the model",
    "--tensorboard": "write the history for TensorBoard too",
}


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "pretrain",
        summary="train an encoder on corpora, with or without labels",
        description="Train an encoder on the windows of one or more corpora, whose channels and "
        "lengths may differ: contrastively, without labels, or with the labels of each corpus. "
        "Checkpoints are kept, and the same command resumes exactly.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    parser.add_argument(
        "corpora", metavar="CORPUS", type=Path, nargs="+", help="folders from `biot prepare`"
    )
    parser.add_argument(
        "--out", metavar="RUN", type=Path, required=True, help="folder of the run, new or begun"
    )
    parser.add_argument(
        "--objective", choices=("contrastive", "supervised"), default="contrastive",
        help="what to learn from (default: contrastive)",
    )  # fmt: skip
    parser.add_argument(
        "--channels", metavar="NAMES", type=channel_names,
        help="vocabulary, with commas, or prest-16 or prest-18 of the published models; default: "
        "all that occur",
    )  # fmt: skip
    parser.add_argument(
        "--sfreq", metavar="HZ", type=positive, help="resample windows of other rates to this"
    )
    _add_options(parser.add_argument_group("training"), _TRAINING)
    objective = parser.add_argument_group("objective")
    _add_options(objective, _OBJECTIVE)
    for option, (choices, meaning) in _CHOICES.items():
        objective.add_argument(
            option, choices=choices, default=choices[0], help=f"{meaning} (default: {choices[0]})"
        )
    objective.add_argument(
        "--own-negatives", dest="gather_negatives", action="store_false",
        help="compare with windows of the same process only",
    )  # fmt: skip
    _add_options(parser.add_argument_group("model"), _MODEL)
    _add_machine(parser.add_argument_group("machine"))
    for option, meaning in _SWITCHES.items():
        parser.add_argument(option, action="store_true", help=meaning)


def _add_machine(group: Any) -> None:
    group.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="auto takes the GPU if there is one (default: auto)",
    )  # fmt: skip
    group.add_argument(
        "--precision", choices=("32", "bf16", "16", "64"), default="32",
        help="bf16 and 16 compute narrower where that is safe (default: 32)",
    )  # fmt: skip
    group.add_argument(
        "--strategy", choices=("auto", "ddp", "fsdp"), default="auto",
        help="fsdp spreads the optimiser's state over GPUs; auto: ddp over several processes "
        "(default: auto)",
    )  # fmt: skip
    _add_options(group, _MACHINE)


def _add_options(group: Any, options: tuple[Option, ...]) -> None:
    defaults = {field.name: field.default for field in fields(PretrainConfig)}
    for option, kind, letter, meaning in options:
        default = defaults[option[2:].replace("-", "_")]
        shown = meaning if default is None else f"{meaning} (default: {default:g})"
        group.add_argument(option, type=kind, metavar=letter, default=default, help=shown)


def _execute(args: Namespace) -> None:
    from biot.training.pretraining.pretrain import pretrain

    config = PretrainConfig(**{f.name: getattr(args, f.name) for f in fields(PretrainConfig)})
    finished = pretrain(
        args.corpora,
        args.out,
        config=config,
        channels=args.channels,
        sfreq=args.sfreq,
        command=args.command_line,
        progress=show_progress(),
    )
    if not finished and _is_first_process():
        print(f"Stopped after a checkpoint. The same command resumes:\n  {args.command_line}")
    if not finished:
        raise SystemExit(143)  # as a SIGTERM that nobody caught
    if _is_first_process():
        print(f"model -> {args.out / 'model'}\nhistory -> {args.out / 'history.csv'}")


def _is_first_process() -> bool:
    """Of several, one speaks."""
    from torch import distributed

    return not distributed.is_initialized() or distributed.get_rank() == 0
