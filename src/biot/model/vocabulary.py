"""The table of channel tokens by name: rows picked and added."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from biot.errors import ChannelError, listed
from biot.model.config import distinct_names
from biot.signals.channels import canonical

__all__ = ["extended", "picked"]


def extended(
    table_CE: Tensor, channels: Sequence[str], new: Sequence[str]
) -> tuple[tuple[str, ...], Tensor]:
    """A vocabulary and its table with fresh rows for new channels at the end.

    Raises
    ------
    ChannelError
        If a new name means a channel that is there already, or two of them mean the same.
    """
    names = distinct_names((*channels, *distinct_names(new)))
    return names, torch.cat([table_CE, _fresh_rows(table_CE, len(new))])


def picked(
    table_CE: Tensor, channels: Sequence[str], wanted: Sequence[str], *, new_channels: str
) -> tuple[Tensor, tuple[str, ...]]:
    """The table for other channels: rows by name, fresh ones only where ``new_channels="init"``.

    Returns
    -------
    Tensor, tuple of str
        (len(wanted), E), and the names whose rows are fresh.

    Raises
    ------
    ChannelError
        If a channel is unknown and fresh rows were not asked for.
    """
    wanted = distinct_names(wanted)
    row = {canonical(name): index for index, name in enumerate(channels)}
    fresh = tuple(name for name in wanted if canonical(name) not in row)
    if fresh and new_channels != "init":
        raise ChannelError(
            f"The model has no channel {listed(fresh)}; it knows {listed(channels)}. "
            'Leave them out, or give new_channels="init" for rows to be trained.'
        )
    rows = iter(_fresh_rows(table_CE, len(fresh)))
    found = [
        table_CE[row[canonical(name)]] if canonical(name) in row else next(rows) for name in wanted
    ]
    return torch.stack(found), fresh


def _fresh_rows(table_CE: Tensor, count: int) -> Tensor:
    fresh = nn.Embedding(count, table_CE.shape[1]) if count else None
    if fresh is None:
        return table_CE[:0]
    return fresh.weight.detach().to(table_CE.device, table_CE.dtype)
