"""`biot explain`: why a model says what it says of one window."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import (
    Parser,
    add_device,
    add_table_options,
    count,
    new_command,
    open_recording,
    positive,
    require_apart,
    require_writable,
)
from biot.cli.terminal import say, show_progress

__all__ = ["parser"]

_EXAMPLES = """\
  biot explain run/model night.edf --at 3605
  biot explain run/model night.edf --event 3 --png why.png --out why.json
  biot explain run/model night.edf --at 3605 --target spindles --step 0.5 --bands 11-16,0.5-4
"""


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "explain",
        description="Which channels, stretches of time and bands of frequencies of one window "
        "speak for what the model says of it. Each is made missing in turn, as if it had not been "
        "recorded (a band is filtered out), and the score is what the log-odds lose by it: above 0 "
        "the part spoke for the class, below 0 against it. The strongest parts are printed.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "model", metavar="MODEL", type=Path, help="the model folder of a run: RUN/model"
    )
    made.add_argument(
        "recording", metavar="RECORDING", type=Path, help="EDF, BDF, BrainVision, FIF, …"
    )
    _add_window(made)
    _add_parts(made)
    made.add_argument(
        "--out", metavar="FILE", type=Path, help="write all scores to this file: .json or .csv"
    )
    made.add_argument("--png", metavar="FILE", type=Path, help="figure to draw (.png)")
    add_table_options(made)
    names = made.get_default("library_names")
    made.set_defaults(library_names={**names, "at=": "--at", "event=": "--event"})
    add_device(made)
    return made


def _add_window(made: Parser) -> None:
    """Which window is meant."""
    which = made.add_mutually_exclusive_group(required=True)
    # of another name inside: "at 200 Hz" in a message is no option
    which.add_argument(
        "--at",
        metavar="SECONDS",
        dest="at_second",
        type=float,
        help="explain the window that holds this moment, counted from the recording's start; of "
        "several, the one whose middle is nearest",
    )
    which.add_argument(
        "--event",
        metavar="K",
        type=count,
        help="explain event number K of `biot predict --events`, counted from 1: of the windows "
        "that share time with it, the one in which its label is most probable",
    )
    made.add_argument(
        "--stride",
        metavar="S",
        type=positive,
        help="seconds between the starts of windows, as for `biot predict` (default: the window)",
    )


def _add_parts(made: Parser) -> None:
    """What is explained, and by which parts."""
    made.add_argument(
        "--target",
        metavar="LABEL",
        help="class, tag or number to explain (default: the event's label; else the class that is "
        "decided, or the tag furthest above its threshold)",
    )
    made.add_argument(
        "--step",
        metavar="S",
        type=positive,
        help="seconds of a stretch, rounded to whole steps between tokens (default: about ten "
        "stretches a window)",
    )
    made.add_argument(
        "--bands",
        metavar="LO-HI,…",
        help="bands in Hz to filter out in turn, such as 0.5-4,alpha=8-13; '' for none (default: "
        "of EEG delta to gamma, of anything else octaves)",
    )


def _execute(args: Namespace) -> None:
    from biot.inference.explaining.explanation import EXPLANATION_SUFFIXES

    if args.out is not None:
        require_writable(args.out, suffixes=EXPLANATION_SUFFIXES)
    if args.png is not None:
        from biot.plots import require_figures

        require_writable(args.png, suffixes=(".png",))
        require_figures()
    written = {"--out": args.out, "--png": args.png}
    require_apart(written, [args.model, args.recording, args.units])
    from biot.inference.predictor import Predictor
    from biot.signals.naming import renames_of

    predictor = Predictor.from_pretrained(args.model, device=args.device, precision=args.precision)
    contract = predictor.preprocessing
    recording = open_recording(
        args, args.recording, renames_of(contract.rename_channels), contract.ch_names
    )
    explanation = predictor.explain(
        recording,
        at=args.at_second,
        event=args.event,
        target=args.target,
        stride=args.stride,
        step=args.step,
        bands=args.bands,
        progress=show_progress(),
    )
    say(f"{explanation}\n")
    if args.out is not None:
        explanation.save(args.out)
        say(f"scores -> {args.out}")
    if args.png is not None:  # last: if it fails, the table is there
        explanation.to_png(args.png)
        say(f"figure -> {args.png}")
