"""`biot finetune`: train a model on a labelled corpus."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from biot.cli.options import (
    Parser,
    add_settings,
    config_of,
    count,
    new_command,
    require_apart,
)
from biot.cli.terminal import is_first_process, log_to_stderr, say, show_progress, tell_report
from biot.errors import ConfigError, StoppedError, counted
from biot.training.finetuning.config import FinetuneConfig

__all__ = ["parser"]

_EXAMPLES = """\
  biot finetune corpus --out run
  biot finetune corpus --out run --from pretrained/model --epochs 10
  biot finetune corpus --out run --test corpus_of_another_clinic --seed 1
  biot finetune one_recording --out run --split time
  biot finetune corpus --out run --from pretrained/model --mode logistic
  biot finetune corpus --out run --tune-events
  biot finetune corpus --out run --refit
  biot finetune corpus --out run --valid-share 0 --epochs 12 --ema 0.99
  biot finetune corpus --out folds --folds loso --seeds 3 --workers 2

the same command again resumes a run that was stopped.

what RUN holds afterwards:
  model/           the best model: for `biot evaluate` and `biot predict`
  metrics.json     scores on the test windows     confusion.png  the same as a picture
  history.csv      one line an epoch              curves.png     the same as a picture
  refit_history.csv  the same of the training on all windows, with --refit
  reliability.png  probability against frequency, on the test windows
  run.json         all that is needed to repeat the run
  test_predictions.parquet, valid_predictions.parquet  what is said of every window
  report.html      all of it on one page, to look at
with --folds: metrics.json, table.txt, folds.csv, subjects.csv, subjects.png,
test_predictions.parquet, run.json, report.html
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "finetune",
        description="Train a model on the labelled windows of a corpus (classes, tags or numbers), "
        "from scratch or from a pretrained model; stop when the validation score no longer rises, "
        "keep the best weights, and score them on subjects that were not used.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument("corpus", metavar="CORPUS", type=Path, help="folder from `biot prepare`")
    made.add_argument(
        "--out", metavar="RUN", type=Path, required=True, help="folder of the run, new or begun"
    )
    made.add_argument(
        "--from", dest="from_model", metavar="MODEL", type=Path, help="model to start from"
    )
    made.add_argument(
        "--test", metavar="CORPUS2", type=Path, help="corpus to score on, instead of a share"
    )
    made.add_argument(
        "--allow-leakage",
        action="store_true",
        help="test on subjects and recordings of the training too; run.json says which",
    )
    folds = made.add_argument_group("cross-validation by subject, instead of one split")
    folds.add_argument(
        "--folds", metavar="N", type=_folds, help="folds, or loso: leave one subject out"
    )
    folds.add_argument(
        "--seeds", metavar="N", type=count, help="repeat with so many seeds, from --seed on"
    )
    folds.add_argument(
        "--workers", metavar="N", type=count, help="trainings at the same time (default: 1)"
    )
    add_settings(made, FinetuneConfig)
    return made


def _folds(text: str) -> int | str:
    try:
        return text if text == "loso" else count(text)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error} Or loso: leave one subject out.") from None


def _execute(args: Namespace) -> None:
    config = config_of(args, FinetuneConfig)
    require_apart({"--out": args.out}, [args.corpus, args.from_model, args.test])
    if args.folds is None:
        with log_to_stderr("biot.training") as said:  # a line an epoch
            _execute_once(args, config, said)
    else:
        with log_to_stderr("biot.training.finetuning.cross_validate") as said:  # a line a fold
            _execute_folds(args, config, said)


def _execute_once(args: Namespace, config: FinetuneConfig, said: Sequence[str]) -> None:
    for option in ("seeds", "workers"):
        if getattr(args, option) is not None:
            raise ConfigError(f"--{option} is for cross-validation. Give --folds too.")
    from biot.training.finetuning.finetune import finetune

    try:
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
    except StoppedError:
        if is_first_process():
            say(f"Stopped after a checkpoint. The same command resumes:\n  {args.command_line}")
        raise SystemExit(143) from None  # as a SIGTERM that nobody caught
    if not is_first_process():
        return
    _tell(metrics, said)
    say(f"\nmodel -> {args.out / 'model'}\nall scores -> {args.out / 'metrics.json'}")
    tell_report(args.out)


def _tell(metrics: Mapping[str, Any], said: Sequence[str]) -> None:
    """Which model was kept and why, its scores, and what is to be known of its training."""
    from biot.evaluation.tables import scores_text

    for note in metrics["notes"]:
        if note not in said:
            say(f"{note}\n")
    say(f"Test, with {_kept(metrics)}:\n")
    say(scores_text(metrics["test"]))
    if "before_refit" in metrics:
        say("\nThe same test, with the model before the refit:\n")
        say(scores_text(metrics["before_refit"]))
    if "events" in metrics:
        say("\n" + "\n".join(metrics["events"]["in_words"]))


def _kept(metrics: Mapping[str, Any]) -> str:
    """Which weights were kept, and why."""
    if "valid" not in metrics:
        return f"the weights after {counted(metrics['epochs'], 'epoch')}"
    metric, best_epoch = metrics["metric"], metrics["best_epoch"]
    kept = f"the weights of epoch {best_epoch} of {metrics['epochs']}"
    if "refit" in metrics:
        kept = f"the weights of a refit on all windows for {counted(best_epoch, 'epoch')}"
    elif best_epoch is None:
        kept = f"the penalty {metrics['penalty']:g}"
    best, n_windows = metrics["valid"].get(metric), metrics["valid"]["n_windows"]
    value = f"{best:.3f} over" if isinstance(best, float) else "over"
    of = counted(n_windows, "window")
    return f"{kept}, the best by validation {metric} ({value} {of})"


def _execute_folds(args: Namespace, config: FinetuneConfig, said: Sequence[str]) -> None:
    if args.test is not None:
        raise ConfigError("--test and --folds exclude each other: folds test on the corpus itself.")
    from biot.training.finetuning.cross_validate import cross_validate

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
    told = (args.out / "table.txt").read_text(encoding="utf-8").splitlines()
    say("\n".join([*(line for line in told if line not in said), ""]))
    say(f"subjects -> {args.out / 'subjects.csv'}\nall scores -> {args.out / 'metrics.json'}")
    tell_report(args.out)
