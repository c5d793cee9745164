"""The exported file in other runtimes: OpenVINO, quantisation, with and without optional inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from packaging.version import Version

from biot import BIOT
from biot.errors import CheckpointError
from biot.inference import export_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed: nothing can be exported")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: nothing can be exported")

N_FFT, HOP, N_CHANS = 20, 8, 4


def small(spectrum: str = "magnitude") -> BIOT:
    torch.manual_seed(0)
    model = BIOT(
        embed_dim=16, num_heads=2, num_layers=1, hop_length=HOP, sfreq=N_FFT, n_outputs=3,
        n_times=80, n_chans=N_CHANS, spectrum=spectrum,
    )  # fmt: skip
    model.fit_spectrum(torch.randn(8, N_CHANS, 400))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def some_input(seed: int = 0) -> dict[str, Any]:
    """Three windows of three channels: NaN, an invalid stretch, an absent channel, other orders."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 3, 3 * N_FFT + 3)).astype(np.float32)
    x[0, 1, 30] = np.nan
    valid = np.ones(x.shape, dtype=bool)
    valid[1, 0, 40:45] = False
    ids = np.array([[2, 0, 3], [-1, 3, 1], [0, 1, 2]])
    return {"x": x, "channel_ids": ids, "valid": valid}


def of_torch(model: BIOT, given: dict[str, Any]) -> Any:
    tensors = {name: torch.from_numpy(values) for name, values in given.items()}
    with torch.no_grad():
        return model(tensors.pop("x"), **tensors).numpy()


def in_onnxruntime(path: Path) -> Any:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda given: session.run(None, given)[0]


def in_openvino(path: Path) -> Any:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed: extra openvino")
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(str(path), "CPU", exact)
    return lambda given: compiled(given)[0]


@pytest.fixture(scope="module")
def model() -> BIOT:
    return small()


@pytest.fixture(scope="module")
def path(model: BIOT, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(model, tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.fixture(scope="module")
def all_inputs(model: BIOT, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("onnx") / "all.onnx"
    return export_onnx(model, place, optional_inputs=False)


@pytest.mark.parametrize("spectrum", ["log", "magnitude+wave", "log+wave"])
@pytest.mark.no_cover  # being traced takes half as long again, and other tests cover the same
def test_other_forms_of_token_give_the_models_scores_in_both_runtimes(
    spectrum: str, tmp_path: Path
) -> None:
    model = small(spectrum)
    path = export_onnx(model, tmp_path / "model.onnx")
    given = some_input()
    run = in_onnxruntime(path)
    np.testing.assert_allclose(run(given), of_torch(model, given), atol=1e-4)
    alone = {"x": given["x"]}
    np.testing.assert_allclose(run(alone), of_torch(model, alone), atol=1e-4)
    np.testing.assert_allclose(in_openvino(path)(alone), of_torch(model, alone), atol=1e-4)


def test_onnx_runtime_takes_any_of_the_optional_inputs(model: BIOT, path: Path) -> None:
    run, given = in_onnxruntime(path), some_input()
    for names in (("x",), ("x", "valid"), ("x", "channel_ids"), ("x", "channel_ids", "valid")):
        some = {name: given[name] for name in names}
        np.testing.assert_allclose(run(some), of_torch(model, some), atol=1e-4)
    broadcast = {"x": given["x"], "channel_ids": np.array([[3, -2, 0]])}
    rows = {"x": given["x"], "channel_ids": np.tile([3, 1, 0], (3, 1))}
    np.testing.assert_allclose(run(broadcast), of_torch(model, rows), atol=1e-4)


def test_a_number_that_is_no_row_gives_its_sample_no_scores(path: Path, all_inputs: Path) -> None:
    given = some_input()
    expected = in_onnxruntime(path)(given)
    ids = given["channel_ids"].copy()
    ids[1, 0] = -3  # −1 would be an absent channel
    for run in (in_onnxruntime(path), in_onnxruntime(all_inputs)):
        found = run({**given, "channel_ids": ids})
        assert np.isnan(found[1]).all()
        np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], atol=1e-5)
    found = in_openvino(all_inputs)({**given, "channel_ids": ids})
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_openvino_takes_x_alone_and_a_channel_of_nan_is_absent(model: BIOT, path: Path) -> None:
    run, given = in_openvino(path), {"x": some_input()["x"]}
    np.testing.assert_allclose(run(given), of_torch(model, given), atol=1e-4)
    whole = np.full((3, N_CHANS, given["x"].shape[2]), np.nan, dtype=np.float32)
    whole[:, [0, 2, 3]] = given["x"]
    named = {"x": given["x"], "channel_ids": np.tile([0, 2, 3], (3, 1))}
    np.testing.assert_allclose(run({"x": whole}), of_torch(model, named), atol=1e-4)


def test_openvino_takes_all_inputs_of_a_file_that_says_so(model: BIOT, all_inputs: Path) -> None:
    given = some_input()
    expected = of_torch(model, given)
    np.testing.assert_allclose(in_openvino(all_inputs)(given), expected, atol=1e-4)
    np.testing.assert_allclose(in_onnxruntime(all_inputs)(given), expected, atol=1e-4)
    whole = {"x": given["x"], "channel_ids": np.array([[-2]]), "valid": np.array([[[True]]])}
    expected = of_torch(model, {"x": given["x"]})
    np.testing.assert_allclose(in_openvino(all_inputs)(whole), expected, atol=1e-4)


def test_more_channels_than_the_model_knows_give_no_scores(path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(2, N_CHANS + 1, 60)).astype(np.float32)
    with pytest.raises(Exception, match="out of data bounds"):
        in_onnxruntime(path)({"x": x})
    assert np.isnan(in_openvino(path)({"x": x})).all()


def test_the_graph_is_plain_onnx_of_opset_18_with_every_shape_and_no_path(path: Path) -> None:
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    assert [(one.domain, one.version) for one in proto.opset_import] == [("", 18)]
    kinds = {node.op_type for node in proto.graph.node}
    assert not kinds & {"DFT", "STFT", "ReduceMax", "ReduceMin", "ReduceL2", "Loop", "If"}
    told = {value.name: value.type.tensor_type for value in proto.graph.value_info}
    assert all(kind.elem_type and kind.HasField("shape") for kind in told.values())
    assert str(Path(__file__).parents[2]).encode() not in path.read_bytes()


@pytest.mark.parametrize("n_times", [1, 19])
def test_less_than_one_token_gives_no_scores(path: Path, n_times: int) -> None:
    x = np.ones((2, N_CHANS, n_times), np.float32)
    with pytest.raises(Exception, match="ONNXRuntimeError"):
        in_onnxruntime(path)({"x": x})
    try:
        scores = in_openvino(path)({"x": x})
    except RuntimeError:  # it refuses the shortest
        return
    assert np.isnan(scores).all()


@pytest.mark.filterwarnings("ignore")
def test_quantisation_and_its_preprocessing_accept_the_file_that_needs_all_inputs(
    model: BIOT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quantization = pytest.importorskip("onnxruntime.quantization")
    path = export_onnx(model, tmp_path / "model.onnx", optional_inputs=False)
    before, after = tmp_path / "before.onnx", tmp_path / "int8.onnx"
    # sizes of 1 or of x: no shape can be inferred of what is made of both
    quantization.shape_inference.quant_pre_process(str(path), str(before), skip_symbolic_shape=True)
    whole = some_input()
    np.testing.assert_allclose(
        in_onnxruntime(before)(whole), in_onnxruntime(path)(whole), rtol=0, atol=1e-6
    )
    quantization.quantize_dynamic(str(before), str(after))
    assert np.isfinite(in_onnxruntime(after)(whole)).any()


@pytest.mark.filterwarnings("ignore")
def test_quantisation_and_its_preprocessing_accept_the_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the shape inference leaves scratch files
    pytest.importorskip("sympy", reason="sympy is not installed: quantisation infers no shapes")
    quantization = pytest.importorskip("onnxruntime.quantization")
    before, after = tmp_path / "before.onnx", tmp_path / "int8.onnx"
    # Older ones (1.26 was tried) fail on a Range of a length that is computed.
    old = Version(pytest.importorskip("onnxruntime").__version__) < Version("1.31")
    quantization.shape_inference.quant_pre_process(str(path), str(before), skip_symbolic_shape=old)
    for source in (path, before):
        quantization.quantize_dynamic(str(source), str(after))
        assert np.isfinite(in_onnxruntime(after)({"x": some_input()["x"]})).all()
    kinds = [node.op_type for node in onnx.load(after).graph.node]
    assert kinds.count("MatMulInteger") >= 7  # of the one layer: q, k, v, out, w1; w2; tokens


def test_a_model_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    model = small()
    with torch.no_grad():
        model.final_layer.classification_head.bias[0] = torch.nan
    with pytest.raises(CheckpointError, match=r"m\.onnx: nothing was written, because final_layer"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
