"""`require_model_folder`: whether a path is a model folder at all; without PyTorch."""

from __future__ import annotations

from pathlib import Path

from biot.errors import ConfigError, fetch_first

__all__ = ["require_model_folder"]


def require_model_folder(path: Path) -> Path:
    """The path again, if it may be the folder of a model.

    Raises
    ------
    ConfigError
        If it is none; the message says what it is, and what to give.
    """
    if path.suffix == ".onnx" and path.is_file():
        raise ConfigError(
            f"{path}: is an ONNX file; open it with biot.runtime.OnnxPredictor.from_file, "
            "which predicts but does not explain, or give the model folder that it was "
            "exported from, RUN/model."
        )
    if not path.is_dir():
        what = "is a file" if path.is_file() else "no such folder"
        fetch = "" if path.exists() else fetch_first(path)
        raise ConfigError(f"{path}: {what}. Give the model folder of a run, RUN/model.{fetch}")
    if (path / "model").is_dir() and not (path / "config.json").is_file():
        raise ConfigError(f"{path}: is a run; its model is {path / 'model'}.")
    return path
