"""Weights by name: published names and ours, and the report of what was loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from textwrap import shorten
from typing import Any

from torch import nn

from biot.errors import CheckpointError

__all__ = [
    "POSITIONS",
    "LoadReport",
    "complete_encoder",
    "is_known_unused",
    "rename_authors",
    "standard_name",
]

POSITIONS = "encoder.positional_encoding.pe"
"""Name of the table of positions, which is computed but stands in published files."""
# Versions of this package before 0.1.0 had names of their own inside a layer.
_EARLIER_NAMES = {
    "attention.norm": "0.norm",
    "attention.to_q": "0.fn.to_q",
    "attention.to_k": "0.fn.to_k",
    "attention.to_v": "0.fn.to_v",
    "attention.to_out": "0.fn.to_out",
    "feed_forward.norm": "1.norm",
    "feed_forward.w1": "1.fn.fn.w1",
    "feed_forward.w2": "1.fn.fn.w2",
}
_EARLIER = re.compile(r"(encoder\.transformer\.layers\.)(\d+\.)([a-z_]+\.[a-z0-9_]+)(\..*)")
# Prefixes of the authors' files, longest first; a bare encoder has none.
_PREFIXES = {
    "model.biot.": "encoder.",
    "model.prediction.": "prediction.",
    "model.classifier.clshead.1.": "final_layer.classification_head.",
    "classifier.clshead.1.": "final_layer.classification_head.",
    "biot.": "encoder.",
    "patch_embedding.": "encoder.patch_embedding.",
    "transformer.": "encoder.transformer.",
    "channel_tokens.": "encoder.channel_tokens.",
    "positional_encoding.": "encoder.positional_encoding.",
}
_KINDS = ("missing", "unexpected", "adapted", "assumed", "unused", "matched")
_KNOWN_UNUSED = re.compile(r"index|encoder\.index|prediction\..*|n_averaged")


def standard_name(name: str) -> str:
    """The name of a parameter in the model, whichever way it was written to a file."""
    for prefix, ours in _PREFIXES.items():
        if name.startswith(prefix):
            name = ours + name.removeprefix(prefix)
            break
    match = _EARLIER.fullmatch(name)
    if match is None or match[3] not in _EARLIER_NAMES:
        return name
    return f"{match[1]}layers.{match[2]}{_EARLIER_NAMES[match[3]]}{match[4]}"


def is_known_unused(name: str) -> bool:
    """Whether an entry (its standard name) has no place: numbers of rows, pretraining's parts."""
    return _KNOWN_UNUSED.fullmatch(name) is not None


def rename_authors(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, *_hook_arguments: Any
) -> None:
    """Hook of a model's ``load_state_dict``: names of the authors' files become the model's.

    An ``index`` and a predictor of pretraining have no place.
    """
    del module
    for name in [name for name in state_dict if name.startswith(prefix)]:
        standard = standard_name(name.removeprefix(prefix))
        value = state_dict.pop(name)
        if not is_known_unused(standard):
            state_dict[prefix + standard] = value


def complete_encoder(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, *_hook_arguments: Any
) -> None:
    """Hook of an encoder's ``load_state_dict``: what is computed is neither asked for nor taken.

    The authors' files hold the numbers of the channels as ``index``; files of earlier versions of
    this package have no table of positions.
    """
    state_dict.pop(f"{prefix}index", None)
    local = POSITIONS.removeprefix("encoder.")
    own = dict(module.named_buffers()).get(local)
    if own is not None:
        state_dict.setdefault(prefix + local, own)


@dataclass(frozen=True)
class LoadReport:
    """What became of every entry of a file and every parameter of the model.

    ``str()`` is a table. Each mapping goes from a name to what there is to say of it, which
    for tensors is their shape.
    """

    source: str
    """File or repository that was opened."""
    matched: Mapping[str, str] = field(default_factory=dict)
    """Parameters that hold what the file says."""
    adapted: Mapping[str, str] = field(default_factory=dict)
    """Parameters changed as the caller asked: another head, other channels."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Parameters that the file does not hold."""
    unexpected: Mapping[str, str] = field(default_factory=dict)
    """Entries of the file that the model has no place for."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """Entries that are known to hold no weight of this model: position tables, a predictor."""
    assumed: Mapping[str, str] = field(default_factory=dict)
    """Settings that the file does not say and that are the published defaults."""

    @property
    def complete(self) -> bool:
        """Whether every parameter was loaded or adapted, and nothing was left over."""
        return not self.missing and not self.unexpected

    def __str__(self) -> str:
        return self._table(_KINDS)

    def require_complete(self) -> None:
        """Raise :class:`CheckpointError` with the table unless :attr:`complete`."""
        if not self.complete:
            raise CheckpointError(
                f"The weights do not fit the model.\n{self._table(_KINDS[:-1], most=50)}\n"
                "Give n_outputs= for another head, channels= for other channels, or the settings "
                "that the file was made with."
            )

    def _table(self, listed: Sequence[str], *, most: int | None = None) -> str:
        """How many of each kind, and (at `most` of) those of the `listed` kinds by name."""
        from tabulate import tabulate

        counts = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in reversed(_KINDS))
        rows = [
            (kind, name, shorten(text, 72, placeholder=" …"))
            for kind in listed
            for name, text in islice(getattr(self, kind).items(), most)
        ]
        table = tabulate(rows, headers=("", "name", "shape or value"), disable_numparse=True)
        return f"{self.source}: {counts}\n{table}"
