"""Runs with other forms of token: whose statistics they have, and that they resume exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from biot import BIOT
from biot.cli import main
from biot.corpus import from_arrays, load_corpus
from biot.corpus.batch import collate
from biot.sklearn import BIOTClassifier, BIOTTransformer
from biot.training import finetune
from biot.training.pretraining.pretrain import pretrain
from biot.training.trainer import Trainer

STATISTICS = ("spectrum_mean", "spectrum_std", "spectrum_floor", "wave_scale")
SMALL: dict[str, Any] = {"embed_dim": 16, "num_heads": 2, "num_layers": 1, "device": "cpu"}


class Killed(BaseException):
    """Ends a run at once, as no error of ours would."""


def kill_at(step: int, patched: pytest.MonkeyPatch) -> None:
    train = Trainer._train_on

    def train_until(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == step:
            raise Killed

    patched.setattr(Trainer, "_train_on", train_until)


def fitted(model: BIOT, batch: Any) -> dict[str, torch.Tensor]:
    """The statistics of a batch, by a fresh model like this one."""
    fresh = BIOT.from_config(model.get_config())
    fresh.fit_spectrum([(batch.signal, batch.channel_ids)])
    return {name: getattr(fresh.encoder.patch_embedding, name) for name in STATISTICS}


def test_fine_tuning_standardises_by_training_windows_and_resumes(
    wave_corpus, tiny_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = tiny_config(spectrum="log+wave", epochs=2, checkpoint_every=2)
    finetune(wave_corpus.path, tmp_path / "whole", config=config)
    with monkeypatch.context() as patched:
        kill_at(5, patched)
        with pytest.raises(Killed):
            finetune(wave_corpus.path, tmp_path / "run", config=config)
    finetune(wave_corpus.path, tmp_path / "run", config=config)
    weights = "model/model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    model = BIOT.from_pretrained(tmp_path / "run" / "model")
    assert model.spectrum == "log+wave"
    assert model.encoder.patch_embedding.wave_projection.weight.any()  # it learned
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    subjects = about["split"]["train"]["subjects"]
    train = np.flatnonzero(np.isin(wave_corpus.subjects, subjects))
    expected = fitted(model, collate(wave_corpus, train, vocabulary=model.channels))
    for name, values in expected.items():
        assert torch.allclose(getattr(model.encoder.patch_embedding, name), values, rtol=1e-5)


def test_a_run_begun_with_magnitudes_goes_on_with_them_to_the_same_bits(
    wave_corpus, tiny_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = tiny_config(epochs=1, checkpoint_every=2)
    magnitudes = replace(config, spectrum="magnitude")
    finetune(wave_corpus.path, tmp_path / "whole", config=magnitudes)
    with monkeypatch.context() as patched:
        kill_at(3, patched)
        with pytest.raises(Killed):
            finetune(wave_corpus.path, tmp_path / "run", config=magnitudes)
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "spectrum" not in told["what"]["config"]  # as earlier versions wrote it
    with pytest.warns(UserWarning, match="was begun with tokens of the form 'magnitude'"):
        finetune(wave_corpus.path, tmp_path / "run", config=config)
    weights = "model/model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()


@pytest.mark.parametrize("options", [[], ["--folds", "3"]])
def test_what_one_token_a_channel_cannot_see_is_told_once_and_at_the_start(
    wave_corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
):
    small = ["--embed-dim", "8", "--num-heads", "2", "--num-layers", "1", "--epochs", "1"]
    run = ["finetune", str(wave_corpus.path), "--out", str(tmp_path / "run"), *small, *options]
    assert main([*run, "--n-fft", "100", "--device", "cpu", "--no-baseline"]) == 0
    told = "A window is one token of each channel (n_fft 100 of 100 samples)"
    out, err = capsys.readouterr()
    assert told not in out
    assert err.count(told) == 1
    assert err.index(told) < err.index("fold 1" if options else "epoch 1")
    notes = json.loads((tmp_path / "run" / "metrics.json").read_text())["notes"]
    assert sum(note.startswith(told) for note in notes) == 1


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two of different channels and lengths; some samples are missing."""
    folder, rng = tmp_path_factory.mktemp("corpora"), np.random.default_rng(0)
    made = {"wake": (("Fz", "Cz"), 100), "sleep": (("Cz", "Pz"), 150)}
    for name, (ch_names, n_times) in made.items():
        X = rng.normal(size=(24, 2, n_times)).cumsum(-1)
        X[:3, 0, :60] = np.nan
        subjects = [f"{name}{index // 6}" for index in range(24)]
        from_arrays(
            X, [f"{name}{k % 2}" for k in range(24)], subject=subjects,
            sfreq=50.0, ch_names=ch_names, units="µV", out=folder / name,
        )  # fmt: skip
    return [folder / name for name in made]


@pytest.mark.parametrize("objective", ["contrastive", "supervised", "masked"])
def test_pretraining_standardises_each_channel_and_resumes(
    objective: str, corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings: dict[str, Any] = {
        **SMALL, "spectrum": "log+wave", "objective": objective, "steps": 6, "batch_size": 8,
        "checkpoint_every": 2, "workers": 0, "ema": 0.9,
    }  # fmt: skip
    assert pretrain(corpora, tmp_path / "whole", **settings)
    with monkeypatch.context() as patched:
        kill_at(3, patched)
        with pytest.raises(Killed):
            pretrain(corpora, tmp_path / "run", **settings)
    assert pretrain(corpora, tmp_path / "run", **settings)
    weights = "model/model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    model = BIOT.from_pretrained(tmp_path / "run" / "model")
    embedding = model.encoder.patch_embedding
    assert not model.needs_spectrum
    only_sleep = load_corpus(corpora[1])
    batch = collate(only_sleep, np.arange(24), vocabulary=model.channels)
    pz = (model.channels or ()).index("PZ")
    for name, values in fitted(model, batch).items():
        assert torch.allclose(getattr(embedding, name)[pz], values[pz], rtol=1e-4), name


def test_estimators_standardise_by_what_they_are_fitted_to():
    X = np.random.default_rng(0).normal(size=(60, 2, 150)).cumsum(-1).astype(np.float32)
    y = np.arange(60) % 2
    asked: dict[str, Any] = {**SMALL, "sfreq": 50, "ch_names": ["C3", "C4"], "spectrum": "log+wave"}
    classifier = BIOTClassifier(epochs=1, **asked).fit(X, y)
    assert classifier.model_.spectrum == "log+wave"
    assert not classifier.model_.needs_spectrum
    transformer = BIOTTransformer(**asked).fit(X)
    model = BIOT.from_config(transformer.model_.get_config())
    model.fit_spectrum(transformer.signal_of(X))
    for name in STATISTICS:
        found, expected = (getattr(m.encoder.patch_embedding, name)
                           for m in (transformer.model_, model))  # fmt: skip
        assert torch.allclose(found, expected, rtol=1e-5)
    assert np.isfinite(transformer.transform(X)).all()


def test_a_classifier_standardises_by_what_windows_count():
    X = np.random.default_rng(0).normal(size=(60, 2, 150)).cumsum(-1).astype(np.float32)
    y, weight = np.arange(60) % 2, np.repeat([1.0, 2.0, 0.0], 20)
    asked: dict[str, Any] = {
        **SMALL, "sfreq": 50, "ch_names": ["C3", "C4"], "spectrum": "log", "epochs": 1,
        "valid_share": 0,
    }  # fmt: skip
    weighted = BIOTClassifier(**asked).fit(X, y, sample_weight=weight)
    times = np.arange(60).repeat(weight.astype(int))
    repeated = BIOTClassifier(**asked).fit(X[times], y[times])
    for name in ("spectrum_mean", "spectrum_std", "spectrum_floor"):
        found, expected = (getattr(m.model_.encoder.patch_embedding, name)
                           for m in (weighted, repeated))  # fmt: skip
        assert torch.allclose(found, expected, rtol=1e-5), name
