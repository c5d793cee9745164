"""Opening a model: everything in the file finds its place, or an error says what does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from biot.errors import BiotError, CheckpointError, ConfigError
from biot.model import hub
from biot.model.config import integer
from biot.model.settings import HEAD, complete_settings, head_outputs, require_known
from biot.model.state_dict import POSITIONS, LoadReport, is_known_unused, standard_name
from biot.model.weights import read_json, read_tensors

if TYPE_CHECKING:
    from biot.model.biot import BIOT

__all__ = ["from_pretrained"]

NewChannels = Literal["error", "init"]


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
    require_known(cls, config)
    if n_outputs is not None:
        integer("n_outputs", n_outputs)
    config_path, weights_path = hub.locate(source, download or hub.Download())
    saved = {} if config_path is None else read_json(config_path)
    entries = _by_our_names(weights_path, read_tensors(weights_path))
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
    if names is not None and model.channels == names:
        assumed["channels"] = ", ".join(names)
    report = _load(model, entries, str(source), assumed, fresh_head=head is None)
    if channels is not None:
        report = _with_channels(report, model, channels, new_channels)
    if head is None or wanted != head:
        model.reset_head(wanted)
        report = _with_fresh_head(report, model)
    model.load_report = report
    return model.to(map_location).eval()


def _by_our_names(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    entries: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        ours = standard_name(name)
        if ours in entries:
            raise CheckpointError(f"{path}: {name} stands for {ours}, which is there already.")
        entries[ours] = tensor
    return entries


def _load(
    model: BIOT,
    entries: Mapping[str, Tensor],
    source: str,
    assumed: dict[str, str],
    *,
    fresh_head: bool,
) -> LoadReport:
    parameters = dict(model.named_parameters())
    places = {**parameters, POSITIONS: model.encoder.positional_encoding.pe}
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
    for name, parameter in parameters.items():
        if name not in entries and not (fresh_head and name.startswith(HEAD)):
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
    model.to(entries[next(iter(matched))].dtype).to_empty(device="cpu")
    with torch.no_grad():
        model.encoder.reset_buffers()
        for name, place in model.state_dict().items():
            if name in matched:  # all but a fresh head's, which is made later
                place.copy_(entries[name])
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
