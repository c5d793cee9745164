"""All occlusions of one window: which there are, and the windows that the model sees of them."""

# B windows of a batch, C channels, T samples, F bands, S stretches, K outputs, P parts

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from biot.inference.explaining.parts import Bools, Ints

__all__ = ["Floats", "Outputs", "Part", "Scores", "outputs_without", "parts_of", "scores_of"]

Floats = npt.NDArray[np.float64]
Outputs = Callable[[npt.NDArray[np.float32]], Floats]
"""(B, C, T) scaled windows to (B, K) outputs; NaN where nothing is left."""

_ALL = slice(None)
_MOST_WINDOWS = 64
_MOST_SAMPLES = 2**24
"""Of all windows that are in memory at once."""


@dataclass(frozen=True)
class Part:
    """What is left out of a window, and where its score belongs."""

    kind: str
    place: tuple[int, ...]
    rows: int | slice
    samples: slice = field(default_factory=lambda: slice(None))
    band: int | None = None


@dataclass(frozen=True)
class Scores:
    """What the target loses without each part; NaN where a score has no meaning."""

    baseline: float
    """Of the window as it is."""
    channel_scores: Floats
    """(C,)"""
    stretch_scores: Floats
    """(S,)"""
    cell_scores: Floats
    """(C, S)"""
    band_scores: Floats
    """(F,)"""
    channel_band_scores: Floats
    """(C, F)"""


def parts_of(stretches_S2: Ints, valid_CS: Bools, n_bands: int) -> list[Part]:
    """The window as it is, and then every part that can be left out of it.

    Parameters
    ----------
    stretches_S2
        First sample of each stretch, and the one after its last.
    valid_CS
        Whether any whole token goes with a cell. Where none does, nothing can change, and there is
        no part: its score is NaN rather than 0.
    n_bands
        Bands to leave out.
    """
    return [
        Part("whole", (), rows=_ALL),
        *_missing(stretches_S2, valid_CS),
        *_filtered(n_bands, np.asarray(valid_CS.any(axis=1))),
    ]


def outputs_without(
    window_CT: npt.NDArray[np.float32],
    stopped_FCT: npt.NDArray[np.float32],
    parts: Sequence[Part],
    outputs: Outputs,
    *,
    progress: bool = False,
) -> Floats:
    """What the model says of the window without each part, (P, K), in one pass of batches.

    Parameters
    ----------
    window_CT
        The window as the model sees it: scaled, NaN where a sample is missing.
    stopped_FCT
        The same without each band, divided by the same scale.
    parts, outputs
        What to leave out, and what the model says of windows.
    progress
        Show a bar on stderr.
    """
    from tqdm import tqdm

    found = []
    with tqdm(total=len(parts), unit="part", disable=not progress, dynamic_ncols=True) as bar:
        for batch in _windows(window_CT, stopped_FCT, parts):
            found.append(outputs(batch))
            bar.update(len(batch))
    return np.concatenate(found)


def scores_of(parts: Sequence[Part], values_P: Floats, valid_CS: Bools, n_bands: int) -> Scores:
    """What a value loses without each part; NaN where there is no part, or nothing was left."""
    n_chans, n_stretches = valid_CS.shape
    shapes = {
        "channel": (n_chans,), "stretch": (n_stretches,), "cell": (n_chans, n_stretches),
        "band": (n_bands,), "channel_band": (n_chans, n_bands),
    }  # fmt: skip
    found = {f"{kind}_scores": np.full(shape, np.nan) for kind, shape in shapes.items()}
    for part, value in zip(parts[1:], values_P[1:], strict=True):
        found[f"{part.kind}_scores"][part.place] = values_P[0] - value
    return Scores(baseline=float(values_P[0]), **found)


def _missing(stretches_S2: Ints, valid_CS: Bools) -> Iterator[Part]:
    """Channels, stretches, and both, as far as there is anything of them."""
    spans = [slice(int(start), int(stop)) for start, stop in stretches_S2]
    for c in np.flatnonzero(valid_CS.any(axis=1)).tolist():
        yield Part("channel", (c,), rows=c)
    for s in np.flatnonzero(valid_CS.any(axis=0)).tolist():
        yield Part("stretch", (s,), rows=_ALL, samples=spans[s])
    for c, s in np.argwhere(valid_CS).tolist():
        yield Part("cell", (c, s), rows=c, samples=spans[s])


def _filtered(n_bands: int, valid_C: Bools) -> Iterator[Part]:
    """Bands, of all channels and of each."""
    if not valid_C.any():
        return
    for f in range(n_bands):
        yield Part("band", (f,), rows=_ALL, band=f)
        for c in np.flatnonzero(valid_C).tolist():
            yield Part("channel_band", (c, f), rows=c, band=f)


def _windows(
    window_CT: npt.NDArray[np.float32],
    stopped_FCT: npt.NDArray[np.float32],
    parts: Sequence[Part],
) -> Iterator[npt.NDArray[np.float32]]:
    """(B, C, T) the window without each part, some at a time."""
    size = max(1, min(_MOST_WINDOWS, _MOST_SAMPLES // window_CT.size))
    for first in range(0, len(parts), size):
        some = parts[first : first + size]
        batch_BCT = np.repeat(window_CT[np.newaxis], len(some), axis=0)
        for window, part in zip(batch_BCT, some, strict=True):
            if part.band is not None:
                window[part.rows] = stopped_FCT[part.band, part.rows]
            elif part.kind != "whole":
                window[part.rows, part.samples] = np.nan
        yield batch_BCT
