"""What `biot predict` writes of a recording besides the table: its events, its report.

Each kind has a file of its own, whose functions are called here: one adds options, one refuses
what cannot be before the work begins, one writes.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biot.cli.recordings.event_options import (
    add_event_options,
    describe_event_folder,
    events_asked,
    parameters_of_events,
    require_event_options,
    tell_events,
    write_event_files,
)
from biot.cli.recordings.report_options import (
    add_report_options,
    parameters_of_report,
    report_asked,
    require_report_options,
    write_report,
)

if TYPE_CHECKING:
    from biot.cli.options import Parser
    from biot.inference.predictions import Predictions
    from biot.inference.windowed import WindowPredictor
    from biot.signals.recording import Recording

__all__ = [
    "Place",
    "add_options",
    "describe",
    "is_asked",
    "parameters",
    "require_possible",
    "tell",
    "write",
]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the files of one recording go; the folders exist when something is written."""

    events: Path
    """Folder of its events."""
    reports: Path
    """Folder of its report."""
    stem: str
    """How the names of its files begin, such as ``night`` in ``night_desc-biot_events.tsv``."""

    @property
    def page(self) -> Path:
        """File of its report."""
        return self.reports / f"{self.stem}.html"

    @classmethod
    def beside(cls, table: Path) -> Place:
        """Of one recording, whose files lie beside its table and are named by it."""
        return cls(events=table.parent, reports=table.parent, stem=table.stem)


def add_options(parser: Parser) -> None:
    """The options of every kind of file: one call each."""
    add_event_options(parser)
    add_report_options(parser)


def is_asked(args: Namespace) -> bool:
    """Whether anything is to be written besides the table."""
    return events_asked(args) or report_asked(args)


def require_possible(args: Namespace, predictor: WindowPredictor, places: list[Place]) -> None:
    """Refuse, before the work, what this model cannot give or what cannot be written.

    Raises
    ------
    ConfigError
        With the name of the option.
    """
    named = [place for place in places if place.stem]
    require_event_options(args, predictor.preprocessing, [(p.events, p.stem) for p in named])
    require_report_options(args, predictor, [place.page for place in named])


def parameters(args: Namespace) -> dict[str, Any]:
    """Which files are asked for and how, as plain values: another choice is another folder."""
    return {**parameters_of_events(args), **parameters_of_report(args)}


def write(
    args: Namespace,
    predictor: WindowPredictor,
    predictions: Predictions,
    recording: Recording,
    place: Place,
) -> list[Path]:
    """Write what is asked for of one recording; the paths that were written."""
    written = []
    if events_asked(args):
        written += write_event_files(args, predictions, place.events, place.stem)
    if report_asked(args):
        written += write_report(args, predictor, predictions, recording, place.page)
    return written


def describe(args: Namespace, folder: Path) -> None:
    """Write what tells of the files of several recordings together, in the folder that is made."""
    describe_event_folder(args, folder / "events")


def tell(args: Namespace, recordings: Sequence[Predictions], predictor: WindowPredictor) -> None:
    """What is said of all recordings besides their tables."""
    if events_asked(args) and recordings:
        tell_events(args, recordings, predictor.preprocessing)
