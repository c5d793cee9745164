"""Weights from files that are not to be trusted: no code is run, no claim of size is believed."""

from __future__ import annotations

import json
import pickletools
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from biot.errors import CheckpointError
from biot.io import once_each, read_json
from biot.model.state_dict import is_known_unused, standard_name

__all__ = ["read_config", "read_tensors", "wrapper_of"]

LARGEST_JSON = 2**25
"""Bytes of JSON that are read: a thousand times what any model needs."""
ANCHORS = ("patch_embedding.projection.weight", "channel_tokens.weight")
"""Weights that every model has: where they stand tells where the model does."""
_DOTTED = re.compile(r"\w+(\.\w+)*")
LONGEST_NAME = 200
"""Letters in the name of a weight."""
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# What PyTorch writes for dense tensors in nested dictionaries. `weights_only=True` allows a few
# names more; some of those make objects of any size from a few bytes.
_NEEDED_NAMES = re.compile(
    r"collections\.(OrderedDict|Counter)"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)"
    r"|torch\.([A-Z]\w*Storage|Size|device|b?float\d*|double|half|u?int\d*|long|bool)"
    r"|torch\.nn\.parameter\.Parameter|(builtins|__builtin__)\.set|_codecs\.encode"
)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a ``.safetensors`` file or of a PyTorch checkpoint, by its name there.

    A pickle is opened with ``weights_only=True``, may name nothing but tensors, and may not claim
    more than the file holds.

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
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({type(error).__name__}: {_first_line(error)}). "
            "It is damaged, or not a file of weights; fetch it again."
        ) from error
    _check_tensors(path, tensors)
    return tensors


def wrapper_of(path: Path, names: Iterable[str]) -> str:
    """What stands before a model's names: of DDP, compiling, a running mean, a Lightning module.

    Raises
    ------
    CheckpointError
        If the names are those of several models.
    """
    found: dict[str, None] = {}
    for name in names:
        anchor = next((a for a in ANCHORS if f".{name}".endswith(f".{a}")), None)
        if anchor is None or not _DOTTED.fullmatch(name):
            continue
        if standard_name(name) == f"encoder.{anchor}":
            found[""] = None
            continue
        place = f".{name.removesuffix(anchor)}"
        for own in (".encoder.", ".biot."):
            if place.endswith(own):
                place = f"{place.removesuffix(own)}."
                break
        found[place[1:]] = None
    if len(found) > 1:
        listed = " and ".join(repr(prefix) for prefix in found)
        raise CheckpointError(
            f"{path}: holds several models, their names beginning with {listed}. Save one by "
            "itself: the entries with its prefix, and without the prefix in their names."
        )
    return next(iter(found), "")


def read_config(path: Path) -> dict[str, Any]:
    """The object in a model's configuration, each of its keys there once; positions may be NaN.

    Raises
    ------
    CheckpointError
        If the file is too large, not JSON, holds a key twice, or something else.
    """
    return read_json(path, CheckpointError, allow_nan=True, most_bytes=LARGEST_JSON)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0][:200]


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > LARGEST_JSON:
            raise CheckpointError(f"{path}: damaged: says that its header has {size} bytes.")
        json.loads(file.read(size), object_pairs_hook=once_each)
    return load_file(path)  # which checks every size and offset of the header


def _read_pickle(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04" and zipfile.is_zipfile(file)
    if not is_zip:
        raise CheckpointError(
            f"{path}: not a PyTorch checkpoint of version 1.6 or later (no zip archive). "
            "It is damaged or of another kind; an old one can be saved again with torch.save."
        )
    with zipfile.ZipFile(path) as archive:
        _check_archive(path, archive)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not a state dict.")
    return dict(_state_dict_in(path, content))


def _state_dict_in(path: Path, content: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The weights in what a training script or Lightning saved, which has them under some key."""
    if _is_state_dict(content):
        return content
    inner = {
        key: value
        for key, value in content.items()
        if isinstance(value, Mapping)
        and (_is_state_dict(value) or any(map(_is_state_dict, value.values())))
    }
    if len(inner) > 1:
        listed = " and ".join(repr(key) for key in inner)
        raise CheckpointError(
            f"{path}: holds several models, under {listed}. Save the one that you want by itself: "
            f"torch.save(torch.load(path, weights_only=True)[{next(iter(inner))!r}], new_path)."
        )
    if inner:
        return _state_dict_in(path, next(iter(inner.values())))
    state = content.get("state_dict")
    return state if isinstance(state, Mapping) else content


def _is_state_dict(value: Any) -> bool:
    return isinstance(value, Mapping) and any(
        isinstance(name, str) and f".{name}".endswith(tuple(f".{anchor}" for anchor in ANCHORS))
        for name in value
    )


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """What can be known before anything is unpacked: sizes, checksums, names in the pickles."""
    entries = archive.infolist()
    claimed = sum(entry.file_size for entry in entries)
    if claimed > path.stat().st_size or any(e.compress_type != zipfile.ZIP_STORED for e in entries):
        raise CheckpointError(
            f"{path}: claims {claimed} bytes in a file of {path.stat().st_size}, or is compressed; "
            "PyTorch does not compress, so this is not one of its checkpoints."
        )
    if len({entry.filename for entry in entries}) < len(entries):
        raise CheckpointError(f"{path}: its archive holds a name twice.")
    damaged = archive.testzip()
    if damaged is not None:
        raise CheckpointError(
            f"{path}: damaged: the checksum of {damaged} is wrong; fetch it again."
        )
    for entry in entries:
        if not entry.filename.endswith(".pkl"):
            continue
        for name in _names_in_pickle(archive.read(entry)):
            if not _NEEDED_NAMES.fullmatch(name):
                raise CheckpointError(
                    f"{path}: asks for {name[:80]!r}, which no weights need. Nothing of it was run."
                    " Save the weights alone: torch.save(model.state_dict(), path)."
                )


def _names_in_pickle(pickled: bytes) -> list[str]:
    """Everything that a pickle wants imported, without unpickling it."""
    names = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("GLOBAL", "INST"):
            names.append(str(argument).replace(" ", "."))
        elif opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
            names.append(f"a name by {opcode.name}")
    return names


def _check_tensors(path: Path, tensors: Mapping[Any, Any]) -> None:
    if not tensors:
        raise CheckpointError(f"{path}: holds no weights.")
    size = 0
    dtypes: dict[torch.dtype, str] = {}
    wrapper = wrapper_of(path, (name for name in tensors if isinstance(name, str)))
    for name, tensor in tensors.items():
        if isinstance(name, str) and len(name) > LONGEST_NAME:
            raise CheckpointError(
                f"{path}: a name of {len(name)} letters, {name[:60]!r} …, is no weight's."
            )
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            entry = repr(name) if isinstance(name, str) else f"of key {type(name).__name__}"
            raise CheckpointError(
                f"{path}: entry {entry} is a {type(tensor).__name__}, not a tensor by name."
            )
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise CheckpointError(f"{path}: {name} is not a plain dense tensor.")
        size += tensor.numel() * tensor.element_size()
        if size > path.stat().st_size:
            raise CheckpointError(
                f"{path}: {name} claims shape {tuple(tensor.shape)}, more than the file holds."
            )
        if is_known_unused(standard_name(name.removeprefix(wrapper))):
            continue
        if tensor.dtype not in DTYPES:
            raise CheckpointError(
                f"{path}: {name} is {tensor.dtype}; weights are "
                f"{', '.join(str(dtype) for dtype in DTYPES)}."
            )
        dtypes.setdefault(tensor.dtype, name)
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinite weights.")
    if len(dtypes) > 1:
        listed = ", ".join(f"{name} is {dtype}" for dtype, name in dtypes.items())
        raise CheckpointError(f"{path}: weights of several types: {listed}; one is expected.")
