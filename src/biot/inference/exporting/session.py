"""ONNX files in ONNX Runtime, beside the model that they came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from biot.errors import CheckpointError, require
from biot.inference.exporting.graph import OWN_ROW, SIZES, ScoresOnly, example

__all__ = ["SessionModel", "open_session", "require_same_scores"]

TOLERANCE = 1e-4
"""Largest difference between the file's scores and the model's, relative to the largest score."""
_ERRORS_ONLY = 3
_PLAIN = {"valid": torch.ones(1, 1, 1, dtype=torch.bool), "channel_ids": torch.tensor([[OWN_ROW]])}
"""What stands for an input that a file needs and nobody gives."""


def open_session(path: Path) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU, with as many threads as torch has.

    It does not warn that two inputs have values in the file, which is meant.
    """
    runtime = require("onnxruntime", extra="export")
    options = runtime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = torch.get_num_threads()
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class SessionModel(nn.Module):
    """A file in the place of a model, for what scores models."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.session = open_session(path)

    def forward(
        self,
        x: Tensor,
        *,
        valid: Tensor | None = None,
        channel_ids: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Scores, (batch, n_outputs); the arguments are those of :meth:`biot.BIOT.forward`."""
        if lengths is not None:  # the file does not know them
            within = (torch.arange(x.shape[2]) < lengths.unsqueeze(1)).unsqueeze(1).expand(x.shape)
            valid = within if valid is None else valid & within
        given = {"x": x, "valid": valid, "channel_ids": channel_ids}
        inputs = {name: values.numpy() for name, values in given.items() if values is not None}
        needed = {one.name for one in self.session.get_inputs()} - set(inputs)
        inputs.update({name: _PLAIN[name].numpy() for name in needed})
        return torch.from_numpy(self.session.run(None, inputs)[0])


def require_same_scores(scores: ScoresOnly, partial: Path, path: Path, *, optional: bool) -> None:
    """Run the file on batches of other sizes than it was made with, masks and NaN among them.

    Raises
    ------
    CheckpointError
        If ONNX Runtime computes other scores than the model.
    """
    network, model = SessionModel(partial), scores.model
    for n_samples, n_chans, n_tokens in ((1, 1, 1), (3, model.n_chans + 1, 5)):
        inputs = example(model, n_samples=n_samples, n_chans=n_chans, n_tokens=n_tokens)
        given = dict(zip(SIZES, inputs, strict=True))
        with torch.no_grad():
            _require_close(network(**given), scores(**given), path)
            if optional:
                x = given["x"][:, : model.n_chans]
                ids = torch.arange(x.shape[1]).repeat(n_samples, 1)
                valid = torch.ones(x.shape, dtype=torch.bool)
                _require_close(network(x), scores(x, ids, valid), path)


def _require_close(found: Tensor, expected: Tensor, path: Path) -> None:
    tolerance = TOLERANCE * max(1.0, expected.abs().max().item())
    if torch.allclose(found, expected, atol=tolerance, rtol=0):
        return
    version = require("onnxruntime", extra="export").__version__
    raise CheckpointError(
        f"{path}: ONNX Runtime {version} gives scores that differ from the "
        f"model's by {(found - expected).abs().max().item():.2g}; nothing was written. "
        "Try other versions of torch and onnxruntime."
    )
