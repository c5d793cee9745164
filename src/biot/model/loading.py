"""Opening a model: everything in the file finds its place, or an error says what does not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from biot.errors import BiotError, CheckpointError, ConfigError
from biot.model import hub
from biot.model.config import integer
from biot.model.settings import HEAD, complete_settings, head_outputs, require_known
from biot.model.state_dict import LoadReport, is_known_unused, standard_name
from biot.model.weights import read_config, read_tensors

__all__ = ["NewChannels", "from_pretrained"]

NewChannels = Literal["error", "init"]
WRAPPERS = ("_orig_mod.", "module.", "model.", "net.")
"""What compiling, DDP, running means and Lightning modules put before each name."""


def from_pretrained(
    cls: Any,
    source: str | Path,
    *,
    n_outputs: int | None = None,
    channels: Sequence[str] | None = None,
    new_channels: NewChannels = "error",
    map_location: str | torch.device = "cpu",
    download: hub.Download | None = None,
    strict: bool = True,
    filename: str | None = None,
    **config: Any,
) -> Any:
    """Open a model; see :meth:`biot.BIOT.from_pretrained`."""
    if new_channels not in ("error", "init"):
        raise ConfigError(f"new_channels must be 'error' or 'init', got {new_channels!r}.")
    require_known(cls, config)
    if n_outputs is not None:
        integer("n_outputs", n_outputs)
    config_path, weights_path = hub.locate(source, download or hub.Download(), filename=filename)
    saved = {} if config_path is None else read_config(config_path)
    entries, wrapped = _by_standard_names(weights_path, read_tensors(weights_path))
    names = hub.PUBLISHED_CHANNELS.get(str(source))
    if names is not None and not saved.get("chs_info") and not saved.get("channels"):
        saved = {**saved, "channels": list(names)}
    try:
        settings, assumed = complete_settings(weights_path, saved, entries, config)
        head = head_outputs(weights_path, entries)
        wanted = head if n_outputs is None else n_outputs
        if wanted is None:
            raise CheckpointError(f"{weights_path}: holds no head; give n_outputs= for a new one.")
        # On the meta device nothing is allocated: a hostile configuration costs no memory.
        with torch.device("meta"):
            model = cls.from_config({**settings, "n_outputs": head or wanted})
    except CheckpointError:
        raise
    except (BiotError, RuntimeError) as error:  # PyTorch's, of sizes beyond its arithmetic
        raise CheckpointError(f"{config_path or weights_path}: {error}") from error
    assumed |= wrapped
    if names is not None and model.channels == names:
        assumed["channels"] = ", ".join(names)
    report = _load(model, entries, str(source), assumed, fresh_head=head is None, strict=strict)
    if channels is not None:
        report = _with_channels(report, model, channels, new_channels)
    if head is None or wanted != head:
        model.reset_head(wanted)
        report = _with_fresh_head(report, model)
    model.load_report = report
    return model.to(map_location).eval()


def _by_standard_names(
    path: Path, tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The weights under the model's names, and what wrapped these names, for the report."""
    tensors, wrapper = _unwrapped(tensors)
    entries: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        standard = standard_name(name)
        if standard in entries:
            raise CheckpointError(f"{path}: {name} stands for {standard}, which is there already.")
        entries[standard] = tensor
    said = {"prefix": f"{wrapper} before each name, which a wrapper put there"} if wrapper else {}
    return entries, said


def _unwrapped(tensors: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], str]:
    """Weights without the prefixes of DDP, compile, EMA or a Lightning module, and the prefixes."""
    wrapper = ""
    while True:
        tensors = {name: tensor for name, tensor in tensors.items() if name != "n_averaged"}
        first = next(iter(tensors), "")
        prefix = next((p for p in WRAPPERS if first.startswith(p)), "")
        is_known = any(standard_name(name) != name for name in tensors)
        if not prefix or is_known or not all(name.startswith(prefix) for name in tensors):
            return tensors, wrapper
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        wrapper += prefix


def _load(
    model: Any,
    entries: Mapping[str, Tensor],
    source: str,
    assumed: dict[str, str],
    *,
    fresh_head: bool,
    strict: bool,
) -> LoadReport:
    report = _compared(model, entries, source, assumed, fresh_head=fresh_head)
    if strict:
        report.require_complete()
    elif not report.complete:
        warnings.warn(
            f"{source}: {len(report.matched)} entries fit the model, {len(report.missing)} weights "
            f"are missing and stay as drawn, {len(report.unexpected)} entries have no place: see "
            "load_report.",
            UserWarning,
            stacklevel=4,
        )
    dtype = next((entries[name].dtype for name in report.matched), torch.float32)
    model.to(dtype).to_empty(device="cpu")
    fresh = type(model).from_config(model.get_config()).state_dict() if report.missing else {}
    with torch.no_grad():
        model.encoder.reset_buffers()
        for name, place in model.state_dict().items():
            if name in report.matched:  # all but a fresh head's, which is made later
                place.copy_(entries[name])
            elif name in report.missing:
                place.copy_(fresh[name])
    return report


def _compared(
    model: Any,
    entries: Mapping[str, Tensor],
    source: str,
    assumed: dict[str, str],
    *,
    fresh_head: bool,
) -> LoadReport:
    """What of a file fits the model, by name and shape."""
    places = dict(model.state_dict())
    matched, missing, unexpected, unused = {}, {}, {}, {}
    for name, tensor in entries.items():
        shape = str(tuple(tensor.shape))
        if name in places and places[name].shape == tensor.shape:
            matched[name] = shape
        elif name in places:
            unexpected[name] = f"{shape}, the model has {tuple(places[name].shape)}"
            if name == "encoder.patch_embedding.projection.weight":
                unexpected[name] += f" for n_fft={model.n_fft}: give sfreq= or n_fft="
        elif is_known_unused(name):
            unused[name] = shape
        else:
            unexpected[name] = shape
    for name, parameter in model.named_parameters():
        if name not in matched and not (fresh_head and name.startswith(HEAD)):
            missing[name] = str(tuple(parameter.shape))
    return LoadReport(
        source, matched=matched, missing=missing, unexpected=unexpected, unused=unused,
        assumed=assumed,
    )  # fmt: skip


def _with_channels(
    report: LoadReport, model: Any, channels: Sequence[str], new_channels: NewChannels
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


def _with_fresh_head(report: LoadReport, model: Any) -> LoadReport:
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
