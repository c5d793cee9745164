"""Event scores as text, from the plain values that JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biot.errors import counted
from biot.evaluation.tables import tabulated

__all__ = ["number", "scores_text"]

MOST_ROWS = 40
"""Subjects or labels that a table lists; the rest is counted."""

NAMES = {
    "sensitivity": "sensitivity",
    "precision": "precision",
    "f1": "F1",
    "fp_per_day": "false positives a day",
    "fp_per_hour": "false positives an hour",
}
_OF_SAMPLES = ("sensitivity", "precision", "f1")


def scores_text(plain: Mapping[str, Any]) -> str:
    """What the scores are of, tables of scores, of labels and of subjects, rules and notes.

    Parameters
    ----------
    plain
        What :meth:`biot.evaluation.events.scores.EventEvaluation.to_dict` gives.
    """
    parts = [_head(plain), *plain["notes"], _main(plain), *_undefined(plain), *_beside(plain)]
    if len(plain["labels"]) > 1:
        parts.append(_each("label", plain["labels"]))
    if len(plain["subjects"]) > 1:
        parts.append(_each("subject", plain["subjects"]))
    return "\n\n".join([*parts, _rules(plain["rules"])])


def _head(plain: Mapping[str, Any]) -> str:
    n_recordings, n_subjects = plain["n_recordings"], plain["n_subjects"]
    events, without = plain["events"], plain["n_recordings_without_events"]
    text = (
        f"{counted(n_recordings, 'recording')} of {counted(n_subjects, 'subject')}, "
        f"{plain['hours']:.2f} h; {without} of them without a reference event. Events of "
        f"{', '.join(plain['label_names'])}: {events['reference']} in the reference, "
        f"{events['tp']} found, {events['fn']} missed; {events['predicted']} predicted, "
        f"{events['fp']} false."
    )
    return f"{text} No intervals: {plain['no_intervals']}." if plain["no_intervals"] else text


def _main(plain: Mapping[str, Any]) -> str:
    rows = [
        (f"{what}: {NAMES[key]}", *_cells(plain[f"{what}s"], key))
        for what, keys in (("event", tuple(NAMES)), ("sample", _OF_SAMPLES))
        for key in keys
    ]
    headers = ("score", "pooled", "95 % interval", "mean of subjects", "95 % interval", "subjects")
    return tabulated(rows, headers)


def _beside(plain: Mapping[str, Any]) -> list[str]:
    """What calling everything an event reaches, and what the rules made of the reference."""
    over_all, events = plain["one_event_over_all"], plain["events"]
    told = []
    if over_all["f1"] is not None:
        text = (
            "One event over all of every recording would have an event F1 of "
            f"{over_all['f1']:.3f} and a sample F1 of {over_all['samples']['f1'] or 0:.3f}."
        )
        if (events["f1"] or 0) <= over_all["f1"]:
            text += " The events of the model are no better."
        told.append(text)
    if plain["n_reference_events_marked"] > 2 * events["reference"]:
        told.append(
            f"The rules made {events['reference']} of {plain['n_reference_events_marked']} "
            f"reference events, as they merge those less than {plain['rules']['min_gap']:g} s "
            "apart. For events that are short and frequent choose other rules: min_gap "
            "(--min-gap), tolerance_start (--tolerance-start), tolerance_end (--tolerance-end)."
        )
    return told


def _cells(of: Mapping[str, Any], key: str) -> tuple[str, ...]:
    pooled, means = (of[name] or {} for name in ("intervals", "mean_intervals"))
    return (
        number(of[key], key), _interval(pooled.get(key), key),
        number(of["mean_over_subjects"][key], key), _interval(means.get(key), key),
        str(of["n_subjects_defined"][key]),
    )  # fmt: skip


def _undefined(plain: Mapping[str, Any]) -> list[str]:
    lines = [
        f"undefined: {NAMES[key]} of {what} ({reason})."
        for what in ("events", "samples")
        for key, reason in plain[what]["undefined"].items()
    ]
    return ["\n".join(lines)] if lines else []


def _each(what: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a label or subject."""
    cells = [
        (
            name, f"{one['duration'] / 3600:.2f}",
            *(str(one[key]) for key in ("reference", "tp", "fp")),
            *(number(one[key], key) for key in ("sensitivity", "precision", "f1", "fp_per_day")),
            number(one["samples"]["f1"], "f1"),
        )
        for name, one in list(rows.items())[:MOST_ROWS]
    ]  # fmt: skip
    headers = (
        what, "hours", "events", "found", "false", "sensitivity", "precision", "F1",
        "false a day", "sample F1",
    )  # fmt: skip
    table = tabulated(cells, headers)
    more = len(rows) - MOST_ROWS
    return f"{table}\nand {counted(more, f'more {what}')}" if more > 0 else table


def _rules(rules: Mapping[str, Any]) -> str:
    longest, overlap = rules["max_event_duration"], rules["min_overlap"]
    split = "" if longest is None else f"those longer than {longest:g} s split, "
    least = f"more than {overlap:.0%} overlap" if overlap else "any overlap"
    return (
        f"Rules: events less than {rules['min_gap']:g} s apart merged, {split}{least} with "
        f"{rules['tolerance_start']:g} s before and {rules['tolerance_end']:g} s after the "
        f"reference; samples at {rules['sample_rate']:g} Hz."
    )


def number(value: Any, key: str = "") -> str:
    """A score for readers: shares to three places, rates to three digits."""
    if not isinstance(value, int | float):
        return "undefined"
    return f"{value:.4g}" if key.startswith("fp_") else f"{value:.3f}"


def _interval(ends: Any, key: str) -> str:
    if not isinstance(ends, list | tuple) or any(end is None for end in ends):
        return ""
    return " to ".join(number(end, key) for end in ends)
