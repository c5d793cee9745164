"""`ModelWindows`: a recording cut into windows as a model wants them, without the model."""

# C channels of the contract, T samples of a window, B windows
from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ChannelError, ConfigError
from biot.preprocessing import Preprocessing
from biot.signals.channels import canonical
from biot.signals.flat import find_flat
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
from biot.signals.recording import Recording
from biot.signals.scale import scaled_window
from biot.signals.units import unit_factors

__all__ = ["ModelWindows", "named_as", "note_of_nothing", "planned", "step_of"]

Place = tuple[int, int]
"""First sample of a window, and the one after its last, at the contract's rate."""


class ModelWindows:
    """Reads a recording as the model's channels, rate, unit and scale want it.

    Parameters
    ----------
    recording
        As it was read.
    contract
        Of the model.
    without_last_instant
        Whether its segments are MNE's epochs, whose last instant makes no window of its own.

    Raises
    ------
    ChannelError
        If no channel matches, or two may.
    ContractError
        If a unit cannot be converted to the contract's.
    RecordingError, ConfigError
        As :func:`biot.signals.preprocess.preprocessed`.
    """

    def __init__(
        self, recording: Recording, contract: Preprocessing, *, without_last_instant: bool = False
    ) -> None:
        self.recording = named_as(recording, contract)
        self.montage = planned(self.recording, contract)
        self._factors_C1 = unit_factors(self.recording, self.montage, contract.units)[:, None]
        with _of_the_model(recording.name):
            self._at_rate = preprocessed(self.recording, contract)
        self._contract = contract
        self._of_epochs = without_last_instant

    def grown(self, recording: Recording) -> ModelWindows:
        """The same for a recording that goes on: with the channels of this one, and more samples.

        Nothing is told of it that was told of this one.
        """
        other = copy(self)
        other.recording = recording
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other._at_rate = preprocessed(recording, self._contract)
        return other

    def segments(self) -> list[Place]:
        """Where the recording's segments lie, in samples at the contract's rate.

        Those of MNE's epochs that are one sample longer than whole windows end with these.
        """
        own, n_times = self.recording.sfreq, self._contract.n_times
        surplus = math.ceil(self._contract.sfreq / own) if self._of_epochs else 0
        return [
            (first, stop - beyond if first + beyond < stop and beyond <= surplus else stop)
            for first, stop in self._at_rate.segments
            for beyond in [(stop - first) % n_times]
        ]

    def places(self, step: float) -> list[Place]:
        """Every window, `step` samples apart within each segment; the last reaches its end."""
        n_times = self._contract.n_times
        return [
            (first + start, min(first + start + n_times, stop))
            for first, stop in self.segments()
            for start in grid_starts(stop - first, n_times, step, covering=True)
        ]

    def is_gap(self, start: int, stop: int) -> bool:
        """Whether nothing was recorded in this stretch, which then need not be read."""
        return self._at_rate.is_gap(start, stop)

    def read(self, places: Sequence[Place]) -> npt.NDArray[np.float32]:
        """(B, C, T) windows at these places, scaled; NaN where absent and beyond the end."""
        shape = (len(places), self._contract.n_chans, self._contract.n_times)
        windows_BCT = np.full(shape, np.nan, np.float32)
        for window_CT, (start, stop) in zip(windows_BCT, places, strict=True):
            window_CT[:, : stop - start] = self.physical(start, stop)
        return scaled_window(windows_BCT, self._contract.scale)

    def physical(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """(C, samples) from one sample to another of a segment, in the contract's units; NaN where
        a channel is absent."""
        with _of_the_model(self.recording.name):  # some settings need the samples
            read = self._at_rate.read(start, stop)
        arranged = self.montage.apply(read)
        return np.asarray(arranged * self._factors_C1, dtype=np.float32)

    def facts(self) -> dict[str, Any]:
        """What predictions say of their recording, by the names of their fields."""
        one = self.recording
        return {
            "duration": one.duration,
            "sfreq": one.sfreq,
            "meas_date": one.meas_date,
            "path": one.path,
            "breaks": tuple(first / one.sfreq for first in one.starts[1:]),
        }

    def notes(self) -> tuple[str, ...]:
        """What is to be known of the recording besides the predictions; reads all samples."""
        recording, contract, montage = self.recording, self._contract, self.montage
        found = find_flat(recording)
        of_model = found.among([recording.ch_names[i] for i in montage.used])
        notes = (
            note_of_rate(recording, contract, montage),
            note_of_other_reference(recording, contract, montage),
            note_of_reference(recording, found, contract),
            note_of_flat(recording, of_model, contract),
            note_of_bad(recording, montage),
        )
        return tuple(note for note in notes if note is not None)


@contextmanager
def _of_the_model(name: str) -> Iterator[None]:
    """Say of settings that do not suit a recording whose they are: not the caller's."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            f"{name}: cannot be prepared as the model's corpus was: {error} That is a setting of "
            "the model. Take another recording, or a model whose corpus was prepared otherwise."
        ) from error


def note_of_nothing(name: str) -> str:
    """What is said of a recording in which no window has a prediction."""
    return (
        f"{name}: nothing was recorded that the model could use: in no window does "
        "any of its channels hold a whole token, so no window has a prediction."
    )


def step_of(stride: float | None, contract: Preprocessing) -> float:
    """Samples between the starts of windows, which may be a fraction.

    Raises
    ------
    ConfigError
        If it is less than one sample.
    """
    step = contract.sfreq * (contract.window if stride is None else stride)
    if not (math.isfinite(step) and step >= 1):
        raise ConfigError(
            f"stride must be at least one sample ({1 / contract.sfreq:g} s), got {stride} s."
        )
    return step


def named_as(recording: Recording, contract: Preprocessing) -> Recording:
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


def planned(recording: Recording, contract: Preprocessing) -> MontagePlan:
    """How the channels of a recording meet the contract's; the message names the recording."""
    try:
        return plan(recording.ch_names, contract.ch_names)
    except ChannelError as error:
        raise ChannelError(f"{recording.name}: {error}") from error
