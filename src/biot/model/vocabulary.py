"""A model's vocabulary: names of the rows of its channel-token table, picked and extended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from biot.errors import ChannelError, counted, listed
from biot.model.encoder import BIOTEncoder
from biot.model.signal import Signal, distinct_names
from biot.signals.channels import canonical

__all__ = ["ChannelVocabulary", "extended", "picked"]


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


class ChannelVocabulary:
    """What a model does with the names of its channels."""

    encoder: BIOTEncoder
    _signal: Signal
    _chs_info: list[dict[str, Any]] | None
    _given: dict[str, Any]

    def name_channels(self, channels: Sequence[str]) -> None:
        """Say which channels the rows of a model without names stand for."""
        names = distinct_names(channels)
        if self._signal.channels is not None or len(names) != self._signal.n_chans:
            raise ChannelError(
                f"{counted(len(names), 'name')} for {counted(self._signal.n_chans, 'channel')}"
                + (", which have names already." if self._signal.channels is not None else ".")
            )
        self._set_vocabulary(names, self.encoder.channel_tokens.weight.detach())

    def extend_channels(self, names: Sequence[str]) -> None:
        """Add channels to the vocabulary with fresh rows; n_chans, chs_info and config follow.

        Make the optimiser afterwards: the table is a new parameter.

        Raises
        ------
        ChannelError
            If a name is there already, or the model's channels have no names.
        """
        table = self.encoder.channel_tokens.weight.detach()
        self._set_vocabulary(*extended(table, self._require_channels(), names))

    def pick_channels(
        self, names: Sequence[str], *, new_channels: Literal["error", "init"] = "error"
    ) -> tuple[str, ...]:
        """Make `names` the vocabulary, rows picked by name; returns those with fresh rows."""
        table = self.encoder.channel_tokens.weight.detach()
        known = self._require_channels()
        rows, fresh = picked(table, known, names, new_channels=new_channels)
        self._set_vocabulary(tuple(names), rows)
        return fresh

    def _require_channels(self) -> tuple[str, ...]:
        if self._signal.channels is None:
            raise ChannelError(
                f"The model's {self._signal.n_chans} channels have no names. Name them first: "
                "name_channels(names), or from_pretrained(..., channels=names)."
            )
        return self._signal.channels

    def _set_vocabulary(self, names: tuple[str, ...], table_CE: Tensor) -> None:
        is_frozen = not self.encoder.channel_tokens.weight.requires_grad
        table = nn.Embedding.from_pretrained(table_CE.clone(), freeze=is_frozen)
        before = self._signal.channels or names  # without names: every row stays
        place = {canonical(name): row for row, name in enumerate(before)}
        rows = [place.get(canonical(name)) for name in names]
        self.encoder.replace_channel_tokens(table, rows)
        self._signal = replace(self._signal, n_chans=len(names), channels=names)
        self._given.update(n_chans=len(names), channels=list(names))
        if self._chs_info is not None:
            known = {canonical(str(info.get("ch_name"))): info for info in self._chs_info}
            self._chs_info = [known.get(canonical(name), {"ch_name": name}) for name in names]
