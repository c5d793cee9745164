"""Evaluation of a model folder on a corpus, and how it is told."""

from __future__ import annotations

import json
import math
import re
import shutil

import numpy as np
import pytest

from biot.errors import ConfigError, ContractError, CorpusError
from biot.evaluation.results import assess
from biot.evaluation.tasks import Classes
from biot.preprocessing import Preprocessing
from biot.training import evaluate

TASK = Classes(names=("rest", "task"))


@pytest.fixture
def example():
    """Eight windows of two subjects, two of them without usable data."""
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    high = np.array([0.1, 0.2, 0.6, 0.7, 0.9, 0.4, np.nan, np.nan])
    subjects = np.array(["a", "b"] * 4)
    return assess(labels, np.stack((1 - high, high), axis=1), subjects, TASK)


def test_windows_without_usable_data_are_left_out_and_counted(example):
    assert (example.n_windows, example.n_left_out, example.n_subjects) == (6, 2, 2)
    assert example.scores["balanced_accuracy"] == pytest.approx(2 / 3)
    assert example.confusion == ((2, 1), (1, 2))
    assert "6 windows of 2 subjects; 2 more without usable data are left out." in str(example)


def test_the_text_holds_aligned_tables(example):
    lines = str(example).splitlines()
    header = next(line for line in lines if line.startswith("score"))
    row = next(line for line in lines if line.startswith("balanced accuracy"))
    assert "0.667" in row
    assert " to " in row
    assert row.index("0.667") == header.index("value")
    task = next(line for line in lines if line.startswith("task"))
    assert task.split() == ["task", "0.667", "0.667", "0.667", "3"]


def test_the_dictionary_is_json_and_undefined_scores_are_null():
    one_class = assess(
        np.zeros(4, dtype=int), np.tile([0.9, 0.1], (4, 1)), np.array(["a"] * 4), TASK
    )
    assert math.isnan(one_class.scores["auroc"])
    plain = json.loads(json.dumps(one_class.to_dict(), allow_nan=False))
    assert plain["auroc"] is None
    assert plain["intervals"] is None
    assert plain["classes"]["task"] == {
        "precision": None, "recall": None, "f1": None, "support": 0,
    }  # fmt: skip
    assert plain["confusion"] == [[4, 0], [0, 0]]
    text = str(one_class)
    assert "1 subject; no intervals: they need two subjects or more" in text
    assert "undefined" in text


def test_an_interval_that_is_undefined_is_null():
    labels, probabilities = np.zeros(4, dtype=int), np.tile([0.9, 0.1], (4, 1))
    result = assess(labels, probabilities, np.array(["a", "a", "b", "b"]), TASK)
    intervals = result.to_dict()["intervals"]
    assert intervals["accuracy"] == [1.0, 1.0]
    assert intervals["balanced_accuracy"] is None
    assert intervals["auroc"] is None


def test_nothing_usable_is_an_error():
    with pytest.raises(CorpusError, match=r"None of the 3 windows to evaluate has usable data"):
        assess(np.zeros(3, dtype=int), np.full((3, 2), np.nan), np.array(["a"] * 3), TASK)


def test_a_trained_model_is_good_on_new_subjects(wave_run, make_corpus, tmp_path):
    fresh = make_corpus(tmp_path / "new", n_subjects=3, seed=5)
    result = evaluate(wave_run / "model", fresh.path, device="cpu", n_bootstrap=50)
    assert result.n_windows == 120
    assert result.scores["balanced_accuracy"] > 0.9
    low, high = result.intervals["balanced_accuracy"]
    assert low <= result.scores["balanced_accuracy"] <= high


def test_labels_meet_the_outputs_by_name(wave_run, make_corpus, tmp_path):
    turned = make_corpus(tmp_path / "turned", label_names=("wave", "noise"), n_subjects=3)
    assert turned.preprocessing.label_names == ("wave", "noise")
    result = evaluate(wave_run / "model", turned.path, device="cpu", n_bootstrap=0)
    assert result.label_names == ("noise", "wave")
    assert result.scores["balanced_accuracy"] > 0.9


def test_the_batch_size_changes_nothing(wave_run, wave_corpus):
    first, second = (
        evaluate(
            wave_run / "model",
            wave_corpus.path,
            allow_leakage=True,
            batch_size=size,
            n_bootstrap=0,
            device="cpu",
        )
        for size in (7, 64)
    )
    assert first.confusion == second.confusion
    assert first.scores["auroc"] == pytest.approx(second.scores["auroc"], abs=1e-6)


def test_gaps_are_masked_and_windows_of_nothing_else_left_out(wave_run, make_corpus, tmp_path):
    gappy = make_corpus(tmp_path / "gappy", n_subjects=3, missing=10)
    result = evaluate(wave_run / "model", gappy.path, device="cpu", n_bootstrap=0)
    assert (result.n_windows, result.n_left_out) == (110, 10)


def test_a_label_that_the_model_does_not_know_is_an_error(wave_run, make_corpus, tmp_path):
    other = make_corpus(tmp_path / "c", label_names=("noise", "wave4"), n_subjects=2)
    with pytest.raises(CorpusError, match=r"labelled wave4; the model knows noise, wave only"):
        evaluate(wave_run / "model", other.path)


def test_a_corpus_without_labels_is_an_error(wave_run, make_corpus, tmp_path):
    bare = make_corpus(tmp_path / "bare", unlabelled=True, n_subjects=2)
    with pytest.raises(CorpusError, match=r"bare: no window has a label.*--labels"):
        evaluate(wave_run / "model", bare.path)


def test_a_corpus_prepared_differently_is_refused(wave_run, make_corpus, tmp_path):
    other = make_corpus(tmp_path / "plain", scale="none", n_subjects=2)
    with pytest.raises(ContractError, match=r"plain was prepared differently: scale is 'none'"):
        evaluate(wave_run / "model", other.path)


def test_a_model_that_names_no_classes_is_refused(wave_run, wave_corpus, tmp_path):
    model = shutil.copytree(wave_run / "model", tmp_path / "model")
    Preprocessing.load(model).with_labels(None).save(model)
    with pytest.raises(
        ContractError, match=r"model: The model's preprocessing\.json names no class"
    ):
        evaluate(model, wave_corpus.path)


def test_numbers_out_of_range_are_refused(wave_run, wave_corpus):
    with pytest.raises(ConfigError, match=r"batch_size must be at least 1 .* got 0 and 10"):
        evaluate(
            wave_run / "model", wave_corpus.path, allow_leakage=True, batch_size=0, n_bootstrap=10
        )


def test_scores_on_what_was_learnt_from_say_so(wave_run, wave_corpus):
    result = evaluate(
        wave_run / "model", wave_corpus.path, allow_leakage=True, device="cpu", n_bootstrap=0,
        baseline=False,
    )  # fmt: skip
    (note,) = result.to_dict()["notes"]
    assert re.fullmatch(
        r"The model learnt from \d+ subjects \(.*\) of these: the scores flatter it\.", note
    )
    assert note in str(result)


def test_a_model_whose_training_is_not_written_down_is_scored_with_a_word(
    wave_run, make_corpus, tmp_path
):
    model, other = shutil.copytree(wave_run / "model", tmp_path / "model"), tmp_path / "other"
    (model / "training_data.json").unlink()
    make_corpus(other, n_subjects=3)
    result = evaluate(model, other, device="cpu", n_bootstrap=0, baseline=False)
    assert result.notes == (
        "What the model learnt from is not written down: it may be some of these recordings.",
    )
