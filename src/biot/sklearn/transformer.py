"""`BIOTTransformer`: the features of an encoder, for any classifier of scikit-learn."""

# n windows, C channels, T samples, E width of the features

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from biot.contract import Scale
from biot.errors import require
from biot.sklearn.windows import Array, WindowEstimator, require_usable, seed_of, unlabelled
from biot.training.build import build_model
from biot.training.config import Device, FinetuneConfig
from biot.training.fit import launch
from biot.training.probes import encoded

__all__ = ["BIOTTransformer"]

TransformerMixin: Any = require("sklearn.base", extra="training").TransformerMixin
_validation = require("sklearn.utils.validation", extra="training")


class BIOTTransformer(TransformerMixin, WindowEstimator):  # type: ignore[misc]  # sklearn: no types
    """Features of a BIOT encoder, which is not trained: for any classifier of scikit-learn.

    Parameters
    ----------
    sfreq, ch_names, units, scale
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
        config = FinetuneConfig(**given, seed=seed_of(self.random_state))
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
        windows = unlabelled(self.signal_of(self.checked(X, fitting=False)))
        found = encoded(launch(self.device, "32"), self.model_, windows, self.batch_size).numpy()
        self.model_.cpu()
        require_usable(found)
        return found

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """``biot0`` and so on: one name a feature."""
        _validation.check_is_fitted(self)
        return np.array([f"biot{index}" for index in range(self.model_.embed_dim)], dtype=object)
