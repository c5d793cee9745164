"""Opening a model: everything in the file finds its place, or an error says what does not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from biot.errors import BiotError, CheckpointError, ConfigError, counted
from biot.model import hub
from biot.model.config import integer
from biot.model.settings import HEAD, complete_settings, head_outputs, require_known
from biot.model.spectra import BUFFERS, PLACE, form_of
from biot.model.state_dict import LoadReport, is_known_unused, standard_name
from biot.model.weights import read_config, read_tensors, wrapper_of
from biot.provenance import PROVENANCE, Provenance

__all__ = ["NewChannels", "from_pretrained"]

NewChannels = Literal["error", "init"]
WAVE = f"{PLACE}wave_"
MOST_FRESH = 2**28
"""Numbers that ``strict=False`` draws at most for weights that a file lacks: 1 GB."""


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
    download = download or hub.Download()
    config_path, weights_path = hub.locate(source, download, filename=filename)
    saved = {} if config_path is None else read_config(config_path)
    entries, wrapped = _by_standard_names(weights_path, read_tensors(weights_path))
    names = hub.PUBLISHED_CHANNELS.get(str(source))
    if names is not None and not saved.get("chs_info") and not saved.get("channels"):
        saved = {**saved, "channels": list(names)}
    try:
        settings, assumed = complete_settings(weights_path, saved, entries, config, strict=strict)
        head = head_outputs(weights_path, entries, strict=strict)
        wanted = head if n_outputs is None else n_outputs
        if wanted is None and not strict:
            wanted = settings.get("n_outputs")
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
    has_waves = config.get("spectrum") == f"{form_of(entries)}+wave"  # which the file has not
    fresh = (HEAD,) * (head is None) + (WAVE,) * has_waves
    report = _load(model, entries, str(source), assumed, fresh=fresh, strict=strict)
    if channels is not None:
        report = _with_channels(report, model, channels, new_channels)
    if head is None or wanted != head:
        model.reset_head(wanted)
        report = _with_fresh_head(report, model)
    model.load_report = report
    model.provenance = _provenance(source, weights_path, download)
    return model.to(map_location).eval()


def _provenance(source: str | Path, weights: Path, download: hub.Download) -> Provenance | None:
    """Who a model is that is opened from a folder or a repository, where it says so."""
    path = Path(source)
    if not path.exists():
        return _published_provenance(str(source), download)
    folder = path if path.is_dir() else path.parent
    return Provenance.load(folder) if weights.parent == folder else None


def _published_provenance(repo_id: str, download: hub.Download) -> Provenance | None:
    """Who a model of the Hub is; its file there cannot be mended here, so damage is a warning."""
    found = hub.fetched_beside(repo_id, PROVENANCE, download)
    try:
        return None if found is None else Provenance.load(found.parent)
    except CheckpointError as error:
        warnings.warn(
            f"{repo_id}: who made this model cannot be read: {error}", UserWarning, stacklevel=5
        )
        return None


def _by_standard_names(
    path: Path, tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The weights under the model's names, and what wrapped these names, for the report."""
    wrapper = wrapper_of(path, tensors)
    entries: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        standard = standard_name(name.removeprefix(wrapper))
        if standard in entries:
            raise CheckpointError(f"{path}: {name} stands for {standard}, which is there already.")
        entries[standard] = tensor
    said = {"prefix": f"{wrapper} before the names, which a wrapper put there"} if wrapper else {}
    return entries, said


def _load(
    model: Any,
    entries: Mapping[str, Tensor],
    source: str,
    assumed: dict[str, str],
    *,
    fresh: tuple[str, ...],
    strict: bool,
) -> LoadReport:
    report = _compared(model, entries, source, assumed, fresh=fresh)
    if strict:
        report.require_complete()
    elif not report.complete:
        _warn_of_the_rest(model, report)
    dtype = next((entries[name].dtype for name in report.matched), torch.float32)
    model.to(dtype).to_empty(device="cpu")
    drawn = type(model).from_config(model.get_config()).state_dict() if report.missing else {}
    with torch.no_grad():
        model.encoder.reset_buffers()
        for name, place in model.state_dict().items():
            if name in report.matched:  # all but a fresh head's, which is made later
                place.copy_(entries[name])
            elif name in report.missing:
                place.copy_(drawn[name])
            elif name in report.adapted:  # waves, which begin at zero
                place.zero_()
    return report


def _warn_of_the_rest(model: Any, report: LoadReport) -> None:
    """Say what ``strict=False`` leaves; a file of which nothing fits is not of this model."""
    parameters = dict(model.named_parameters())
    if not report.matched.keys() & parameters.keys():
        raise CheckpointError(f"Nothing in the file fits the model.\n{report}")
    drawn = sum(parameters[name].numel() for name in report.missing)
    if drawn > MOST_FRESH:
        raise CheckpointError(
            f"{report.source}: {drawn:,} numbers of the model are not in the file. Its settings "
            "are of another model."
        )
    warnings.warn(
        f"{report.source}: {counted(len(report.matched), 'entry fits', 'entries fit')} the model, "
        f"{counted(len(report.missing), 'weight is', 'weights are')} missing and drawn at random, "
        f"{counted(len(report.unexpected), 'entry has', 'entries have')} no place: see "
        "load_report.",
        UserWarning,
        stacklevel=5,
    )


def _compared(
    model: Any,
    entries: Mapping[str, Tensor],
    source: str,
    assumed: dict[str, str],
    *,
    fresh: tuple[str, ...],
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
    needed = {name: str(tuple(parameter.shape)) for name, parameter in model.named_parameters()}
    statistics = {f"{PLACE}{name}" for name in BUFFERS}
    needed |= {name: str(tuple(places[name].shape)) for name in statistics & places.keys()}
    for name, shape in needed.items():
        if name not in matched and not name.startswith(fresh):
            missing[name] = shape
    waves = WAVE in fresh
    adapted = {
        name: f"{shape}, fresh" for name, shape in needed.items() if waves and name.startswith(WAVE)
    }
    return LoadReport(
        source, matched=matched, missing=missing, unexpected=unexpected, unused=unused,
        adapted=adapted, assumed=assumed,
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
