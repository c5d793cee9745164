"""What a BIOT model is built from: signal parameters, activations and their JSON form."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from biot.contract import Preprocessing, difference
from biot.errors import ChannelError, ConfigError, ContractError
from biot.signals.channels import canonical

__all__ = [
    "BIOTConfig",
    "Signal",
    "activation_from_name",
    "activation_name",
    "chs_info_from_json",
    "distinct_names",
    "integer",
    "modern_names",
    "require_booleans",
    "require_integers",
    "require_positive",
    "require_probabilities",
    "resolve_signal",
    "to_json",
    "warn_no_effect",
]

LARGEST = 2**30
"""No number of a model is larger; the limit keeps arithmetic on a hostile file's finite."""
ChsInfo = Sequence[Mapping[str, Any]]
EARLIER_NAMES = {
    "emb_size": "embed_dim",
    "att_num_heads": "num_heads",
    "n_layers": "num_layers",
}
"""Keywords of braindecode's first releases of BIOT and what they are called now."""
NO_EFFECT = {"max_seq_len": 1024, "att_drop_prob": 0.2}
"""Parameters that do nothing in the reference either, and their defaults."""


OTHER_SHAPES: dict[Any, str] = {
    nn.GLU: "halves the features",
    nn.Softmax2d: "is for images",
}
"""Activations of torch.nn that no head can use, and why."""


def _classes_of(module: Any) -> list[type[nn.Module]]:
    return [getattr(module, name) for name in module.__all__]


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    f"{module}.{activation.__name__}": activation
    for activation in (*_classes_of(nn.modules.activation), nn.Identity)
    for module in ("torch.nn", activation.__module__)
}


def integer(name: str, value: Any, *, at_least: int = 1) -> int:
    """`value` as an int, or :class:`ConfigError` unless it is one of at least `at_least`."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or not at_least <= value <= LARGEST:
        limit = " and at most 2**30" if is_integer and value > LARGEST else ""
        raise ConfigError(
            f"{name} must be an integer of at least {at_least}{limit}, got {_short(value)}."
        )
    return int(value)


def require_positive(name: str, value: Any) -> None:
    """Raise :class:`ConfigError` unless `value` is a number above 0 (between 1e-9 and 1e9)."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not 1 / LARGEST <= value <= LARGEST:
        raise ConfigError(f"{name} must be a number above 0, got {_short(value)}.")


def _short(value: Any) -> str:
    """The value for a message; a hostile file's may have a million digits."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"one of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def require_integers(at_least: int = 1, **values: Any) -> None:
    """Raise :class:`ConfigError` unless every value is an integer of at least `at_least`."""
    for name, value in values.items():
        integer(name, value, at_least=at_least)


def require_booleans(**values: Any) -> None:
    """Raise :class:`ConfigError` unless every value is True or False."""
    for name, value in values.items():
        if not isinstance(value, (bool, np.bool_)):
            raise ConfigError(f"{name} must be True or False, got {_short(value)}.")


def require_probabilities(**values: Any) -> None:
    """Raise :class:`ConfigError` unless every value lies in [0, 1)."""
    for name, value in values.items():
        is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < 1:
            raise ConfigError(f"{name} must lie in [0, 1), got {_short(value)}.")


def modern_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Rename keywords of earlier releases, with a ``FutureWarning``; others raise ``TypeError``."""
    renamed: dict[str, Any] = {}
    for name, value in given.items():
        if name not in EARLIER_NAMES:
            raise TypeError(f"BIOT() got an unexpected keyword argument {name!r}")
        warnings.warn(
            f"{name} is the earlier name of {EARLIER_NAMES[name]}; use that.",
            FutureWarning,
            stacklevel=3,
        )
        renamed[EARLIER_NAMES[name]] = value
    return renamed


def warn_no_effect(given: Mapping[str, Any]) -> None:
    """Warn of parameters that do nothing and are not at their defaults."""
    for name, value in given.items():
        if value != NO_EFFECT[name]:
            warnings.warn(
                f"{name}={value!r} has no effect, as in the reference; leave it out.",
                UserWarning,
                stacklevel=3,
            )


def activation_name(activation: Any) -> str:
    """Dotted name of an activation of ``torch.nn``, as configs hold it.

    Raises
    ------
    ConfigError
        If it is not one of torch.nn's: no config may name code that is not torch's own.
    """
    if activation not in _ACTIVATIONS.values():
        raise ConfigError(
            f"activation {activation!r} cannot be saved: a config holds activations of torch.nn "
            "only, such as torch.nn.ELU."
        )
    return f"{activation.__module__}.{activation.__qualname__}"


def activation_from_name(name: Any) -> type[nn.Module]:
    """The activation that a config names; looked up in a table, never imported.

    Raises
    ------
    ConfigError
        If the name is not that of an activation of torch.nn.
    """
    if isinstance(name, type) and name in _ACTIVATIONS.values():
        return name
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise ConfigError(
            f"activation {_short(name)} is not an activation of torch.nn, such as 'torch.nn.ELU'. "
            "Nothing else that a config names is loaded."
        )
    return _ACTIVATIONS[name]


def to_json(value: Any) -> Any:
    """A setting as JSON holds it: plain numbers, lists for arrays, null for NaN."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    raise ConfigError(f"A config cannot hold a {type(value).__name__}: {_short(value)}.")


def chs_info_from_json(chs_info: Any) -> list[dict[str, Any]] | None:
    """Channel descriptions from JSON: positions are arrays again, null is NaN."""
    if chs_info is None:
        return None
    if not isinstance(chs_info, (list, tuple)) or not all(isinstance(c, Mapping) for c in chs_info):
        raise ConfigError("chs_info must be a list with one description (a mapping) a channel.")
    restored = [dict(info) for info in chs_info]
    for info in restored:
        if isinstance(info.get("loc"), (list, tuple)):
            try:
                info["loc"] = np.array(info["loc"], dtype=float)  # None becomes NaN
            except (TypeError, ValueError) as error:
                raise ConfigError(
                    f"chs_info: loc of {info.get('ch_name')!r} must hold numbers."
                ) from error
    return restored


@dataclass(frozen=True, kw_only=True)
class Signal:
    """The signal parameters of a model, complete and free of contradictions."""

    n_chans: int
    n_times: int
    sfreq: float
    input_window_seconds: float
    channels: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class BIOTConfig(Signal):
    """All that the files of a model need to know of it."""

    n_outputs: int
    n_fft: int
    hop_length: int
    arguments: Mapping[str, Any]
    """Every argument of the constructor, as JSON holds it."""

    def require_fit(self, preprocessing: Preprocessing, *, labelled: bool = False) -> None:
        """Refuse a contract that this model cannot have been trained under.

        Compared are the sampling rate, the window, the channels and, where they are named, the
        outputs. The hop belongs to the model alone.

        Parameters
        ----------
        preprocessing
            What was done to the samples that the model takes.
        labelled
            Whether the outputs must have names.

        Raises
        ------
        ContractError
            If one of them differs.
        """
        labels = preprocessing.label_names
        if labelled and not labels:
            raise ContractError(
                "The model's preprocessing.json names no classes, so it cannot predict any. "
                "Fine-tune it on a labelled corpus first."
            )
        for what, has, needs in (
            ("outputs", self.n_outputs, self.n_outputs if labels is None else len(labels)),
            ("channels", self.n_chans, preprocessing.n_chans),
            ("samples a second", self.sfreq, preprocessing.sfreq),
            ("samples a window", self.n_times, preprocessing.n_times),
        ):
            if has != needs:
                raise ContractError(
                    f"Model and preprocessing.json differ: {has:g} and {needs:g} {what}. "
                    "They do not belong together."
                )
        if self.channels is not None and self.channels != preprocessing.ch_names:
            how = difference("ch_names", preprocessing.ch_names, self.channels)
            raise ContractError(
                f"Model and preprocessing.json differ: {how}. They do not belong together."
            )


def resolve_signal(
    *,
    n_chans: int | None,
    chs_info: ChsInfo | None,
    channels: Sequence[str] | None,
    n_times: int | None,
    input_window_seconds: float | None,
    sfreq: float | None,
) -> Signal:
    """Infer what was not given from what was.

    Raises
    ------
    ConfigError
        If something is missing or two parameters contradict each other.
    """
    names = _vocabulary(channels, chs_info)
    counts = {
        "n_chans": n_chans,
        "chs_info": None if chs_info is None else len(chs_info),
        "channels": None if channels is None else len(channels),
    }
    given = {key: count for key, count in counts.items() if count is not None}
    if not given:
        raise ConfigError("n_chans is missing: give n_chans, chs_info or channels.")
    if len(set(given.values())) > 1:
        listed = ", ".join(f"{key} says {count}" for key, count in given.items())
        raise ConfigError(f"The number of channels is contradictory: {listed}.")
    resolved_n_chans = integer("n_chans", next(iter(given.values())), at_least=1)
    times, seconds, rate = _resolve_time(n_times, input_window_seconds, sfreq)
    return Signal(
        n_chans=resolved_n_chans,
        n_times=times,
        sfreq=rate,
        input_window_seconds=seconds,
        channels=names,
    )


def _resolve_time(
    n_times: int | None, seconds: float | None, sfreq: float | None
) -> tuple[int, float, float]:
    for name, value in (("input_window_seconds", seconds), ("sfreq", sfreq)):
        if value is not None:
            require_positive(name, value)
    if n_times is not None:
        n_times = integer("n_times", n_times, at_least=1)
    if n_times is None and (seconds is None or sfreq is None):
        raise ConfigError(
            "n_times is missing: give n_times, or input_window_seconds together with sfreq."
        )
    if sfreq is None:
        if seconds is None or n_times is None:
            raise ConfigError(
                "sfreq is missing: give sfreq, or n_times together with input_window_seconds."
            )
        sfreq = n_times / seconds
    if seconds is None:
        assert n_times is not None
        seconds = n_times / sfreq
    if n_times is None:
        n_times = integer("n_times", round(seconds * sfreq), at_least=1)
    if n_times != round(seconds * sfreq):
        raise ConfigError(
            f"n_times={n_times} contradicts input_window_seconds={seconds:g} × sfreq={sfreq:g} "
            f"= {round(seconds * sfreq)}. Leave one of the three out."
        )
    return n_times, float(seconds), sfreq


def _vocabulary(channels: Sequence[str] | None, chs_info: ChsInfo | None) -> tuple[str, ...] | None:
    described = None
    if chs_info is not None and all(info.get("ch_name") for info in chs_info):
        described = tuple(str(info["ch_name"]) for info in chs_info)
    names = described if channels is None else channels
    if names is None:
        return None
    names = distinct_names(names)
    for name, other in zip(names, described or names, strict=False):
        if canonical(name) != canonical(other):
            raise ConfigError(
                f"channels says {name!r} where chs_info says {other!r}; they must agree. "
                "Leave one of the two out."
            )
    return names


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple.

    Raises
    ------
    ConfigError
        If they are one string, whose letters would pass for names.
    ChannelError
        If two of them mean the same channel, such as T3 and T7.
    """
    if isinstance(names, str):
        raise ConfigError(f"channels must be a list of names, got the string {names!r}.")
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ChannelError(f"A channel name must be a non-empty string, got {name!r}.")
        key = canonical(name)
        if key in seen:
            raise ChannelError(
                f"channels holds {seen[key]!r} and {name!r}, which are one channel; "
                "a vocabulary needs distinct names."
            )
        seen[key] = str(name)
    return tuple(seen.values())
