"""What scikit-learn warns of is said in our words."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from biot.evaluation.tasks import Classes
from biot.training.finetuning import linear_probe
from biot.training.finetuning.fold_split import _deal


def known(n: int = 60):
    generator = np.random.default_rng(0)
    truth = np.arange(n) % 2
    return generator.normal(size=(n, 4)) + truth[:, None], truth


def test_a_solver_that_did_not_converge_is_told_in_our_words(monkeypatch):
    solver = linear_probe._solver
    task = Classes(names=("a", "b"))
    monkeypatch.setattr(
        linear_probe, "_solver", lambda penalty: solver(penalty).set_params(max_iter=1)
    )
    told = r"^mode 'logistic': with the penalty \S+, .* the solver did not converge"
    with pytest.warns(UserWarning, match=told) as caught:
        probe = linear_probe.fit_probe("logistic", task, "auroc", known(), known())
    assert len(caught) == 1
    assert not probe.converged
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert linear_probe.fit_probe("logistic", task, "auroc", known(), known()).converged
        assert linear_probe.fit_probe("ridge", task, "auroc", known(), known()).converged


def test_other_warnings_pass(monkeypatch):
    def warned(*args):
        warnings.warn("look here", RuntimeWarning, stacklevel=1)
        return np.zeros((2, 4)), np.zeros(2)

    monkeypatch.setattr(linear_probe, "_ridge", warned)
    with pytest.warns(RuntimeWarning, match="look here"):
        linear_probe.fit_probe("ridge", Classes(names=("a", "b")), "auroc", known(), known())


def test_rare_classes_are_dealt_out_without_scikit_learns_warning():
    subjects = np.repeat(np.arange(6), 4)
    classes = np.zeros(24, int)
    classes[:2] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = _deal(classes, subjects, 5, 0)
        _deal(np.arange(24), subjects, 3, 0)  # a class a window
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(24))
