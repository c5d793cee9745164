"""What an explanation consists of: one window, and a score of each of its parts."""

# C channels, S stretches, F bands, K classes, T samples

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from biot.inference.explaining.bands import Band
from biot.inference.explaining.occlusion import Floats
from biot.preprocessing import Task

__all__ = ["KINDS", "ExplainedWindow"]

KINDS = ("channel", "stretch", "channel and stretch", "band", "channel and band")
"""Kinds of parts that have a score."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ExplainedWindow:
    """One window of a recording, and a score of each of its parts."""

    name: str
    """Of the recording."""
    start: float
    """Start of the window in seconds from the recording's first sample."""
    stop: float
    """Its end; the recording's where the window reaches beyond it."""
    target: str
    """The class, tag or number that the scores are about."""
    task: Task
    """What the model predicts."""
    label: str
    """What is said of the window; ``""`` of a regression, and where no tag holds."""
    label_names: tuple[str, ...]
    """Names of the K classes, tags or numbers."""
    probabilities: Floats
    """(K,) of the whole window, or the numbers of a regression."""
    baseline: float
    """Log-odds of the target, the natural logarithm; of a regression its number."""
    ch_names: tuple[str, ...]
    """The model's C channels."""
    absent: tuple[str, ...]
    """Those that the recording does not hold."""
    stretches: Floats
    """(S, 2) seconds from the recording's first sample at which each stretch starts and stops: a
    sample belongs to the stretch if start ≤ time < stop."""
    bands: tuple[Band, ...]
    """The F bands that were left out."""
    channel_scores: Floats
    """(C,) without each channel."""
    stretch_scores: Floats
    """(S,) without each stretch, of all channels."""
    cell_scores: Floats
    """(C, S) without each channel in each stretch."""
    band_scores: Floats
    """(F,) without each band, in all channels."""
    channel_band_scores: Floats
    """(C, F) without each band in each channel."""
    signal: npt.NDArray[np.float32]
    """(C, T) the window in `units`, NaN where nothing was recorded."""
    sfreq: float
    """Samples a second of `signal`."""
    units: tuple[str, ...]
    """Unit of each channel of `signal`."""
    notes: tuple[str, ...] = ()
    """What is to be known besides."""

    @property
    def measure(self) -> str:
        """What scores count: ``"log-odds of LABEL"``, or the name of the number."""
        return self.target if self.task == "regression" else f"log-odds of {self.target}"

    @property
    def title(self) -> str:
        """Recording, window, what is said of it, and the target, in one line."""
        value = self.probabilities[self.label_names.index(self.target)]
        window = f"{self.name}, {self.start:g} to {self.stop:g} s"
        if self.task == "regression":
            return f"{window}: {self.target} is {value:.4g}"
        said = f"{self.label or 'nothing'} is said; " if self.label != self.target else ""
        return f"{window}: {said}probability of {self.target} {value:.3f}"

    def rows(self) -> Iterator[tuple[str, str, float, float, str, float, float, float]]:
        """Every score: kind of part, channel, start, stop, band, low, high (Hz), score.

        Kinds are ``channel``, ``stretch``, ``channel and stretch``, ``band`` and ``channel and
        band``. What does not apply is ``""`` or NaN.
        """
        nan = float("nan")
        spans = [(float(start), float(stop)) for start, stop in self.stretches]
        bands = [(band.name, band.low, band.high) for band in self.bands]
        no_span, no_band = (nan, nan), ("", nan, nan)
        for c, name in enumerate(self.ch_names):
            yield (KINDS[0], name, *no_span, *no_band, float(self.channel_scores[c]))
        for s, span in enumerate(spans):
            yield (KINDS[1], "", *span, *no_band, float(self.stretch_scores[s]))
        for (c, s), score in np.ndenumerate(self.cell_scores):
            yield (KINDS[2], self.ch_names[c], *spans[s], *no_band, float(score))
        for f, band in enumerate(bands):
            yield (KINDS[3], "", *no_span, *band, float(self.band_scores[f]))
        for (c, f), score in np.ndenumerate(self.channel_band_scores):
            yield (KINDS[4], self.ch_names[c], *no_span, *bands[f], float(score))
