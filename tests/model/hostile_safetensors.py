"""Safetensors files that are broken or lie: how to make each, and what its error says."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from foreign_files import (
    FIRST,
    Maker,
    authors_encoder,
    published_state,
    sparse_file,
    write_published,
)


def safetensors(change: Callable[[bytes], bytes]) -> Maker:
    """The small model with the bytes of its weights changed."""

    def make(folder: Path) -> Path:
        write_published(folder)
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))
        return folder

    return make


def header(change: Callable[[dict[str, Any]], Any]) -> Maker:
    """The small model with the header of its weights changed."""

    def changed(data: bytes) -> bytes:
        size = int.from_bytes(data[:8], "little")
        values = json.loads(data[8 : 8 + size])
        values = change(values) or values
        text = values if isinstance(values, bytes) else json.dumps(values).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + size :]

    return safetensors(changed)


def state(change: Callable[[dict[str, Any]], Any]) -> Maker:
    """The small model with its tensors changed."""

    def make(folder: Path) -> Path:
        tensors = published_state()
        return write_published(folder, state=change(tensors) or tensors)

    return make


def every(convert: Callable[[torch.Tensor], torch.Tensor]) -> Maker:
    return state(lambda tensors: {name: convert(t).contiguous() for name, t in tensors.items()})


def one(value: torch.Tensor) -> Maker:
    return state(lambda tensors: tensors.update({FIRST: value}))


def said_twice(values: dict[str, Any]) -> bytes:
    text = json.dumps(values)
    return (text[:-1] + f', "{FIRST}": {json.dumps(values[FIRST])}}}').encode()


def infinite(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.clone()
    tensor.view(-1)[-1] = torch.inf
    return tensor


def weights_are_a_folder(folder: Path) -> Path:
    write_published(folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    return folder


SAFETENSORS: dict[str, tuple[Maker, str]] = {
    "st empty": (safetensors(lambda data: b""), "not a readable checkpoint"),
    "st cut in length": (safetensors(lambda data: data[:4]), "not a readable checkpoint"),
    "st cut in header": (safetensors(lambda data: data[:200]), "not a readable checkpoint"),
    "st cut in data": (safetensors(lambda data: data[:-9000]), "not a readable checkpoint"),
    "st cut by a byte": (safetensors(lambda data: data[:-1]), "not a readable checkpoint"),
    "st with a tail": (safetensors(lambda data: data + b"tail"), "not a readable checkpoint"),
    "st header of 100 GB": (
        safetensors(lambda data: struct.pack("<Q", 10**11) + data[8:]),
        "damaged: says that its header has 100000000000 bytes",
    ),
    "st header of 2**64": (
        safetensors(lambda data: b"\xff" * 8 + data[8:]),
        "damaged: says that its header has 18446744073709551615 bytes",
    ),
    "st header no JSON": (header(lambda values: b"{'a': 1}"), "not a readable checkpoint"),
    "st header deep": (header(lambda values: b"[" * 100_000), "not a readable checkpoint"),
    "st overlapping": (
        header(lambda values: values[FIRST].update(data_offsets=[4, 4 + 16 * 51 * 4])),
        "not a readable checkpoint .*[Oo]ffset",
    ),
    "st beyond the end": (
        header(lambda values: values[FIRST].update(data_offsets=[0, 10**12])),
        "not a readable checkpoint",
    ),
    "st huge shape": (
        header(lambda values: values[FIRST].update(shape=[10**6, 10**6])),
        "not a readable checkpoint",
    ),
    "st shape beyond 64 bits": (
        header(lambda values: values[FIRST].update(shape=[2**40, 2**40])),
        "not a readable checkpoint",
    ),
    "st negative shape": (
        header(lambda values: values[FIRST].update(shape=[-16, -51])),
        "not a readable checkpoint",
    ),
    "st unknown type": (
        header(lambda values: values[FIRST].update(dtype="F33")),
        "not a readable checkpoint",
    ),
    "st a name twice": (header(said_twice), f"key '{FIRST}' is there twice"),
    "st integers": (every(lambda t: t.int()), "is torch.int32; weights are torch.float16, "),
    "st complex": (every(lambda t: t.to(torch.complex64)), "is torch.complex64; weights are"),
    "st bool": (every(lambda t: t > 0), "is torch.bool; weights are"),
    "st float8": (every(lambda t: t.to(torch.float8_e4m3fn)), "is torch.float8_e4m3fn; weights"),
    "st mixed types": (
        state(lambda tensors: tensors.update({FIRST: tensors[FIRST].double()})),
        r"weights of several types: .* is torch\.float64, .* is torch\.float32; one is expected",
    ),
    "st NaN": (every(lambda t: t * torch.nan), "holds NaN or infinite weights"),
    "st one infinite": (every(infinite), "holds NaN or infinite weights"),
    "st no tensors": (state(lambda tensors: tensors.clear()), "holds no weights"),
    "st other names": (
        state(lambda tensors: {f"../../{name}": t for name, t in tensors.items()}),
        r"no encoder\.patch_embedding\.projection\.weight of two dimensions",
    ),
    "st a weight by two names": (
        state(lambda tensors: tensors.update(authors_encoder(tensors))),
        "stands for encoder.*, which is there already",
    ),
    "st one dimension": (one(torch.zeros(16)), r"no .*projection\.weight of two dimensions"),
    "st nothing wide": (one(torch.zeros(0, 51)), r"no .*projection\.weight of two dimensions"),
    "st endless and empty": (one(torch.zeros(10**9, 0)), r"projection\.weight of two dimensions"),
    "st long name": (
        state(lambda tensors: tensors.update({"x" * 10**6: torch.zeros(1)})),
        "a name of 1000000 letters, 'xxxx",
    ),
    "st many names": (
        state(lambda tensors: tensors.update({f"x{i}": torch.zeros(1) for i in range(10**4)})),
        "32 matched, 0 unused, .* 10000 unexpected, 0 missing",
    ),
    "st half a head": (
        state(lambda tensors: tensors.__delitem__("final_layer.classification_head.weight")),
        "holds a part of a head",
    ),
    "st of a million layers": (
        state(
            lambda tensors: tensors.update(
                {f"encoder.transformer.layers.layers.{10**9}.{i}": torch.zeros(1) for i in range(9)}
            )
        ),
        "the weights say num_layers=3, the settings say 2",
    ),
    "st is a pickle": (
        safetensors(lambda data: pickle.dumps({"weight": 1})),
        "damaged: says that its header has",
    ),
    "st of 100 GB": (sparse_file("model.safetensors"), "not a readable checkpoint"),
    "st is a folder": (weights_are_a_folder, "holds neither model.safetensors nor"),
}
