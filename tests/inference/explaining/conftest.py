"""A model whose scores can be told in advance, one that has learnt, and recordings for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from biot.inference import Predictor
from biot.model import BIOT
from biot.preprocessing import Preprocessing
from biot.signals import Recording
from biot.signals.resampling import polyphase
from biot.signals.scale import scaled_window
from biot.simulate import CLASSES, ELECTRODES, simulate_eeg

SFREQ, N_FFT, HOP = 100, 100, 50
DETECTED = (9, 14)
"""Hz between which the detector looks."""
GAIN, OFFSET = 0.4, 2.0


def detector_contract(ch_names: tuple[str, ...], **changes: Any) -> Preprocessing:
    """Windows of 4 s at 100 Hz."""
    given: dict[str, Any] = {
        "sfreq": SFREQ, "window": 4, "ch_names": ch_names, "units": ("µV",) * len(ch_names),
        "label_names": ("rest", "alpha"),
    }  # fmt: skip
    return Preprocessing(**{**given, **changes})


@pytest.fixture
def make_detector() -> Callable[..., Predictor]:
    """Builds a model whose second log-odds are GAIN × mean magnitude between 9 and 14 Hz − OFFSET.

    The mean is over all tokens that are there: attention and feed-forward network add nothing.
    """

    def make(contract: Preprocessing) -> Predictor:
        model = BIOT(
            embed_dim=8, num_heads=2, num_layers=1, sfreq=SFREQ, hop_length=HOP,
            n_outputs=len(contract.label_names or ()), channels=contract.ch_names,
            n_times=contract.n_times,
        )  # fmt: skip
        assert model.n_fft == N_FFT
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
            model.encoder.positional_encoding.pe.zero_()
            low, high = DETECTED
            model.encoder.patch_embedding.projection.weight[0, low : high + 1] = 1 / (
                high - low + 1
            )
            head = model.final_layer.classification_head
            head.weight[-1, 0] = GAIN
            head.bias[-1] = -OFFSET
        return Predictor(model, contract, device="cpu")

    return make


@pytest.fixture
def make_burst() -> Callable[..., Recording]:
    """Builds noise in which one channel has a burst of 12 Hz from one second to another."""

    def make(
        channel: int = 1,
        start: float = 1.0,
        stop: float = 2.0,
        *,
        seconds: float = 12.0,
        n_chans: int = 4,
        seed: int = 0,
        ch_names: tuple[str, ...] | None = None,
    ) -> Recording:
        rng = np.random.default_rng(seed)
        time = np.arange(round(seconds * SFREQ)) / SFREQ
        data = 10 * rng.standard_normal((n_chans, len(time)))
        inside = (time >= start) & (time < stop)
        data[channel, inside] += 40 * np.sin(2 * np.pi * 12 * time[inside])
        names = ch_names or tuple(ELECTRODES)[:n_chans]
        return Recording.from_array(data, ch_names=names, sfreq=SFREQ, units=("µV",) * n_chans)

    return make


@pytest.fixture(scope="session")
def study_contract() -> Preprocessing:
    """Windows of 4 s at 100 Hz of the channels and classes of the simulated study."""
    return detector_contract(tuple(ELECTRODES), label_names=CLASSES)


def new_model(contract: Preprocessing, seed: int) -> BIOT:
    """A small model of random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BIOT(
            embed_dim=32, num_heads=4, num_layers=1, sfreq=SFREQ, hop_length=HOP,
            n_outputs=len(contract.label_names or ()), channels=contract.ch_names,
            n_times=contract.n_times, drop_prob=0.1, att_layer_drop_prob=0.1,
        )  # fmt: skip


@pytest.fixture(scope="session")
def trained(study_contract: Preprocessing) -> Predictor:
    """A model that has learnt rest, spikes and spindles of four simulated subjects."""
    signals, classes = _windows(range(4))
    model = new_model(study_contract, seed=0).train()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(7):
            for batch in torch.randperm(len(signals), generator=generator).split(32):
                seen = signals[batch].clone()
                seen[torch.rand(seen.shape[:2], generator=generator) < 0.2] = torch.nan
                loss = torch.nn.functional.cross_entropy(model(seen), classes[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return Predictor(model.eval(), study_contract, device="cpu")


def _windows(subjects: range) -> tuple[torch.Tensor, torch.Tensor]:
    """All windows that lie within one stretch of a class."""
    found, classes = [], []
    for subject in subjects:
        recording = simulate_eeg(subject, duration=90, sfreq=2 * SFREQ)
        data = polyphase(recording.data, 1, 2)
        for a in recording.annotations:
            for onset in np.arange(a.onset, a.onset + a.duration - 4, 1.0):
                first = round(onset * SFREQ)
                found.append(data[:, first : first + 4 * SFREQ])
                classes.append(CLASSES.index(a.label))
    signals = scaled_window(np.stack(found).astype(np.float32), "q95")
    return torch.from_numpy(signals), torch.tensor(classes)
