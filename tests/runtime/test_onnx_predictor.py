"""`OnnxPredictor` against `biot.Predictor`: the same numbers, notes and refusals."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import onnx
import pytest

from biot import Predictor
from biot.errors import (
    BiotError,
    ChannelError,
    CheckpointError,
    ConfigError,
    MissingDependencyError,
)
from biot.inference import PredictionFailure, Predictions
from biot.runtime import OnnxPredictor
from biot.signals import Recording

Export = Callable[..., tuple[Predictor, Path]]
Make = Callable[..., Recording]

pytestmark = pytest.mark.filterwarnings("ignore::biot.inference.PredictionWarning")


def require_same(found: Predictions, expected: Predictions) -> None:
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4, rtol=1e-4)
    for field in fields(Predictions):
        if field.name not in ("probabilities", "start", "stop"):
            assert getattr(found, field.name) == getattr(expected, field.name), field.name
    assert found.start.tolist() == expected.start.tolist()
    assert found.stop.tolist() == expected.stop.tolist()
    assert found.labels == expected.labels


def require_parity(runtime: OnnxPredictor, predictor: Predictor, make_recording: Make) -> None:
    """On recordings of other rates and units, with an absent channel, and with a gap."""
    assert runtime.preprocessing == predictor.preprocessing
    for recording in (
        make_recording(),
        make_recording(sfreq=128.0, unit="V", seed=1),
        make_recording(ch_names=("O1", "C3"), seed=2),
        make_recording(gap=(2.5, 6.9), seed=3),
    ):
        expected = predictor.predict(recording, stride=0.7)
        assert np.ptp(expected.probabilities[expected.usable]) > 1e-3
        require_same(runtime.predict(recording, stride=0.7), expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"thresholds": None, "class_weights": (0.5, 4.0), "h_freq": 20.0},
        {"task": "multilabel", "thresholds": (0.4, 0.6), "reference": "average"},
        {"task": "regression", "thresholds": None, "temperature": None, "scale": "none"},
    ],
    ids=["classes", "weighted classes", "tags", "numbers"],
)
def test_every_task_gives_what_the_predictor_gives(
    changes: dict[str, Any], plain: tuple[Predictor, Path], make_recording: Make, tmp_path: Path
) -> None:
    contract = replace(plain[0].preprocessing, **changes)
    said = dict.fromkeys(("thresholds", "temperature")) | contract.decision_facts()
    texts = {name: None if fact is None else json.dumps(fact) for name, fact in said.items()}
    preprocessing = json.dumps(contract.to_dict())
    path = changed(plain[1], tmp_path / "other.onnx", preprocessing=preprocessing, **texts)
    predictor = Predictor(plain[0]._model, contract, device="cpu")
    require_parity(OnnxPredictor.from_file(path), predictor, make_recording)


@pytest.mark.slow
@pytest.mark.parametrize("spectrum", ["log+wave"])
def test_every_spectrum_gives_what_the_predictor_gives(
    spectrum: str, plain: tuple[Predictor, Path], export: Export, make_recording: Make
) -> None:
    predictor, path = export(plain[0].preprocessing, spectrum=spectrum)
    require_parity(OnnxPredictor.from_file(path), predictor, make_recording)


def test_events_follow_the_models_rules(
    plain: tuple[Predictor, Path], make_recording: Make
) -> None:
    predictor, path = plain
    recording = make_recording(60.0)
    found = OnnxPredictor.from_file(path).predict(recording).to_events()
    expected = predictor.predict(recording).to_events()
    assert len(expected) > 0
    assert [(e.onset, e.duration, e.label) for e in found] == [
        (e.onset, e.duration, e.label) for e in expected
    ]


def test_files_raw_and_epochs_are_taken(
    plain: tuple[Predictor, Path], make_recording: Make, tmp_path: Path
) -> None:
    predictor, path = plain
    runtime = OnnxPredictor.from_file(path)
    data = make_recording(9.0, unit="V").data
    info = mne.create_info(["Fp1", "C3", "O1"], 50, "eeg")
    raw = mne.io.RawArray(data, info, verbose="error")
    file = tmp_path / "night.npz"
    np.savez(file, data=1e6 * data, ch_names=np.array(info.ch_names), sfreq=50, units="µV")
    epochs = mne.EpochsArray(data.reshape(3, 3, 150), info, verbose="error")
    for given in (file, str(file), raw, epochs):
        require_same(runtime.predict(given), predictor.predict(given))
    many = list(runtime.predict_many([file, raw, tmp_path / "none.edf"]))
    for found, expected in zip(many, predictor.predict_many([file, raw]), strict=False):
        assert isinstance(found, Predictions)
        assert isinstance(expected, Predictions)
        require_same(found, expected)
    assert isinstance(many[2], PredictionFailure)
    assert "none.edf" in many[2].reason
    with pytest.raises(BiotError, match="array"):
        runtime.predict(data)


def test_warnings_and_refusals_are_those_of_the_predictor(
    plain: tuple[Predictor, Path], make_recording: Make
) -> None:
    predictor, path = plain
    runtime = OnnxPredictor.from_file(path)
    slow = make_recording(sfreq=48.0)
    said: list[list[str]] = []
    for one in (runtime, predictor):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            one.predict(slow)
        said.append([str(w.message) for w in caught])
    assert said[0] == said[1] != []
    for one in (runtime, predictor):
        with pytest.raises(ChannelError, match="ECG"):
            one.predict(make_recording(ch_names=("ECG",)))
        with pytest.raises(ConfigError, match="stride"):
            one.predict(slow, stride=0)


def test_its_text_says_where_it_computes(plain: tuple[Predictor, Path]) -> None:
    assert str(OnnxPredictor.from_file(plain[1])) == (
        "OnnxPredictor(classes rest, event; windows of 2 s, 3 channels at 50 Hz; on ONNX Runtime)"
    )


def changed(source: Path, target: Path, **metadata: Any) -> Path:
    """The same file with other metadata; None leaves one out."""
    model = onnx.load(source)
    kept = {p.key: p.value for p in model.metadata_props} | metadata
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {k: v for k, v in kept.items() if v is not None})
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"preprocessing": None}, "its metadata do not say how recordings are to be prepared"),
        ({"preprocessing": '{"sfreq": 50'}, "preprocessing in its metadata: not valid JSON"),
        ({"preprocessing": "[]"}, "preprocessing in its metadata: expected an object"),
        ({"preprocessing": '{"sfreq": 50}'}, "preprocessing in its metadata: "),
        (
            {"channels": '["Fp1"]'},
            "model and its preprocessing differ: ch_names",
        ),
        ({"channels": "[1, 2, 3]"}, "channels in its metadata must be a list of names"),
        ({"channels": '["Fp1"'}, "channels in its metadata: not valid JSON"),
        ({"preprocessing": '{"sfreq": 50'}, r"Export the model again: biot export RUN/model"),
        (
            {"labels": '["rest", "seizure"]'},
            r"labels in its metadata is \['rest', 'seizure'\], by its preprocessing it is "
            r"\['rest', 'event'\]: one of them was changed\. Export the model again",
        ),
        ({"thresholds": "[0.5]"}, r"thresholds in its metadata is \[0.5\], .* \[0.3\]"),
        ({"temperature": "1"}, r"temperature in its metadata is 1, .* is 1.5"),
        ({"temperature": '"hot'}, "temperature in its metadata: not valid JSON"),
    ],
)
def test_damaged_metadata_are_named(
    metadata: dict[str, Any], message: str, plain: tuple[Predictor, Path], tmp_path: Path
) -> None:
    path = changed(plain[1], tmp_path / "other.onnx", **metadata)
    with pytest.raises(BiotError, match=message) as caught:
        OnnxPredictor.from_file(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_metadata_for_other_programs_may_be_absent_or_rounded(
    plain: tuple[Predictor, Path], tmp_path: Path
) -> None:
    absent = dict.fromkeys(("labels", "probabilities", "temperature", "biot_version"))
    path = changed(plain[1], tmp_path / "other.onnx", thresholds="[0.30000001]", **absent)
    assert OnnxPredictor.from_file(path).preprocessing == plain[0].preprocessing


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_names": None, "thresholds": None, "temperature": None}, "names no labels"),
        ({"label_names": ["a", "b", "c"], "thresholds": None}, "labels are 3: a, b, c"),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(
    changes: dict[str, Any], message: str, plain: tuple[Predictor, Path], tmp_path: Path
) -> None:
    values = plain[0].preprocessing.to_dict() | changes
    rest = dict.fromkeys(("labels", "thresholds", "temperature"))
    path = changed(plain[1], tmp_path / "other.onnx", preprocessing=json.dumps(values), **rest)
    with pytest.raises(BiotError, match=message):
        OnnxPredictor.from_file(path)


def test_more_channels_than_the_model_knows_are_refused(
    plain: tuple[Predictor, Path], tmp_path: Path
) -> None:
    values = plain[0].preprocessing.to_dict() | {
        "ch_names": ["Fp1", "C3", "O1", "O2"], "units": ["µV"] * 4
    }  # fmt: skip
    path = changed(
        plain[1], tmp_path / "other.onnx", channels=None, preprocessing=json.dumps(values)
    )
    with pytest.raises(BiotError, match="fails on windows of 4 channels"):
        OnnxPredictor.from_file(path)


def test_metadata_that_are_no_text_are_refused(
    plain: tuple[Predictor, Path], tmp_path: Path
) -> None:
    content = plain[1].read_bytes()
    path = tmp_path / "other.onnx"
    path.write_bytes(content.replace("µV".encode(), b"\xff\xfe\xfd"))
    with pytest.raises(BiotError, match="damaged") as caught:
        OnnxPredictor.from_file(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_are_no_onnx_or_cut_off_are_named(
    plain: tuple[Predictor, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = plain[1].read_bytes()
    cases = {"text": b"no model", "empty": b"", "half": content[: len(content) // 2]}
    cases["nearly"] = content[:-21]  # within the last of the metadata
    for name, held in cases.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(held)
        with pytest.raises(BiotError) as caught:
            OnnxPredictor.from_file(path)
        assert str(caught.value).startswith(f"{path}: "), name
        assert "xport" in str(caught.value), name
    for path, said in ((tmp_path / "none.onnx", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(ConfigError, match=said):
            OnnxPredictor.from_file(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["night.edf", "model.safetensors", "model"])
def test_a_file_of_another_kind_is_not_to_be_written_again(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"0" * 300)
    with pytest.raises(BiotError) as caught:
        OnnxPredictor.from_file(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: is no ONNX file of a model: ONNX Runtime ")
    assert said.endswith(
        "Give the .onnx file that biot export wrote, or the model folder of a run, RUN/model."
    )
    with pytest.raises(ConfigError, match=f"{name}: is a file. Give the model folder of a run"):
        Predictor.from_pretrained(path)


def test_another_programs_onnx_file_is_no_model_of_ours(tmp_path: Path) -> None:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node("Relu", ["image"], ["mask"])
    ends = [helper.make_tensor_value_info(name, kind, [1]) for name in ("image", "mask")]
    graph = helper.make_graph([node], "other", ends[:1], ends[1:])
    path = tmp_path / "other.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    with pytest.raises(BiotError, match="it computes mask from image, expected scores from x"):
        OnnxPredictor.from_file(path)


def test_without_onnxruntime_the_command_that_installs_it_is_told(
    plain: tuple[Predictor, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'biot\[runtime\]'"):
        OnnxPredictor.from_file(plain[1])


def test_the_predictor_of_folders_says_how_to_open_an_onnx_file(
    plain: tuple[Predictor, Path],
) -> None:
    with pytest.raises(ConfigError, match=r"open it with biot\.runtime\.OnnxPredictor\.from_file"):
        Predictor.from_pretrained(plain[1])


@pytest.mark.parametrize("shape", [(3, 100), (0, 3, 100), (2, 0, 100), (2, 3, 0), (2, 4, 100)])
def test_what_is_no_window_is_refused_with_its_shape(
    shape: tuple[int, ...], plain: tuple[Predictor, Path]
) -> None:
    predictor = OnnxPredictor.from_file(plain[1])
    windows = np.zeros(shape, np.float32)
    for method in (predictor.outputs, predictor.probabilities):
        with pytest.raises(ConfigError, match=r"at most 3 channels; got shape \(") as caught:
            method(windows)
        assert str(shape) in str(caught.value)
    with pytest.raises(CheckpointError, match="Those of its contract have 100; if it fails"):
        predictor.outputs(np.zeros((2, 3, 10), np.float32))
