"""What a cross-validation has done is kept, whatever ends it."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot import plots
from biot.corpus import Corpus
from biot.errors import CheckpointError, ConfigError, CorpusError
from biot.locks import alone_on
from biot.training import cross_validate, finetune
from biot.training.finetuning import cross_validate as module
from biot.training.finetuning.fold_files import KeptFolds


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix in (".csv", ".txt") or path.name == "metrics.json"
    }


def run(corpus: Corpus, out: Path, tiny_config: Any, **changes: Any) -> None:
    cross_validate(corpus.path, out, folds=3, config=tiny_config(epochs=1), **changes)


@pytest.fixture(scope="module")
def undisturbed(wave_corpus, tiny_config, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "folds"
    run(wave_corpus, out, tiny_config)
    return out


class Killed(BaseException):
    """Ends a run at once, as no error of ours would."""


def stop_at(fold: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Raise when a fold is to be trained; gives the folds that are trained."""
    train, trained = module._run, []

    def train_or_stop(job: Any) -> Any:
        if job.fold.number == fold:
            raise error
        trained.append(job.fold.number)
        return train(job)

    monkeypatch.setattr(module, "_run", train_or_stop)
    return trained


def test_the_same_command_goes_on_with_the_folds_that_are_left(
    wave_corpus, tiny_config, tmp_path, undisturbed, monkeypatch
):
    out = tmp_path / "folds"
    with monkeypatch.context() as patched:
        stop_at(3, Killed(), patched)
        with pytest.raises(Killed):
            run(wave_corpus, out, tiny_config)
    assert sorted(path.name for path in out.rglob("*")) == [
        "folds", "run.json", "seed-0-fold-1.npz", "seed-0-fold-2.npz",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="n_seeds was 1, is 2"):
        run(wave_corpus, out, tiny_config, n_seeds=2)
    (out / "folds" / "seed-0-fold-1.npz").write_bytes(b"damaged")
    trained = stop_at(0, Killed(), monkeypatch)
    with pytest.warns(UserWarning, match=r"fold-1\.npz: damaged .* fold 1 is trained again"):
        run(wave_corpus, out, tiny_config)
    assert trained == [1, 3]
    assert files(out) == files(undisturbed)
    assert {path.name for path in out.iterdir()} == {path.name for path in undisturbed.iterdir()}


def test_whatever_bytes_of_a_kept_fold_are_damaged_it_is_told(tmp_path):
    kept = KeptFolds(tmp_path)
    numbers = np.random.default_rng(0).normal(size=200)
    kept.save(0, 1, {"predicted": numbers}, {"best_epoch": 1})
    path = tmp_path / "seed-0-fold-1.npz"
    whole, generator = path.read_bytes(), np.random.default_rng(1)
    n_told = 0
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[generator.integers(len(whole), size=3)] ^= 0x55
        path.write_bytes(damaged.tobytes())
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = kept.load(0, 1)
        if found is None:
            assert "seed-0-fold-1.npz: damaged (" in str(told[0].message)
            n_told += 1
        else:
            assert np.array_equal(found[0]["predicted"], numbers)
    assert n_told > 40


def test_a_fold_that_fails_leaves_the_others(wave_corpus, tiny_config, tmp_path, monkeypatch):
    stop_at(2, ConfigError("Training diverged."), monkeypatch)
    with pytest.raises(ConfigError, match=r"diverged\. 1 of the trainings are done and kept in"):
        run(wave_corpus, tmp_path / "folds", tiny_config)
    assert (tmp_path / "folds" / "folds" / "seed-0-fold-1.npz").is_file()


def test_nothing_is_left_of_a_run_whose_first_fold_fails(
    wave_corpus, tiny_config, tmp_path, monkeypatch
):
    stop_at(1, ConfigError("Training diverged."), monkeypatch)
    with pytest.raises(ConfigError, match=r"^Training diverged\.$"):
        run(wave_corpus, tmp_path / "folds", tiny_config)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_folds_before_it(wave_corpus, tiny_config, tmp_path, monkeypatch):
    def fail(path: Path, rows: Any) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(module, "_write_csv", fail)
    with pytest.raises(CheckpointError, match=r"folds\.csv: cannot be written \(No space left"):
        run(wave_corpus, tmp_path / "folds", tiny_config)
    assert len(list((tmp_path / "folds" / "folds").iterdir())) == 3
    assert not (tmp_path / "folds" / "metrics.json").exists()


def test_a_figure_that_fails_costs_nothing_else(
    wave_corpus, tiny_config, tmp_path, undisturbed, monkeypatch
):
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such font")

    for name in ("groups", "curves", "confusion"):
        monkeypatch.setattr(plots, name, fail)
    with pytest.warns(UserWarning, match=r"subjects\.png: no such font\. The figure is left out"):
        run(wave_corpus, tmp_path / "folds", tiny_config)
    assert files(tmp_path / "folds") == files(undisturbed)
    with pytest.warns(UserWarning, match=r"png: no such font") as told:
        finetune(wave_corpus.path, tmp_path / "run", config=tiny_config(epochs=1))
    assert len([one for one in told if "no such font" in str(one.message)]) == 2
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_folder_in_which_another_run_is_at_work_is_refused(wave_corpus, tiny_config, tmp_path):
    out = tmp_path / "run"
    with alone_on(out, "this folder", ConfigError):
        for begin, kind in ((finetune, ConfigError), (cross_validate, CorpusError)):
            with pytest.raises(kind, match=r"run: another run is writing this folder now \(proc"):
                begin(wave_corpus.path, out, config=tiny_config())
    assert list(tmp_path.iterdir()) == []


def test_subjects_that_a_spreadsheet_would_run_are_marked(make_corpus, tmp_path, tiny_config):
    corpus = make_corpus(tmp_path / "=1+1 ", n_subjects=3, per_subject=20)
    run(corpus, tmp_path / "folds", tiny_config)
    with (tmp_path / "folds" / "subjects.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["subject"] for row in rows) == ["'=1+1 -0", "'=1+1 -1", "'=1+1 -2"]
