"""Nights of sleep from predictions and labelled stretches."""

# R windows of a recording, L labelled stretches
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from biot.evaluation.events.nights import Night, epoch_of
from biot.evaluation.events.sleep import stage_of
from biot.events.event import Events
from biot.inference.predictions import Predictions

__all__ = ["night_of"]

_LEAST = 0.5  # share of an epoch that its stage must cover


def night_of(
    predictions: Predictions, reference: Events, subject: str, stages: Mapping[str, str]
) -> Night | None:
    """A recording epoch by epoch; None if the reference holds no stage of sleep.

    Epochs are as long as windows lie apart. Each has the stage that covers most of it, and at least
    half.

    Parameters
    ----------
    predictions
        Of the recording.
    reference
        All that is labelled in it; what is no stage is passed over.
    subject
        Whose it is.
    stages
        The stage that each label of the model means.
    """
    spans = [
        (event.onset, event.stop, stage)
        for event in reference
        for stage in [stage_of(event.label)]
        if stage
    ]
    if not spans or not len(predictions):
        return None
    start = predictions.start
    epoch = epoch_of(start, float(predictions.stop[0] - start[0]))
    true = _true_stages(spans, start, start + epoch)
    said = [stages.get(label, "") if label else "" for label in predictions.labels]
    return Night.of_windows(predictions.name, subject, start, epoch, true, said)


def _true_stages(
    spans: Sequence[tuple[float, float, str]],
    start: npt.NDArray[np.float64],
    stop: npt.NDArray[np.float64],
) -> list[str]:
    """The stage of each epoch; ``""`` where none covers half of it."""
    names = sorted({stage for _, _, stage in spans})
    shared = np.zeros((len(start), len(names)))
    for onset, end, stage in spans:
        first, last = np.searchsorted(stop, onset, side="right"), np.searchsorted(start, end)
        some = slice(int(first), int(last))
        both = np.minimum(stop[some], end) - np.maximum(start[some], onset)
        shared[some, names.index(stage)] += np.maximum(both, 0.0)
    enough = shared.max(axis=1) >= _LEAST * (stop - start) - 1e-9
    most = shared.argmax(axis=1)
    return [names[index] if is_so else "" for index, is_so in zip(most, enough, strict=True)]
