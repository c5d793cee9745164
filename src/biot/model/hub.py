"""Models in and out of folders, files and the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from biot.errors import BiotError, CheckpointError, ConfigError
from biot.model.checkpoint import (
    LoadReport,
    is_known_unused,
    our_name,
    published_name,
    read_tensors,
)
from biot.model.encoder import sinusoidal_positions

if TYPE_CHECKING:
    from biot.model.biot import BIOT

__all__ = ["from_pretrained", "save_pretrained"]

CONFIG_NAME = "config.json"
WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")
DEFAULTS: dict[str, Any] = {"num_heads": 8, "hop_length": 100, "sfreq": 200}
"""Settings of the published models that a file of bare weights does not say."""
DEFAULT_SECONDS = 10
PUBLISHED_POSITIONS = 1000


def from_pretrained(
    cls: type[BIOT], source: str | Path, *, n_outputs: int | None = None, **config: Any
) -> BIOT:
    """Open a model from a folder or a file; everything loads, or an error says what does not.

    Parameters
    ----------
    cls
        The class to build.
    source
        A folder with ``config.json`` and ``model.safetensors`` (or ``pytorch_model.bin``), as we
        and braindecode write, or a checkpoint of the BIOT authors (``.ckpt``).
    n_outputs
        Outputs of the head. Another number than the file's, or a file without a head, gives a
        fresh head.
    **config
        Settings that win over the file's and over the published defaults.

    Returns
    -------
    BIOT
        In evaluation mode, with ``load_report``.

    Raises
    ------
    CheckpointError
        If a file is damaged, or anything is missing or left over.
    """
    config_path, weights_path = locate(Path(source))
    saved = {} if config_path is None else read_config(config_path)
    tensors = read_tensors(weights_path)
    entries = _by_our_names(weights_path, tensors)
    settings, assumed = complete_config(weights_path, saved, entries, config)
    head = _head_outputs(entries)
    wanted = n_outputs if n_outputs is not None else head
    if wanted is None:
        raise CheckpointError(f"{weights_path}: holds no head; give n_outputs for a fresh one.")
    try:
        model = cls.from_config({**settings, "n_outputs": head or wanted})
    except BiotError as error:
        raise CheckpointError(f"{config_path or weights_path}: {error}") from error
    fresh_head = head is None
    report = _load(model, entries, source=str(source), assumed=assumed, fresh_head=fresh_head)
    if wanted != model.n_outputs:
        model.reset_head(wanted)
        fresh_head = True
    if fresh_head:
        report = _with_fresh_head(report, model)
    report.require_complete()
    model.load_report = report
    return model.eval()


def locate(source: Path) -> tuple[Path | None, Path]:
    """Configuration (if any) and weights of a folder or a file."""
    if source.is_file():
        beside = source.parent / CONFIG_NAME
        return (beside if source.name in WEIGHT_NAMES and beside.is_file() else None), source
    if not source.is_dir():
        raise CheckpointError(f"{source}: no such folder or file.")
    weights = next((source / name for name in WEIGHT_NAMES if (source / name).is_file()), None)
    if weights is None:
        raise CheckpointError(f"{source}: holds neither {' nor '.join(WEIGHT_NAMES)}.")
    config = source / CONFIG_NAME
    if not config.is_file():
        raise CheckpointError(f"{source}: holds no {CONFIG_NAME}; open {weights.name} itself.")
    return config, weights


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


def complete_config(
    path: Path, saved: Mapping[str, Any], entries: Mapping[str, Tensor], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Constructor arguments for a file, and which of them are assumed.

    What the weights' shapes say must agree with the configuration before anything is built, so
    that a configuration cannot ask for more memory than the file holds.
    """
    shapes = _sizes(path, entries)
    settings = {**saved, **given}
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
    *,
    source: str,
    assumed: dict[str, str],
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


def _with_fresh_head(report: LoadReport, model: BIOT) -> LoadReport:
    from dataclasses import replace

    head = {
        f"final_layer.{name}": f"{tuple(parameter.shape)}, fresh"
        for name, parameter in model.final_layer.named_parameters()
    }
    matched = {name: text for name, text in report.matched.items() if name not in head}
    return replace(report, matched=matched, adapted={**report.adapted, **head})


def save_pretrained(model: BIOT, folder: Path) -> Path:
    """Write a model as ``config.json`` and ``model.safetensors`` under the published names.

    Returns
    -------
    pathlib.Path
        The folder, made if it was not there.
    """
    from safetensors.torch import save_file

    config = json.dumps(model.get_config(), indent=2, allow_nan=False, ensure_ascii=False)
    tensors = {
        published_name(name): parameter.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
    }
    like = model.encoder.channel_tokens.weight.detach().cpu()
    positions = sinusoidal_positions(PUBLISHED_POSITIONS, model.embed_dim, like)
    tensors["encoder.positional_encoding.pe"] = positions.unsqueeze(0)
    folder.mkdir(parents=True, exist_ok=True)
    weights, settings = folder / WEIGHT_NAMES[0], folder / CONFIG_NAME
    partial = [path.with_name(f".{path.name}.partial") for path in (weights, settings)]
    try:
        save_file(tensors, partial[0], metadata={"format": "pt"})
        partial[1].write_text(config + "\n", encoding="utf-8")
        partial[0].replace(weights)
        partial[1].replace(settings)
    finally:
        for path in partial:
            path.unlink(missing_ok=True)
    return folder
