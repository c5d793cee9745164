"""Predictions and labels of a corpus, recording by recording."""

# W windows, R windows of a recording, K labels
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from biot.corpus.corpus import Corpus
from biot.corpus.load import load_corpus
from biot.device import Device, Precision
from biot.evaluation.metrics import Floats
from biot.events.event import Event
from biot.inference.predictions import Predictions
from biot.model.biot import BIOT
from biot.model.saving import require_fit
from biot.preprocessing import Preprocessing
from biot.training.datasets import Subset, batches_of, is_labelled, truth_of
from biot.training.distributed import launch, placed
from biot.training.scoring import predict_logits

__all__ = ["WindowedRecording", "covered_seconds", "recordings_of"]


@dataclass(frozen=True, kw_only=True)
class WindowedRecording:
    """One recording of a corpus."""

    name: str
    subject: str
    predictions: Predictions
    labelled: tuple[Event, ...]
    """Its labelled windows, an event each, or one for each tag; those that touch are one."""
    is_labelled: bool
    """Whether any window has a label."""


def recordings_of(
    folder: Path,
    corpus: Path,
    *,
    device: Device = "auto",
    precision: Precision = "32",
    batch_size: int = 64,
) -> tuple[Corpus, Iterator[WindowedRecording]]:
    """A corpus, and each of its recordings with what a model says of its windows.

    Parameters
    ----------
    folder
        The model's, with its contract.
    corpus
        Prepared as the model's was.
    device, precision, batch_size
        As in :func:`biot.evaluate`.

    Raises
    ------
    ContractError
        If the corpus was prepared differently.
    """
    data = load_corpus(corpus)
    network = BIOT.from_pretrained(folder, return_feature=False)
    contract = Preprocessing.load(folder)
    require_fit(network, contract, labelled=True, where=folder)
    contract.require_same(data.preprocessing, where=str(corpus))
    fabric = launch(device, precision)
    rows = np.arange(len(data))
    part = Subset(corpus=data, rows=rows, labels=np.zeros(len(data), np.int64))
    model = placed(fabric, network)
    outputs, _, _ = predict_logits(model, batches_of(part, batch_size), fabric.device)
    return data, _recordings(data, contract, contract.decision.probabilities(outputs))


def _recordings(
    data: Corpus, contract: Preprocessing, probabilities_WK: Floats
) -> Iterator[WindowedRecording]:
    start = data.starts
    stop = start + data.lengths / data.sfreq
    truth, known = truth_of(data), is_labelled(truth_of(data))
    for name in dict.fromkeys(data.recordings.tolist()):
        own = np.flatnonzero(data.recordings == name)
        own = own[np.lexsort((stop[own], start[own]))]
        said = Predictions(
            name=name, start=start[own], stop=np.maximum.accumulate(stop[own]),
            probabilities=probabilities_WK[own], label_names=contract.label_names or (),
            task=contract.task, thresholds=contract.thresholds,
            class_weights=contract.class_weights, duration=float(stop[own].max()),
            events_rules=contract.events,
        )  # fmt: skip
        spans = [
            (float(start[row]), float(stop[row]), label)
            for row in own[known[own]]
            for label in _names(truth[row], data.label_names)
        ]
        yield WindowedRecording(
            name=name, subject=str(data.subjects[own[0]]), predictions=said,
            labelled=_joined(spans), is_labelled=bool(known[own].any()),
        )  # fmt: skip


def _names(truth: np.generic, names: tuple[str, ...]) -> list[str]:
    """The class of a window, or its tags."""
    if np.ndim(truth) == 0:
        return [names[int(truth)]]
    return [name for name, held in zip(names, np.asarray(truth), strict=True) if held > 0]


def _joined(spans: list[tuple[float, float, str]]) -> tuple[Event, ...]:
    """Windows of one label that touch or overlap as one event, in the order of time."""
    open_: dict[str, tuple[float, float]] = {}
    found = []
    for start, stop, label in spans:
        if label in open_ and start <= open_[label][1] + 1e-6:
            open_[label] = (open_[label][0], max(stop, open_[label][1]))
            continue
        if label in open_:
            found.append((*open_[label], label))
        open_[label] = (start, stop)
    found += [(*span, label) for label, span in open_.items()]
    return tuple(Event(onset=a, duration=b - a, label=label) for a, b, label in sorted(found))


def covered_seconds(predictions: Predictions) -> float:
    """Seconds of a recording that lie in some window."""
    before = np.concatenate([[-np.inf], np.maximum.accumulate(predictions.stop)[:-1]])
    begin = np.maximum(predictions.start, before)
    return float(np.maximum(predictions.stop - begin, 0.0).sum())
