"""What guessing reaches, against scikit-learn, and what is said of a training without effect."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.dummy import DummyClassifier

from biot.decision import Decision
from biot.evaluation.chance import baselines, notes_on
from biot.evaluation.results import assess
from biot.evaluation.tasks import Classes, MultiLabel, Regression

TASK = Classes(names=("a", "b", "c"))
LABELS = np.repeat([0, 1, 2], (60, 30, 10))


def test_the_majority_scores_as_scikit_learns_dummy():
    dummy = DummyClassifier(strategy="prior").fit(LABELS[:, None], LABELS)
    said, p = dummy.predict(LABELS[:, None]), dummy.predict_proba(LABELS[:, None])
    found = baselines(TASK, LABELS)["majority"]
    assert found["accuracy"] == 0.6
    assert found["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(LABELS, said)
    )
    assert found["cohen_kappa"] == 0
    assert found["weighted_f1"] == pytest.approx(
        reference.f1_score(LABELS, said, average="weighted", zero_division=0)
    )
    assert found["auroc"] == reference.roc_auc_score(LABELS, p, multi_class="ovr")
    assert found["brier"] == pytest.approx(((p - np.eye(3)[LABELS]) ** 2).sum(axis=1).mean())
    assert set(found) == set(TASK.score_names)


def test_chance_is_what_many_draws_reach_on_average():
    generator, scores = np.random.default_rng(0), []
    for _ in range(300):
        said = generator.permutation(LABELS)
        p = np.broadcast_to([0.6, 0.3, 0.1], (100, 3))
        scores.append(TASK.scores(LABELS, p, said))
    found = baselines(TASK, LABELS)["chance"]
    for name, value in found.items():
        assert value == pytest.approx(np.mean([s[name] for s in scores]), abs=0.015), name


def test_guesses_of_tags_and_numbers():
    truth = np.zeros((10, 2))
    truth[:6, 0] = truth[:2, 1] = 1
    found = baselines(MultiLabel(names=("x", "y")), truth)
    always = np.tile([1, 0], (10, 1))
    expected = reference.f1_score(truth, always, average="macro", zero_division=0)
    assert found["majority"]["f1"] == pytest.approx(expected)
    assert found["chance"]["auprc"] == pytest.approx(0.4)
    numbers = np.array([[1.0], [2.0], [6.0]])
    mean = baselines(Regression(names=("age",)), numbers)["mean"]
    assert (mean["r2"], mean["mae"]) == (0.0, pytest.approx(2.0))
    assert math.isnan(mean["pearson"])


def test_one_class_alone_gives_no_number_where_there_is_none():
    labels, p = np.zeros(4, dtype=int), np.tile([0.9, 0.1, 0.0], (4, 1))
    result = assess(labels, p, np.array(["s1"] * 4), TASK)
    plain = result.to_dict()
    for name in ("balanced_accuracy", "cohen_kappa", "auroc", "auprc"):
        assert plain[name] is None
        assert plain["undefined"][name] == "one class among the windows: a"
        assert plain["baselines"]["chance"][name] is None
    assert plain["accuracy"] == 1.0
    assert plain["no_intervals"] == "one subject: no interval"
    text = str(result)
    assert "no window of b, c" in text
    assert "(one class among the windows: a)." in text


def task_of(strength: float, n_windows: int = 400, seed: int = 0):
    generator = np.random.default_rng(seed)
    labels = np.arange(n_windows) % 2
    z = generator.normal(size=(n_windows, 2))
    z[:, 1] += strength * labels
    return labels, z


def notes(strength: float, losses=(0.7, 0.6), **changes):
    labels, z = task_of(strength, **changes)
    task = Classes(names=("a", "b"))
    return notes_on(task, losses, z, labels, task.fitted(z, labels), True)


def test_training_without_effect_is_told_and_training_with_effect_is_not():
    (note,) = notes(-0.2)
    assert note.startswith("Training learnt nothing: the validation AUROC is 0.503 over")
    assert "over 400 windows, and a random ranking gives 0.5, by luck up to 0.5" in note
    (note,) = notes(0.0)
    assert note == (
        "Training may have learnt nothing: the validation AUROC is 0.545 over 400 windows, and a "
        "random ranking gives 0.5, by luck up to 0.565."
    )
    (note,) = notes(2.0, losses=(0.5, 0.6, 0.55))
    assert note == (
        "Training learnt nothing: its loss was 0.500 in the first epoch and never lower after it "
        "(0.550 in the last)."
    )
    assert notes(2.0) == ()
    assert notes(2.0, losses=()) == ()
    assert notes(9.0, n_windows=6) == ()


def test_noise_is_seldom_taken_for_knowledge():
    told = sum(bool(notes(0.0, seed=seed)) for seed in range(100))
    assert told >= 95


def test_numbers_no_better_than_their_mean_are_told():
    task = Regression(names=("age",))
    truth = np.random.default_rng(0).normal(50, 10, (40, 1))
    (note,) = notes_on(task, (1.0, 0.9), truth * 0 + 55, truth, Decision(task="regression"), True)
    assert note.endswith("over 40 windows, and always saying their mean gives 0.")
    assert notes_on(task, (1.0, 0.9), truth, truth, Decision(task="regression"), True) == ()


def test_a_missing_temperature_is_told():
    task = Classes(names=("a", "b"), weights=(1.0, 2.0))
    z, labels = task_of(1.0)[1], np.zeros(400, dtype=int)
    (note,) = notes_on(task, (), z, labels, task.fitted(z, labels), True)
    assert note == (
        "Probabilities are corrected for weights only: the 400 validation windows hold one class, "
        "so that no temperature can be fitted."
    )
