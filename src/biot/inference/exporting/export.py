"""`export_onnx`: a model as an ONNX file, for runtimes without PyTorch."""

from __future__ import annotations

import copy
from pathlib import Path

from biot.errors import CheckpointError, ConfigError, require
from biot.inference.exporting.facts import describe, facts_of
from biot.inference.exporting.graph import ScoresOnly, to_onnx
from biot.inference.exporting.session import require_same_scores
from biot.io import atomic_file, require_text_name
from biot.model.biot import BIOT
from biot.model.saving import require_fit
from biot.preprocessing import Preprocessing

__all__ = ["export_onnx", "require_packages"]


def export_onnx(
    model: BIOT,
    path: str | Path,
    *,
    preprocessing: Preprocessing | None = None,
    optional_inputs: bool = True,
) -> Path:
    """Write a model as an ONNX file that takes any batch, channels and length.

    The file computes ``scores``, float32 (batch, n_outputs), from ``x``, and from two inputs that
    may be left out:

    - ``x`` float32 (batch, n_chans, n_times), n_times ≥ n_fft; NaN is a missing sample;
    - ``channel_ids`` int64 (batch, n_chans): row of the vocabulary of each channel, −1 for
      absent, −2 for the row that is its own place. Without it: rows 0 to n_chans − 1;
    - ``valid`` bool like x: False is a missing sample. Without it: all that is not NaN is valid.

    Both may have the size 1 along any axis, which stands for all. The file does not check that each
    row comes once in a sample. A row that the model lacks is refused by ONNX Runtime; OpenVINO
    gives NaN for its sample. So do both for a number below −2.

    The graph is plain ONNX of opset 18 without a Fourier transform: ONNX Runtime, OpenVINO and
    ``onnxruntime.quantization`` read it. OpenVINO takes an input that has a value in the file for
    a constant, so that it knows ``x`` only; a channel that is NaN throughout is absent there. With
    `optional_inputs` False the file has no such values: all three inputs must be given, and
    OpenVINO takes them.

    What is missing takes part in nothing, as in :meth:`biot.BIOT.forward`; a sample without one
    whole token gives NaN. The file's metadata hold ``n_fft``, ``biot_version``, ``channels`` (the
    vocabulary, when it has names), and, when the contract is given, ``preprocessing``, ``labels``,
    ``probabilities`` (the formula that makes probabilities of the scores, as
    :class:`biot.decision.Decision` does), ``thresholds`` and ``temperature``, where there are
    any. Each is JSON.

    ONNX Runtime opens the file and repeats the model's scores before it gets its name.

    Parameters
    ----------
    model
        Of any precision and on any device; the file is float32. It is not changed.
    path
        File to write, usually ``model.onnx``; its folder must exist.
    preprocessing
        How the data were prepared that the model expects: rate, window, channels and outputs must
        be the model's.
    optional_inputs
        Whether ``x`` alone is enough; False for OpenVINO with ``channel_ids`` and ``valid``.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MissingDependencyError
        If onnx, onnxscript or onnxruntime is not installed.
    ContractError
        If `preprocessing` is not of this model; nothing is written.
    CheckpointError
        If a weight is NaN or infinite, or ONNX Runtime computes other scores than the model;
        nothing is written.
    """
    require_packages()
    path = Path(path)
    require_text_name(path, ConfigError)
    if preprocessing is not None:
        require_fit(model, preprocessing)
    _require_finite(model, path)
    scores = ScoresOnly(copy.deepcopy(model).cpu().float()).eval()
    proto = to_onnx(scores, optional_inputs=optional_inputs)
    describe(proto, facts_of(model, preprocessing))
    with atomic_file(path) as partial:
        partial.write_bytes(proto.SerializeToString())
        require_same_scores(scores, partial, path, optional=optional_inputs)
    return path


def require_packages() -> None:
    """Raise :class:`MissingDependencyError` unless the packages of the extra are installed."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, extra="export")


def _require_finite(model: BIOT, path: Path) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{path}: nothing was written, because {name} holds NaN or infinite weights: the "
                "training of the model diverged. Export another one."
            )
