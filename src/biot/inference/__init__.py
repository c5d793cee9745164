"""Inference: whole recordings to predictions, and reports."""

from __future__ import annotations

from biot.inference.export import export_onnx
from biot.inference.predictions import TABLE_SUFFIXES, Predictions, whole_file
from biot.inference.predictor import Predictor

__all__ = ["TABLE_SUFFIXES", "Predictions", "Predictor", "export_onnx", "whole_file"]
