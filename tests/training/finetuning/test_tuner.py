"""Every mode of fine-tuning learns, trains what it says, and saves a plain model."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biot.errors import ConfigError, MissingDependencyError
from biot.evaluation.tasks import Classes, MultiLabel, Regression
from biot.inference import Predictor
from biot.model import BIOT
from biot.preprocessing import Preprocessing
from biot.training import FinetuneConfig, cross_validate, evaluate, finetune
from biot.training.datasets import TensorWindows
from biot.training.distributed import launch
from biot.training.finetuning.linear_probe import features, fit_probe
from biot.training.finetuning.tuner import _deciding_metric, _order, training_task

SMALL = {"embed_dim": None, "num_heads": None, "num_layers": None}


@pytest.fixture(scope="module")
def runs(wave_run, make_corpus, tiny_config, tmp_path_factory):
    """The folder of a run in each mode, on subjects that the model it starts from has not seen."""
    folder, made = tmp_path_factory.mktemp("modes"), {}
    corpus = make_corpus(folder / "others", seed=9)

    def run(mode, **changes):
        if mode not in made:
            made[mode] = folder / mode
            finetune(
                corpus.path, made[mode], from_model=wave_run / "model",
                config=tiny_config(mode=mode, **(SMALL | changes)),
            )  # fmt: skip
        return made[mode], corpus

    return run


@pytest.mark.parametrize("mode", ["head", "ridge", "logistic", "lora"])
def test_each_mode_learns_and_its_model_opens_everywhere(mode, runs, wave_run):
    if mode == "lora":
        pytest.importorskip("peft", reason="peft is not installed: no low-rank additions to test")
    run, corpus = runs(mode)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"]["balanced_accuracy"] > 0.85
    model = BIOT.from_pretrained(run / "model")
    before = dict(BIOT.from_pretrained(wave_run / "model").encoder.named_parameters())
    same = {n: torch.equal(p, before[n]) for n, p in model.encoder.named_parameters()}
    changed = {name.split(".")[-2] for name, equal in same.items() if not equal}
    assert changed == ({"to_q", "to_k", "to_v", "to_out"} if mode == "lora" else set())
    again = evaluate(run / "model", corpus.path, allow_leakage=True, n_bootstrap=0, device="cpu")
    parts = [np.array(metrics[part]["confusion"]) for part in ("valid", "test")]
    assert (np.array(again.confusion) >= parts[0] + parts[1]).all()
    thresholds = Predictor.from_pretrained(run / "model").preprocessing.thresholds
    assert list(thresholds) == metrics["thresholds"]
    assert (run / "history.csv").exists() == (mode in ("head", "lora"))


@pytest.mark.parametrize("mode", ["head", "ridge", "logistic", "lora"])
def test_a_mode_without_a_model_to_start_from_is_refused(mode, wave_corpus, tmp_path):
    with pytest.raises(ConfigError, match=rf"mode '{mode}' trains on the features .* --from"):
        finetune(wave_corpus.path, tmp_path / "run", config=FinetuneConfig(mode=mode))
    assert list(tmp_path.iterdir()) == []


def test_without_peft_lora_is_an_error_that_says_what_to_install(
    wave_run, wave_corpus, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.setattr(
        sys.modules["biot.training.finetuning.finetune"], "load_corpus", None
    )  # not called
    for train, given in ((finetune, {}), (cross_validate, {"folds": 2})):
        with pytest.raises(MissingDependencyError, match=r"pip install 'biot\[lora\]'"):
            train(
                wave_corpus.path, tmp_path / "run", from_model=wave_run / "model",
                config=tiny_config(mode="lora", **SMALL), allow_leakage=True, **given,
            )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_nothing_is_trained_in_vain(
    wave_corpus, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr("biot.training.finetuning.finetune.load_corpus", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'biot\[training\]'"):
        finetune(wave_corpus.path, tmp_path / "run", config=tiny_config())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "head", "mixup": 0.2}, r"mode 'head' .* mixup cannot be had with it"),
        ({"mode": "ridge", "ema": 0.9, "time_shift": 1.0}, r"time_shift, ema cannot be had"),
        ({"mode": "logistic", "class_weights": "sampled"}, r"class_weights=sampled cannot"),
    ],
)
def test_what_fixed_features_do_not_allow_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        FinetuneConfig(**changes)


def data(n_outputs: int, seed: int = 0):
    generator = np.random.default_rng(seed)
    inputs = generator.normal(3, (1, 10, 0.1, 1), (80, 4))
    outputs = (inputs - 3) / (1, 10, 0.1, 1) @ generator.normal(size=(4, n_outputs))
    return inputs, outputs + 0.5 * generator.normal(size=outputs.shape)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_logistic_probe_is_scikit_learns(n_classes):
    inputs, outputs = data(n_classes)
    truth = outputs.argmax(axis=1)
    task = Classes(names=tuple("abc"[:n_classes]))
    probe = fit_probe("logistic", task, "loss", (inputs, truth), (inputs, truth))
    reference = make_pipeline(
        StandardScaler(), LogisticRegression(C=1 / probe.penalty, max_iter=5000)
    ).fit(inputs, truth)
    found = task.predicted(probe.outputs(inputs))
    np.testing.assert_allclose(found, reference.predict_proba(inputs), atol=1e-4)


def test_a_ridge_probe_of_numbers_is_scikit_learns_and_of_classes_decides_alike():
    inputs, outputs = data(2)
    mean, spread = outputs.mean(axis=0), outputs.std(axis=0)
    task = Regression(names=("a", "b"), mean=tuple(mean), spread=tuple(spread))
    probe = fit_probe("ridge", task, "r2", (inputs, outputs), (inputs, outputs))
    reference = make_pipeline(StandardScaler(), Ridge(alpha=probe.penalty)).fit(inputs, outputs)
    found = task.predicted(probe.outputs(inputs))
    np.testing.assert_allclose(found, reference.predict(inputs), atol=1e-6)
    truth = outputs.argmax(axis=1)
    probe = fit_probe("ridge", Classes(names=("a", "b")), "loss", (inputs, truth), (inputs, truth))
    signs = make_pipeline(StandardScaler(), Ridge(alpha=probe.penalty)).fit(inputs, 2 * truth - 1)
    found = probe.outputs(inputs).argmax(axis=1)
    np.testing.assert_array_equal(found, signs.predict(inputs) > 0)


def test_a_probe_of_tags_is_one_logistic_regression_each_and_of_numbers_there_is_none():
    inputs, outputs = data(3)
    truth = (outputs > 0).astype(float)
    task = MultiLabel(names=("a", "b", "c"))
    probe = fit_probe("logistic", task, "loss", (inputs, truth), (inputs, truth))
    for tag in range(3):
        reference = make_pipeline(
            StandardScaler(), LogisticRegression(C=1 / probe.penalty, max_iter=5000)
        ).fit(inputs, truth[:, tag])
        expected = reference.predict_proba(inputs)[:, 1]
        np.testing.assert_allclose(
            task.predicted(probe.outputs(inputs))[:, tag], expected, atol=1e-4
        )
    with pytest.raises(ConfigError, match=r"predicts classes or tags, not numbers. Use ridge"):
        fit_probe("logistic", Regression(names=("a",)), "r2", data(1), data(1))


def test_a_tag_that_no_training_window_has_is_never_said_and_spoils_no_other():
    inputs, outputs = data(3)
    truth = (outputs > 0).astype(float)
    truth[:, 1], truth[:, 2] = 0, 1
    task = MultiLabel(names=("a", "b", "c"))
    probe = fit_probe("logistic", task, "loss", (inputs, truth), (inputs, truth))
    p = task.predicted(probe.outputs(inputs))
    np.testing.assert_allclose(p[:, 1], 0.5 / 81)
    np.testing.assert_allclose(p[:, 2], 80.5 / 81)
    assert np.mean((p[:, 0] > 0.5) == truth[:, 0]) > 0.8


def test_a_probe_in_the_head_gives_the_probes_outputs():
    torch.manual_seed(0)
    model = BIOT(embed_dim=8, num_heads=2, num_layers=1, sfreq=20, hop_length=10, n_outputs=2,
                 n_chans=2, n_times=60)  # fmt: skip
    signal = torch.randn(30, 2, 60)
    signal[4] = torch.nan
    windows = TensorWindows(signal=signal, truth=np.arange(30) % 2, index=np.arange(100, 130))
    known, inputs = features(launch("cpu", "32"), model, windows, 7)
    assert len(inputs) == len(known.truth) == 29
    (batch,) = known.batches(np.array([3, 4]), 8)
    assert batch.index.tolist() == [103, 105], "windows keep their numbers"
    probe = fit_probe(
        "ridge", Classes(names=("a", "b")), "loss", (inputs, known.truth), (inputs, known.truth)
    )
    probe.put_into(model)
    with torch.no_grad():
        found = model.eval()(signal[torch.arange(30) != 4]).double().numpy()
    np.testing.assert_allclose(found, probe.outputs(inputs), atol=1e-4)


def tagged(make, folder, task):
    """Windows with a 10-Hz wave, a 3-Hz wave, both or none; or as loud as a number says."""
    generator = np.random.default_rng(4)
    held, time = generator.random((240, 2)) < 0.5, np.arange(100) / 50
    X = generator.normal(size=(240, 2, 100))
    if task == "regression":
        y = generator.uniform(100, 300, 240)
        X += (y[:, None] / 100 * np.sin(2 * np.pi * 10 * time))[:, None]
    else:
        y = held.astype(int)
        X += 1.5 * (held[:, :1] * np.sin(2 * np.pi * 10 * time))[:, None]
        X += 1.5 * (held[:, 1:] * np.sin(2 * np.pi * 3 * time))[:, None]
    names = ("fast", "slow") if task == "multilabel" else ("power",)
    return make(
        X, y, subject=[f"s{i // 40}" for i in range(240)], sfreq=50.0, ch_names=("Fz", "Cz"),
        units="µV", label_names=names, task=task, out=folder / "corpus",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "metric", "least"), [("multilabel", "auroc", 0.9), ("regression", "r2", 0.5)]
)
def test_tags_and_numbers_are_learned_saved_and_scored(task, metric, least, tiny_config, tmp_path):
    from biot.corpus import from_arrays

    corpus = tagged(from_arrays, tmp_path, task)
    metrics = finetune(corpus.path, tmp_path / "run", config=tiny_config(epochs=12))
    assert metrics["metric"] == metric
    assert metrics["test"][metric] > least
    contract = Preprocessing.load(tmp_path / "run" / "model")
    assert contract.task == task
    assert (contract.thresholds is None) == (task == "regression")
    again = evaluate(
        tmp_path / "run" / "model", corpus.path, device="cpu", n_bootstrap=0, allow_leakage=True
    )
    assert again.scores[metric] > least
    assert again.confusion is None
    assert contract.label_names[0] in str(again)
    assert not (tmp_path / "run" / "confusion.png").exists()


def test_options_without_meaning_for_a_task_are_refused():
    contract = Preprocessing(
        sfreq=10.0, window=1.0, ch_names=("I",), units=("mV",), label_names=("a",),
        task="regression",
    )  # fmt: skip
    truth = np.ones((4, 1))
    with pytest.raises(ConfigError, match=r"class_weights='sampled' .* the task is regression"):
        training_task(contract, FinetuneConfig(class_weights="sampled"), truth)
    with pytest.raises(ConfigError, match=r"label_smoothing is for classes and tags"):
        training_task(contract, FinetuneConfig(label_smoothing=0.1), truth)
    with pytest.raises(ConfigError, match=r"'logistic' predicts classes or tags, not numbers"):
        training_task(contract, FinetuneConfig(mode="logistic"), truth)
    huber = {"regression_loss": "huber"}
    with pytest.raises(ConfigError, match=r"'ridge' minimises squares"):
        training_task(contract, FinetuneConfig(mode="ridge", **huber), truth)
    tags = replace(contract, task="multilabel")
    with pytest.raises(ConfigError, match=r"regression_loss is for numbers; the task is multilab"):
        training_task(tags, FinetuneConfig(**huber), truth)


def test_sampled_classes_come_equally_often_and_all_windows_before_any_twice():
    truth = np.array([0] * 30 + [1] * 6)
    config = FinetuneConfig(class_weights="sampled")
    order = _order(truth, config, 1)
    assert np.bincount(truth[order]).tolist() == [18, 18]
    assert np.bincount(order, minlength=36)[30:].tolist() == [3] * 6
    assert np.bincount(order, minlength=36)[:30].max() == 1
    np.testing.assert_array_equal(order, _order(truth, config, 1))
    assert not np.array_equal(order, _order(truth, config, 2))
    assert sorted(_order(truth, FinetuneConfig(), 1)) == list(range(36))


def test_all_changes_of_training_windows_together_still_learn(wave_corpus, tiny_config, tmp_path):
    config = tiny_config(
        mixup=0.2, time_shift=0.2, channel_drop=0.2, band_stop=2.0, amplitude=0.3, ema=0.9,
        label_smoothing=0.05, layer_decay=0.8, class_weights="sampled", metric="auroc", epochs=10,
    )  # fmt: skip
    metrics = finetune(wave_corpus.path, tmp_path / "run", config=config)
    assert metrics["metric"] == "auroc"
    assert metrics["test"]["auroc"] > 0.9


def _windows(truth):
    truth = np.asarray(truth)
    return TensorWindows(
        signal=torch.zeros(len(truth), 1, 8), truth=truth, index=np.arange(len(truth))
    )


def test_the_loss_decides_where_validation_leaves_the_score_undefined_and_it_is_said():
    two, one = _windows([0, 1, 1, 0]), _windows([1, 1, 1, 1])
    classes = Classes(names=("rest", "task"))
    assert _deciding_metric(classes, None, two) == ("balanced_accuracy", ())
    assert _deciding_metric(classes, "accuracy", one) == ("accuracy", ())
    assert _deciding_metric(classes, "loss", one) == ("loss", ())
    metric, (note,) = _deciding_metric(classes, None, one)
    assert metric == "loss"
    assert note == (
        "The validation loss decided what was kept: balanced_accuracy is undefined on the 4 "
        "validation windows (one class among the windows: task)."
    )
    tags = MultiLabel(names=("a", "b"))
    assert _deciding_metric(tags, None, _windows([[0, 1], [0, 1]]))[0] == "loss"
    assert _deciding_metric(tags, None, _windows([[0, 1], [1, 1]]))[0] == "auroc"
    number = Regression(names=("age",))
    assert _deciding_metric(number, None, _windows([[5.0], [5.0]]))[0] == "loss"
    assert _deciding_metric(number, None, _windows([[5.0], [6.0]]))[0] == "r2"
