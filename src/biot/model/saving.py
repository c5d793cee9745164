"""Writing a model: the files that braindecode opens too."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from biot.errors import CheckpointError, ConfigError, ContractError
from biot.io import atomic_folder
from biot.model.card import model_card
from biot.model.config import is_same_setting
from biot.preprocessing import FILE_NAME, Preprocessing, difference
from biot.provenance import PROVENANCE, Provenance

__all__ = ["CARD_NAME", "CONFIG_NAME", "WEIGHT_NAMES", "require_fit", "save_pretrained"]

CONFIG_NAME = "config.json"
WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")
"""What a model's weights are called, the preferred name first."""
CARD_NAME = "README.md"


def save_pretrained(
    model: Any,
    folder: Path,
    *,
    source: str | None = None,
    config: Any = None,
    preprocessing: Preprocessing | None = None,
    corpora: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    population: Mapping[str, str] | None = None,
    model_card_kwargs: Mapping[str, Any] | None = None,
    provenance: Provenance | None = None,
) -> Path:
    """Write a model into a folder; see :meth:`biot.BIOT.save_pretrained`.

    `source` is what the card tells people to open; by default the folder. The folder is the old
    one or the new one at any moment, and what else a person keeps in it stays.
    """
    from safetensors.torch import save

    if preprocessing is not None:
        require_fit(model, preprocessing)
    _require_same_config(model, config)
    # Not by save_file, whose error of a full disk is no OSError.
    weights = save(published_tensors(model), metadata={"format": "pt"})
    made = _provenance(model, provenance, hashlib.sha256(weights).hexdigest())
    card = model_card(
        model, source or folder.name, preprocessing=preprocessing, corpora=corpora,
        metrics=metrics, population=population, front_matter=model_card_kwargs or {},
        provenance=made,
    )  # fmt: skip
    ours = [CONFIG_NAME, *WEIGHT_NAMES, CARD_NAME, FILE_NAME, PROVENANCE]
    keeps_readme = _is_a_persons(folder / CARD_NAME)
    if keeps_readme:
        ours.remove(CARD_NAME)
    with atomic_folder(folder, ours=ours) as partial:
        (partial / WEIGHT_NAMES[0]).write_bytes(weights)
        made.save(partial)
        (partial / CONFIG_NAME).write_text(_config_text(model), encoding="utf-8")
        if not keeps_readme:
            (partial / CARD_NAME).write_text(card, encoding="utf-8")
        if preprocessing is not None:
            preprocessing.save(partial)
    return folder


def _provenance(model: Any, given: Provenance | None, weights: str) -> Provenance:
    """Who the model is: as it is told, as it was opened, or made now."""
    known = given or getattr(model, "provenance", None) or Provenance.of_now("save_pretrained")
    found: Provenance = known.of_weights(weights)
    return found


def _is_a_persons(readme: Path) -> bool:
    """Whether a README is no model card, whose front matter names the library."""
    if not readme.is_file():
        return False
    text = readme.read_text(encoding="utf-8", errors="replace")
    return not (text.startswith("---") and "library_name:" in text)


def _config_text(model: Any) -> str:
    """The configuration as text; unknown positions are NaN, as braindecode writes and reads them.

    NaN is no JSON, but null would come back there as an array of objects. Nothing else is NaN.
    """
    config = model.get_config()
    json.dumps(config, allow_nan=False)
    for info in config.get("chs_info") or ():
        if isinstance(info.get("loc"), list):
            info["loc"] = [float("nan") if value is None else value for value in info["loc"]]
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _require_same_config(model: Any, config: Any) -> None:
    """Refuse a configuration, given beside the model, that is not the model's."""
    given = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    own = model.get_config()
    for name, value in (given or {}).items():
        if name.endswith("_version"):
            continue
        if name not in own:
            warnings.warn(
                f"config: {name} is no setting of {type(model).__name__} and is not written; "
                "config.json holds the model's own configuration.",
                UserWarning,
                stacklevel=4,
            )
        elif not is_same_setting(value, own[name]):
            raise ConfigError(
                f"config says {name}={value!r}, the model has {own[name]!r}. The configuration is "
                "the model's own: leave config out, or build the model with these settings."
            )


def published_tensors(model: Any) -> dict[str, Tensor]:
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


def _require_own_parameters(model: Any) -> None:
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


def require_fit(
    model: Any, preprocessing: Preprocessing, *, labelled: bool = False, where: Path | None = None
) -> None:
    """Raise unless a model can have been trained on windows that were made so.

    The one check that a model and a ``preprocessing.json`` belong together, when they are saved,
    opened and scored. The hop of tokens is the model's alone; no contract says it.

    Parameters
    ----------
    model, preprocessing
        The two that are to belong together.
    labelled
        Whether the outputs must have names.
    where
        Folder of the two, for the message.

    Raises
    ------
    ContractError
        If rate, length of a window, channels or number of outputs differ, or names are missing.
    """
    start = "" if where is None else f"{where}: "
    labels = preprocessing.label_names
    if labelled and not labels:
        raise ContractError(
            f"{start}The model's preprocessing.json names no classes, so it cannot predict any. "
            "Fine-tune it on a labelled corpus first."
        )
    for what, has, needs in (
        ("samples a second", model.sfreq, preprocessing.sfreq),
        ("samples a window", model.n_times, preprocessing.n_times),
        ("channels", model.n_chans, preprocessing.n_chans),
        ("outputs", model.n_outputs, model.n_outputs if labels is None else len(labels)),
    ):
        if has != needs:
            named = f" Its labels: {', '.join(labels)}." if what == "outputs" and labels else ""
            raise ContractError(
                f"{start}Model and preprocessing.json differ: the model has {has:g} {what}, "
                f"preprocessing.json says {needs:g}.{named} They do not belong together; use the "
                "two files of one training."
            )
    if model.channels is not None and model.channels != preprocessing.ch_names:
        how = difference("ch_names", preprocessing.ch_names, model.channels)
        raise ContractError(
            f"{start}Model and preprocessing.json differ: {how}. They do not belong together."
        )
