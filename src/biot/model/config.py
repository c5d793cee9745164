"""What a BIOT model is built from: signal parameters, activations and their JSON form."""

from __future__ import annotations

import functools
import inspect
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from biot.errors import ConfigError

__all__ = [
    "accepted_by",
    "activation_from_name",
    "activation_name",
    "chs_info_from_json",
    "integer",
    "is_same_setting",
    "modern_names",
    "own_to_json",
    "parameters_of",
    "remembering",
    "require_booleans",
    "require_integers",
    "require_positive",
    "require_probabilities",
    "to_json",
    "token_lengths",
    "usable_hop",
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


def is_same_setting(value: Any, as_json: Any) -> bool:
    """Whether a setting, as a caller gives it or as JSON holds it, is the one in a config."""
    known = isinstance(value, str) and value in _ACTIVATIONS
    activation = _ACTIVATIONS[value] if known else value
    is_class = isinstance(activation, type)
    return bool((activation_name(activation) if is_class else to_json(value)) == as_json)


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


def parameters_of(function: Callable[..., Any]) -> set[str]:
    """Names of the parameters of a constructor or method, without ``self``, ``*`` and ``**``."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def remembering(init: Callable[..., None], base: type) -> Callable[..., None]:
    """A subclass's constructor that keeps what `base` has no parameter for in `_own_settings`."""
    known = parameters_of(vars(base)["__init__"]) | set(EARLIER_NAMES)

    @functools.wraps(init)
    def remembering_init(self: Any, *arguments: Any, **keywords: Any) -> None:
        if "_own_settings" not in vars(self):  # the class of the object, not one between
            object.__setattr__(self, "_own_settings", own(self, *arguments, **keywords))
        init(self, *arguments, **keywords)

    def own(*arguments: Any, **keywords: Any) -> dict[str, Any]:
        try:
            bound = inspect.signature(init).bind(*arguments, **keywords)
        except TypeError:  # the constructor itself says what is wrong
            return {}
        bound.apply_defaults()
        given: dict[str, Any] = {}
        for parameter in list(bound.signature.parameters.values())[1:]:
            value = bound.arguments[parameter.name]
            if parameter.kind is parameter.VAR_KEYWORD:
                given |= value
            elif parameter.kind is parameter.VAR_POSITIONAL:
                continue
            elif value is not parameter.default or _is_json(value):
                given[parameter.name] = value
        return {name: value for name, value in given.items() if name not in known}

    return remembering_init


def accepted_by(cls: type) -> set[str]:
    """Names of the settings that a class can be made with, its parents' where it passes them on."""
    accepted: set[str] = set()
    for kind in cls.__mro__:
        if "__init__" in vars(kind):
            init = vars(kind)["__init__"]
            accepted |= parameters_of(init)
            kinds = {p.kind for p in inspect.signature(init).parameters.values()}
            if inspect.Parameter.VAR_KEYWORD not in kinds:
                break
    return accepted


def own_to_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A subclass's settings as JSON holds them.

    Raises
    ------
    ConfigError
        If JSON cannot hold one of them.
    """
    for name, value in settings.items():
        if not _is_json(value):
            raise ConfigError(
                f"The setting {name}={_short(value)} cannot be saved: JSON holds numbers, text, "
                "lists and dictionaries. Give the class settings of these kinds, and make the "
                "rest in its constructor."
            )
    return {name: to_json(value) for name, value in settings.items()}


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value.item() if isinstance(value, np.generic) else value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def token_lengths(
    n_fft: int | None, hop_length: int | None, *, sfreq: float, shortest: int
) -> tuple[int, int]:
    """Samples of a fresh model's token and between two of them, where a config leaves them open.

    A token is a second long, or as long as the shortest window if that is less; the next one starts
    half a token later, but at most a second.

    Raises
    ------
    ConfigError
        If tokens lie more than a second apart.
    """
    n_fft = n_fft or max(1, min(int(sfreq), shortest))
    hop_length = hop_length or max(1, min(n_fft // 2, int(sfreq)))
    if hop_length > sfreq:
        raise ConfigError(
            f"hop_length={hop_length} is longer than a second of {sfreq:g} samples. "
            "Choose a shorter one."
        )
    return n_fft, hop_length


def usable_hop(hop_length: int, sfreq: float) -> int:
    """The hop of a model: half a second, with a warning, where more than a second was given."""
    if hop_length <= sfreq:
        return hop_length
    usable = max(1, int(sfreq) // 2)
    warnings.warn(
        f"hop_length={hop_length} is longer than a second ({sfreq:g} samples); "
        f"{usable} is used, as in the reference.",
        UserWarning,
        stacklevel=3,
    )
    return usable
