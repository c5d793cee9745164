"""The estimators: windows in arrays or MNE's epochs in, classes or features out."""

# n windows, C channels, T samples, K classes, E width of the features

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from biot.choices import Spectrum
from biot.device import Device
from biot.errors import ConfigError, counted, listed, require
from biot.model.biot import BIOT
from biot.preprocessing import Preprocessing, Scale
from biot.settings import configured
from biot.signals.flat import varying_windows
from biot.signals.reference import rereferencing
from biot.signals.scale import scaled_window
from biot.sklearn.holdout import tell_of_overlap, validation_windows
from biot.sklearn.inputs import (
    Units,
    WindowFormat,
    array_in_units,
    as_trained,
    format_of_array,
    format_of_sources,
    require_as_many,
    require_known_to,
    require_named,
    require_usable,
    sources_of,
    windows_of,
)
from biot.sklearn.weighting import (
    classes_of,
    quiet_about_classes,
    weights_of_classes,
    weights_of_samples,
)
from biot.training.datasets import TensorWindows, batches_of, spread
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
    units: Units
    scale: Scale
    from_model: str | Path | None
    keep_flat: bool
    reference: str

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def contract_of(self, label_names: tuple[str, ...] | None) -> Preprocessing:
        """The contract of the windows that the estimator is fitted to."""
        windows = self._format
        return Preprocessing(
            sfreq=windows.sfreq, window=windows.n_times / windows.sfreq,
            ch_names=windows.ch_names, units=windows.units, scale=self.scale,
            label_names=label_names, keep_flat=self.keep_flat, reference=self.reference,
        )  # fmt: skip

    def signal_of(self, windows: Array) -> torch.Tensor:
        """Windows as a model sees them, (n, C, T)."""
        return torch.from_numpy(scaled_window(windows, self.scale))

    def _prepared(self, windows: Array) -> Array:
        """Windows of an array without what is flat, which is told, against the reference."""
        contract = self.contract_of(None)
        if not self.keep_flat:
            windows, found = varying_windows(windows, contract.sfreq, contract.ch_names)
            if found:
                _say(f"X: flat, so missing data: {found}; {found.way_out}.")
        how = rereferencing(contract.ch_names, contract.units, contract.reference, where="X")
        return np.asarray(how.apply(windows))

    def _for_model(self, found: WindowFormat) -> WindowFormat:
        """The format with the units of the pretrained model, if there is one."""
        return found if self.from_model is None else as_trained(found, Path(self.from_model))

    def fitting_windows(self, X: Any, **given: Any) -> tuple[Array, Any]:
        """Windows to be fitted to, (n, C, T) float32 in the contract's units; and y, if given."""
        sources = sources_of(X)
        said: dict[str, Any] = {"sfreq": self.sfreq, "ch_names": self.ch_names, "units": self.units}
        if sources is None:
            windows, y = self._validated(X, reset=True, **given)
            self._format = self._for_model(format_of_array(windows.shape, **said))
            windows = self._prepared(array_in_units(windows, self._format, self.units))
        else:
            self._format = self._for_model(format_of_sources(sources, **said))
            windows = windows_of(sources, self.contract_of(None), _say)
            require_as_many(windows, given.get("y"))
            windows, y = self._validated(windows, reset=True, **given)
            self.feature_names_in_ = np.array(self._format.ch_names, dtype=object)
        if self.from_model is not None:
            require_known_to(Path(self.from_model), self.contract_of(None))
        self.n_features_in_, self.n_times_in_ = windows.shape[1:]
        return windows, y

    def fitted_windows(self, X: Any) -> Array:
        """Windows to be predicted, (n, C, T), as the estimator was fitted to them."""
        _validation.check_is_fitted(self)
        sources = sources_of(X)
        if sources is not None:
            require_named(self._format)
            return windows_of(sources, self.contract_of(None), _say)
        windows, _ = self._validated(X, reset=False)
        if windows.shape[1] != self.n_features_in_:
            raise ConfigError(
                f"X has {counted(windows.shape[1], 'channel')}, but {type(self).__name__} is "
                "expecting "
                f"{counted(self.n_features_in_, 'channel')} as input."
            )
        if windows.shape[2] != self.n_times_in_:
            raise ConfigError(
                f"X has windows of {windows.shape[2]} samples, {type(self).__name__} was fitted "
                f"to {self.n_times_in_}."
            )
        if hasattr(self, "feature_names_in_"):
            _say(
                "X is an array, which names no channels: they are taken to be "
                f"{listed(self._format.ch_names, 20)}, in this order, at {self._format.sfreq:g} Hz."
            )
        return self._prepared(array_in_units(windows, self._format, self.units))

    def _validated(self, X: Any, *, reset: bool, **given: Any) -> tuple[Array, Any]:
        """X as float32, (n, C, T), and y if it is given."""
        with warnings.catch_warnings():  # what it says of names is said in our words
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            checked = _validation.validate_data(
                self, X, reset=reset, allow_nd=True, ensure_2d=False, dtype=np.float32,
                ensure_all_finite="allow-nan", **given,
            )  # fmt: skip
        windows, y = checked if isinstance(checked, tuple) else (checked, None)
        if windows.ndim != 3:
            raise ConfigError(
                f"X must be (windows, channels, samples), got shape {windows.shape}. "
                "Reshape your data: one window is X[None], one channel X[:, None]."
            )
        return windows, y


class BIOTClassifier(ClassifierMixin, _WindowEstimator):  # type: ignore[misc]  # sklearn: no types
    """Fine-tunes BIOT on windows in memory: arrays, or MNE's epochs.

    ``mne.Epochs`` bring their channel names, their rate, and volts, which become µV (of ECG mV).
    Channels meet those of the fit by name: their order does not matter, those that are absent or
    marked as bad are missing data, others are not used, and a warning tells of each. Epochs of
    another rate are resampled as :class:`biot.Predictor` does, and told. Channels of triggers are
    left out. Lists of epochs are taken as one after the other; so scikit-learn cuts them up.

    Parameters
    ----------
    sfreq
        Samples a second of X, in Hz. Required of arrays; of epochs, if given, it must be theirs.
    ch_names
        Names of the channels. Of arrays None numbers them; of epochs, if given, they must be
        theirs, in any order, which becomes that of the model.
    units
        Unit of X: one for all channels, one each, or a mapping from names to units, of
        :data:`biot.signals.units.KNOWN_UNITS`. Voltages become µV (of ECG mV), which is compared
        with the unit of a pretrained model; amplitudes that are implausible then are told of. None:
        µV of arrays, and what epochs say.
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
    mode, epochs, patience, metric, batch_size, learning_rate, valid_share, refit
        As in :class:`biot.training.FinetuneConfig`. ``valid_share=0`` trains on all windows for all
        `epochs` and keeps the last weights; ``refit=True`` trains on all windows once more, for as
        many epochs as validation chose.
    calibration, device
        As there.
    class_weight
        None: every window counts alike. ``"balanced"``: every class the same in sum. A mapping from
        classes to weights: so much, 1 where none is given. Weights decide, too: the class of the
        largest probability times weight is predicted. The probabilities are corrected for them,
        unless ``calibration`` is False, which leaves them as scikit-learn's own estimators do.
    embed_dim, num_heads, num_layers, n_fft, hop_length
        Size of a model from scratch; None for the defaults there.
    spectrum
        What a token holds, as for :class:`biot.BIOT`; None: as the pretrained model's, or the
        default from scratch. Log spectra are standardised by the windows that train.
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
    refit_history_ : list of EpochRecord
        The same of the training on all windows; empty unless ``refit=True``.
    n_iter_ : int
        Epochs that were run, without those of a refit.
    notes_ : tuple of str
        What is to be known of the training, such as that nothing was learnt; empty where nothing.
    n_features_in_, n_times_in_ : int
        Channels, and samples of a window.
    feature_names_in_ : numpy.ndarray
        Names of the channels, if X was epochs.

    Notes
    -----
    Training stops early, by the score of windows that are kept for validation: whole groups where
    ``fit`` is given groups (subjects, say), else some of each class. Probabilities are corrected
    for the class weights of the loss, and by a temperature fitted on these windows. The predicted
    class is that of :class:`biot.decision.Decision`: of two classes by a threshold chosen on these
    windows for balanced accuracy, so that a rare class is predicted below a probability of one
    half. For the most probable class take ``predict_proba(X).argmax(axis=1)``; another threshold is
    for ``sklearn.model_selection.FixedThresholdClassifier`` and ``TunedThresholdClassifierCV``.

    With ``valid_share=0`` no window validates: the last weights are kept, there is no temperature
    and no threshold, and the class of the largest output is predicted. With ``refit=True``
    temperature and threshold stay those that the validation windows gave the model before.
    """

    def __init__(
        self,
        *,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        units: Units = None,
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
        refit: bool = False,
        class_weight: str | Mapping[Any, float] | None = None,
        calibration: bool = True,
        device: Device = "auto",
        embed_dim: int | None = None,
        num_heads: int | None = None,
        num_layers: int | None = None,
        n_fft: int | None = None,
        hop_length: int | None = None,
        spectrum: Spectrum | None = None,
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
        self.refit = refit
        self.class_weight = class_weight
        self.calibration = calibration
        self.device = device
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.spectrum = spectrum
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> BIOTClassifier:
        """Train on windows.

        Parameters
        ----------
        X
            (n, C, T) windows, where NaN is a missing sample; or ``mne.Epochs``, or a list of them.
        y
            (n,) classes; of epochs ``epochs.events[:, 2]``, say.
        groups
            (n,) group of each window, such as its subject; a group trains or validates, never both.
            Without groups, a warning tells of windows that share samples.
        sample_weight
            (n,) how much each window counts in the loss, in the score that decides and in the
            calibration. A window of weight 2 counts as two, one of weight 0 is left out. None: all
            alike.

        Raises
        ------
        BiotError
            If X, y or a parameter does not suit (each is a ``ValueError``).
        """
        windows, y = self.fitting_windows(X, y=y)
        config = self._config()
        weight = weights_of_samples(sample_weight, len(windows))
        kept = np.flatnonzero(np.ones(len(windows)) if weight is None else weight)
        if groups is not None:
            groups = _validation.column_or_1d(groups)
            _validation.check_consistent_length(windows, groups)
            groups = groups[kept]
        elif config.valid_share:
            tell_of_overlap(X, windows)
        self.classes_, truth = classes_of(y[kept], type(self).__name__)
        labelled = TensorWindows(
            signal=self.signal_of(windows[kept]), truth=truth, index=kept,
            weight=None if weight is None else weight[kept],
        )  # fmt: skip
        self._learn(labelled, groups, config)
        return self

    def _learn(self, labelled: TensorWindows, groups: Array | None, config: FinetuneConfig) -> None:
        truth = labelled.truth
        require_means(config, self.from_model)
        contract = self.contract_of(tuple(str(name) for name in self.classes_))
        train, valid = labelled, None
        if config.valid_share:
            rows = validation_windows(truth, groups, config.valid_share, config.seed)
            train = labelled.chosen(np.setdiff1d(np.arange(len(truth)), rows))
            valid = labelled.chosen(rows)
        learned = learn(
            launch(config.device, config.precision), contract, train, valid, config, where="X",
            from_model=None if self.from_model is None else Path(self.from_model),
            class_weight=weights_of_classes(
                self.class_weight, self.classes_, truth, labelled.weight
            ),
        )  # fmt: skip
        self.model_: BIOT = learned.model.cpu()
        self.preprocessing_ = learned.contract
        self.history_: list[EpochRecord] = learned.trained.history
        self.refit_history_: list[EpochRecord] = learned.trained.refit
        self.n_iter_ = max(1, len(self.history_))
        self.notes_ = (*config.kept_weights, *learned.notes)

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class, (n, K), in the order of ``classes_``.

        Raises
        ------
        CorpusError
            If a window holds no whole token of recorded samples.
        """
        scores = self.decision_scores(X)
        return self.preprocessing_.decision.probabilities(scores)

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of :meth:`predict_proba`, (n, K); finite also where a probability is 0."""
        scores = self.decision_scores(X)
        return self.preprocessing_.decision.log_probabilities(scores)

    def decision_function(self, X: Any) -> Array:
        """How clearly :meth:`predict` decides.

        Returns
        -------
        numpy.ndarray
            Of two classes (n,): the log odds of the second, counted from the threshold; it is
            predicted where they are above 0. Of more (n, K): the largest is predicted.
        """
        scores = self.decision_scores(X)
        decision = self.preprocessing_.decision
        logs = decision.log_probabilities(scores)
        limits = decision.limits(len(self.classes_))
        if limits is None:
            return np.asarray(logs + np.log(decision.class_weights or 1.0))
        limit = np.clip(limits[0], 1e-12, 1 - 1e-12)
        return np.asarray(logs[:, 1] - logs[:, 0] - np.log(limit / (1 - limit)))

    def decision_scores(self, X: Any) -> Array:
        """Outputs of the last layer, (n, K), before any correction for weights or temperature."""
        windows = _unlabelled(self.signal_of(self.fitted_windows(X)))
        fabric = launch(self.device, "32")
        network = fabric.setup_module(self.model_)
        outputs, _, _ = predict_logits(network, batches_of(windows, self.batch_size), fabric.device)
        self.model_.cpu()
        require_usable(outputs)
        return outputs

    def predict(self, X: Any) -> Array:
        """Class of each window, (n,), by the rule of the contract, as `biot predict` has it."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[self.preprocessing_.decide(probabilities)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of :meth:`predict`: the share of the windows, or of their weight, it has right.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.
        sample_weight
            (n,) how much each window counts; None: all alike.
        """
        with quiet_about_classes():
            return float(super().score(X, y, sample_weight))

    def _config(self) -> FinetuneConfig:
        named = ("mode", "epochs", "patience", "metric", "batch_size", "learning_rate",
                 "valid_share", "refit", "calibration", "device", "embed_dim", "num_heads",
                 "num_layers", "n_fft", "hop_length", "spectrum")  # fmt: skip
        settings = dict(self.settings or {})
        if self.class_weight is not None and "class_weights" in settings:
            raise ConfigError(
                f"class_weight={self.class_weight!r} and settings['class_weights'] are given. "
                "Give one of them."
            )
        given = {name: getattr(self, name) for name in named}
        # The test is the caller's: all windows train or validate.
        given |= {"test_share": 1e-9, "class_weights": "none", "seed": _seed_of(self.random_state)}
        config = configured(FinetuneConfig, None, given | settings)
        if config.tune_events:
            raise ConfigError(
                "settings['tune_events']: windows in arrays do not say when they were recorded, so "
                "that they make no events. Leave it out; `biot finetune` tunes on recordings."
            )
        return config


class BIOTTransformer(TransformerMixin, _WindowEstimator):  # type: ignore[misc]  # sklearn: no types
    """Features of a BIOT encoder, which is not trained: for any classifier of scikit-learn.

    Parameters
    ----------
    sfreq, ch_names, units, scale, keep_flat, reference
        As for :class:`BIOTClassifier`.
    from_model
        Folder of a pretrained model. None: an encoder of random weights, which is the baseline
        that pretraining must beat.
    embed_dim, num_heads, num_layers, n_fft, hop_length, spectrum
        Size of the random encoder, and what its tokens hold, as for :class:`BIOTClassifier`.
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
        units: Units = None,
        scale: Scale = "q95",
        keep_flat: bool = False,
        reference: str = "none",
        from_model: str | Path | None = None,
        embed_dim: int | None = None,
        num_heads: int | None = None,
        num_layers: int | None = None,
        n_fft: int | None = None,
        hop_length: int | None = None,
        spectrum: Spectrum | None = None,
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
        self.spectrum = spectrum
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def fit(self, X: Any, y: Any = None) -> BIOTTransformer:
        """Open or make the encoder for windows like X, (n, C, T); nothing is learned from them.

        But log spectra of a random encoder are standardised by their means and spreads.
        """
        windows, _ = self.fitting_windows(X)
        named = ("embed_dim", "num_heads", "num_layers", "n_fft", "hop_length", "spectrum",
                 "batch_size")  # fmt: skip
        given = {name: getattr(self, name) for name in named}
        config = FinetuneConfig(**given, seed=_seed_of(self.random_state))
        contract = self.contract_of(("features",))  # a head is made, and not used
        source = None if self.from_model is None else Path(self.from_model)
        with torch.random.fork_rng([]):
            torch.manual_seed(config.seed)
            self.model_ = build_model(config, contract, from_model=source).eval()
        if self.model_.needs_spectrum:
            self.model_.fit_spectrum(spread(_unlabelled(self.signal_of(windows))))
        return self

    def transform(self, X: Any) -> Array:
        """Features of each window, (n, E) float32.

        Raises
        ------
        CorpusError
            If a window holds no whole token of recorded samples.
        """
        windows = _unlabelled(self.signal_of(self.fitted_windows(X)))
        found = encoded(launch(self.device, "32"), self.model_, windows, self.batch_size).numpy()
        self.model_.cpu()
        require_usable(found)
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


def _say(message: str) -> None:
    """Warn in the name of the caller's line."""
    warnings.warn(message, stacklevel=5)


def _unlabelled(signal: torch.Tensor) -> TensorWindows:
    """Windows without a truth."""
    number = np.arange(len(signal))
    return TensorWindows(signal=signal, truth=np.zeros_like(number), index=number)
