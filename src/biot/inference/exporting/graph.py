"""The graph of a model, as ONNX Runtime, OpenVINO and quantisation all read it."""

# B batch, C channels, T samples, N tokens a channel, F frequencies

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from biot.errors import require
from biot.model.biot import BIOT
from biot.model.encoder import BIOTEncoder
from biot.model.spectra import SpectralEmbedding

__all__ = ["OWN_ROW", "SIZES", "TRANSFORM", "ScoresOnly", "example", "to_onnx"]

OPSET = 18
"""Of ONNX: what ONNX Runtime's quantisation and OpenVINO know, LayerNormalization included."""
SIZES = {
    "x": ("batch", "n_chans", "n_times"),
    "channel_ids": ("batch", "n_chans"),
    "valid": ("batch", "n_chans", "n_times"),
}
"""Inputs of the file and the names of their sizes, all of them free."""
OWN_ROW = -2
"""In `channel_ids`: the row of the vocabulary that is the channel's own place in `x`."""
TRANSFORM = ("cosines", "sines")
"""How the names of the two constants end that the Fourier transform multiplies with."""


class ScoresOnly(nn.Module):
    """A model with the inputs and the output of the file; its transform is two matrix products.

    The model is changed in place: give a copy.
    """

    def __init__(self, model: BIOT) -> None:
        super().__init__()
        self.model = model
        _use_matrices(model.encoder)

    def forward(self, x: Tensor, channel_ids: Tensor, valid: Tensor) -> Tensor:
        """Scores, (batch, n_outputs)."""
        out: Any = self.model(x, valid=valid, channel_ids=channel_ids)
        scores: Tensor = out[0] if self.model.return_feature else out
        return scores


class _ByMatrices(BIOTEncoder):
    """Spectra by products with cosines and sines, for runtimes without a Fourier transform."""

    cosines: Tensor
    sines: Tensor

    def _spectra(self, x_BCT: Tensor) -> tuple[Tensor, Tensor | None]:
        if not self._stft_is_ours():
            return super()._spectra(x_BCT)
        patches_BCNT = x_BCT.unfold(-1, self.n_fft, self.hop_length)
        real_BCNF, imaginary_BCNF = patches_BCNT @ self.cosines, patches_BCNT @ self.sines
        power_BCNF = real_BCNF * real_BCNF + imaginary_BCNF * imaginary_BCNF
        magnitudes_BCFN = power_BCNF.sqrt().transpose(-1, -2)
        embedding = self.patch_embedding
        if not (isinstance(embedding, SpectralEmbedding) and embedding.has_wave):
            return magnitudes_BCFN, None
        parts = torch.stack([real_BCNF, imaginary_BCNF], dim=-1).flatten(-2)
        return magnitudes_BCFN, parts * self.n_fft**-0.5


def _use_matrices(encoder: nn.Module) -> None:
    """Make an encoder of ours one of :class:`_ByMatrices`; what a caller wrote stays."""
    own = isinstance(encoder, BIOTEncoder) and type(encoder)._spectra is BIOTEncoder._spectra
    if not own:
        return
    assert isinstance(encoder, BIOTEncoder)
    n_fft = encoder.n_fft
    turns_TF = np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) % n_fft
    angles_TF = (2 * math.pi / n_fft) * turns_TF
    for name, values in zip(TRANSFORM, (np.cos(angles_TF), -np.sin(angles_TF)), strict=True):
        matrix = torch.from_numpy(values.astype(np.float32))
        encoder.register_buffer(name, matrix, persistent=False)
    encoder.__class__ = type(type(encoder).__name__, (_ByMatrices, type(encoder)), {})


def to_onnx(scores: ScoresOnly, *, optional_inputs: bool) -> Any:
    """The graph as an ``onnx.ModelProto``.

    Parameters
    ----------
    scores
        In evaluation mode, float32, on the CPU.
    optional_inputs
        Whether ``channel_ids`` and ``valid`` have a value in the file, so that they can be left
        out. OpenVINO then takes them for constants.
    """
    inputs = example(scores.model, n_samples=2, n_chans=2, n_tokens=3)
    with _quiet():
        program = torch.onnx.export(
            scores,
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(SIZES),
            output_names=["scores"],
            dynamic_shapes={name: dict(enumerate(sizes)) for name, sizes in SIZES.items()},
            custom_translation_table=_translations(),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _forget_origins(proto)
    _let_inputs_broadcast(proto, scores.model.encoder, optional=optional_inputs)
    return proto


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Operations of torch in words of ONNX whose shapes quantisation can follow.

    It knows no shape of a ReduceMax or ReduceMin, which `any` and `all` would be; and it must find
    the same formula for the number of patches wherever that number stands.
    """
    op = require("onnxscript", extra="export").opset18
    onnx = require("onnx", extra="export")
    one_float = onnx.TensorProto.FLOAT
    one_int = onnx.helper.make_tensor("one", onnx.TensorProto.INT64, [1], [1])

    def count(values: Any, dim: int, keepdim: bool) -> Any:
        axes = op.Constant(value_ints=[dim])
        return op.ReduceSum(op.Cast(values, to=one_float), axes, keepdims=int(keepdim))

    def any_of(self: Any, dim: int, keepdim: bool = False) -> Any:
        return op.Greater(count(self, dim, keepdim), op.Constant(value_float=0.0))

    def all_of(self: Any, dim: int, keepdim: bool = False) -> Any:
        return op.Equal(count(op.Not(self), dim, keepdim), op.Constant(value_float=0.0))

    def first_numbers(how_many: Any) -> Any:
        """0, 1, 2, ... as a sum of ones: the size of a Range would be the larger of it and 0."""
        zero = op.Constant(value_int=0)
        size = op.Reshape(how_many, op.Constant(value_ints=[1]))
        ones = op.ConstantOfShape(size, value=one_int)
        return op.CumSum(ones, zero, exclusive=1)

    def arange(end: Any, dtype: int = -1, **_: Any) -> Any:
        numbers = first_numbers(op.Constant(value_int=end) if isinstance(end, int) else end)
        return numbers if dtype == -1 else op.Cast(numbers, to=dtype)

    def unfold(self: Any, dimension: int, size: int, step: int) -> Any:
        rank = len(self.shape)
        axis = dimension % rank
        whole = {number: op.Constant(value_int=number) for number in (0, 1, size, step)}
        length = op.Squeeze(op.Shape(self, start=axis, end=axis + 1))
        n_patches = op.Add(op.Div(op.Sub(length, whole[size]), whole[step]), whole[1])
        starts = op.Mul(first_numbers(n_patches), whole[step])
        within = op.Constant(value_ints=list(range(size)))
        places = op.Add(op.Unsqueeze(starts, op.Constant(value_ints=[1])), within)
        patches = op.Gather(self, places, axis=axis)
        last = [*(place for place in range(rank + 1) if place != axis + 1), axis + 1]
        return patches if last[-1] == rank else op.Transpose(patches, perm=last)

    aten = torch.ops.aten
    return {
        aten.any.dim: any_of, aten.all.dim: all_of, aten.unfold.default: unfold,
        aten.arange.default: arange,
    }  # fmt: skip


def _forget_origins(proto: Any) -> None:
    """Drop lines and paths of source code, and shapes of weights, which the weights have anyway."""
    graph = proto.graph
    weights = {weight.name for weight in graph.initializer}
    told = [value for value in graph.value_info if value.name not in weights]
    del graph.value_info[:]
    graph.value_info.extend(told)
    lists = (graph.node, graph.value_info, graph.initializer, graph.input, graph.output)
    for part in (part for parts in lists for part in parts):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    graph.ClearField("metadata_props")
    proto.ClearField("metadata_props")


def _let_inputs_broadcast(proto: Any, encoder: Any, *, optional: bool) -> None:
    """Let ``channel_ids`` and ``valid`` be of size one, which stands for all; name own rows.

    A number that means nothing, such as a row beyond the table, makes its sample missing: not every
    runtime refuses it.
    """
    onnx = require("onnx", extra="export")
    make, array = onnx.helper.make_node, onnx.numpy_helper.from_array
    graph = proto.graph
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in ("channel_ids", "valid"):
                node.input[place] = f"{name}_of_each"
    first = [
        make("Shape", ["x"], ["x_sizes"]),
        make("Shape", ["x"], ["x_rows"], start=0, end=2),
        make("Shape", ["x"], ["x_chans"], start=1, end=2),
        make("Squeeze", ["x_chans"], ["x_n_chans"]),
        make("Range", ["row_0", "x_n_chans", "row_1"], ["own_rows"]),
        make("Equal", ["channel_ids", "own_row"], ["has_own_row"]),
        make("Where", ["has_own_row", "own_rows", "channel_ids"], ["given_rows"]),
        make("Expand", ["given_rows", "x_rows"], ["channel_ids_of_each"]),
        make("Less", ["channel_ids_of_each", "n_rows"], ["is_below_last"]),
        make("Greater", ["channel_ids_of_each", "own_row"], ["is_row_or_absent"]),
        make("And", ["is_below_last", "is_row_or_absent"], ["is_known"]),
        make("Not", ["is_known"], ["is_unknown"]),
        make("Cast", ["is_unknown"], ["unknown"], to=onnx.TensorProto.FLOAT),
        make("ReduceSum", ["unknown", "along_chans"], ["n_unknown"], keepdims=1),
        make("Equal", ["n_unknown", "none_unknown"], ["all_known"]),
        make("Unsqueeze", ["all_known", "along_times"], ["all_rows_known"]),
        make("And", ["valid", "all_rows_known"], ["usable"]),
        make("Expand", ["usable", "x_sizes"], ["valid_of_each"]),
    ]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*first, *rest])
    whole = {
        "row_0": 0, "row_1": 1, "own_row": OWN_ROW, "n_rows": len(encoder.index),
        "along_chans": [1], "along_times": [2],
    }  # fmt: skip
    constants = {name: np.array(value, dtype=np.int64) for name, value in whole.items()}
    constants["none_unknown"] = np.array(0.0, dtype=np.float32)
    if optional:
        constants["channel_ids"] = np.array([[OWN_ROW]])
        constants["valid"] = np.array([[[True]]])
    graph.initializer.extend(array(value, name) for name, value in constants.items())
    for given in graph.input:
        if given.name != "x":  # of x's size, or one
            for size in given.type.tensor_type.shape.dim:
                size.dim_param = f"{given.name}_{size.dim_param}"


def example(
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
