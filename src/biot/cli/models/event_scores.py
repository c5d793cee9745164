"""`biot evaluate --events`: how well a model finds events in recordings."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from biot.cli.options import (
    Parser,
    add_settings,
    config_of,
    positive,
    require_apart,
    require_writable,
)
from biot.cli.terminal import say
from biot.corpus.builder.settings import PrepareConfig
from biot.errors import ConfigError
from biot.evaluation.events.rules import EventScoring
from biot.events.rules import EventRules
from biot.settings import settings_of

__all__ = ["add_options", "execute", "require_events"]

_OF_LABELS = (
    *("layout", "label_map", "label_columns", "sidecar", "subject", "file_column"),
    *("onset_column", "duration_column", "stop_column"),
    *("units", "search_tables", "table_sfreq", "table_units"),
)
"""Options of `prepare` that say where the true events are, and how recordings are read."""


def add_options(made: Parser) -> None:
    """``--events`` and what goes with it."""
    group = made.add_argument_group("event scores")
    group.add_argument(
        "--events",
        metavar="REFERENCE",
        help="score events; where the true ones are: a table of labels (.tsv, .csv), a folder with "
        "a file of labels for each recording, or annotations, sidecars or layout as for `biot "
        "prepare --labels`; of a corpus windows (its labelled windows), labels (its table of "
        "labels), or a table that names its recordings",
    )
    group.add_argument(
        "--plot", metavar="FILE", type=Path,
        help="draw sensitivity against false positives a day over thresholds (.png)",
    )  # fmt: skip
    group.add_argument(
        "--absent", metavar="left-out|no-events", choices=("left-out", "no-events"),
        default="left-out",
        help="recordings of which the reference says nothing are left out, or count as recordings "
        "without events (default: left-out)",
    )  # fmt: skip
    group.add_argument(
        "--stride", metavar="S", type=positive,
        help="seconds between the starts of windows of recordings (default: the window)",
    )  # fmt: skip
    rules = made.add_argument_group(
        "how probabilities become events",
        "without an option, the rules that were tuned with the model hold, if there are",
    )
    add_settings(made, EventRules, group=rules, shows_defaults=False)
    add_settings(made, EventScoring)
    add_settings(made, PrepareConfig, only=_OF_LABELS)
    made.set_defaults(library_names={"curve=": "--plot"})


def require_events(args: Namespace) -> None:
    """Refuse options of events where no events are scored.

    Raises
    ------
    ConfigError
        If there is one without ``--events``.
    """
    if args.events is not None:
        return
    of_settings = [
        (one.name, one.option)
        for kind in (EventRules, EventScoring, PrepareConfig)
        for one in settings_of(kind)
        if kind is not PrepareConfig or one.name in _OF_LABELS
    ]
    own = [("plot", "--plot"), ("absent", "--absent"), ("stride", "--stride")]
    for name, option in (*own, *of_settings):
        if name in args.given:
            raise ConfigError(
                f"{option} goes with --events, which says where the true events are. Give it too, "
                f"or leave {option} out."
            )


def execute(args: Namespace) -> None:
    """Score events, print them, and write what was asked for."""
    if args.plot is not None:
        from biot.plots import require_figures

        require_writable(args.plot, suffixes=(".png",))
        require_figures()
        files = {"--plot": args.plot, "--json": args.json}
        require_apart(files, [args.model, args.corpus, Path(args.events)])
    from biot.cli.recordings.event_options import changed_rules
    from biot.inference.scoring.evaluate import evaluate_events
    from biot.io import write_json

    report = evaluate_events(
        args.model,
        args.corpus,
        args.events,
        labels={name: getattr(args, name) for name in _OF_LABELS if name in args.given},
        scoring=config_of(args, EventScoring),
        rule_changes=changed_rules(args),
        stride=args.stride,
        absent="no events" if args.absent == "no-events" else "left out",
        curve=args.plot is not None,
        device=args.device,
        precision=args.precision,
        batch_size=args.batch_size,
        n_bootstrap=args.bootstrap,
        seed=args.seed,
        allow_leakage=args.allow_leakage,
    )
    say(report)
    if args.json is not None:
        write_json(args.json, report.to_dict())
        say(f"\nscores -> {args.json}")
    if args.plot is not None:
        report.to_png(args.plot)
        say(f"curve -> {args.plot}")
