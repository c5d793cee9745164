"""A tiny model with its contract, and recordings for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from biot.inference import Predictor
from biot.model import BIOT
from biot.preprocessing import Preprocessing
from biot.signals import Recording

CH_NAMES = ("Fp1", "C3", "O1")


@pytest.fixture
def make_model() -> Callable[..., BIOT]:
    """Builds a small model of random weights for a contract, the same each time."""

    def make(contract: Preprocessing, n_outputs: int | None = None) -> BIOT:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = BIOT(
                embed_dim=16,
                num_heads=2,
                num_layers=1,
                sfreq=contract.sfreq,
                hop_length=int(contract.sfreq) // 2,
                n_outputs=n_outputs or len(contract.label_names or ()),
                channels=contract.ch_names,
                n_times=contract.n_times,
            )
        with torch.no_grad():
            for parameter in model.final_layer.parameters():
                parameter.mul_(3)  # so that probabilities differ between windows
        return model.eval()

    return make


@pytest.fixture
def make_predictor(make_model: Callable[..., BIOT]) -> Callable[..., Predictor]:
    """Builds a predictor of random weights: 3 EEG channels, 50 Hz, windows of 2 s, 2 classes."""

    def make(
        *,
        ch_names: tuple[str, ...] = CH_NAMES,
        units: tuple[str, ...] | None = None,
        label_names: tuple[str, ...] = ("rest", "event"),
        **options: Any,
    ) -> Predictor:
        contract = Preprocessing(
            sfreq=50,
            window=2,
            ch_names=ch_names,
            units=units or ("µV",) * len(ch_names),
            label_names=label_names,
        )
        return Predictor(make_model(contract), contract, **{"device": "cpu", **options})

    return make


@pytest.fixture
def make_recording() -> Callable[..., Recording]:
    """Builds a recording of noise in µV."""

    def make(
        seconds: float = 10.0,
        *,
        sfreq: float = 50.0,
        ch_names: tuple[str, ...] = CH_NAMES,
        unit: str = "µV",
        factor: float = 1.0,
        annotations: tuple[Any, ...] = (),
        seed: int = 0,
    ) -> Recording:
        shape = (len(ch_names), round(seconds * sfreq))
        data = 20 * np.random.default_rng(seed).standard_normal(shape)
        return Recording.from_array(
            factor * data,
            ch_names=ch_names,
            sfreq=sfreq,
            units=(unit,) * len(ch_names),
            annotations=annotations,
        )

    return make


@pytest.fixture
def model_folder(
    tmp_path: Path, make_model: Callable[..., BIOT], make_predictor: Callable[..., Predictor]
) -> Path:
    """A saved model with its contract, as a run leaves it."""
    contract = make_predictor().preprocessing
    folder = make_model(contract).save_pretrained(tmp_path / "model")
    contract.save(folder)
    return folder
