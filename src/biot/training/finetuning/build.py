"""The model that a run trains: fresh, or pretrained with a fresh head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from biot.errors import ConfigError, ContractError, counted, listed
from biot.model.biot import BIOT
from biot.model.config import token_lengths
from biot.model.saving import require_fit
from biot.preprocessing import FILE_NAME, Preprocessing
from biot.signals.channels import canonical
from biot.training.finetuning.config import FinetuneConfig
from biot.training.settings import SPECTRUM

__all__ = [
    "blind_spots",
    "build_model",
]

FROM_SCRATCH = {
    "embed_dim": 128,
    "num_heads": 8,
    "num_layers": 4,
    "drop_prob": 0.0,
    "att_layer_drop_prob": 0.0,
    "spectrum": SPECTRUM,
}
"""Settings of a fresh model that the config leaves open."""


def build_model(
    config: FinetuneConfig, contract: Preprocessing, *, from_model: Path | None
) -> BIOT:
    """A model for the windows and classes of a contract, its head drawn from torch's generator.

    Raises
    ------
    ContractError
        If the pretrained model is for other data.
    ConfigError
        If the config asks for another architecture than the pretrained model's.
    CheckpointError
        If the pretrained model does not load completely.
    """
    if from_model is None:
        return _fresh(config, contract)
    return _pretrained(config, contract, from_model)


def blind_spots(model: BIOT, from_model: Path | None) -> tuple[str, ...]:
    """What a fresh model cannot see, where a window is one token of each channel."""
    if from_model is not None or model.encoder.n_tokens(model.n_times) > 1:
        return ()
    told = (
        f"A window is one token of each channel (n_fft {model.n_fft} of {model.n_times} samples), "
        "so the model sees no order of tokens in time. Shorter tokens show it (--n-fft, n_fft)"
    )
    if not model.spectrum.endswith("+wave"):
        told += (
            "; magnitudes alone do not tell a signal from its negative, or where in the token "
            f"something happens: spectrum {model.spectrum}+wave does (--spectrum, spectrum)"
        )
    return (f"{told}.",)


def _fresh(config: FinetuneConfig, contract: Preprocessing) -> BIOT:
    settings: dict[str, Any] = {
        name: default if getattr(config, name) is None else getattr(config, name)
        for name, default in FROM_SCRATCH.items()
    }
    n_fft, hop_length = token_lengths(
        config.n_fft, config.hop_length, sfreq=contract.sfreq, shortest=contract.n_times
    )
    return BIOT(
        n_outputs=len(contract.label_names or ()),
        n_chans=contract.n_chans,
        channels=contract.ch_names,
        n_times=contract.n_times,
        sfreq=contract.sfreq,
        n_fft=n_fft,
        hop_length=hop_length,
        **settings,
    )


def _pretrained(config: FinetuneConfig, contract: Preprocessing, source: Path) -> BIOT:
    if (source / FILE_NAME).is_file():
        trained = Preprocessing.load(source)
        require_fit(BIOT.from_pretrained(source), trained, where=source)
        _require_same_making(contract, trained, source)
    asked = {
        name: getattr(config, name)
        for name in ("drop_prob", "att_layer_drop_prob", "spectrum")
        if getattr(config, name) is not None
    }
    n_outputs = len(contract.label_names or ())
    model = BIOT.from_pretrained(
        source,
        n_outputs=n_outputs,
        n_times=contract.n_times,
        input_window_seconds=None,
        return_feature=False,
        **asked,
    )
    _require_same_architecture(config, model, source)
    _require_same_signal(contract, model, source)
    if model.channels is not None and model.channels != contract.ch_names:
        model.pick_channels(contract.ch_names)
    model.reset_head(n_outputs)
    return model


def _require_same_making(contract: Preprocessing, trained: Preprocessing, source: Path) -> None:
    """Windows must be made alike; they may have other labels, lengths and fewer channels."""
    alike = replace(
        trained.with_labels(None), task=contract.task, window=contract.window,
        ch_names=contract.ch_names, units=contract.units,
    )  # fmt: skip
    alike.require_same(contract, where="The corpus")
    known = {canonical(n): u for n, u in zip(trained.ch_names, trained.units, strict=True)}
    for name, unit in zip(contract.ch_names, contract.units, strict=True):
        expected = known.get(canonical(name), unit)
        if unit != expected:
            raise ContractError(
                f"{name} is in {unit!r} in the corpus, {source} was trained with {expected!r}. "
                "Correct the recordings' units and prepare the corpus again."
            )


def _require_same_architecture(config: FinetuneConfig, model: BIOT, source: Path) -> None:
    for name in ("embed_dim", "num_heads", "num_layers", "n_fft", "hop_length"):
        asked, has = getattr(config, name), getattr(model, name)
        if asked is not None and asked != has:
            raise ConfigError(
                f"{name}={asked} was asked for, but {source} has {has}. Leave {name} out, or "
                "train from scratch."
            )


def _require_same_signal(contract: Preprocessing, model: BIOT, source: Path) -> None:
    """What is known of a model that came without a contract must agree with the corpus."""
    if model.sfreq != contract.sfreq:
        raise ContractError(
            f"{source} is for {model.sfreq:g} Hz, the corpus has {contract.sfreq:g} Hz. "
            f"Prepare the corpus with --sfreq {model.sfreq:g}."
        )
    if model.channels is None:
        if model.n_chans != contract.n_chans:
            raise ContractError(
                f"{source} knows {counted(model.n_chans, 'channel')} without names, the corpus has "
                f"{contract.n_chans}: {listed(contract.ch_names)}. Prepare the corpus with the "
                "model's channels."
            )
        return
    known = {canonical(name) for name in model.channels}
    unknown = [name for name in contract.ch_names if canonical(name) not in known]
    if unknown:
        raise ContractError(
            f"{source} does not know {listed(unknown)} of the corpus; it has the channels "
            f"{listed(model.channels)}. Prepare the corpus with some of these."
        )
