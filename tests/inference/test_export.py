"""ONNX files against the model, in ONNX Runtime, sizes and masks free."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biot import BIOT
from biot.cli import main
from biot.errors import CheckpointError, ContractError, MissingDependencyError
from biot.inference import export_onnx
from biot.preprocessing import Preprocessing

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed: nothing can be exported")

N_FFT, HOP = 20, 8
CONTRACT = Preprocessing(
    sfreq=20.0, window=4.0, ch_names=("Fp1", "Fp2", "C3", "C4"), units=("µV",) * 4,
    label_names=("a", "b", "c"), class_weights=(0.5, 1.0, 4.0), temperature=1.7,
)  # fmt: skip


def small(**arguments: Any) -> BIOT:
    torch.manual_seed(0)
    given = {"embed_dim": 16, "num_heads": 2, "num_layers": 2, "hop_length": HOP, "sfreq": N_FFT}
    model = BIOT(**{**given, "n_outputs": 3, "n_times": 80, "n_chans": 4, **arguments})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def session_of(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def model() -> BIOT:
    return small(channels=["Fp1", "Fp2", "C3", "C4"]).eval()


@pytest.fixture(scope="module")
def path(model: BIOT, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what the exporter warns of must not reach the user
        written = export_onnx(model, folder / "model.onnx", preprocessing=CONTRACT)
    assert list(folder.iterdir()) == [written]
    return written


@pytest.fixture(scope="module")
def session(path: Path) -> Any:
    return session_of(path)


def test_inputs_and_output_are_named_and_free_in_size_and_x_alone_is_needed(session: Any) -> None:
    def described(entries: Any) -> dict[str, Any]:
        return {entry.name: (entry.type, entry.shape) for entry in entries}

    assert described(session.get_inputs()) == {
        "x": ("tensor(float)", ["batch", "n_chans", "n_times"])
    }
    assert described(session.get_overridable_initializers()) == {
        "channel_ids": ("tensor(int64)", ["channel_ids_batch", "channel_ids_n_chans"]),
        "valid": ("tensor(bool)", ["valid_batch", "valid_n_chans", "valid_n_times"]),
    }
    (output,) = session.get_outputs()
    assert (output.name, output.type, output.shape) == ("scores", "tensor(float)", ["batch", 3])


@settings(max_examples=40, deadline=None)
@given(
    n_samples=st.integers(1, 4),
    n_chans=st.integers(1, 6),
    n_times=st.integers(N_FFT, 150),
    missing=st.sampled_from(["nothing", "nan", "valid", "channels", "all three"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_scores_are_the_models_with_masks_of_every_kind(
    model: BIOT, session: Any, n_samples: int, n_chans: int, n_times: int, missing: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_samples, n_chans, n_times)).astype(np.float32)
    valid = np.ones(x.shape, dtype=bool)
    known = np.arange(n_chans)
    ids = np.stack([rng.permutation(np.where(known < 4, known, -1)) for _ in range(n_samples)])
    if missing in ("nan", "all three"):
        x[rng.random(x.shape) < 0.01] = np.nan
    if missing in ("valid", "all three"):
        valid &= rng.random(x.shape) > 0.01
    if missing in ("channels", "all three"):
        ids[rng.random(ids.shape) < 0.3] = -1
    (found,) = session.run(None, {"x": x, "channel_ids": ids, "valid": valid})
    with torch.no_grad():
        expected = model(
            torch.from_numpy(x), valid=torch.from_numpy(valid), channel_ids=torch.from_numpy(ids)
        )
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)


def test_nan_equals_invalid_and_infinity_at_missing_samples_is_no_harm(session: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 90)).astype(np.float32)
    valid = np.ones(x.shape, dtype=bool)
    valid[0, 1, 40:50] = valid[1, 2] = False
    ids = np.tile(np.arange(3), (2, 1))
    everywhere = np.ones(x.shape, dtype=bool)
    (expected,) = session.run(None, {"x": x, "channel_ids": ids, "valid": valid})
    assert np.isfinite(expected).all()
    for value, mask in ((np.nan, everywhere), (np.inf, valid), (np.nan, valid)):
        given = {"x": np.where(valid, x, np.float32(value)), "channel_ids": ids, "valid": mask}
        np.testing.assert_allclose(session.run(None, given)[0], expected, atol=1e-5)


def test_a_sample_without_a_token_is_nan_and_leaves_the_others_alone(session: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 2, 60)).astype(np.float32)
    given = {"x": x, "channel_ids": np.tile([0, 1], (2, 1)), "valid": np.ones(x.shape, dtype=bool)}
    (expected,) = session.run(None, given)
    x[0] = np.nan
    (found,) = session.run(None, given)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)


def test_the_file_says_which_channels_and_data_it_expects(session: Any) -> None:
    facts = session.get_modelmeta().custom_metadata_map
    found = {key: json.loads(value) for key, value in facts.items()}
    assert found == {
        "n_fft": N_FFT,
        "channels": ["Fp1", "Fp2", "C3", "C4"],
        "preprocessing": json.loads(json.dumps(CONTRACT.to_dict())),
        "probabilities": "softmax(scores / temperature - log(class_weights))",
        "labels": ["a", "b", "c"],
        "temperature": 1.7,
        "biot_version": version("biot"),
    }


def test_the_formula_in_the_file_gives_the_predictors_probabilities(
    model: BIOT, session: Any
) -> None:
    from biot.inference import Predictor
    from biot.signals import Recording

    contract = CONTRACT
    x = np.random.default_rng(0).normal(size=(4, 80))
    recording = Recording.from_array(
        x, ch_names=contract.ch_names, sfreq=20.0, units=contract.units
    )
    expected = Predictor(model, replace(contract, scale="none"), device="cpu").predict(recording)
    given = {"x": x[None].astype(np.float32), "channel_ids": np.arange(4)[None]}
    (scores,) = session.run(None, given | {"valid": np.ones((1, 4, 80), dtype=bool)})
    powers = np.exp(scores / contract.temperature - np.log(contract.class_weights))
    np.testing.assert_allclose(powers / powers.sum(), expected.probabilities, atol=1e-5)


def test_other_models_export_in_float32_and_stay_as_they_are(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = small(
            n_chans=1, add_log_softmax=True, return_feature=True, activation=torch.nn.GELU
        )
    model = model.double().train()
    model.encoder.eval()
    path = export_onnx(model, tmp_path / "model.onnx")
    assert model.training
    assert not model.encoder.training
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    x = np.random.default_rng(0).normal(size=(3, 1, 60)).astype(np.float32)
    given = {"x": x, "channel_ids": np.zeros((3, 1), dtype=np.int64), "valid": np.isfinite(x)}
    (found,) = session_of(path).run(None, given)
    expected = model.eval()(torch.from_numpy(x).double())[0].detach()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, atol=1e-5)


def test_a_file_with_other_scores_is_refused_and_the_old_one_stays(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    wrong = onnx.load(path)
    bias = next(w for w in wrong.graph.initializer if w.name.endswith("classification_head.bias"))
    values = onnx.numpy_helper.to_array(bias) + np.float32(0.5)
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    monkeypatch.setattr("biot.inference.exporting.export.to_onnx", lambda *_, **__: wrong)
    old = tmp_path / "model.onnx"
    old.write_bytes(b"old")
    with pytest.raises(CheckpointError, match=r"model\.onnx: ONNX Runtime .* by 0\.5; nothing was"):
        export_onnx(small(), old)
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'biot\[export\]'"):
        export_onnx(small(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_command_exports_a_folder_with_its_contract(
    model: BIOT, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "run_model", tmp_path / "model.onnx"
    model.save_pretrained(folder)
    CONTRACT.save(folder)
    assert main(["export", str(folder), "--out", str(out)]) == 0
    said = capfd.readouterr()
    assert said.out == f"{folder} -> {out}\n"
    assert said.err == ""
    facts = session_of(out).get_modelmeta().custom_metadata_map
    assert json.loads(facts["preprocessing"])["label_names"] == ["a", "b", "c"]
    assert logging.getLogger("torch.onnx").level == logging.NOTSET
    weights, again = folder / "model.safetensors", tmp_path / "again.onnx"
    assert main(["export", str(weights), "--out", str(again)]) == 0  # what lies beside it counts
    assert capfd.readouterr().out == f"{weights} -> {again}\n"
    assert session_of(again).get_modelmeta().custom_metadata_map == facts


def test_a_contract_of_another_model_is_refused_and_nothing_is_written(
    model: BIOT, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "run_model", tmp_path / "model.onnx"
    model.save_pretrained(folder)
    for changes, message in (
        ({"ch_names": ("Fp1", "Fp2", "C4", "C3")}, "ch_names"),
        ({"label_names": ("a", "b"), "class_weights": None}, "the model has 3 outputs"),
        ({"window": 2.0}, "the model has 80 samples a window"),
    ):
        other = replace(CONTRACT, **changes)
        with pytest.raises(ContractError, match=message):
            export_onnx(model, out, preprocessing=other)
        other.save(folder)
        assert main(["export", str(folder), "--out", str(out)]) == 1
        said = capsys.readouterr().err
        assert f"{folder}: Model and preprocessing.json differ: " in said
        assert message in said
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_without_a_contract_is_exported_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "run_model", tmp_path / "model.onnx"
    small(num_layers=1).save_pretrained(folder)
    assert main(["export", str(folder), "--out", str(out)]) == 0
    note = f"Note: there is no {folder / 'preprocessing.json'}, so that {out} does not say how"
    assert note in capsys.readouterr().out
    assert "preprocessing" not in session_of(out).get_modelmeta().custom_metadata_map


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--out", "model.pt"], "model.pt: the name must end in .onnx"),
        (["./no/such/folder", "--out", "model.onnx"], "no such folder"),
    ],
)
def test_the_command_tells_what_is_wrong(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
