"""Writing a model: the files that braindecode opens too, and a card for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from biot.contract import Preprocessing
from biot.model.checkpoint import published_name
from biot.model.encoder import sinusoidal_positions
from biot.model.hub import CONFIG_NAME, WEIGHT_NAMES

if TYPE_CHECKING:
    from biot.model.biot import BIOT

__all__ = ["model_card", "save_pretrained"]

PUBLISHED_POSITIONS = 1000
"""Rows of the position table that published files hold; we compute ours."""


def save_pretrained(
    model: BIOT,
    folder: Path,
    *,
    preprocessing: Preprocessing | None = None,
    corpora: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
) -> Path:
    """Write a model into a folder; see :meth:`biot.BIOT.save_pretrained`."""
    from safetensors.torch import save_file

    config = json.dumps(model.get_config(), indent=2, allow_nan=False, ensure_ascii=False)
    card = model_card(model, preprocessing=preprocessing, corpora=corpora, metrics=metrics)
    tensors = published_tensors(model)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        name: folder / f".{name}.partial" for name in (WEIGHT_NAMES[0], CONFIG_NAME, "README.md")
    }
    try:
        save_file(tensors, files[WEIGHT_NAMES[0]], metadata={"format": "pt"})
        files[CONFIG_NAME].write_text(config + "\n", encoding="utf-8")
        files["README.md"].write_text(card, encoding="utf-8")
        for name, partial in files.items():
            partial.replace(folder / name)
    finally:
        for partial in files.values():
            partial.unlink(missing_ok=True)
    if preprocessing is not None:
        preprocessing.save(folder)
    return folder


def published_tensors(model: BIOT) -> dict[str, Tensor]:
    """Every weight under its published name, and the position table that braindecode expects."""
    tensors = {
        published_name(name): parameter.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
    }
    like = model.encoder.channel_tokens.weight.detach().cpu()
    positions = sinusoidal_positions(PUBLISHED_POSITIONS, model.embed_dim, like)
    tensors["encoder.positional_encoding.pe"] = positions.unsqueeze(0).contiguous()
    return tensors


def model_card(
    model: BIOT,
    *,
    preprocessing: Preprocessing | None = None,
    corpora: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
) -> str:
    """What a person must know before using a model, as Markdown with the Hub's front matter."""
    facts = _facts(model, preprocessing, corpora)
    lines = [
        "---",
        "library_name: biot",
        "license: bsd-3-clause",
        "tags: [biot, biosignals, eeg]",
        "---",
        "",
        "# BIOT, the biosignal transformer",
        "",
        "Research software, not for clinical decisions.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {text} |" for name, text in facts.items()),
        "",
        "## Metrics",
        "",
    ]
    if metrics:
        lines += ["| metric | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in metrics.items()]
    else:
        lines += ["None were given when this model was saved."]
    lines += [
        "",
        "## Use",
        "",
        "```python",
        "from biot import BIOT",
        "",
        'model = BIOT.from_pretrained("path/to/this/folder")',
        "print(model.load_report)",
        f"scores = model(x)  # x: (batch, {model.n_chans}, {model.n_times}) at {model.sfreq:g} Hz",
        "```",
        "",
        "Method: Yang, Westover and Sun, *BIOT: Biosignal Transformer for Cross-data Learning in "
        "the Wild*, NeurIPS 2023.",
        "",
    ]
    return "\n".join(lines)


def _facts(
    model: BIOT, preprocessing: Preprocessing | None, corpora: Sequence[str]
) -> dict[str, Any]:
    unsaid = "not said by who saved this model"
    names = model.channels
    facts = {
        "Channels": f"{model.n_chans}: {', '.join(names)}"
        if names
        else f"{model.n_chans}, unnamed",
        "Sampling rate": f"{model.sfreq:g} Hz",
        "Window": f"{model.input_window_seconds:g} s ({model.n_times} samples)",
        "Token": f"{model.n_fft} samples, one every {model.hop_length}",
        "Unit": unsaid,
        "Scale": unsaid,
        "Classes": f"{model.n_outputs}",
        "Corpora": ", ".join(corpora) or unsaid,
        "Size": f"{sum(p.numel() for p in model.parameters()):,} parameters",
    }
    if preprocessing is not None:
        facts["Unit"] = ", ".join(dict.fromkeys(preprocessing.units))
        facts["Scale"] = (
            "each channel of a window over the 95th percentile of its magnitude"
            if preprocessing.scale == "q95"
            else "none: physical units"
        )
        if preprocessing.label_names:
            facts["Classes"] = ", ".join(preprocessing.label_names)
    return facts
