"""`export_int8`: an ONNX file with weights of eight bits, if it scores as well on a corpus."""

# W windows, K outputs

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from biot.corpus.leakage import SeenData, note_of_leakage, require_disjoint
from biot.corpus.load import load_corpus
from biot.errors import CheckpointError, ConfigError, CorpusError, counted, require
from biot.evaluation.chance import note_on_chance
from biot.evaluation.metrics import Floats
from biot.evaluation.tasks import Task, plain_task
from biot.inference.exporting.export import export_onnx, require_packages
from biot.inference.exporting.facts import describe, facts_of
from biot.inference.exporting.graph import TRANSFORM
from biot.inference.exporting.session import SessionModel
from biot.io import atomic_file, require_text_name
from biot.model.biot import BIOT
from biot.model.saving import require_fit
from biot.preprocessing import Preprocessing
from biot.training.datasets import Subset, batches_of
from biot.training.scoring import labelled_rows, predicted_rows

__all__ = ["Int8Report", "export_int8", "quantize"]

REPEATS = 5
"""Of each file on one batch, in turn, for the ratio of speeds."""
_ROUNDING = 1e-9
"""By which a difference of two scores may be off: 0.90 - 0.88 is a little more than 0.02."""
_AT_CHANCE = (
    "in float32 {}. So the score cannot tell what int8 costs; take a corpus on which the model is "
    "better, or a better model."
)


@dataclass(frozen=True, kw_only=True)
class Int8Report:
    """What eight bits cost and bring."""

    metric: str
    """Key of the score: balanced accuracy of classes, AUROC of tags, R² of numbers."""
    metric_name: str
    """The same for readers."""
    float32: float
    """The score of the file before."""
    int8: float
    """The score of the file that was written."""
    n_windows: int
    """Labelled windows of the corpus, on which both were scored."""
    corpus: str
    """Name of its folder."""
    max_loss: float
    """By how much the score was allowed to fall."""
    float32_bytes: int
    """Size of the file before."""
    int8_bytes: int
    """Size of the file that was written."""
    speed: float
    """Windows a second of int8 over those of float32, in ONNX Runtime on this machine."""
    notes: tuple[str, ...] = ()
    """What a reader of the scores must know."""

    def facts(self) -> dict[str, Any]:
        """What the file says of it."""
        names = ("corpus", "n_windows", "metric", "float32", "int8", "max_loss")
        return {"form": "dynamic int8", **{name: getattr(self, name) for name in names}}

    def __str__(self) -> str:
        before, after = self.float32_bytes / 1e6, self.int8_bytes / 1e6
        lines = [
            f"{self.metric_name} on {counted(self.n_windows, 'window')} of {self.corpus}: float32 "
            f"{self.float32:.4f}, int8 {self.int8:.4f}",
            f"size: float32 {before:.2f} MB, int8 {after:.2f} MB",
            f"speed in ONNX Runtime on this machine: int8 is {self.speed:.2f} times as fast",
        ]
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])


def export_int8(
    model: str | Path,
    path: str | Path,
    corpus: str | Path,
    *,
    max_loss: float = 0.01,
    optional_inputs: bool = True,
    batch_size: int = 64,
) -> Int8Report:
    """Write a model as an ONNX file with weights of eight bits, if it scores nearly as well.

    The large matrix products are done in integers ("dynamic quantisation" of ONNX Runtime: a scale
    for each column of a weight, and one for the other factor, found anew in each batch; so a
    window's scores depend a little on the batch that it is in). The Fourier transform and what
    attention multiplies stay in float32.

    Inputs, output and metadata are those of :func:`export_onnx`; ``quantization`` is added, with
    the corpus and both scores.

    Parameters
    ----------
    model
        Folder of the model, with ``preprocessing.json`` beside the weights.
    path
        File to write; its folder must exist.
    corpus
        Folder of a corpus with labels, prepared as the model's was: both files are scored on it.
        Subjects that the model learnt from are allowed, since the two are compared with each other.
    max_loss
        By how much the score may fall, 0 to 1: balanced accuracy of classes, AUROC of tags, R² of
        numbers.
    optional_inputs
        As for :func:`export_onnx`.
    batch_size
        Windows at a time.

    Raises
    ------
    MissingDependencyError
        If onnx, onnxscript or onnxruntime is not installed.
    ContractError
        If the corpus was prepared differently, or the model does not name its classes.
    CorpusError
        If the corpus has no labels, others than the model knows, or none that can be scored.
    CheckpointError
        If the score falls by more than `max_loss`; nothing is written.
    """
    require_packages()
    if not 0 <= max_loss <= 1:
        raise ConfigError(f"max_loss must lie in 0 to 1, got {max_loss:g}.")
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
    folder, path = Path(model), Path(path)
    require_text_name(path, ConfigError)
    network = BIOT.from_pretrained(folder, return_feature=False)
    contract = Preprocessing.load(folder)
    require_fit(network, contract, labelled=True, where=folder)
    part, note = _windows(folder, contract, Path(corpus))
    with tempfile.TemporaryDirectory(prefix="biot-int8-") as name:
        plain, small = Path(name) / "float32.onnx", Path(name) / "int8.onnx"
        export_onnx(network, plain, preprocessing=contract, optional_inputs=optional_inputs)
        quantize(plain, small)
        report = _compared(plain, small, part, contract, max_loss, batch_size)
        report = replace(report, notes=(*report.notes, *([] if note is None else [note])))
        _require_little_loss(report, path)
        proto = require("onnx", extra="export").load(small)
    describe(proto, {**facts_of(network, contract), "quantization": report.facts()})
    contents = proto.SerializeToString()
    with atomic_file(path) as partial:
        partial.write_bytes(contents)
    return replace(report, int8_bytes=len(contents))


def _windows(folder: Path, contract: Preprocessing, corpus: Path) -> tuple[Subset, str | None]:
    """The labelled windows of a corpus, and what is to be said of them."""
    data = load_corpus(corpus)
    contract.require_same(data.preprocessing, where=str(corpus))
    rows, truth = labelled_rows(data, contract)
    leakage = require_disjoint(
        SeenData.load(folder), SeenData.of(data, rows),
        where=f"the training of {folder} and {data.path}", allow_leakage=True,
    )  # fmt: skip
    return Subset(corpus=data, rows=rows, labels=truth), note_of_leakage(leakage)


def quantize(plain: Path, small: Path) -> None:
    """Write a float32 file of ours again, with the weights of its large products in eight bits.

    Seven of them are used: with eight, processors without VNNI instructions overflow in silence.
    """
    onnx = require("onnx", extra="export")
    quantization = require("onnxruntime.quantization", extra="export")
    proto = onnx.load(plain)
    # it was: all shapes are known, and the library would say that they might not be
    onnx.helper.set_model_props(proto, {"onnx.quant.pre_process": "onnxruntime.quant"})
    quantization.quantize_dynamic(
        proto,
        small,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=_kept_in_float(proto),
    )


def _kept_in_float(proto: Any) -> Sequence[str]:
    """The two products of the Fourier transform: its small frequencies are lost in eight bits."""
    exact = [
        node.name
        for node in proto.graph.node
        if any(name.endswith(TRANSFORM) for name in node.input)
    ]
    if not exact:
        raise CheckpointError(
            "The model's Fourier transform was replaced: which products belong to it cannot be "
            "known. Export it without int8."
        )
    return exact


def _compared(
    plain: Path,
    small: Path,
    part: Subset,
    contract: Preprocessing,
    max_loss: float,
    batch_size: int,
) -> Int8Report:
    """Both files on the same windows."""
    task = plain_task(contract)
    networks = [SessionModel(plain), SessionModel(small)]
    cpu = torch.device("cpu")
    predicted = [
        predicted_rows(network, part, contract, device=cpu, batch_size=batch_size)
        for network in networks
    ]
    usable = np.isfinite(predicted[0]).all(axis=1)
    if not usable.any():
        raise CorpusError(f"{part.corpus.path}: no labelled window has usable data.")
    before, after = (_score(task, part, one, usable, contract) for one in predicted)
    luck = note_on_chance(task, before, predicted[0][usable], part.labels[usable])
    signal = next(iter(batches_of(part, batch_size))).signal
    seconds = [median(times) for times in zip(*_timed(networks, signal), strict=True)]
    return Int8Report(
        metric=task.default_metric, metric_name=task.score_names[task.default_metric],
        float32=before, int8=after, n_windows=int(usable.sum()), corpus=part.corpus.path.name,
        max_loss=max_loss, float32_bytes=plain.stat().st_size, int8_bytes=small.stat().st_size,
        speed=seconds[0] / seconds[1], notes=() if luck is None else (_AT_CHANCE.format(luck),),
    )  # fmt: skip


def _score(
    task: Task, part: Subset, predicted_WK: Floats, usable: Any, contract: Preprocessing
) -> float:
    predicted = predicted_WK[usable]
    decided = task.decided(predicted, contract.decision)
    score = task.scores(part.labels[usable], predicted, decided)[task.default_metric]
    if not np.isfinite(score):
        raise CorpusError(
            f"{part.corpus.path}: {task.score_names[task.default_metric]} cannot be computed of "
            f"its {counted(len(predicted), 'labelled window')} with usable data, so that the loss "
            "of int8 is "
            "not known. Take a corpus with more windows, of every class or tag."
        )
    return float(score)


def _timed(networks: Sequence[SessionModel], signal: Tensor) -> list[list[float]]:
    """Seconds of each file on one batch, in turn; each has been run before."""
    rounds = []
    for _ in range(REPEATS):
        times = []
        for network in networks:
            start = time.perf_counter()
            network(signal)
            times.append(time.perf_counter() - start)
        rounds.append(times)
    return rounds


def _require_little_loss(report: Int8Report, path: Path) -> None:
    loss = report.float32 - report.int8
    if loss <= report.max_loss + _ROUNDING:
        return
    raise CheckpointError(
        f"{path}: in int8 {report.metric_name} falls from {report.float32:.4f} to "
        f"{report.int8:.4f}, by {loss:.4f}; max_loss={report.max_loss:g} allows less. Nothing was "
        "written. Export without int8, or allow a larger loss."
    )
