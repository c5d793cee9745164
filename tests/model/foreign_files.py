"""Builders of files as others write them, by their own literal names of the weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from biot.model.tokenizer import sinusoidal_positions

State = dict[str, Tensor]
Maker = Callable[[Path], Path]
"""Fills a folder and returns what to open."""
FIRST = "encoder.patch_embedding.projection.weight"

SETTINGS: dict[str, Any] = {
    "embed_dim": 16,
    "num_heads": 2,
    "num_layers": 2,
    "sfreq": 100,
    "hop_length": 50,
    "return_feature": False,
    "n_outputs": 3,
    "n_chans": 4,
    "chs_info": None,
    "n_times": 400,
    "input_window_seconds": None,
    "activation": "torch.nn.modules.activation.ELU",
    "drop_prob": 0.5,
    "max_seq_len": 1024,
    "att_drop_prob": 0.2,
    "att_layer_drop_prob": 0.2,
    "braindecode_version": "1.8.1",
}
"""A config.json of braindecode 1.8.1, for a small model."""
SIX_KEYS = ("n_outputs", "n_chans", "chs_info", "n_times", "input_window_seconds", "sfreq")
"""All that its earlier versions wrote."""


def published_state(
    *,
    embed_dim: int = 16,
    num_layers: int = 2,
    n_chans: int = 4,
    n_fft: int = 100,
    n_outputs: int = 3,
) -> State:
    """Weights under the names of braindecode's files."""
    width, draw = embed_dim, torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.patch_embedding.projection.weight": (width, n_fft // 2 + 1),
        "encoder.patch_embedding.projection.bias": (width,),
        "encoder.channel_tokens.weight": (n_chans, width),
        "final_layer.classification_head.weight": (n_outputs, width),
        "final_layer.classification_head.bias": (n_outputs,),
    }
    for layer in range(num_layers):
        start = f"encoder.transformer.layers.layers.{layer}."
        shapes |= {
            f"{start}0.norm.weight": (width,),
            f"{start}0.norm.bias": (width,),
            f"{start}0.fn.to_q.weight": (width, width),
            f"{start}0.fn.to_k.weight": (width, width),
            f"{start}0.fn.to_v.weight": (width, width),
            f"{start}0.fn.to_out.weight": (width, width),
            f"{start}0.fn.to_out.bias": (width,),
            f"{start}1.norm.weight": (width,),
            f"{start}1.norm.bias": (width,),
            f"{start}1.fn.fn.w1.weight": (4 * width, width),
            f"{start}1.fn.fn.w1.bias": (4 * width,),
            f"{start}1.fn.fn.w2.weight": (width, 4 * width),
            f"{start}1.fn.fn.w2.bias": (width,),
        }
    state = {name: torch.randn(shape, generator=draw) / 4 for name, shape in shapes.items()}
    state["encoder.positional_encoding.pe"] = sinusoidal_positions(1000, width).unsqueeze(0)
    return state


def authors_encoder(state: State) -> State:
    """The same encoder as the authors' scripts write it: no prefix, no head, `index` besides."""
    encoder = {
        name.removeprefix("encoder."): tensor
        for name, tensor in state.items()
        if name.startswith("encoder.")
    }
    return {**encoder, "index": torch.arange(len(encoder["channel_tokens.weight"]))}


def authors_classifier(state: State) -> State:
    """The same model as the authors' fine-tuning writes it."""
    named = {f"biot.{name}": tensor for name, tensor in authors_encoder(state).items()}
    for part in ("weight", "bias"):
        named[f"classifier.clshead.1.{part}"] = state[f"final_layer.classification_head.{part}"]
    return named


def authors_lightning(state: State) -> dict[str, Any]:
    """The same encoder in a Lightning checkpoint of the authors' pretraining."""
    named = {f"model.biot.{name}": tensor for name, tensor in authors_encoder(state).items()}
    named["model.prediction.0.weight"] = torch.zeros(16, 16)
    return {"epoch": 3, "global_step": 2000, "state_dict": named, "optimizer_states": [{}]}


def write_published(
    folder: Path,
    *,
    state: State | None = None,
    config: dict[str, Any] | None = None,
    weights: str = "model.safetensors",
) -> Path:
    """A folder as braindecode writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    state = published_state() if state is None else state
    if weights.endswith(".safetensors"):
        alone = {name: tensor.clone() for name, tensor in state.items()}
        save_file(alone, folder / weights, metadata={"format": "pt"})
    else:
        torch.save(state, folder / weights)
    text = json.dumps(SETTINGS if config is None else config, indent=2)
    (folder / "config.json").write_text(text, encoding="utf-8")
    return folder


def sparse_file(name: str) -> Maker:
    """A file of 100 GB that takes no room on the disk."""

    def make(folder: Path) -> Path:
        write_published(folder)
        if name != "config.json":
            (folder / "model.safetensors").unlink()
        with (folder / name).open("wb") as file:
            file.truncate(10**11)
        return folder

    return make
