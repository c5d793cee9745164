"""Models of every kind, and their ONNX files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from biot.inference import Predictor, export_onnx
from biot.model import BIOT
from biot.preprocessing import Preprocessing
from biot.signals import Recording

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed: nothing can be exported")

CH_NAMES = ("Fp1", "C3", "O1")


def contract_of(**changes: Any) -> Preprocessing:
    """Windows of 2 s at 50 Hz of three EEG channels, with two classes."""
    given = {
        "sfreq": 50, "window": 2, "ch_names": CH_NAMES, "units": ("µV",) * 3,
        "label_names": ("rest", "event"),
    }  # fmt: skip
    return Preprocessing(**{**given, **changes})


def model_of(contract: Preprocessing, **arguments: Any) -> BIOT:
    """A small model of random weights, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BIOT(
            embed_dim=16, num_heads=2, num_layers=1, sfreq=contract.sfreq, hop_length=25,
            n_outputs=len(contract.label_names or ()) or 2, channels=contract.ch_names,
            n_times=contract.n_times, **arguments,
        )  # fmt: skip
        model.fit_spectrum(20 * torch.randn(40, len(contract.ch_names), contract.n_times))
    with torch.no_grad():
        for parameter in model.final_layer.parameters():
            parameter.mul_(3)  # so that probabilities differ between windows
    return model.eval()


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Predictor, Path]]:
    """Builds a model for a contract: its predictor, and its ONNX file, which takes seconds."""

    def exported(contract: Preprocessing, **arguments: Any) -> tuple[Predictor, Path]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = model_of(contract, **arguments)
            path = tmp_path_factory.mktemp("onnx") / "model.onnx"
            export_onnx(model, path, preprocessing=contract)
        return Predictor(model, contract, device="cpu"), path

    return exported


@pytest.fixture(scope="session")
def plain(export: Callable[..., tuple[Predictor, Path]]) -> tuple[Predictor, Path]:
    """Of two classes; exported once."""
    return export(contract_of(thresholds=(0.3,), temperature=1.5))


@pytest.fixture(scope="session")
def make_recording() -> Callable[..., Recording]:
    """Builds a recording of noise."""
    return recording_of


def recording_of(
    seconds: float = 11.0,
    *,
    sfreq: float = 50.0,
    ch_names: tuple[str, ...] = CH_NAMES,
    unit: str = "µV",
    gap: tuple[float, float] | None = None,
    seed: int = 0,
) -> Recording:
    """Noise of 20 µV, with NaN from one second to another."""
    shape = (len(ch_names), round(seconds * sfreq))
    data = 20 * np.random.default_rng(seed).standard_normal(shape)
    if gap is not None:
        data[:, round(gap[0] * sfreq) : round(gap[1] * sfreq)] = np.nan
    data *= {"µV": 1.0, "V": 1e-6}[unit]
    return Recording.from_array(data, ch_names=ch_names, sfreq=sfreq, units=(unit,) * len(ch_names))
