"""Training on everyone: without validation, or once more when validation has chosen the epochs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from biot.corpus import Corpus
from biot.errors import ConfigError
from biot.preprocessing import Preprocessing
from biot.report.run import write_run_report
from biot.report.runs.window_table import read_window_table
from biot.training import cross_validate, finetune
from biot.training.trainer import Trainer

REFIT: dict[str, Any] = {
    "epochs": 3, "refit": True, "checkpoint_every": 3, "drop_prob": 0.1, "baseline": False,
    "seed": 2,  # one more window of a class than of the other trains
}  # fmt: skip


@pytest.fixture(scope="module")
def few(make_corpus: Callable[..., Corpus], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """66 windows of six subjects; some of them have one wave more than noise, others one less."""
    out = tmp_path_factory.mktemp("few") / "corpus"
    return make_corpus(out, per_subject=11).path


@pytest.fixture(scope="module")
def others(make_corpus: Callable[..., Corpus], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other people, to test on; rare waves among them."""
    out = tmp_path_factory.mktemp("few") / "others"
    return make_corpus(out, n_subjects=2, per_subject=12, seed=1).path


@pytest.fixture(scope="module")
def refitted(
    few: Path, others: Path, tiny_config: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """The folder of a run with a refit that nothing stopped."""
    out = tmp_path_factory.mktemp("refitted") / "run"
    finetune(few, out, test=others, config=tiny_config(**REFIT))
    return out


def metrics_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return found


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def require_same_weights(one: Path, other: Path) -> None:
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_refit_is_a_training_on_everyone_for_the_epochs_that_validation_chose(
    few, others, tiny_config, refitted, tmp_path
):
    metrics = metrics_of(refitted)
    alone = tiny_config(**REFIT | {"refit": False, "valid_share": 0,
                                   "epochs": metrics["best_epoch"]})  # fmt: skip
    finetune(few, tmp_path / "alone", test=others, config=alone)
    require_same_weights(tmp_path / "alone", refitted)
    assert metrics["refit"]["n_windows"] == 66
    assert metrics["refit"]["n_subjects"] == 6
    lines = (refitted / "refit_history.csv").read_text().splitlines()
    assert lines[0] == "epoch,train_loss,learning_rate,seconds"
    assert len(lines) == 1 + metrics["best_epoch"] == 1 + metrics["refit"]["epochs"]


def test_the_ridge_stands_beside_the_model_before_the_refit_too(few, others, tiny_config, tmp_path):
    config = tiny_config(**REFIT | {"epochs": 1, "baseline": True})
    found = finetune(few, tmp_path / "run", test=others, config=config)
    before, after = found["before_refit"], found["test"]
    assert before["baselines"]["ridge"] == after["baselines"]["ridge"]
    for scores in (before, after):
        apart = scores["differences"]["ridge"]["auroc"]["value"]
        assert apart == pytest.approx(scores["auroc"] - scores["baselines"]["ridge"]["auroc"])


def test_what_validation_chose_and_the_model_before_the_refit_are_those_of_a_run_without(
    few, others, tiny_config, refitted, tmp_path
):
    plain = finetune(
        few, tmp_path / "run", test=others, config=tiny_config(**REFIT | {"refit": False})
    )
    found = metrics_of(refitted)
    assert found["before_refit"] == plain["test"]
    assert found["valid"] == plain["valid"]
    for name in ("thresholds", "temperature", "best_epoch", "epochs", "metric"):
        assert found[name] == plain[name]
    assert found["test"] != plain["test"]
    assert found["class_weights"] == pytest.approx([1, 1])  # of 33 windows of each class
    assert plain["class_weights"] != pytest.approx([1, 1])
    tables = [read_window_table(run / "valid_predictions.parquet")
              for run in (refitted, tmp_path / "run")]  # fmt: skip
    assert np.array_equal(tables[0].predicted, tables[1].predicted)
    assert "before_refit" not in plain
    assert any(
        note.startswith("Kept: the last weights of a training on") for note in found["notes"]
    )


@pytest.mark.parametrize("killed_at", [(1, 7), (2, 2), (2, 4)])
def test_a_run_that_is_killed_in_either_training_ends_with_the_same_bits(
    few, others, tiny_config, refitted, tmp_path, monkeypatch, killed_at
):
    class Killed(BaseException):
        """Ends a run at once."""

    training, step = killed_at
    train, begin = Trainer._train_on, Trainer._set_up
    n_begun = 0

    def counting(self: Trainer) -> None:
        nonlocal n_begun
        n_begun += 1
        begin(self)

    def train_until(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if (n_begun, self.step) == (training, step):
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_set_up", counting)
        patched.setattr(Trainer, "_train_on", train_until)
        with pytest.raises(Killed):
            finetune(few, tmp_path / "run", test=others, config=tiny_config(**REFIT))
    assert not (tmp_path / "run" / "metrics.json").exists()
    finetune(few, tmp_path / "run", test=others, config=tiny_config(**REFIT))
    require_same_weights(tmp_path / "run", refitted)
    assert metrics_of(tmp_path / "run") == metrics_of(refitted)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {path.name for path in refitted.iterdir()}


def test_without_validation_the_last_weights_are_kept_and_class_weights_decide(
    make_corpus, others, tiny_config, tmp_path
):
    corpus = make_corpus(tmp_path / "corpus", per_subject=9)
    config = tiny_config(valid_share=0, epochs=2, patience=1, baseline=False)
    metrics = finetune(corpus.path, tmp_path / "run", test=others, config=config)
    assert metrics["best_epoch"] is None
    assert metrics["epochs"] == 2
    assert "valid" not in metrics
    assert not (tmp_path / "run" / "valid_predictions.parquet").exists()
    (note,) = (one for one in metrics["notes"] if one.startswith("Kept"))
    assert "Kept: the last weights of all 2 epochs. Nothing validated (valid_share is 0)" in note
    contract = Preprocessing.load(tmp_path / "run" / "model")
    assert contract.temperature is None
    assert contract.thresholds is None
    assert contract.class_weights == pytest.approx((1, 1))  # of two equally common classes
    assert "wave from p ≥ 0.5 on" in metrics["test"]["decision"]
    lines = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,train_loss,learning_rate,seconds"
    split = json.loads((tmp_path / "run" / "run.json").read_text())["split"]
    assert split["valid"] is None
    assert split["train"]["n_windows"] == 54
    page = write_run_report(tmp_path / "run")[0].read_text(encoding="utf-8")
    assert "the weights after 2 epochs; nothing validated" in page


def test_without_validation_a_running_mean_is_kept_if_it_is_asked_for(
    few, others, tiny_config, refitted, tmp_path
):
    config = tiny_config(**REFIT | {"refit": False, "valid_share": 0, "ema": 0.9})
    metrics = finetune(few, tmp_path / "run", test=others, config=config)
    assert any("the running mean of the weights of all 3 epochs" in n for n in metrics["notes"])
    differs = [not torch.equal(a, b) for a, b in
               zip(weights_of(tmp_path / "run").values(), weights_of(refitted).values(),
                   strict=True)]  # fmt: skip
    assert any(differs)


def test_folds_can_refit_and_do_without_validation(few, tiny_config, tmp_path):
    for name, changes in (("refit", {"refit": True}), ("none", {"valid_share": 0})):
        config = tiny_config(epochs=2, **changes)
        metrics = cross_validate(few, tmp_path / name, folds=2, config=config)
        assert metrics["notes"][0].startswith("Kept: the last weights of")
        tested = json.loads((tmp_path / name / "run.json").read_text())["tested"]
        for fold in tested:
            assert len(fold["train"]) + len(fold["valid"]) == 3
            assert bool(fold["valid"]) == (name == "refit")
        assert metrics["notes"][0] in (tmp_path / name / "table.txt").read_text(encoding="utf-8")


def test_a_head_can_be_refitted(few, others, refitted, tiny_config, tmp_path):
    size = {"embed_dim": None, "num_heads": None, "num_layers": None, "epochs": 2}
    config = tiny_config(mode="head", refit=True, baseline=False, **size)
    metrics = finetune(
        few, tmp_path / "run", test=others, from_model=refitted / "model", config=config
    )
    assert metrics["refit"]["n_windows"] == 66
    before, after = weights_of(refitted), weights_of(tmp_path / "run")
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name not in same} == {
        name for name in before if name.startswith("final_layer.")
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"refit": True, "mode": "ridge"}, r"refit \(--refit\) .* mode 'ridge' knows no epochs"),
        ({"refit": True, "valid_share": 0}, r"refit \(--refit\) chooses by validation windows"),
        ({"metric": "auroc", "valid_share": 0}, r"metric=auroc \(--metric\) chooses by validation"),
        ({"tune_events": True, "valid_share": 0}, r"tune_events \(--tune-events\) chooses by"),
        ({"mode": "logistic", "valid_share": 0}, r"\(--valid-share\) is 0, so that there are none"),
        ({"valid_share": -0.1}, r"valid_share must be 0 or more and below 1, got -0\.1"),
    ],
)
def test_what_validation_decides_is_refused_without_it(tiny_config, values, message):
    with pytest.raises(ConfigError, match=message):
        tiny_config(**values)


def test_runs_that_were_begun_before_there_was_a_refit_go_on(tiny_config):
    assert "refit" not in tiny_config().identity()
    assert tiny_config(refit=True).identity()["refit"] is True
