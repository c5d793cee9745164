"""What a BIOT model is built from: signal parameters, activations and their JSON form."""

from __future__ import annotations

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
    "chs_info_to_json",
    "integer",
    "modern_names",
    "require_integers",
    "require_positive",
    "require_probabilities",
]

ChsInfo = Sequence[Mapping[str, Any]]
EARLIER_NAMES = {
    "emb_size": "embed_dim",
    "att_num_heads": "num_heads",
    "n_layers": "num_layers",
}
"""Keywords of braindecode's first releases of BIOT and what they are called now."""


def integer(name: str, value: Any, *, at_least: int = 1) -> int:
    """`value` as an int, or :class:`ConfigError` unless it is one of at least `at_least`."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or value < at_least:
        raise ConfigError(f"{name} must be an integer of at least {at_least}, got {value!r}.")
    return int(value)


def require_positive(name: str, value: Any) -> None:
    """Raise :class:`ConfigError` unless `value` is a finite number above 0."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{name} must be a number above 0, got {value!r}.")


def require_integers(at_least: int = 1, **values: Any) -> None:
    """Raise :class:`ConfigError` unless every value is an integer of at least `at_least`."""
    for name, value in values.items():
        integer(name, value, at_least=at_least)


def require_probabilities(**values: Any) -> None:
    """Raise :class:`ConfigError` unless every value lies in [0, 1)."""
    for name, value in values.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 <= value < 1:
            raise ConfigError(f"{name} must lie in [0, 1), got {value!r}.")


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


def activation_name(activation: type[nn.Module]) -> str:
    """Dotted name of an activation of ``torch.nn``, as configs hold it.

    Raises
    ------
    ConfigError
        If it is not one of torch.nn's: no config may name code that is not torch's own.
    """
    if getattr(nn, activation.__name__, None) is not activation:
        raise ConfigError(
            f"activation {activation.__module__}.{activation.__qualname__} cannot be saved: "
            "a config holds activations of torch.nn only."
        )
    return f"{activation.__module__}.{activation.__qualname__}"


def activation_from_name(name: Any) -> type[nn.Module]:
    """The activation that a config names; looked up in ``torch.nn``, never imported.

    Raises
    ------
    ConfigError
        If the name is not that of an activation of torch.nn that needs no arguments.
    """
    if isinstance(name, type):
        name = activation_name(name)
    allowed = ("torch.nn.modules.activation.", "torch.nn.")
    prefix = next((p for p in allowed if isinstance(name, str) and name.startswith(p)), None)
    found = getattr(nn, name.removeprefix(prefix), None) if prefix else None
    if not isinstance(found, type) or found.__module__ != "torch.nn.modules.activation":
        raise ConfigError(
            f"activation {name!r} is not an activation of torch.nn, such as 'torch.nn.ELU'. "
            "Nothing else that a config names is loaded."
        )
    return found


def chs_info_to_json(chs_info: ChsInfo | None) -> list[dict[str, Any]] | None:
    """Channel descriptions, such as MNE's ``info["chs"]``, as JSON holds them: NaN becomes null."""
    if chs_info is None:
        return None
    return [{str(key): _to_json(value) for key, value in info.items()} for info in chs_info]


def _to_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    raise ConfigError(f"chs_info holds a {type(value).__name__}, which JSON cannot: {value!r}.")


def chs_info_from_json(chs_info: Any) -> list[dict[str, Any]] | None:
    """The inverse of :func:`chs_info_to_json`: positions are arrays again, null is NaN."""
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
