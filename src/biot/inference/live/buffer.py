"""`SampleBuffer`: the latest samples of a signal that goes on, found by their number."""

# C channels, T samples
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError
from biot.signals.recording import Array

__all__ = ["SampleBuffer"]

_ROOM = 4096
"""Samples for which there is room at first."""


class SampleBuffer:
    """Keeps samples from :attr:`first` up to :attr:`stop`, counted from the first one ever.

    What is in front of it may be forgotten; then its place is used again, so that a signal may go
    on for ever.
    """

    def __init__(self, n_chans: int) -> None:
        self.first = 0
        """Number of the earliest sample that is still there."""
        self.stop = 0
        """Number of the next sample that will come."""
        self._data = np.empty((n_chans, _ROOM), dtype=np.float32)
        self._stamps = np.empty(_ROOM)

    def append(self, data: npt.NDArray[np.floating], stamps: npt.NDArray[np.float64]) -> None:
        """Add (C, T) samples, and the (T,) times at which they were taken."""
        n_new = data.shape[1]
        self._make_room(n_new)
        here = slice(self.stop - self.first, self.stop - self.first + n_new)
        self._data[:, here] = data
        self._stamps[here] = stamps
        self.stop += n_new

    def _make_room(self, n_new: int) -> None:
        """By moving what is there to the front of an array that is large enough."""
        n_kept = self.stop - self.first
        if n_kept + n_new <= self._data.shape[1]:
            return
        room = max(_ROOM, 2 * (n_kept + n_new))
        data = np.empty((len(self._data), room), dtype=np.float32)
        stamps = np.empty(room)
        data[:, :n_kept], stamps[:n_kept] = self._data[:, :n_kept], self._stamps[:n_kept]
        self._data, self._stamps = data, stamps

    def forget(self, before: int) -> None:
        """Let go of the samples before one, where that frees half of the place or more."""
        n_old = min(before, self.stop) - self.first
        if n_old < max(_ROOM // 2, (self.stop - self.first) // 2):
            return
        n_kept = self.stop - self.first - n_old
        self._data[:, :n_kept] = self._data[:, n_old : n_old + n_kept].copy()
        self._stamps[:n_kept] = self._stamps[n_old : n_old + n_kept].copy()
        self.first += n_old

    def read(self, start: int, stop: int) -> Array:
        """Samples from `start` to `stop`, (C, stop − start) float32, as a copy."""
        if start == stop:
            return np.empty((len(self._data), 0), dtype=np.float32)
        if not self.first <= start <= stop <= self.stop:
            raise RecordingError(
                f"samples {start} to {stop} are asked for; there are {self.first} to {self.stop}."
            )
        return self._data[:, start - self.first : stop - self.first].copy()

    def stamp(self, sample: int) -> float:
        """When a sample was taken."""
        return float(self._stamps[sample - self.first])
