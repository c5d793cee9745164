"""What a model learns to say: one class of several, tags, or numbers."""

# W windows, U distinct scores
# B windows of a batch, W windows, K outputs: classes, tags or targets
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from biot.choices import RegressionLoss
from biot.decision import Decision
from biot.errors import ConfigError, near_word
from biot.evaluation.calibration import fitted_temperature
from biot.evaluation.metrics import (
    SCORES,
    TAG_SCORES,
    TARGET_SCORES,
    ClassScores,
    Floats,
    Intervals,
    Resampling,
    TargetScores,
    bootstrap_intervals,
    calibration_scores,
    class_resampling,
    confusion_counts,
    mean_of_defined,
    per_class,
    per_tag,
    per_target,
    scores,
    tag_intervals,
    tag_resampling,
    target_intervals,
    target_resampling,
)
from biot.preprocessing import Preprocessing

__all__ = [
    "Classes",
    "MultiLabel",
    "Regression",
    "RegressionLoss",
    "Task",
    "Truth",
    "best_threshold",
    "plain_task",
]


def best_threshold(
    positive: npt.NDArray[np.bool_],
    score: Floats,
    aim: Literal["balanced_accuracy", "f1"],
    *,
    plain: float = 0.5,
    weight: Floats | None = None,
) -> float:
    """The threshold that serves the given windows best.

    Thresholds lie halfway between neighbouring scores; of equally good ones the one nearest to
    `plain` is taken, and `plain` itself where only yes or only no occurs.

    Parameters
    ----------
    positive
        (W,) whether each window deserves a yes.
    score
        (W,) its probability; from the threshold on the answer is yes.
    aim
        What shall be highest.
    plain
        The threshold that would stand without these windows.
    weight
        (W,) how much each window counts; None: all alike.
    """
    weight = np.ones(len(positive)) if weight is None else weight
    n_positive, n_negative = weight[positive].sum(), weight[~positive].sum()
    if n_positive == 0 or n_negative == 0:
        return plain
    values, place = np.unique(score, return_inverse=True)
    # Windows at or above each distinct score, of either kind; above the highest there are none.
    true = np.append(np.bincount(place, positive * weight)[::-1].cumsum()[::-1], 0.0)
    false = np.append(np.bincount(place, ~positive * weight)[::-1].cumsum()[::-1], 0.0)
    if aim == "f1":
        quality = 2 * true / (true + false + n_positive)
    else:
        quality = true / n_positive - false / n_negative
    low, high = np.append(0.0, values), np.append(values, 1.0)
    halfway = np.where((low + high) / 2 > low, (low + high) / 2, high)
    # Any number between two neighbours decides alike.
    candidates = np.where((low < plain) & (high >= plain), plain, halfway)
    if values[-1] >= 1:  # no threshold lies above it
        candidates, quality = candidates[:-1], quality[:-1]
    best = np.flatnonzero(np.isclose(quality, quality.max(), rtol=0, atol=1e-12))
    return float(candidates[best[np.argmin(np.abs(candidates[best] - plain))]])


Truth = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """How outputs are learned from, read and scored."""

    names: tuple[str, ...]
    """Of the K outputs."""

    score_names: ClassVar[Mapping[str, str]]
    """Key of each score, and its name for readers."""
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"loss"})
    default_metric: ClassVar[str]
    """The score that early stopping follows unless another is chosen."""

    @abstractmethod
    def losses(self, outputs_BK: Tensor, target: Tensor) -> Tensor:
        """Loss of each window, (B,)."""

    @property
    @abstractmethod
    def plain_decision(self) -> Decision:
        """How outputs are read where nothing was fitted."""

    def predicted(self, outputs_WK: Floats, decision: Decision | None = None) -> Floats:
        """Probabilities, or numbers in the unit of the truth: (W, K)."""
        return (decision or self.plain_decision).probabilities(outputs_WK)

    def decided(self, predicted_WK: Floats, decision: Decision | None = None) -> Truth:
        """What is said to hold."""
        return (decision or self.plain_decision).decide(predicted_WK)

    def learned_weights(self) -> tuple[float, ...] | None:
        """What training counted a window of each class or tag, see :class:`Decision`."""
        return None

    def fitted(
        self, outputs_WK: Floats, truth: Truth, *, calibrated: bool = True,
        weight: Floats | None = None,
    ) -> Decision:  # fmt: skip
        """How to read outputs, from those for the validation windows.

        First the probabilities, then the thresholds that serve these windows best.

        Parameters
        ----------
        outputs_WK
            Outputs for windows with usable data.
        truth
            Of these windows.
        calibrated
            Correct the probabilities for the weights of the loss, and fit a temperature.
        weight
            (W,) how much each window counts, of classes only; None: all alike.
        """
        decision = self.plain_decision
        if calibrated and decision.task != "regression":
            decision = replace(decision, class_weights=self.learned_weights())
            temperature = fitted_temperature(truth, outputs_WK, decision, weight)
            decision = replace(decision, temperature=temperature)
        chosen = self.thresholds(truth, decision.probabilities(outputs_WK), decision, weight)
        return replace(decision, thresholds=chosen)

    def validation_score(
        self, metric: str, outputs_WK: Floats, truth: Truth, *, calibrated: bool = True,
        weight: Floats | None = None,
    ) -> float:  # fmt: skip
        """A score of validation windows under what :meth:`fitted` makes of them.

        The score of an epoch is this one, and so is that of the model which is kept.
        """
        decision = self.fitted(outputs_WK, truth, calibrated=calibrated, weight=weight)
        predicted = self.predicted(outputs_WK, decision)
        return self.scores(truth, predicted, self.decided(predicted, decision), weight)[metric]

    @abstractmethod
    def scores(
        self, truth: Truth, predicted_WK: Floats, decided: Truth, weight: Floats | None = None
    ) -> dict[str, float]:
        """Every score in `score_names`; NaN where one is undefined."""

    @abstractmethod
    def details(
        self, truth: Truth, predicted_WK: Floats, decided: Truth
    ) -> Sequence[ClassScores | TargetScores]:
        """How each output fared, in the order of `names`."""

    @abstractmethod
    def intervals(
        self, truth: Truth, predicted_WK: Floats, decided: Truth, subjects: npt.NDArray[np.str_],
        *, n_bootstrap: int, seed: int,
    ) -> Intervals | None:  # fmt: skip
        """95 % bootstrap interval over subjects of each score."""

    @abstractmethod
    def resampling(self, truth: Truth, predicted_WK: Floats, decided: Truth) -> Resampling:
        """How the scores are computed in resamples of subjects."""

    def thresholds(
        self, truth: Truth, predicted_WK: Floats, decision: Decision | None = None,
        weight: Floats | None = None,
    ) -> tuple[float, ...] | None:  # fmt: skip
        """Those that serve the given windows best; None where the task has none.

        Of equally good ones that nearest to the threshold of `decision` is taken.
        """
        return None

    def confusion(self, truth: Truth, decided: Truth) -> tuple[tuple[int, ...], ...] | None:
        """Windows by true class (row) and decided class (column); None without classes."""
        return None

    def require_metric(self, metric: str | None) -> str:
        """The score to follow.

        Raises
        ------
        ConfigError
            If the task has no such score.
        """
        known = (*self.score_names, "loss")
        if metric is None:
            return self.default_metric
        if metric not in known:
            raise ConfigError(
                f"metric must be one of {', '.join(known)} here; got {metric!r}."
                f"{near_word(metric, known)}"
            )
        return metric

    def rank(self, metric: str, value: float) -> float:
        """A score as a number of which more is better; −∞ where it is undefined."""
        if not np.isfinite(value):
            return -np.inf
        return -value if metric in self.lower_is_better else value


def _like(values: npt.ArrayLike, outputs: Tensor) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=outputs.dtype, device=outputs.device)


@dataclass(frozen=True, kw_only=True)
class Classes(Task):
    """One of K classes holds: cross-entropy."""

    weights: tuple[float, ...] | None = None
    """Of each class in the loss; None: 1."""
    shown: tuple[float, ...] | None = None
    """How much more often than in the data each class is shown to the loss; None: as often."""
    by_weights: bool = False
    """Whether the weights alone decide between two classes, not a threshold that serves best."""
    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes."""

    score_names = SCORES
    lower_is_better = frozenset({"loss", "brier", "ece"})
    default_metric = "balanced_accuracy"

    def losses(self, outputs_BK: Tensor, target: Tensor) -> Tensor:
        """Weighted cross-entropy, (B,)."""
        weight = None if self.weights is None else _like(self.weights, outputs_BK)
        return F.cross_entropy(
            outputs_BK, target, weight=weight, label_smoothing=self.label_smoothing,
            reduction="none",
        )  # fmt: skip

    @property
    def plain_decision(self) -> Decision:
        """The most probable class."""
        return Decision(task="classes")

    def learned_weights(self) -> tuple[float, ...] | None:
        """Weight in the loss times how often it is shown, of each class."""
        if self.weights is None and self.shown is None:
            return None
        ones = (1.0,) * len(self.names)
        return tuple(w * s for w, s in zip(self.weights or ones, self.shown or ones, strict=True))

    def scores(
        self, truth: Truth, predicted_WK: Floats, decided: Truth, weight: Floats | None = None
    ) -> dict[str, float]:
        """Scores of the whole."""
        return scores(truth, predicted_WK, decided, weight)

    def details(
        self, truth: Truth, predicted_WK: Floats, decided: Truth
    ) -> tuple[ClassScores, ...]:
        """Scores of each class."""
        return per_class(confusion_counts(truth, decided, len(self.names)))

    def intervals(
        self, truth: Truth, predicted_WK: Floats, decided: Truth, subjects: npt.NDArray[np.str_],
        *, n_bootstrap: int, seed: int,
    ) -> Intervals | None:  # fmt: skip
        """Intervals of :meth:`scores`."""
        return bootstrap_intervals(
            truth, predicted_WK, subjects, decided=decided, n_bootstrap=n_bootstrap, seed=seed
        )

    def resampling(self, truth: Truth, predicted_WK: Floats, decided: Truth) -> Resampling:
        """Of :meth:`scores`."""
        return class_resampling(truth, predicted_WK, decided)

    def thresholds(
        self, truth: Truth, predicted_WK: Floats, decision: Decision | None = None,
        weight: Floats | None = None,
    ) -> tuple[float, ...] | None:  # fmt: skip
        """Of two classes: the probability of the second that gives the best balanced accuracy."""
        plain = (decision or self.plain_decision).limits(len(self.names))
        if plain is None or self.by_weights:
            return None
        score = predicted_WK[:, 1]
        best = best_threshold(truth == 1, score, "balanced_accuracy", plain=plain[0], weight=weight)
        return (best,)

    def confusion(self, truth: Truth, decided: Truth) -> tuple[tuple[int, ...], ...]:
        """Windows by true and decided class."""
        counts = confusion_counts(truth, decided, len(self.names)).tolist()
        return tuple(tuple(row) for row in counts)


@dataclass(frozen=True, kw_only=True)
class MultiLabel(Task):
    """Each of K tags holds or not: a binary cross-entropy each, their mean."""

    weights: tuple[tuple[float, float], ...] | None = None
    """Of the windows without and with each tag in its loss; None: 1."""
    label_smoothing: float = 0.0
    """Share by which each target is drawn to one half."""

    score_names = TAG_SCORES
    lower_is_better = frozenset({"loss", "brier", "ece"})
    default_metric = "auroc"

    def losses(self, outputs_BK: Tensor, target: Tensor) -> Tensor:
        """Mean over the tags of their weighted binary cross-entropies, (B,)."""
        target = target.to(outputs_BK.dtype)
        smooth = target + self.label_smoothing * (0.5 - target)
        losses = F.binary_cross_entropy_with_logits(outputs_BK, smooth, reduction="none")
        if self.weights is not None:
            absent_K, present_K = _like(self.weights, outputs_BK).unbind(dim=1)
            losses = losses * torch.where(target > 0.5, present_K, absent_K)
        return losses.mean(dim=1)

    @property
    def plain_decision(self) -> Decision:
        """Each tag from 0.5 on."""
        return Decision(task="multilabel")

    def learned_weights(self) -> tuple[float, ...] | None:
        """Weight of a window with each tag over that of one without."""
        if self.weights is None:
            return None
        return tuple(present / absent for absent, present in self.weights)

    def decided(self, predicted_WK: Floats, decision: Decision | None = None) -> Truth:
        """Whether each tag holds, (W, K) bool."""
        return super().decided(predicted_WK, decision) > 0

    def scores(
        self, truth: Truth, predicted_WK: Floats, decided: Truth, weight: Floats | None = None
    ) -> dict[str, float]:
        """Means over the tags for which a score is defined."""
        assert weight is None  # of classes only
        tags = [asdict(tag) for tag in self.details(truth, predicted_WK, decided)]
        means = ("auroc", "auprc", "f1")
        return {
            **{name: mean_of_defined([tag[name] for tag in tags]) for name in means},
            **calibration_scores(truth, predicted_WK),
        }

    def details(
        self, truth: Truth, predicted_WK: Floats, decided: Truth
    ) -> tuple[ClassScores, ...]:
        """Scores of each tag."""
        return per_tag(truth > 0.5, predicted_WK, decided)

    def intervals(
        self, truth: Truth, predicted_WK: Floats, decided: Truth, subjects: npt.NDArray[np.str_],
        *, n_bootstrap: int, seed: int,
    ) -> Intervals | None:  # fmt: skip
        """Intervals of :meth:`scores`."""
        return tag_intervals(
            truth > 0.5, predicted_WK, decided, subjects, n_bootstrap=n_bootstrap, seed=seed
        )

    def resampling(self, truth: Truth, predicted_WK: Floats, decided: Truth) -> Resampling:
        """Of :meth:`scores`."""
        return tag_resampling(truth > 0.5, predicted_WK, decided)

    def thresholds(
        self, truth: Truth, predicted_WK: Floats, decision: Decision | None = None,
        weight: Floats | None = None,
    ) -> tuple[float, ...]:  # fmt: skip
        """Of each tag: the probability that gives the best F1."""
        plain = (decision or self.plain_decision).limits(len(self.names)) or ()
        columns = zip((truth > 0.5).T, predicted_WK.T, plain, strict=True)
        return tuple(best_threshold(held, p, "f1", plain=limit) for held, p, limit in columns)


@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """K numbers, learned in units of their spread in training."""

    mean: tuple[float, ...] | None = None
    """Of each target in training; None: 0."""
    spread: tuple[float, ...] | None = None
    """Standard deviation of each target in training; None: 1."""
    loss: RegressionLoss = "mse"
    """``"huber"`` grows linearly beyond one standard deviation."""

    score_names = TARGET_SCORES
    default_metric = "r2"
    lower_is_better = frozenset({"loss", "mae"})

    def losses(self, outputs_BK: Tensor, target: Tensor) -> Tensor:
        """Mean over the targets, (B,); outputs are standardised, targets are not."""
        wanted = target.to(outputs_BK.dtype)
        if self.mean is not None and self.spread is not None:
            wanted = (wanted - _like(self.mean, outputs_BK)) / _like(self.spread, outputs_BK)
        loss = F.mse_loss if self.loss == "mse" else F.huber_loss
        return loss(outputs_BK, wanted, reduction="none").mean(dim=1)

    @property
    def plain_decision(self) -> Decision:
        """The numbers themselves."""
        return Decision(task="regression")

    def predicted(self, outputs_WK: Floats, decision: Decision | None = None) -> Floats:
        """Numbers in the targets' units."""
        if self.mean is None or self.spread is None:
            return outputs_WK
        values: Floats = outputs_WK * np.asarray(self.spread) + np.asarray(self.mean)
        return values

    def decided(self, predicted_WK: Floats, decision: Decision | None = None) -> Floats:
        """The numbers themselves."""
        return predicted_WK

    def scores(
        self, truth: Truth, predicted_WK: Floats, decided: Truth, weight: Floats | None = None
    ) -> dict[str, float]:
        """Means over the targets for which a score is defined."""
        assert weight is None  # of classes only
        targets = [asdict(target) for target in per_target(truth, predicted_WK)]
        return {name: mean_of_defined([t[name] for t in targets]) for name in TARGET_SCORES}

    def details(
        self, truth: Truth, predicted_WK: Floats, decided: Truth
    ) -> tuple[TargetScores, ...]:
        """Scores of each target."""
        return per_target(truth, predicted_WK)

    def intervals(
        self, truth: Truth, predicted_WK: Floats, decided: Truth, subjects: npt.NDArray[np.str_],
        *, n_bootstrap: int, seed: int,
    ) -> Intervals | None:  # fmt: skip
        """Intervals of :meth:`scores`."""
        return target_intervals(truth, predicted_WK, subjects, n_bootstrap=n_bootstrap, seed=seed)

    def resampling(self, truth: Truth, predicted_WK: Floats, decided: Truth) -> Resampling:
        """Of :meth:`scores`."""
        return target_resampling(truth, predicted_WK)


def plain_task(contract: Preprocessing) -> Task:
    """The task of a trained model: its outputs are in the units of the truth."""
    kinds: dict[str, type[Task]] = {
        "classes": Classes, "multilabel": MultiLabel, "regression": Regression,
    }  # fmt: skip
    return kinds[contract.task](names=contract.label_names or ())
