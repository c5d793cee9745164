"""Cross-validation: every subject is tested once a seed, by a model that has not seen it."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from biot.corpus.builder.writer import write_description
from biot.corpus.manifest import Manifest
from biot.errors import ConfigError, CorpusError
from biot.training import cross_validate
from biot.training.finetuning.cross_validate import _notes, folds_by_subject


@pytest.fixture(scope="module")
def folds_run(wave_corpus, tiny_config, tmp_path_factory):
    """Three folds under two seeds."""
    out = tmp_path_factory.mktemp("folds") / "run"
    cross_validate(
        wave_corpus.path, out, folds=3, n_seeds=2, config=tiny_config(epochs=3), command="biot x"
    )
    return out


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_note_of_every_training_is_told_once_and_others_with_their_fold():
    trainings = [SimpleNamespace(notes=notes) for notes in (("one token.",), ("x.", "one token."))]
    assert _notes(["fold 1", "fold 2"], trainings) == ["one token.", "fold 2: x."]


@pytest.mark.parametrize("folds", [2, 5, "loso"])
def test_each_subject_is_tested_once_and_trains_or_validates_else(wave_corpus, folds):
    rows = np.arange(len(wave_corpus))
    made = folds_by_subject(wave_corpus, rows, folds, valid_share=0.2, seed=3)
    assert len(made) == (6 if folds == "loso" else folds)
    tested = np.concatenate([fold.test for fold in made])
    assert sorted(tested) == rows.tolist()
    for fold in made:
        parts = [set(wave_corpus.subjects[rows]) for rows in (fold.train, fold.valid, fold.test)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts)) == 6
        assert len(fold.train) + len(fold.valid) + len(fold.test) == 240


def test_the_folder_holds_every_subject_once_a_seed_and_the_scores(folds_run, wave_corpus):
    subjects = table(folds_run / "subjects.csv")
    keys = [(row["seed"], row["subject"]) for row in subjects]
    assert sorted(keys) == sorted((s, f"s{k}") for s in "01" for k in range(6))
    assert sum(int(row["n_windows"]) for row in subjects) == 2 * 240
    metrics = json.loads((folds_run / "metrics.json").read_text(encoding="utf-8"))
    folds = [float(row["balanced_accuracy"]) for row in table(folds_run / "folds.csv")]
    found = metrics["folds"]["balanced_accuracy"]
    assert found["mean"] == pytest.approx(np.mean(folds))
    assert found["sd"] == pytest.approx(np.std(folds, ddof=1))
    assert found["mean"] > 0.8
    for seed in "01":
        counts = np.array(metrics["each_seed"][seed]["confusion"])
        recall = counts.diagonal() / counts.sum(axis=1)
        assert counts.sum() == 240
        pooled = metrics["pooled"]["balanced_accuracy"]["values"][int(seed)]
        assert pooled == pytest.approx(recall.mean())
    text = (folds_run / "table.txt").read_text(encoding="utf-8")
    assert f"{found['mean']:.3f} ± {found['sd']:.3f}" in text
    assert "3 folds × 2 seeds" in text
    run = json.loads((folds_run / "run.json").read_text(encoding="utf-8"))
    assert run["command"] == "biot x"
    assert "git_revision" in run
    assert [tested["seed"] for tested in run["tested"]] == [0, 0, 0, 1, 1, 1]
    assert (folds_run / "subjects.png").stat().st_size > 1000


@pytest.mark.slow
def test_processes_change_nothing(wave_corpus, tiny_config, tmp_path):
    config = tiny_config(epochs=1, num_layers=1)
    alone, together = (
        cross_validate(
            wave_corpus.path, tmp_path / str(n), folds=2, workers=n, config=config
        )["each_seed"]["0"]["confusion"]
        for n in (1, 2)
    )  # fmt: skip
    assert np.abs(np.array(alone) - together).max() <= 1  # sums may differ in the last bit


def test_too_few_subjects_are_refused_and_leave_nothing(make_corpus, tiny_config, tmp_path):
    corpus = make_corpus(tmp_path / "corpus", n_subjects=4)
    with pytest.raises(CorpusError, match=r"4 subjects with labels; 5 folds need 5 or more"):
        cross_validate(corpus.path, tmp_path / "run", folds=5, config=tiny_config())
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_an_error_names_seed_and_fold(make_corpus, tiny_config, tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    contract = corpus.preprocessing.with_labels(("noise", "wave", "seizure"))
    write_description(corpus.path, contract, Manifest.load(corpus.path))
    with pytest.raises(CorpusError, match=r"Seed 7, fold 1: .*no training window .* seizure"):
        cross_validate(corpus.path, tmp_path / "run", folds=2, config=tiny_config(seed=7))
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_config_that_suits_no_fold_is_refused_before_the_first(
    wave_corpus, tiny_config, tmp_path
):
    with pytest.raises(ConfigError, match=r"^embed_dim=16 is not a multiple of num_heads=3"):
        cross_validate(wave_corpus.path, tmp_path / "run", folds=2, config=tiny_config(num_heads=3))
    assert list(tmp_path.iterdir()) == []


def test_a_subject_without_usable_windows_is_in_no_fold(make_corpus, tiny_config, tmp_path):
    corpus = make_corpus(tmp_path / "corpus", n_subjects=4, per_subject=20, missing=25)
    metrics = cross_validate(
        corpus.path, tmp_path / "run", folds="loso", config=tiny_config(epochs=1)
    )
    assert metrics["n_folds"] == 3
    subjects = {
        row["subject"]: int(row["n_windows"]) for row in table(tmp_path / "run" / "subjects.csv")
    }
    assert subjects == {"s1": 15, "s2": 20, "s3": 20}
    run = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert run["left_out"] == {"windows without usable data": 25}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": 1}, r"folds must be 2 or more, or 'loso'; got 1"),
        ({"n_seeds": 0}, r"seeds and workers must be at least 1, got 0 and 1"),
        ({"split": "time"}, r"Folds are made by subject; split is 'time'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    arguments, message, wave_corpus, tiny_config, tmp_path
):
    config = tiny_config(split=arguments.pop("split", "subject"))
    with pytest.raises(ConfigError, match=message):
        cross_validate(wave_corpus.path, tmp_path / "run", config=config, **arguments)
