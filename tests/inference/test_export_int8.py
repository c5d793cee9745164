"""`biot export --int8`: written only where a corpus shows that it scores as well."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from biot import BIOT
from biot.cli import main
from biot.corpus import from_arrays, load_corpus
from biot.errors import CheckpointError
from biot.inference.exporting.int8 import Int8Report, _require_little_loss
from biot.preprocessing import Preprocessing

onnx = pytest.importorskip("onnx", reason="onnx is not installed: nothing can be exported")
for package in ("onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed: nothing can be exported")
pytest.importorskip("datasets", reason="datasets is not installed: there are no corpora")

SFREQ = 20.0


ABOUT: dict[str, Any] = {"sfreq": SFREQ, "units": "µV", "ch_names": ["C3", "C4"]}


def _untrained() -> BIOT:
    """A small model with two outputs; always the same."""
    torch.manual_seed(0)
    return BIOT(
        embed_dim=16, num_heads=2, num_layers=1, hop_length=10, sfreq=SFREQ, n_outputs=2,
        n_times=80, channels=ABOUT["ch_names"],
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model folder, and a corpus whose labels are what the model says, but for every fifth."""
    folder = tmp_path_factory.mktemp("int8")
    rng = np.random.default_rng(0)
    n_windows = 60
    x = rng.normal(0, 20, (n_windows, 2, 80)).astype(np.float32)
    model, subjects = _untrained(), np.arange(n_windows) // 10
    from_arrays(x, np.arange(n_windows) % 2, subject=subjects, out=folder / "first", **ABOUT)
    scaled = torch.stack(list(_signals(folder / "first")))
    with torch.no_grad():
        outputs = model(scaled).numpy()
        model.final_layer.classification_head.bias -= torch.from_numpy(np.median(outputs, axis=0))
        said = model(scaled).numpy().argmax(axis=1)
    said[::5] = 1 - said[::5]
    from_arrays(x, said, subject=subjects, out=folder / "corpus", **ABOUT)
    contract = load_corpus(folder / "corpus").preprocessing
    model.save_pretrained(folder / "model", preprocessing=contract)
    return folder / "model", folder / "corpus"


def _signals(folder: Path) -> Any:
    from biot.corpus.batch import batches

    corpus = load_corpus(folder)
    for batch in batches(corpus, np.arange(len(corpus)), 60):
        yield from batch.signal


def _saved(folder: Path, task: str) -> tuple[Path, Path, Any, Any]:
    """A model of tags or numbers, a corpus that it nearly knows, the signals and the truth."""
    rng = np.random.default_rng(1)
    n_windows = 40
    x = rng.normal(0, 20, (n_windows, 2, 80)).astype(np.float32)
    model, subjects = _untrained(), np.arange(n_windows) // 10
    from_arrays(x, None, subject=subjects, out=folder / "plain", **ABOUT)
    signals = torch.stack(list(_signals(folder / "plain")))
    with torch.no_grad():
        outputs = model(signals).numpy().astype(np.float64)
    noisy = outputs + outputs.std(axis=0) * rng.normal(0, 0.7, outputs.shape)
    truth = noisy > np.median(noisy, axis=0) if task == "multilabel" else noisy
    from_arrays(
        x, truth.astype(float), subject=subjects, out=folder / "corpus", task=task,
        label_names=["one", "two"], **ABOUT,
    )  # fmt: skip
    contract = load_corpus(folder / "corpus").preprocessing
    model.save_pretrained(folder / "model", preprocessing=contract)
    return folder / "model", folder / "corpus", signals.numpy(), truth


def session_of(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def test_int8_tells_both_scores_and_keeps_them_in_the_file(
    data: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, corpus = data
    out = tmp_path / "small.onnx"
    words = ["export", str(model), "--out", str(out), "--int8", "--calibrate", str(corpus)]
    assert main([*words, "--max-loss", "1"]) == 0
    said = capfd.readouterr()
    assert said.err == ""
    session = session_of(out)
    facts = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    truth = load_corpus(corpus).label_ids
    signals = torch.stack(list(_signals(corpus)))
    kept = facts["quantization"]
    network = BIOT.from_pretrained(model)
    with torch.no_grad():
        outputs = [network(signals).numpy(), session.run(None, {"x": signals.numpy()})[0]]
    expected = [
        np.mean([(o.argmax(1)[truth == label] == label).mean() for label in (0, 1)])
        for o in outputs
    ]
    np.testing.assert_allclose([kept["float32"], kept["int8"]], expected, atol=1e-9)
    assert 0.7 < expected[0] < 0.9
    assert (kept["n_windows"], kept["corpus"], kept["max_loss"]) == (60, "corpus", 1.0)
    assert (kept["metric"], kept["form"]) == ("balanced_accuracy", "dynamic int8")
    first = f"balanced accuracy on 60 windows of corpus: float32 {expected[0]:.4f}, "
    assert first.lower() in said.out.lower()
    assert re.search(r"size: float32 0\.\d\d MB, int8 0\.\d\d MB\n", said.out)
    assert facts["preprocessing"] == json.loads(json.dumps(Preprocessing.load(model).to_dict()))
    assert "onnx.quant.pre_process" not in facts
    kinds = [node.op_type for node in onnx.load(out).graph.node]
    # Tokens, query, key, value, out, two of the feed-forward network, head; not the two of the
    # Fourier transform, which stay in float32.
    assert kinds.count("MatMulInteger") == 8
    constants = {one.name for one in onnx.load(out).graph.initializer}
    products = [node for node in onnx.load(out).graph.node if node.op_type == "MatMul"]
    assert sum(node.input[1] in constants for node in products) == 2


@pytest.mark.parametrize(
    ("task", "metric", "name"), [("multilabel", "auroc", "macro AUROC"), ("regression", "r2", "R²")]
)
def test_tags_and_numbers_are_scored_by_their_own_score_also_with_all_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, metric: str, name: str
) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    model, corpus, signals, truth = _saved(tmp_path, task)
    out = tmp_path / "small.onnx"
    words = ["export", str(model), "--out", str(out), "--int8", "--calibrate", str(corpus)]
    assert main([*words, "--max-loss", "1", "--all-inputs"]) == 0
    session = session_of(out)
    given = {
        "x": signals,
        "channel_ids": np.tile(np.arange(2), (len(signals), 1)),
        "valid": np.ones(signals.shape, bool),
    }
    assert [one.name for one in session.get_inputs()] == list(given)
    small = session.run(None, given)[0]
    with torch.no_grad():
        whole = BIOT.from_pretrained(model)(torch.from_numpy(signals)).numpy()
    score = metrics.roc_auc_score if task == "multilabel" else metrics.r2_score
    expected = [score(truth, outputs) for outputs in (whole, small)]
    facts = session.get_modelmeta().custom_metadata_map
    kept = json.loads(facts["quantization"])
    np.testing.assert_allclose([kept["float32"], kept["int8"]], expected, atol=1e-6)
    assert 0.5 < expected[0] < 0.95
    assert kept["metric"] == metric
    said = capsys.readouterr().out
    assert f"{name} on 40 windows of corpus: float32 {expected[0]:.4f}, int8 " in said
    assert main(["info", str(out)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"dynamic int8: {metric} on 40 windows of corpus: float32 {expected[0]:.4f}" in told
    assert "x, channel_ids, valid channels 2: C3, C4" in told


def test_a_loss_above_the_limit_is_refused_and_nothing_is_written(
    data: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = iter([0.90, 0.87])
    monkeypatch.setattr("biot.inference.exporting.int8._score", lambda *_: next(values))
    out = tmp_path / "small.onnx"
    out.write_bytes(b"old")
    model, corpus = map(str, data)
    words = ["export", model, "--out", str(out), "--int8", "--calibrate", corpus]
    assert main([*words, "--max-loss", "0.02"]) == 1
    said = capsys.readouterr().err
    assert "falls from 0.9000 to 0.8700, by 0.0300; --max-loss 0.02 allows less" in said
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_model_that_only_guesses_is_told_and_not_refused(
    data: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # the first corpus has labels that alternate, whatever the signal is
    out = tmp_path / "small.onnx"
    words = ["export", str(data[0]), "--out", str(out), "--int8", "--max-loss", "1"]
    assert main([*words, "--calibrate", str(data[1].parent / "first")]) == 0
    said = capsys.readouterr().out
    assert "Note: in float32 balanced accuracy 0." in said
    assert "over 60 windows is no better than guessing, which gives 0.5, by luck up to 0.62" in said
    assert out.is_file()
    assert main([*words, "--calibrate", str(data[1])]) == 0
    assert "guessing" not in capsys.readouterr().out


def test_a_loss_of_just_the_limit_is_allowed(tmp_path: Path) -> None:
    said = Int8Report(
        metric="balanced_accuracy", metric_name="Balanced accuracy", float32=0.90, int8=0.88,
        n_windows=100, corpus="corpus", max_loss=0.02, float32_bytes=2, int8_bytes=1, speed=1.0,
    )  # fmt: skip
    assert said.float32 - said.int8 > said.max_loss  # by rounding
    _require_little_loss(said, tmp_path / "small.onnx")
    with pytest.raises(CheckpointError, match=r"by 0\.0201; max_loss=0\.02 allows less"):
        _require_little_loss(replace(said, int8=0.8799), tmp_path / "small.onnx")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--int8", "--int8 is given without --calibrate. Give --calibrate CORPUS"),
        ("--calibrate corpus", "--calibrate is for --int8. Give --int8 too"),
        ("--max-loss 0.1", "--max-loss is for --int8. Give --int8 too"),
        ("--int8 --calibrate {corpus} --max-loss 2", "--max-loss must lie in 0 to 1, got 2"),
        ("--int8 --calibrate ./none", "none"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_the_way_out(
    data: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    message: str,
) -> None:
    out = tmp_path / "small.onnx"
    told = words.format(corpus=data[1]).split()
    assert main(["export", str(data[0]), "--out", str(out), *told]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_corpus_that_was_prepared_otherwise_is_refused(
    data: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).normal(size=(4, 2, 80)).astype(np.float32)
    from_arrays(
        x, [0, 1, 0, 1], subject=[1, 1, 2, 2], sfreq=SFREQ, units="mV", ch_names=["C3", "C4"],
        out=tmp_path / "other",
    )  # fmt: skip
    out = tmp_path / "small.onnx"
    words = ["export", str(data[0]), "--out", str(out), "--int8"]
    assert main([*words, "--calibrate", str(tmp_path / "other")]) == 1
    assert "other was prepared differently: units is" in capsys.readouterr().err
    assert not out.exists()
