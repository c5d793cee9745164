"""Writing a model: the files that braindecode opens too."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from biot.errors import CheckpointError, ContractError
from biot.model.card import model_card
from biot.preprocessing import FILE_NAME, Preprocessing

if TYPE_CHECKING:
    from biot.model.biot import BIOT

__all__ = ["CONFIG_NAME", "WEIGHT_NAMES", "save_pretrained"]

CONFIG_NAME = "config.json"
WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")
"""What a model's weights are called, the preferred name first."""


def save_pretrained(
    model: BIOT,
    folder: Path,
    *,
    source: str | None = None,
    preprocessing: Preprocessing | None = None,
    corpora: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
) -> Path:
    """Write a model into a folder; see :meth:`biot.BIOT.save_pretrained`.

    `source` is what the card tells people to open; by default the folder.
    """
    from safetensors.torch import save

    if preprocessing is not None:
        _require_fit(model, preprocessing)
    config = json.dumps(model.get_config(), indent=2, allow_nan=False, ensure_ascii=False)
    card = model_card(
        model, source or folder.name, preprocessing=preprocessing, corpora=corpora, metrics=metrics
    )
    tensors = published_tensors(model)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as name:
        partial = Path(name)
        # Not by save_file, whose error of a full disk is no OSError.
        (partial / WEIGHT_NAMES[0]).write_bytes(save(tensors, metadata={"format": "pt"}))
        (partial / CONFIG_NAME).write_text(config + "\n", encoding="utf-8")
        (partial / "README.md").write_text(card, encoding="utf-8")
        if preprocessing is not None:
            preprocessing.save(partial)
        else:  # an earlier model's would not be true of this one
            (folder / FILE_NAME).unlink(missing_ok=True)
        for file in sorted(partial.iterdir()):
            file.replace(folder / file.name)
    return folder


def published_tensors(model: BIOT) -> dict[str, Tensor]:
    """Every weight, and the table of positions that braindecode expects, by name.

    Raises
    ------
    CheckpointError
        If a weight is NaN or infinite, or no file of a BIOT model could hold the parameters.
    """
    _require_own_parameters(model)
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{name} holds NaN or infinite weights: the training diverged. Nothing was saved."
            )
    return tensors


def _require_own_parameters(model: BIOT) -> None:
    """Refuse what would not load again: adapters, parametrised, shared or replaced layers."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its maker was told of deprecated settings
        expected = type(model).from_config(model.get_config())
    wanted = {name: parameter.shape for name, parameter in expected.named_parameters()}
    found = {name: parameter.shape for name, parameter in model.named_parameters()}
    differing = sorted(name for name, _ in wanted.items() ^ found.items())
    if differing:
        raise CheckpointError(
            f"The model's parameters are not those of its configuration: {differing[0]}"
            f"{f' and {len(differing) - 1} more' * (len(differing) > 1)}. Nothing was saved. Merge "
            "adapters first (PEFT: merge_and_unload()), and undo other changes of layers."
        )
    dtypes = {parameter.dtype for parameter in model.parameters()}
    if len(dtypes) > 1:
        raise CheckpointError(
            f"The weights are of several types: {', '.join(sorted(map(str, dtypes)))}. Nothing was "
            "saved; a file holds one: model.to(dtype)."
        )


def _require_fit(model: BIOT, preprocessing: Preprocessing) -> None:
    """A contract for another rate, or other classes, must not be kept beside a model."""
    if preprocessing.sfreq != model.sfreq:
        raise ContractError(
            f"The preprocessing is for {preprocessing.sfreq:g} Hz, "
            f"the model for {model.sfreq:g} Hz."
        )
    labels = preprocessing.label_names
    if labels is not None and len(labels) != model.n_outputs:
        raise ContractError(
            f"The preprocessing names {len(labels)} classes ({', '.join(labels)}), the model has "
            f"{model.n_outputs} outputs. Give preprocessing.with_labels(names)."
        )
