"""Opening a `Predictor`: what belongs together, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from biot.errors import ConfigError, ContractError
from biot.inference import Predictor
from biot.model import BIOT
from biot.preprocessing import Preprocessing
from biot.signals import Recording

MakeModel = Callable[..., BIOT]
MakePredictor = Callable[..., Predictor]
MakeRecording = Callable[..., Recording]


def test_a_saved_model_predicts_the_same(
    model_folder: Path, make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    opened = Predictor.from_pretrained(model_folder, device="cpu")
    assert opened.preprocessing == make_predictor().preprocessing
    np.testing.assert_array_equal(
        opened.predict(make_recording()).probabilities,
        make_predictor().predict(make_recording()).probabilities,
    )


@pytest.mark.filterwarnings("ignore::biot.device.SlowPrecisionWarning")
def test_bfloat16_is_near_float32(
    make_predictor: MakePredictor, make_recording: MakeRecording
) -> None:
    exact = make_predictor().predict(make_recording()).probabilities
    fast = make_predictor(precision="bf16").predict(make_recording()).probabilities
    np.testing.assert_allclose(fast, exact, atol=0.05)
    assert not np.array_equal(fast, exact)


def test_a_folder_without_a_contract_or_of_a_whole_run_is_refused(
    model_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"nowhere: no such folder\. Give the model folder"):
        Predictor.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"is a run; its model is .*model\.$"):
        Predictor.from_pretrained(model_folder.parent)
    (model_folder / "preprocessing.json").unlink()
    with pytest.raises(ContractError, match=r"model: no preprocessing\.json"):
        Predictor.from_pretrained(model_folder)


def test_what_may_be_a_name_on_the_hub_is_to_be_fetched_first() -> None:
    with pytest.raises(ConfigError, match="hf download owner/name --local-dir FOLDER"):
        Predictor.from_pretrained("owner/name")


def test_a_contract_of_another_model_is_refused(model_folder: Path) -> None:
    path = model_folder / "preprocessing.json"
    contract = json.loads(path.read_text(encoding="utf-8"))
    for change, message in (
        ({"label_names": ["a", "b", "c"]}, r"has 2 outputs, .* says 3\. Its labels: a, b, c\."),
        ({"label_names": None}, r"names no classes.*Fine-tune it"),
        ({"sfreq": 100}, r"has 50 samples a second, .* says 100\. "),
        ({"window": 4}, r"model: Model and .* has 100 samples a window, .* says 200\. "),
        ({"ch_names": ["A1"], "units": ["µV"]}, r"has 3 channels, .* says 1\. "),
        (
            {"ch_names": ["O1", "C3", "Fp1"]},
            r"\['O1', 'C3', 'Fp1'\], expected \['Fp1', 'C3', 'O1'\]",
        ),
    ):
        path.write_text(json.dumps(contract | change), encoding="utf-8")
        with pytest.raises(ContractError, match=message):
            Predictor.from_pretrained(model_folder)


def test_a_device_that_is_not_there_is_refused(make_predictor: MakePredictor) -> None:
    with pytest.raises(ConfigError, match="device must be one of auto, cpu, cuda; got 'tpu'"):
        make_predictor(device="tpu")
    with pytest.raises(ConfigError, match="precision must be '32' or 'bf16', got '16'"):
        make_predictor(precision="16")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"PyTorch finds no GPU\. Use 'cpu' or 'auto'"):
            make_predictor(device="cuda")


def test_preprocessing_without_classes_is_refused(make_model: MakeModel) -> None:
    contract = Preprocessing(sfreq=50, window=2, ch_names=("C3",), units=("µV",))
    with pytest.raises(ContractError, match="names no classes"):
        Predictor(make_model(contract, n_outputs=2), contract)
