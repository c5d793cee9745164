"""Weights on disk: published key names, what was loaded, and files that are not to be trusted."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from biot.errors import CheckpointError

__all__ = ["LoadReport", "published_name", "read_tensors", "rename_published"]

# Ours on the left, the published name on the right; {} is the number of the layer.
_LAYER_NAMES = {
    "attention.norm": "0.norm",
    "attention.to_q": "0.fn.to_q",
    "attention.to_k": "0.fn.to_k",
    "attention.to_v": "0.fn.to_v",
    "attention.to_out": "0.fn.to_out",
    "feed_forward.norm": "1.norm",
    "feed_forward.w1": "1.fn.fn.w1",
    "feed_forward.w2": "1.fn.fn.w2",
}
_OUR_LAYER_NAMES = {published: ours for ours, published in _LAYER_NAMES.items()}
_OURS = re.compile(r"(encoder\.transformer\.layers\.\d+\.)([a-z_]+\.[a-z0-9_]+)(\..*)")
_PUBLISHED = re.compile(
    r"(encoder\.transformer\.)layers\.(layers\.\d+\.)([01](?:\.fn)*\.[a-z0-9_]+)(\.[a-z]+)"
)
# Prefixes of the authors' files, longest first; a bare encoder has none.
_PREFIXES = {
    "model.biot.": "encoder.",
    "model.prediction.": "prediction.",
    "model.classifier.clshead.1.": "final_layer.classification_head.",
    "classifier.clshead.1.": "final_layer.classification_head.",
    "biot.": "encoder.",
    "patch_embedding.": "encoder.patch_embedding.",
    "transformer.": "encoder.transformer.",
    "channel_tokens.": "encoder.channel_tokens.",
    "positional_encoding.": "encoder.positional_encoding.",
}
_KNOWN_UNUSED = re.compile(r"index|encoder\.index|encoder\.positional_encoding\.pe|prediction\..*")


def published_name(name: str) -> str:
    """The published name of one of our parameters."""
    match = _OURS.fullmatch(name)
    if match is None or match[2] not in _LAYER_NAMES:
        return name
    start = match[1].replace(".layers.", ".layers.layers.")
    return f"{start}{_LAYER_NAMES[match[2]]}{match[3]}"


def our_name(name: str) -> str:
    """Our name of a published parameter, whichever way it was published."""
    for prefix, ours in _PREFIXES.items():
        if name.startswith(prefix):
            name = ours + name.removeprefix(prefix)
            break
    match = _PUBLISHED.fullmatch(name)
    if match is None or match[3] not in _OUR_LAYER_NAMES:
        return name
    return f"{match[1]}{match[2]}{_OUR_LAYER_NAMES[match[3]]}{match[4]}"


def is_known_unused(name: str) -> bool:
    """Whether a published entry (our name) holds nothing to load: computed, or pretraining's."""
    return _KNOWN_UNUSED.fullmatch(name) is not None


def rename_published(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, *_hook_arguments: Any
) -> None:
    """Hook of ``load_state_dict``: published names become ours, in place."""
    del module
    for name in list(state_dict):
        if not name.startswith(prefix):
            continue
        ours = our_name(name.removeprefix(prefix))
        value = state_dict.pop(name)
        if not is_known_unused(ours):
            state_dict[prefix + ours] = value


@dataclass(frozen=True)
class LoadReport:
    """What became of every entry of a file and every parameter of the model.

    ``str()`` is a table. Each mapping goes from a name to what there is to say of it, which
    for tensors is their shape.
    """

    source: str
    """File or repository that was opened."""
    matched: Mapping[str, str] = field(default_factory=dict)
    """Parameters that hold what the file says."""
    adapted: Mapping[str, str] = field(default_factory=dict)
    """Parameters changed as the caller asked: another head, other channels."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Parameters that the file does not hold."""
    unexpected: Mapping[str, str] = field(default_factory=dict)
    """Entries of the file that the model has no place for."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """Entries that are known to hold no weight of this model: position tables, a predictor."""
    assumed: Mapping[str, str] = field(default_factory=dict)
    """Settings that the file does not say and that are the published defaults."""

    @property
    def complete(self) -> bool:
        """Whether every parameter was loaded or adapted, and nothing was left over."""
        return not self.missing and not self.unexpected

    def __str__(self) -> str:
        from tabulate import tabulate

        kinds = ("matched", "adapted", "missing", "unexpected", "unused", "assumed")
        counts = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in kinds)
        rows = [
            (kind, name, text)
            for kind in reversed(kinds)
            for name, text in getattr(self, kind).items()
        ]
        table = tabulate(rows, headers=("", "name", "shape or value"), disable_numparse=True)
        return f"{self.source}: {counts}\n{table}"

    def require_complete(self) -> None:
        """Raise :class:`CheckpointError` with the table unless :attr:`complete`."""
        if not self.complete:
            raise CheckpointError(
                f"The weights do not fit the model.\n{self}\nGive n_outputs= for another head, "
                "channels= for other channels, or the settings that the file was made with."
            )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a ``.safetensors`` file or of a PyTorch checkpoint, by its name there.

    A pickle is opened with ``weights_only=True`` and may not claim more than the file holds.

    Raises
    ------
    CheckpointError
        If the file is damaged, not what it says, or holds anything but finite weights.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file.")
    try:
        tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    except CheckpointError:
        raise
    except Exception as error:  # parsers raise anything on a damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({type(error).__name__}: {reason[:200]}). "
            "It is damaged, or not a file of weights; fetch it again."
        ) from error
    _check_tensors(path, tensors)
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path}: not a PyTorch checkpoint of version 1.6 or later (no zip archive). "
            "It is damaged or of another kind; an old one can be saved again with torch.save."
        )
    with zipfile.ZipFile(path) as archive:
        claimed = sum(entry.file_size for entry in archive.infolist())
    if claimed > path.stat().st_size:
        raise CheckpointError(
            f"{path}: claims {claimed} bytes in a file of {path.stat().st_size}; "
            "PyTorch does not compress, so this is not one of its checkpoints."
        )
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]  # a Lightning checkpoint
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not a state dict.")
    return dict(content)


def _check_tensors(path: Path, tensors: Mapping[str, Any]) -> None:
    if not tensors:
        raise CheckpointError(f"{path}: holds no weights.")
    size = 0
    dtypes: dict[torch.dtype, str] = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(
                f"{path}: entry {name!r} is a {type(tensor).__name__}, not a tensor."
            )
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise CheckpointError(f"{path}: {name} is not a plain dense tensor.")
        size += tensor.numel() * tensor.element_size()
        if size > path.stat().st_size:
            raise CheckpointError(
                f"{path}: {name} claims shape {tuple(tensor.shape)}, more than the file holds."
            )
        if is_known_unused(our_name(name)):
            continue
        if not tensor.is_floating_point():
            raise CheckpointError(f"{path}: {name} is {tensor.dtype}; weights are floating.")
        dtypes.setdefault(tensor.dtype, name)
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinite weights.")
    if len(dtypes) > 1:
        listed = ", ".join(f"{name} is {dtype}" for dtype, name in dtypes.items())
        raise CheckpointError(f"{path}: weights of several types: {listed}; one is expected.")
