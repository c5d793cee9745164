"""`LiveRow`: what was predicted of one window, and how long it took; and sums of them."""

# K classes
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["LiveRow", "quantiles"]


@dataclass(frozen=True, kw_only=True)
class LiveRow:
    """The prediction of one window of a signal that goes on."""

    start: float
    """Seconds from the signal's first sample."""
    stop: float
    """Seconds; of a last window that is not whole, the end of the signal."""
    label: str | None
    """As in the table of :class:`biot.inference.Predictions`: None without usable data, and of a
    regression."""
    probabilities: dict[str, float]
    """By class or tag, or the numbers of a regression by name; NaN without usable data."""
    stamp: float
    """When the window's last sample was taken, by the clock of this machine, in seconds."""
    latency: float
    """Seconds from then until the prediction was there."""
    lost: int
    """Samples of the window that were lost on the way."""
    dropped: int
    """Windows before it that were left out, since the model is slower than the signal."""

    def to_dict(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; None stands for NaN."""
        return {
            "start": round(self.start, 6),
            "stop": round(self.stop, 6),
            "label": self.label,
            "p": {name: _finite(value) for name, value in self.probabilities.items()},
            "latency": round(self.latency, 6),
            "lost": self.lost,
            "dropped": self.dropped,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def quantiles(latencies: Sequence[float]) -> tuple[float, float, float]:
    """The latencies below which half, 95 % and 99 % lie, in seconds; NaN without any."""
    if not len(latencies):
        return (math.nan,) * 3
    p50, p95, p99 = np.quantile(latencies, [0.5, 0.95, 0.99]).tolist()
    return p50, p95, p99
