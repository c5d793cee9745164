"""Opening a model: everything in the file finds its place, or an error says what does not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from biot.errors import BiotError, CheckpointError, ConfigError
from biot.model import hub
from biot.model.checkpoint import LoadReport, is_known_unused, our_name, read_tensors

if TYPE_CHECKING:
    from biot.model.biot import BIOT

__all__ = ["from_pretrained"]

NewChannels = Literal["error", "init"]
DEFAULTS: dict[str, Any] = {"num_heads": 8, "hop_length": 100, "sfreq": 200}
"""Settings of the published models that a file of bare weights does not say."""
DEFAULT_SECONDS = 10
EXCLUSIVE = (("n_times", "input_window_seconds"), ("n_chans", "chs_info"))
"""Settings that say the same thing: one that is given replaces the file's others."""


def from_pretrained(
    cls: type[BIOT],
    source: str | Path,
    *,
    n_outputs: int | None = None,
    channels: Sequence[str] | None = None,
    new_channels: NewChannels = "error",
    map_location: str | torch.device = "cpu",
    download: hub.Download | None = None,
    **config: Any,
) -> BIOT:
    """Open a model; see :meth:`biot.BIOT.from_pretrained`."""
    if new_channels not in ("error", "init"):
        raise ConfigError(f"new_channels must be 'error' or 'init', got {new_channels!r}.")
    config_path, weights_path = hub.locate(source, download or hub.Download())
    saved = {} if config_path is None else read_config(config_path)
    entries = _by_our_names(weights_path, read_tensors(weights_path))
    settings, assumed = _complete_config(weights_path, saved, entries, config)
    names = hub.PUBLISHED_CHANNELS.get(str(source))
    if names is not None and settings.get("channels") is None and not settings.get("chs_info"):
        settings["channels"] = list(names)
    head = _head_outputs(entries)
    wanted = n_outputs if n_outputs is not None else head
    if wanted is None:
        raise CheckpointError(f"{weights_path}: holds no head; give n_outputs for a fresh one.")
    try:
        model = cls.from_config({**settings, "n_outputs": head or wanted})
    except BiotError as error:
        raise CheckpointError(f"{config_path or weights_path}: {error}") from error
    report = _load(model, entries, str(source), assumed, fresh_head=head is None)
    if channels is not None:
        report = _with_channels(report, model, channels, new_channels)
    if head is None or wanted != head:
        model.reset_head(wanted)
        report = _with_fresh_head(report, model)
    model.load_report = report
    return model.to(map_location).eval()


def read_config(path: Path) -> dict[str, Any]:
    """A ``config.json`` as a dictionary."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a readable JSON file ({error}).") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: expected an object, found {type(config).__name__}.")
    return config


def _by_our_names(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    entries: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        ours = our_name(name)
        if ours in entries:
            raise CheckpointError(f"{path}: {name} stands for {ours}, which is there already.")
        entries[ours] = tensor
    return entries


def _head_outputs(entries: Mapping[str, Tensor]) -> int | None:
    weight = entries.get("final_layer.classification_head.weight")
    return None if weight is None or weight.ndim != 2 else weight.shape[0]


def _complete_config(
    path: Path, saved: Mapping[str, Any], entries: Mapping[str, Tensor], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Constructor arguments for a file, and which of them are assumed.

    What the weights' shapes say must agree with the configuration before anything is built, so
    that a configuration cannot ask for more memory than the file holds.
    """
    shapes = _sizes(path, entries)
    replaced = {name for group in EXCLUSIVE for name in group if set(group) & set(given)}
    settings = {name: value for name, value in saved.items() if name not in replaced}
    settings.update(given)
    for name, size in shapes.items():
        stated = settings.get(name)
        if stated is not None and stated != size:
            raise CheckpointError(
                f"{path}: the weights say {name}={size}, the configuration says {stated!r}."
            )
    if settings.get("n_chans") is None and settings.get("chs_info") is None:
        settings["n_chans"] = shapes["n_chans"]
    settings.update(embed_dim=shapes["embed_dim"], num_layers=shapes["num_layers"])
    assumed: dict[str, Any] = {
        name: value for name, value in DEFAULTS.items() if name not in settings
    }
    settings.update(assumed)
    if settings.get("n_times") is None and settings.get("input_window_seconds") is None:
        if not isinstance(settings["sfreq"], (int, float)):
            raise ConfigError(f"{path}: sfreq must be a number, got {settings['sfreq']!r}.")
        assumed["n_times"] = settings["n_times"] = round(DEFAULT_SECONDS * settings["sfreq"])
    return settings, {name: str(value) for name, value in assumed.items()}


def _sizes(path: Path, entries: Mapping[str, Tensor]) -> dict[str, int]:
    """What the shapes of the weights say about the model."""
    sizes: dict[str, int] = {}
    for name, label in (
        ("encoder.patch_embedding.projection.weight", "embed_dim"),
        ("encoder.channel_tokens.weight", "n_chans"),
    ):
        if name not in entries or entries[name].ndim != 2:
            raise CheckpointError(
                f"{path}: no {name} of two dimensions among its {len(entries)} entries; "
                f"not a BIOT model. It holds {', '.join(sorted(entries)[:5])} …"
            )
        sizes[label] = entries[name].shape[0]
    layers = {
        int(name.split(".")[3])
        for name in entries
        if name.startswith("encoder.transformer.layers.") and name.split(".")[3].isdecimal()
    }
    sizes["num_layers"] = len(layers)
    return sizes


def _load(
    model: BIOT,
    entries: Mapping[str, Tensor],
    source: str,
    assumed: dict[str, str],
    *,
    fresh_head: bool,
) -> LoadReport:
    parameters = dict(model.named_parameters())
    matched, missing, unexpected, unused = {}, {}, {}, {}
    for name, tensor in entries.items():
        shape = str(tuple(tensor.shape))
        if name in parameters and parameters[name].shape == tensor.shape:
            matched[name] = shape
        elif name in parameters:
            unexpected[name] = f"{shape}, the model has {tuple(parameters[name].shape)}"
        elif is_known_unused(name):
            unused[name] = shape
        else:
            unexpected[name] = shape
    for name, parameter in parameters.items():
        if name not in matched and not (fresh_head and name.startswith("final_layer.")):
            missing[name] = str(tuple(parameter.shape))
    report = LoadReport(
        source,
        matched=matched,
        missing=missing,
        unexpected=unexpected,
        unused=unused,
        assumed=assumed,
    )
    report.require_complete()
    model.to(entries[next(iter(matched))].dtype)
    with torch.no_grad():
        for name in matched:
            parameters[name].copy_(entries[name])
    return report


def _with_channels(
    report: LoadReport, model: BIOT, channels: Sequence[str], new_channels: NewChannels
) -> LoadReport:
    table = "encoder.channel_tokens.weight"
    before = tuple(model.encoder.channel_tokens.weight.shape)
    if model.channels is None and len(channels) == model.n_chans:
        model.name_channels(channels)
        return replace(report, assumed={**report.assumed, "channels": ", ".join(channels)})
    fresh = model.pick_channels(channels, new_channels=new_channels)
    after = tuple(model.encoder.channel_tokens.weight.shape)
    text = f"{before} → {after}, rows picked by name" + (
        f", fresh: {', '.join(fresh)}" * bool(fresh)
    )
    return _as_adapted(report, {table: text})


def _with_fresh_head(report: LoadReport, model: BIOT) -> LoadReport:
    return _as_adapted(
        report,
        {
            f"final_layer.{name}": f"{tuple(parameter.shape)}, fresh"
            for name, parameter in model.final_layer.named_parameters()
        },
    )


def _as_adapted(report: LoadReport, adapted: Mapping[str, str]) -> LoadReport:
    matched = {name: text for name, text in report.matched.items() if name not in adapted}
    return replace(report, matched=matched, adapted={**report.adapted, **adapted})
