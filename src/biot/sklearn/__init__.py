"""BIOT as scikit-learn estimators: windows in arrays in, classes or features out."""

from __future__ import annotations

from biot.errors import require

# The estimators' base classes come from there, so this must stand before the imports.
require("sklearn", extra="training")

from biot.sklearn.classifier import BIOTClassifier  # noqa: E402  # see above
from biot.sklearn.transformer import BIOTTransformer  # noqa: E402  # see above

__all__ = ["BIOTClassifier", "BIOTTransformer"]
