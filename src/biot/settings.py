"""Settings: fields of a dataclass that carry their bounds and their help, and are checked by them.

A class of settings is written once::

    @documented
    @dataclass(frozen=True, kw_only=True)
    class Training(Settings):
        epochs: int = setting(30, help="Passes over the training windows.", least=1)

Its checks, its docstring and the options of the command line all come from these fields.
"""

from __future__ import annotations

import inspect
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from biot.errors import ConfigError, near_word

__all__ = [
    "Setting",
    "Settings",
    "changed_settings",
    "configured",
    "documented",
    "setting",
    "settings_of",
    "takes_settings",
]

Kind = Literal["whole", "number", "pair", "switch", "choice", "text", "word or table", "names"]
_NOUNS: dict[Kind, str] = {
    "whole": "a whole number",
    "number": "a number",
    "pair": "two numbers",
    "switch": "True or False",
    "text": "text",
    "names": "a list of one name or more",
}
_KEY = "setting"
T = TypeVar("T")
C = TypeVar("C", bound="Settings")
F = TypeVar("F", bound=Callable[..., Any])


def setting(
    default: Any = MISSING,
    *,
    help: str,  # noqa: A002 - as argparse calls it
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    choices: Sequence[str] | None = None,
    group: str | None = None,
    metavar: str | None = None,
    option: str | None = None,
) -> Any:
    """A field of a class of settings.

    Parameters
    ----------
    default
        Its value where none is given; without one the setting is required.
    help
        What it means, in a sentence or two; other settings are named in backticks.
    least, above, most, below
        Bounds of a number: the value itself is allowed by `least` and `most` only.
    choices
        Words that are allowed; those of a ``Literal`` are known without saying so.
    group
        Heading under which the command's help lists it.
    metavar
        Letter or word for its value in the command's help.
    option
        Name of its option; by default the field's own. For a switch that is on by default, the
        option that turns it off.
    """
    about = {
        "help": help,
        "bounds": (least, above, most, below),
        "choices": choices,
        "group": group,
        "metavar": metavar,
        "option": option,
    }
    return field(default=default, metadata={_KEY: about})


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one field says about itself."""

    name: str
    kind: Kind
    help: str
    default: Any
    """``dataclasses.MISSING`` where a value is required."""
    optional: bool
    """Whether None is allowed."""
    bounds: tuple[float | None, float | None, float | None, float | None]
    """Least, above, most, below."""
    choices: tuple[str, ...]
    group: str | None
    metavar: str
    option: str

    @property
    def range(self) -> str:
        """The bounds in words, such as ``"above 0 and at most 1"``; empty without any."""
        least, above, most, below = self.bounds
        words = []
        if least is not None:
            words.append(f"{least} or more")
        if above is not None:
            words.append(f"above {above}")
        if most is not None:
            words.append(f"at most {most}")
        if below is not None:
            words.append(f"below {below}")
        return " and ".join(words)

    @property
    def allowed(self) -> str:
        """What a value must be, in words."""
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        if self.kind == "word or table":
            return f"{', '.join(self.choices)} or a table (.tsv, .csv)"
        return f"{_NOUNS[self.kind]}, {self.range}" if self.range else _NOUNS[self.kind]

    def checked(self, value: Any) -> Any:
        """The value as Python's own kind; `ConfigError` names the setting and what it may be."""
        try:
            return self._converted(value, repr(value))
        except ConfigError as error:
            raise ConfigError(f"{self.name} {error}") from None

    def parsed(self, text: str) -> Any:
        """The value that the text of an option means; `ConfigError` says what it must be."""
        return self._converted(self._value_of(text), repr(text))

    def _value_of(self, text: str) -> Any:
        try:
            if self.kind == "whole":
                return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else text
            return float(text) if self.kind == "number" else text
        except ValueError:
            return text

    def _converted(self, value: Any, shown: str) -> Any:
        if value is None and self.optional:
            return None
        if getattr(value, "shape", None) == () and hasattr(value, "item"):
            value = value.item()  # a scalar of NumPy or PyTorch
        if self.kind in ("whole", "number"):
            return self._number(value, shown)
        if self.kind == "pair":
            return self._pair(value, shown)
        if self.kind == "switch" and isinstance(value, bool):
            return value
        if self.kind == "names":
            return self._names(value, shown)
        if self.kind == "word or table" and isinstance(value, PathLike):
            return Path(value)
        if self.kind == "switch" or not isinstance(value, str):
            raise self._refusal(shown)
        return self._word(value, shown)

    def _word(self, text: str, shown: str) -> str | Path:
        if self.kind == "text" or text in self.choices:
            return str(text)
        if self.kind == "choice" or not Path(text).suffix:
            raise self._refusal(shown, text)
        return Path(text)

    def _names(self, value: Any, shown: str) -> tuple[str, ...]:
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        if not (listed and value and all(isinstance(name, str) and name for name in value)):
            raise self._refusal(shown)
        return tuple(map(str, value))

    def _pair(self, value: Any, shown: str) -> tuple[float, float]:
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
            raise self._refusal(shown)
        first, second = (float(self._number(one, shown)) for one in value)
        return first, second

    def _number(self, value: Any, shown: str) -> int | float:
        kind: Any = Integral if self.kind == "whole" else Real
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._refusal(shown)
        try:
            number = int(value) if self.kind == "whole" else float(value)
        except OverflowError:
            raise ConfigError(f"must be finite, got {shown}.") from None
        if self.kind != "whole" and math.isinf(number):
            raise ConfigError(f"must be finite, got {shown}.")
        if not self._is_in_range(number) or math.isnan(number):
            raise ConfigError(f"must be {self.range or self.allowed}, got {shown}.")
        return number

    def _is_in_range(self, number: float) -> bool:
        least, above, most, below = self.bounds
        return (
            (least is None or number >= least)
            and (above is None or number > above)
            and (most is None or number <= most)
            and (below is None or number < below)
        )

    def _refusal(self, shown: str, word: str | None = None) -> ConfigError:
        separator = ";" if self.choices else ","
        near = "" if word is None else near_word(word, self.choices)
        return ConfigError(f"must be {self.allowed}{separator} got {shown}.{near}")


class Settings:
    """Base of the classes of settings: a value that cannot be is refused when it is given."""

    def __post_init__(self) -> None:
        for one in settings_of(type(self)):
            object.__setattr__(self, one.name, one.checked(getattr(self, one.name)))


def settings_of(kind: type[Settings]) -> tuple[Setting, ...]:
    """The settings of a class: its own in the order of its fields, then those it inherits."""
    known: Any = kind  # mypy takes no class with fields for hashable
    return _settings_of(known)


@cache
def _settings_of(kind: Any) -> tuple[Setting, ...]:
    hints, of_kind = get_type_hints(kind), []
    own = vars(kind).get("__annotations__", {})
    for one in sorted(fields(kind), key=lambda one: one.name not in own):
        about = one.metadata[_KEY]
        what, choices, optional = _kind_of(hints[one.name], about["choices"])
        letter = {"whole": "N", "number": "X", "choice": f"{{{','.join(choices)}}}"}
        option = about["option"] or f"--{one.name.replace('_', '-')}"
        of_kind.append(
            Setting(
                name=one.name, kind=what, help=about["help"], default=one.default,
                optional=optional, bounds=about["bounds"], choices=choices, group=about["group"],
                metavar=about["metavar"] or letter.get(what, "NAME"), option=option,
            )
        )  # fmt: skip
    return tuple(of_kind)


def _kind_of(hint: Any, choices: Sequence[str] | None) -> tuple[Kind, tuple[str, ...], bool]:
    """Kind and choices that a type means, and whether it includes None."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    optional = NoneType in parts
    rest = tuple(part for part in parts if part is not NoneType)
    if set(rest) == {str, Path}:
        return "word or table", tuple(choices or ()), optional
    (one,) = rest
    if get_origin(one) is Literal:
        return "choice", get_args(one), optional
    if get_origin(one) is tuple:
        return "pair" if get_args(one) == (float, float) else "names", (), optional
    kinds: dict[Any, Kind] = {int: "whole", float: "number", bool: "switch", str: "text"}
    return kinds[one], (), optional


def changed_settings(config: Settings) -> dict[str, Any]:
    """The settings that are not the defaults, by name."""
    return {
        one.name: getattr(config, one.name)
        for one in settings_of(type(config))
        if getattr(config, one.name) != one.default
    }


def configured(kind: type[C], config: C | None, given: Mapping[str, Any]) -> C:
    """The settings of a call: those of `config`, or those given as keywords.

    Raises
    ------
    ConfigError
        If both are given, a keyword is no setting, or a required one is absent.
    """
    if config is not None and given:
        raise ConfigError(
            f"config and {', '.join(given)} are both given; put all settings into config, or "
            "leave config out."
        )
    if config is not None:
        if not isinstance(config, kind):
            raise ConfigError(f"config must be a {kind.__name__}, got {type(config).__name__}.")
        return config
    known = {one.name: one for one in settings_of(kind)}
    for name in given:
        if name not in known:
            raise ConfigError(
                f"There is no setting {name!r}.{near_word(name, list(known))} "
                f"Settings are those of {kind.__name__}: {', '.join(known)}."
            )
    missing = [n for n, one in known.items() if one.default is MISSING and n not in given]
    if missing:
        raise ConfigError(f"{missing[0]} is not given: {_lower(known[missing[0]].help)}")
    return kind(**given)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def documented(kind: type[T]) -> type[T]:
    """Class decorator: list the settings in the docstring."""
    listed = _parameters(kind)  # type: ignore[arg-type]  # T is a class of settings
    kind.__doc__ = f"{inspect.cleandoc(kind.__doc__ or '')}\n\nParameters\n----------\n{listed}"
    return kind


def takes_settings(kind: type[Settings]) -> Callable[[F], F]:
    """Decorator of a function with ``**settings``: its signature and help list the settings."""

    def extended(function: F) -> F:
        plain = inspect.signature(function)
        kept = [p for p in plain.parameters.values() if p.kind is not p.VAR_KEYWORD]
        keyword = inspect.Parameter.KEYWORD_ONLY
        hints = {one.name: one.type for one in fields(kind)}  # type: ignore[arg-type]
        added = [
            inspect.Parameter(
                one.name,
                keyword,
                default=inspect.Parameter.empty if one.default is MISSING else one.default,
                annotation=hints[one.name],
            )
            for one in settings_of(kind)
        ]
        signature = plain.replace(parameters=[*kept, *added])
        function.__signature__ = signature  # type: ignore[attr-defined]
        text = inspect.cleandoc(function.__doc__ or "")
        function.__doc__ = f"{text}\n\nOther Parameters\n----------------\n{_parameters(kind)}"
        return function

    return extended


def _parameters(kind: type[Settings]) -> str:
    """The settings as numpydoc lists parameters."""
    lines = []
    for one in settings_of(kind):
        facts = [one.allowed + (" or None" if one.optional else "")]
        if one.default is not MISSING:
            facts.append(f"default {one.default!r}")
        lines.append(f"{one.name} : {', '.join(facts)}")
        lines.append(textwrap.indent(textwrap.fill(one.help, 92), "    "))
    return "\n".join(lines)
