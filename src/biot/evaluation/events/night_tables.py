"""Scores of nights as text, from the plain values that JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biot.errors import counted
from biot.evaluation.events.tables import MOST_ROWS, number
from biot.evaluation.tables import tabulated

__all__ = ["nights_text"]

_NAMES = {
    "time_in_bed": "time in bed, min",
    "sleep_period": "sleep period, min",
    "total_sleep_time": "total sleep time, min",
    "sleep_efficiency": "sleep efficiency, %",
    "sleep_maintenance": "sleep maintenance, %",
    "waso": "wake after sleep onset, min",
    "sleep_onset_latency": "sleep onset latency, min",
    "rem_latency": "REM latency from sleep onset, min",
    "rem_latency_from_start": "REM latency from the start, min",
}


def nights_text(plain: Mapping[str, Any]) -> str:
    """Kappa a night, confusion of stages, and statistics true beside predicted.

    Parameters
    ----------
    plain
        What :meth:`biot.evaluation.events.nights.SleepEvaluation.to_dict` gives.
    """
    parts = [_head(plain), *plain["notes"], _confusion(plain), _agreement(plain)]
    if len(plain["nights"]) > 1:
        parts.append(_nights(plain["nights"]))
    undefined = [
        f"undefined: kappa of {name} ({night['undefined']})."
        for name, night in plain["nights"].items()
        if night["undefined"]
    ]
    return "\n\n".join([*parts, *(["\n".join(undefined[:MOST_ROWS])] if undefined else [])])


def _head(plain: Mapping[str, Any]) -> str:
    kappa, n = plain["kappa"], plain["n_nights"]
    text = (
        f"Sleep: {plain['n_epochs']} epochs of {counted(n, 'night')} of "
        f"{counted(plain['n_subjects'], 'subject')}. Cohen's kappa a night: mean "
        f"{number(kappa['mean'])}"
    )
    if kappa["sd"] is not None:
        text += f", standard deviation {number(kappa['sd'])}"
    if kappa["interval"] is None or None in kappa["interval"]:
        text += "; no interval: it needs two subjects or more"
    else:
        low, high = kappa["interval"]
        text += f", 95 % interval of the mean {number(low)} to {number(high)}"
    return f"{text}. All epochs together: {number(plain['pooled_kappa'])}."


def _confusion(plain: Mapping[str, Any]) -> str:
    names = list(plain["stages"])
    rows = [
        (name, *map(str, counts), *(number(scores[key]) for key in ("precision", "recall", "f1")))
        for (name, scores), counts in zip(plain["stages"].items(), plain["confusion"], strict=True)
    ]
    return tabulated(rows, ("true \\ predicted", *names, "precision", "recall", "F1"))


def _agreement(plain: Mapping[str, Any]) -> str:
    rows = [
        (
            _name(key), *(_short(one[name]) for name in ("true", "predicted", "difference")),
            "" if None in one["limits"] else " to ".join(map(_short, one["limits"])),
            str(one["n_nights"]),
        )
        for key, one in plain["agreement"].items()
    ]  # fmt: skip
    headers = ("mean over nights", "true", "predicted", "difference", "limits (95 %)", "nights")
    return tabulated(rows, headers)


def _name(key: str) -> str:
    kind, _, stage = key.partition("_")
    words = {"minutes": f"{stage}, min", "percent": f"{stage}, % of sleep"}
    return _NAMES.get(key) or words[kind]


def _nights(nights: Mapping[str, Any]) -> str:
    rows = [
        (
            name, str(one["n_epochs"]), number(one["kappa"]), number(one["accuracy"]),
            *(
                f"{_short(one['true'][key])} / {_short(one['predicted'][key])}"
                for key in ("total_sleep_time", "sleep_efficiency", "sleep_onset_latency", "waso")
            ),
        )
        for name, one in list(nights.items())[:MOST_ROWS]
    ]  # fmt: skip
    headers = (
        "night (true / predicted)", "epochs", "kappa", "accuracy", "sleep, min", "efficiency, %",
        "onset, min", "WASO, min",
    )  # fmt: skip
    table = tabulated(rows, headers)
    more = len(nights) - MOST_ROWS
    return f"{table}\nand {counted(more, 'more night')}" if more > 0 else table


def _short(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "undefined"
