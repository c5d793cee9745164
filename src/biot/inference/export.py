"""A model as an ONNX file, for runtimes without PyTorch."""

# B batch, C channels, T samples, K outputs

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from biot.errors import CheckpointError, ConfigError, require
from biot.io import atomic_file, require_text_name
from biot.model.biot import BIOT
from biot.preprocessing import Preprocessing

__all__ = ["export_onnx"]

OPSET = 20
"""Of ONNX; the first with a Fourier transform along any axis. ONNX Runtime 1.17 reads it."""
TOLERANCE = 1e-4
"""Largest difference between the file's scores and the model's, relative to the largest score."""
SIZES = {
    "x": ("batch", "n_chans", "n_times"),
    "channel_ids": ("batch", "n_chans"),
    "valid": ("batch", "n_chans", "n_times"),
}
"""Inputs of the file and the names of their sizes, all of them free."""


def export_onnx(
    model: BIOT, path: str | Path, *, preprocessing: Preprocessing | None = None
) -> Path:
    """Write a model as an ONNX file that takes any batch, channels and length.

    The file computes ``scores``, float32 (batch, n_outputs), from three inputs:

    - ``x`` float32 (batch, n_chans, n_times), n_times ≥ n_fft; NaN is a missing sample;
    - ``channel_ids`` int64 (batch, n_chans): row of the vocabulary of each channel, −1 for
      absent. The file does not check them: each row may come once in a sample;
    - ``valid`` bool like x: False is a missing sample.

    What is missing takes part in nothing, as in :meth:`biot.BIOT.forward`; a sample without one
    whole token gives NaN. The file's metadata hold ``channels`` (the vocabulary, when it has
    names), ``n_fft``, and, when the contract is given, ``preprocessing`` and ``probabilities``:
    the formula that makes probabilities of the scores, as :class:`biot.decision.Decision` does.
    Each is JSON.

    ONNX Runtime opens the file and repeats the model's scores before it gets its name.

    Parameters
    ----------
    model
        Of any precision and on any device; the file is float32. It is not changed.
    path
        File to write, usually ``model.onnx``; its folder must exist.
    preprocessing
        How the data were prepared that the model expects.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MissingDependencyError
        If onnx, onnxscript or onnxruntime is not installed.
    CheckpointError
        If ONNX Runtime computes other scores than the model; nothing is written.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, extra="export")
    path = Path(path)
    require_text_name(path, ConfigError)
    scores = _Scores(copy.deepcopy(model).cpu().float()).eval()
    proto = _to_onnx(scores)
    _describe(proto, model, preprocessing)
    with atomic_file(path) as partial:
        partial.write_bytes(proto.SerializeToString())
        _require_same_scores(scores, partial, path)
    return path


class _Scores(nn.Module):
    """A model with the inputs and the output of the file."""

    def __init__(self, model: BIOT) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, channel_ids: Tensor, valid: Tensor) -> Tensor:
        out: Any = self.model(x, valid=valid, channel_ids=channel_ids)
        scores: Tensor = out[0] if self.model.return_feature else out
        return scores


def _to_onnx(scores: _Scores) -> Any:
    """The graph as an ``onnx.ModelProto``."""
    inputs = _example(scores.model, n_samples=2, n_chans=2, n_tokens=3)
    with _quiet():
        program = torch.onnx.export(
            scores,
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(SIZES),
            output_names=["scores"],
            dynamic_shapes={name: dict(enumerate(sizes)) for name, sizes in SIZES.items()},
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _describe(proto: Any, model: BIOT, preprocessing: Preprocessing | None) -> None:
    """Keep in the file what its user must know."""
    facts: dict[str, Any] = {"n_fft": model.n_fft}
    if model.channels is not None:
        facts["channels"] = model.channels
    if preprocessing is not None:
        facts["preprocessing"] = preprocessing.to_dict()
        if preprocessing.label_names:
            facts["probabilities"] = preprocessing.decision.formula
    onnx = require("onnx", extra="export")
    onnx.helper.set_model_props(
        proto, {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}
    )


def _require_same_scores(scores: _Scores, partial: Path, path: Path) -> None:
    """Run the file on batches of other sizes than it was made with, masks and NaN among them."""
    runtime = require("onnxruntime", extra="export")
    session = runtime.InferenceSession(partial, providers=["CPUExecutionProvider"])
    for n_samples, n_chans, n_tokens in ((1, 1, 1), (3, scores.model.n_chans + 1, 5)):
        inputs = _example(scores.model, n_samples=n_samples, n_chans=n_chans, n_tokens=n_tokens)
        given = {name: value.numpy() for name, value in zip(SIZES, inputs, strict=True)}
        found = torch.from_numpy(session.run(None, given)[0])
        with torch.no_grad():
            expected = scores(*inputs)
        tolerance = TOLERANCE * max(1.0, expected.abs().max().item())
        if not torch.allclose(found, expected, atol=tolerance, rtol=0):
            raise CheckpointError(
                f"{path}: ONNX Runtime {runtime.__version__} gives scores that differ from the "
                f"model's by {(found - expected).abs().max().item():.2g}; nothing was written. "
                "Try other versions of torch and onnxruntime."
            )


def _example(
    model: BIOT, *, n_samples: int, n_chans: int, n_tokens: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs with, where there is room for it, an absent channel, a gap and an invalid stretch."""
    generator = torch.Generator().manual_seed(0)
    n_times = model.n_fft + (n_tokens - 1) * model.hop_length
    x_BCT = torch.randn(n_samples, n_chans, n_times, generator=generator)
    valid_BCT = torch.ones(x_BCT.shape, dtype=torch.bool)
    ids_C = torch.arange(n_chans)
    ids_C[model.n_chans :] = -1
    if n_tokens > 1:
        x_BCT[0, 0, 0] = torch.nan
        valid_BCT[-1, 0, -1] = False
    return x_BCT, ids_C.repeat(n_samples, 1), valid_BCT


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what the exporter says of its own doings."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
