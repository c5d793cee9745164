"""Scores as plain values, as JSON holds them."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["without_nan"]


def without_nan(value: Any) -> Any:
    """Plain values with None for what is not finite, and lists for tuples."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
