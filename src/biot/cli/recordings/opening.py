"""The model of a command: a model folder in PyTorch, or an ONNX file in ONNX Runtime."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from biot.cli.terminal import say
from biot.errors import ConfigError

if TYPE_CHECKING:
    from biot.inference.windowed import WindowPredictor
    from biot.preprocessing import Preprocessing

__all__ = ["MODEL_HELP", "contract_of", "open_predictor", "tell_of_stride"]

MODEL_HELP = (
    "the model folder of a run (RUN/model), or a file that biot export wrote (.onnx), which needs "
    "no PyTorch"
)


def _is_onnx(model: Path) -> bool:
    """Whether a model is given as an ONNX file, there or not; else it is a folder."""
    return model.is_file() or model.suffix == ".onnx"


def contract_of(model: Path) -> Preprocessing:
    """How the windows of a model were made: of a folder, or of an ONNX file.

    Raises
    ------
    BiotError
        If there is none, or the file cannot be opened.
    """
    if _is_onnx(model):
        from biot.runtime.onnx_file import OnnxFile

        return OnnxFile(model).preprocessing
    from biot.preprocessing import Preprocessing

    return Preprocessing.load(model)


def open_predictor(args: Namespace, model: Path) -> WindowPredictor:
    """What predicts with a model, with ``--device`` and ``--precision``.

    Raises
    ------
    BiotError
        If the model cannot be opened, or an ONNX file is to be computed in another way than on
        the processor in float32.
    """
    if _is_onnx(model):
        for option, value, allowed in (
            ("--device", args.device, ("auto", "cpu")),
            ("--precision", args.precision, ("32",)),
        ):
            if value not in allowed:
                raise ConfigError(
                    f"{option} {value}: an ONNX file is computed on the processor in float32. "
                    f"Leave {option} out, or give the model folder."
                )
        from biot.runtime.onnx_predictor import OnnxPredictor

        return OnnxPredictor.from_file(model)
    from biot.inference.model_folder import require_model_folder

    require_model_folder(model)  # before PyTorch, which may not be there
    from biot.inference.predictor import Predictor

    return Predictor.from_pretrained(model, device=args.device, precision=args.precision)


def tell_of_stride(stride: float | None, window: float) -> None:
    """Say where windows leave gaps between them."""
    if stride is not None and stride > window:
        say(
            f"--stride {stride:g} is above the window of {window:g} s: after each window "
            f"{stride - window:g} s are not predicted."
        )
