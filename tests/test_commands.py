"""The commands one after the other, from recordings to predictions."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch

import biot
from biot.cli import main
from biot.corpus import from_arrays
from biot.simulate import write_study
from biot.training import FinetuneConfig, PretrainConfig

TINY = ["--embed-dim", "16", "--num-heads", "2", "--num-layers", "1", "--epochs", "2"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one minute of three simulated subjects."""
    folder = tmp_path_factory.mktemp("recordings")
    write_study(folder, subjects=range(3), duration=60)
    return folder


@pytest.fixture(scope="module")
def corpus(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their corpus, made by the command."""
    out = tmp_path_factory.mktemp("work") / "corpus"
    words = ["--sfreq", "100", "--window", "2", "--labels", "annotations", "--align", "events"]
    assert main(["prepare", str(recordings), "--out", str(out), *words]) == 0
    return out


@pytest.fixture(scope="module")
def run(corpus: Path) -> Path:
    """A run on it, made by the command."""
    out = corpus.parent / "run"
    assert main(["finetune", str(corpus), "--out", str(out), *TINY, "--device", "cpu"]) == 0
    return out


def only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


def test_figures_ask_for_their_package_before_the_work(
    corpus: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    figure = ["--plot", str(tmp_path / "figure.png")]
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for words in (
        ["info", str(corpus)],
        ["evaluate", str(run), str(corpus), "--events", "windows"],
    ):
        assert main([*words, *figure]) == 1
        printed = capsys.readouterr()
        assert "matplotlib is not installed" in only_line(printed.err)
        assert printed.out == ""


def test_prepare_tells_what_it_made(recordings: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["--sfreq", "100", "--window", "10", "--labels", "none"]
    out = tmp_path / "corpus"
    assert main(["prepare", str(recordings), "--out", str(out), *words]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "18 of 10 s, 8 channels at 100 Hz" in shown.out
    assert main(["prepare", str(recordings), "--out", str(out), *words]) == 0
    assert "changes     none" in capsys.readouterr().out
    words[1] = "50"
    assert main(["prepare", str(recordings), "--out", str(out), *words]) == 1
    assert "was prepared with --sfreq 100.0, not 50.0" in only_line(capsys.readouterr().err)


def test_finetune_leaves_a_run_that_can_be_repeated(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names == {
        *("model", "metrics.json", "history.csv", "run.json"),
        *("confusion.png", "reliability.png", "curves.png"),
        *("test_predictions.parquet", "valid_predictions.parquet"),
    }
    command = json.loads((run / "run.json").read_text(encoding="utf-8"))["command"]
    assert command.startswith("biot finetune ")
    assert command.endswith("--embed-dim 16 --num-heads 2 --num-layers 1 --epochs 2 --device cpu")


def test_evaluate_shows_tables_and_writes_json(
    run: Path, corpus: Path, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "scores.json"
    assert (
        main(["evaluate", str(run / "model"), str(corpus), "--allow-leakage", "--json", str(path)])
        == 0
    )
    shown = capsys.readouterr().out
    scores = json.loads(path.read_text(encoding="utf-8"))
    assert f"{scores['balanced_accuracy']:.3f}" in shown
    assert scores["n_subjects"] == 3
    assert scores["label_names"] == ["rest", "spike-wave", "spindles"]
    for name in ("balanced accuracy", "Cohen's kappa", "weighted F1", "AUROC", "AUPRC", "spindles"):
        assert name in shown


def test_predict_writes_the_table_and_the_timeline(
    run: Path,
    recordings: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table, figure = tmp_path / "a.csv", tmp_path / "a.png"
    words = ["predict", str(run / "model"), str(recordings / "sub-02_eeg.edf"), "--out", str(table)]
    assert main([*words, "--png", str(figure), "--stride", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "8 matched, 0 derived, 0 absent" in shown.out
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 59
    names = ("rest", "spike-wave", "spindles")
    assert list(rows[0]) == [
        *("start", "stop", "label"), *(f"p_{name}" for name in names),
        *(f"weight_{name}" for name in names), "in_training",
    ]  # fmt: skip
    for row in rows:
        products = {n: float(row[f"p_{n}"]) * float(row[f"weight_{n}"]) for n in names}
        assert row["label"] == max(products, key=products.__getitem__)
    told = "Decision: the class with the largest p × weight (rest "
    assert told in shown.out
    assert [rows[-1]["start"], rows[-1]["stop"]] == ["58.0", "60.0"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    slow = {"architecture": "x86_64"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: slow, raising=False)
    assert main([*words[:-1], str(tmp_path / "a.parquet"), "--precision", "bf16"]) == 0
    assert capsys.readouterr().err.count("--precision bf16 is slow on this processor") == 1
    assert (tmp_path / "a.parquet").is_file()


def test_predict_says_where_the_model_learnt_from_the_recording_and_where_windows_leave_gaps(
    run: Path, recordings: Path, tmp_path: Path, capsys: Capture
) -> None:
    split = json.loads((run / "run.json").read_text(encoding="utf-8"))["split"]
    told = {}
    for part in ("train", "test"):
        copy = tmp_path / f"{part}.edf"  # under another name: the content tells
        name = split[part]["subjects"][0]
        shutil.copyfile(next(recordings.glob(f"*{name}*.edf")), copy)
        table = tmp_path / f"{part}.parquet"
        words = ["predict", str(run / "model"), str(copy), "--out", str(table), "--stride", "5"]
        assert main([*words, "--png", str(tmp_path / "a.png")]) == 0
        told[part] = capsys.readouterr().out
        found = parquet.read_table(table)
        expected = "yes" if part == "train" else "no"
        assert set(found["in_training"].to_pylist()) == {expected}
        assert found.schema.metadata[b"in_training"].decode() == expected
        assert found.schema.metadata[b"decision"].decode() in told[part]
    assert "The model learnt from this recording (train.edf)" in told["train"]
    assert "learnt from this recording" not in told["test"]
    gap = "--stride 5 is above the window of 2 s: after each window 3 s are not predicted."
    assert gap in told["test"]


def test_predict_on_a_run_says_where_its_model_is(
    run: Path, recordings: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = [str(recordings / "sub-02_eeg.edf"), "--out", str(tmp_path / "a.csv")]
    assert main(["predict", str(run), *words]) == 1
    assert f"{run}: is a run; its model is {run / 'model'}" in only_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("malformed/empty.edf", "empty.edf: is empty (0 bytes)"),
        ("malformed/plain_text.edf", "plain_text.edf"),
        ("wfdb/100.hea", "100.hea: No channel of the recording is in the vocabulary"),
    ],
)
def test_real_recordings_that_do_not_fit_are_refused_in_one_line(
    name: str, message: str, run: Path, shared_data: Path, tmp_path: Path, capsys: Capture
) -> None:
    recording = str(shared_data / "readers" / name)
    out = tmp_path / "a.csv"
    assert main(["predict", str(run / "model"), recording, "--out", str(out)]) == 1
    assert message in only_line(capsys.readouterr().err)
    assert not out.exists()


def test_a_real_recording_with_these_electrodes_is_predicted(
    run: Path, shared_data: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Sixteen channels at 256 Hz, all eight of the model's among them."""
    recording = str(shared_data / "readers" / "edf" / "eeglab_test_16ch.edf")
    out = tmp_path / "a.csv"
    assert main(["predict", str(run / "model"), recording, "--out", str(out)]) == 0
    assert "8 matched" in capsys.readouterr().out
    assert len(out.read_text(encoding="utf-8").splitlines()) == 31


def test_prepare_takes_filters_rules_and_several_columns(
    recordings: Path, tmp_path: Path, capsys: Capture
) -> None:
    names = sorted(path.relative_to(recordings).as_posix() for path in recordings.rglob("*.edf"))
    table = tmp_path / "t.tsv"
    rows = [f"{name}\t{30 + i}\t{i}\n" for i, name in enumerate(names)]
    table.write_text("file\tage\tscore\n" + "".join(rows))
    out = tmp_path / "corpus"
    words = ["--sfreq", "100", "--window", "25", "--labels", str(table), "--label-column", "age"]
    words += ["--label-column", "score", "--task", "regression", "--l-freq", "1", "--h-freq", "40"]
    words += ["--notch", "50", "--resample", "fft", "--keep-short"]
    assert main(["prepare", str(recordings), "--out", str(out), *words]) == 0
    shown = capsys.readouterr().out
    assert "filter      1 to 40 Hz, without 50 Hz" in shown
    assert f"targets     age: mean {30 + (len(names) - 1) / 2:.4g}" in shown
    contract = json.loads((out / "preprocessing.json").read_text(encoding="utf-8"))
    assert (contract["label_columns"], contract["resample"]) == (["age", "score"], "fft")
    again = ["--sfreq", "100", "--window", "4", "--labels", "annotations", "--label-rule", "centre"]
    assert main(["prepare", str(recordings), "--out", str(tmp_path / "b"), *again]) == 0
    again += ["--min-overlap", "0.4"]
    assert main(["prepare", str(recordings), "--out", str(tmp_path / "c"), *again]) == 1
    assert "goes with --label-rule 'overlap'" in only_line(capsys.readouterr().err)


def test_finetune_cross_validates_and_trains_the_head_alone(
    corpus: Path, run: Path, tmp_path: Path, capsys: Capture
) -> None:
    quick = ["--embed-dim", "8", "--num-heads", "2", "--device", "cpu"]
    words = ["finetune", str(corpus), "--out", str(tmp_path / "folds"), "--folds", "loso"]
    assert main([*words, "--num-layers", "1", "--epochs", "1", *quick]) == 0
    shown, told = capsys.readouterr()
    assert [line.rpartition(" done ")[2] for line in told.splitlines()] == [
        "(1 of 3)", "(2 of 3)", "(3 of 3)",
    ]  # fmt: skip
    assert "mean ± sd of" in shown
    assert "balanced accuracy" in shown
    assert "subjects.csv" in shown
    model = str(run / "model")
    words = ["finetune", str(corpus), "--out", str(tmp_path / "probe"), "--from", model]
    assert main([*words, "--mode", "logistic", "--allow-leakage", "--device", "cpu"]) == 0
    assert "Test, with the penalty" in capsys.readouterr().out
    assert main([*words, "--workers", "2"]) == 1
    assert "--workers is for cross-validation. Give --folds too." in capsys.readouterr().err


def test_a_run_is_told_from_its_model(
    corpus: Path, run: Path, recordings: Path, tmp_path: Path, capsys: Capture
):
    recording, out = str(next(recordings.glob("*.edf"))), str(tmp_path / "new.csv")
    for words in (
        ["finetune", str(corpus), "--out", str(tmp_path / "new"), "--from", str(run)],
        ["evaluate", str(run), str(corpus)],
        ["predict", str(run), recording, "--out", out],
    ):
        assert main(words) == 1
        assert f"{run}: is a run; its model is {run / 'model'}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording, and models of tags and of numbers."""
    folder, rng = tmp_path_factory.mktemp("outputs"), np.random.default_rng(0)
    X = rng.normal(size=(48, 1, 100)).astype(np.float32)
    given = {"subject": [f"s{i // 8}" for i in range(48)], "sfreq": 50.0, "ch_names": ["Cz"]}
    kinds = {
        "multilabel": (rng.integers(0, 2, (48, 2)), ("spike", "slow")),
        "regression": (rng.normal(size=(48, 1)), ("age",)),
    }
    for task, (y, names) in kinds.items():
        from_arrays(
            X, y, task=task, label_names=names, units="µV", out=folder / f"{task}-corpus", **given
        )
        words = ["finetune", str(folder / f"{task}-corpus"), "--out", str(folder / task), *TINY]
        assert main([*words, "--device", "cpu"]) == 0
    signal = {"data": X[:3, 0].reshape(1, -1), "ch_names": ["Cz"], "sfreq": 50.0, "units": ["µV"]}
    np.savez(folder / "recording.npz", **signal)
    return folder


def test_tags_are_counted_one_by_one_by_their_thresholds(
    outputs: Path, tmp_path: Path, capsys: Capture
):
    model, table = outputs / "multilabel" / "model", tmp_path / "tags.csv"
    words = ["predict", str(model), str(outputs / "recording.npz"), "--out", str(table)]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    told = dict(line.split() for line in lines if line.startswith(("spike", "slow")))
    thresholds = json.loads((model / "preprocessing.json").read_text())["thresholds"]
    rows = list(csv.DictReader(table.read_text().splitlines()))
    for name, threshold in zip(("spike", "slow"), thresholds, strict=True):
        held = [float(row[f"p_{name}"]) >= threshold for row in rows]
        assert held == [name in row["label"].split(";") for row in rows]
        assert int(told[name]) == sum(held)


def test_numbers_are_told_by_their_mean(outputs: Path, tmp_path: Path, capsys: Capture):
    model, table = outputs / "regression" / "model", tmp_path / "numbers.csv"
    assert main(["predict", str(model), str(outputs / "recording.npz"), "--out", str(table)]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("age")]
    mean = np.mean([float(r["age"]) for r in csv.DictReader(table.read_text().splitlines())])
    assert float(line.split()[1]) == pytest.approx(mean, abs=1e-3)


def test_tags_have_their_thresholds_in_the_table_and_metrics_say_the_rule(
    outputs: Path, tmp_path: Path, capsys: Capture
):
    table = tmp_path / "tags.csv"
    words = [str(outputs / "multilabel" / "model"), str(outputs / "recording.npz")]
    assert main(["predict", *words, "--out", str(table)]) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    for row in rows:
        held = [
            n for n in ("spike", "slow") if float(row[f"p_{n}"]) >= float(row[f"threshold_{n}"])
        ]
        assert row["label"] == ";".join(held)
    metrics = json.loads((outputs / "multilabel" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"]["decision"] in capsys.readouterr().out
    assert metrics["test"]["thresholds"] == metrics["thresholds"]


def test_training_on_noise_is_told_in_words_and_in_the_metrics(
    outputs: Path, tmp_path: Path, capsys: Capture
):
    words = ["finetune", str(outputs / "regression-corpus"), "--out", str(tmp_path / "run"), *TINY]
    assert main([*words, "--device", "cpu"]) == 0
    (note,) = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))["notes"]
    assert note.startswith("Training learnt nothing: the validation R² is -")
    shown = capsys.readouterr().out
    assert note in shown
    assert "Test, with the weights of epoch " in shown
    assert " of 2, the best by validation r2 (" in shown
    assert re.search(r" mean  +ridge", shown)  # what guessing and a ridge reach stands beside


def test_a_timeline_of_tags_is_refused_before_anything_is_written(
    outputs: Path, tmp_path: Path, capsys: Capture
):
    words = ["predict", str(outputs / "multilabel" / "model"), str(outputs / "recording.npz")]
    words += ["--out", str(tmp_path / "a.csv"), "--png", str(tmp_path / "a.png")]
    assert main(words) == 1
    assert "a timeline shows classes, which this model does not say" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# without a terminal -------------------------------------------------------------------------


def test_finetune_tells_every_epoch_without_a_terminal(
    corpus: Path, tmp_path: Path, capsys: Capture
):
    words = ["finetune", str(corpus), "--out", str(tmp_path / "run"), *TINY, "--device", "cpu"]
    assert main(words) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert [line.split(",")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("loss " in line and "valid balanced_accuracy " in line for line in lines)


def test_a_metric_that_is_called_otherwise_is_told(corpus: Path, tmp_path: Path, capsys: Capture):
    words = ["finetune", str(corpus), "--out", str(tmp_path / "run"), "--metric", "kappa", *TINY]
    assert main(words) == 1
    told = only_line(capsys.readouterr().err)
    assert told.startswith("biot: error: --metric must be one of balanced_accuracy, cohen_kappa")
    assert told.endswith("got 'kappa'. Did you mean 'cohen_kappa'?")


# the same in Python ------------------------------------------------------------------------


def test_settings_given_as_keywords_are_those_of_the_run(corpus: Path, tmp_path: Path):
    network = {"embed_dim": 8, "num_heads": 2, "num_layers": 1, "device": "cpu", "seed": 3}
    biot.finetune(corpus, tmp_path / "run", epochs=1, **network)
    config = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["config"]
    assert config == asdict(FinetuneConfig(epochs=1, **network))
    assert biot.pretrain([corpus], tmp_path / "pre", steps=1, batch_size=4, **network)
    what = json.loads((tmp_path / "pre" / "run.json").read_text(encoding="utf-8"))["what"]
    assert (
        what["config"]
        == PretrainConfig(steps=1, batch_size=4, spectrum="log", **network).identity()
    )


# info of models and runs --------------------------------------------------------------------


def told(words: list[str], capsys: Capture) -> dict[str, str]:
    """What `info` prints, by the first word of each line."""
    assert main(["info", *words]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = [line.split(maxsplit=1) for line in shown.out.splitlines() if line.strip()]
    return {line[0]: line[-1] for line in lines if len(line) == 2}


def test_info_tells_what_a_model_is(run: Path, capsys: Capture):
    facts = told([str(run / "model")], capsys)
    assert facts["channels"] == "8: Fp1, Fp2, F3, F4, C3, C4, O1, O2"
    assert facts["labels"] == "3 classes: rest, spike-wave, spindles"
    assert facts["rate"] == "100 Hz"
    assert facts["window"] == "2 s (200 samples)"
    assert "embed_dim 16, num_heads 2, num_layers 1" in facts["settings"]
    assert "2 recordings of 2 subjects" in " ".join(facts.values())
    assert facts["versions"].startswith("python ")


def test_info_of_a_model_without_its_run_says_what_nobody_wrote_down(
    run: Path, tmp_path: Path, capsys: Capture
):
    model = tmp_path / "alone"
    shutil.copytree(run / "model", model)
    (model / "training_data.json").unlink()
    (model / "preprocessing.json").unlink()
    assert main(["info", str(model)]) == 0
    shown = capsys.readouterr().out
    assert "not said: there is no training_data.json" in shown
    assert "not said: there is no preprocessing.json" in shown
    assert "not said: the run that made this model does not lie beside it" in shown


def test_info_tells_what_a_run_was_asked_and_how_well_it_did(run: Path, capsys: Capture):
    facts = told([str(run)], capsys)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["test"]
    assert facts["run"].endswith(": fine-tuning")
    assert facts["command"].startswith("biot finetune ")
    assert "embed_dim 16, num_heads 2, num_layers 1, epochs 2" in facts["settings"]
    assert f"{metrics['auroc']:.3f}" in facts["AUROC"]
    assert f"{metrics['n_windows']} windows" in facts["test"]


def test_info_tells_a_pretraining(corpus: Path, tmp_path: Path, capsys: Capture):
    network = ["--embed-dim", "16", "--num-heads", "2", "--num-layers", "1", "--device", "cpu"]
    words = ["pretrain", str(corpus), "--out", str(tmp_path / "pre"), "--steps", "2"]
    assert main([*words, "--batch-size", "4", *network]) == 0
    capsys.readouterr()
    facts = told([str(tmp_path / "pre")], capsys)
    assert facts["run"].endswith(": pretraining")
    assert facts["state"] == "finished"
    assert "steps 2, batch_size 4, embed_dim 16" in facts["settings"]


@pytest.mark.parametrize("content", ["[", "[]", "{} {}", '{"a": 1, "a": 2}', "{"[:0]])
def test_info_of_a_damaged_run_is_one_line(content: str, tmp_path: Path, capsys: Capture):
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    assert main(["info", str(tmp_path)]) == 1
    assert "run.json: " in only_line(capsys.readouterr().err)


@pytest.mark.parametrize("content", ["{}", '{"what": 3}', '{"split": {"train": []}, "leakage": 1}'])
def test_info_of_a_run_that_says_little_shows_what_there_is(
    content: str, tmp_path: Path, capsys: Capture
):
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    assert main(["info", str(tmp_path)]) == 0
    assert "not said" in capsys.readouterr().out


_NOTHING_SHARED = {"checked": "subjects and checksums", "subjects": [], "recordings": []}


@pytest.mark.parametrize(
    ("leakage", "said"),
    [
        ([], "none"),
        (None, "none"),
        ([_NOTHING_SHARED], "none"),
        (_NOTHING_SHARED, "none"),  # of folds
        (
            [_NOTHING_SHARED | {"subjects": ["a", "b"]}, _NOTHING_SHARED | {"recordings": ["x"]}],
            "subjects of the test that were learnt from: 2, recordings of the test that were "
            "learnt from: 1 (run.json names them)",
        ),
        (
            _NOTHING_SHARED | {"checked": "unknown"},
            "not known: what the model of --from learnt from is not written down",
        ),
    ],
)
def test_info_of_a_run_counts_what_is_shared_not_what_was_compared(
    leakage: object, said: str, tmp_path: Path, capsys: Capture
):
    (tmp_path / "run.json").write_text(json.dumps({"leakage": leakage}), encoding="utf-8")
    assert main(["info", str(tmp_path)]) == 0
    assert f"leakage {said} settings" in " ".join(capsys.readouterr().out.split())


def test_info_of_scores_that_are_none_is_no_traceback(run: Path, tmp_path: Path, capsys: Capture):
    shutil.copy(run / "run.json", tmp_path)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    metrics["test"] |= {"intervals": {"auroc": ["low", None]}, "auroc": None}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    assert main(["info", str(tmp_path)]) == 0
    assert "AUROC" in capsys.readouterr().out
    (tmp_path / "metrics.json").write_text('{"test": [3]}', encoding="utf-8")
    assert main(["info", str(tmp_path)]) == 0


def test_a_picture_is_of_corpora_only(run: Path, tmp_path: Path, capsys: Capture):
    assert main(["info", str(run), "--plot", str(tmp_path / "a.png")]) == 1
    assert "--plot draws a corpus" in only_line(capsys.readouterr().err)


def test_doubtful_subjects_are_told_by_every_command_that_counts_them(
    recordings: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "nights"
    folder.mkdir()
    for number, path in enumerate(sorted(recordings.iterdir()), 1):
        shutil.copy(path, folder / f"night_{number}.edf")
    corpus, run = str(tmp_path / "corpus"), str(tmp_path / "run")
    words = ["--sfreq", "100", "--window", "2", "--labels", "annotations", "--align", "events"]
    once = [*TINY[:-1], "1", "--device", "cpu"]
    doubt = "Each of 3 recordings counts as a subject of its own, but names begin alike"
    assert main(["prepare", str(folder), "--out", corpus, *words]) == 0
    assert doubt in only_line(capsys.readouterr().err)
    for command in (
        ["finetune", corpus, "--out", run, *once],
        ["evaluate", f"{run}/model", corpus, "--allow-leakage"],
        ["finetune", corpus, "--out", f"{run}3", "--folds", "3", *once],
    ):
        assert main(command) == 0
        lines = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
        assert [f"corpus: {doubt}" in line for line in lines] == [True]
    assert main(["finetune", corpus, "--out", f"{run}4", "--split", "recording", *once]) == 0
    assert doubt not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("n_bytes", "words", "file"),
    [
        (200, "predict {run}/model {recording} --out {out}/a.csv", "a.csv"),
        (5000, "predict {run}/model {recording} --out {out}/a.csv --png {out}/a.png", "a.png"),
        (5000, "info {corpus} --plot {out}/a.png", "a.png"),
        (5000, "convert {run}/model --out {out}/model", "model"),
        (200, "evaluate {run}/model {corpus} --allow-leakage --json {out}/a.json", "a.json"),
        (5000, "export {run}/model --out {out}/a.onnx", "a.onnx"),
        (2000, "finetune {corpus} --out {out}/run --epochs 1", "run/checkpoints/step-000000001"),
        (8000, "pretrain {corpus} --out {out}/run --steps 1", "run/checkpoints/step-000000001"),
        (100, "finetune {corpus} --out {out}/run --folds 3 --epochs 1", "run/run.json"),
        (9000, "prepare {folder} --out {out}/c --sfreq 100 --window 2", ".c.partial/shards/sub-0"),
    ],
)
def test_a_full_disk_is_one_line_that_names_the_file(
    run: Path, corpus: Path, recordings: Path, tmp_path: Path, capsys: Capture,
    file_size_limit: Any, n_bytes: int, words: str, file: str,
) -> None:  # fmt: skip
    if words.startswith("export"):
        pytest.importorskip("onnxscript")
    recording = recordings / "sub-02_eeg.edf"
    told = words.format(
        run=run, corpus=corpus, folder=recordings, recording=recording, out=tmp_path
    ).split()
    if told[0] in ("finetune", "pretrain"):
        told += [*TINY[:6], "--device", "cpu", "--batch-size", "1000"]
    with file_size_limit(n_bytes):
        assert main(told) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("biot: error: ")
    assert str(tmp_path / file) in line
    assert "File too large" in line
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {"a.csv", "run.json", "history.csv", "parameters.json"}
    assert ("a.csv" in left) == (file == "a.png" and told[0] == "predict")  # the table is kept
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".c.partial"]


def test_a_drop_that_finds_a_full_disk_changes_nothing(
    corpus: Path, tmp_path: Path, capsys: Capture, file_size_limit: Any
) -> None:
    shutil.copytree(corpus, tmp_path / "corpus")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with file_size_limit(300):
        assert main(["corpus", "drop", str(tmp_path / "corpus"), "--subject", "01"]) == 1
    state = tmp_path / "corpus" / "state.json"
    assert f"{state}: cannot be written (File too large)" in only_line(capsys.readouterr().err)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_check_finds_what_changed_in_a_model(run: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for folder in (copy, copy / "model"):
        assert main(["info", str(folder), "--check"]) == 0
        shown = capsys.readouterr().out
        assert f"Nothing is wrong with {folder}" in shown
        assert "model/model.safetensors" in shown
    weights = copy / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (copy / "model" / "config.json").unlink()
    assert main(["info", str(copy), "--check"]) == 1
    shown = capsys.readouterr()
    states = dict(line.split(maxsplit=1) for line in shown.out.splitlines() if "/" in line)
    assert states["model/config.json"] == "it is missing"
    assert "2 files are wrong (model/config.json, model/model.safetensors)" in shown.err
