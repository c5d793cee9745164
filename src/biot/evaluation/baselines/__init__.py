"""What a user could take instead of a model: a ridge on log band powers, and how it compares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biot.lazy import attach

if TYPE_CHECKING:
    from biot.evaluation.baselines.features import band_edges, band_powers, signal_kinds
    from biot.evaluation.baselines.ridge import RidgeBaseline

__all__ = ["RidgeBaseline", "band_edges", "band_powers", "signal_kinds"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "RidgeBaseline": "biot.evaluation.baselines.ridge",
        "band_edges": "biot.evaluation.baselines.features",
        "band_powers": "biot.evaluation.baselines.features",
        "signal_kinds": "biot.evaluation.baselines.features",
    },
)
