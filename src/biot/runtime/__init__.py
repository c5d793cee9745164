"""Predicting with an ONNX file: NumPy and ONNX Runtime, without PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biot.lazy import attach

if TYPE_CHECKING:
    from biot.runtime.onnx_file import OnnxFile
    from biot.runtime.onnx_predictor import OnnxPredictor

__all__ = ["OnnxFile", "OnnxPredictor"]

__getattr__, __dir__ = attach(
    __name__,
    {"OnnxFile": "biot.runtime.onnx_file", "OnnxPredictor": "biot.runtime.onnx_predictor"},
)
