"""Fine-tuning from a corpus to a folder that explains itself."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from biot.corpus import from_arrays, load_corpus
from biot.corpus.builder.writer import write_description
from biot.corpus.manifest import Manifest
from biot.errors import ConfigError, ContractError, CorpusError
from biot.io import sha256_of
from biot.model import BIOT
from biot.preprocessing import Preprocessing
from biot.provenance import Parent, Provenance, TrainedOn
from biot.training import evaluate, finetune
from biot.training.finetuning.tuner import class_weights
from biot.training.run import made_by


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_learns_to_tell_a_wave_from_noise(wave_run):
    metrics = read_json(wave_run / "metrics.json")
    assert metrics["test"]["balanced_accuracy"] > 0.9
    assert metrics["valid"]["balanced_accuracy"] > 0.9
    assert sum(map(sum, metrics["test"]["confusion"])) == metrics["test"]["n_windows"] > 0


def test_the_folder_holds_what_was_promised(wave_run):
    names = {path.relative_to(wave_run).as_posix() for path in wave_run.rglob("*")}
    assert names >= {
        "model", "model/config.json", "model/model.safetensors", "model/preprocessing.json",
        "metrics.json", "history.csv", "confusion.png", "curves.png", "run.json",
    }  # fmt: skip
    assert Preprocessing.load(wave_run / "model").label_names == ("noise", "wave")
    assert BIOT.from_pretrained(wave_run / "model").channels == ("Fz", "Cz")


def test_the_model_says_who_made_it_and_is_a_parent_by_its_weights(wave_run, wave_corpus):
    found = Provenance.load(wave_run / "model")
    assert (found.made_by, found.parent) == ("finetune", None)
    trained_on = TrainedOn(name=wave_corpus.path.name, fingerprint=wave_corpus.fingerprint)
    assert found.corpora == (trained_on,)
    weights = wave_run / "model" / "model.safetensors"
    assert found.weights == sha256_of(weights)
    for source, parent in (
        (weights.parent, Parent(name="run/model", weights=found.weights, date=found.date)),
        (weights, Parent(name="model/model.safetensors", weights=found.weights)),
        (Path("me/model"), Parent(name="me/model")),  # on the Hub
    ):
        assert made_by("finetune", [wave_corpus], source).parent == parent


def test_the_history_has_one_line_an_epoch(wave_run):
    with (wave_run / "history.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in lines] == list(range(1, len(lines) + 1))
    assert float(lines[-1]["train_loss"]) < float(lines[0]["train_loss"])
    best = read_json(wave_run / "metrics.json")["best_epoch"]
    kept = float(lines[best - 1]["valid_balanced_accuracy"])
    assert kept == max(float(line["valid_balanced_accuracy"]) for line in lines)


def test_the_kept_epoch_scores_as_the_metrics_say(wave_run):
    metrics = read_json(wave_run / "metrics.json")
    lines = (wave_run / "history.csv").read_text(encoding="utf-8").splitlines()
    history = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    kept = history[metrics["best_epoch"] - 1]
    found = metrics["valid"]["balanced_accuracy"]
    assert float(kept["valid_balanced_accuracy"]) == pytest.approx(found, abs=1e-12)
    assert metrics["epochs"] == len(history)


@pytest.mark.parametrize("kind", ["balanced", "sampled"])
def test_probabilities_of_a_rare_class_are_truthful_and_decisions_serve_it(
    kind, tiny_config, tmp_path
):
    generator = np.random.default_rng(0)
    y = (generator.random(600) < 0.15).astype(int)
    wave = np.sin(2 * np.pi * 10 * np.arange(100) / 50 + generator.uniform(0, 6, (600, 1)))
    loud = (0.2 + 0.4 * y) * np.abs(generator.normal(size=600))
    X = generator.normal(size=(600, 2, 100)) + (loud[:, None] * wave)[:, None]
    from_arrays(
        X, y, subject=[f"s{i // 60}" for i in range(600)], sfreq=50.0, ch_names=("Fz", "Cz"),
        units="µV", label_names=("common", "rare"), out=tmp_path / "corpus",
    )  # fmt: skip
    found = {}
    for calibration in (True, False):
        config = tiny_config(
            class_weights=kind, calibration=calibration, epochs=5, spectrum="magnitude"
        )
        out = tmp_path / str(calibration)
        found[calibration] = finetune(tmp_path / "corpus", out, config=config)
        contract = Preprocessing.load(out / "model")
        assert (contract.temperature is not None) == calibration
        assert (contract.class_weights is not None) == calibration
    on, off = found[True]["test"], found[False]["test"]
    assert on["auroc"] == pytest.approx(off["auroc"])
    assert on["balanced_accuracy"] == pytest.approx(off["balanced_accuracy"])
    assert on["brier"] < off["brier"]
    assert on["ece"] < off["ece"]
    assert on["classes"]["rare"]["recall"] > 0.2


def test_the_saved_model_scores_as_the_metrics_say(wave_run, wave_corpus):
    """Weights of the best epoch were restored, and survive saving."""
    metrics = read_json(wave_run / "metrics.json")
    whole = evaluate(
        wave_run / "model", wave_corpus.path, allow_leakage=True, device="cpu", n_bootstrap=0
    )
    parts = [np.array(metrics[part]["confusion"]) for part in ("valid", "test")]
    assert (np.array(whole.confusion) >= parts[0] + parts[1]).all()


def test_the_run_can_be_repeated_from_its_record(wave_run, wave_corpus):
    run = read_json(wave_run / "run.json")
    assert run["command"] == "biot finetune waves"
    assert run["config"]["seed"] == 0
    assert (wave_run / run["corpus"]["path"]).resolve() == wave_corpus.path.resolve()
    assert (
        run["corpus"]["fingerprint"] == read_json(wave_corpus.path / "state.json")["_fingerprint"]
    )
    assert {"biot", "torch", "numpy", "python"} <= set(run["versions"])
    assert "git_revision" in run
    rows, subjects = [], []
    for part in ("train", "valid", "test"):
        rows += [row for first, end in run["split"][part]["rows"] for row in range(first, end)]
        subjects += run["split"][part]["subjects"]
    assert sorted(rows) == list(range(240))
    assert sorted(subjects) == sorted(set(wave_corpus.subjects))


def test_the_same_seed_gives_the_same_numbers_and_leaves_the_callers_alone(
    wave_run, wave_corpus, tiny_config, tmp_path
):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    metrics = finetune(wave_corpus.path, tmp_path / "again", config=tiny_config())
    assert torch.equal(torch.get_rng_state(), before)
    assert metrics == read_json(wave_run / "metrics.json")
    first = (wave_run / "model" / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model" / "model.safetensors").read_bytes() == first
    other = finetune(wave_corpus.path, tmp_path / "other", config=tiny_config(seed=1, epochs=1))
    assert other != metrics


def test_a_test_corpus_takes_the_place_of_the_test_share(
    wave_corpus, make_corpus, tiny_config, tmp_path
):
    test = make_corpus(tmp_path / "test", label_names=("wave", "noise"), n_subjects=2, seed=3)
    metrics = finetune(
        wave_corpus.path, tmp_path / "run", test=test.path, config=tiny_config(epochs=4)
    )
    assert metrics["test"]["n_windows"] == 80
    assert metrics["test"]["balanced_accuracy"] > 0.9
    run = read_json(tmp_path / "run" / "run.json")
    assert run["test_corpus"]["path"] == "../test"
    assert run["split"]["test"]["rows"] == [[0, 80]]
    assert len(run["split"]["train"]["subjects"]) == 5


def test_official_parts_are_used_as_the_corpus_keeps_them(make_corpus, tiny_config, tmp_path):
    corpus = make_corpus(tmp_path / "corpus", per_subject=8)
    manifest = Manifest.load(corpus.path)
    part = {"s0": "test", "s5": None}
    records = {
        name: replace(record, split=part.get(record.subject, "train"))
        for name, record in manifest.recordings.items()
    }
    write_description(corpus.path, corpus.preprocessing, replace(manifest, recordings=records))
    config = tiny_config(split="column", epochs=1)
    metrics = finetune(corpus.path, tmp_path / "run", config=config)
    told = read_json(tmp_path / "run" / "run.json")["split"]
    assert told["test"]["subjects"] == ["s0"]
    assert len(told["valid"]["subjects"]) == 1
    assert {*told["train"]["subjects"], *told["valid"]["subjects"]} == {"s1", "s2", "s3", "s4"}
    assert told["left_out"]["windows without an official part, or of one that is not used"] == 8
    assert any("no official validation part: 1 of 4 subjects" in n for n in metrics["notes"])


def test_it_starts_from_a_pretrained_model(wave_run, make_corpus, tiny_config, tmp_path):
    other = make_corpus(tmp_path / "c", label_names=("noise", "wave2", "wave4"))
    metrics = finetune(
        other.path, tmp_path / "run", from_model=wave_run / "model",
        config=tiny_config(embed_dim=None, num_heads=None, num_layers=None),
    )  # fmt: skip
    assert metrics["test"]["label_names"] == ["noise", "wave2", "wave4"]
    assert metrics["test"]["balanced_accuracy"] > 0.9
    assert "model" in read_json(tmp_path / "run" / "run.json")["from_model"]
    assert BIOT.from_pretrained(tmp_path / "run" / "model").n_outputs == 3


def test_windows_without_a_whole_token_are_not_trained_on(make_corpus, tiny_config, tmp_path):
    gappy = make_corpus(tmp_path / "gappy", missing=45)
    metrics = finetune(gappy.path, tmp_path / "run", config=tiny_config(epochs=2))
    split = read_json(tmp_path / "run" / "run.json")["split"]
    unusable = set(range(45))
    for first, end in split["train"]["rows"]:
        assert unusable.isdisjoint(range(first, end))
    left_out = sum(metrics[part]["n_left_out"] for part in ("valid", "test"))
    told = split.pop("left_out")
    assert told["training windows without usable data"] == 45 - left_out > 0
    assert sum(part["n_windows"] for part in split.values()) == 240 - (45 - left_out)


def test_classes_weigh_the_same_in_sum():
    weights = class_weights(np.array([0] * 6 + [1] * 3 + [2]), 3)
    np.testing.assert_allclose(weights, [10 / 18, 10 / 9, 10 / 3])
    np.testing.assert_allclose(weights * [6, 3, 1], 10 / 3)


def test_the_bar_is_shown_on_request_only(wave_corpus, tiny_config, tmp_path, capsys):
    finetune(wave_corpus.path, tmp_path / "quiet", config=tiny_config(epochs=1))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    finetune(wave_corpus.path, tmp_path / "loud", config=tiny_config(epochs=1), progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "loss" in captured.err
    assert "valid" in captured.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unlabelled": True}, r"holds no labels; fine-tuning needs two classes.*--labels"),
        ({"label_names": ("wave",)}, r"holds only the class 'wave'; fine-tuning needs two"),
        ({"n_subjects": 2}, r"2 subjects; .*--split recording\|time"),
    ],
)
def test_a_corpus_that_does_not_suffice_is_refused(
    make_corpus, tiny_config, tmp_path, changes, message
):
    corpus = make_corpus(tmp_path / "corpus", **changes)
    with pytest.raises(CorpusError, match=message):
        finetune(corpus.path, tmp_path / "run", config=tiny_config())
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_named_class_without_windows_is_refused(make_corpus, tiny_config, tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    contract = corpus.preprocessing.with_labels(("noise", "wave", "seizure"))
    write_description(corpus.path, contract, Manifest.load(corpus.path))
    with pytest.raises(
        CorpusError, match=r"no training window with usable data is labelled seizure"
    ):
        finetune(load_corpus(corpus.path).path, tmp_path / "run", config=tiny_config())


def test_a_test_corpus_with_another_label_is_refused(
    wave_corpus, make_corpus, tiny_config, tmp_path
):
    test = make_corpus(tmp_path / "test", label_names=("noise", "wave4"), n_subjects=2)
    with pytest.raises(CorpusError, match=r"labelled wave4; the model knows noise, wave only"):
        finetune(wave_corpus.path, tmp_path / "run", test=test.path, config=tiny_config())


def test_a_test_corpus_of_another_contract_is_refused(
    wave_corpus, make_corpus, tiny_config, tmp_path
):
    test = make_corpus(tmp_path / "test", scale="none", n_subjects=2)
    with pytest.raises(ContractError, match=r"test was prepared differently: scale is 'none'"):
        finetune(wave_corpus.path, tmp_path / "run", test=test.path, config=tiny_config())


def test_a_folder_that_exists_is_not_overwritten(wave_corpus, wave_run, tiny_config):
    before = sorted(path.name for path in wave_run.parent.iterdir())
    with pytest.raises(CorpusError, match=r"exists already\. Choose another folder"):
        finetune(wave_corpus.path, wave_run, config=tiny_config())
    assert sorted(path.name for path in wave_run.parent.iterdir()) == before


def test_a_failed_run_leaves_nothing(wave_corpus, tiny_config, tmp_path):
    with pytest.raises(ConfigError, match=r"embed_dim=16 is not a multiple of num_heads=3"):
        finetune(wave_corpus.path, tmp_path / "run", config=tiny_config(num_heads=3))
    assert list(tmp_path.iterdir()) == []
