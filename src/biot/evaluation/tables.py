"""Scores as text, from what ``metrics.json`` holds; nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from biot.errors import counted
from biot.evaluation.metrics import SCORES, TAG_SCORES, TARGET_SCORES

__all__ = [
    "class_table",
    "difference_cell",
    "fold_cells",
    "fold_columns",
    "guess_cell",
    "scores_text",
    "tabulated",
]

_HEADERS = {
    "f1": "F1", "support": "windows", "auroc": "AUROC", "auprc": "AUPRC", "r2": "R²", "mae": "MAE",
}  # fmt: skip
_MARKS = {"balanced_accuracy": SCORES, "r2": TARGET_SCORES, "f1": TAG_SCORES}
"""A score that only one kind of task has, and all scores of that kind."""


def scores_text(plain: Mapping[str, Any]) -> str:
    """How many windows and subjects the scores are of, notes, the scores, and what is undefined.

    Parameters
    ----------
    plain
        What :meth:`biot.evaluation.results.Evaluation.to_dict` gives; a file of an earlier version,
        or a damaged one, may lack some of it.
    """
    notes = plain.get("notes")
    said = "\n".join(map(str, notes)) if isinstance(notes, list) else ""
    parts = [_head(plain), said, _score_table(plain), *_remarks(plain)]
    return "\n\n".join(part for part in parts if part)


def _head(plain: Mapping[str, Any]) -> str:
    n_windows, n_subjects = plain.get("n_windows", "unknown"), plain.get("n_subjects", "unknown")
    unit = _unit(plain)
    head = f"{counted(n_windows, 'window')} of {counted(n_subjects, 'subject')}"
    if unit != "window":
        known = [counted(plain["n_recordings"], "recording")] if "n_recordings" in plain else []
        parts = [*known, counted(n_subjects, "subject")]
        how = "most windows say" if plain.get("by") == "vote" else "their mean probability says"
        of = counted(n_windows, "window")
        head = f"{' of '.join(parts)}, each decided once by what {how} ({of})"
    if plain.get("n_left_out"):
        n_more = plain["n_left_out"]
        is_ = "is" if n_more == 1 else "are"
        head += f"; {n_more} more without usable data {is_} left out"
    if n_subjects == 1:
        head += "; no intervals: they need two subjects or more"
    classes = _inner(plain, "classes")
    absent = [name for name in classes if _inner(classes, name).get("support") == 0]
    if absent:
        head += f"; no {unit} of {', '.join(absent)}"
    return head + "."


def _score_table(plain: Mapping[str, Any]) -> str:
    names = next((names for mark, names in _MARKS.items() if mark in plain), {})
    intervals, guesses = _inner(plain, "intervals"), _inner(plain, "baselines")
    apart = _inner(plain, "differences")
    rows = [
        (
            name, _number(plain[key]), _interval(intervals.get(key)),
            *(guess_cell(_inner(guesses, guess), key) for guess in guesses),
            *(difference_cell(_inner(apart, guess), key) for guess in apart),
        )
        for key, name in names.items() if key in plain
    ]  # fmt: skip
    columns = ("value", "95 % interval", *guesses, *(f"model − {guess}" for guess in apart))
    return tabulated(rows, ("score", *columns)) if rows else ""


def guess_cell(guess: Mapping[str, Any], key: str) -> str:
    """A score of a baseline, with its interval where it has one."""
    ends = _interval(_inner(guess, "intervals").get(key))
    return f"{_number(guess.get(key))} ({ends})" if ends else _number(guess.get(key))


def fold_cells(metrics: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Cells beside a score of a cross-validation: of each baseline, and the model minus the ridge.

    Of several seeds mean and standard deviation of the ridge's, of one seed its intervals.
    """
    seeds = _inner(metrics, "each_seed")
    first, many = _inner(seeds, next(iter(seeds), "")), _inner(metrics, "ridge")
    guesses, apart = _inner(first, "baselines"), _inner(first, "differences")
    if len(seeds) < 2 or not many:
        beside = [guess_cell(_inner(guesses, guess), key) for guess in guesses]
        return (*beside, *(difference_cell(_inner(apart, guess), key) for guess in apart))
    told = [_number(_inner(guesses, guess).get(key)) for guess in guesses if guess != "ridge"]
    return (
        *told, _spread(_inner(_inner(many, "pooled"), key), ""),
        _spread(_inner(_inner(many, "differences"), key), "+"),
    )  # fmt: skip


def fold_columns(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """The headings of :func:`fold_cells`."""
    seeds = _inner(metrics, "each_seed")
    first = _inner(seeds, next(iter(seeds), ""))
    apart = _inner(first, "differences")
    return (*_inner(first, "baselines"), *(f"model − {guess}" for guess in apart))


def _spread(spread: Mapping[str, Any], sign: str) -> str:
    mean, deviation = spread.get("mean"), spread.get("sd")
    if not isinstance(mean, float):
        return "undefined"
    told = f"{mean:{sign}.3f}"
    return f"{told} ± {deviation:.3f}" if isinstance(deviation, float) else told


def difference_cell(differences: Mapping[str, Any], key: str) -> str:
    """By how much the model's score is above a baseline's, with the interval of that."""
    value = _inner(differences, key).get("value")
    if not isinstance(value, float):
        return "undefined"
    ends = _inner(differences, key).get("interval")
    if not _interval(ends):
        return f"{value:+.3f}"
    return f"{value:+.3f} ({' to '.join(f'{end:+.3f}' for end in ends or ())})"


def _remarks(plain: Mapping[str, Any]) -> list[str]:
    """What is undefined and why; the rule; the bins."""
    names = next((names for mark, names in _MARKS.items() if mark in plain), {})
    reasons: dict[str, list[str]] = {}
    for key, reason in _inner(plain, "undefined").items():
        reasons.setdefault(str(reason), []).append(names.get(key, key))
    lines = [f"undefined: {', '.join(keys)} ({reason})." for reason, keys in reasons.items()]
    if plain.get("decision"):
        lines.append(f"Decision: {plain['decision']}.")
    if "ece" in plain and _inner(plain, "reliability"):
        lines.append(f"Bins of the calibration error: {_inner(plain, 'reliability').get('bins')}.")
    return ["\n".join(lines)] if lines else []


def class_table(plain: Mapping[str, Any]) -> str:
    """How each class, tag or number fared."""
    classes = _inner(plain, "classes")
    columns = list(next(iter(classes.values()), {}))
    rows = [
        (name, *(_number(_inner(classes, name).get(column)) for column in columns))
        for name in classes
    ]
    headers = _HEADERS | {"support": f"{_unit(plain)}s"}
    return tabulated(rows, ("class", *(headers.get(column, column) for column in columns)))


def _unit(plain: Mapping[str, Any]) -> str:
    """What the scores count: a window, or a whole recording or subject."""
    return str(plain.get("per") or "window")


def tabulated(rows: Iterable[Sequence[str]], headers: tuple[str, ...]) -> str:
    """Rows of text as an aligned table, numbers to the right."""
    from tabulate import tabulate

    align = ("left", *("right" for _ in headers[1:]))
    return tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align)


def _number(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if isinstance(value, float) else "undefined"


def _interval(ends: Any) -> str:
    known = isinstance(ends, list | tuple) and all(isinstance(end, int | float) for end in ends)
    return " to ".join(f"{end:.3f}" for end in ends) if known else ""


def _inner(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an object; empty where there is none."""
    value = values.get(name)
    return value if isinstance(value, dict) else {}
