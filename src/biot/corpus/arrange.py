"""Windows meet a vocabulary: channels chosen, derived, and told by their row."""

# n windows, C channels (the most), T samples

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from biot.corpus.schema import MISSING, decode, encode
from biot.corpus.windows import Indices, WindowRows
from biot.errors import ChannelError
from biot.signals.montage import MontagePlan, plan
from biot.signals.preprocess import q95_scale

__all__ = ["arranged"]


@lru_cache(maxsize=1024)
def _plan(ch_names: tuple[str, ...], vocabulary: tuple[str, ...]) -> MontagePlan:
    return plan(ch_names, vocabulary)


def arranged(
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
