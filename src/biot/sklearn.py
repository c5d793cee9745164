"""BIOT as scikit-learn estimators: windows in arrays in, classes or features out."""

# n windows, C channels, T samples, K classes, E width of the features

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from biot.device import Device
from biot.errors import ConfigError, CorpusError, require
from biot.evaluation.tasks import probabilities
from biot.model.biot import BIOT
from biot.preprocessing import Preprocessing, Scale
from biot.signals.flat import varying_windows
from biot.signals.reference import rereferencing
from biot.signals.scale import scaled_window
from biot.training.datasets import TensorWindows, batches_of
from biot.training.distributed import launch
from biot.training.finetuning.build import build_model
from biot.training.finetuning.config import FinetuneConfig, Mode
from biot.training.finetuning.linear_probe import encoded
from biot.training.finetuning.objective import EpochRecord
from biot.training.finetuning.tuner import learn, require_means
from biot.training.scoring import predict_logits

__all__ = ["BIOTClassifier", "BIOTTransformer"]


_base = require("sklearn.base", extra="training")
_validation = require("sklearn.utils.validation", extra="training")
BaseEstimator: Any = _base.BaseEstimator
ClassifierMixin: Any = _base.ClassifierMixin
TransformerMixin: Any = _base.TransformerMixin


class _WindowEstimator(BaseEstimator):  # type: ignore[misc]  # sklearn: no types
    """What both estimators ask of X, and how they make windows of it."""

    sfreq: float | None
    ch_names: Sequence[str] | None
    units: str
    scale: Scale
    keep_flat: bool
    reference: str

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
            keep_flat=self.keep_flat, reference=self.reference,
        )  # fmt: skip

    def signal_of(self, X: Array) -> torch.Tensor:
        """Windows as a model sees them, (n, C, T); a warning tells what of them is flat."""
        contract = self.contract_of(X, None)
        if not self.keep_flat:
            X, found = varying_windows(X, contract.sfreq, contract.ch_names)
            if found:
                warnings.warn(f"X: flat, so missing data: {found}; {found.way_out}.", stacklevel=3)
        how = rereferencing(contract.ch_names, contract.units, contract.reference, where="X")
        return torch.from_numpy(scaled_window(how.apply(X), self.scale))

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


class BIOTClassifier(ClassifierMixin, _WindowEstimator):  # type: ignore[misc]  # sklearn: no types
    """Fine-tunes BIOT on windows in memory.

    Parameters
    ----------
    sfreq
        Samples a second of X, in Hz. Required.
    ch_names
        Names of the channels; None numbers them.
    units
        Unit of X, such as ``"µV"``; compared with that of a pretrained model.
    scale
        ``"q95"`` divides each channel of a window by the 95th percentile of its magnitude.
    keep_flat
        Keep channels that are flat in a window, or for a second of it; otherwise they are missing
        data, and a warning tells of them (:mod:`biot.signals.flat`).
    reference
        What EEG channels are re-referenced to: ``"none"``, ``"average"``, or names of channels
        with commas between them, whose mean it is (:mod:`biot.signals.reference`).
    from_model
        Folder of a pretrained model; None starts from scratch.
    mode, epochs, patience, metric, batch_size, learning_rate, valid_share, device
        As in :class:`biot.training.FinetuneConfig`.
    embed_dim, num_heads, num_layers, n_fft, hop_length
        Size of a model from scratch; None for the defaults there.
    settings
        Any other field of the configuration, by name.
    random_state
        Seed of the validation windows, the weights, the order of windows and dropout; None: 0. A
        ``RandomState`` is asked for one.

    Attributes
    ----------
    classes_ : numpy.ndarray
        Classes as ``y`` has them, sorted.
    model_ : biot.BIOT
        The trained model.
    preprocessing_ : Preprocessing
        Its contract, for ``model_.save_pretrained(folder, preprocessing=preprocessing_)``.
    history_ : list of EpochRecord
        One record an epoch; empty for ridge and logistic regression.
    n_iter_ : int
        Epochs that were run.
    n_features_in_, n_times_in_ : int
        Channels, and samples of a window.

    Notes
    -----
    Training stops early, by the score of windows that are kept for validation: whole groups where
    ``fit`` is given groups (subjects, say), else some of each class. The predicted class is the
    most probable one; another threshold is for ``sklearn.model_selection.FixedThresholdClassifier``
    and ``TunedThresholdClassifierCV``.
    """

    def __init__(
        self,
        *,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        units: str = "µV",
        scale: Scale = "q95",
        keep_flat: bool = False,
        reference: str = "none",
        from_model: str | Path | None = None,
        mode: Mode = "full",
        epochs: int = 30,
        patience: int = 10,
        metric: str | None = None,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        valid_share: float = 0.2,
        device: Device = "auto",
        embed_dim: int | None = None,
        num_heads: int | None = None,
        num_layers: int | None = None,
        n_fft: int | None = None,
        hop_length: int | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.units = units
        self.scale = scale
        self.keep_flat = keep_flat
        self.reference = reference
        self.from_model = from_model
        self.mode = mode
        self.epochs = epochs
        self.patience = patience
        self.metric = metric
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.valid_share = valid_share
        self.device = device
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> BIOTClassifier:
        """Train on windows.

        Parameters
        ----------
        X
            (n, C, T) windows; NaN is a missing sample.
        y
            (n,) classes.
        groups
            (n,) group of each window; a group trains or validates, never both.

        Raises
        ------
        BiotError
            If X, y or a parameter does not suit (each is a ``ValueError``).
        """
        X, y = self.checked(X, fitting=True, y=y)
        require("sklearn.utils.multiclass", extra="training").check_classification_targets(y)
        self.classes_, truth = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ConfigError(
                f"{type(self).__name__} needs two classes or more; y holds one class only: "
                f"{self.classes_[0]}."
            )
        config = self._config()
        require_means(config, self.from_model)
        contract = self.contract_of(X, tuple(str(name) for name in self.classes_))
        valid = _validation_windows(truth, groups, self.valid_share, config.seed)
        signal, everything = self.signal_of(X), np.arange(len(truth))
        windows = TensorWindows(signal=signal, truth=truth, index=everything)
        learned = learn(
            launch(config.device, config.precision), contract,
            windows.chosen(np.setdiff1d(everything, valid)), windows.chosen(valid), config,
            from_model=None if self.from_model is None else Path(self.from_model), where="X",
        )  # fmt: skip
        self.model_: BIOT = learned.model.cpu()
        self.preprocessing_ = learned.contract
        self.history_: list[EpochRecord] = learned.trained.history
        self.n_iter_ = max(1, len(self.history_))
        return self

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class, (n, K), in the order of ``classes_``.

        Raises
        ------
        CorpusError
            If a window holds no whole token of recorded samples.
        """
        return probabilities(self.decision_scores(X), "classes")

    def decision_scores(self, X: Any) -> Array:
        """Outputs of the last layer, (n, K): the logarithms of unnormalised probabilities."""
        _validation.check_is_fitted(self)
        windows = _unlabelled(self.signal_of(self.checked(X, fitting=False)))
        fabric = launch(self.device, "32")
        network = fabric.setup_module(self.model_)
        outputs, _, _ = predict_logits(network, batches_of(windows, self.batch_size), fabric.device)
        self.model_.cpu()
        _require_usable(outputs)
        return outputs

    def predict(self, X: Any) -> Array:
        """Most probable class of each window, (n,)."""
        scores = self.decision_scores(X)
        return np.asarray(self.classes_[scores.argmax(axis=1)])

    def _config(self) -> FinetuneConfig:
        named = ("mode", "epochs", "patience", "metric", "batch_size", "learning_rate",
                 "valid_share", "device", "embed_dim", "num_heads", "num_layers", "n_fft",
                 "hop_length")  # fmt: skip
        given = {name: getattr(self, name) for name in named}
        # The test is the caller's: all windows train or validate.
        config = FinetuneConfig(**given, test_share=1e-9, seed=_seed_of(self.random_state))
        try:
            return replace(config, **(self.settings or {}))
        except TypeError as error:
            raise ConfigError(f"settings: {error}. They are fields of FinetuneConfig.") from error


def _validation_windows(truth: Array, groups: Any, share: float, seed: int) -> Array:
    """Positions of the windows that validate: whole groups, or some of each class."""
    if groups is not None:
        groups = _validation.column_or_1d(groups)
        _validation.check_consistent_length(truth, groups)
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            raise ConfigError("groups must hold two groups or more: one of them validates.")
        selection = require("sklearn.model_selection", extra="training")
        n_parts = min(max(2, round(1 / share)), n_groups)
        splitter = selection.StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed)
        return np.asarray(next(splitter.split(truth[:, None], truth, groups))[1])
    generator, chosen = np.random.default_rng(seed), []
    for label in np.unique(truth):
        rows = generator.permutation(np.flatnonzero(truth == label))
        chosen.append(rows[: min(len(rows) - 1, max(1, round(share * len(rows))))])
    valid = np.sort(np.concatenate(chosen))
    if not len(valid):
        raise ConfigError(
            f"y has n_samples = {len(truth)}, one of each class: none is left for validation."
        )
    return valid


class BIOTTransformer(TransformerMixin, _WindowEstimator):  # type: ignore[misc]  # sklearn: no types
    """Features of a BIOT encoder, which is not trained: for any classifier of scikit-learn.

    Parameters
    ----------
    sfreq, ch_names, units, scale, keep_flat, reference
        As for :class:`BIOTClassifier`.
    from_model
        Folder of a pretrained model. None: an encoder of random weights, which is the baseline
        that pretraining must beat.
    embed_dim, num_heads, num_layers, n_fft, hop_length
        Size of the random encoder.
    batch_size, device
        Windows at a time, and where to compute.
    random_state
        Seed of the random weights; None: 0. A ``RandomState`` is asked for one.

    Attributes
    ----------
    model_ : biot.BIOT
        The model whose encoder makes the features.
    n_features_in_, n_times_in_ : int
        Channels, and samples of a window.
    """

    def __init__(
        self,
        *,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        units: str = "µV",
        scale: Scale = "q95",
        keep_flat: bool = False,
        reference: str = "none",
        from_model: str | Path | None = None,
        embed_dim: int | None = None,
        num_heads: int | None = None,
        num_layers: int | None = None,
        n_fft: int | None = None,
        hop_length: int | None = None,
        batch_size: int = 64,
        device: Device = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.units = units
        self.scale = scale
        self.keep_flat = keep_flat
        self.reference = reference
        self.from_model = from_model
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def fit(self, X: Any, y: Any = None) -> BIOTTransformer:
        """Open or make the encoder for windows like X, (n, C, T); nothing is learned from them."""
        X = self.checked(X, fitting=True)
        named = ("embed_dim", "num_heads", "num_layers", "n_fft", "hop_length", "batch_size")
        given = {name: getattr(self, name) for name in named}
        config = FinetuneConfig(**given, seed=_seed_of(self.random_state))
        contract = self.contract_of(X, ("features",))  # a head is made, and not used
        source = None if self.from_model is None else Path(self.from_model)
        with torch.random.fork_rng([]):
            torch.manual_seed(config.seed)
            self.model_ = build_model(config, contract, from_model=source).eval()
        return self

    def transform(self, X: Any) -> Array:
        """Features of each window, (n, E) float32.

        Raises
        ------
        CorpusError
            If a window holds no whole token of recorded samples.
        """
        _validation.check_is_fitted(self)
        windows = _unlabelled(self.signal_of(self.checked(X, fitting=False)))
        found = encoded(launch(self.device, "32"), self.model_, windows, self.batch_size).numpy()
        self.model_.cpu()
        _require_usable(found)
        return found

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """``biot0`` and so on: one name a feature."""
        _validation.check_is_fitted(self)
        return np.array([f"biot{index}" for index in range(self.model_.embed_dim)], dtype=object)


# The estimators' base classes come from there, so this must stand before the imports.
require("sklearn", extra="training")


Array = npt.NDArray[Any]


def _seed_of(random_state: Any) -> Any:
    """The seed that an estimator's ``random_state`` stands for: None is 0."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return 0 if random_state is None else random_state


def _unlabelled(signal: torch.Tensor) -> TensorWindows:
    """Windows without a truth."""
    number = np.arange(len(signal))
    return TensorWindows(signal=signal, truth=np.zeros_like(number), index=number)


def _require_usable(outputs: Array) -> None:
    """Raise :class:`CorpusError` if a window of X has no outputs."""
    unusable = ~np.isfinite(outputs).all(axis=1)
    if unusable.any():
        raise CorpusError(
            f"X[{unusable.argmax()}] holds no whole token of recorded samples that vary "
            f"({unusable.sum()} such windows). Leave these windows out."
        )
