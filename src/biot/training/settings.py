"""Checks of a configuration's fields: a value that cannot be is refused with what could be.

Numbers are kept as Python's own, whatever kind they came as, so that a run's files can hold them.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, get_args

from biot.errors import ConfigError

__all__ = [
    "require_above_zero",
    "require_choice",
    "require_not_negative",
    "require_share",
    "require_whole",
]


def require_choice(config: object, name: str, kind: Any) -> None:
    """A field that is one of a ``Literal``."""
    value, choices = getattr(config, name), get_args(kind)
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")


def require_whole(config: object, names: Iterable[str], *, least: int) -> None:
    """Fields that are whole numbers; None passes."""
    for name in names:
        value = getattr(config, name)
        if value is None:
            continue
        if not isinstance(value, Integral):
            raise ConfigError(f"{name} must be a whole number, got {value!r}.")
        if value < least:
            wanted = "at least 1" if least == 1 else f"{least} or more"
            raise ConfigError(f"{name} must be {wanted}, got {value}.")
        object.__setattr__(config, name, int(value))


def require_above_zero(config: object, names: Iterable[str]) -> None:
    """Fields that are numbers above 0."""
    for name in names:
        value = _number(config, name)
        if not value > 0:
            raise ConfigError(f"{name} must be above 0, got {value}.")


def require_not_negative(config: object, names: Iterable[str]) -> None:
    """Fields that are numbers, 0 or more."""
    for name in names:
        value = _number(config, name)
        if not value >= 0:
            raise ConfigError(f"{name} must be 0 or more, got {value}.")


def require_share(config: object, names: Iterable[str]) -> None:
    """Fields that are numbers from 0 to below 1; None passes."""
    for name in names:
        if getattr(config, name) is None:
            continue
        value = _number(config, name)
        if not 0 <= value < 1:
            raise ConfigError(f"{name} must lie in 0 to below 1, got {value}.")


def _number(config: object, name: str) -> float:
    value = getattr(config, name)
    if not isinstance(value, Real):
        raise ConfigError(f"{name} must be a number, got {value!r}.")
    number = float(value)
    if number == float("inf"):
        raise ConfigError(f"{name} must be finite, got inf.")
    object.__setattr__(config, name, number)
    return number
