"""Values from JSON files that an earlier release, or somebody's hand, may have written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["counted", "hours", "inner", "interval", "items", "number", "setting_text"]


def inner(values: Any, name: str) -> Mapping[str, Any]:
    """An object within an object; empty where there is none."""
    value = values.get(name) if isinstance(values, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(values: Any, name: str) -> Sequence[Any]:
    """A list within an object; empty where there is none."""
    value = values.get(name) if isinstance(values, Mapping) else None
    return value if isinstance(value, list | tuple) else []


def number(value: Any, digits: int = 3) -> str:
    """A number as a cell of a table."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "undefined"
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    return "undefined" if value != value else f"{value:.{digits}f}"


def interval(ends: Any) -> str:
    """Both ends of an interval; a dash where there is none."""
    known = isinstance(ends, list | tuple) and len(ends) == 2
    return " to ".join(number(end) for end in ends) if known else "–"


def counted(n: int, noun: str) -> str:
    """``"1 subject"``, ``"1 234 subjects"``."""
    return f"{number(n)} {noun}{'' if n == 1 else 's'}"


def hours(seconds: float) -> str:
    """A length of time in the unit that is easy to read."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def setting_text(value: Any) -> str:
    """A setting's value as a reader writes it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(setting_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
