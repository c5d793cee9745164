"""What an ONNX file says of itself: its metadata, one JSON text a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from biot.errors import require
from biot.installation import package_version
from biot.model.biot import BIOT
from biot.preprocessing import Preprocessing

__all__ = ["describe", "facts_of"]


def facts_of(model: BIOT, preprocessing: Preprocessing | None) -> dict[str, Any]:
    """What the user of the file must know, by key; keys of what is not there are absent.

    ``thresholds`` are those that the model decides by: also where they follow from the class
    weights, as :meth:`biot.decision.Decision.limits` has it.
    """
    facts: dict[str, Any] = {"n_fft": model.n_fft, "biot_version": package_version() or "unknown"}
    if model.channels is not None:
        facts["channels"] = model.channels
    if preprocessing is None:
        return facts
    facts["preprocessing"] = preprocessing.to_dict()
    return {**facts, **preprocessing.decision_facts()}


def describe(proto: Any, facts: Mapping[str, Any]) -> None:
    """Make these the metadata of an ``onnx.ModelProto``; what it had is replaced."""
    onnx = require("onnx", extra="export")
    proto.ClearField("metadata_props")
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}
    onnx.helper.set_model_props(proto, texts)
