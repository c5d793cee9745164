"""What an ONNX file of `biot export` holds, for `biot info`; PyTorch is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biot.cli.reports.folders import contract_rows, lines_of
from biot.errors import ContractError, counted
from biot.io import json_object
from biot.runtime.onnx_file import OnnxFile

__all__ = ["describe_onnx"]


def describe_onnx(path: Path) -> str:
    """What an exported model takes and says, and whether it was made smaller.

    Raises
    ------
    BiotError
        If it cannot be opened, or does not say how recordings are prepared.
    """
    file = OnnxFile(path)
    said = _said(file)
    contract = file.preprocessing
    rest = [name for name in ("channel_ids", "valid") if name not in file.needed]
    rows = [
        ("model", f"{path}: BIOT, the biosignal transformer, as an ONNX file"),
        ("size", f"{path.stat().st_size / 1e6:.2f} MB"),
        ("inputs", f"{', '.join(file.needed)}" + (f"; {', '.join(rest)} if wanted" * bool(rest))),
        ("channels", f"{contract.n_chans}: {', '.join(contract.ch_names)}"),
        *contract_rows(contract),
        *_quantization(said.get("quantization")),
        ("package", f"biot {said.get('biot_version', 'of an unknown version')}"),
        ("trained on", "not said: the model folder that it was exported from knows"),
    ]
    return lines_of(rows)


def _said(file: OnnxFile) -> Mapping[str, Any]:
    """The metadata that are shown here."""
    return {
        name: json_object(
            f'{{"{name}": {file.metadata[name]}}}'.encode(),
            f"{file.path}: {name} in its metadata",
            ContractError,
        )[name]
        for name in ("biot_version", "quantization")
        if name in file.metadata
    }


def _quantization(found: Any) -> list[tuple[str, str]]:
    """What eight bits cost, by the corpus that the file was scored on."""
    if not isinstance(found, dict):
        return []
    scores = ", ".join(f"{name} {_short(found.get(name))}" for name in ("float32", "int8"))
    metric = str(found.get("metric")).replace("_", " ")
    where = f"{counted(found.get('n_windows'), 'window')} of {found.get('corpus')}"
    return [("weights", f"{found.get('form')}: {metric} on {where}: {scores}")]


def _short(score: Any) -> str:
    return f"{score:.4f}" if isinstance(score, float) else f"{score}"
