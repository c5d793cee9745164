"""The command `biot`, called as a user calls it."""

from __future__ import annotations

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
from biot.cli import main
from biot.cli.terminal import show_progress
from biot.errors import ConfigError
from biot.training import FinetuneConfig

COMMANDS = ("prepare", "pretrain", "finetune", "evaluate", "predict", "demo")
Capture = pytest.CaptureFixture[str]


def only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


# help and wrong usage -----------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], *([name] for name in (*COMMANDS, "export"))])
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
        (["fintune"], "there is no command 'fintune'. Did you mean 'finetune'?"),
        (["predict", "model"], "the following arguments are required: RECORDING, --out"),
        (["prepare", "a", "--out", "b", "--sfreq", "0", "--window", "1"], "above 0, got '0'"),
        (["prepare", "a", "--out", "b", "--sfreq", "9", "--window", "x"], "above 0, got 'x'"),
        (
            ["prepare", "a", "--out", "b", "--sfreq", "9", "--window", "1", "--labels", "yes"],
            "must be none, annotations, folder or a table (.tsv); got 'yes'",
        ),
        (["finetune", "c", "--out", "r", "--epochs", "0"], "1 or more, got '0'"),
        (["finetune", "c", "--out", "r", "--seed", "-1"], "0 or more, got '-1'"),
        (["finetune", "c", "--out", "r", "--drop-prob", "nan"], "0 or more and below 1, got 'nan'"),
        (["evaluate", "m", "c", "--device", "tpu"], "one of auto, cpu, cuda; got 'tpu'"),
        (["demo", "--ou", "x"], "unrecognized arguments: --ou. Did you mean '--out'?"),
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
    monkeypatch.setattr(
        "biot.training.finetuning.finetune.finetune", lambda *_, config, **__: seen.append(config)
    )
    given = {
        "split": "time", "valid_share": 0.1, "test_share": 0.3, "embed_dim": 32, "num_heads": 4,
        "num_layers": 3, "n_fft": 64, "hop_length": 16, "drop_prob": 0.0,
        "att_layer_drop_prob": 0.1, "epochs": 7, "patience": 3, "batch_size": 9,
        "micro_batch_size": 3, "learning_rate": 0.01, "warmup": 0.0, "weight_decay": 0.0,
        "clip_norm": 2.0, "class_weights": "none", "device": "cpu", "precision": "bf16", "seed": 5,
        "mode": "lora", "lora_rank": 4, "lora_layers": "all", "metric": "auroc", "layer_decay": 0.5,
        "label_smoothing": 0.1, "regression_loss": "huber", "ema": 0.9, "mixup": 0.2,
        "time_shift": 0.5, "channel_drop": 0.1, "band_stop": 3.0, "amplitude": 0.3,
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


def test_info_of_a_table_takes_its_rate_and_unit(tmp_path: Path, capsys: Capture) -> None:
    table = tmp_path / "night.csv"
    table.write_text("Fp1,C3\n1,2\n3,4\n", encoding="utf-8")
    assert main(["info", str(table)]) == 1
    assert "nothing says its sampling rate" in only_line(capsys.readouterr().err)
    assert main(["info", str(table), "--table-sfreq", "2", "--table-units", "mV"]) == 0
    assert "rate         2 Hz" in capsys.readouterr().out.splitlines()
