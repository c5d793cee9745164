"""`WorkerConfig`: what is done to every recording of a corpus, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from biot.corpus.builder.channels.choice import ChannelChoice
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.sources import TableOptions
from biot.corpus.builder.windows.placing import Windowing
from biot.corpus.schema import Label
from biot.errors import ConfigError
from biot.preprocessing import Preprocessing
from biot.signals.grid import nearest

__all__ = [
    "WorkerConfig",
    "windowing",
]


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """All that decides over a recording's windows, besides the recording; equal for all."""

    contract: Preprocessing
    """Without channels, units and names of labels, which follow from the recordings."""
    how: Windowing
    parameters: Mapping[str, Any]
    """The same as the user gave it, for the manifest; JSON."""
    tables: TableOptions = field(default_factory=TableOptions)
    """What recordings in tables do not say themselves."""
    choice: ChannelChoice = field(default_factory=ChannelChoice)
    """Which channels count."""

    @property
    def labels(self) -> LabelFormat:
        """What labels are made of."""
        return LabelFormat(self.contract.task, self.contract.label_columns)


def windowing(contract: Preprocessing, how: PrepareConfig) -> Windowing:
    """How recordings are cut.

    Raises
    ------
    ConfigError
        If a parameter is out of range, or two contradict each other.
    """
    align, background = how.placed, how.background
    step = contract.sfreq * (contract.window if how.stride is None else how.stride)
    if not (isfinite(step) and step >= 1):
        raise ConfigError(f"stride must be at least one sample, got {how.stride} s.")
    labelled = str(how.labels) != "none"
    if align == "events" and not labelled:
        raise ConfigError("align is 'events', but labels is 'none': nothing says where events are.")
    tags = contract.task == "multilabel"
    named = bool(background) or tags
    if background is not None and (not named or not labelled or align == "events"):
        raise ConfigError(
            "background must have a name, labels, and windows on a grid, as it labels the windows "
            f"outside all events; got {background!r}, labels {str(how.labels)!r}, align {align!r}."
        )
    return Windowing(
        n_times=contract.n_times,
        step=step,
        align=align,
        offset=None if how.epoch is None else nearest(how.epoch[0] * contract.sfreq),
        labelled=labelled,
        background=_background(contract, background),
        tags=tags,
        rule=how.label_rule,
        min_overlap=_min_overlap(how),
        keep_short=how.keep_short,
    )


def _min_overlap(how: PrepareConfig) -> float:
    """The share that `label_rule` takes, where the two have an effect."""
    rule, share = how.label_rule, how.min_overlap
    one_each = how.placed == "events" and how.task != "multilabel"
    if one_each and (rule != "overlap" or share is not None):
        raise ConfigError(
            "label_rule and min_overlap are for windows on a grid, or for tags; where "
            "align is 'events', a window has the label of its event."
        )
    if share is not None and rule != "overlap":
        raise ConfigError(f"min_overlap goes with label_rule 'overlap'; got {share} and {rule!r}.")
    return 0.5 if share is None else share


def _background(contract: Preprocessing, text: str | None) -> Label | None:
    """The background's label as the task has it: a number for each target of a regression."""
    if text is None:
        return None
    how = LabelFormat(contract.task, contract.label_columns)
    if contract.task == "multilabel":
        return how.of_text(text, "background")
    return how.of_cells([text] * len(how.columns), "background")
