"""The model inside skorch and scikit-learn; braindecode itself is in benchmarks/interop.py."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from biot import BIOT

skorch = pytest.importorskip("skorch", reason="skorch is not installed: no callers to test")

SETTINGS: dict[str, Any] = {
    "module__n_chans": 2,
    "module__n_times": 200,
    "module__n_outputs": 2,
    "module__sfreq": 100,
    "module__hop_length": 50,
    "module__embed_dim": 8,
    "module__num_heads": 2,
    "module__num_layers": 1,
    "module__drop_prob": 0.0,
    "criterion": nn.CrossEntropyLoss,
    "optimizer": torch.optim.AdamW,
    "lr": 1e-2,
    "max_epochs": 10,
    "batch_size": 10,
    "train_split": None,
    "verbose": 0,
}


def data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Two classes that differ in amplitude."""
    y = np.arange(40) % 2
    X = np.random.default_rng(0).normal(size=(40, 2, 200)) * (1 + 4 * y[:, None, None])
    return X.astype(np.float32), y.astype(np.int64)


def test_skorch_fits_predicts_clones_and_pickles() -> None:
    from sklearn.base import clone

    torch.manual_seed(0)
    X, y = data()
    net = skorch.NeuralNetClassifier(BIOT, **SETTINGS).fit(X, y)
    assert net.score(X, y) > 0.9
    np.testing.assert_allclose(net.predict_proba(X).sum(axis=1), 1, atol=1e-5)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))
    fresh = clone(net)
    assert not hasattr(fresh, "module_")
    assert fresh.get_params()["module__embed_dim"] == 8


def test_an_opened_model_can_be_the_module() -> None:
    from sklearn.base import clone

    torch.manual_seed(0)
    X, y = data()
    sizes = {key.removeprefix("module__"): value for key, value in SETTINGS.items()}
    model = BIOT(**{key: sizes[key] for key in sizes if f"module__{key}" in SETTINGS})
    rest = {key: value for key, value in SETTINGS.items() if not key.startswith("module__")}
    net = clone(skorch.NeuralNetClassifier(model, **rest)).fit(X, y)
    assert net.score(X, y) > 0.9


def test_a_grid_search_over_settings_of_the_model() -> None:
    from sklearn.model_selection import GridSearchCV

    torch.manual_seed(0)
    X, y = data()
    net = skorch.NeuralNetClassifier(BIOT, **SETTINGS)
    grid = {"module__num_layers": [0, 1], "module__activation": [nn.ELU]}
    search = GridSearchCV(net, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.9
    assert search.best_estimator_.module_.num_layers == search.best_params_["module__num_layers"]
