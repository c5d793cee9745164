"""`WindowPredictor`: from whole recordings to predictions, whatever computes the outputs."""

# B windows of a batch, C channels of the contract, T samples of a window, K classes
from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.choices import Precision
from biot.errors import counted
from biot.inference.predictions import Predictions, PredictionWarning
from biot.inference.reading import item_of
from biot.inference.stream import BATCH, PredictionFailure, Stream, predictions_of
from biot.inference.windows import ModelWindows, named_as, planned, step_of
from biot.preprocessing import Preprocessing
from biot.signals.formats.mne import is_epochs
from biot.signals.montage import MontagePlan
from biot.signals.readers import recording_of

__all__ = ["WindowPredictor"]


class WindowPredictor(ABC):
    """What every predictor does with a recording; each kind computes :meth:`outputs` its own way.

    The kinds are :class:`biot.Predictor` (PyTorch) and :class:`biot.runtime.OnnxPredictor` (ONNX
    Runtime). This module needs neither.
    """

    preprocessing: Preprocessing
    """What the model's windows went through, with the names of its outputs."""
    precision: Precision = "32"
    """Of the computation."""
    _place: str
    """Where it computes, for people."""

    @abstractmethod
    def outputs(self, windows_BCT: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(B, K) outputs, from which probabilities follow; NaN without usable data.

        Parameters
        ----------
        windows_BCT
            As for :meth:`probabilities`.
        """

    def __repr__(self) -> str:
        one = self.preprocessing
        said = {"classes": "classes", "multilabel": "tags", "regression": "numbers"}[one.task]
        return (
            f"{type(self).__name__}({said} {', '.join(one.label_names or ())}; "
            f"windows of {one.window:g} s, {counted(one.n_chans, 'channel')} at {one.sfreq:g} Hz; "
            f"on {self._place})"
        )

    def montage(self, recording: Any) -> MontagePlan:
        """How the channels of a recording, in any form, meet the model's; printable.

        Raises
        ------
        ChannelError
            If no channel matches, or two may; the message opens with the recording's name.
        """
        contract = self.preprocessing
        found = recording_of(recording, columns=contract.ch_names)
        return planned(named_as(found, contract), contract)

    def predict(
        self, recording: Any, *, stride: float | None = None, progress: bool = False
    ) -> Predictions:
        """Predict the whole recording, window by window.

        Parameters
        ----------
        recording
            A ``Recording``, the path of a file, an MNE ``Raw`` or ``Epochs``; of any rate. Channels
            are found by name, and those that are absent give no tokens. Every epoch is cut into
            windows by itself: one as long as the window gives one row. MNE's epochs include their
            last instant, ``tmax``: this one sample more makes no window of its own.
        stride
            Seconds between the starts of windows; default: the window, so that none overlap. The
            last window reaches the recording's end; what it lacks beyond is missing data.
        progress
            Show a bar on stderr.

        Returns
        -------
        Predictions
            A row for every window, also where nothing usable was recorded.

        Raises
        ------
        InputTypeError
            If it is no recording, such as an array.
        RecordingError
            If a file cannot be read.
        ChannelError
            If no channel matches.
        ContractError
            If a unit cannot be converted to the model's.
        ConfigError
            If `stride` is not positive.
        """
        contract = self.preprocessing
        step = step_of(stride, contract)
        source = ModelWindows(
            recording_of(recording, columns=contract.ch_names),
            contract,
            without_last_instant=is_epochs(recording),
        )
        places = source.places(step)
        values = self.values_at(source, places, progress=progress)
        found = predictions_of(source.recording.name, places, values, contract, source.facts())
        found = replace(found, notes=(*source.notes(), *found.notes))
        for note in found.notes:
            warnings.warn(note, PredictionWarning, stacklevel=2)
        return found

    def predict_many(
        self,
        recordings: Iterable[Any],
        *,
        workers: int = 1,
        stride: float | None = None,
        progress: bool = False,
    ) -> Iterator[Predictions | PredictionFailure]:
        """Predict many recordings, with windows of several in one batch.

        What :meth:`predict` would warn of stands in the notes of each result, and so does what the
        reader of its file warns of.

        Parameters
        ----------
        recordings
            Each in any form that :meth:`predict` takes.
        workers
            With 1, this process reads and computes by turns; with more, so many processes read
            files while the model computes.
        stride
            Seconds between the starts of windows; see :meth:`predict`.
        progress
            Show a bar on stderr, with the time that is left.

        Yields
        ------
        Predictions or PredictionFailure
            One for each recording, in the order given, as soon as it is known. A recording that
            cannot be read or does not fit the model is a :class:`PredictionFailure` with the
            reason; the others go on.

        Raises
        ------
        ConfigError
            If `workers` or `stride` is out of range.
        """
        given = [recordings] if isinstance(recordings, str | Path) else list(recordings)
        contract = self.preprocessing
        items = [item_of(one, contract) for one in given]
        stream = Stream(
            contract, self.probabilities, step=step_of(stride, contract), workers=workers
        )
        return stream.predictions([items], progress=progress)

    def values_at(
        self, source: ModelWindows, places: Sequence[tuple[int, int]], *, progress: bool = False
    ) -> npt.NDArray[np.float64]:
        """(n_places, K) probabilities or numbers of windows of a recording; NaN without data.

        Parameters
        ----------
        source
            The recording; what lies in one of its gaps is not read.
        places
            First sample of each window, and the one after its last, at the contract's rate.
        progress
            Show a bar on stderr.
        """
        from tqdm import tqdm

        recorded = np.array([not source.is_gap(*place) for place in places])
        inside = [place for place, is_there in zip(places, recorded, strict=True) if is_there]
        values = np.full((len(places), len(self.preprocessing.label_names or ())), np.nan)
        parts = []
        bar = tqdm(total=len(inside), unit="window", disable=not progress, dynamic_ncols=True)
        with bar:
            for first in range(0, len(inside), BATCH):
                windows_BCT = source.read(inside[first : first + BATCH])
                parts.append(self.probabilities(windows_BCT))
                bar.update(len(windows_BCT))
        if parts:
            values[recorded] = np.concatenate(parts)
        return values

    def probabilities(self, windows_BCT: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(B, K) probabilities, or numbers of a regression; NaN without usable data.

        Parameters
        ----------
        windows_BCT
            (B, C, T) windows as the contract has them, scaled; NaN where a sample is missing.
        """
        return self.preprocessing.decision.probabilities(self.outputs(windows_BCT))
