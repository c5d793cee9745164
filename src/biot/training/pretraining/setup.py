"""What a pretraining run is made of: corpora, contract, model and objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from biot.corpus.batch import Batch, collate
from biot.corpus.corpora import Corpora
from biot.corpus.leakage import SeenData
from biot.corpus.load import load_corpus
from biot.errors import ConfigError, ContractError
from biot.evaluation.metrics import Ints
from biot.model.biot import BIOT
from biot.model.config import token_lengths
from biot.model.signal import distinct_names
from biot.preprocessing import Preprocessing
from biot.signals.channels import canonical
from biot.training.datasets import spread_rows
from biot.training.gradients import Sizer
from biot.training.pretraining.config import PretrainConfig
from biot.training.pretraining.contrastive import ContrastiveModel, ContrastiveObjective
from biot.training.pretraining.hidden import Hiding
from biot.training.pretraining.masked import MaskedModel, MaskedObjective, fit_residual
from biot.training.pretraining.objective import PretrainObjective
from biot.training.pretraining.probe import FeatureProbe, probed_corpora
from biot.training.pretraining.supervised import HeadSpec, SupervisedModel, SupervisedObjective
from biot.training.pretraining.validation import validation_batches
from biot.training.pretraining.views import Perturbation, Turning, sensors
from biot.training.run import made_by

__all__ = [
    "RUN_LENGTH",
    "PretrainParts",
    "build_parts",
    "open_corpora",
    "recording_codes",
    "save_models",
]


RUN_LENGTH = 8
"""Windows of one recording that follow each other, where negatives are of the same recording."""


_SAMPLED, _SAMPLED_AT_ONCE = 512, 16
"""Windows from which statistics of the training windows are taken."""


@dataclass(frozen=True, kw_only=True)
class PretrainParts:
    """Model, objective, and the contract that the model is saved with."""

    model: BIOT
    """Its encoder is what the task trains."""
    contract: Preprocessing
    """Of the model, without labels."""
    specs: tuple[HeadSpec, ...]
    """Heads of the supervised objective; else none."""
    objective: PretrainObjective

    def to_dict(self) -> dict[str, Any]:
        """For ``run.json``."""
        heads = {spec.name: list(spec.label_names) for spec in self.specs}
        return {**self.model.get_config(), **({"heads": heads} if heads else {})}


def open_corpora(paths: Sequence[Path | str], sfreq: float | None) -> Corpora:
    """Corpora as one; those of another rate are resampled to `sfreq`, if it is given.

    Raises
    ------
    ContractError
        If they do not go together: without `sfreq`, of different rates.
    """
    if not paths:
        raise ConfigError("No corpus was given; pretraining needs one or more.")
    parts = [load_corpus(path) for path in paths]
    if sfreq is None and len({part.preprocessing.sfreq for part in parts}) > 1:
        rates = ", ".join(f"{part.path} {part.preprocessing.sfreq:g} Hz" for part in parts)
        raise ContractError(
            f"The corpora have different rates: {rates}. Give the rate to resample their windows "
            "to with --sfreq (sfreq=), or prepare them alike."
        )
    return Corpora.of(parts, resample=sfreq is not None, sfreq=sfreq)


def build_parts(
    config: PretrainConfig,
    data: Corpora,
    channels: Sequence[str] | None,
    *,
    train: npt.NDArray[np.bool_] | None = None,
    held_out: Ints | None = None,
    on_gpu: bool = False,
) -> PretrainParts:
    """A fresh model and its objective, drawn from torch's generator.

    `train` says which windows are trained on (None: all), also those that log spectra are
    standardised by; `held_out` are the rows that validate.

    Raises
    ------
    ConfigError
        If the model does not fit the windows, or labels do not suffice.
    """
    vocabulary = distinct_names(data.ch_names if channels is None else channels)
    for number in range(len(data.parts)):  # before anything is written: do the channels meet?
        first = np.flatnonzero(data.corpus_ids == number)[:1]
        collate(data, first, vocabulary=vocabulary, empty="keep")
    rows = np.array([], dtype=np.int64) if held_out is None else held_out
    by_probe = bool(config.valid_share) and config.objective != "supervised"
    probed = probed_corpora(data, rows, config.seed) if by_probe else ()
    specs = _head_specs(data) if config.objective == "supervised" else ()
    contract = _contract(data, vocabulary)
    shortest = min(part.preprocessing.window for part in data.parts) * contract.sfreq
    n_fft, hop_length = token_lengths(
        config.n_fft, config.hop_length, sfreq=contract.sfreq, shortest=round(shortest)
    )
    model = BIOT(
        n_outputs=1,  # pretraining has no use for the head; fine-tuning replaces it
        n_chans=len(vocabulary),
        channels=vocabulary,
        n_times=contract.n_times,
        sfreq=contract.sfreq,
        n_fft=n_fft,
        hop_length=hop_length,
        embed_dim=config.embed_dim,
        num_heads=config.num_heads,
        num_layers=config.num_layers,
        drop_prob=config.drop_prob,
        att_layer_drop_prob=config.att_layer_drop_prob,
        spectrum=config.spectrum_from_scratch,
    )
    if model.needs_spectrum:
        _fit_spectrum(model, data, train)

    def batches(rows: Ints) -> Iterator[Batch]:
        return validation_batches(data, rows, config, model)

    objective = _objective(config, model, specs, lambda: batches(rows), on_gpu)
    if probed:
        objective.probe = FeatureProbe(data, probed, model.encoder, batches, config.seed)
    if isinstance(objective, ContrastiveObjective) and config.negatives == "recording":
        objective.recordings = torch.from_numpy(recording_codes(data))
    if isinstance(objective, MaskedObjective):
        _require_several_tokens(data, model)
        fit_residual(objective.module, _sample(data, train, model, config.seed))
    return PretrainParts(model=model, contract=contract, specs=specs, objective=objective)


def _fit_spectrum(model: BIOT, data: Corpora, train: npt.NDArray[np.bool_] | None) -> None:
    """Set the statistics of log spectra from windows of all corpora."""
    rows = np.flatnonzero(np.ones(len(data), dtype=bool) if train is None else train)
    rows = rows[spread_rows(len(rows), model.n_chans, model.n_times)]
    parts = [collate(data, rows[i : i + 64], vocabulary=model.channels, empty="keep")
             for i in range(0, len(rows), 64)]  # fmt: skip
    long_enough = [part for part in parts if part.signal.shape[2] >= model.n_fft]
    model.fit_spectrum([(part.signal, part.channel_ids) for part in long_enough])


def _objective(
    config: PretrainConfig,
    model: BIOT,
    specs: tuple[HeadSpec, ...],
    held_out: Callable[[], Iterator[Batch]],
    on_gpu: bool,
) -> PretrainObjective:
    shared: dict[str, Any] = {
        "micro_batch": _micro_batch(config, model, on_gpu),
        "first_warning": math.ceil(config.warmup * config.steps),
    }
    if config.objective == "supervised":
        return SupervisedObjective(
            **shared,
            module=SupervisedModel(model.encoder, specs),
            held_out=held_out,
            specs=specs,
            gamma=config.focal_gamma if config.class_loss == "focal" else 0.0,
        )
    sizes: dict[str, Any] = {
        "seed": config.seed,
        "n_channels": model.n_chans,
        "n_tokens": model.encoder.n_tokens(model.n_times),
    }
    if config.objective == "masked":
        return MaskedObjective(
            **shared,
            module=MaskedModel(model.encoder, config.num_heads, config.mask_share),
            hiding=Hiding(**sizes),
            spread_weight=config.spread_weight,
            spectrum_weight=config.spectrum_weight,
            cached=config.cache_gradients,
        )
    return _contrastive(config, model, Perturbation(kind=config.perturbation, **sizes), shared)


def _contrastive(
    config: PretrainConfig, model: BIOT, perturbation: Perturbation, shared: Mapping[str, Any]
) -> PretrainObjective:
    found = sensors(model.channels or ()) if config.rotation else []
    if config.rotation and not found:
        raise ConfigError(
            "rotation turns sensors of three axes, but no three channels are the x, y and z of an "
            f"accelerometer, gyroscope or magnetometer: {', '.join(model.channels or ())}. "
            "Leave rotation out."
        )
    return ContrastiveObjective(
        **shared,
        module=ContrastiveModel(model.encoder, found),
        perturbation=perturbation,
        turning=Turning(degrees=config.rotation, seed=config.seed) if found else None,
        temperature=config.temperature,
        symmetric=config.symmetric,
        gather=config.gather_negatives,
        cached=config.cache_gradients,
    )


def _require_several_tokens(data: Corpora, model: BIOT) -> None:
    """Raise ``ConfigError`` where the windows of a corpus have one token each, in one channel."""
    for name, part in zip(data.names, data.parts, strict=True):
        n_times = round(part.lengths.max() * model.sfreq / part.preprocessing.sfreq)
        if max(map(len, part.layouts)) == 1 and model.encoder.n_tokens(n_times) == 1:
            raise ConfigError(
                f"Corpus {name} has windows of one channel and one token (n_fft={model.n_fft} "
                "samples), of which the masked objective can hide nothing. Give a shorter n_fft "
                "(--n-fft), longer windows, or another objective."
            )


def recording_codes(data: Corpora) -> npt.NDArray[np.int64]:
    """(W,) number of each window's recording.

    Raises
    ------
    ConfigError
        If no recording has two windows to tell from each other.
    """
    codes = np.unique(data.recordings, return_inverse=True)[1].reshape(-1)
    if np.bincount(codes).max() < 2:
        raise ConfigError(
            "negatives 'recording' (--negatives) tells a window from others of its own recording, "
            "and every recording has one window only. Use negatives 'all', or shorter windows."
        )
    return codes


def _sample(
    data: Corpora, train: npt.NDArray[np.bool_] | None, model: BIOT, seed: int
) -> Iterator[Batch]:
    """Some training windows in small batches, the same ones for a seed."""
    rows = np.arange(len(data)) if train is None else np.flatnonzero(train)
    rows = np.random.default_rng([seed, 0]).permutation(rows)[:_SAMPLED]
    for start in range(0, len(rows), _SAMPLED_AT_ONCE):
        chosen = rows[start : start + _SAMPLED_AT_ONCE]
        yield collate(data, chosen, vocabulary=model.channels, empty="keep").scaled("cpu")


def _micro_batch(config: PretrainConfig, model: BIOT, on_gpu: bool) -> Sizer:
    if config.micro_batch_size is None and not on_gpu:
        return model.encoder.cached_batch_size
    most = config.micro_batch_size or config.batch_size
    return lambda n_chans, n_times: most


def _head_specs(data: Corpora) -> tuple[HeadSpec, ...]:
    place = {name: column for column, name in enumerate(data.label_names or ())}
    specs = []
    for name, part in zip(data.names, data.parts, strict=True):
        labels = tuple(part.preprocessing.label_names or ())
        specs.append(
            HeadSpec(
                name=name,
                task=part.preprocessing.task,
                label_names=labels,
                columns=tuple(place[label] for label in labels),
            )
        )
    return tuple(specs)


def _contract(data: Corpora, vocabulary: tuple[str, ...]) -> Preprocessing:
    """The corpora's contract with the model's channels."""
    common = data.preprocessing
    units = dict(zip(map(canonical, common.ch_names), common.units, strict=True))
    return replace(
        common,
        ch_names=vocabulary,
        # A bipolar channel that is derived has the unit of the others.
        units=tuple(units.get(canonical(name), common.units[0]) for name in vocabulary),
        label_names=None,
        task="classes",
        label_columns=("label",),
    )


def save_models(
    folder: Path, parts: PretrainParts, weights: Mapping[str, Tensor], data: Corpora,
    card_fields: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write ``model/``, and with heads ``heads/NAME/`` for each corpus, from trained weights."""
    population = {
        "Subjects": "; ".join(
            f"{name} {len(np.unique(part.subjects))}"
            for name, part in zip(data.names, data.parts, strict=True)
        )
    }
    encoder = {
        name.removeprefix("encoder."): value
        for name, value in weights.items()
        if name.startswith("encoder.")
    }
    seen = SeenData.of(data).by_checksum()
    made = made_by("pretrain", data.parts)
    outputs = {"model": None, **{f"heads/{spec.name}": spec for spec in parts.specs}}
    for number, (place, spec) in enumerate(outputs.items()):
        contract = parts.contract
        if spec is not None:
            contract = _contract_of(data.parts[number - 1].preprocessing, contract)
        model = BIOT.from_config({**parts.model.get_config(), "n_times": contract.n_times})
        model.encoder.load_state_dict(encoder)
        # Untrained, but drawn from the run's seed: a run that is repeated ends with the same file.
        model.final_layer.load_state_dict(parts.model.final_layer.state_dict())
        if spec is not None:
            model.reset_head(len(spec.label_names))
            start = f"heads.{number - 1}."
            head = {k.removeprefix(start): v for k, v in weights.items() if k.startswith(start)}
            model.final_layer.load_state_dict(head)
            model.pick_channels(contract.ch_names)
        model.save_pretrained(
            folder / place, preprocessing=contract, corpora=list(data.names),
            population=population, model_card_kwargs=card_fields, provenance=made,
        )  # fmt: skip
        seen.save(folder / place)


def _contract_of(own: Preprocessing, common: Preprocessing) -> Preprocessing:
    """One corpus's contract, at the common rate; with its own channels if the model knows them."""
    known = {canonical(name) for name in common.ch_names}
    knows_all = all(canonical(name) in known for name in own.ch_names)
    named = own if knows_all else common
    return replace(
        own.deciding(None), sfreq=common.sfreq, ch_names=named.ch_names, units=named.units
    )
