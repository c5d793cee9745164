"""Pickles that are broken or do harm: how to make each, and what its error says."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from foreign_files import FIRST, Maker, published_state, sparse_file, write_published

CANARY = "canary"
"""The file that the bombs would make, in the folder above theirs."""


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


class Call:
    """Calls something when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def bin_file(content: Callable[[Path], bytes]) -> Maker:
    """A folder with this as its ``pytorch_model.bin``."""

    def make(folder: Path) -> Path:
        write_published(folder, weights="pytorch_model.bin")
        (folder / "pytorch_model.bin").write_bytes(content(folder))
        return folder

    return make


def saved(change: Callable[[dict[str, Any]], Any], **how: Any) -> Maker:
    """The small model with its dictionary changed, written by ``torch.save``."""

    def content(folder: Path) -> bytes:
        values: dict[str, Any] = dict(published_state())
        changed = change(values)
        file = io.BytesIO()
        torch.save(values if changed is None else changed, file, **how)
        return file.getvalue()

    return bin_file(content)


def whole(data: bytes = b"") -> bytes:
    """The small model as ``torch.save`` writes it."""
    file = io.BytesIO()
    torch.save(published_state(), file)
    return file.getvalue()


def bomb(folder: Path) -> Bomb:
    return Bomb(f"touch {folder.parent / CANARY}")


def zipped(pickled: bytes, **how: Any) -> bytes:
    """An archive as PyTorch makes it, around any pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **how) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", bytes(64))
        archive.writestr("archive/data/1", bytes(64))
    return file.getvalue()


def claiming(n_claimed: int, *, both: bool) -> bytes:
    """A tensor of 300 numbers whose shape (and its storage as well) claims more."""
    number, claim = (b"M" + struct.pack("<H", n) for n in (300, n_claimed))
    with zipfile.ZipFile(io.BytesIO(whole_of({FIRST: torch.zeros(300)}))) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            if name.endswith("data.pkl"):
                start, *middle, end = data.split(number)
                assert not middle[1:]
                data = (claim if both else number).join([start, *middle]) + claim + end
            archive.writestr(name, data)
    return file.getvalue()


def whole_of(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def huge_claim(data: bytes) -> bytes:
    """The archive's directory says 4 GB for its first entry."""
    start = data.index(b"PK\x01\x02")
    return data[: start + 24] + struct.pack("<I", 0xFFFFFFF0) + data[start + 28 :]


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 16]) + data[position + 1 :]


def in_weights(data: bytes) -> bytes:
    """One bit of a weight is wrong, which a safetensors file would not tell."""
    needle = published_state()["encoder.channel_tokens.weight"].numpy().tobytes()
    return flipped(data, data.index(needle) + 5)


def nested_key() -> Any:
    """A key whose text would take 2**40 letters."""
    key: Any = ()
    for _ in range(12):
        key = (key, key)
    return key


WEIGHT = torch.zeros(2, 2)
PICKLES: dict[str, tuple[Maker, str]] = {
    "bin bomb": (bin_file(lambda f: whole_of(bomb(f))), "asks for '(posix|nt).system'"),
    "bin bomb in a dictionary": (
        bin_file(lambda f: whole_of({**published_state(), "x": [{"y": bomb(f)}]})),
        "asks for '(posix|nt).system', which no weights need. Nothing of it was run",
    ),
    "bin bomb by protocol 4": (
        bin_file(lambda f: zipped(pickle.dumps(bomb(f), protocol=4))),
        "asks for 'a name by STACK_GLOBAL'",
    ),
    "bin bomb of old": (
        bin_file(lambda f: pickle.dumps(bomb(f), protocol=2)),
        "not a PyTorch checkpoint of version 1.6 or later",
    ),
    "bin bomb before an archive": (
        bin_file(lambda f: pickle.dumps(bomb(f), protocol=2) + whole()),
        "not a PyTorch checkpoint of version 1.6 or later",
    ),
    "bin bomb as a class": (
        bin_file(lambda f: zipped(b"\x80\x02(S'touch x'\niposix\nsystem\n.")),
        "asks for 'posix.system'",
    ),
    "bin eval": (
        saved(lambda v: Call(eval, "1")),
        r"asks for '(builtins|__builtin__)\.eval'",
    ),
    "bin of old": (
        saved(lambda v: None, _use_new_zipfile_serialization=False),
        r"an old one can be saved again with torch\.save",
    ),
    "bin bytearray of 100 GB": (
        saved(lambda v: {**v, "x": Call(bytearray, 10**11)}),
        r"asks for '(builtins|__builtin__)\.bytearray'",
    ),
    "bin tensor of 400 GB": (
        saved(lambda v: {**v, "x": Call(torch.FloatTensor, 10**11)}),
        r"asks for 'torch\.FloatTensor'",
    ),
    "bin stride of zero": (
        saved(lambda v: v.update({FIRST: torch.zeros(1).expand(10**6, 10**5)})),
        r"claims shape \(1000000, 100000\), more than the file holds",
    ),
    "bin more than its storage": (
        bin_file(lambda f: claiming(60_000, both=False)),
        "not a readable checkpoint|claims shape",
    ),
    "bin more than its record": (
        bin_file(lambda f: claiming(60_000, both=True)),
        "not a readable checkpoint|claims shape",
    ),
    "bin sparse tensor": (
        saved(lambda v: {**v, FIRST: torch.eye(2).to_sparse()}),
        r"asks for 'torch\._utils\._rebuild_sparse_tensor'",
    ),
    "bin without storage": (
        saved(lambda v: {**v, FIRST: torch.zeros(10**6, 10**6, device="meta")}),
        r"asks for 'torch\._utils\._rebuild_meta_tensor_no_storage'",
    ),
    "bin complex": (
        saved(lambda v: {name: t.to(torch.complex64) for name, t in v.items()}),
        r"is torch\.complex64; weights are",
    ),
    "bin NaN": (
        saved(lambda v: {name: t * torch.nan for name, t in v.items()}),
        "holds NaN or infinite weights",
    ),
    "bin compressed": (
        bin_file(lambda f: zipped(bytes(2 * 10**8), compression=zipfile.ZIP_DEFLATED)),
        "claims 2000.* bytes in a file of .*does not compress",
    ),
    "bin huge claim": (bin_file(lambda f: huge_claim(whole())), "claims 42950.* bytes in a file"),
    "bin a name twice": (
        bin_file(lambda f: zipped(b"").replace(b"data/1", b"data/0")),
        "its archive holds a name twice",
    ),
    "bin cut at the start": (bin_file(lambda f: whole()[:10]), "no zip archive"),
    "bin cut in half": (bin_file(lambda f: whole()[: len(whole()) // 2]), "no zip archive"),
    "bin cut at the end": (bin_file(lambda f: whole()[:-30]), "no zip archive"),
    "bin empty": (bin_file(lambda f: b""), "no zip archive"),
    "bin a bit of a weight": (
        bin_file(lambda f: in_weights(whole())),
        "the checksum of .* is wrong",
    ),
    "bin a bit of the directory": (
        bin_file(lambda f: flipped(whole(), whole().index(b"PK\x01\x02") + 1)),
        "not a readable checkpoint|no zip archive",
    ),
    "bin other archive": (
        bin_file(lambda f: zipped(b"").replace(b"data.pkl", b"text.txt")),
        "not a readable checkpoint",
    ),
    "bin text": (bin_file(lambda f: b"hello world, no weights here"), "no zip archive"),
    "bin of 100 GB": (sparse_file("pytorch_model.bin"), "no zip archive"),
    "bin a list": (saved(lambda v: [1, 2]), "holds a list, not a state dict"),
    "bin training state": (
        saved(lambda v: {"model": {"a": 1}, "optimizer": {}}),
        "entry 'model' is a dict, not a tensor by name",
    ),
    "bin two models": (
        saved(lambda v: {"model": v, "model_ema": dict(v)}),
        r"several models, under 'model' and 'model_ema'\. .*weights_only=True\)\['model'\]",
    ),
    "bin text as weights": (
        saved(lambda v: {**v, FIRST: "x" * 10**6}),
        "is a str, not a tensor by name",
    ),
    "bin numbers as names": (
        saved(lambda v: {7: WEIGHT}),
        "entry of key int is a Tensor, not a tensor by name",
    ),
    "bin endless name": (
        saved(lambda v: {nested_key(): WEIGHT}),
        "entry of key tuple is a Tensor, not a tensor by name",
    ),
    "bin counter": (saved(lambda v: collections.Counter(a=1)), "entry 'a' is a int, not a tensor"),
}
