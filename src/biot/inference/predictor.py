"""`Predictor`: a trained model and its preprocessing, applied to whole recordings."""

# B windows of a batch, C channels of the contract, T samples of a window, K classes
from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from biot.choices import Device, Precision
from biot.device import find_device
from biot.errors import ChannelError, ConfigError
from biot.inference.predictions import Predictions, PredictionWarning
from biot.model.biot import BIOT
from biot.model.saving import require_fit
from biot.preprocessing import Preprocessing
from biot.signals.channels import canonical
from biot.signals.flat import find_flat
from biot.signals.formats.mne import is_epochs
from biot.signals.grid import grid_starts
from biot.signals.montage import MontagePlan, plan
from biot.signals.naming import named, renames_of
from biot.signals.notes import (
    note_of_bad,
    note_of_flat,
    note_of_other_reference,
    note_of_rate,
    note_of_reference,
)
from biot.signals.preprocess import preprocessed
from biot.signals.readers import recording_of
from biot.signals.recording import Recording
from biot.signals.scale import scaled_window
from biot.signals.units import unit_factors

__all__ = [
    "Device",
    "Precision",
    "Predictor",
]

_BATCH = 64  # windows that are in memory at once


class Predictor:
    """Predicts every window of a recording, prepared as the model's corpus was.

    Parameters
    ----------
    model
        A trained model with one output a class, tag or number.
    preprocessing
        What its windows went through, with the names of the classes.
    device
        ``"auto"`` takes the GPU if there is one.
    precision
        ``"bf16"`` computes in bfloat16 where that is safe.

    Raises
    ------
    ContractError
        If model and preprocessing do not fit each other, or no class has a name.
    ConfigError
        If the device is not there, or an option is unknown.
    """

    def __init__(
        self,
        model: BIOT,
        preprocessing: Preprocessing,
        *,
        device: Device = "auto",
        precision: Precision = "32",
    ) -> None:
        if precision not in get_args(Precision):
            raise ConfigError(f"precision must be '32' or 'bf16', got {precision!r}.")
        require_fit(model, preprocessing, labelled=True)
        self.preprocessing = preprocessing
        self._device = find_device(device)
        self._precision = precision
        self._model = model.to(self._device).eval()

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: Device = "auto", precision: Precision = "32"
    ) -> Predictor:
        """Open a model folder: ``config.json``, ``model.safetensors``, ``preprocessing.json``.

        Raises
        ------
        BiotError
            As the class does, and where a file is missing or damaged.
        """
        path = Path(folder)
        if not path.is_dir():
            raise ConfigError(f"{path}: no such folder. Give the model folder of a run, RUN/model.")
        if (path / "model").is_dir() and not (path / "config.json").is_file():
            raise ConfigError(f"{path}: is a run; its model is {path / 'model'}")
        preprocessing = Preprocessing.load(path)
        model = BIOT.from_pretrained(path)
        require_fit(model, preprocessing, labelled=True, where=path)
        return cls(model, preprocessing, device=device, precision=precision)

    def montage(self, recording: Any) -> MontagePlan:
        """How the channels of a recording, in any form, meet the model's; printable.

        Raises
        ------
        ChannelError
            If no channel matches, or two may; the message opens with the recording's name.
        """
        contract = self.preprocessing
        found = recording_of(recording, columns=contract.ch_names)
        return _planned(_named(found, contract), contract)

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
        step = contract.sfreq * (contract.window if stride is None else stride)
        if not (math.isfinite(step) and step >= 1):
            raise ConfigError(
                f"stride must be at least one sample ({1 / contract.sfreq:g} s), got {stride} s."
            )
        of_epochs = is_epochs(recording)
        recording = _named(recording_of(recording, columns=contract.ch_names), contract)
        montage = _planned(recording, contract)
        source = _Windows(recording, montage, contract)
        places = [
            (first + start, min(first + start + contract.n_times, stop))
            for first, stop in source.segments(without_last_instant=of_epochs)
            for start in grid_starts(stop - first, contract.n_times, step, covering=True)
        ]
        values = self._of_places(source, places, progress)
        start, stop = np.array(places).T / contract.sfreq
        notes = _notes(recording, contract, montage, bool(np.isfinite(values).any()))
        for note in notes:
            warnings.warn(note, PredictionWarning, stacklevel=2)
        return Predictions(
            name=recording.name,
            start=start,
            stop=np.minimum(stop, recording.duration),
            probabilities=values,
            label_names=contract.label_names or (),
            task=contract.task,
            thresholds=contract.thresholds,
            class_weights=contract.class_weights,
            duration=recording.duration,
            sfreq=recording.sfreq,
            meas_date=recording.meas_date,
            path=recording.path,
            breaks=tuple(first / recording.sfreq for first in recording.starts[1:]),
            events_rules=contract.events,
            notes=notes,
        )

    def _of_places(
        self, source: _Windows, places: Sequence[tuple[int, int]], progress: bool
    ) -> npt.NDArray[np.float64]:
        """(n_windows, K); NaN without usable data. What lies in a gap is not read."""
        from tqdm import tqdm

        names = self.preprocessing.label_names
        recorded = np.array([not source.is_gap(*place) for place in places])
        inside = [place for place, is_there in zip(places, recorded, strict=True) if is_there]
        parts = []
        bar = tqdm(total=len(inside), unit="window", disable=not progress, dynamic_ncols=True)
        with bar:
            for signal_BCT in source.batches(inside):
                parts.append(self._probabilities(signal_BCT))
                bar.update(len(signal_BCT))
        found = np.concatenate(parts) if parts else np.empty((0, len(names or ())))
        values = np.full((len(places), found.shape[1]), np.nan)
        values[recorded] = found
        return values

    def _probabilities(self, signal_BCT: Tensor) -> npt.NDArray[np.float64]:
        """(B, K) probabilities, or numbers of a regression; NaN without usable data."""
        bfloat16 = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._precision == "bf16"
        )
        with torch.no_grad(), bfloat16:
            out = self._model(signal_BCT.to(self._device))
        logits_BK: Tensor = out[0] if self._model.return_feature else out
        return self.preprocessing.decision.probabilities(logits_BK.double().cpu().numpy())


def _named(recording: Recording, contract: Preprocessing) -> Recording:
    """The recording with the channels that count, called as in the model's corpus."""
    found = named(recording, renames_of(contract.rename_channels))
    wanted = {canonical(name) for name in contract.ch_names}
    numbers = {new: old for old, new in found.numbered}
    if any(canonical(new) in wanted for new in numbers):
        return found.recording
    # otherwise the plan refuses two that are meant by one name
    names = tuple(numbers.get(name, name) for name in found.recording.ch_names)
    bad = tuple(numbers.get(name, name) for name in found.recording.bad)
    return replace(found.recording, ch_names=names, bad=bad)


def _planned(recording: Recording, contract: Preprocessing) -> MontagePlan:
    try:
        return plan(recording.ch_names, contract.ch_names)
    except ChannelError as error:
        raise ChannelError(f"{recording.name}: {error}") from error


class _Windows:
    """Reads a recording as the model's channels, rate, unit and scale want it."""

    def __init__(self, recording: Recording, montage: MontagePlan, contract: Preprocessing) -> None:
        self._factors_C1 = unit_factors(recording, montage, contract.units)[:, None]
        self._recording = preprocessed(recording, contract)
        self._montage = montage
        self._contract = contract
        self._own_sfreq = recording.sfreq

    def segments(self, *, without_last_instant: bool) -> list[tuple[int, int]]:
        """Where the recording's segments lie, in samples at the contract's rate.

        Those of MNE's epochs that are one sample longer than whole windows end with these.
        """
        surplus = math.ceil(self._contract.sfreq / self._own_sfreq) if without_last_instant else 0
        return [
            (first, stop - beyond if first + beyond < stop and beyond <= surplus else stop)
            for first, stop in self._recording.segments
            for beyond in [(stop - first) % self._contract.n_times]
        ]

    def is_gap(self, start: int, stop: int) -> bool:
        """Whether nothing was recorded in this stretch, which then need not be read."""
        return self._recording.is_gap(start, stop)

    def batches(self, places: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
        """(B, C, T) windows of these first samples and ends, scaled, some at a time."""
        for first in range(0, len(places), _BATCH):
            windows_BCT = np.stack(
                [self._window(*place) for place in places[first : first + _BATCH]]
            )
            yield torch.from_numpy(scaled_window(windows_BCT, self._contract.scale))

    def _window(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """(C, T) in the contract's units; NaN where absent and beyond `stop`."""
        window = np.full((self._contract.n_chans, self._contract.n_times), np.nan, np.float32)
        window[:, : stop - start] = self._montage.apply(self._recording.read(start, stop))
        return window * self._factors_C1


def _notes(
    recording: Recording, contract: Preprocessing, montage: MontagePlan, usable: bool
) -> tuple[str, ...]:
    """What is to be known of a recording besides the predictions."""
    found = find_flat(recording)
    of_model = found.among([recording.ch_names[i] for i in montage.used])
    notes = [
        note_of_rate(recording, contract, montage),
        note_of_other_reference(recording, contract, montage),
        note_of_reference(recording, found, contract),
        note_of_flat(recording, of_model, contract),
        note_of_bad(recording, montage),
    ]
    if not usable:
        notes.append(
            f"{recording.name}: nothing was recorded that the model could use: in no window does "
            "any of its channels hold a whole token, so no window has a prediction."
        )
    return tuple(note for note in notes if note is not None)
