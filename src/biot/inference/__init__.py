"""Inference: whole recordings to predictions, and reports."""

from __future__ import annotations

from biot.inference.predictions import TABLE_SUFFIXES, Predictions, whole_file
from biot.inference.predictor import Predictor

__all__ = ["TABLE_SUFFIXES", "Predictions", "Predictor", "whole_file"]
