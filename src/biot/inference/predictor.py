"""`Predictor`: a trained model and its preprocessing, applied to whole recordings."""

# B windows of a batch, C channels of the contract, T samples of a window, K classes
from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from biot.choices import Device, Precision
from biot.device import find_device, warn_if_slow
from biot.errors import ConfigError
from biot.events.event import Event
from biot.inference.explaining.bands import GivenBands, bands_of
from biot.inference.explaining.choosing import place_at, place_from, surest_place
from biot.inference.explaining.explain import Explainer, explained, require_target
from biot.inference.explaining.explanation import Explanation
from biot.inference.model_folder import require_model_folder
from biot.inference.stream import predictions_of
from biot.inference.windowed import WindowPredictor
from biot.inference.windows import ModelWindows, step_of
from biot.model.biot import BIOT
from biot.model.saving import require_fit
from biot.preprocessing import Preprocessing
from biot.signals.formats.mne import is_epochs
from biot.signals.readers import recording_of

__all__ = [
    "Device",
    "Precision",
    "Predictor",
]


class Predictor(WindowPredictor):
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
        ``"bf16"`` computes in bfloat16 where that is safe; slow on a processor without
        instructions for it, which is warned of.

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
        self._place = str(self._device)
        self.precision = precision
        warn_if_slow(precision, self._device)
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
        path = require_model_folder(Path(folder))
        preprocessing = Preprocessing.load(path)
        model = BIOT.from_pretrained(path)
        require_fit(model, preprocessing, labelled=True, where=path)
        return cls(model, preprocessing, device=device, precision=precision)

    def outputs(self, windows_BCT: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(B, K) outputs, from which probabilities follow; NaN without usable data.

        Parameters
        ----------
        windows_BCT
            As for :meth:`probabilities`.
        """
        signal_BCT = torch.from_numpy(windows_BCT)
        bfloat16 = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self.precision == "bf16"
        )
        with torch.no_grad(), bfloat16:
            out = self._model(signal_BCT.to(self._device))
        logits_BK: Tensor = out[0] if self._model.return_feature else out
        return np.asarray(logits_BK.double().cpu().numpy())

    def explain(
        self,
        recording: Any,
        *,
        at: float | None = None,
        event: int | Event | None = None,
        start: float | None = None,
        target: str | None = None,
        stride: float | None = None,
        step: float | None = None,
        bands: GivenBands | None = None,
        progress: bool = False,
    ) -> Explanation:
        """Why the model says what it says of one window: what changes when parts are missing.

        Every channel, every stretch of time, and every channel in every stretch is made missing in
        turn, as if it had not been recorded; of every band of frequencies the signal is cleared by
        a filter. The window keeps its scale, so that nothing else changes. See docs/explaining.md
        for what that tells and what not.

        Parameters
        ----------
        recording
            In any form that :meth:`predict` takes.
        at
            A moment in seconds: the window of :meth:`predict` that holds it is explained; of
            several, the one whose middle is nearest.
        event
            An event, or the number of one among those of :meth:`Predictions.to_events`, counted
            from 1: of the windows that share time with it, the one in which its label is most
            probable is explained.
        start
            Seconds at which the window begins, whatever the grid. One of `at`, `event` and `start`
            has to be given.
        target
            Class, tag or number to explain. Default: the label of the event; else the class that
            is decided, the tag that lies furthest above its threshold, the only number.
        stride
            Seconds between the starts of windows, as for :meth:`predict`.
        step
            Seconds of a stretch, rounded to whole steps between tokens. Default: about ten
            stretches a window.
        bands
            ``"0.5-4,alpha=8-13"``, pairs of Hz, or these by name; empty for none. Default: of EEG
            delta, theta, alpha, beta and gamma, of anything else octaves.
        progress
            Show a bar on stderr.

        Returns
        -------
        Explanation
            A score of each part; ``print()`` shows the strongest.

        Raises
        ------
        ConfigError
            If no window is meant, or an option is out of range.
        RecordingError
            If nothing usable was recorded there, or a file cannot be read.
        ChannelError, ContractError
            As :meth:`predict`.
        """
        contract = self.preprocessing
        if [at, event, start].count(None) != 2:
            raise ConfigError("Say which window to explain: give one of at=, event= and start=.")
        encoder = self._model.encoder
        explainer = Explainer(
            contract=contract, outputs=self.outputs, n_fft=encoder.n_fft, hop=encoder.hop_length,
            progress=progress,
        )  # fmt: skip
        if target is not None or event is None:
            require_target(target, contract)
        chosen = bands_of(bands, contract)
        distance = step_of(stride, contract)
        windows = ModelWindows(
            recording_of(recording, columns=contract.ch_names),
            contract,
            without_last_instant=is_epochs(recording),
        )
        if at is not None:
            place = place_at(at, windows, contract, distance)
        elif start is not None:
            place = place_from(start, windows, contract)
        else:
            one = event if isinstance(event, Event) else self._event(event, windows, distance)
            target = target or one.label
            place = surest_place(
                one, windows, contract, distance, lambda some: self.values_at(windows, some)
            )
        return explained(explainer, windows, place, target=target, step=step, bands=chosen)

    def _event(self, number: int | None, windows: ModelWindows, step: float) -> Event:
        """The event of this number, counted from 1, among those of the whole recording."""
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise ConfigError(
                f"event must be a number, counted from 1, or an Event; got {number!r}."
            )
        places = windows.places(step)
        values = self.values_at(windows, places)
        name = windows.recording.name
        found = predictions_of(name, places, values, self.preprocessing, windows.facts())
        events = found.to_events()
        if not 1 <= number <= len(events):
            raise ConfigError(
                f"event={number} is not among the events of {name}, which has {len(events)}"
                f"{', counted from 1' if len(events) else ''}."
            )
        return events.events[number - 1]
