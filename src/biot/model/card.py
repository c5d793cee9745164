"""The model card: what a person must know before using a model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from biot.errors import visible
from biot.model.spectra import spectrum_in_words
from biot.preprocessing import Preprocessing
from biot.provenance import Provenance

__all__ = ["model_card"]


def model_card(
    model: Any,
    source: str,
    *,
    preprocessing: Preprocessing | None = None,
    corpora: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    front_matter: Mapping[str, Any] | None = None,
    provenance: Provenance | None = None,
) -> str:
    """Markdown with the Hub's front matter; `source` is what ``from_pretrained`` opens.

    `front_matter` are further fields of it, such as ``license``, by the Hub's names.
    """
    facts = _facts(model, preprocessing, corpora)
    if provenance is not None:
        facts["Package"] = provenance.package
        facts["Parent model"] = provenance.parent_in_words
    lines = [
        "---",
        _front_matter(front_matter or {}),
        "---",
        "",
        "# BIOT, the biosignal transformer",
        "",
        "Research software, not for clinical decisions.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {_in_cell(text)} |" for name, text in facts.items()),
        "",
        "## Metrics",
        "",
    ]
    if metrics:
        lines += ["| metric | value |", "|---|---|"]
        lines += [f"| {_in_cell(name)} | {value:.4g} |" for name, value in metrics.items()]
    else:
        lines += ["None were given when this model was saved."]
    lines += [
        "",
        "## Use",
        "",
        "```python",
        "from biot import BIOT",
        "",
        f"model = BIOT.from_pretrained({json.dumps(source, ensure_ascii=False)})",
        "print(model.load_report)",
        "scores = model(x)",
        "```",
        "",
        f"`x` is float, (batch, {model.n_chans}, {model.n_times}), in the order of the channels "
        "above; NaN is a missing sample.",
        "",
        "Method: Yang, Westover and Sun, *BIOT: Biosignal Transformer for Cross-data Learning in "
        "the Wild*, NeurIPS 2023.",
        "",
    ]
    return visible("\n".join(lines))


def _front_matter(further: Mapping[str, Any]) -> str:
    from huggingface_hub import ModelCardData

    fields: dict[str, Any] = {"library_name": "biot", "tags": ["biot", "biosignals", "eeg"]}
    text: str = ModelCardData(**{**fields, **further}).to_yaml()
    return text


def _facts(
    model: Any, preprocessing: Preprocessing | None, corpora: Sequence[str]
) -> dict[str, str]:
    unsaid = "not said by who saved this model"
    names = model.channels
    facts = {
        "Channels": f"{model.n_chans}: {', '.join(names)}"
        if names
        else f"{model.n_chans}, unnamed",
        "Sampling rate": f"{model.sfreq:g} Hz",
        "Window": f"{model.input_window_seconds:g} s ({model.n_times} samples)",
        "Token": f"{model.n_fft} samples, one every {model.hop_length}",
        "Spectrum": spectrum_in_words(model.encoder.patch_embedding) or "magnitudes, as published",
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
        facts["Reference"] = preprocessing.reference_in_words
        facts["Flat channels"] = "kept" if preprocessing.keep_flat else "missing data"
        if preprocessing.filter:
            facts["Filter"] = preprocessing.filter
        if preprocessing.label_names:
            facts["Classes"] = ", ".join(preprocessing.label_names)
            facts["Probabilities"] = preprocessing.decision.formula
            facts["Decision"] = preprocessing.decision.described(preprocessing.label_names)
        if preprocessing.events is not None:
            facts["Events"] = str(preprocessing.events)
    return facts


_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKUP = re.compile(r"[\\`*\[\]<>&|~$]|(?<!\w)_|_(?!\w)")
"""What Markdown or HTML would act on; an underscore within a word is only that."""


def _in_cell(text: str) -> str:
    """Text that is shown as it is, and within its cell of a Markdown table."""
    escaped = _MARKUP.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), text)
    return " ".join(escaped.split())
