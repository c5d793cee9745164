"""What both estimators ask of X, and how they make windows of it."""

# n windows, C channels, T samples, E width of the features

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from biot.contract import Preprocessing, Scale
from biot.corpus.batch import scaled_window
from biot.errors import ConfigError, CorpusError, require
from biot.training.windows import TensorWindows

__all__ = ["Array", "WindowEstimator", "require_usable", "seed_of", "unlabelled"]

BaseEstimator: Any = require("sklearn.base", extra="training").BaseEstimator
_validation = require("sklearn.utils.validation", extra="training")

Array = npt.NDArray[Any]


class WindowEstimator(BaseEstimator):  # type: ignore[misc]  # sklearn: no types
    """What both estimators ask of X, and how they make windows of it."""

    sfreq: float | None
    ch_names: Sequence[str] | None
    units: str
    scale: Scale

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def contract_of(self, X: Array, label_names: tuple[str, ...] | None) -> Preprocessing:
        """The contract of windows like X."""
        if self.sfreq is None:
            raise ConfigError("sfreq is missing: give the samples a second of X, in Hz.")
        n_chans, n_times = X.shape[1:]
        names = self.ch_names or tuple(f"channel {index + 1}" for index in range(n_chans))
        if len(names) != n_chans:
            raise ConfigError(f"ch_names names {len(names)} channels, X has {n_chans}.")
        return Preprocessing(
            sfreq=float(self.sfreq), window=n_times / float(self.sfreq), ch_names=tuple(names),
            units=(self.units,) * n_chans, scale=self.scale, label_names=label_names,
        )  # fmt: skip

    def signal_of(self, X: Array) -> torch.Tensor:
        """Windows as a model sees them, (n, C, T)."""
        return torch.from_numpy(scaled_window(X, self.scale))

    def checked(self, X: Any, *, fitting: bool, **given: Any) -> Any:
        """X as float32, and y if it is given."""
        checked = _validation.validate_data(
            self, X, reset=fitting, allow_nd=True, ensure_2d=False, dtype=np.float32,
            ensure_all_finite="allow-nan", **given,
        )  # fmt: skip
        windows = checked[0] if isinstance(checked, tuple) else checked
        if windows.ndim != 3:
            raise ConfigError(
                f"X must be (windows, channels, samples), got shape {windows.shape}. "
                "Reshape your data: one window is X[None], one channel X[:, None]."
            )
        if fitting:
            self.n_features_in_, self.n_times_in_ = windows.shape[1:]
        elif windows.shape[1] != self.n_features_in_:
            raise ConfigError(
                f"X has {windows.shape[1]} channels, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} channels as input."
            )
        elif windows.shape[2] != self.n_times_in_:
            raise ConfigError(
                f"X has windows of {windows.shape[2]} samples, {type(self).__name__} was fitted "
                f"to {self.n_times_in_}."
            )
        return checked


def seed_of(random_state: Any) -> Any:
    """The seed that an estimator's ``random_state`` stands for: None is 0."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return 0 if random_state is None else random_state


def unlabelled(signal: torch.Tensor) -> TensorWindows:
    """Windows without a truth."""
    number = np.arange(len(signal))
    return TensorWindows(signal=signal, truth=np.zeros_like(number), index=number)


def require_usable(outputs: Array) -> None:
    """Raise :class:`CorpusError` if a window of X has no outputs."""
    unusable = ~np.isfinite(outputs).all(axis=1)
    if unusable.any():
        raise CorpusError(
            f"X[{unusable.argmax()}] holds no whole token of recorded samples "
            f"({unusable.sum()} such windows). Leave these windows out."
        )
