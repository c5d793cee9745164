"""`Stream`: many recordings through one model, with windows of several in one batch."""

# R windows of a recording, B windows of a batch, C channels, T samples, K classes
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError
from biot.inference.predictions import Predictions
from biot.inference.reading import BATCH, Feed, Head, Item, Piece, PredictionFailure
from biot.inference.windows import note_of_nothing
from biot.preprocessing import Preprocessing

__all__ = ["BATCH", "PredictionFailure", "Stream", "predictions_of"]

Floats = npt.NDArray[np.float64]
Windows = npt.NDArray[np.float32]


def predictions_of(
    name: str,
    places: Any,
    values: Floats,
    contract: Preprocessing,
    facts: dict[str, Any],
    notes: tuple[str, ...] = (),
) -> Predictions:
    """The predictions of a recording from the windows' places, in samples, and their values."""
    start, stop = np.asarray(places).reshape(-1, 2).T / contract.sfreq
    if not np.isfinite(values).any():
        notes = (*notes, note_of_nothing(name))
    return Predictions(
        name=name,
        start=start,
        stop=np.minimum(stop, facts["duration"]),
        probabilities=values,
        label_names=contract.label_names or (),
        task=contract.task,
        thresholds=contract.thresholds,
        class_weights=contract.class_weights,
        events_rules=contract.events,
        notes=notes,
        **facts,
    )


class Stream:
    """Predicts recordings one after the other, read ahead by :class:`Feed`.

    Recordings come in runs. Within a run, recordings of at most :data:`BATCH` windows share
    batches, in their order; longer ones have batches of their own. So the numbers of a run depend
    on nothing outside it, to the last bit.

    Parameters
    ----------
    contract
        Of the model.
    probabilities
        (B, K) from (B, C, T), as :meth:`biot.Predictor.probabilities`.
    step
        Samples between the starts of windows.
    workers
        Processes that read; with 1 this one does.

    Raises
    ------
    ConfigError
        If `workers` is below 1.
    """

    def __init__(
        self,
        contract: Preprocessing,
        probabilities: Callable[[Windows], Floats],
        *,
        step: float,
        workers: int = 1,
    ) -> None:
        if workers < 1:
            raise ConfigError(f"workers must be at least 1, got {workers}.")
        self._contract, self._probabilities = contract, probabilities
        self._step, self._workers = step, workers

    def predictions(
        self, runs: Sequence[Sequence[Item]], *, progress: bool = False
    ) -> Iterator[Predictions | PredictionFailure]:
        """What comes of each recording, in order; `progress` shows a bar on stderr."""
        from tqdm import tqdm

        total = sum(map(len, runs))
        items = [item for run in runs for item in run]
        ends = set(np.cumsum([len(run) for run in runs]).tolist())
        batch = _Batch(self._contract, self._probabilities)
        slots: dict[int, _Slot] = {}
        following, n_windows = 0, 0
        with (
            Feed(self._contract, self._step, self._workers) as feed,
            tqdm(total=total, unit="recording", disable=not progress, dynamic_ncols=True) as bar,
            closing(feed.pieces(items)) as pieces,
        ):
            for number, piece in pieces:
                slot = slots.setdefault(number, _Slot())
                batch.add(slot, piece)
                if slot.is_read and number + 1 in ends:
                    batch.flush()
                while following in slots and slots[following].is_done:
                    done = slots.pop(following)
                    following += 1
                    n_windows += len(done.values)
                    bar.update()
                    rate = n_windows / max(bar.format_dict["elapsed"], 1e-9)
                    bar.set_postfix_str(f"{rate:.0f} windows/s", refresh=False)
                    yield done.outcome(self._contract)


@dataclass
class _Slot:
    """What is known of one recording so far."""

    failure: PredictionFailure | None = None
    head: Head | None = None
    n_read: int = 0
    n_predicted: int = 0
    values: Floats = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def is_read(self) -> bool:
        """Whether all its windows are in batches."""
        return self.failure is not None or (
            self.head is not None and self.n_read == len(self.head.inside)
        )

    @property
    def is_done(self) -> bool:
        """Whether all its windows are predicted."""
        return self.is_read and (self.failure is not None or self.n_predicted == self.n_read)

    def outcome(self, contract: Preprocessing) -> Predictions | PredictionFailure:
        if self.failure is not None:
            return self.failure
        assert self.head is not None
        one = self.head
        return predictions_of(one.name, one.places, self.values, contract, one.facts, one.notes)


class _Batch:
    """Windows of several recordings that wait until there are enough of them."""

    def __init__(self, contract: Preprocessing, probabilities: Callable[[Windows], Floats]) -> None:
        self._n_outputs = len(contract.label_names or ())
        self._probabilities = probabilities
        self._waiting: list[tuple[_Slot, int, Windows]] = []
        """Of each recording, the first of its windows that are read, and windows."""
        self._n_waiting = 0

    def add(self, slot: _Slot, piece: Piece | PredictionFailure) -> None:
        if isinstance(piece, PredictionFailure):
            slot.failure = piece
            slot.values = np.empty((0, self._n_outputs))
            return
        if piece.head is not None:
            slot.head = piece.head
            slot.values = np.full((len(piece.head.places), self._n_outputs), np.nan)
        assert slot.head is not None
        first, windows = slot.n_read, piece.windows
        slot.n_read += len(windows)
        if slot.head.n_pieces > 1:
            self._predict([(slot, first, windows)])
        elif len(windows):
            self._waiting.append((slot, first, windows))
            self._n_waiting += len(windows)
        if self._n_waiting >= BATCH:
            self._predict_full()

    def _predict_full(self) -> None:
        """The first BATCH of the windows that wait; the rest of the last recording stays."""
        slot, first, windows = self._waiting.pop()
        beyond = self._n_waiting - BATCH
        split = len(windows) - beyond
        self._predict([*self._waiting, (slot, first, windows[:split])])
        self._waiting = [(slot, first + split, windows[split:])] if beyond else []
        self._n_waiting = beyond

    def flush(self) -> None:
        """Predict whatever waits."""
        if self._waiting:
            self._predict(self._waiting)
        self._waiting, self._n_waiting = [], 0

    def _predict(self, parts: Sequence[tuple[_Slot, int, Windows]]) -> None:
        windows = [part for _, _, part in parts]
        found = self._probabilities(windows[0] if len(windows) == 1 else np.concatenate(windows))
        begin = 0
        for slot, first, part in parts:
            assert slot.head is not None
            rows = slot.head.inside[first : first + len(part)]
            slot.values[rows] = found[begin : begin + len(part)]
            slot.n_predicted += len(part)
            begin += len(part)
