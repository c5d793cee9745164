"""The command `biot`, called as a user calls it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from biot import __version__
from biot.cli import demo, main
from biot.cli.common import show_progress
from biot.errors import ConfigError
from biot.simulate import write_study
from biot.training import FinetuneConfig

COMMANDS = ("prepare", "finetune", "evaluate", "predict", "demo")
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


# help and wrong usage -----------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)])
def test_every_help_tells_what_it_does_and_how(words: list[str], capsys: Capture) -> None:
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    for name in words or COMMANDS:
        assert f"biot {name}" in shown
    assert all(len(line) <= 100 for line in shown.splitlines())
    if words:
        assert "\nexamples:\n  biot" in shown


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"biot {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["train"], "invalid choice: 'train'"),
        (["predict", "model"], "the following arguments are required: RECORDING, --out"),
        (["prepare", "a", "--out", "b", "--sfreq", "0", "--window", "1"], "above 0, got '0'"),
        (["prepare", "a", "--out", "b", "--sfreq", "9", "--window", "x"], "above 0, got 'x'"),
        (
            ["prepare", "a", "--out", "b", "--sfreq", "9", "--window", "1", "--labels", "yes"],
            "expected none, annotations or a table (.tsv), got 'yes'",
        ),
        (["finetune", "c", "--out", "r", "--epochs", "0"], "1 or more, got '0'"),
        (["finetune", "c", "--out", "r", "--seed", "-1"], "0 or more, got '-1'"),
        (["finetune", "c", "--out", "r", "--drop-prob", "nan"], "0 or more, got 'nan'"),
        (["evaluate", "m", "c", "--device", "tpu"], "invalid choice: 'tpu'"),
        (["demo", "--ou", "x"], "unrecognized arguments: --ou x"),
    ],
)
def test_wrong_usage_exits_with_2(words: list[str], message: str, capsys: Capture) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err.replace("‘", "'").replace("’", "'")


def test_every_field_of_the_config_is_an_option_with_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("biot.training.finetune", lambda *_, config, **__: seen.append(config))
    given = {
        "split": "time", "valid_share": 0.1, "test_share": 0.3, "embed_dim": 32, "num_heads": 4,
        "num_layers": 3, "n_fft": 64, "hop_length": 16, "drop_prob": 0.0,
        "att_layer_drop_prob": 0.1, "epochs": 7, "patience": 3, "batch_size": 9,
        "micro_batch_size": 3, "learning_rate": 0.01, "warmup": 0.0, "weight_decay": 0.0,
        "clip_norm": 2.0, "class_weights": "none", "device": "cpu", "precision": "bf16", "seed": 5,
    }  # fmt: skip
    assert set(given) == {field.name for field in fields(FinetuneConfig)}
    words = [
        word
        for name, value in given.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    for extra in ([], words):
        with pytest.raises(TypeError):  # the stand-in returns no metrics
            main(["finetune", "corpus", "--out", "run", *extra])
    assert seen == [FinetuneConfig(), FinetuneConfig(**given)]


# errors, warnings, interruptions ------------------------------------------------------------


def test_a_user_s_error_is_one_line_and_exit_1(tmp_path: Path, capsys: Capture) -> None:
    out = str(tmp_path / "corpus")
    words = ["--out", out, "--sfreq", "100", "--window", "2"]
    assert main(["prepare", str(tmp_path / "nowhere.edf"), *words]) == 1
    line = only_line(capsys.readouterr().err)
    assert line.startswith("biot: error: ")
    assert "nowhere.edf" in line
    assert list(tmp_path.iterdir()) == []


def raising(error: BaseException) -> Callable[..., None]:
    def execute(_: object) -> None:
        raise error

    return execute


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("several\n  lines"), 1, "biot: error: several lines"),
        (FileNotFoundError(2, "No such file", "a.edf"), 1, "biot: error: a.edf: No such file"),
        (OSError("disk gone"), 1, "biot: error: disk gone"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_end_quietly(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("biot.cli.evaluate._execute", raising(error))
    assert main(["evaluate", "model", "corpus"]) == code
    assert capsys.readouterr().err.strip() == line


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biot.cli.evaluate._execute", raising(KeyError("bug")))
    with pytest.raises(KeyError, match="bug"):
        main(["evaluate", "model", "corpus"])


def test_a_warning_is_one_line_and_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def execute(_: object) -> None:
        for _ in range(2):
            warnings.warn("two\nlines", UserWarning, stacklevel=1)

    monkeypatch.setattr("biot.cli.evaluate._execute", execute)
    assert main(["evaluate", "model", "corpus"]) == 0
    assert capsys.readouterr().err == "biot: warning: two lines\n"


def test_bars_are_shown_to_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not show_progress()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert show_progress()


def test_a_reader_that_leaves_is_no_error() -> None:
    """As in ``biot --help | head -1``."""
    script = (
        "import sys; from biot.cli import main; sys.stdin.readline(); "
        "code = main(['--help']); sys.exit(code)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


# what will be written is checked first ------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("a.txt", r"a.txt: the name must end in .csv or .parquet."),
        ("absent/a.csv", r"there is no folder"),
        ("folder.csv", r"folder.csv: is a folder; give the name of a file."),
    ],
)
def test_an_output_that_cannot_be_written_is_told_before_the_work(
    out: str, message: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "folder.csv").mkdir()
    words = ["predict", "no-model", "no-recording", "--out", str(tmp_path / out)]
    assert main(words) == 1
    assert message in only_line(capsys.readouterr().err)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_closed_is_told_before_the_work(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert main(["predict", "m", "r", "--out", str(tmp_path / "closed" / "a.csv")]) == 1
    assert "cannot write in" in only_line(capsys.readouterr().err)


def test_json_and_png_are_checked_too(tmp_path: Path, capsys: Capture) -> None:
    assert main(["evaluate", "m", "c", "--json", str(tmp_path / "a.txt")]) == 1
    assert "must end in .json" in only_line(capsys.readouterr().err)
    table, figure = str(tmp_path / "a.csv"), str(tmp_path / "a.jpg")
    assert main(["predict", "m", "r", "--out", table, "--png", figure]) == 1
    assert "must end in .png" in only_line(capsys.readouterr().err)


# the whole way ------------------------------------------------------------------------------


def test_prepare_tells_what_it_made(recordings: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["--sfreq", "100", "--window", "10", "--labels", "none"]
    out = tmp_path / "corpus"
    assert main(["prepare", str(recordings), "--out", str(out), *words]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "18 of 10 s, 8 channels at 100 Hz" in shown.out
    assert main(["prepare", str(recordings), "--out", str(out), *words]) == 1
    assert "exists already" in only_line(capsys.readouterr().err)


def test_finetune_leaves_a_run_that_can_be_repeated(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names == {
        *("model", "metrics.json", "history.csv", "confusion.png", "curves.png", "run.json")
    }
    command = json.loads((run / "run.json").read_text(encoding="utf-8"))["command"]
    assert command.startswith("biot finetune ")
    assert command.endswith("--embed-dim 16 --num-heads 2 --num-layers 1 --epochs 2 --device cpu")


def test_evaluate_shows_tables_and_writes_json(
    run: Path, corpus: Path, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "scores.json"
    assert main(["evaluate", str(run / "model"), str(corpus), "--json", str(path)]) == 0
    shown = capsys.readouterr().out
    scores = json.loads(path.read_text(encoding="utf-8"))
    assert f"{scores['balanced_accuracy']:.3f}" in shown
    assert scores["n_subjects"] == 3
    assert scores["label_names"] == ["rest", "spike-wave", "spindles"]
    for name in ("balanced accuracy", "Cohen's kappa", "weighted F1", "AUROC", "AUPRC", "spindles"):
        assert name in shown


def test_predict_writes_the_table_and_the_timeline(
    run: Path, recordings: Path, tmp_path: Path, capsys: Capture
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
    assert rows[0].keys() == {"start", "stop", "label", "p_rest", "p_spike-wave", "p_spindles"}
    assert [rows[-1]["start"], rows[-1]["stop"]] == ["58.0", "60.0"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert main([*words[:-1], str(tmp_path / "a.parquet"), "--precision", "bf16"]) == 0
    assert (tmp_path / "a.parquet").is_file()


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
        ("wfdb/100.hea", "No channel of the recording is in the vocabulary"),
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


# the demo -----------------------------------------------------------------------------------


def test_the_demo_refuses_a_folder_with_other_files(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "holds files that are not of a demo" in only_line(capsys.readouterr().err)
    assert main(["demo", "--out", str(tmp_path / "thesis.tex")]) == 1
    assert "is a file. Give a folder" in only_line(capsys.readouterr().err)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_the_demo_replaces_an_earlier_one_and_nothing_else(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "demo"
    study = demo.Study(n_learning=3, n_unseen=2, duration=40.0, epochs=1)
    demo.run_demo(out, study, computing=["--device", "cpu"])
    (out / "notes.txt").write_text("mine")
    (out / "report.html").write_text("earlier")
    (out / "recordings" / "learning" / "sub-99_eeg.edf").write_text("earlier")
    demo.run_demo(out, study, computing=["--device", "cpu"])
    names = {"demo.json", "recordings", "corpus", "corpus_unseen", "run", "scores.json"}
    names |= {"predictions.csv", "timeline.png", "report.html", "notes.txt"}
    assert {path.name for path in out.iterdir()} == names
    assert (out / "notes.txt").read_text() == "mine"
    report = (out / "report.html").read_text(encoding="utf-8")
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert f"{scores['balanced_accuracy']:.3f} (95 % interval" in report
    assert report.count("data:image/png;base64,") == 3
    shown = capsys.readouterr().out
    for name in COMMANDS[:4]:
        assert f"$ biot {name} " in shown
    assert f"report      -> {out / 'report.html'}" in shown


@pytest.mark.slow
def test_the_demo_finds_the_events_of_unseen_subjects(tmp_path: Path) -> None:
    study = demo.Study(n_learning=6, n_unseen=3, duration=200.0, epochs=8)
    demo.run_demo(tmp_path, study, computing=["--device", "cpu"])
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert scores["n_subjects"] == 3
    assert scores["balanced_accuracy"] > 0.9
