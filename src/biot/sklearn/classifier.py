"""`BIOTClassifier`: fine-tuning behind ``fit`` and ``predict``."""

# n windows, C channels, T samples, K classes

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from biot.contract import Scale
from biot.errors import ConfigError, require
from biot.model import BIOT
from biot.sklearn.windows import Array, WindowEstimator, require_usable, seed_of, unlabelled
from biot.training.config import Device, FinetuneConfig, Mode
from biot.training.fit import EpochRecord, launch
from biot.training.learn import learn
from biot.training.modes import require_means
from biot.training.steps import predict_logits
from biot.training.windows import TensorWindows, batches_of

__all__ = ["BIOTClassifier"]

ClassifierMixin: Any = require("sklearn.base", extra="training").ClassifierMixin
_validation = require("sklearn.utils.validation", extra="training")


class BIOTClassifier(ClassifierMixin, WindowEstimator):  # type: ignore[misc]  # sklearn: no types
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
        outputs = self.decision_scores(X)
        return torch.from_numpy(outputs).softmax(dim=1).numpy()

    def decision_scores(self, X: Any) -> Array:
        """Outputs of the last layer, (n, K): the logarithms of unnormalised probabilities."""
        _validation.check_is_fitted(self)
        windows = unlabelled(self.signal_of(self.checked(X, fitting=False)))
        fabric = launch(self.device, "32")
        network = fabric.setup_module(self.model_)
        outputs, _, _ = predict_logits(network, batches_of(windows, self.batch_size), fabric.device)
        self.model_.cpu()
        require_usable(outputs)
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
        config = FinetuneConfig(**given, test_share=1e-9, seed=seed_of(self.random_state))
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
