"""`biot predict --events`: the options, what they refuse, the files, and what is told."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biot import __version__
from biot.cli.options import Parser, add_settings, as_table
from biot.cli.terminal import say
from biot.errors import ConfigError, listed
from biot.events.rules import EventRules
from biot.settings import settings_of

if TYPE_CHECKING:
    from biot.inference.predictions import Predictions
    from biot.preprocessing import Preprocessing

__all__ = [
    "add_event_options",
    "changed_rules",
    "describe_event_folder",
    "events_asked",
    "parameters_of_events",
    "require_event_options",
    "rules_of",
    "tell_events",
    "tell_rules",
    "write_event_files",
]

_OPTIONS = {one.name: one.option for one in settings_of(EventRules)}
_HOUR, _DAY = 3600, 86_400


def add_event_options(parser: Parser) -> None:
    """``--events``, ``--event-format`` and an option for each rule."""
    group = parser.add_argument_group(
        "events", "without an option, the rules that were tuned with the model hold, if there are"
    )
    group.add_argument(
        "--events",
        action="store_true",
        help="make events of the probabilities, and write them beside the table",
    )
    group.add_argument(
        "--event-format",
        metavar="FORMATS",
        help="formats of the files, with commas between them: bids, edf, mne, szcore, wfdb, "
        "hypnogram (default: bids); implies --events",
    )
    add_settings(parser, EventRules, group=group, shows_defaults=False)
    group.add_argument(
        "--seizure-label",
        metavar="LABEL",
        action="append",
        help="for the format szcore, a label that means a seizure, as often as needed (default: "
        "those that say so, such as seiz)",
    )


def events_asked(args: Namespace) -> bool:
    """Whether events are to be made."""
    return bool(args.events or args.event_format is not None)


def require_event_options(
    args: Namespace, contract: Preprocessing, places: Sequence[tuple[Path, str]] = ()
) -> None:
    """Refuse, before the work, events that the model or a format cannot have.

    Parameters
    ----------
    args
        The options.
    contract
        Of the model.
    places
        Folders of files of events, each with how their names begin, where these are known.

    Raises
    ------
    ConfigError
        With the name of the option.
    """
    changed = changed_rules(args)
    if not events_asked(args):
        given = [_OPTIONS[name] for name in changed]
        given += ["--seizure-label"] if args.seizure_label else []
        if given:
            raise ConfigError(f"{given[0]} is for events. Give --events too.")
        return
    if contract.task == "regression":
        raise ConfigError(
            "--events: this model predicts numbers, and events come of classes or tags. Leave it "
            "out."
        )
    from biot.events.files.writing import require_event_files_free, require_event_formats

    names = contract.label_names or ()
    background = rules_of(args, contract).background_among(names)
    require_event_formats(
        formats_asked(args), names, background=background,
        several=contract.task == "multilabel", seizure_label=args.seizure_label or (),
    )  # fmt: skip
    for folder, stem in places:
        require_event_files_free(formats_asked(args), folder, stem)


def formats_asked(args: Namespace) -> tuple[str, ...]:
    """The formats of the files."""
    from biot.events.files.writing import formats_of

    return ("bids",) if args.event_format is None else formats_of(args.event_format)


def rules_of(args: Namespace, contract: Preprocessing) -> EventRules:
    """The model's rules, or the defaults, changed by the options."""
    changed = changed_rules(args)
    if {"on", "off"} <= changed.keys() and changed["off"] > changed["on"]:
        raise ConfigError(
            f"--off must be at most --on, got {changed['off']:g} and {changed['on']:g}."
        )
    return (contract.events or EventRules()).changed(**changed)


def changed_rules(args: Namespace) -> dict[str, Any]:
    """The rules for events that options give, by name."""
    return {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}


def parameters_of_events(args: Namespace) -> dict[str, Any]:
    """What is asked for, as plain values."""
    if not events_asked(args):
        return {}
    return {
        "event_format": list(formats_asked(args)), "event_rules": changed_rules(args),
        "seizure_label": args.seizure_label,
    }  # fmt: skip


def write_event_files(
    args: Namespace, predictions: Predictions, folder: Path, stem: str
) -> list[Path]:
    """Write the events of one recording; the files."""
    from biot.events.files.writing import write_events

    return write_events(
        predictions.to_events(**changed_rules(args)), folder, formats_asked(args), stem=stem,
        seizure_label=args.seizure_label or (),
    )  # fmt: skip


def describe_event_folder(args: Namespace, folder: Path) -> None:
    """Say in a folder of events of several recordings that it holds BIDS derivatives."""
    from biot.events.files.bids import write_dataset_description

    if events_asked(args) and "bids" in formats_asked(args):
        write_dataset_description(folder, version=__version__)


def tell_events(
    args: Namespace, recordings: Sequence[Predictions], contract: Preprocessing
) -> None:
    """A table of the events of recordings by label, and the rules."""
    from biot.events.detect import covered

    found = [one.to_events(**changed_rules(args)) for one in recordings]
    time = sum(covered(one.start, one.stop, one.probabilities, one.breaks) for one in recordings)
    background = rules_of(args, contract).background_among(contract.label_names or ())
    rows: list[tuple[Any, ...]] = []
    for label in contract.label_names or ():
        if label == background:
            continue
        events = [event for one in found for event in one.of_label(label)]
        total = sum(event.duration for event in events)
        rates = [len(events) * unit / time if time else None for unit in (_HOUR, _DAY)]
        rows.append((label, len(events), total, *rates))
    say(f"\n{as_table(rows, ('events', 'number', 'seconds in all', 'an hour', 'a day'))}\n")
    say(f"Rates are of the {time:g} s that have a prediction.")
    broken = [one.name for one in recordings if one.breaks]
    if broken:
        say(
            f"{listed(broken)}: time is missing between its parts (epochs, joins). Onsets count "
            "the seconds that are there; after the first part they are no times of the clock."
        )
    tell_rules(args, contract)


def tell_rules(args: Namespace, contract: Preprocessing) -> None:
    """The rules in words, and where they come from."""
    changed, rules = changed_rules(args), rules_of(args, contract)
    origin = "tuned with the model" if contract.events is not None else "the defaults"
    if changed:
        given = ", ".join(_OPTIONS[name] for name in changed)
        origin += f", changed by {given}"
    say(f"Rules for events ({origin}): {rules}.")
    background = rules.background_among(contract.label_names or ())
    if contract.task == "multilabel" and background is None:
        say("Each tag makes events by itself.")
    elif background is None:
        say("All labels make events; --background LABEL names one that makes none.")
    elif rules.background is None:
        say(f"{background} makes no events, as its name says; --background LABEL names another.")
