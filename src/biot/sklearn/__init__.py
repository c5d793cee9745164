"""BIOT as scikit-learn estimators: windows in arrays in, classes or features out."""

from __future__ import annotations

from biot.sklearn.classifier import BIOTClassifier
from biot.sklearn.transformer import BIOTTransformer

__all__ = ["BIOTClassifier", "BIOTTransformer"]
