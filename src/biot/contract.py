"""The contract between data and model: how a window was made, kept beside both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, ContractError

__all__ = ["FILE_NAME", "Preprocessing", "Scale", "Task"]

FILE_NAME = "preprocessing.json"
VERSION = 1
Scale = Literal["q95", "none"]
Task = Literal["classes", "multilabel", "regression"]


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
    """Names of the classes in the order of the model's outputs; None without labels."""
    task: Task = "classes"
    """What the outputs are: classes of which one holds, tags of which several may, or numbers."""
    thresholds: tuple[float, ...] | None = None
    """Probabilities from which on the second of two classes, or each tag, is said to hold, chosen
    on a model's validation windows; None: the more probable class, and 0.5 for tags."""

    def __post_init__(self) -> None:
        if not self.sfreq > 0:
            raise ConfigError(f"sfreq must be above 0 Hz, got {self.sfreq}.")
        if not self.window > 0 or self.n_times < 1:
            raise ConfigError(
                f"window must hold at least one sample, got {self.window} s at {self.sfreq:g} Hz."
            )
        if len(self.units) != len(self.ch_names):
            raise ConfigError(
                f"units must name one unit a channel: {len(self.units)} units "
                f"for {len(self.ch_names)} channels."
            )
        if self.scale not in ("q95", "none"):
            raise ConfigError(f"scale must be 'q95' or 'none', got {self.scale!r}.")
        if self.task not in get_args(Task):
            raise ConfigError(
                f"task must be one of {', '.join(get_args(Task))}; got {self.task!r}."
            )
        self._check_thresholds()

    def _check_thresholds(self) -> None:
        if self.thresholds is None:
            return
        n_names = len(self.label_names or ())
        wanted = {"classes": 1 if n_names == 2 else 0, "multilabel": n_names, "regression": 0}
        if len(self.thresholds) != wanted[self.task] or not self.thresholds:
            raise ConfigError(
                f"thresholds belong to two classes (one) or to tags (one each); got "
                f"{len(self.thresholds)} for {n_names} label names and task {self.task!r}."
            )
        if not all(0 <= threshold <= 1 for threshold in self.thresholds):
            raise ConfigError(f"thresholds must lie in 0 to 1, got {self.thresholds}.")

    @property
    def n_times(self) -> int:
        """Samples in a window."""
        return round(self.window * self.sfreq)

    @property
    def n_chans(self) -> int:
        """Channels in a window."""
        return len(self.ch_names)

    def with_labels(self, label_names: tuple[str, ...] | None) -> Preprocessing:
        """The same contract with other class names, and without thresholds for the earlier ones."""
        return replace(self, label_names=label_names, thresholds=None)

    def decide(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """What is said to hold, from (W, K) probabilities.

        Returns
        -------
        numpy.ndarray
            (W,) class of each window; of tags (W, K), 1 where one holds.
        """
        if self.task == "multilabel":
            return (probabilities >= (self.thresholds or 0.5)).astype(np.int64)
        if self.thresholds is not None:
            return (probabilities[:, 1] >= self.thresholds[0]).astype(np.int64)
        most: npt.NDArray[np.int64] = probabilities.argmax(axis=1)
        return most

    def require_same(self, data: Preprocessing, *, where: str) -> None:
        """Raise :class:`ContractError` unless `data` was prepared as this contract says.

        Label names are not compared: a corpus may hold some of the classes only. Nor are
        thresholds, which belong to a model.

        Parameters
        ----------
        data
            Contract of the data that is about to meet the holder of this one.
        where
            Name of the data for the message, such as the corpus folder.
        """
        differing = [
            f"{field.name} is {getattr(data, field.name)!r}, expected {getattr(self, field.name)!r}"
            for field in fields(self)
            if field.name not in ("label_names", "thresholds")
            and getattr(self, field.name) != getattr(data, field.name)
        ]
        if differing:
            raise ContractError(
                f"{where} was prepared differently: {'; '.join(differing)}. "
                "Prepare it again with these values."
            )

    def to_dict(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = FILE_NAME) -> Preprocessing:
        """The inverse of :meth:`to_dict`; unknown versions and keys raise ``ContractError``."""
        if values.get("version") != VERSION:
            raise ContractError(
                f"{where}: version is {values.get('version')!r}, this release reads {VERSION}."
            )
        given = {key: value for key, value in values.items() if key != "version"}
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(given) - known)
        missing = sorted({"sfreq", "window", "ch_names", "units"} - set(given))
        if unknown or missing:
            raise ContractError(f"{where}: unknown keys {unknown}, missing keys {missing}.")
        for key in ("ch_names", "units", "label_names", "thresholds"):
            if given.get(key) is not None:
                given[key] = tuple(given[key])
        return cls(**given)

    def save(self, folder: Path) -> Path:
        """Write ``preprocessing.json`` into a folder."""
        path = folder / FILE_NAME
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, folder: Path) -> Preprocessing:
        """Read ``preprocessing.json`` from a folder."""
        path = folder / FILE_NAME
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ContractError(
                f"{folder}: no {FILE_NAME}, so nothing says how its data were prepared."
            ) from None
        except ValueError as error:
            raise ContractError(f"{path}: not valid JSON ({error}).") from error
        if not isinstance(values, dict):
            raise ContractError(f"{path}: expected an object, found {type(values).__name__}.")
        return cls.from_dict(cast("dict[str, Any]", values), where=str(path))
