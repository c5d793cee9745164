"""`OnnxFile`: a file of `biot export`, ready to compute, and what it says of itself."""

# B windows of a batch, C channels of the contract, T samples of a window, K outputs
from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import CheckpointError, ConfigError, ContractError, counted, require
from biot.io import json_object
from biot.preprocessing import Preprocessing, difference

__all__ = ["OnnxFile"]

_INPUTS = ("x", "channel_ids", "valid")
"""Of files that `biot export` writes; the first is always there."""
_DECIDING = ("labels", "thresholds", "temperature")
"""In the metadata for other programs; the contract says the same."""
_AGAIN = "Export the model again: biot export RUN/model --out model.onnx"
_OUTPUT = "scores"


class OnnxFile:
    """An ONNX file with its contract.

    Parameters
    ----------
    path
        As :func:`biot.inference.export_onnx` writes it with a contract that has labels.

    Raises
    ------
    MissingDependencyError
        If onnxruntime is not installed.
    ConfigError
        If there is no such file.
    CheckpointError
        If ONNX Runtime cannot open or run it, or it is no file of `biot export`.
    ContractError
        If its metadata are damaged, lack labels, or do not fit what it computes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        """Where it lies."""
        self._session = _session(self.path)
        self._inputs = self._known_inputs()
        self.metadata = self._metadata()
        """What the file says of itself: JSON texts by key."""
        self.preprocessing = _contract(self.metadata, self.path)
        """How its windows were made, with the names of its outputs."""
        self._require_one_decision()
        self._require_fit()

    def scores(self, windows_BCT: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(B, K) outputs of (B, C, T) windows; NaN is a missing sample.

        Raises
        ------
        ConfigError
            If these are no windows, or have more channels than the model.
        CheckpointError
            If ONNX Runtime fails.
        """
        self._require_windows(windows_BCT)
        n_samples, n_chans, _ = windows_BCT.shape
        given: dict[str, Any] = {"x": np.ascontiguousarray(windows_BCT, dtype=np.float32)}
        if "channel_ids" in self._inputs:
            given["channel_ids"] = np.tile(np.arange(n_chans), (n_samples, 1))
        if "valid" in self._inputs:  # NaN in x says the same
            given["valid"] = np.ones(windows_BCT.shape, dtype=bool)
        try:
            (found,) = self._session.run([_OUTPUT], given)
        except Exception as error:  # ONNX Runtime's own kinds have no common class
            raise CheckpointError(
                f"{self.path}: ONNX Runtime fails on windows of "
                f"{counted(windows_BCT.shape[1], 'channel')} "
                f"and {counted(windows_BCT.shape[2], 'sample')} ({_first_line(error)}). Those of "
                f"its contract have {self.preprocessing.n_times}; if it fails on these, export the "
                "model again."
            ) from error
        return np.asarray(found, dtype=np.float64)

    def _require_windows(self, windows_BCT: npt.NDArray[np.float32]) -> None:
        most, shape = self.preprocessing.n_chans, np.shape(windows_BCT)
        if len(shape) != 3 or 0 in shape or shape[1] > most:
            raise ConfigError(
                f"windows must be (windows, channels, samples), at least one of each and at most "
                f"{counted(most, 'channel')}; got shape {shape}."
            )

    def _known_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that have to be given."""
        inputs = tuple(one.name for one in self._session.get_inputs())
        outputs = tuple(one.name for one in self._session.get_outputs())
        if "x" not in inputs or not {*inputs} <= {*_INPUTS} or _OUTPUT not in outputs:
            raise CheckpointError(
                f"{self.path}: is no file of biot export: it computes {', '.join(outputs)} from "
                f"{', '.join(inputs)}, expected {_OUTPUT} from {', '.join(_INPUTS)}."
            )
        return inputs

    def _metadata(self) -> Mapping[str, str]:
        try:
            said: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise ContractError(
                f"{self.path}: its metadata are no UTF-8 text; the file is damaged. Export the "
                "model again."
            ) from error
        return said

    @property
    def needed(self) -> tuple[str, ...]:
        """Names of the inputs that have to be given."""
        return self._inputs

    def _require_one_decision(self) -> None:
        """Raise if labels and the like stand in the metadata otherwise than in the contract.

        They are there for other programs; one that was changed by hand would change nothing here.
        """
        expected = self.preprocessing.decision_facts()
        for name in _DECIDING:
            if name not in self.metadata:
                continue
            text = f'{{"{name}": {self.metadata[name]}}}'
            where = f"{self.path}: {name} in its metadata"
            found = _read(text, where)[name]
            if not _is_same(found, expected.get(name)):
                raise ContractError(
                    f"{where} is {found!r}, by its preprocessing it is {expected.get(name)!r}: one "
                    f"of them was changed. {_AGAIN}"
                )

    def _require_fit(self) -> None:
        """Raise unless channels and outputs are those of the contract, and the file computes."""
        contract = self.preprocessing
        channels = _channels(self.metadata, self.path)
        if channels is not None and channels != contract.ch_names:
            how = difference("ch_names", contract.ch_names, channels)
            raise ContractError(
                f"{self.path}: the model and its preprocessing differ: {how}. Export them from one "
                "model folder."
            )
        names = contract.label_names or ()
        trial = np.full((1, contract.n_chans, contract.n_times), np.nan, np.float32)
        found = self.scores(trial).shape
        if found != (1, len(names)):
            raise ContractError(
                f"{self.path}: the model and its preprocessing differ: it computes scores of shape "
                f"{found}, its labels are {len(names)}: {', '.join(names)}. Export them from one "
                "model folder."
            )


def _session(path: Path) -> Any:
    """The file in ONNX Runtime, on the processor."""
    runtime = require("onnxruntime", extra="runtime")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise ConfigError(f"{path}: {what}. Give the ONNX file that biot export wrote.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}).") from error
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is told by exceptions
    try:
        # From bytes: so the file cannot name others that would be read too.
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own kinds have no common class
        found = "a damaged ONNX file" if path.suffix == ".onnx" else "no ONNX file of a model"
        raise CheckpointError(
            f"{path}: is {found}: ONNX Runtime {runtime.__version__} cannot open it "
            f"({_first_line(error)}). {_another(path)}"
        ) from error


def _another(path: Path) -> str:
    """What to do about a file that cannot be opened: it may be no model at all."""
    if path.suffix == ".onnx":
        return f"Write it again: biot export RUN/model --out {path.name}"
    return "Give the .onnx file that biot export wrote, or the model folder of a run, RUN/model."


def _contract(said: Mapping[str, str], path: Path) -> Preprocessing:
    """The contract that the metadata hold."""
    if "preprocessing" not in said:
        raise ContractError(
            f"{path}: its metadata do not say how recordings are to be prepared. Export a model "
            "folder that has preprocessing.json: biot export RUN/model --out model.onnx"
        )
    where = f"{path}: preprocessing in its metadata"
    values = _read(said["preprocessing"], where)
    try:
        contract = Preprocessing.from_dict(values, where=where)
    except ContractError as error:
        raise ContractError(f"{error} {_AGAIN}") from error
    if not contract.label_names:
        raise ContractError(
            f"{path}: names no labels, so it cannot predict any. Fine-tune the model on a labelled "
            "corpus, and export the result."
        )
    return contract


def _read(text: str, where: str) -> Mapping[str, Any]:
    """An object of the metadata."""
    try:
        return json_object(text.encode(), where, ContractError)
    except ContractError as error:
        raise ContractError(f"{error} {_AGAIN}") from error


def _is_same(found: Any, expected: Any) -> bool:
    """Whether two values of the metadata are equal, numbers but for rounding."""
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(_is_same, found, expected))
    if isinstance(found, float | int) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=1e-6)
    return bool(found == expected)


def _channels(said: Mapping[str, str], path: Path) -> tuple[str, ...] | None:
    """The vocabulary that the metadata hold, if any."""
    if "channels" not in said:
        return None
    text = f'{{"channels": {said["channels"]}}}'
    names = _read(text, f"{path}: channels in its metadata")
    found = names["channels"]
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ContractError(f"{path}: channels in its metadata must be a list of names.")
    return tuple(found)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or repr(error)
    return " ".join(text.splitlines()[0].split())[:300].rstrip(".")
