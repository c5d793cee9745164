"""The model against numbers from braindecode 1.8.1 and from the BIOT authors' code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from biot import BIOT

BRAINDECODE = (
    "default_16ch_10s",
    "small_hop200_30s",
    "small_125hz",
    "small_subsecond",
    "small_chs_info_relu_legacy_tuple",
)
ORIGINAL = {
    "encoder_18ch_full/encoder.ckpt": {"n_outputs": 2},
    "classifier_16ch_shallow/classifier.ckpt": {"hop_length": 200, "n_times": 1000},
    "pretrain_lightning_18ch_shallow/lightning.ckpt": {"n_outputs": 2},
}


def scores_of(model: BIOT, x: torch.Tensor) -> torch.Tensor:
    out: Any = model(x)
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("case", BRAINDECODE)
def test_braindecode_models_give_the_same_logits_features_and_gradients(
    shared_golden: Path, case: str
) -> None:
    folder = shared_golden / "braindecode" / case
    model = BIOT.from_pretrained(folder)
    io = load_file(folder / "io.safetensors")
    x = io["x"].requires_grad_()
    logits = scores_of(model, x)
    torch.testing.assert_close(logits, io["logits"], atol=1e-5, rtol=1e-5)
    features = model(x, return_features=True)
    assert features["cls_token"] is None
    torch.testing.assert_close(features["features"], io["features"], atol=1e-5, rtol=1e-5)

    logits.square().sum().backward()
    assert x.grad is not None
    scale = io["grad_x"].abs().max()
    torch.testing.assert_close(x.grad / scale, io["grad_x"] / scale, atol=1e-4, rtol=0)
    flat = io["grad_x"] == 0
    assert flat[0, 0].all()
    assert (x.grad[flat] == 0).all()

    expected = json.loads((folder / "grad_norms.json").read_text())
    found = {name: p.grad for name, p in model.named_parameters()}
    assert set(found) == set(expected)
    for name, norm in expected.items():
        assert found[name].norm().item() == pytest.approx(norm, rel=1e-4, abs=1e-7), name


@pytest.mark.parametrize("case", BRAINDECODE)
def test_micro_batches_without_gradients_give_the_same_logits(
    shared_golden: Path, case: str
) -> None:
    folder = shared_golden / "braindecode" / case
    io = load_file(folder / "io.safetensors")
    with torch.no_grad():
        logits = scores_of(BIOT.from_pretrained(folder), io["x"].repeat(13, 1, 1))
    expected = io["logits"].repeat(13, 1)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("case", ORIGINAL)
def test_the_authors_files_give_the_same_features(shared_golden: Path, case: str) -> None:
    path = shared_golden / "original" / case
    io = load_file(path.parent / "io.safetensors")
    model = BIOT.from_pretrained(path, **ORIGINAL[case])
    features = model(io["x"], return_features=True)["features"]
    torch.testing.assert_close(features, io["features"], atol=1e-5, rtol=1e-5)
    if "logits" in io:
        torch.testing.assert_close(model(io["x"]), io["logits"], atol=1e-5, rtol=1e-5)
    if "features_offset2" in io:
        ids = torch.arange(2, 18).expand(len(io["x"]), -1)
        shifted = model(io["x"], return_features=True, channel_ids=ids)["features"]
        torch.testing.assert_close(shifted, io["features_offset2"], atol=1e-5, rtol=1e-5)
