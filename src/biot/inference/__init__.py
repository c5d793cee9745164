"""Inference: whole recordings to predictions, and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biot.lazy import attach

if TYPE_CHECKING:
    from biot.inference.explaining.explanation import Explanation
    from biot.inference.exporting.export import export_onnx
    from biot.inference.exporting.int8 import Int8Report, export_int8
    from biot.inference.predictions import TABLE_SUFFIXES, Predictions, PredictionWarning
    from biot.inference.predictor import Predictor
    from biot.inference.reading import PredictionFailure

__all__ = [
    "TABLE_SUFFIXES",
    "Explanation",
    "Int8Report",
    "PredictionFailure",
    "PredictionWarning",
    "Predictions",
    "Predictor",
    "export_int8",
    "export_onnx",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Explanation": "biot.inference.explaining.explanation",
        "Int8Report": "biot.inference.exporting.int8",
        "PredictionFailure": "biot.inference.reading",
        "PredictionWarning": "biot.inference.predictions",
        "Predictions": "biot.inference.predictions",
        "Predictor": "biot.inference.predictor",
        "TABLE_SUFFIXES": "biot.inference.predictions",
        "export_int8": "biot.inference.exporting.int8",
        "export_onnx": "biot.inference.exporting.export",
    },
)
