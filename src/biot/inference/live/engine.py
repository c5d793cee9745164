"""`LiveEngine`: predicts the windows of a signal that goes on, as they become complete.

Every window is read from what has come so far by the very code that reads it from a file, so both
give the same numbers; the engine only knows when a window can no longer change.
"""

# C channels, T samples, K classes
from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from math import ceil

import numpy as np
import numpy.typing as npt

from biot.errors import ContractError
from biot.inference.live.buffer import SampleBuffer
from biot.inference.live.rows import LiveRow
from biot.inference.predictions import Predictions
from biot.inference.windowed import WindowPredictor
from biot.inference.windows import ModelWindows, Place, step_of
from biot.preprocessing import Preprocessing
from biot.signals.filters import fir
from biot.signals.flat import SAMPLES, SECONDS
from biot.signals.grid import grid_starts, nearest
from biot.signals.notes import note_of_other_reference, note_of_rate
from biot.signals.preprocess import is_missing
from biot.signals.recording import Recording
from biot.signals.resampling import inputs_of

__all__ = ["QUEUE", "LiveEngine", "require_causal"]

QUEUE = 4
"""Windows that may wait for the model; of more, the oldest are dropped."""
_WEEK = 7 * 24 * 3600


class LiveEngine:
    """Takes samples as they come, and gives rows.

    Parameters
    ----------
    predictor
        Of a model whose filters, if it has any, are causal.
    recording
        What is to be predicted, for its channels, rate and units; its samples are not read, save
        to tell repeated channels apart. :attr:`recording` has the channels that are to be pushed.
    stride
        Seconds between the starts of windows; default: the window.
    queue
        Windows that may wait for the model: of more, the oldest are dropped. None: all wait.
    clock
        The clock that the time stamps of samples belong to, in seconds.

    Raises
    ------
    ContractError
        If the model cannot predict live signals, or a unit cannot be converted to its.
    ChannelError
        If no channel matches, or two may.
    ConfigError
        If the stride is less than a sample, or the rate cannot be brought to the model's.
    """

    def __init__(
        self,
        predictor: WindowPredictor,
        recording: Recording,
        *,
        stride: float | None = None,
        queue: int | None = QUEUE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        contract = predictor.preprocessing
        require_causal(contract)
        _require_lazy(contract, recording)
        self._predictor, self._contract = predictor, contract
        self._step = step_of(stride, contract)
        self._queue, self._clock = queue, clock
        self._windows = ModelWindows(recording, contract)
        self.recording = self._windows.recording
        """The channels that are to be pushed, in their order, as the model's corpus calls them."""
        self._template = replace(
            self.recording, annotations=tuple(filter(is_missing, self.recording.annotations))
        )
        self._ratio = self.recording.sfreq / contract.sfreq
        self._least = max(SAMPLES, ceil(SECONDS * self.recording.sfreq))
        self._margin = self._reach_back()
        self._buffer = SampleBuffer(len(self.recording.ch_names))
        self._gaps: list[tuple[int, int]] = []
        self._begin, self._out_begin = 0, 0  # of the segment, in samples that come and that go out
        self._skipped = 0.0  # seconds between segments
        self._next = 0  # window of the segment
        self.latencies = array("d")
        """Of each row so far, in seconds."""
        self.n_lost, self.n_dropped = 0, 0

    def _reach_back(self) -> int:
        """Samples before a window's own that filters and the rule of flat channels look at."""
        one, contract = self.recording, self._contract
        inputs_of(0, 1, one.sfreq, contract.sfreq, n_times=ceil(_WEEK * one.sfreq))
        taps = fir(
            one.sfreq, l_freq=contract.l_freq, h_freq=contract.h_freq, notch=contract.notch,
            causal=contract.causal,
        )  # fmt: skip
        return len(taps) + self._least + 10

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known before the first sample: a rate below the model's, its reference."""
        montage = self._windows.montage
        notes = (
            note_of_rate(self.recording, self._contract, montage),
            note_of_other_reference(self.recording, self._contract, montage),
        )
        return tuple(note for note in notes if note is not None)

    @property
    def montage(self) -> object:
        """How the channels meet the model's; printable."""
        return self._windows.montage

    @property
    def delay(self) -> float:
        """Seconds after a window's last sample that have to come before it is complete."""
        own, wanted = self.recording.sfreq, self._contract.sfreq
        ahead = 0.0 if own == wanted else 10 / min(own, wanted)
        return ahead + (0.0 if self._contract.keep_flat else 1 / own)

    # what comes ------------------------------------------------------------------------------

    def push(self, data: npt.NDArray[np.floating], stamps: npt.NDArray[np.float64]) -> None:
        """Take samples that follow what came before.

        Parameters
        ----------
        data
            (C, T) of the channels of :attr:`recording`, in its units; NaN where missing.
        stamps
            (T,) seconds at which they were taken, by the engine's clock.
        """
        self._buffer.append(data, stamps)

    def miss(self, n_times: int) -> None:
        """Take notice of samples that were lost on the way: they are missing data."""
        start, n_chans = self._buffer.stop, len(self.recording.ch_names)
        last = self._buffer.stamp(start - 1) if start > self._buffer.first else self._clock()
        stamps = last + np.arange(1, n_times + 1) / self.recording.sfreq
        self._buffer.append(np.full((n_chans, n_times), np.nan, np.float32), stamps)
        self._gaps.append((start, self._buffer.stop))
        self.n_lost += n_times

    def end_segment(self, *, seconds: float = 0.0, whole: bool = True) -> list[LiveRow]:
        """Nothing that comes from now on follows what came before.

        Parameters
        ----------
        seconds
            Time that passed without samples, which counts in the times of later rows.
        whole
            Whether the rest, too short for a window, gives a row, as at the end of a file.
        """
        rows = self._rest(math.inf) if whole else self.rows(at_end=True)
        n_out = self._n_out(self._view()) if self._n_in else 0
        self._begin, self._next = self._buffer.stop, 0
        n_skipped = nearest(seconds * self._contract.sfreq)
        self._out_begin += n_out + n_skipped
        self._skipped += n_skipped / self._contract.sfreq
        return rows

    # what goes out ---------------------------------------------------------------------------

    def rows(self, *, at_end: bool = False) -> list[LiveRow]:
        """The rows of windows that have become complete.

        Parameters
        ----------
        at_end
            Whether nothing is to be waited for: what has come counts as the end of the signal.
        """
        if not self._n_in or not (at_end or self._is_near()):
            return []
        view, places = self._view(), []
        n_out = self._n_out(view)
        for number in count(self._next):
            start = nearest(number * self._step)
            stop = start + self._contract.n_times
            if stop > n_out or not (at_end or self._is_complete(stop)):
                break
            places.append((start, stop))
        return self._rows_of(view, places)

    def finish(self) -> list[LiveRow]:
        """All rows up to the end of the signal; the last window may reach beyond it."""
        return self._rest(self._buffer.stop / self.recording.sfreq + self._skipped)

    def _rest(self, end: float) -> list[LiveRow]:
        """The rows up to the end of the segment; none stops after `end`, in seconds."""
        if not self._n_in:
            return []
        view, n_times = self._view(), self._contract.n_times
        n_out = self._n_out(view)
        starts = grid_starts(n_out, n_times, self._step, covering=True)[self._next :]
        places = [(start, min(start + n_times, n_out)) for start in starts]
        return [replace(row, stop=min(row.stop, end)) for row in self._rows_of(view, places)]

    @property
    def _n_in(self) -> int:
        """Samples that have come of the segment."""
        return self._buffer.stop - self._begin

    def _view(self) -> ModelWindows:
        """What has come so far, as windows."""
        starts = (0, self._begin) if self._begin else (0,)
        return self._windows.grown(
            replace(
                self._template,
                n_times=self._buffer.stop,
                starts=starts,
                gaps=tuple(self._gaps),
                read_samples=self._buffer.read,
            )
        )

    def _n_out(self, view: ModelWindows) -> int:
        first, stop = view.segments()[-1]
        return stop - first

    def _is_near(self) -> bool:
        """Whether the samples of the next window have come."""
        stop = nearest(self._next * self._step) + self._contract.n_times
        return self._n_in >= stop * self._ratio - 1

    def _is_complete(self, stop: int) -> bool:
        """Whether what is to come cannot change the window that ends there."""
        sfreq = self.recording.sfreq
        _, needed = inputs_of(stop - 1, stop, sfreq, self._contract.sfreq)
        if self._n_in < needed:
            return False
        if self._contract.keep_flat or self._template.read_flat is not None:
            return True
        return self._n_in >= self._least and self._is_settled(self._begin + needed)

    def _is_settled(self, stop: int) -> bool:
        """Whether it is known of each channel if the sample before `stop` is in a flat stretch.

        That is so when a later sample differs, or the stretch is long enough already.
        """
        rows = list(self._windows.montage.used)
        if self._contract.reference != "none":
            rows = list(range(len(self.recording.ch_names)))
        first = min(max(self._begin, self._buffer.stop - self._least), stop - 1)
        data = self._buffer.read(first, self._buffer.stop)[rows]
        tail = data[:, stop - 1 - first :]
        is_long = data.shape[1] >= self._least
        same = [(data == data[:, -1:], tail == tail[:, :1])]
        if self._template.limits:
            low, high = np.array(self._template.limits)[rows].T[..., np.newaxis]
            same.append(((data <= low) | (data >= high), (tail <= low) | (tail >= high)))
        for of_data, of_tail in same:
            known = of_data[:, -self._least :].all(axis=1) & is_long
            if (of_tail.all(axis=1) & ~known).any():
                return False
        return True

    def _rows_of(self, view: ModelWindows, places: Sequence[Place]) -> list[LiveRow]:
        """Predict the windows at these places of the segment, the newest if they are too many."""
        self._next += len(places)
        first = view.segments()[-1][0]
        live = [p for p in places if not view.is_gap(first + p[0], first + p[1])]
        surplus = len(live) - self._queue if self._queue is not None else 0
        dropped = set(live[:surplus]) if surplus > 0 else set()
        kept = [place for place in places if place not in dropped]
        values = self._predictor.values_at(view, [(first + a, first + b) for a, b in kept])
        self.n_dropped += len(dropped)
        rows = self._as_rows(kept, values, [sum(d < p for d in dropped) for p in kept])
        self.latencies.extend(row.latency for row in rows)
        self._forget()
        return rows

    def _as_rows(
        self, places: Sequence[Place], values: npt.NDArray[np.float64], dropped: Sequence[int]
    ) -> list[LiveRow]:
        contract, now = self._contract, self._clock()
        names = contract.label_names or ()
        ends = (np.array(places).reshape(-1, 2) + self._out_begin) / contract.sfreq
        said = Predictions(
            name=self.recording.name, start=ends[:, 0], stop=ends[:, 1], probabilities=values,
            label_names=names, task=contract.task, thresholds=contract.thresholds,
            class_weights=contract.class_weights,
        )  # fmt: skip
        is_labelled = said.usable & (contract.task != "regression")
        labels, rows = said.labels, []
        for i, (start, stop) in enumerate(places):
            last = min(self._own(stop), self._buffer.stop)
            own = range(min(self._own(start), last - 1), last)
            stamp = self._buffer.stamp(own[-1])
            rows.append(
                LiveRow(
                    start=float(ends[i, 0]),
                    stop=float(ends[i, 1]),
                    label=labels[i] if is_labelled[i] else None,
                    probabilities=dict(zip(names, values[i].tolist(), strict=True)),
                    stamp=stamp,
                    latency=now - stamp,
                    lost=sum(
                        max(0, min(gap[1], own.stop) - max(gap[0], own.start)) for gap in self._gaps
                    ),
                    dropped=dropped[i] - (dropped[i - 1] if i else 0),
                )
            )
        return rows

    def _own(self, place: int) -> int:
        """The sample that came, for one of the segment that goes out."""
        return self._begin + ceil(place * self._ratio - 1e-6)

    def _forget(self) -> None:
        """Let go of what no later window looks at."""
        start = nearest(self._next * self._step)
        first, _ = inputs_of(start, start + 1, self.recording.sfreq, self._contract.sfreq)
        self._buffer.forget(self._begin + first - self._margin)
        self._gaps = [gap for gap in self._gaps if gap[1] > self._buffer.first]


def require_causal(contract: Preprocessing) -> None:
    """Refuse a model whose filters need samples that are still to come.

    Raises
    ------
    ContractError
        If its filters are zero-phase.
    """
    if contract.filter and not contract.causal:
        raise ContractError(
            f"The model was trained on signals with zero-phase filters ({contract.filter}), which "
            "need samples that are still to come, so it cannot predict live. Prepare its corpus "
            "again with causal=True, and train on that."
        )


def _require_lazy(contract: Preprocessing, recording: Recording) -> None:
    """Refuse a model that resamples whole recordings at once, unless the rate is its own."""
    if contract.resample == "fft" and recording.sfreq != contract.sfreq:
        raise ContractError(
            f"{recording.name}: is at {recording.sfreq:g} Hz, the model at {contract.sfreq:g} Hz, "
            "and its corpus was resampled by Fourier transform, which needs whole recordings, so "
            "it cannot predict live. Send the stream at the model's rate, or prepare its corpus "
            "again with resample=polyphase, and train on that."
        )
