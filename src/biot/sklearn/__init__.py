"""BIOT as scikit-learn estimators: windows in arrays in, classes or features out."""

from __future__ import annotations

from biot.errors import require

require("sklearn", extra="training")  # the estimators' base classes come from there

from biot.sklearn.classifier import BIOTClassifier  # noqa: E402
from biot.sklearn.transformer import BIOTTransformer  # noqa: E402

__all__ = ["BIOTClassifier", "BIOTTransformer"]
