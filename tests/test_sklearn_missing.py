"""Flat channels and references in the estimators: as everywhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from biot.errors import CorpusError, RecordingError

biot_sklearn = pytest.importorskip("biot.sklearn")

SIZE: dict[str, Any] = {
    "embed_dim": 16, "num_heads": 2, "num_layers": 1, "n_fft": 25, "hop_length": 25,
    "device": "cpu", "sfreq": 50, "ch_names": ("C3", "C4", "Cz"),
}  # fmt: skip


def windows(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 3, 100)).astype(np.float32)


def classifier(**more: Any) -> Any:
    return biot_sklearn.BIOTClassifier(**SIZE, epochs=1, **more)


def test_a_flat_channel_is_missing_in_fit_and_predict() -> None:
    X, y = windows(), np.arange(12) % 2
    flat, lost = X.copy(), X.copy()
    flat[:, 0] = 2999
    lost[:, 0] = np.nan
    with pytest.warns(UserWarning, match=r"X: flat, so missing data: 1 channel throughout \(C3\)"):
        one = classifier().fit(flat, y)
    other = classifier().fit(lost, y)
    with pytest.warns(UserWarning, match=r"1 channel throughout \(C3\)"):
        found = one.predict_proba(flat)
    np.testing.assert_array_equal(found, other.predict_proba(lost))
    assert not one.preprocessing_.keep_flat
    flat[3] = 0
    with (
        pytest.warns(UserWarning, match="3 channels|stretches"),
        pytest.raises(CorpusError, match=r"X\[3\] holds no whole token"),
    ):
        one.predict(flat)


def test_keep_flat_keeps_them() -> None:
    X, y = windows(), np.arange(12) % 2
    X[:, 0] = 2999
    kept = classifier(keep_flat=True).fit(X, y)
    assert kept.preprocessing_.keep_flat
    assert np.isfinite(kept.predict_proba(X)).all()


def test_windows_are_re_referenced() -> None:
    X, y = windows(), np.arange(12) % 2
    one = classifier(reference="average").fit(X, y)
    averaged = X - X.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    other = classifier().fit(averaged, y)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(averaged), atol=1e-4)
    assert one.preprocessing_.reference == "average"
    with pytest.raises(RecordingError, match="X: has no channel 'A1'"):
        classifier(reference="A1").fit(X, y)
