"""From rows of a corpus to a `Batch` of tensors, scaled as the contract says."""

# n windows, C channels (the most), T samples
# B windows, C channels (the most in the batch), T samples (the longest), K outputs
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from biot.corpus.corpora import Corpora
from biot.corpus.corpus import Corpus, Indices, WindowRows
from biot.corpus.schema import MISSING, decode, encode
from biot.errors import ChannelError, ConfigError, CorpusError
from biot.signals.montage import MontagePlan, plan
from biot.signals.scale import divided, q95_scale

__all__ = [
    "Batch",
    "Dtype",
    "aligned_channels",
    "batches",
    "collate",
]


@lru_cache(maxsize=1024)
def _plan(ch_names: tuple[str, ...], vocabulary: tuple[str, ...]) -> MontagePlan:
    return plan(ch_names, vocabulary)


def aligned_channels(
    rows: WindowRows,
    layouts: tuple[tuple[str, ...], ...],
    vocabulary: tuple[str, ...],
    *,
    recording: Callable[[int], str],
) -> WindowRows:
    """The same windows with the channels of a vocabulary that each has, in its order.

    `channel` becomes the row of the vocabulary. A channel that is a difference of two is computed
    in physical units and rounded again, over its own range. `recording` names that of a window,
    for messages.

    Raises
    ------
    ChannelError
        If no channel of a window is in the vocabulary, or one could come from several.
    """
    found = np.unique(rows.layout).tolist()
    plans = {}
    for layout in found:
        try:
            plans[layout] = _plan(layouts[layout], vocabulary)
        except ChannelError as error:
            first = int(rows.index[rows.layout == layout][0])
            raise ChannelError(f"{recording(first)}: {error}") from error
    if len(plans) == 1 and not next(iter(plans.values())).derived:
        return _chosen(rows, next(iter(plans.values())))
    groups = []
    for layout, montage in plans.items():
        places = np.flatnonzero(rows.layout == layout)
        group = _taken(rows, places, len(layouts[layout]))
        change = _computed if montage.derived else _chosen
        groups.append((places, change(group, montage)))
    return _together(rows, groups)


def _taken(rows: WindowRows, places: Indices, n_chans: int) -> WindowRows:
    """Some windows, of `n_chans` channels each."""
    parts = {name: value[places] for name, value in vars(rows).items()}
    per_channel = ("digital", "scale", "offset", "q95", "channel")
    return WindowRows(**parts | {name: parts[name][:, :n_chans] for name in per_channel})


def _chosen(rows: WindowRows, montage: MontagePlan) -> WindowRows:
    """Windows of one layout, all of whose entries are channels as they are."""
    present = montage.present
    sources = [entry.plus for entry in montage.entries if entry.plus is not None]
    channel = np.broadcast_to(np.array(present, dtype=np.int64), (len(rows.index), len(present)))
    if sources == list(range(rows.digital.shape[1])):
        return replace(rows, channel=channel)
    return replace(
        rows,
        digital=rows.digital[:, sources],
        scale=rows.scale[:, sources],
        offset=rows.offset[:, sources],
        q95=rows.q95[:, sources],
        channel=channel,
    )


def _computed(rows: WindowRows, montage: MontagePlan) -> WindowRows:
    """Windows of one layout with differences; their 95th percentiles are those of the result."""
    present = montage.present
    chosen = MontagePlan(
        ch_names=montage.ch_names, entries=tuple(montage.entries[i] for i in present)
    )
    physical = chosen.apply(decode(rows.digital, rows.scale, rows.offset))
    encoded = encode(physical)
    return replace(
        rows,
        digital=encoded.digital,
        scale=encoded.scale,
        offset=encoded.offset,
        q95=q95_scale(physical).astype(np.float32),
        channel=np.broadcast_to(np.array(present, np.int64), physical.shape[:2]),
    )


def _together(rows: WindowRows, groups: list[tuple[Indices, WindowRows]]) -> WindowRows:
    n, most = len(rows.index), max(group.digital.shape[1] for _, group in groups)
    digital = np.full((n, most, rows.digital.shape[2]), MISSING, dtype=np.int16)
    factors = {
        name: np.full((n, most), fill, dtype=np.float32)
        for name, fill in (("scale", 1), ("offset", 0), ("q95", 1))
    }
    channel = np.full((n, most), -1, dtype=np.int64)
    for places, group in groups:
        n_chans = group.digital.shape[1]
        digital[places, :n_chans] = group.digital
        channel[places, :n_chans] = group.channel
        for name, values in factors.items():
            values[places, :n_chans] = getattr(group, name)
    return replace(rows, digital=digital, **factors, channel=channel)


Dtype = Literal["float32", "int16"]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Windows as a model takes them.

    ``model(b.signal, valid=b.valid, channel_ids=b.channel_ids, lengths=b.lengths)``, after
    ``b = batch.scaled(device)`` where the batch is of integers.
    """

    signal: Tensor
    """(B, C, T) float32, scaled as the contract says, NaN where a sample is missing; or int16."""
    valid: Tensor
    """(B, C, T) bool: a sample is there. Where none is missing, one element seen B·C·T times."""
    channel_ids: Tensor
    """(B, C) int64 row of the vocabulary that each channel is; −1: no channel."""
    lengths: Tensor
    """(B,) int64 samples of each window."""
    label: Tensor
    """(B,) int64 position in the corpus's label names, −1 without a label; for tags and target
    numbers (B, K) float32, NaN without."""
    corpus: Tensor
    """(B,) int64 which corpus each window is from."""
    index: Tensor
    """(B,) int64 position of each window in its corpus."""
    scale: Tensor | None = None
    """(B, C) float32 of a batch of integers: scaled signal = signal · scale + offset."""
    offset: Tensor | None = None
    """(B, C) float32"""

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device; a GPU is not waited for where memory is pinned."""
        moved = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if value is not None and name != "valid"
        }
        return replace(self, **moved, valid=_moved(self.valid, device))

    def scaled(self, device: torch.device | str = "cpu") -> Batch:
        """The batch in float32 on a device, which does the arithmetic."""
        batch = self.to(device)
        if batch.scale is None or batch.offset is None:
            return batch
        signal = batch.signal.float().mul_(batch.scale[..., None]).add_(batch.offset[..., None])
        if not _is_whole(batch.valid):
            signal.masked_fill_(~batch.valid, torch.nan)
        return replace(batch, signal=signal, scale=None, offset=None)


def _is_whole(valid: Tensor) -> bool:
    """Nothing is missing: one element, True, expanded. Asks the strides, not the device."""
    return set(valid.stride()) == {0}


def _moved(valid: Tensor, device: torch.device | str) -> Tensor:
    if _is_whole(valid):
        return torch.ones(1, dtype=torch.bool, device=device).expand(valid.shape)
    return valid.to(device, non_blocking=True)


def collate(
    corpus: Corpus | Corpora,
    indices: npt.ArrayLike,
    vocabulary: Sequence[str] | None = None,
    dtype: Dtype = "float32",
    *,
    tokens: tuple[int, int] | None = None,
    empty: Literal["raise", "keep"] = "raise",
) -> Batch:
    """The windows of a corpus at `indices`, in that order, as one batch.

    Parameters
    ----------
    indices
        Positions in the corpus.
    vocabulary
        Channels of the model, in the order of its rows. Each window's channels meet them through
        :func:`biot.signals.montage.plan`: matched, derived (A − B, rounded to 16 bits as stored
        windows are), or absent. None: the corpus's own channels.
    dtype
        ``"int16"`` leaves the arithmetic to :meth:`Batch.scaled`, on the model's device.
    tokens
        Samples of a patch and from one patch to the next (``n_fft``, ``hop_length``): every
        window must have a channel with a whole patch. None: it must have a sample.
    empty
        ``"keep"`` lets windows without any pass.

    Raises
    ------
    CorpusError
        If a window has nothing that a model could use; the message names it.
    ChannelError
        If no channel of a window is in the vocabulary, or one could come from several; the
        message names the recording.
    """
    if dtype not in ("float32", "int16"):
        raise ConfigError(f"dtype must be 'float32' or 'int16', got {dtype!r}.")
    rows = corpus.rows(indices)
    if vocabulary is not None:
        rows = aligned_channels(
            rows, corpus.layouts, tuple(vocabulary),
            recording=lambda row: f"{corpus.path}: recording {corpus.recordings[row]}",
        )  # fmt: skip
    valid = _valid(rows)
    if empty == "raise":
        _require_tokens(corpus, rows, valid, tokens)
    rule = corpus.preprocessing.scale
    scale, offset = (divided(part, rule, rows.q95) for part in (rows.scale, rows.offset))
    digital = torch.from_numpy(rows.digital)
    factors = {"scale": torch.from_numpy(scale), "offset": torch.from_numpy(offset)}
    if dtype == "float32":
        signal = _decoded(digital, **factors)
        if not _is_whole(valid):
            signal.masked_fill_(~valid, torch.nan)
        digital, factors = signal, {}
    label: npt.NDArray[Any] = rows.label
    if corpus.task != "classes":
        label = corpus.targets[rows.index].astype(np.float32)
    return Batch(
        signal=digital,
        valid=valid,
        channel_ids=torch.from_numpy(rows.channel.copy()),
        lengths=torch.from_numpy(rows.n_times),
        label=torch.from_numpy(label),
        corpus=torch.from_numpy(corpus.corpus_ids[rows.index]),
        index=torch.from_numpy(rows.index),
        **factors,
    )


def _decoded(digital: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """A few windows at a time, so that the three passes over them stay in the processor's cache."""
    signal = torch.empty(digital.shape, dtype=torch.float32)
    factors = (scale[..., None], offset[..., None])
    parts = (tensor.split(4) for tensor in (signal, digital, *factors))
    for out, windows, factor, shift in zip(*parts, strict=True):
        out.copy_(windows).mul_(factor).add_(shift)
    return signal


def _valid(rows: WindowRows) -> Tensor:
    digital = rows.digital
    if digital.min(initial=0) > MISSING:
        return torch.ones(1, dtype=torch.bool).expand(digital.shape)
    return torch.from_numpy(digital != MISSING)


def _require_tokens(
    corpus: Corpus | Corpora, rows: WindowRows, valid: Tensor, tokens: tuple[int, int] | None
) -> None:
    n_fft, hop_length = tokens or (1, 1)
    n_times = valid.shape[-1]
    if _is_whole(valid) and n_times >= n_fft and valid.shape[1]:
        return
    if n_times < n_fft:
        usable = torch.zeros(len(valid), dtype=torch.bool)
    else:
        usable = valid.unfold(-1, n_fft, hop_length).all(-1).flatten(1).any(-1)
    for place in np.flatnonzero(~usable.numpy())[:1].tolist():
        row = int(rows.index[place])
        need = "a sample" if tokens is None else f"{n_fft} samples of a channel in one patch"
        raise CorpusError(
            f"{corpus.path}: window {row}, of recording {corpus.recordings[row]} from "
            f"{corpus.starts[row]:g} s, has nothing for the model: it needs {need}. "
            "Leave the window out."
        )


def batches(
    corpus: Corpus | Corpora, indices: npt.ArrayLike, batch_size: int, *, seed: int | None = None
) -> Iterator[Batch]:
    """Every window at `indices` once, `batch_size` at a time; the last batch may be smaller.

    Windows without any usable sample come too.

    Parameters
    ----------
    indices
        Positions in the corpus.
    batch_size
        Windows in a batch.
    seed
        Shuffle with this seed; None keeps the order of `indices`.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
    order = np.asarray(indices, dtype=np.int64).reshape(-1)
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order)
    parts = (order[i : i + batch_size] for i in range(0, len(order), batch_size))
    return (collate(corpus, part, empty="keep") for part in parts)
