"""`biot predict --report`: the options, what they refuse, and the page of a recording."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biot.cli.options import Parser, note_in_options, require_apart, require_writable, whole
from biot.cli.recordings.event_options import events_asked, rules_of
from biot.cli.recordings.truth import annotations_of
from biot.cli.terminal import say
from biot.errors import ConfigError

if TYPE_CHECKING:
    from biot.events.event import Event, Events
    from biot.inference.explaining.explanation import Explanation
    from biot.inference.predictions import Predictions
    from biot.inference.windowed import WindowPredictor
    from biot.signals.recording import Annotation, Recording

__all__ = [
    "EXPLAINED",
    "add_report_options",
    "events_of_annotations",
    "in_words_of_the_command",
    "parameters_of_report",
    "report_asked",
    "require_report_options",
    "write_report",
]

EXPLAINED = 3
"""Events that a report gives reasons for, unless another number is asked for."""


def add_report_options(parser: Parser) -> None:
    """``--report`` and ``--explain``."""
    group = parser.add_argument_group("report")
    group.add_argument(
        "--report",
        action="store_true",
        help="write a page with an interactive timeline: beside the table, as NAME.html",
    )
    group.add_argument(
        "--explain",
        metavar="N",
        dest="n_explained",
        type=whole,
        help="the page tells why the N surest events were found; 0: none (default: "
        f"{EXPLAINED}; see `biot explain`)",
    )


def report_asked(args: Namespace) -> bool:
    """Whether a page is to be written."""
    return bool(args.report)


def require_report_options(args: Namespace, predictor: WindowPredictor, pages: list[Path]) -> None:
    """Refuse, before the work, a page that cannot be written.

    Raises
    ------
    ConfigError
        With the name of the option.
    MissingDependencyError
        If what pages need is not installed.
    """
    if not args.report:
        if args.n_explained is not None:
            raise ConfigError("--explain belongs to the report. Give --report too.")
        return
    from biot.report.page import require_pages
    from biot.report.recording import require_timeline

    require_pages()
    require_timeline()
    if not hasattr(predictor, "explain"):
        if args.n_explained:
            raise ConfigError(
                f"--explain {args.n_explained}: {args.model} is an ONNX file, which explains "
                "nothing. Give the model folder, or --explain 0."
            )
        say("The report tells no reasons: an ONNX file explains nothing; a model folder does.")
    for page in pages:
        if page.parent.is_dir():
            require_writable(page, suffixes=(".html",))
        require_apart({"--report": page}, [args.model, *args.recordings, args.units])


def parameters_of_report(args: Namespace) -> dict[str, Any]:
    """What is asked for, as plain values."""
    return {"report": {"explained": _n_explained(args)}} if args.report else {}


def write_report(
    args: Namespace,
    predictor: WindowPredictor,
    predictions: Predictions,
    recording: Recording,
    page: Path,
) -> list[Path]:
    """Write the page of one recording; its path."""
    from biot.report.recording import recording_report

    contract = predictor.preprocessing
    events = None
    if contract.task != "regression":
        changed = rules_of(args, contract) if events_asked(args) else None
        events = predictions.to_events(changed)
    truth = annotations_of(
        recording, trained=contract.label_columns[0], labels=predictions.label_names
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    written = recording_report(
        page,
        in_words_of_the_command(predictions),
        recording,
        events=events,
        reference=events_of_annotations(recording, truth) if truth else None,
        explanations=_explanations(args, predictor, recording, events),
        preprocessing=contract,
        model=str(args.model),
    )
    return [written]


def in_words_of_the_command(predictions: Predictions) -> Predictions:
    """The same predictions, with notes that name options instead of arguments."""
    return replace(predictions, notes=tuple(map(note_in_options, predictions.notes)))


def events_of_annotations(recording: Recording, annotations: list[Annotation]) -> Events:
    """Annotations of a recording as events."""
    from biot.events.event import Event, Events

    events = (Event(onset=one.onset, duration=one.duration, label=one.label) for one in annotations)
    return Events(
        name=recording.name,
        events=tuple(sorted(events, key=lambda event: event.onset)),
        duration=recording.duration,
        sfreq=recording.sfreq,
        meas_date=recording.meas_date,
        path=recording.path,
    )


def _n_explained(args: Namespace) -> int:
    return EXPLAINED if args.n_explained is None else int(args.n_explained)


def _explanations(
    args: Namespace, predictor: WindowPredictor, recording: Recording, events: Events | None
) -> list[Explanation]:
    """Reasons for the surest events."""
    contract = predictor.preprocessing
    if events is None or (contract.task == "classes" and len(contract.label_names or ()) < 2):
        return []
    explain = getattr(predictor, "explain", None)
    if explain is None:
        return []
    surest = sorted(events, key=_confidence, reverse=True)[: _n_explained(args)]
    return [
        explain(recording, event=event, stride=args.stride)
        for event in sorted(surest, key=lambda event: event.onset)
    ]


def _confidence(event: Event) -> float:
    return event.confidence or 0.0
