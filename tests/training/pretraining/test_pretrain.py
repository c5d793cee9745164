"""Pretraining runs: what they leave, and that they resume exactly, in one process or two."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from biot import BIOT
from biot.corpus import from_arrays, load_corpus
from biot.corpus.corpora import Corpora
from biot.errors import (
    ChannelError,
    CheckpointError,
    ConfigError,
    ContractError,
    CorpusError,
    MissingDependencyError,
)
from biot.io import sha256_of
from biot.locks import alone_on
from biot.preprocessing import Preprocessing
from biot.training import evaluate
from biot.training.checkpoint import MAGIC, Checkpoints
from biot.training.pretraining.config import PretrainConfig
from biot.training.pretraining.pretrain import pretrain
from biot.training.pretraining.supervised import SupervisedObjective
from biot.training.trainer import Trainer

TINY: dict[str, Any] = {
    "steps": 12, "batch_size": 8, "log_every": 3, "checkpoint_every": 4, "embed_dim": 16,
    "num_heads": 2, "num_layers": 1, "device": "cpu", "workers": 0,
}  # fmt: skip
OBJECTIVES = ("contrastive", "supervised", "masked")


class Killed(BaseException):
    """Ends a run at once, as no error of ours would."""


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two of different channels, lengths and classes; some samples are missing."""
    folder, rng = tmp_path_factory.mktemp("corpora"), np.random.default_rng(0)
    for name, ch_names, n_times, n_classes in (
        ("wake", ("Fz", "Cz"), 100, 2),
        ("sleep", ("Cz", "Pz", "Oz"), 150, 3),
    ):
        y = rng.integers(0, n_classes, 40)
        wave = np.sin(2 * np.pi * np.arange(n_times) / 50 * (4 + 6 * y[:, None, None]))
        X = rng.normal(size=(40, len(ch_names), n_times)) + 2 * wave
        X[:5, 0, :60] = np.nan
        from_arrays(
            X, [f"{name} {k}" for k in y], subject=[f"{name}{i // 10}" for i in range(40)],
            sfreq=50.0, ch_names=ch_names, units="µV", out=folder / name,
        )  # fmt: skip
    return [folder / "wake", folder / "sleep"]


def config(**changes: Any) -> PretrainConfig:
    return PretrainConfig(**(TINY | changes))


def last_state(run: Path) -> dict[str, Any]:
    content = sorted((run / "checkpoints").glob("*.ckpt"))[-1].read_bytes()
    state: dict[str, Any] = torch.load(io.BytesIO(content[len(MAGIC) + 32 :]), weights_only=True)
    return state


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["windows_per_second"]
    return rows


def require_same_end(found: Path, expected: Path) -> None:
    left, right = last_state(found), last_state(expected)
    assert all(torch.equal(left["weights"][name], w) for name, w in right["weights"].items())
    moments = right["optimizer"]["state"]
    assert all(
        torch.equal(left["optimizer"]["state"][key]["exp_avg_sq"], value["exp_avg_sq"])
        for key, value in moments.items()
    )
    assert history(found) == history(expected)
    weights = "model/model.safetensors"
    assert (found / weights).read_bytes() == (expected / weights).read_bytes()


@pytest.fixture(scope="module")
def undisturbed(
    corpora: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of a finished run of an objective."""
    folder, runs = tmp_path_factory.mktemp("runs"), {}

    def run(objective: str) -> Path:
        if objective not in runs:
            runs[objective] = folder / objective
            assert pretrain(corpora, runs[objective], config=config(objective=objective, ema=0.9))
        return runs[objective]

    return run


# what a run leaves ----------------------------------------------------------------------------


def test_the_model_opens_and_knows_every_channel(
    corpora: list[Path], undisturbed: Callable[[str], Path]
):
    run = undisturbed("contrastive")
    model = BIOT.from_pretrained(run / "model")
    assert model.provenance is not None
    assert model.provenance.made_by == "pretrain"
    assert [one.name for one in model.provenance.corpora] == [path.name for path in corpora]
    contract = Preprocessing.load(run / "model")
    assert model.channels == contract.ch_names == ("CZ", "FZ", "OZ", "PZ")
    assert (model.n_times, contract.n_times, contract.label_names) == (150, 150, None)
    seen = json.loads((run / "model" / "training_data.json").read_text())
    assert seen["subjects"] == [], "names are no evidence across corpora"
    names = {path.name for path in run.iterdir()}
    assert names == {"run.json", "history.csv", "curves.png", "checkpoints", "model"}


def test_the_run_explains_itself(corpora: list[Path], undisturbed: Callable[[str], Path]):
    run = undisturbed("contrastive")
    told = json.loads((run / "run.json").read_text())
    assert told["what"]["config"]["temperature"] == 0.2
    assert told["what"]["corpora"]["wake"]["n_windows"] == 40
    assert len(told["what"]["corpora"]["wake"]["fingerprint"]) == 16
    assert told["versions"]["torch"] == str(torch.__version__)
    assert told["paths"] == [os.path.relpath(path, run) for path in corpora]
    keys = {"what", "command", "settings", "paths", "versions", "git_revision", "files"}
    assert set(told) == {*keys, "changed", "notes"}


def test_supervised_gives_a_model_for_each_corpus(undisturbed: Callable[[str], Path]):
    run = undisturbed("supervised")
    wake, sleep = (BIOT.from_pretrained(run / "heads" / name) for name in ("wake", "sleep"))
    assert (wake.n_outputs, sleep.n_outputs) == (2, 3)
    names = ("sleep 0", "sleep 1", "sleep 2")
    contract = Preprocessing.load(run / "heads" / "sleep")
    assert set(contract.label_names or ()) == set(names)
    assert (wake.channels, sleep.channels) == (("Fz", "Cz"), ("Cz", "Pz", "Oz"))
    assert (wake.n_times, sleep.n_times, contract.window) == (100, 150, 3.0)
    rows = [model.encoder.channel_tokens.weight[i] for model, i in ((wake, 1), (sleep, 0))]
    assert torch.equal(*rows)  # both Cz


def test_the_model_of_a_head_is_evaluated_on_its_corpus(
    corpora: list[Path], undisturbed: Callable[[str], Path]
):
    head = undisturbed("supervised") / "heads" / "sleep"
    found = evaluate(head, corpora[1], n_bootstrap=0, allow_leakage=True, device="cpu")
    assert found.n_windows == 40


def test_tags_are_learned_too(tmp_path: Path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 1, 100)), rng.integers(0, 2, (24, 2))
    from_arrays(
        X, y, subject=["s"] * 24, sfreq=50.0, ch_names=["Cz"], units="µV", task="multilabel",
        label_names=("spike", "slow"), out=tmp_path / "tags",
    )  # fmt: skip
    pretrain([tmp_path / "tags"], tmp_path / "run", config=config(objective="supervised"))
    contract = Preprocessing.load(tmp_path / "run" / "heads" / "tags")
    assert (contract.task, contract.label_names) == ("multilabel", ("spike", "slow"))
    assert Preprocessing.load(tmp_path / "run" / "model").task == "classes"
    assert 0 < float(history(tmp_path / "run")[-1]["loss"]) < 2


def test_corpora_of_tags_and_of_classes_are_learned_together(corpora: list[Path], tmp_path: Path):
    rng = np.random.default_rng(0)
    for name, tags in (("tags", ("spike", "slow")), ("more", ("slow", "arc", "wax"))):
        X = rng.normal(size=(24, 1, 100)) * (2 if name == "more" else 1)
        from_arrays(
            X, rng.integers(0, 2, (24, len(tags))), subject=["s"] * 24, sfreq=50.0,
            ch_names=["Cz"], units="µV", task="multilabel", label_names=tags, out=tmp_path / name,
        )  # fmt: skip
    mixed = [corpora[0], tmp_path / "tags", tmp_path / "more"]
    for objective in OBJECTIVES:
        assert pretrain(mixed, tmp_path / objective, config=config(objective=objective))
    heads = tmp_path / "supervised" / "heads"
    tasks = [Preprocessing.load(heads / path.name).task for path in mixed]
    assert tasks == ["classes", "multilabel", "multilabel"]
    names = [n for n in last_state(tmp_path / "supervised")["weights"] if n.startswith("heads.")]
    assert {name.split(".")[1] for name in names} == {"0", "1", "2"}
    data = Corpora.of([load_corpus(path) for path in mixed])
    first = data.targets[0]
    assert np.nansum(first) == 1
    assert np.isnan(first).sum() == 4  # spike, slow, arc, wax


def test_channels_that_meet_nothing_are_told_before_anything_is_written(
    corpora: list[Path], tmp_path: Path
):
    with pytest.raises(ChannelError, match="No channel of the recording is in the vocabulary"):
        pretrain(corpora, tmp_path / "run", config=config(), channels=["Fz"])
    assert not (tmp_path / "run").exists()


def test_corpora_of_other_rates_are_resampled_on_request_and_refused_else(
    corpora: list[Path], tmp_path: Path
):
    X = np.random.default_rng(0).normal(size=(8, 2, 80))
    from_arrays(X, None, subject=["s"] * 8, sfreq=40.0, ch_names=["Cz", "Fz"], units="µV",
                out=tmp_path / "slow")  # fmt: skip
    mixed, settings = [corpora[0], tmp_path / "slow"], config(steps=2)
    with pytest.raises(ContractError, match=r"wake 50 Hz, .*slow 40 Hz\. .*--sfreq \(sfreq=\)"):
        pretrain(mixed, tmp_path / "run", config=settings)
    assert not (tmp_path / "run").exists()
    assert pretrain(mixed, tmp_path / "run", config=settings, sfreq=40)
    assert Preprocessing.load(tmp_path / "run" / "model").sfreq == 40


def test_what_nobody_could_use_is_refused():
    with pytest.raises(ConfigError, match="strategy must be one of auto, ddp; got 'fsdp'"):
        config(strategy="fsdp")
    with pytest.raises(ConfigError, match="precision must be one of 32, bf16, 16; got '64'"):
        config(precision="64")


def test_the_history_has_a_line_every_few_steps(undisturbed: Callable[[str], Path]):
    rows = history(undisturbed("supervised"))
    assert [int(row["step"]) for row in rows] == [3, 6, 9, 12]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())


def test_every_objective_learns(corpora: list[Path], tmp_path: Path):
    for objective in OBJECTIVES:
        settings = config(
            objective=objective, steps=80, learning_rate=5e-3, log_every=20, checkpoint_every=80,
            batch_size=16, drop_prob=0.0, att_layer_drop_prob=0.0,
        )  # fmt: skip
        pretrain(corpora, tmp_path / objective, config=settings)
        last = history(tmp_path / objective)[-1]
        assert (
            float(last["top1"])
            > {"contrastive": 3 / 16, "supervised": 0.7, "masked": 3 / 16}[objective]
        )


def test_a_collapse_is_told_once(
    corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("biot.training.pretraining.collapse.LOWEST_RANK", 1e9)
    with pytest.warns(UserWarning, match="Collapse at step 3: the effective rank is") as told:
        pretrain(corpora, tmp_path / "run", config=config())
    assert len(told) == 1


def test_tensorboard_shows_every_line_once(
    corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    save = Trainer._save

    def save_and_die(self: Trainer, source: Any) -> None:
        save(self, source)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_save", save_and_die)
        with pytest.raises(Killed):
            pretrain(corpora, tmp_path / "run", config=config(tensorboard=True))
    pretrain(corpora, tmp_path / "run", config=config(tensorboard=True))
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("loss")]
    expected = [(int(row["step"]), float(row["loss"])) for row in history(tmp_path / "run")]
    assert [step for step, _ in shown] == [step for step, _ in expected]
    assert [value for _, value in shown] == pytest.approx([value for _, value in expected])


def test_what_is_not_installed_is_told_before_a_run_is_begun(
    corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for module, extra, settings in (
        ("tensorboard", "tensorboard", config(tensorboard=True)),
        ("matplotlib.figure", "training", config()),
    ):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, module, None)
            with pytest.raises(MissingDependencyError, match=rf"'biot\[{extra}\]'"):
                pretrain(corpora, tmp_path / "run", config=settings)
        assert not (tmp_path / "run").exists()


def test_supervised_pretraining_stops_early_and_keeps_the_best(
    corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = config(
        objective="supervised", steps=400, valid_share=0.25, valid_every=3, patience=3,
        learning_rate=2e-2,
    )  # fmt: skip
    trained_on: set[int] = set()
    kept: list[dict[str, torch.Tensor]] = []
    train, validate = Trainer._train_on, SupervisedObjective.validate

    def spied(self: Trainer, batch: Any) -> None:
        trained_on.update(batch.index.tolist())
        train(self, batch)

    def seen(self: Any, model: Any, device: Any) -> Any:
        kept.append({name: value.clone() for name, value in model.state_dict().items()})
        return validate(self, model, device)

    monkeypatch.setattr(Trainer, "_train_on", spied)
    monkeypatch.setattr(SupervisedObjective, "validate", seen)
    assert pretrain(corpora, tmp_path / "run", config=settings)
    rows = history(tmp_path / "run")
    losses = [float(row["valid_loss"]) for row in rows if row["valid_loss"]]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 400 // 3
    assert [int(row["step"]) for row in rows if row["valid_loss"]][-1] == 3 * len(losses)
    data = Corpora.of([load_corpus(path) for path in corpora])
    seen_subjects = set(data.subjects[sorted(trained_on)].tolist())
    assert len(set(data.subjects.tolist()) - seen_subjects) == 2  # one of four, of each corpus
    model = BIOT.from_pretrained(tmp_path / "run" / "model")
    for name, value in model.encoder.state_dict().items():
        assert torch.equal(value, kept[best][f"encoder.{name}"]), name
    assert pretrain(corpora, tmp_path / "run", config=settings), "a finished run is left"


def test_validation_is_refused_where_it_means_nothing():
    with pytest.raises(
        ConfigError, match=r"patience \(--patience\) counts validations, and valid_share"
    ):
        config(objective="supervised", patience=2)


def test_a_run_of_the_version_before_goes_on_or_is_refused_by_name(
    corpora: list[Path], tmp_path: Path, undisturbed: Callable[[str], Path]
):
    told = json.loads((undisturbed("contrastive") / "run.json").read_text())
    del told["what"]["config"]["running_mean"]  # as the version before wrote it
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps(told))
    with pytest.raises(ConfigError, match=r"earlier version, whose running mean .* another folder"):
        pretrain(corpora, tmp_path / "run", config=config(ema=0.9))
    before = config().identity()
    assert not {"valid_share", "valid_every", "patience", "running_mean"} & set(before)


def test_checkpoints_with_the_names_of_an_earlier_version_are_refused_by_name(
    corpora: list[Path], tmp_path: Path
):
    assert pretrain(corpora, tmp_path / "run", config=config())
    shutil.rmtree(tmp_path / "run" / "model")
    checkpoints = Checkpoints(
        tmp_path / "run" / "checkpoints", last_state(tmp_path / "run")["identity"]
    )
    state = last_state(tmp_path / "run")
    state["weights"] = {
        name.replace("layers.layers.0.0.fn.", "layers.0.attention."): value
        for name, value in state["weights"].items()
    }
    for file in checkpoints.folder.iterdir():
        file.unlink()
    checkpoints.save(8, state)
    with pytest.raises(CheckpointError, match=r"checkpoints: the weights .* version that began it"):
        pretrain(corpora, tmp_path / "run", config=config())


# resuming ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["masked", "contrastive", "supervised"])
def test_a_validated_run_resumes_to_the_same_bits_and_keeps_the_best(
    corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str
):
    settings = config(
        objective=objective, valid_share=0.25, valid_every=4, log_every=3, checkpoint_every=2
    )
    kept: list[dict[str, torch.Tensor]] = []
    train, validate = Trainer._train_on, Trainer._validate

    def seen(self: Trainer) -> Any:
        found = validate(self)
        if found is not None:
            weights = self.objective.module.state_dict()
            kept.append({name: value.clone() for name, value in weights.items()})
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_validate", seen)
        assert pretrain(corpora, tmp_path / "whole", config=settings)

    def train_until(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == 7:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train_on", train_until)
        with pytest.raises(Killed):
            pretrain(corpora, tmp_path / "run", config=settings)
    assert pretrain(corpora, tmp_path / "run", config=settings)
    require_same_end(tmp_path / "run", tmp_path / "whole")
    rows = history(tmp_path / "whole")
    assert [int(row["step"]) for row in rows] == [3, 4, 6, 8, 9, 12]
    column = "valid_loss" if objective == "supervised" else "probe_score"
    scores = [float(row[column]) for row in rows if row[column]]
    best = int(np.argmin(scores) if objective == "supervised" else np.argmax(scores))
    model = BIOT.from_pretrained(tmp_path / "whole" / "model")
    for name, value in model.encoder.state_dict().items():
        assert torch.equal(value, kept[best][f"encoder.{name}"]), name


@pytest.mark.filterwarnings("ignore::biot.device.SlowPrecisionWarning")
@pytest.mark.parametrize(
    "changes",
    [
        {"spectrum": "log+wave", "cache_gradients": True},
        {"spectrum": "magnitude+wave", "precision": "bf16"},
        {"spectrum": "log", "precision": "bf16", "micro_batch_size": 3},
    ],
)
def test_the_masked_objective_goes_with_every_form_of_token(
    corpora: list[Path], tmp_path: Path, changes: dict[str, Any]
):
    settings = config(objective="masked", steps=2, log_every=1, **changes)
    assert pretrain(corpora, tmp_path / "run", config=settings)
    rows = history(tmp_path / "run")
    assert list(rows[0])[-3:] == ["latent_loss", "spectrum_loss", "spread_loss"]
    for row in rows:
        latent, spectra, spread = (
            float(row[f"{name}_loss"]) for name in ("latent", "spectrum", "spread")
        )
        assert float(row["loss"]) == pytest.approx(latent + spectra + 0.05 * spread, rel=1e-3)
        assert 0.5 < spectra < 2, "errors of standardised spectra are near 1 at first"
    assert BIOT.from_pretrained(tmp_path / "run" / "model").spectrum == changes["spectrum"]


def test_a_probe_needs_labels(tmp_path: Path):
    X = np.random.default_rng(0).normal(size=(20, 1, 100))
    from_arrays(X, None, subject=[f"s{i // 4}" for i in range(20)], sfreq=50.0, ch_names=["Cz"],
                units="µV", out=tmp_path / "corpus")  # fmt: skip
    settings = config(objective="masked", valid_share=0.4)
    with pytest.raises(ConfigError, match=r"--valid-share.*None of the corpora has them: corpus"):
        pretrain([tmp_path / "corpus"], tmp_path / "run", config=settings)
    assert not (tmp_path / "run" / "run.json").exists()


def test_negatives_of_the_same_recording_are_drawn_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    X = np.random.default_rng(0).normal(size=(40, 1, 100))
    subject = [f"r{i // 4}" for i in range(40)]
    from_arrays(X, None, subject=subject, sfreq=50.0, ch_names=["Cz"], units="µV",
                out=tmp_path / "corpus")  # fmt: skip
    drawn: list[list[int]] = []
    train = Trainer._train_on

    def spied(self: Trainer, batch: Any) -> None:
        drawn.append(batch.index.tolist())
        train(self, batch)

    monkeypatch.setattr(Trainer, "_train_on", spied)
    settings = config(negatives="recording", steps=5)
    assert pretrain([tmp_path / "corpus"], tmp_path / "run", config=settings)
    for batch in drawn:  # two recordings of four windows each
        assert sorted(np.bincount(np.array(batch) // 4).tolist())[-2:] == [4, 4]
    told = json.loads((tmp_path / "run" / "run.json").read_text())["what"]["config"]
    assert told["negatives"] == "recording"
    assert "mask_share" not in told
    X = np.random.default_rng(0).normal(size=(8, 1, 100))
    from_arrays(X, None, subject=[f"r{i}" for i in range(8)], sfreq=50.0, ch_names=["Cz"],
                units="µV", out=tmp_path / "single")  # fmt: skip
    with pytest.raises(ConfigError, match=r"every recording has one window only.*'all'"):
        pretrain([tmp_path / "single"], tmp_path / "other", config=settings)
    assert not (tmp_path / "other" / "run.json").exists()


def test_windows_of_a_single_token_have_nothing_to_hide(tmp_path: Path):
    X = np.random.default_rng(0).normal(size=(8, 1, 50))
    from_arrays(X, None, subject=["a"] * 8, sfreq=50.0, ch_names=["Cz"], units="µV",
                out=tmp_path / "short")  # fmt: skip
    with pytest.raises(ConfigError, match=r"short has windows of one channel and one.*--n-fft"):
        pretrain([tmp_path / "short"], tmp_path / "run", config=config(objective="masked"))
    settings = config(objective="masked", n_fft=10, steps=2)
    assert pretrain([tmp_path / "short"], tmp_path / "run", config=settings)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("killed_at", [2, 4, 7, 12])
def test_a_killed_run_resumes_to_the_same_bits(
    corpora: list[Path], tmp_path: Path, undisturbed: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch, objective: str, killed_at: int,
):  # fmt: skip
    train = Trainer._train_on

    def train_until(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == killed_at:
            raise Killed

    settings = config(objective=objective, ema=0.9)
    monkeypatch.setattr(Trainer, "_train_on", train_until)
    with pytest.raises(Killed):
        pretrain(corpora, tmp_path / "run", config=settings)
    assert not (tmp_path / "run" / "model").exists()
    monkeypatch.setattr(Trainer, "_train_on", train)
    assert pretrain(corpora, tmp_path / "run", config=settings)
    require_same_end(tmp_path / "run", undisturbed(objective))


def test_prefetching_threads_do_not_matter_to_a_resumed_run(
    corpora: list[Path], tmp_path: Path, undisturbed: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    save = Trainer._save

    def save_and_die(self: Trainer, source: Any) -> None:
        save(self, source)
        raise Killed

    monkeypatch.setattr(Trainer, "_save", save_and_die)
    settings = config(ema=0.9, workers=2)
    for _ in range(3):  # every checkpoint is followed by a death, the last one too
        with pytest.raises(Killed):
            pretrain(corpora, tmp_path / "run", config=settings)
    monkeypatch.setattr(Trainer, "_save", save)
    assert pretrain(corpora, tmp_path / "run", config=settings)
    require_same_end(tmp_path / "run", undisturbed("contrastive"))


def test_a_finished_run_is_left_as_it_is(corpora: list[Path], undisturbed: Callable[[str], Path]):
    run = undisturbed("contrastive")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert pretrain(corpora, run, config=config(ema=0.9, checkpoint_every=5))
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_other_settings_or_corpora_are_refused(
    corpora: list[Path], undisturbed: Callable[[str], Path], tmp_path: Path
):
    run = undisturbed("contrastive")
    with pytest.raises(ConfigError, match=r"config\.learning_rate was 0\.001, is 0\.01"):
        pretrain(corpora, run, config=config(ema=0.9, learning_rate=0.01))
    with pytest.raises(ConfigError, match=r"other settings or corpora: corpora\.sleep was"):
        pretrain(corpora[:1], run, config=config(ema=0.9))
    with pytest.raises(ConfigError, match=r"order of corpora was wake, sleep; it is sleep, wake\."):
        pretrain(corpora[::-1], run, config=config(ema=0.9))  # windows would change places
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is no pretraining run"):
        pretrain(corpora, tmp_path, config=config())


def test_a_damaged_last_checkpoint_costs_its_steps_only(
    corpora: list[Path], tmp_path: Path, undisturbed: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    train = Trainer._train_on

    def train_until(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == 10:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train_on", train_until)
        with pytest.raises(Killed):
            pretrain(corpora, tmp_path / "run", config=config(ema=0.9))
    last = tmp_path / "run" / "checkpoints" / "step-000000008.ckpt"
    last.write_bytes(last.read_bytes()[:-7])
    with pytest.warns(UserWarning, match=r"step-000000008\.ckpt: truncated"):
        assert pretrain(corpora, tmp_path / "run", config=config(ema=0.9))
    require_same_end(tmp_path / "run", undisturbed("contrastive"))


# what goes wrong -------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_with_the_windows(
    corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train = Trainer._train_on

    def poisoned(self: Trainer, batch: Any) -> None:
        if self.step == 5:
            batch.signal[2] = 1e30
        train(self, batch)

    monkeypatch.setattr(Trainer, "_train_on", poisoned)
    message = (
        r"diverged at step 6: .*[Ww]indows.*: \w+ at [\d.]+ s \(window \d+\).*checkpoint stands"
    )
    with pytest.raises(ConfigError, match=message):
        # of a logarithm 1e30 is a large number like others
        pretrain(corpora, tmp_path / "run", config=config(spectrum="magnitude"))
    assert last_state(tmp_path / "run")["step"] == 4


def test_a_dead_data_file_or_a_full_disk_leaves_the_last_checkpoint(
    corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def dead(*_: Any, **__: Any) -> None:
        raise CorpusError("shard 3 is gone")

    train = Trainer._train_on

    def failing(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == 6:
            monkeypatch.setattr("biot.corpus.loader.collate", dead)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train_on", failing)
        with pytest.raises(CorpusError, match="shard 3 is gone"):
            pretrain(corpora, tmp_path / "run", config=config())
    assert last_state(tmp_path / "run")["step"] == 4
    monkeypatch.undo()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("biot.io.os.fsync", full)
    with pytest.raises((CheckpointError, OSError), match="No space left"):
        pretrain(corpora, tmp_path / "run", config=config())
    assert last_state(tmp_path / "run")["step"] == 4


def test_a_disk_that_is_full_at_the_end_costs_no_step(
    corpora: list[Path], tmp_path: Path, undisturbed: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["biot.training.pretraining.pretrain"], "save_models", full)
        with pytest.raises(CheckpointError, match=r"run: cannot be written \(No space left on dev"):
            pretrain(corpora, tmp_path / "run", config=config(ema=0.9))
    assert not (tmp_path / "run" / "model").exists()
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train_on", None)  # there is nothing left to train
        assert pretrain(corpora, tmp_path / "run", config=config(ema=0.9))
    require_same_end(tmp_path / "run", undisturbed("contrastive"))


def test_labels_are_needed_for_the_supervised_objective(tmp_path: Path):
    X = np.random.default_rng(0).normal(size=(8, 1, 100))
    from_arrays(X, None, subject=["s"] * 8, sfreq=50.0, ch_names=["Cz"], units="µV",
                out=tmp_path / "plain")  # fmt: skip
    with pytest.raises(ConfigError, match="Corpus plain has 0 label names"):
        pretrain([tmp_path / "plain"], tmp_path / "run", config=config(objective="supervised"))
    assert not (tmp_path / "run").exists()


# processes -------------------------------------------------------------------------------------


def started(asked: dict[str, Any], rank: int = 0, world: int = 1, port: int = 0) -> Any:
    environment = dict(os.environ, PYTHONWARNINGS="ignore", OMP_NUM_THREADS="1")
    if world > 1:
        environment |= {
            "TORCHELASTIC_RUN_ID": "test", "RANK": str(rank), "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world), "GROUP_RANK": "0",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
    script = Path(__file__).with_name("pretrain_process.py")
    words = [sys.executable, str(script), json.dumps(asked)]
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)


def ended(process: Any) -> int:
    _, told = process.communicate(timeout=120)
    assert process.returncode in (0, 3, -9), told
    return int(process.returncode)


def asked_for(corpora: list[Path], out: Path, **changes: Any) -> dict[str, Any]:
    double = changes.pop("double", False)
    asked = {"corpora": list(map(str, corpora)), "out": str(out), "config": TINY | changes}
    return asked | {"double": double}


def test_sigkill_and_sigterm_resume_to_the_same_bits(
    corpora: list[Path], tmp_path: Path, undisturbed: Callable[[str], Path]
):
    asked = asked_for(corpora, tmp_path / "run", ema=0.9)
    assert ended(started(asked | {"strike": 6, "signal": "SIGKILL"})) == -9
    assert last_state(tmp_path / "run")["step"] == 4
    assert ended(started(asked | {"strike": 7, "signal": "SIGTERM"})) == 3
    assert last_state(tmp_path / "run")["step"] == 7  # written before it went
    assert pretrain(corpora, tmp_path / "run", config=config(ema=0.9))
    require_same_end(tmp_path / "run", undisturbed("contrastive"))


def windows_of(folder: Path, world: int) -> dict[int, list[int]]:
    """Windows of each step, in their global order."""
    steps: dict[int, list[int]] = {}
    for rank in range(world):
        for line in (folder / f"{world}-{rank}.txt").read_text().splitlines():
            step, windows = json.loads(line)
            steps.setdefault(step, []).extend(windows)
    return steps


def test_a_run_resumes_in_two_processes_with_the_very_next_window(
    corpora: list[Path], tmp_path: Path
):
    settings: dict[str, Any] = {
        "double": True, "drop_prob": 0.0, "att_layer_drop_prob": 0.0, "workers": 1
    }  # fmt: skip
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir()
    shared.mkdir()
    whole = asked_for(corpora, tmp_path / "whole", **settings) | {"windows": str(alone)}
    asked = asked_for(corpora, tmp_path / "run", **settings) | {"windows": str(shared)}
    assert ended(started(whole)) == 0
    assert ended(started(asked | {"strike": 6, "signal": "SIGKILL"})) == -9
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [started(asked, rank, 2, port) for rank in range(2)]
    assert [ended(process) for process in both] == [0, 0]
    expected, found = windows_of(alone, 1), windows_of(shared, 2)
    assert sorted(found) == [4, 5, 6, 7, 8, 9, 10, 11]  # from the checkpoint of step 4
    assert found == {step: expected[step] for step in found}
    for name, value in last_state(tmp_path / "whole")["weights"].items():
        resumed = last_state(tmp_path / "run")["weights"][name]
        assert torch.allclose(resumed, value, rtol=0, atol=1e-9), name
    assert [row["step"] for row in history(tmp_path / "run")] == ["3", "6", "9", "12"]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_two_processes_equal_one(corpora: list[Path], tmp_path: Path, objective: str):
    settings: dict[str, Any] = {
        "objective": objective, "steps": 20, "double": True, "drop_prob": 0.0,
        "att_layer_drop_prob": 0.0, "mixing_temperature": 2.0, "micro_batch_size": 3,
        "checkpoint_every": 20,
    }  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    asked = asked_for(corpora, tmp_path / "two", **settings)
    both = [started(asked, rank, 2, port) for rank in range(2)]
    assert [ended(process) for process in both] == [0, 0]
    assert ended(started(asked_for(corpora, tmp_path / "one", **settings))) == 0
    one, two = last_state(tmp_path / "one"), last_state(tmp_path / "two")
    for name, expected in one["weights"].items():
        assert expected.dtype == torch.float64
        assert torch.allclose(two["weights"][name], expected, rtol=0, atol=1e-9), name
    for ours, theirs in zip(history(tmp_path / "one"), history(tmp_path / "two"), strict=True):
        for name, value in ours.items():
            assert float(theirs[name]) == pytest.approx(float(value), abs=1e-5), name


def test_a_folder_in_which_another_run_is_at_work_is_refused(corpora: list[Path], tmp_path: Path):
    out = tmp_path / "run"
    with (
        alone_on(out, "this folder", ConfigError),
        pytest.raises(ConfigError, match=r"another run is writing this folder now \(process "),
    ):
        pretrain(corpora, out, **TINY)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_fails_costs_nothing_else(
    corpora: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(**_: Any) -> None:
        raise RuntimeError("no such font")

    monkeypatch.setattr("biot.training.pretraining.pretrain.curves", fail)
    with pytest.warns(UserWarning, match=r"curves\.png: no such font\. The figure is left out"):
        assert pretrain(corpora, tmp_path / "run", **(TINY | {"steps": 1}))
    files = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["files"]
    assert files["model/model.safetensors"] == sha256_of(
        tmp_path / "run" / "model" / "model.safetensors"
    )
