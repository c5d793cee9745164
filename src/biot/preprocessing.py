"""The contract between data and model: how a window was made, kept beside both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import zip_longest
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from biot.choices import HIGHEST_SFREQ, LONGEST_WINDOW, LOWEST_FREQ, Resample, Scale, Task
from biot.decision import Decision
from biot.errors import ConfigError, ContractError, counted
from biot.events.rules import EventRules
from biot.io import read_json, write_json

__all__ = [
    "FILE_NAME",
    "OF_EARLIER_RELEASES",
    "Preprocessing",
    "Resample",
    "Scale",
    "Task",
    "difference",
]

FILE_NAME = "preprocessing.json"


VERSION = 1


OF_EARLIER_RELEASES: Mapping[str, Any] = {"keep_flat": True, "reference": "none", "causal": False}
"""What holds where a file does not say it, because it was written before there was a choice."""


_CHOICES: Mapping[str, Any] = {
    "scale": Scale, "resample": Resample, "keep_flat": Literal[True, False],
    "causal": Literal[True, False], "task": Task,
}  # fmt: skip
"""What a field may hold, where that is a choice."""


_LISTS = (
    "ch_names", "units", "label_names", "label_columns", "thresholds", "class_weights",
    "recorded_references",
)  # fmt: skip
"""Fields that are lists in JSON, and tuples here."""


_NUMBERS = ("sfreq", "window", "l_freq", "h_freq", "notch", "temperature")
_LISTS_OF_NUMBERS = ("thresholds", "class_weights")


_FEW = 5
"""Entries of a list that a message shows."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What happened to a recording before the model saw it.

    A corpus and a model each keep one in ``preprocessing.json``; they meet only when the two
    agree (see :meth:`require_same`).
    """

    sfreq: float
    """Samples a second of every window, in Hz."""
    window: float
    """Length of a window in seconds."""
    ch_names: tuple[str, ...]
    """Channels of a window, in the order of its rows."""
    units: tuple[str, ...]
    """Physical unit of each channel before scaling, such as ``"µV"``, ``"mV"`` or ``"g"``."""
    scale: Scale = "q95"
    """``"q95"``: each channel of a window is divided by the 95th percentile of its magnitude."""
    label_names: tuple[str, ...] | None = None
    """Names of the model's outputs in their order; None without labels. They are the classes (of
    the first label column), the tags, or the columns of target numbers, as the task has it."""
    resample: Resample = "polyphase"
    """How recordings came to `sfreq`, see :func:`biot.signals.resampling`."""
    l_freq: float | None = None
    """Lowest frequency that was kept before resampling, in Hz; None: no high-pass filter."""
    h_freq: float | None = None
    """Highest frequency that was kept before resampling, in Hz; None: no low-pass filter."""
    notch: float | None = None
    """Frequency that was removed before resampling, in Hz; None: no notch filter."""
    causal: bool = False
    """Whether these filters are causal (minimum-phase) instead of zero-phase, so that live signals
    can be filtered in the same way; see :func:`biot.signals.filters.fir`."""
    keep_flat: bool = False
    """Whether channels and stretches that are flat (see :mod:`biot.signals.flat`) stay as they are
    instead of becoming missing. A file without this entry is of an earlier release: they stayed."""
    reference: str = "none"
    """What EEG was re-referenced to before it was filtered: ``"none"``, ``"average"``, or channels
    with commas between them, whose mean it is; see :mod:`biot.signals.reference`."""
    recorded_references: tuple[str, ...] = ()
    """What the EEG of the recordings was measured against before that, as far as they say it."""
    rename_channels: str = ""
    """Channels that were given other names, ``OLD=NEW`` with commas between them; a recording's
    channels are found under the old names too."""
    task: Task = "classes"
    """``"classes"``: a window has one of the labels; ``"multilabel"``: any number of them;
    ``"regression"``: a number for each."""
    label_columns: tuple[str, ...] = ("label",)
    """Columns of the table that the labels came from; ``label`` without a table."""
    thresholds: tuple[float, ...] | None = None
    """Probabilities from which on the second of two classes, or each tag, is said to hold, chosen
    on a model's validation windows; None: see :class:`biot.decision.Decision`."""
    class_weights: tuple[float, ...] | None = None
    """What training counted a window of each class (of tags: one with the tag over one without);
    probabilities are corrected for it. None: no correction."""
    temperature: float | None = None
    """By which the outputs are divided before they become probabilities, fitted on a model's
    validation windows; None: 1."""
    events: EventRules | None = None
    """How the model's probabilities become events, tuned on its validation recordings; None: that
    was not tuned, and the file does not name it."""

    def __post_init__(self) -> None:
        for name in ("sfreq", "window", "l_freq", "h_freq", "notch"):
            if getattr(self, name) is not None:  # 200 and 200.0 are written alike
                object.__setattr__(self, name, float(getattr(self, name)))
        _require_bounds(self)
        if not (self.window > 0 and isfinite(self.window * self.sfreq)) or self.n_times < 1:
            raise ConfigError(
                f"window must hold at least one sample, got {self.window} s at {self.sfreq:g} Hz."
            )
        if len(self.units) != len(self.ch_names):
            raise ConfigError(
                f"units must name one unit a channel: {counted(len(self.units), 'unit')} "
                f"for {counted(len(self.ch_names), 'channel')}."
            )
        for name, allowed in _CHOICES.items():
            value, choices = getattr(self, name), [repr(choice) for choice in get_args(allowed)]
            if repr(value) not in choices:
                listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
                raise ConfigError(f"{name} must be {listed}, got {value!r}.")
        for name in ("l_freq", "h_freq", "notch"):
            frequency = getattr(self, name)
            if frequency is not None and not (frequency > 0 and isfinite(frequency)):
                raise ConfigError(f"{name} must be above 0 Hz, got {frequency}.")
        if self.l_freq is not None and self.h_freq is not None and self.l_freq >= self.h_freq:
            raise ConfigError(
                f"l_freq must be below h_freq, got {self.l_freq:g} and {self.h_freq:g} Hz."
            )
        if self.causal and self.resample == "fft":
            raise ConfigError(
                "causal goes with resample='polyphase'; with 'fft' every sample depends on all "
                "that follow."
            )
        object.__setattr__(self, "reference", _plain_reference(self.reference))
        _require_columns(self.label_columns)
        self.decision.require_fit(len(self.label_names or ()))
        _require_events(self)

    @property
    def decision(self) -> Decision:
        """How outputs become probabilities, and these what is said to hold."""
        return Decision(
            task=self.task, class_weights=self.class_weights, temperature=self.temperature,
            thresholds=self.thresholds,
        )  # fmt: skip

    def deciding(self, decision: Decision | None) -> Preprocessing:
        """The same contract with another :attr:`decision`; None: with none of its own.

        Rules for events go with the decision that they were tuned for.
        """
        chosen = decision or Decision(task=self.task)
        return replace(
            self, class_weights=chosen.class_weights, temperature=chosen.temperature,
            thresholds=chosen.thresholds, events=None,
        )  # fmt: skip

    @property
    def n_times(self) -> int:
        """Samples in a window."""
        return round(self.window * self.sfreq)

    @property
    def n_chans(self) -> int:
        """Channels in a window."""
        return len(self.ch_names)

    @property
    def filter(self) -> str:
        """The filters in words, such as ``"0.5 to 40 Hz, without 50 Hz, causal"``, or nothing."""
        low, high = self.l_freq, self.h_freq
        words = []
        if low is not None or high is not None:
            words.append(
                f"below {high:g} Hz" if low is None
                else f"above {low:g} Hz" if high is None
                else f"{low:g} to {high:g} Hz"
            )  # fmt: skip
        if self.notch is not None:
            words.append(f"without {self.notch:g} Hz")
        if words and self.causal:
            words.append("causal")
        return ", ".join(words)

    @property
    def reference_in_words(self) -> str:
        """What EEG is measured against, such as ``"average"``, ``"as recorded (linked ears)"``."""
        if self.reference != "none":
            return self.reference
        return f"as recorded ({', '.join(self.recorded_references) or 'not said'})"

    def with_labels(self, label_names: tuple[str, ...] | None) -> Preprocessing:
        """The same contract with other class names, and without a decision on the earlier ones."""
        return replace(self.deciding(None), label_names=label_names)

    def decide(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """What is said to hold, from (W, K) probabilities.

        Returns
        -------
        numpy.ndarray
            (W,) class of each window; of tags (W, K), 1 where one holds.
        """
        return self.decision.decide(probabilities)

    def require_same(self, data: Preprocessing, *, where: str) -> None:
        """Raise :class:`ContractError` unless `data` was prepared as this contract says.

        Label names are not compared: a corpus may hold some of the classes only. Nor are the
        columns that labels came from, a model's decision, its rules for events, the references of
        the recordings, their earlier names of channels, nor the task of data without labels.

        Parameters
        ----------
        data
            Contract of the data that is about to meet the holder of this one.
        where
            Name of the data for the message, such as the corpus folder.
        """
        apart = {
            "label_names", "label_columns", "thresholds", "class_weights", "temperature", "events",
            "recorded_references", "rename_channels",
            *(["task"] if data.label_names is None else []),
        }  # fmt: skip
        differing = [
            difference(field.name, getattr(data, field.name), getattr(self, field.name))
            for field in fields(self)
            if field.name not in apart and getattr(self, field.name) != getattr(data, field.name)
        ]
        if differing:
            raise ContractError(
                f"{where} was prepared differently: {'; '.join(differing)}. "
                "Prepare it again with these values."
            )

    def to_dict(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        values = {"version": VERSION, **asdict(self)}
        del values["events"]  # earlier releases refuse what they do not know
        return values if self.events is None else {**values, "events": self.events.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = FILE_NAME) -> Preprocessing:
        """The inverse of :meth:`to_dict`; what is not one raises ``ContractError``."""
        if values.get("version") != VERSION:
            raise ContractError(
                f"{where}: version is {values.get('version')!r}, this release reads {VERSION}."
            )
        given = {**OF_EARLIER_RELEASES, **values}
        del given["version"]
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(given) - known)
        missing = sorted({"sfreq", "window", "ch_names", "units"} - set(given))
        if unknown or missing:
            raise ContractError(f"{where}: unknown keys {unknown}, missing keys {missing}.")
        for field in fields(cls):
            value = given.get(field.name, field.default)
            if (value is None and field.default is not None) or (
                isinstance(value, bool) and field.name not in ("keep_flat", "causal")
            ):
                said = {None: "null", True: "true", False: "false"}[value]
                raise ContractError(f"{where}: {field.name} cannot be {said}.")
        for key in _LISTS:
            if given.get(key) is None:
                continue
            kind = float | int if key in _LISTS_OF_NUMBERS else str
            if not isinstance(given[key], list | tuple) or not all(
                isinstance(entry, kind) for entry in given[key]
            ):
                raise ContractError(f"{where}: {key} must be a list, got {given[key]!r}.")
            given[key] = tuple(given[key])
        for key in _NUMBERS:
            if not isinstance(given.get(key), Real | None):
                raise ContractError(f"{where}: {key} must be a number, got {given[key]!r}.")
        try:
            if given.get("events") is not None:
                given["events"] = EventRules.from_dict(given["events"])
            return cls(**given)
        except (TypeError, ValueError) as error:  # ConfigError too: here nobody gave an option
            raise ContractError(f"{where}: {error}") from error

    def save(self, folder: str | Path) -> Path:
        """Write ``preprocessing.json`` into a folder."""
        path = Path(folder) / FILE_NAME
        write_json(path, self.to_dict())
        return path

    def decision_facts(self) -> dict[str, Any]:
        """Labels and how scores become decisions, as an exported file says it for other programs.

        ``labels``, ``probabilities`` (the formula), ``thresholds`` and ``temperature``, without
        those that there are not. The thresholds are those that are decided by: also where they
        follow from class weights, as :meth:`biot.decision.Decision.limits` has it.
        """
        if not self.label_names:
            return {}
        thresholds = self.decision.limits(len(self.label_names))
        facts = {
            "labels": list(self.label_names),
            "probabilities": self.decision.formula,
            "thresholds": None if thresholds is None else list(thresholds),
            "temperature": self.decision.temperature,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}

    @classmethod
    def load(cls, folder: str | Path) -> Preprocessing:
        """Read ``preprocessing.json`` from a folder."""
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            raise ContractError(
                f"{folder}: no {FILE_NAME}, so nothing says how its data were prepared."
            )
        return cls.from_dict(read_json(path, ContractError), where=str(path))


def difference(name: str, found: Any, expected: Any) -> str:
    """How two values of a field differ; of long lists where the first difference is."""
    if not isinstance(found, tuple) or not isinstance(expected, tuple):
        return f"{name} is {found!r}, expected {expected!r}"
    if max(len(found), len(expected)) <= _FEW:
        return f"{name} is {list(found)!r}, expected {list(expected)!r}"
    pairs = zip_longest(found, expected)
    row = next(i for i, (one, other) in enumerate(pairs) if one != other)
    one, other = (repr(v[row]) if row < len(v) else "nothing" for v in (found, expected))
    return (
        f"{name} has {len(found)} entries, expected {len(expected)}; the first that differs is "
        f"number {row + 1}: {one}, expected {other}"
    )


def _require_bounds(contract: Preprocessing) -> None:
    """Before anything is made of these sizes."""
    if not 0 < contract.sfreq <= HIGHEST_SFREQ:
        raise ConfigError(
            f"sfreq must be above 0 Hz and at most {HIGHEST_SFREQ:,.0f} Hz, got {contract.sfreq}."
        )
    if isfinite(contract.window) and contract.window > LONGEST_WINDOW:
        raise ConfigError(
            f"window must be at most {LONGEST_WINDOW:,.0f} s, which is a day, got "
            f"{contract.window:g} s."
        )
    if contract.l_freq is not None and 0 < contract.l_freq < LOWEST_FREQ:
        raise ConfigError(
            f"l_freq must be at least {LOWEST_FREQ:g} Hz, got {contract.l_freq:g} Hz: the filter "
            "would be longer than an hour."
        )


def _require_events(contract: Preprocessing) -> None:
    if contract.events is None:
        return
    if not isinstance(contract.events, EventRules):
        raise ConfigError(f"events must be EventRules, got {contract.events!r}.")
    if contract.task == "regression" or not contract.label_names:
        raise ConfigError("events need label names of classes or tags; these are none.")
    contract.events.background_among(contract.label_names)


def _plain_reference(reference: str) -> str:
    """A reference as it is compared: without spaces, and its two words in small letters."""
    names = [name.strip() for name in reference.split(",")] if isinstance(reference, str) else []
    if not names or not all(names) or len({name.upper() for name in names}) < len(names):
        raise ConfigError(
            "reference must be none, average, or names of channels with commas between them, each "
            f"once; got {reference!r}."
        )
    text = ",".join(names)
    return text.lower() if text.lower() in ("none", "average") else text


def _require_columns(names: tuple[str, ...]) -> None:
    if not names or not all(names) or len(set(names)) < len(names):
        raise ConfigError(
            f"label_columns must name one column or more, each once; got {list(names)!r}."
        )
