"""What a BIOT model is built from: signal parameters, activations and their JSON form."""

from __future__ import annotations

import inspect
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from biot.errors import ConfigError

__all__ = [
    "activation_from_name",
    "activation_name",
    "chs_info_from_json",
    "integer",
    "modern_names",
    "own_parameters",
    "own_settings",
    "require_booleans",
    "require_integers",
    "require_positive",
    "require_probabilities",
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


def own_parameters(cls: Any) -> dict[str, inspect.Parameter]:
    """Named parameters of the constructor that a class defines itself."""
    if "__init__" not in vars(cls):
        return {}
    parameters = inspect.signature(cls.__init__).parameters
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {
        name: parameter
        for name, parameter in list(parameters.items())[1:]
        if parameter.kind not in kinds
    }


def own_settings(
    cls: Any, base: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """What a subclass is made with beyond the settings of `base`, as far as JSON holds it."""
    known = own_parameters(base)
    added = {name for name in own_parameters(cls) if name not in known}
    if not added:
        return {}
    try:
        bound = inspect.signature(cls).bind(*arguments, **keywords)
    except TypeError:  # the constructor itself will say what is wrong
        return {}
    bound.apply_defaults()
    return {name: bound.arguments[name] for name in added if _is_json(bound.arguments[name])}


def _is_json(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False
