"""Whether a score is one that guesses reach."""

from __future__ import annotations

import numpy as np
import pytest

from biot.evaluation.chance import note_on_chance
from biot.evaluation.tasks import plain_task
from biot.preprocessing import Preprocessing


def contract(task: str, names: tuple[str, ...]) -> Preprocessing:
    return Preprocessing(
        sfreq=50, window=2, ch_names=("C3",), units=("µV",), label_names=names, task=task
    )


@pytest.mark.parametrize(("score", "is_told"), [(0.5, True), (0.59, True), (0.61, False)])
def test_balanced_accuracy_within_luck_is_told(score: float, is_told: bool) -> None:
    # 50 of each of two: a standard deviation of sqrt(0.25 / 100) = 0.05, so luck goes up to 0.598
    truth = np.repeat([0, 1], 50)
    task = plain_task(contract("classes", ("a", "b")))
    said = note_on_chance(task, score, np.full((100, 2), 0.5), truth)
    expected = (
        f"balanced accuracy {score:.3f} over 100 windows is no better than guessing, which gives "
        "0.5, by luck up to 0.598"
    )
    assert said == (expected if is_told else None)


def test_classes_that_are_absent_do_not_count() -> None:
    truth = np.repeat([0, 2], 50)
    task = plain_task(contract("classes", ("a", "b", "c")))
    said = note_on_chance(task, 0.5, np.full((100, 3), 1 / 3), truth)
    assert said is not None
    assert "guessing, which gives 0.5," in said


def test_tags_are_compared_with_a_random_ranking_and_numbers_with_their_mean() -> None:
    rng = np.random.default_rng(0)
    held = np.stack([np.arange(60) % 2, np.arange(60) % 3 == 0], axis=1).astype(float)
    tags = plain_task(contract("multilabel", ("a", "b")))
    assert "guessing, which gives 0.5" in str(note_on_chance(tags, 0.52, rng.random((60, 2)), held))
    assert note_on_chance(tags, 0.9, held, held) is None
    numbers = plain_task(contract("regression", ("age",)))
    values = rng.normal(size=(60, 1))
    assert "guessing, which gives 0" in str(note_on_chance(numbers, -0.2, values, values))
    assert note_on_chance(numbers, 0.1, values, values) is None
