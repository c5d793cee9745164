"""`EventRules`: how probabilities over time become events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from biot.errors import ConfigError, listed, near_word
from biot.settings import Settings, documented, setting, settings_of

__all__ = ["EventRules", "background_of", "plain_name"]

_GROUP = "events"

_BACKGROUNDS = frozenset(
    (
        "background", "backgrnd", "bckg", "bkg", "bg", "baseline", "base", "rest", "resting",
        "reststate", "restingstate", "idle", "normal", "norm", "sinus", "normalsinusrhythm", "nsr",
        "(n", "none", "null", "nothing", "noevent", "nonevent", "nolabel", "unlabeled",
        "unlabelled", "interictal", "nonictal", "nonseizure", "noseizure", "noseiz", "noapnea",
        "noapnoea", "nospindle", "noartifact", "noartefact",
    )
)  # fmt: skip
"""Names that mean that nothing happens, in small letters without spaces, ``-`` and ``_``."""


@documented
@dataclass(frozen=True, kw_only=True)
class EventRules(Settings):
    """How the probabilities of a recording's windows become events; all times are in seconds.

    The rules apply in the order of their names here. ``str()`` gives them in plain words; docs/
    events.md shows each by an example.
    """

    smoothing: float = setting(
        0.0,
        help="Each moment's probability becomes the mean over so many seconds around it; 0: none.",
        least=0, group=_GROUP, metavar="S",
    )  # fmt: skip
    on: float | None = setting(
        None,
        help="Probability from which on an event begins; without it the model's decision, or `off` "
        "where that is higher.",
        least=0, most=1, group=_GROUP, metavar="P",
    )  # fmt: skip
    off: float | None = setting(
        None,
        help="Probability below which an event ends, at most `on`; without it the model's "
        "decision, or `on` where that is lower.",
        least=0, most=1, group=_GROUP, metavar="P",
    )  # fmt: skip
    merge_gap: float = setting(
        0.0,
        help="Events of one label with fewer seconds between them become one.",
        least=0, group=_GROUP, metavar="S",
    )  # fmt: skip
    min_duration: float = setting(
        0.0,
        help="Shorter events are left out, in seconds.",
        least=0, group=_GROUP, metavar="S",
    )  # fmt: skip
    refractory: float = setting(
        0.0,
        help="Seconds after an event in which no other of its label begins; one that would is left "
        "out.",
        least=0, group=_GROUP, metavar="S",
    )  # fmt: skip
    background: str | None = setting(
        None,
        help="The label that makes no events, such as bckg; an empty text: all labels make events. "
        "Without it, it is the one label with a name such as background, bckg, rest, normal, none "
        "or interictal.",
        group=_GROUP, metavar="LABEL",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on is not None and self.off is not None and self.off > self.on:
            raise ConfigError(f"off must be at most on, got {self.off:g} and {self.on:g}.")

    def changed(self, **changes: Any) -> EventRules:
        """The same rules with some of them changed.

        Where `on` or `off` is changed alone and would contradict the other, the other takes its
        value: then an event begins and ends at one probability.

        Raises
        ------
        ConfigError
            If there is no such rule, or its value cannot be.
        """
        known = [one.name for one in settings_of(EventRules)]
        for name in changes:
            if name not in known:
                raise ConfigError(
                    f"There is no rule {name!r} for events.{near_word(name, known)} Rules are "
                    f"{', '.join(known)}."
                )
        on, off = changes.get("on"), changes.get("off")
        if isinstance(on, int | float) and "off" not in changes and self.off is not None:
            changes["off"] = min(self.off, on)
        if isinstance(off, int | float) and "on" not in changes and self.on is not None:
            changes["on"] = max(self.on, off)
        return replace(self, **changes)

    def background_among(self, label_names: Sequence[str]) -> str | None:
        """The label that makes no events; None: all do.

        Raises
        ------
        ConfigError
            If :attr:`background` is none of the labels.
        """
        if self.background is None:
            return background_of(label_names)
        if self.background and self.background not in label_names:
            raise ConfigError(
                f"background {self.background!r} is none of the labels "
                f"{listed(label_names)}.{near_word(self.background, list(label_names))} Give one "
                "of these, or an empty text: then all labels make events."
            )
        return self.background or None

    def to_dict(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; rules that are not given are left out."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EventRules:
        """The inverse of :meth:`to_dict`; what is none raises ``ConfigError``."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"rules for events must be names with values, got {values!r}.")
        return cls().changed(**values)

    def __str__(self) -> str:
        begins = "where the model decides for it" if self.on is None else f"from p ≥ {self.on:g} on"
        ends = (
            "where it no longer does" if self.on is None and self.off is None
            else "where the model no longer decides for it and p is below that"
            if self.off is None else f"below p = {self.off:g}"
        )  # fmt: skip
        if self.on is None and self.off is not None:
            begins += f" and p ≥ {self.off:g}"
        parts = [f"an event begins {begins} and ends {ends}"]
        if self.smoothing:
            parts.insert(0, f"probabilities are means over {self.smoothing:g} s")
        if self.merge_gap:
            parts.append(f"gaps below {self.merge_gap:g} s are closed")
        if self.min_duration:
            parts.append(f"events shorter than {self.min_duration:g} s are left out")
        if self.refractory:
            parts.append(f"none begins within {self.refractory:g} s of the last one's end")
        if self.background:
            parts.append(f"{self.background} makes no events")
        elif self.background == "":
            parts.append("all labels make events")
        return "; ".join(parts)


def background_of(label_names: Sequence[str]) -> str | None:
    """The one label whose name says that nothing happens, such as ``"bckg"`` or ``"rest"``.

    None where no name says so, or several do.
    """
    found = [name for name in label_names if plain_name(name) in _BACKGROUNDS]
    return found[0] if len(found) == 1 and len(label_names) > 1 else None


def plain_name(name: str) -> str:
    """A label without case, spaces, hyphens and underscores."""
    return "".join(letter for letter in name.casefold() if letter not in " -_")
