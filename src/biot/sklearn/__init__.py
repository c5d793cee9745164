"""BIOT as scikit-learn estimators: windows in, classes or features out."""

from __future__ import annotations

from biot.sklearn.estimators import BIOTClassifier, BIOTTransformer

__all__ = ["BIOTClassifier", "BIOTTransformer"]
