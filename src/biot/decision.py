"""From a model's outputs to probabilities, and from these to what is said to hold: the one rule.

Whatever tells a probability or a label takes it from here: scores, figures, tables, estimators.
"""

# W windows, K classes, tags or targets
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import numpy.typing as npt

from biot.choices import Task
from biot.errors import ConfigError

__all__ = ["Decision"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How the outputs z of a model are read.

    A loss that counts rare classes more (``class_weights="balanced"``) teaches a model the
    probabilities of a world in which all classes are equally common. So the probability of class k
    is that of ``z / temperature − log(class_weights)``, by softmax: the weights' share is taken out
    again, which is exact for a weighted cross-entropy. Of a tag it is the sigmoid of
    ``z / temperature − log(class_weight)``.

    What is said to hold serves every class alike, however rare it is: of two classes the second
    from its threshold on, of tags each from its own; of more classes, and where there is no
    threshold, the one whose probability times weight is largest, which is the one with the largest
    output.
    """

    task: Task = "classes"
    class_weights: tuple[float, ...] | None = None
    """What training counted a window of each class; of tags, a window with the tag over one
    without. None: probabilities need no correction."""
    temperature: float | None = None
    """Fitted on validation windows; None: 1."""
    thresholds: tuple[float, ...] | None = None
    """Probabilities from which on the second of two classes, or each tag, is said to hold."""

    def require_fit(self, n_names: int) -> None:
        """Raise :class:`ConfigError` unless it is for so many classes, tags or numbers."""
        if self.thresholds is not None:
            _require_thresholds(self.thresholds, self.task, n_names)
        if self.temperature is not None and not (
            self.temperature > 0 and isfinite(self.temperature)
        ):
            raise ConfigError(f"temperature must be above 0, got {self.temperature}.")
        weights = self.class_weights
        if weights is None:
            return
        if len(weights) != n_names or self.task == "regression":
            raise ConfigError(
                f"class_weights belong to classes or tags, one each; got {len(weights)} for "
                f"{n_names} label names and the task {self.task!r}."
            )
        if not all(weight > 0 and isfinite(weight) for weight in weights):
            raise ConfigError(f"class_weights must be above 0, got {weights}.")

    def probabilities(self, outputs_WK: Floats) -> Floats:
        """Probabilities from outputs, (W, K) both.

        Of classes they add up to 1, of tags each has its own; numbers of a regression stay as they
        are. NaN stays NaN.
        """
        outputs = np.asarray(outputs_WK, dtype=np.float64)
        if self.task == "regression":
            return outputs
        corrected = outputs / (self.temperature or 1.0)
        if self.class_weights is not None:
            corrected = corrected - np.log(self.class_weights)
        if self.task == "multilabel":
            # tanh does not overflow, whatever the output.
            return np.asarray(0.5 + 0.5 * np.tanh(corrected / 2))
        powers = np.exp(corrected - corrected.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def log_probabilities(self, outputs_WK: Floats) -> Floats:
        """Logarithms of the probabilities of classes, (W, K), finite also where these are 0."""
        corrected = np.asarray(outputs_WK, dtype=np.float64) / (self.temperature or 1.0)
        corrected = corrected - np.log(self.class_weights or 1.0)
        corrected = corrected - corrected.max(axis=1, keepdims=True)
        return np.asarray(corrected - np.log(np.exp(corrected).sum(axis=1, keepdims=True)))

    def log_odds(self, outputs_WK: Floats) -> Floats:
        """Logarithm of p / (1 − p) of each class or tag, (W, K), finite also where p is 0 or 1.

        Numbers of a regression stay as they are. NaN stays NaN.
        """
        outputs = np.asarray(outputs_WK, dtype=np.float64)
        if self.task == "regression":
            return outputs
        corrected = outputs / (self.temperature or 1.0) - np.log(self.class_weights or 1.0)
        if self.task == "multilabel":
            return np.asarray(corrected)
        others = np.repeat(corrected[:, np.newaxis], corrected.shape[1], axis=1)  # (W, K, K)
        others[:, np.eye(corrected.shape[1], dtype=bool)] = -np.inf
        most = others.max(axis=2)
        rest = most + np.log(np.exp(others - most[..., np.newaxis]).sum(axis=2))
        return np.asarray(corrected - rest)

    @property
    def formula(self) -> str:
        """:meth:`probabilities` as a formula of the outputs, by the names of the contract."""
        if self.task == "regression":
            return "scores"
        scores = "scores" if self.temperature is None else "scores / temperature"
        shift = "" if self.class_weights is None else " - log(class_weights)"
        return f"{'sigmoid' if self.task == 'multilabel' else 'softmax'}({scores}{shift})"

    def limits(self, n_names: int) -> tuple[float, ...] | None:
        """Probabilities from which on a yes is said: of the second of two classes, of each tag.

        None of more classes, and of numbers. Without thresholds they follow from the weights.
        """
        if self.thresholds is not None:
            return self.thresholds
        weights = self.class_weights
        if self.task == "multilabel":
            return tuple(1 / (1 + w) for w in weights or (1.0,) * n_names)
        if self.task == "classes" and n_names == 2:
            return (0.5 if weights is None else weights[0] / (weights[0] + weights[1]),)
        return None

    def decide(self, probabilities_WK: Floats) -> Ints:
        """What is said to hold, from :meth:`probabilities`.

        Returns
        -------
        numpy.ndarray
            (W,) class of each window; of tags (W, K), 1 where one holds.
        """
        n_names = probabilities_WK.shape[1]
        if self.task == "multilabel":
            return (probabilities_WK >= np.asarray(self.limits(n_names))).astype(np.int64)
        if self.thresholds is not None:
            return (probabilities_WK[:, 1] >= self.thresholds[0]).astype(np.int64)
        weighted = probabilities_WK * np.asarray(self.class_weights or 1.0)
        most: Ints = weighted.argmax(axis=1)
        return most

    def words(self, decided: Ints, label_names: Sequence[str]) -> list[str]:
        """What :meth:`decide` says of each window, by name: the class, or tags joined by ``;``."""
        if self.task == "multilabel":
            names = np.array(label_names, dtype=object)
            return [";".join(names[held > 0]) for held in decided]
        return [label_names[int(index)] for index in decided]

    def described(self, label_names: Sequence[str]) -> str:
        """The rule in words, such as ``"task from p ≥ 0.31 on, else rest"``."""
        limits = self.limits(len(label_names))
        if self.task == "regression":
            return "the numbers themselves"
        if self.task == "multilabel":
            pairs = zip(label_names, limits or (), strict=True)
            return ", ".join(f"{name} from p ≥ {limit:.3g} on" for name, limit in pairs)
        if limits is not None:
            return f"{label_names[1]} from p ≥ {limits[0]:.3g} on, else {label_names[0]}"
        if self.class_weights is None:
            return "the most probable class"
        pairs = zip(label_names, self.class_weights, strict=True)
        listed = ", ".join(f"{name} {weight:.3g}" for name, weight in pairs)
        return f"the class with the largest p × weight ({listed})"


def _require_thresholds(thresholds: tuple[float, ...], task: Task, n_names: int) -> None:
    wanted = {"classes": 1 if n_names == 2 else 0, "multilabel": n_names, "regression": 0}[task]
    if len(thresholds) != wanted or not thresholds:
        raise ConfigError(
            "thresholds belong to two classes (one) or to tags (one each); got "
            f"{len(thresholds)} for {n_names} label names and the task {task!r}."
        )
    if not all(0 <= threshold <= 1 for threshold in thresholds):
        raise ConfigError(f"thresholds must lie in 0 to 1, got {thresholds}.")
