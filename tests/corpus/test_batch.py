"""Batches: decoded, scaled, in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from biot.corpus import Corpus, from_arrays
from biot.corpus.batch import batches, collate
from biot.errors import ChannelError, ConfigError
from biot.signals.scale import scaled_window


@pytest.fixture
def windows() -> np.ndarray:
    X = np.random.default_rng(3).normal(size=(10, 2, 50)) * 30 + 4
    X[2, 1, 10:20] = np.nan
    X[3, 0] = np.nan
    X[4, 1] = 0
    return X


@pytest.fixture
def make(windows: np.ndarray, tmp_path: Path) -> Callable[..., Corpus]:
    def build(scale: str) -> Corpus:
        return from_arrays(
            windows,
            np.arange(10) % 2,
            subject=["s"] * 10,
            sfreq=25,
            ch_names=["a", "b"],
            units="µV",
            scale=scale,
            out=tmp_path / scale,
            keep_flat=True,
        )

    return build


def test_q95_divides_each_channel_by_its_95th_percentile(
    make: Callable[..., Corpus], windows: np.ndarray
) -> None:
    batch = collate(make("q95"), range(10))
    filled = np.where(np.isnan(windows), 0, windows)
    for i, j in ((0, 0), (7, 1)):
        expected = filled[i, j] / np.quantile(np.abs(filled[i, j]), 0.95)
        np.testing.assert_allclose(batch.signal[i, j], expected, atol=2e-4)
    present = windows[2, 1][~np.isnan(windows[2, 1])]
    expected = windows[2, 1] / np.quantile(np.abs(present), 0.95)
    np.testing.assert_allclose(batch.signal[2, 1], expected, atol=2e-4)
    assert batch.signal[3, 0].isnan().all()
    assert (batch.signal[4, 1] == 0).all()


def test_none_leaves_physical_units(make: Callable[..., Corpus], windows: np.ndarray) -> None:
    signal = collate(make("none"), [5, 1]).signal
    np.testing.assert_allclose(signal, windows[[5, 1]], atol=3e-3)


def test_a_batch_has_the_types_that_a_model_takes(make: Callable[..., Corpus]) -> None:
    batch = collate(make("q95"), [5, 1])
    assert (batch.signal.dtype, tuple(batch.signal.shape)) == (torch.float32, (2, 2, 50))
    assert (batch.label.dtype, batch.label.tolist()) == (torch.int64, [1, 1])
    assert (batch.index.dtype, batch.index.tolist()) == (torch.int64, [5, 1])
    assert len(batch) == 2


def test_prediction_and_training_scale_alike(
    make: Callable[..., Corpus], windows: np.ndarray
) -> None:
    batch = collate(make("q95"), range(10))
    np.testing.assert_allclose(batch.signal, scaled_window(windows, "q95"), atol=2e-4)
    one = scaled_window(windows[7].astype(np.float32), "q95")
    assert one.dtype == np.float32
    np.testing.assert_allclose(batch.signal[7], one, atol=2e-4)


def test_scaling_leaves_its_input_as_it_is(windows: np.ndarray) -> None:
    given = windows.astype(np.float32)
    before = given.copy()
    scaled_window(given, "none")[...] = 0
    scaled_window(given, "q95")[...] = 0
    np.testing.assert_array_equal(given, before)


def test_an_unknown_scale_is_refused(windows: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="scale must be 'q95' or 'none', got 'max'"):
        scaled_window(windows, "max")  # type: ignore[arg-type]  # the error is what is tested


def test_batches_hold_every_window_once(make: Callable[..., Corpus]) -> None:
    corpus = make("q95")
    plain = list(batches(corpus, [1, 3, 5, 7, 9], 2))
    assert [batch.index.tolist() for batch in plain] == [[1, 3], [5, 7], [9]]
    shuffled = torch.cat([batch.index for batch in batches(corpus, range(10), 4, seed=1)]).tolist()
    assert sorted(shuffled) == list(range(10))
    assert shuffled != list(range(10))


def test_the_seed_decides_the_order(make: Callable[..., Corpus]) -> None:
    corpus = make("q95")
    order = [[b.index.tolist() for b in batches(corpus, range(10), 4, seed=s)] for s in (1, 1, 2)]
    assert order[0] == order[1] != order[2]


def test_a_batch_size_below_one_is_refused_at_once(make: Callable[..., Corpus]) -> None:
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        batches(make("q95"), [0], 0)


def test_a_recording_without_a_channel_of_the_vocabulary_is_named(
    make: Callable[..., Corpus],
) -> None:
    corpus = make("none")
    with pytest.raises(ChannelError, match=f"recording {corpus.recordings[0]}: No channel"):
        collate(corpus, [0], ("A1-A2",))
