"""`Outlet`: predictions as a stream of LabStreamingLayer."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np

from biot.inference.live.lsl import open_lsl
from biot.inference.live.rows import LiveRow

__all__ = ["Outlet"]


class Outlet:
    """Sends a sample for each row: the probability of each class, or each number.

    Parameters
    ----------
    name
        Of the stream; of type ``Predictions``, without a regular rate, float64.
    label_names
        Labels of its channels.
    task
        What was predicted; of a regression the channels have no unit.
    """

    def __init__(self, name: str, label_names: Sequence[str], *, task: str = "classes") -> None:
        lsl = open_lsl()
        self.name = name
        source_id = f"{name}-{uuid.uuid4().hex[:12]}"
        info = lsl.StreamInfo(name, "Predictions", len(label_names), 0.0, "float64", source_id)
        info.set_channel_names(list(label_names))
        info.set_channel_types("misc")
        info.set_channel_units("none" if task == "regression" else "probability")
        self._outlet = lsl.StreamOutlet(info, chunk_size=1)

    def send(self, row: LiveRow) -> None:
        """Send a row, with the time of its window's last sample; NaN without usable data."""
        self._outlet.push_sample(np.array(list(row.probabilities.values())), timestamp=row.stamp)
