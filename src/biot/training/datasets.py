"""Labelled windows that play one role in a run, wherever they lie."""

# W windows, B of a batch, C channels, T samples, E width of the features
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from biot.corpus.batch import Batch, batches
from biot.corpus.corpus import Corpus
from biot.evaluation.metrics import Floats, Ints
from biot.evaluation.tasks import Truth
from biot.model.tokenizer import token_mask

__all__ = [
    "LabelledWindows",
    "MixedBatch",
    "Subset",
    "TensorWindows",
    "WindowBatch",
    "batches_of",
    "filled_up",
    "is_labelled",
    "spread",
    "spread_rows",
    "truth_of",
    "usable",
    "weights_of",
]


class WindowBatch(Protocol):
    """What training needs of a batch."""

    @property
    def signal(self) -> Tensor:
        """(B, C, T) float32, scaled; NaN where missing."""

    @property
    def label(self) -> Tensor:
        """(B,) int64 classes, or (B, K) tags or numbers."""

    @property
    def index(self) -> Tensor:
        """(B,) int64 numbers of the windows: rows of the corpus, or of the array."""


@dataclass(frozen=True, kw_only=True)
class MixedBatch:
    """Windows that were changed on the way, each perhaps mixed with another."""

    signal: Tensor
    """(B, C, T) float32; NaN where missing."""
    label: Tensor
    """As in :class:`WindowBatch`."""
    index: Tensor
    """As there."""
    channel_ids: Tensor | None = None
    """(B, C) rows of the vocabulary; None: the channels in order."""
    partner_label: Tensor | None = None
    """Labels of the windows that were mixed in; None: nothing was."""
    share: Tensor | None = None
    """(B,) share of the window itself; the rest is its partner's."""
    weight: Tensor | None = None
    """(B,) how much each window counts, where 1 is the mean of the whole set; None: 1."""
    partner_weight: Tensor | None = None
    """The same of the windows that were mixed in."""


class LabelledWindows(Protocol):
    """Windows with their truth."""

    @property
    def truth(self) -> Truth:
        """(W,) classes, or (W, K) tags or numbers."""

    @property
    def index(self) -> Ints:
        """(W,) number of each window, for messages."""

    def batches(self, order: Ints, batch_size: int) -> Iterable[WindowBatch]:
        """The windows at these positions, some at a time, in this order."""

    def chosen(self, keep: Ints) -> LabelledWindows:
        """Those at these positions only."""

    def joined(self, other: Any) -> LabelledWindows:
        """These and others from the same place, in the order of their numbers."""

    def describe(self, index: int) -> str:
        """A window by its number, for messages."""


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Windows of one corpus."""

    corpus: Corpus
    rows: Ints
    """(W,) positions in the corpus, ascending."""
    labels: Truth
    """(W,) classes as the model counts them, or (W, K) tags or numbers."""

    @property
    def truth(self) -> Truth:
        """The labels."""
        return self.labels

    @property
    def index(self) -> Ints:
        """The positions in the corpus."""
        return self.rows

    def batches(self, order: Ints, batch_size: int) -> Iterator[WindowBatch]:
        """Read from the corpus; all are as long as the contract's windows, or filled up to it."""
        n_times = self.corpus.preprocessing.n_times
        for batch in batches(self.corpus, self.rows[order], batch_size):
            yield filled_up(batch, n_times)

    def chosen(self, keep: Ints) -> Subset:
        """The windows at these positions only."""
        return Subset(corpus=self.corpus, rows=self.rows[keep], labels=self.labels[keep])

    def joined(self, other: Subset) -> Subset:
        """These and other windows of the same corpus, ascending."""
        rows = np.concatenate([self.rows, other.rows])
        order = np.argsort(rows, kind="stable")
        labels = np.concatenate([self.labels, other.labels])
        return Subset(corpus=self.corpus, rows=rows[order], labels=labels[order])

    def describe(self, index: int) -> str:
        """Recording and place of a window."""
        where = f"{self.corpus.recordings[index]} at {self.corpus.starts[index]:g} s"
        return f"{where} (window {index})"

    def to_dict(self) -> dict[str, Any]:
        """Subjects, and the rows as ranges [first, last + 1]."""
        breaks = np.flatnonzero(np.diff(self.rows) != 1) + 1
        ranges = [[int(run[0]), int(run[-1]) + 1] for run in np.split(self.rows, breaks)]
        subjects = np.unique(self.corpus.subjects[self.rows]).tolist()
        return {"n_windows": len(self.rows), "subjects": subjects, "rows": ranges}


@dataclass(frozen=True, kw_only=True)
class TensorWindows:
    """Windows in memory: signals (W, C, T), or features (W, E)."""

    signal: Tensor
    truth: Truth
    index: Ints
    """(W,) number of each window where it came from: a row of a corpus, or of an array."""
    weight: Floats | None = None
    """(W,) how much each window counts; None: all alike."""

    def batches(self, order: Ints, batch_size: int) -> Iterator[WindowBatch]:
        """Slices of the tensors."""
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            yield MixedBatch(
                signal=self.signal[torch.from_numpy(rows)],
                label=torch.as_tensor(self.truth[rows]),
                index=torch.from_numpy(self.index[rows]),
                weight=self._relative_weight(rows),
            )

    def chosen(self, keep: Ints) -> TensorWindows:
        """The windows at these positions only."""
        signal = self.signal[torch.from_numpy(keep)]
        return TensorWindows(
            signal=signal, truth=self.truth[keep], index=self.index[keep],
            weight=None if self.weight is None else self.weight[keep],
        )  # fmt: skip

    def joined(self, other: TensorWindows) -> TensorWindows:
        """These and other windows of the same array, in the order of their numbers."""
        index = np.concatenate([self.index, other.index])
        whole = TensorWindows(
            signal=torch.cat([self.signal, other.signal]),
            truth=np.concatenate([self.truth, other.truth]), index=index,
            weight=None if self.weight is None or other.weight is None
            else np.concatenate([self.weight, other.weight]),
        )  # fmt: skip
        return whole.chosen(np.argsort(index, kind="stable"))

    def describe(self, index: int) -> str:
        """The number of a window."""
        return f"window {index}"

    def _relative_weight(self, rows: Ints) -> Tensor | None:
        if self.weight is None:
            return None
        return torch.from_numpy(self.weight[rows] / self.weight.mean())


def weights_of(windows: LabelledWindows) -> Floats | None:
    """(W,) how much each window counts; None: all alike."""
    weight: Floats | None = getattr(windows, "weight", None)
    return weight


def truth_of(corpus: Corpus) -> Truth:
    """(n_windows,) classes, −1 without a label; or (n_windows, K) tags or numbers, NaN without."""
    if corpus.task == "classes":
        return corpus.label_ids
    return corpus.targets.astype(np.float64)


def is_labelled(truth: Truth) -> npt.NDArray[np.bool_]:
    """(W,) whether a window has a label: a class, or all its tags or numbers."""
    known = truth >= 0 if truth.ndim == 1 else np.isfinite(truth).all(axis=1)
    return np.asarray(known)


def filled_up(batch: Batch, n_times: int) -> Batch:
    """A batch of at least `n_times` samples; what is added is missing."""
    lacking = n_times - batch.signal.shape[2]
    if lacking <= 0:
        return batch
    return replace(
        batch,
        signal=F.pad(batch.signal, (0, lacking), value=torch.nan),
        valid=F.pad(batch.valid, (0, lacking), value=False),
    )


def batches_of(windows: LabelledWindows, batch_size: int) -> Iterable[WindowBatch]:
    """All of them, in their order."""
    return windows.batches(np.arange(len(windows.truth)), batch_size)


MOST_SAMPLES = 2**25
"""Of all channels together, from which statistics of spectra are made: 128 MB."""


def spread_rows(n_windows: int, n_chans: int, n_times: int) -> Ints:
    """Positions at equal distances, as many as statistics of spectra are made from."""
    most = max(1, MOST_SAMPLES // max(1, n_chans * n_times))
    return np.unique(np.linspace(0, n_windows - 1, min(n_windows, most)).round().astype(np.int64))


def spread(
    windows: LabelledWindows, batch_size: int = 64
) -> list[tuple[Tensor, Tensor | None, Tensor | None]]:
    """Signals from all over a set, their channels, and how much each window counts.

    They are for :meth:`biot.BIOT.fit_spectrum`. Windows of weight 0 are left out.
    """
    first = next(iter(windows.batches(np.arange(1), 1)))
    weight = weights_of(windows)
    counting = np.arange(len(windows.truth)) if weight is None else np.flatnonzero(weight)
    rows = counting[spread_rows(len(counting), *first.signal.shape[1:])]
    found = []
    for start in range(0, len(rows), batch_size):
        some = rows[start : start + batch_size]
        times = None if weight is None else torch.from_numpy(weight[some])
        for batch in windows.batches(some, batch_size):
            found.append((batch.signal, getattr(batch, "channel_ids", None), times))
    return found


def usable(windows: LabelledWindows, *, n_fft: int, hop_length: int, batch_size: int) -> Ints:
    """Positions of the windows that hold a whole token: there is nothing to learn from others."""
    keep = []
    for batch in batches_of(windows, batch_size):
        mask = token_mask(~batch.signal.isnan(), n_fft, hop_length)
        keep.append(mask.flatten(1).any(dim=1).numpy())
    return np.flatnonzero(np.concatenate(keep))
