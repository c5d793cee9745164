"""The model card: what a person must know before using a model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from biot.errors import visible
from biot.model.spectra import spectrum_in_words
from biot.preprocessing import Preprocessing
from biot.provenance import Provenance
from biot.signals.channels import kind

__all__ = ["LICENSE_UNKNOWN", "model_card", "renamed_card"]

LICENSE_UNKNOWN = "unknown"
"""The Hub's word for a licence that nobody has stated."""
_UNSAID = "not said by who saved this model"
_TAGS = {"eeg": "eeg", "ecg": "ecg", "emg": "emg", "eog": "eog", "acc": "accelerometer",
         "gyro": "gyroscope"}  # fmt: skip
"""Tags by the kinds of channels."""
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_OPENED = "model = BIOT.from_pretrained("


def model_card(
    model: Any,
    source: str,
    *,
    preprocessing: Preprocessing | None = None,
    corpora: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    population: Mapping[str, str] | None = None,
    front_matter: Mapping[str, Any] | None = None,
    provenance: Provenance | None = None,
) -> str:
    """Markdown with the Hub's front matter; `source` is what ``from_pretrained`` opens.

    `population` says whom the training data are of, by what is told: ``{"Subjects": "24"}``.
    `front_matter` are further fields of the header, such as ``license``, by the Hub's names.
    """
    facts = _facts(model, preprocessing, corpora)
    header = _header(model, preprocessing, corpora) | dict(front_matter or {})
    if provenance is not None:
        facts["Package"] = provenance.package
        facts["Parent model"] = provenance.parent_in_words
    lines = [
        "---",
        _yaml(header),
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
        *_metrics(metrics or {}),
    ]
    lines += [
        *_section("Intended use", _use(model, preprocessing)),
        *_section("Training data and populations", _populations(corpora, population or {})),
        *_section("Overlaps", _OVERLAPS),
        *_section("Limits", _limits(preprocessing)),
        *_section("Licence", _licence(header)),
        *_code(model, source),
    ]
    return visible("\n".join(lines))


def _metrics(metrics: Mapping[str, float]) -> list[str]:
    if not metrics:
        return ["None were given when this model was saved."]
    rows = [f"| {_in_cell(name)} | {value:.4g} |" for name, value in metrics.items()]
    return ["| metric | value |", "|---|---|", *rows]


def _code(model: Any, source: str) -> list[str]:
    """How the model is opened, and what it takes."""
    return [
        "",
        "## Use",
        "",
        "```python",
        "from biot import BIOT",
        "",
        _opening(source),
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


def renamed_card(card: str, source: str) -> str:
    """A card of ours that tells people to open another folder or repository."""
    return "\n".join(
        _opening(source) if line.startswith(_OPENED) else line for line in card.split("\n")
    )


def _opening(source: str) -> str:
    return f"{_OPENED}{json.dumps(source, ensure_ascii=False)})"


def _yaml(fields: Mapping[str, Any]) -> str:
    from huggingface_hub import ModelCardData

    text: str = ModelCardData(**fields).to_yaml()
    return text


def _header(
    model: Any, preprocessing: Preprocessing | None, corpora: Sequence[str]
) -> dict[str, Any]:
    """What the header says where nobody says otherwise, by the Hub's names.

    The Hub knows no task of classifying a recording: a model with named classes has ``other``.
    """
    kinds = {kind(name) for name in model.channels or ()}
    signals = [tag for name, tag in _TAGS.items() if name in kinds]
    classifies = preprocessing is not None and preprocessing.label_names
    fields: dict[str, Any] = {
        "library_name": "biot",
        "license": LICENSE_UNKNOWN,
        "pipeline_tag": "other" if classifies else "feature-extraction",
        "tags": ["biot", "biosignals", *signals],
    }
    published = [name for name in corpora if _REPOSITORY.fullmatch(name)]
    return fields | ({"datasets": published} if published else {})


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return ["", f"## {title}", "", *lines]


_PURPOSES = {
    "features": "To get features of",
    "classes": "To tell {} apart in",
    "multilabel": "To say which of {} hold in",
    "regression": "To estimate {} from",
}
"""What a model is for, by the task of its contract with labels, else features."""


def _use(model: Any, preprocessing: Preprocessing | None) -> list[str]:
    names = None if preprocessing is None else preprocessing.label_names
    window = f"windows of {model.input_window_seconds:g} s of recordings as the table describes"
    task = "features" if preprocessing is None or not names else preprocessing.task
    purpose = _PURPOSES[task].format(_in_cell(", ".join(names or ())))
    use = (
        "`biot finetune --from` and `BIOTTransformer` start from it."
        if task == "features"
        else "`biot predict` and `biot.Predictor` prepare whole recordings that way."
    )
    return [
        f"{purpose} {window}, in research. {use}",
        "",
        "Not for decisions about patients. Not for other channels, references, devices or people "
        "than those of the training data, before labelled recordings of these were scored with "
        "`biot evaluate`.",
    ]


def _populations(corpora: Sequence[str], population: Mapping[str, str]) -> list[str]:
    told = {
        "Corpora": ", ".join(corpora) or _UNSAID,
        "Subjects": _UNSAID,
        "Ages": "unknown: corpora keep none",
        "Sex": "unknown: corpora keep none",
        "Health": "unknown, save for what the labels say",
        **population,
    }
    return [f"- {_in_cell(name)}: {_in_cell(text)}" for name, text in told.items()]


_OVERLAPS = (
    "Recordings and subjects that the model has learnt from are listed by checksum and name in "
    "`training_data.json`, where that file lies beside the weights; `biot evaluate` and `biot "
    "finetune --from` compare their data with it and refuse what the model has seen.",
    "",
    "Unknown is whether other corpora hold the same people, or the same recordings in other files: "
    "a recording that was converted or cut has another checksum.",
)
_LIMITS = (
    "- The metrics are of the test part of one corpus. Other laboratories, devices and people can "
    "give much lower ones.",
    "- A window sees nothing outside itself. Missing samples are left out; where much is missing, "
    "less is known, and the output does not say so.",
)
_OF_TASK = {
    "classes": "- Every window gets one of the model's classes, also one that shows none of them.",
    "multilabel": "- Each tag is decided by itself. A window without a tag may show what no tag is "
    "for.",
    "regression": "- Every window gets numbers, also one unlike all that the model has learnt "
    "from.",
}
"""The last limit, by the task of a contract with labels."""


def _limits(preprocessing: Preprocessing | None) -> tuple[str, ...]:
    if preprocessing is None or not preprocessing.label_names:
        return _LIMITS
    return (*_LIMITS, _OF_TASK[preprocessing.task])


def _licence(header: Mapping[str, Any]) -> list[str]:
    said = header.get("license")
    known = said not in (None, LICENSE_UNKNOWN)
    start = f"Of the weights: {_in_cell(str(said))}." if known else f"Of the weights: {_UNSAID}."
    return [
        f"{start} The licence of the software (BSD-3-Clause) is not theirs: what may be done with "
        "weights can depend on the terms of the recordings that they were trained on.",
    ]


def _facts(
    model: Any, preprocessing: Preprocessing | None, corpora: Sequence[str]
) -> dict[str, str]:
    names = model.channels
    facts = {
        "Channels": f"{model.n_chans}: {', '.join(names)}"
        if names
        else f"{model.n_chans}, unnamed",
        "Sampling rate": f"{model.sfreq:g} Hz",
        "Window": f"{model.input_window_seconds:g} s ({model.n_times} samples)",
        "Token": f"{model.n_fft} samples, one every {model.hop_length}",
        "Spectrum": spectrum_in_words(model.encoder.patch_embedding) or "magnitudes, as published",
        "Unit": _UNSAID,
        "Scale": _UNSAID,
        **_outputs(model, preprocessing),
        "Corpora": ", ".join(corpora) or _UNSAID,
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
        if preprocessing.label_names and preprocessing.task != "regression":
            facts["Probabilities"] = preprocessing.decision.formula
            facts["Decision"] = preprocessing.decision.described(preprocessing.label_names)
        if preprocessing.events is not None:
            facts["Events"] = str(preprocessing.events)
    return facts


def _outputs(model: Any, preprocessing: Preprocessing | None) -> dict[str, str]:
    """What the outputs are called, or how many there are."""
    if preprocessing is None or not preprocessing.label_names:
        return {"Outputs": f"{model.n_outputs}"}
    kinds = {"classes": "Classes", "multilabel": "Tags", "regression": "Numbers"}
    return {kinds[preprocessing.task]: ", ".join(preprocessing.label_names)}


_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_MARKUP = re.compile(r"[\\`*\[\]<>&|~$]|(?<!\w)_|_(?!\w)")
"""What Markdown or HTML would act on; an underscore within a word is only that."""


def _in_cell(text: str) -> str:
    """Text that is shown as it is, and within its cell of a Markdown table."""
    escaped = _MARKUP.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), text)
    return " ".join(escaped.split())
