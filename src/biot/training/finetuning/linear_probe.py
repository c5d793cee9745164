"""Linear models on fixed features: ridge and logistic regression that become a model's head."""

# W windows, E width of the features, K outputs
from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biot.errors import ConfigError, CorpusError, counted, require
from biot.evaluation.metrics import Floats
from biot.evaluation.tasks import Classes, MultiLabel, Regression, Task, Truth
from biot.model.biot import BIOT
from biot.training.datasets import LabelledWindows, TensorWindows, batches_of, weights_of
from biot.training.distributed import placed
from biot.training.gradients import forward

__all__ = [
    "Probe",
    "encoded",
    "features",
    "fit_probe",
]

RIDGE_PENALTIES = tuple(np.logspace(-2, 5, 15).tolist())


LOGISTIC_PENALTIES = tuple(np.logspace(-3, 4, 8).tolist())


TEMPERATURES = np.logspace(-1, 2, 61)


class _Features(nn.Module):
    """A model as far as the input of its last layer."""

    def __init__(self, model: BIOT) -> None:
        super().__init__()
        self.model = model

    def forward(self, *signal: Any, **given: Any) -> Any:
        return self.model(*signal, return_features=True, **given)["features"]


def encoded(fabric: Any, model: BIOT, windows: LabelledWindows, batch_size: int) -> Tensor:
    """The encoder's features of windows in evaluation mode, (W, E) float32; NaN without data."""
    encode = placed(fabric, _Features(model).eval())
    with torch.no_grad():
        parts = [
            forward(encode, batch, fabric.device).float().cpu()
            for batch in batches_of(windows, batch_size)
        ]
    return torch.cat(parts)


def features(
    fabric: Any, model: BIOT, windows: LabelledWindows, batch_size: int
) -> tuple[TensorWindows, Floats]:
    """The features of windows, computed once.

    Returns
    -------
    tuple
        Windows whose signal is their features, (W, E) float32, without those that have none; and
        the input of the last linear layer, (W, E) float64: these features after the activation.
    """
    found = encoded(fabric, model, windows, batch_size)
    kept = found.isfinite().all(dim=1).nonzero().squeeze(1)
    if not len(kept):
        raise CorpusError(f"None of the {counted(len(found), 'window')} has usable data.")
    found = found[kept]
    with torch.no_grad():
        active = model.final_layer.activation_layer(found.to(fabric.device)).cpu()
    rows = kept.numpy()
    weight = weights_of(windows)
    known = TensorWindows(
        signal=found, truth=windows.truth[rows], index=windows.index[rows],
        weight=None if weight is None else weight[rows],
    )  # fmt: skip
    return known, active.double().numpy()


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A linear model on the inputs of the last layer, and how it was chosen."""

    weight: Floats
    """(K, E)"""
    bias: Floats
    """(K,)"""
    penalty: float
    """Of those tried, the one with the best validation score."""
    converged: bool = True
    """Whether the solver came to its end."""

    def outputs(self, inputs_WE: Floats) -> Floats:
        """(W, K)."""
        return inputs_WE @ self.weight.T + self.bias

    def put_into(self, model: BIOT) -> None:
        """Make it the model's last layer."""
        layer = model.final_layer.classification_head
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))
            layer.bias.copy_(torch.from_numpy(self.bias))


def fit_probe(
    kind: str,
    task: Task,
    metric: str,
    train: tuple[Floats, Truth],
    valid: tuple[Floats, Truth],
    *,
    calibrated: bool = True,
    weights: tuple[Floats | None, Floats | None] = (None, None),
) -> Probe:
    """Fit on training inputs (W, E) and truth, with the penalty that serves validation best.

    Inputs are standardised; the returned weights are for the inputs as they are. Classes and tags
    are learned as −1 and 1 by ``"ridge"``; its outputs are then divided by the temperature that
    makes their probabilities most likely on the validation windows. A tag that all training
    windows or none have gets a constant from ``"logistic"``. `weights` say how much each training
    and each validation window counts, of classes only; None: all alike.

    Raises
    ------
    ConfigError
        If a logistic regression is asked for numbers.
    """
    if kind == "logistic" and isinstance(task, Regression):
        raise ConfigError("mode 'logistic' predicts classes or tags, not numbers. Use ridge.")
    inputs, truth = train
    mean = np.average(inputs, axis=0, weights=weights[0])
    spread = np.sqrt(np.average((inputs - mean) ** 2, axis=0, weights=weights[0]))
    spread = np.where(spread > 1e-12 * (1 + np.abs(mean)), spread, 1.0)
    standard = (inputs - mean) / spread
    best: tuple[tuple[float, float], Probe] | None = None
    for penalty in RIDGE_PENALTIES if kind == "ridge" else LOGISTIC_PENALTIES:
        fitted = _ridge if kind == "ridge" else _logistic
        with _solver_warnings() as caught:
            weight, bias = fitted(task, standard, truth, penalty, weights[0])
        weight = weight / spread
        probe = Probe(
            weight=weight, bias=bias - weight @ mean, penalty=penalty, converged=not caught
        )
        if kind == "ridge" and not isinstance(task, Regression):
            probe = _tempered(probe, task, valid, weights[1])
        rank = _rank(probe, task, metric, valid, calibrated, weights[1])
        if best is None or rank > best[0]:
            best = rank, probe
    assert best is not None
    if not best[1].converged:
        warnings.warn(
            f"mode {kind!r}: with the penalty {best[1].penalty:g}, which served validation best, "
            "the solver did not converge; the last layer is near the best one, not at it. Features "
            "that hardly vary, or too few windows, are the usual reasons.",
            stacklevel=2,
        )
    return best[1]


@contextmanager
def _solver_warnings() -> Iterator[list[str]]:
    """Collect what scikit-learn and SciPy warn of a solver; every other warning is passed on."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    for one in caught:
        if one.category.__name__ in ("ConvergenceWarning", "LinAlgWarning"):
            found.append(str(one.message))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _rank(
    probe: Probe, task: Task, metric: str, valid: tuple[Floats, Truth], calibrated: bool,
    weight: Floats | None,
) -> tuple[float, float]:  # fmt: skip
    outputs, truth = probe.outputs(valid[0]), valid[1]
    losses = task.losses(torch.from_numpy(outputs), torch.from_numpy(truth)).numpy()
    loss = float(np.average(losses, weights=weight))
    if metric == "loss":
        return -loss, -loss
    score = task.validation_score(metric, outputs, truth, calibrated=calibrated, weight=weight)
    return task.rank(metric, score), -loss


def _ridge(
    task: Task, inputs: Floats, truth: Truth, penalty: float, weight: Floats | None
) -> tuple[Floats, Floats]:
    linear = require("sklearn.linear_model", extra="training")
    weights, wanted = weight, truth
    if isinstance(task, Classes):
        wanted = 2.0 * np.eye(len(task.names))[truth] - 1.0
        weights = _per_window(task, truth, weight)
    elif isinstance(task, MultiLabel):
        wanted = 2.0 * (truth > 0.5) - 1.0
    else:
        assert isinstance(task, Regression)
        wanted = (truth - np.asarray(task.mean)) / np.asarray(task.spread)
    model = linear.Ridge(alpha=penalty).fit(inputs, wanted, sample_weight=weights)
    n_outputs = wanted.shape[1]
    return model.coef_.reshape(n_outputs, -1), np.broadcast_to(model.intercept_, (n_outputs,))


def _per_window(task: Classes, truth: Truth, weight: Floats | None) -> Floats | None:
    """Weight of each window in the loss, (W,): its own times that of its class."""
    if task.weights is None:
        return weight
    of_class = np.asarray(task.weights)[truth]
    return of_class if weight is None else of_class * weight


def _tempered(
    probe: Probe, task: Task, valid: tuple[Floats, Truth], weight: Floats | None
) -> Probe:
    outputs, truth = torch.from_numpy(probe.outputs(valid[0])), torch.from_numpy(valid[1])
    losses = [
        float(np.average(task.losses(outputs * factor, truth).numpy(), weights=weight))
        for factor in TEMPERATURES
    ]
    factor = float(TEMPERATURES[int(np.argmin(losses))])
    return replace(probe, weight=probe.weight * factor, bias=probe.bias * factor)


def _logistic(
    task: Task, inputs: Floats, truth: Truth, penalty: float, weight: Floats | None
) -> tuple[Floats, Floats]:
    if isinstance(task, MultiLabel):
        weights = task.weights or ((1.0, 1.0),) * len(task.names)
        columns = [
            _logistic_of_two(inputs, held > 0.5, penalty, pair)
            for held, pair in zip(truth.T, weights, strict=True)
        ]
        coefficients, bias = (np.stack(values) for values in zip(*columns, strict=True))
        return coefficients, bias
    assert isinstance(task, Classes)
    n_classes = len(task.names)
    per_window = _per_window(task, truth, weight)
    model = _solver(penalty).fit(inputs, truth, sample_weight=per_window)
    if n_classes == 2:  # scikit-learn keeps the difference of the two only
        return np.stack((-model.coef_[0], model.coef_[0])) / 2, np.stack(
            (-model.intercept_[0], model.intercept_[0])
        ) / 2
    return model.coef_, model.intercept_


def _logistic_of_two(
    inputs: Floats, held: Truth, penalty: float, weights: tuple[float, float]
) -> tuple[Floats, float]:
    if held.all() or not held.any():  # no boundary to find: the log odds, half a window added
        n_held = int(held.sum())
        return np.zeros(inputs.shape[1]), math.log((n_held + 0.5) / (len(held) - n_held + 0.5))
    model = _solver(penalty).fit(inputs, held, sample_weight=np.where(held, *weights[::-1]))
    return model.coef_[0], float(model.intercept_[0])


def _solver(penalty: float) -> Any:
    linear = require("sklearn.linear_model", extra="training")
    return linear.LogisticRegression(C=1 / penalty, max_iter=5000)
