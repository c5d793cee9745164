"""A recording whose channels have the names that preparation changed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from biot import BIOT, Predictor, Preprocessing
from biot.errors import ChannelError
from biot.signals.recording import Recording

DATA = np.random.default_rng(0).normal(size=(3, 800)).astype(np.float32)


def predictor(ch_names: tuple[str, ...], rename_channels: str = "") -> Predictor:
    torch.manual_seed(0)
    model = BIOT(
        n_chans=len(ch_names), n_outputs=2, n_times=400, sfreq=100, channels=list(ch_names),
        n_fft=100, hop_length=50, embed_dim=16, num_heads=2, num_layers=1,
    )  # fmt: skip
    contract = Preprocessing(
        sfreq=100, window=4, ch_names=ch_names, units=("µV",) * len(ch_names),
        label_names=("a", "b"), rename_channels=rename_channels,
    )  # fmt: skip
    return Predictor(model, contract)


def recording(*ch_names: str) -> Recording:
    data = DATA[: len(ch_names)]
    return Recording.from_array(data, ch_names=ch_names, sfreq=100, units=("µV",) * len(ch_names))


def test_channels_are_found_under_their_old_names_and_under_the_new() -> None:
    predict = predictor(("Fp1", "Fp2"), "EEG 1=Fp1,EEG 2=Fp2").predict
    old = predict(recording("EEG 2", "EEG 1")).probabilities
    new = predict(recording("Fp2", "Fp1")).probabilities
    assert np.isfinite(old).all()
    np.testing.assert_array_equal(old, new)


def test_a_channel_that_is_there_twice_is_used_once() -> None:
    data = DATA[[0, 1, 1]]
    twice = Recording.from_array(data, ch_names=("C3", "C4", "C4"), sfreq=100, units=("µV",) * 3)
    predict = predictor(("C3", "C4")).predict
    np.testing.assert_array_equal(
        predict(twice).probabilities, predict(recording("C3", "C4")).probabilities
    )


def test_different_channels_of_one_name_are_refused_unless_the_model_knows_their_numbers() -> None:
    twice = recording("C3", "C4", "C4")
    with pytest.raises(ChannelError, match="'C4' could come from"):
        predictor(("C3", "C4")).predict(twice)
    plan = predictor(("C3", "C4-0", "C4-1")).montage(twice)
    assert [entry.status for entry in plan.entries] == ["matched"] * 3
