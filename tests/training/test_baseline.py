"""The ridge beside a model's scores: the same windows, kept with the model, applied by evaluate."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from biot.corpus import from_arrays, load_corpus
from biot.errors import ContractError
from biot.evaluation.baselines import RidgeBaseline, band_powers
from biot.evaluation.tables import scores_text
from biot.evaluation.tasks import Classes
from biot.model import BIOT
from biot.report.run import run_report
from biot.training import cross_validate, evaluate, finetune
from biot.training.baseline import KeptBaseline, features_of
from biot.training.finetuning.finetune import part_of


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(run, *parts):
    split = read_json(run / "run.json")["split"]
    return np.array(
        [row for part in parts for first, end in split[part]["rows"] for row in range(first, end)]
    )


@pytest.fixture(scope="module")
def hard_corpus(tmp_path_factory):
    """Windows of eight subjects in µV and g, of which a level and a rhythm tell two classes."""
    generator = np.random.default_rng(0)
    y, time = np.arange(320) % 2, np.arange(100) / 50
    X = generator.normal(size=(320, 3, 100)) * np.array([20.0, 20.0, 0.1])[:, None]
    X[:, 0] += 8 * y[:, None] * np.sin(2 * np.pi * 8 * time + generator.uniform(0, 6, (320, 1)))
    X[:, 2] += 0.02 * y[:, None]
    X[::11, 1, 60:] = np.nan
    out = tmp_path_factory.mktemp("hard") / "corpus"
    return from_arrays(
        X, np.array(["rest", "task"])[y], subject=[f"p{i // 40}" for i in range(320)], sfreq=50.0,
        ch_names=("Fz", "Cz", "acc_x"), units=("µV", "µV", "g"), label_names=("rest", "task"),
        out=out,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hard_run(hard_corpus, tiny_config, tmp_path_factory):
    """A run whose model has hardly learned."""
    out = tmp_path_factory.mktemp("runs") / "run"
    config = tiny_config(epochs=1, learning_rate=1e-5, valid_share=0.25, test_share=0.4)
    finetune(hard_corpus.path, out, config=config)
    return out


def test_features_are_of_windows_in_physical_units_by_the_contracts_channels(hard_corpus):
    found = features_of(hard_corpus, np.array([5, 11]))
    read = hard_corpus.rows([5, 11])
    values = read.digital * read.scale[..., None] + read.offset[..., None]
    values[read.digital == -32768] = np.nan
    expected = band_powers(values, 50.0, kinds=("potential", "potential", "level"))
    assert found == pytest.approx(expected, rel=1e-5, nan_ok=True)
    assert np.isfinite(found).all()  # 60 samples are a whole segment


def test_the_ridge_is_fitted_to_training_and_validation_and_scored_on_the_test(
    hard_run, hard_corpus
):
    known, held = rows_of(hard_run, "train", "valid"), rows_of(hard_run, "test")
    truth, features = hard_corpus.label_ids, features_of(hard_corpus, np.arange(320))
    task = Classes(names=("rest", "task"))
    ridge = RidgeBaseline.fit(
        features[known], truth[known], task, groups=hard_corpus.subjects[known]
    )
    p = ridge.predict_proba(features[held])
    expected = task.scores(truth[held], p, ridge.predict(features[held]))
    test = read_json(hard_run / "metrics.json")["test"]
    found = test["baselines"]["ridge"]
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert found["n_training_windows"] == len(known)
    assert found["penalty"] == ridge.penalty
    assert found["balanced_accuracy"] > 0.75
    for key, value in expected.items():
        apart = test["differences"]["ridge"][key]
        assert apart["value"] == pytest.approx(test[key] - value)
        assert apart["interval"][0] <= apart["interval"][1]


def test_where_the_model_is_not_better_one_sentence_says_so(hard_run):
    test = read_json(hard_run / "metrics.json")["test"]
    ridge = test["baselines"]["ridge"]["balanced_accuracy"]
    (said,) = test["notes"]
    assert said.startswith(
        "The model is not better than a ridge on log band powers: balanced accuracy "
        f"{test['balanced_accuracy']:.3f} against {ridge:.3f}, difference "
    )
    text = scores_text(test)
    assert said in text
    assert "model − ridge" in text
    page = run_report(hard_run).read_text(encoding="utf-8")
    assert "model − ridge" in page
    assert "The model is not better than a ridge" in page
    card = (hard_run / "model" / "README.md").read_text(encoding="utf-8")
    assert "test balanced accuracy of a ridge on log band powers" in card


def test_evaluate_applies_the_ridge_that_was_kept(hard_run, hard_corpus, monkeypatch):
    test = read_json(hard_run / "metrics.json")["test"]
    part = part_of(hard_corpus, rows_of(hard_run, "test"), "the test")
    kept = KeptBaseline.load(hard_run / "model")
    answers = kept.answers(part)
    scores = kept.ridge.task.scores(part.labels, answers.predicted, answers.decided)
    assert scores == pytest.approx({key: test["baselines"]["ridge"][key] for key in scores})
    with monkeypatch.context() as patched:
        patched.setattr("biot.training.baseline.window_limit", lambda _: 7)
        assert kept.answers(part).predicted == pytest.approx(answers.predicted)
    whole = evaluate(
        hard_run / "model", hard_corpus.path, allow_leakage=True, device="cpu", n_bootstrap=20
    )
    assert whole.ridge.scores["balanced_accuracy"] > 0.8
    plain = whole.to_dict()
    assert plain["differences"]["ridge"]["accuracy"]["value"] == pytest.approx(
        plain["accuracy"] - plain["baselines"]["ridge"]["accuracy"]
    )


def test_whole_recordings_are_decided_by_the_ridge_too(hard_run, hard_corpus, tmp_path):
    """Of a corpus in which a subject has one class."""
    generator = np.random.default_rng(1)
    X = generator.normal(size=(60, 3, 100)) * np.array([20.0, 20.0, 0.1])[:, None]
    y = np.repeat(np.arange(6) % 2, 10)
    X[:, 0] += 8 * y[:, None] * np.sin(2 * np.pi * 8 * np.arange(100) / 50)
    X[:, 2] += 0.02 * y[:, None]
    other = from_arrays(
        X, np.array(["rest", "task"])[y], subject=[f"q{i // 10}" for i in range(60)], sfreq=50.0,
        ch_names=("Fz", "Cz", "acc_x"), units=("µV", "µV", "g"), label_names=("rest", "task"),
        out=tmp_path / "other",
    )  # fmt: skip
    found = evaluate(hard_run / "model", other.path, device="cpu", per="subject", n_bootstrap=20)
    assert found.n_windows == 6
    assert found.ridge.scores["accuracy"] >= 5 / 6


def test_without_baseline_there_is_none(hard_run, hard_corpus, tiny_config, tmp_path):
    metrics = finetune(
        hard_corpus.path, tmp_path / "run", config=tiny_config(epochs=1, baseline=False)
    )
    assert set(metrics["test"]["baselines"]) == {"chance", "majority"}
    assert "differences" not in metrics["test"]
    assert not (tmp_path / "run" / "model" / "baseline.npz").exists()
    asked = {"allow_leakage": True, "device": "cpu", "n_bootstrap": 0}
    model = tmp_path / "run" / "model"
    (_, told) = evaluate(model, hard_corpus.path, **asked).notes
    assert told == (
        f"A ridge on log band powers cannot be compared: {model} holds no baseline.npz. "
        "`biot finetune` of this release keeps one beside its models."
    )
    quiet = evaluate(hard_run / "model", hard_corpus.path, **asked, baseline=False)
    assert quiet.ridge is None
    assert len(quiet.notes) == 1  # of what the model learnt from


def test_each_fold_has_a_ridge_of_its_other_windows(hard_corpus, tiny_config, tmp_path):
    config = tiny_config(epochs=1, learning_rate=1e-5)
    metrics = cross_validate(hard_corpus.path, tmp_path / "run", folds=3, n_seeds=2, config=config)
    folds = read_json(tmp_path / "run" / "run.json")["tested"]
    features, truth = features_of(hard_corpus, np.arange(320)), hard_corpus.label_ids
    task, said = Classes(names=("rest", "task")), np.zeros(320, int)
    for fold in folds[:3]:
        held = np.isin(hard_corpus.subjects, fold["test"])
        known = np.concatenate(
            [np.flatnonzero(np.isin(hard_corpus.subjects, fold[p])) for p in ("train", "valid")]
        )
        ridge = RidgeBaseline.fit(
            features[known], truth[known], task, groups=hard_corpus.subjects[known]
        )
        said[held] = ridge.predict(features[held])
    found = metrics["each_seed"]["0"]["baselines"]["ridge"]
    assert found["accuracy"] == pytest.approx((said == truth).mean())
    over = metrics["ridge"]["pooled"]["accuracy"]
    assert over["values"][0] == found["accuracy"]
    assert len(over["values"]) == 2
    apart = metrics["ridge"]["differences"]["accuracy"]["mean"]
    assert apart == pytest.approx(metrics["pooled"]["accuracy"]["mean"] - over["mean"])
    table = (tmp_path / "run" / "table.txt").read_text(encoding="utf-8")
    assert f"{over['mean']:.3f} ± {over['sd']:.3f}" in table
    assert "Seed 0: The model is not better than a ridge on log band powers" in table
    page = run_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "Seed 1: The model is not better" in page
    balanced = metrics["ridge"]["pooled"]["balanced_accuracy"]["mean"]
    assert f"A ridge on log band powers: {balanced:.3f} ± " in page


def test_a_damaged_file_is_named_with_the_way_out(hard_run, hard_corpus, tmp_path):
    model = shutil.copytree(hard_run / "model", tmp_path / "model")
    whole = (model / "baseline.npz").read_bytes()
    for damaged in (b"", whole[:-100], b"PK" + bytes(200)):
        (model / "baseline.npz").write_bytes(damaged)
        with pytest.raises(ContractError, match=r"baseline\.npz: cannot be read .*--no-baseline"):
            evaluate(model, hard_corpus.path, allow_leakage=True, device="cpu")


def test_whatever_bytes_are_damaged_the_file_is_named_or_reads_the_same(hard_run, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(hard_run / "model" / "preprocessing.json", folder)
    path = folder / "baseline.npz"
    whole = (hard_run / "model" / "baseline.npz").read_bytes()
    sound = KeptBaseline.load(hard_run / "model").ridge
    generator = np.random.default_rng(0)
    refused = []
    for _ in range(150):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[generator.integers(len(whole), size=3)] ^= 0x55
        path.write_bytes(damaged.tobytes())
        try:
            found = KeptBaseline.load(folder).ridge
        except ContractError as error:
            refused.append(str(error))
        else:
            assert np.array_equal(found.weight, sound.weight)
    assert len(refused) > 100
    assert all(one.startswith(f"{path}: cannot be read (") for one in refused)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"decision": []}, "cannot be read"),
        ({"decision": {"task": "classes", "class_weights": [1.0]}}, "class_weights belong to"),
        ({"decision": {"task": "regression"}}, "its decision is for regression, its windows for"),
        ({"version": 2}, "version 2, this release reads 1"),
    ],
)
def test_a_rule_that_does_not_fit_its_outputs_is_refused(hard_run, tmp_path, changed, said):
    shutil.copy(hard_run / "model" / "preprocessing.json", tmp_path)
    with np.load(hard_run / "model" / "baseline.npz") as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays["about"].tobytes()) | changed
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(tmp_path / "baseline.npz", **arrays)
    with pytest.raises(ContractError, match=rf"baseline\.npz: cannot be read .*{said}|{said}"):
        KeptBaseline.load(tmp_path)


def test_a_ridge_of_other_windows_or_labels_is_refused(hard_run, wave_run, tmp_path):
    model = shutil.copytree(hard_run / "model", tmp_path / "model")
    shutil.copy(wave_run / "model" / "baseline.npz", model)
    with pytest.raises(ContractError, match=r"prepared differently: ch_names"):
        KeptBaseline.load(model)
    shutil.copy(hard_run / "model" / "baseline.npz", model)
    told = read_json(model / "preprocessing.json")
    told["label_names"] = ["rest", "other"]
    (model / "preprocessing.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ContractError, match=r"rest, task \(classes\), the .* rest, other \("):
        KeptBaseline.load(model)


def test_windows_too_short_for_a_band_are_scored_without_a_ridge(tiny_config, tmp_path):
    generator = np.random.default_rng(0)
    y = np.arange(60) % 2
    corpus = from_arrays(
        generator.normal(size=(60, 1, 1)) + y[:, None, None],
        y, subject=[f"s{i // 10}" for i in range(60)], sfreq=1000.0, ch_names=("Fz",), units="µV",
        label_names=("a", "b"), out=tmp_path / "corpus",
    )  # fmt: skip
    metrics = finetune(corpus.path, tmp_path / "run", config=tiny_config(epochs=1))
    assert set(metrics["test"]["baselines"]) == {"chance", "majority"}
    assert (
        "A ridge on log band powers could not be fitted: a window of 0.001 s holds no band of "
        "frequencies."
    ) in metrics["notes"]


def test_the_model_and_its_identity_do_not_depend_on_the_ridge(
    hard_run, hard_corpus, tiny_config, tmp_path
):
    config = tiny_config(
        epochs=1, learning_rate=1e-5, valid_share=0.25, test_share=0.4, baseline=False
    )
    finetune(hard_corpus.path, tmp_path / "run", config=config)
    name = "model/model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (hard_run / name).read_bytes()
    assert "baseline" not in config.identity()
    assert BIOT.from_pretrained(hard_run / "model").n_chans == 3
    assert len(load_corpus(hard_corpus.path)) == 320
