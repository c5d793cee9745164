"""`biot pretrain`, called as a user calls it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from biot.cli import main
from biot.errors import ConfigError
from biot.signals.channels import PREST_16
from biot.training import PretrainConfig

GIVEN: dict[str, Any] = {
    "rotation": 5.0,
    "objective": "supervised", "steps": 7, "batch_size": 9, "seed": 5, "checkpoint_every": 3,
    "log_every": 2, "embed_dim": 32, "num_heads": 4, "num_layers": 3, "n_fft": 64,
    "hop_length": 16, "drop_prob": 0.0, "att_layer_drop_prob": 0.3, "temperature": 0.5,
    "perturbation": "authors", "class_loss": "focal", "focal_gamma": 1.0,
    "mixing_temperature": 2.0, "learning_rate": 0.01, "warmup": 0.0, "weight_decay": 0.0,
    "clip_norm": 2.0, "ema": 0.99, "micro_batch_size": 3, "device": "cpu", "devices": 2,
    "nodes": 3, "precision": "bf16", "strategy": "ddp", "workers": 4,
    "valid_share": 0.2, "valid_every": 5, "patience": 2, "negatives": "all",
    "spectrum": "log", "weights_license": "cc-by-4.0",
}  # fmt: skip
MASKED: dict[str, Any] = {
    "objective": "masked", "mask_share": 0.5, "spread_weight": 0.1, "spectrum_weight": 0.5,
}  # fmt: skip
SWITCHES = {"symmetric": True, "cache_gradients": True, "compile": True, "tensorboard": True}


def test_every_field_of_the_config_is_an_option_with_its_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    seen: list[Any] = []

    def stand_in(*_: Any, config: PretrainConfig, **__: Any) -> bool:
        seen.append(config)
        return True

    monkeypatch.setattr("biot.training.pretraining.pretrain.pretrain", stand_in)
    words = [w for n, v in GIVEN.items() for w in (f"--{n.replace('_', '-')}", str(v))]
    words += [f"--{name.replace('_', '-')}" for name in SWITCHES] + ["--own-negatives"]
    assert main(["pretrain", "corpus", "--out", "run"]) == 0
    assert main(["pretrain", "corpus", "--out", "run", *words]) == 0
    masked = [w for n, v in MASKED.items() for w in (f"--{n.replace('_', '-')}", str(v))]
    assert main(["pretrain", "corpus", "--out", "run", *masked]) == 0
    others = {**GIVEN, **SWITCHES, "gather_negatives": False}
    assert {*others, *MASKED} == {field.name for field in fields(PretrainConfig)}
    assert seen == [PretrainConfig(), PretrainConfig(**others), PretrainConfig(**MASKED)]
    assert "model -> run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("objective", "name", "value", "of"),
    [
        ("contrastive", "mask_share", 0.3, "masked"),
        ("supervised", "spread_weight", 0.3, "masked"),
        ("contrastive", "spectrum_weight", 0.3, "masked"),
        ("masked", "negatives", "recording", "contrastive"),
        ("supervised", "negatives", "recording", "contrastive"),
        ("masked", "temperature", 0.5, "contrastive"),
        ("masked", "perturbation", "authors", "contrastive"),
        ("masked", "rotation", 5.0, "contrastive"),
        ("masked", "symmetric", True, "contrastive"),
        ("masked", "class_loss", "focal", "supervised"),
    ],
)
def test_a_setting_of_another_objective_is_refused_by_its_option(
    objective, name, value, of, tmp_path, capsys
):
    option = f"--{name.replace('_', '-')}"
    with pytest.raises(ConfigError, match=rf"^{name} \({option}\) is of the {of} objective"):
        PretrainConfig(objective=objective, **{name: value})
    given = [option] if value is True else [option, str(value)]
    words = ["pretrain", "corpus", "--out", str(tmp_path / "run"), "--objective", objective]
    assert main([*words, *given]) == 1
    said = capsys.readouterr().err
    told = rf"{option}\)? is of the {of} objective; the objective is {objective}\."
    assert re.search(told, said)
    assert "Leave it out, or choose that objective (--objective)." in said
    assert not (tmp_path / "run").exists()


def test_own_negatives_are_refused_without_negatives():
    with pytest.raises(ConfigError, match=r"gather_negatives \(--own-negatives\) is of the contr"):
        PretrainConfig(objective="masked", gather_negatives=False)


def test_the_vocabulary_is_names_with_commas_or_a_published_one(monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    monkeypatch.setattr(
        "biot.training.pretraining.pretrain.pretrain",
        lambda *_, channels, **__: seen.append(channels),
    )
    for words in ([], ["--channels", "C3, Cz"], ["--channels", "prest-16"]):
        main(["pretrain", "corpus", "--out", "run", *words])
    assert seen == [None, ["C3", "Cz"], list(PREST_16)]


def test_a_sigterm_exits_as_one_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("biot.training.pretraining.pretrain.pretrain", lambda *_, **__: False)
    assert main(["pretrain", "corpus", "--out", "run"]) == 143
    assert "resumes:\n  biot pretrain corpus --out run" in capsys.readouterr().out


def test_a_corpus_that_is_not_there_leaves_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["pretrain", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 1
    assert "is not a folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"objective": "magic"},
            "objective must be one of contrastive, supervised, masked; got 'magic'",
        ),
        ({"steps": 0}, "steps must be 1 or more, got 0"),
        ({"steps": 2.5}, r"steps must be a whole number, 1 or more, got 2\.5"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"ema": 1.0}, "ema must be 0 or more and below 1"),
        ({"batch_size": 1}, "a window needs others to differ from"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        PretrainConfig(**change)
