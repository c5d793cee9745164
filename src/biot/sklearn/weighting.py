"""How much windows and classes count: `sample_weight` and `class_weight` of scikit-learn."""

# n windows, K classes

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, counted, listed, require
from biot.training.finetuning.tuner import class_weights

__all__ = ["classes_of", "quiet_about_classes", "weights_of_classes", "weights_of_samples"]

Floats = npt.NDArray[np.float64]

_FEW = 10
"""So many classes are not taken for numbers, however few windows there are."""


@contextmanager
def quiet_about_classes() -> Iterator[None]:
    """Keep to itself what scikit-learn says of many classes: :func:`classes_of` says it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater")
        yield


def classes_of(y: npt.NDArray[Any], where: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The classes in ``y``, sorted, and the position of each window's class among them.

    Raises
    ------
    ConfigError
        If there is one class only.
    ValueError
        If ``y`` holds no classes, but numbers.
    """
    checks = require("sklearn.utils.multiclass", extra="training")
    with quiet_about_classes():
        checks.check_classification_targets(y)
    classes, truth = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ConfigError(
            f"{where} needs two classes or more; y holds one class only: {classes[0]}."
        )
    if 2 * len(classes) > len(y) and len(classes) > _FEW:
        warnings.warn(
            f"y holds {len(classes)} classes in {counted(len(y), 'window')}. {where} learns "
            "classes; numbers are learned by biot.finetune, from a corpus whose task is "
            "'regression'.",
            stacklevel=4,
        )
    return classes, truth


def weights_of_samples(sample_weight: Any, n_windows: int) -> Floats | None:
    """(n,) how much each window counts; None where all count alike.

    A mean below 1, of those that count, is made 1: weights that add up to 1, say, do not mean that
    there is less than one window.

    Raises
    ------
    ConfigError
        If the weights are not one finite number of 0 or more for each window, or all are 0.
    """
    if sample_weight is None or isinstance(sample_weight, Real):
        return None  # one number for all changes nothing
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sample_weight must hold numbers: {error}.") from error
    if weight.shape != (n_windows,):
        raise ConfigError(
            f"sample_weight must hold one weight for each of {counted(n_windows, 'window')}, got "
            f"shape {weight.shape}."
        )
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        raise ConfigError(
            f"sample_weight[{wrong.argmax()}] is {weight[wrong.argmax()]:g}; weights must be "
            "finite and 0 or more."
        )
    if not weight.any():
        raise ConfigError("sample_weight is zero for every window: nothing is left to learn from.")
    if (weight == weight[0]).all():
        return None
    return np.asarray(weight / min(1.0, weight[weight > 0].mean()))


def weights_of_classes(
    class_weight: Any, classes: npt.NDArray[Any], truth: npt.NDArray[Any], weight: Floats | None
) -> tuple[float, ...] | None:
    """How much a window of each class counts, in the order of `classes`; None: all alike.

    Parameters
    ----------
    class_weight
        None; ``"balanced"``, by which every class counts the same in sum; or a weight for each
        class by its name in ``y``, 1 for those that are not named.
    classes
        (K,) as they stand in ``y``.
    truth
        (n,) position of each window's class there.
    weight
        (n,) how much each window counts; None: all alike.

    Raises
    ------
    ConfigError
        If it is something else, names a class that ``y`` has not while it lacks one that ``y``
        has, or a weight is not above 0.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight == "balanced":
        return tuple(class_weights(truth, len(classes), weight).tolist())
    if not isinstance(class_weight, Mapping):
        raise ConfigError(
            "class_weight must be None, 'balanced', or a mapping from classes to weights; got "
            f"{class_weight!r}."
        )
    known = classes.tolist()
    unknown = [repr(name) for name in class_weight if name not in known]
    # A fold may lack a class that is named; a class that is not named may be misspelt there.
    if unknown and not set(known) <= set(class_weight):
        raise ConfigError(
            f"class_weight names {listed(unknown)}, which y has not. Its classes are "
            f"{listed([repr(name) for name in known], 20)}."
        )
    for name, value in class_weight.items():
        if not (isinstance(value, Real) and 0 < float(value) < math.inf):
            raise ConfigError(
                f"class_weight of {name!r} is {value!r}; it must be above 0. Leave a class that "
                "shall not count out of X and y."
            )
    return tuple(float(class_weight.get(name, 1.0)) for name in known)
