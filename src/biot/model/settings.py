"""What a file says about a model, what its reader says, and what neither does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from biot.errors import CheckpointError, ConfigError
from biot.model import config as cfg
from biot.model.spectra import PUBLISHED, form_of

__all__ = ["complete_settings", "head_outputs", "require_known"]

DEFAULTS: dict[str, Any] = {
    "num_heads": 8,
    "hop_length": 100,
    "sfreq": 200,
    "activation": "torch.nn.ELU",
    "drop_prob": 0.5,
    "att_layer_drop_prob": 0.2,
}
"""Settings of the published models that a file of bare weights does not say."""
DEFAULT_SECONDS = 10
MOST_LAYERS = 1000
"""Layers of a model: to make more takes minutes, and no model has as many."""
TIMES = ("n_times", "input_window_seconds")
HEAD = "final_layer."


def require_known(cls: Any, given: Mapping[str, Any]) -> None:
    """Raise :class:`ConfigError` unless every keyword of a caller is a setting of the model."""
    known = cfg.accepted_by(cls)
    unknown = sorted(set(given) - known - set(cfg.EARLIER_NAMES))
    if unknown:
        raise ConfigError(
            f"from_pretrained() knows no {', '.join(unknown)}. The settings of a model are "
            f"{', '.join(sorted(known))}."
        )


def complete_settings(
    path: Path,
    saved: Mapping[str, Any],
    entries: Mapping[str, Tensor],
    given: Mapping[str, Any],
    *,
    strict: bool = True,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Constructor arguments for a file, and which of them are assumed.

    Parameters
    ----------
    path
        The file of weights, for messages.
    saved
        Its configuration; empty for a file of bare weights.
    entries
        The weights under our names. What their shapes say must agree with the rest.
    given
        The caller's settings, which win over `saved`; a length of None is not said.
    strict
        Whether weights must say what the settings say; else the settings win.

    Raises
    ------
    CheckpointError
        If the file is of another model, or the settings contradict its weights.
    """
    given = {name: value for name, value in given.items() if value is not None or name not in TIMES}
    sizes = _sizes(path, entries, strict=strict)
    assumed: dict[str, Any] = {}
    earlier = {name: value for name, value in given.items() if name in cfg.EARLIER_NAMES}
    settings = {cfg.EARLIER_NAMES.get(name, name): value for name, value in saved.items()}
    settings |= {name: value for name, value in given.items() if name not in earlier}
    settings |= cfg.modern_names(earlier)
    for name, other in (TIMES, TIMES[::-1]):
        if name in given and other not in given:
            settings.pop(other, None)
    outputs = head_outputs(path, entries, strict=strict)
    if outputs is not None and settings.get("n_outputs") is not None:
        stated = cfg.integer("n_outputs", settings["n_outputs"])
        if stated != outputs:  # braindecode's reset_head leaves the config behind
            assumed["n_outputs"] = f"{outputs} as in the weights; the configuration says {stated}"
    if given.get("spectrum") != f"{form_of(entries)}+wave":  # else waves are to be added
        sizes |= _form(path, settings, entries, strict=strict)
    sizes = _agreeing(path, settings, sizes, strict=strict)
    if settings.get("n_chans") is None and settings.get("chs_info") is not None:
        sizes.pop("n_chans", None)  # said by the descriptions, whose number the model will check
    settings.update(sizes)
    is_timed = settings.get("n_times") is not None, settings.get("input_window_seconds") is not None
    for name, value in DEFAULTS.items():
        if name not in settings or (
            name == "sfreq" and settings[name] is None and not all(is_timed)
        ):
            settings[name] = assumed[name] = value
    if not any(is_timed):
        cfg.require_positive("sfreq", settings["sfreq"])
        settings["n_times"] = assumed["n_times"] = round(DEFAULT_SECONDS * settings["sfreq"])
    return settings, {name: str(value) for name, value in assumed.items()}


def _form(
    path: Path, settings: Mapping[str, Any], entries: Mapping[str, Tensor], *, strict: bool
) -> dict[str, Any]:
    """The form of token that the weights are for, where it is not the published one."""
    form, said = form_of(entries), settings.get("spectrum")
    is_stated = said is not None
    if strict and is_stated and said != form:
        raise CheckpointError(
            f"{path}: the weights are for spectrum={form!r}, the settings say spectrum={said!r}. "
            "Weights of one form mean nothing in the other; only '+wave' can be added to a form. "
            "Leave that setting out, or train from scratch."
        )
    return {} if form == PUBLISHED or is_stated else {"spectrum": form}


def _agreeing(
    path: Path, settings: Mapping[str, Any], sizes: dict[str, int], *, strict: bool
) -> dict[str, int]:
    """The sizes that hold: those of the weights, which the settings must not contradict."""
    if not strict:
        layers = settings.get("num_layers")
        if layers is not None and cfg.integer("num_layers", layers, at_least=0) > MOST_LAYERS:
            raise CheckpointError(f"{path}: num_layers={layers} is more than {MOST_LAYERS}.")
        return {name: size for name, size in sizes.items() if settings.get(name) is None}
    for name, size in sizes.items():
        if settings.get(name) is not None and settings[name] != size:
            raise CheckpointError(
                f"{path}: the weights say {name}={size}, the settings say {settings[name]!r}."
                + " channels= takes other channels." * (name == "n_chans")
            )
    return sizes


def head_outputs(path: Path, entries: Mapping[str, Tensor], *, strict: bool = True) -> int | None:
    """Outputs of the head in a file; None if it has no head, or none of ours and not `strict`."""
    if not any(name.startswith(HEAD) for name in entries):
        return None
    weight = entries.get(f"{HEAD}classification_head.weight")
    if weight is None or weight.ndim != 2 or weight.numel() == 0:
        if not strict:
            return None
        raise CheckpointError(
            f"{path}: holds a part of a head, but no {HEAD}classification_head.weight of two "
            "dimensions."
        )
    return weight.shape[0]


def _sizes(path: Path, entries: Mapping[str, Tensor], *, strict: bool) -> dict[str, int]:
    """What the shapes of the weights say about the model."""
    sizes: dict[str, int] = {}
    for name, label in (
        ("encoder.patch_embedding.projection.weight", "embed_dim"),
        ("encoder.channel_tokens.weight", "n_chans"),
    ):
        if name not in entries or entries[name].ndim != 2 or entries[name].numel() == 0:
            if not strict:
                continue
            raise CheckpointError(
                f"{path}: no {name} of two dimensions among its {len(entries)} entries; "
                f"not a BIOT model. It holds {', '.join(sorted(entries)[:5])} …"
            )
        sizes[label] = entries[name].shape[0]
    layers = {
        int(name.split(".")[4])
        for name in entries
        if name.startswith("encoder.transformer.layers.layers.") and name.split(".")[4].isdecimal()
    }
    if len(layers) > MOST_LAYERS:
        raise CheckpointError(
            f"{path}: its names are of {len(layers)} layers, more than {MOST_LAYERS}."
        )
    sizes["num_layers"] = len(layers)
    return sizes
