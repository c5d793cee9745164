"""The command `biot`, called as a user calls it."""

from __future__ import annotations

import os
import re
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
from biot.cli.options import in_options, require_apart
from biot.cli.terminal import say, show_progress, visible
from biot.corpus.builder.report import PrepareReport
from biot.corpus.builder.settings import PrepareConfig
from biot.errors import ConfigError
from biot.preprocessing import Preprocessing
from biot.settings import Settings, settings_of
from biot.training import FinetuneConfig, PretrainConfig

COMMANDS = ("prepare", "pretrain", "finetune", "evaluate", "predict", "demo")
OTHERS = ("info", "convert", "export")
Capture = pytest.CaptureFixture[str]


def only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


# help and wrong usage -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [[], *([name] for name in (*COMMANDS, *OTHERS)), ["corpus", "drop"]]
)
def test_every_help_tells_what_it_does_and_how(words: list[str], capsys: Capture) -> None:
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    for name in words[:1] or COMMANDS:
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
        (["predict", "model"], "the following arguments are required: FILE|FOLDER, --out"),
        (
            ["prepare", "a", "--out", "b", "--sfreq", "0", "--window", "1"],
            "above 0 and at most 1000000, got '0'",
        ),
        (
            ["prepare", "a", "--out", "b", "--sfreq", "9", "--window", "x"],
            "above 0 and at most 86400, got 'x'",
        ),
        (
            ["prepare", "a", "--out", "b", "--sfreq", "9", "--window", "1", "--labels", "yes"],
            "must be none, annotations, sidecars, samples, triggers, folder, layout or a table",
        ),
        (["finetune", "c", "--out", "r", "--epochs", "0"], "1 or more, got '0'"),
        (["finetune", "c", "--out", "r", "--seed", "-1"], "0 or more, got '-1'"),
        (["finetune", "c", "--out", "r", "--drop-prob", "nan"], "0 or more and below 1, got 'nan'"),
        (["evaluate", "m", "c", "--device", "tpu"], "one of auto, cpu, cuda; got 'tpu'"),
        (["fine tune"], "Did you mean 'finetune'?"),
        (["--versoin"], "unrecognized arguments: --versoin. Did you mean '--version'?"),
        # A mistyped option is told, not that the one which was meant is missing.
        (["prepare", "a", "--out", "b", "--sfrq", "9"], "--sfrq. Did you mean '--sfreq'?"),
        (["corpus", "drop", "c", "--subjct=P07"], "--subjct=P07. Did you mean '--subject'?"),
        (
            [
                "prepare",
                "a",
                "--out",
                "b",
                "--sfreq",
                "9",
                "--window",
                "1",
                "--labels",
                "anotations",
            ],
            "Did you mean 'annotations'?",
        ),
        (["finetune", "c", "--out", "r", "--mode", "logistics"], "Did you mean 'logistic'?"),
        (["finetune", "c", "--out", "r", "--warmup", "1"], "0 or more and below 1, got '1'"),
        (["pretrain", "c", "--out", "r", "--strategy", "dp"], "one of auto, ddp; got 'dp'"),
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
        "checkpoint_every": 7, "devices": 2, "nodes": 3, "strategy": "ddp",
        "event_background": "rest", "event_scoring": "szcore", "spectrum": "log+wave",
        "weights_license": "cc-by-4.0",
    }  # fmt: skip
    switches = {
        "compile": True, "tensorboard": True, "calibration": False, "tune_events": True,
        "refit": True, "baseline": False,
    }  # fmt: skip
    assert {*given, *switches} == {field.name for field in fields(FinetuneConfig)}
    words = [
        word
        for name, value in given.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    for name, value in switches.items():
        words.append(f"--{'' if value else 'no-'}{name.replace('_', '-')}")
    for extra in ([], words):
        with pytest.raises(TypeError):  # the stand-in returns no metrics
            main(["finetune", "corpus", "--out", "run", *extra])
    assert seen == [FinetuneConfig(), FinetuneConfig(**given, **switches)]


@pytest.mark.parametrize("kind", [FinetuneConfig, PretrainConfig, PrepareConfig])
def test_every_setting_is_an_option_with_its_help_and_its_default(
    kind: type[Settings], capsys: Capture
) -> None:
    command = {FinetuneConfig: "finetune", PretrainConfig: "pretrain"}.get(kind, "prepare")
    assert main([command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for one in settings_of(kind):
        first_words = " ".join(one.help.split()[1:4]).rstrip(".,;:")
        assert f"{one.option} " in shown
        assert re.sub(r"`(\w+)`", r"--\1", first_words).replace("_", "-") in shown.replace("_", "-")


def test_every_option_of_prepare_reaches_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    report = PrepareReport(
        out=Path("c"), n_recordings=0, n_subjects=0, n_windows=0, labels={}, dropped={},
        quarantined=(), preprocessing=Preprocessing(sfreq=1, window=1, ch_names=(), units=()),
    )  # fmt: skip
    monkeypatch.setattr(
        "biot.corpus.builder.prepare.prepare",
        lambda *_, config, **__: [seen.append(config), report][1],
    )
    given: dict[str, Any] = {
        "sfreq": 100.0, "window": 2.0, "stride": 1.0, "align": "events", "labels": Path("t.csv"),
        "task": "multilabel", "label_rule": "any", "min_overlap": 0.25, "background": "x",
        "subject": "(a)", "scale": "none", "l_freq": 1.0, "h_freq": 40.0, "notch": 50.0,
        "resample": "polyphase", "table_sfreq": 9.0, "table_units": "mV", "workers": 2,
        "file_column": "b", "reference": "M1,M2", "channels": "eeg", "drop_channels": "Fp*",
        "rename_channels": "T3=T7", "label_scope": "window", "units": "mV",
        "label_threshold": 50.0,
        "onset_column": "t0", "stop_column": "t1", "split_column": "fold", "split_parts": "train=1",
        "layout": "none",
    }  # fmt: skip
    words = [w for n, v in given.items() for w in (f"--{n.replace('_', '-')}", str(v))]
    words += ["--label-column", "a", "--label-column", "b", "--keep-short", "--strict"]
    words += ["--keep-flat", "--search-tables", "--causal"]
    short = ["--sfreq", "100", "--window", "2"]
    whose = ["--labels", "t.csv", "--subject-column", "who", "--label-map", "x=y"]
    whose += ["--duration-column", "t1"]
    beside = ["--labels", "sidecars", "--sidecar", ".tse_bi"]
    codes = ["--labels", "triggers", "--trigger-channel", "Status"]
    around = ["--sfreq", "100", "--labels", "annotations", "--epoch", "-0.5", "4"]
    for extra in (
        [*short, "--resample", "fft"], [*short, "--dask", "tcp://host:1"], [*short, *whose],
        [*short, *beside], around, [*short, *codes], words,
    ):  # fmt: skip
        assert main(["prepare", "a.edf", "--out", "corpus", *extra]) == 0
    others = {
        "label_columns": ("a", "b"), "keep_short": True, "strict": True, "keep_flat": True,
        "search_tables": True, "causal": True,
    }  # fmt: skip
    assert {
        *given, *others, "dask", "subject_column", "label_map", "sidecar", "epoch",
        "trigger_channel", "duration_column",
    } == {one.name for one in settings_of(PrepareConfig)}  # fmt: skip
    plain = {"sfreq": 100, "window": 2}
    assert seen == [
        PrepareConfig(**plain, resample="fft"),
        PrepareConfig(**plain, dask="tcp://host:1"),
        PrepareConfig(
            **plain,
            labels=Path("t.csv"),
            subject_column="who",
            label_map="x=y",
            duration_column="t1",
        ),
        PrepareConfig(**plain, labels="sidecars", sidecar=".tse_bi"),
        PrepareConfig(sfreq=100, labels="annotations", epoch=(-0.5, 4.0)),
        PrepareConfig(**plain, labels="triggers", trigger_channel="Status"),
        PrepareConfig(**given, **others),
    ]


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
    monkeypatch.setattr("biot.cli.models.evaluate._execute", raising(error))
    assert main(["evaluate", "model", "corpus"]) == code
    assert capsys.readouterr().err.strip() == line


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biot.cli.models.evaluate._execute", raising(KeyError("bug")))
    with pytest.raises(KeyError, match="bug"):
        main(["evaluate", "model", "corpus"])


def test_a_warning_is_one_line_and_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def execute(_: object) -> None:
        for _ in range(2):
            warnings.warn("two\nlines", UserWarning, stacklevel=1)

    monkeypatch.setattr("biot.cli.models.evaluate._execute", execute)
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


# an output that is an input -----------------------------------------------------------------


@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link", "linked folder", "dots"])
def test_no_command_writes_over_its_input(way: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    night = folder / "night.csv"
    night.write_text("precious")
    out = {
        "itself": night,
        "symbolic link": folder / "link.csv",
        "hard link": folder / "hard.csv",
        "linked folder": tmp_path / "other" / "night.csv",
        "dots": folder / ".." / "folder" / "night.csv",
    }[way]
    if way == "symbolic link":
        out.symlink_to(night)
    elif way == "hard link":
        out.hardlink_to(night)
    elif way == "linked folder":
        out.parent.symlink_to(folder)
    with pytest.raises(ConfigError, match=rf"--out .*{out.name} is .*input .*would be lost"):
        require_apart({"--png": None, "--out": out}, [None, "owner/name", night])
    require_apart({"--out": folder / "new.csv"}, [night, folder])


def test_an_output_that_holds_an_input_or_is_part_of_one_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "picture.png").write_text("")
    with pytest.raises(ConfigError, match=r"holds the input .*model\. Give another folder"):
        require_apart({"--out": tmp_path / "run"}, [model])
    with pytest.raises(ConfigError, match=r"is a file of the input .*which would be damaged"):
        require_apart({"--json": model / "config.json"}, [model])
    require_apart({"--png": model / "picture.png"}, [model])  # drawn again


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("predict model night.csv --out night.csv", "--out night.csv is the input"),
        ("predict model night.csv --out new.csv --png model/x.png", None),
        ("evaluate model corpus --json corpus/state.json", "is a file of the input corpus"),
        ("export model.onnx --out model.onnx", "--out model.onnx is the input"),
        ("convert model --out model", "--out model is the input"),
        ("info night.png --plot night.png", "--plot night.png is the input"),
        ("finetune corpus --out corpus", "--out corpus is the input"),
        ("finetune corpus --out corpus --folds loso", "--out corpus is the input"),
        ("finetune corpus --out model --from model", "--out model is the input"),
        ("finetune corpus --out model --test model", "--out model is the input"),
        ("pretrain other corpus --out corpus", "--out corpus is the input"),
        ("prepare recordings --out recordings --sfreq 1 --window 1", "--out recordings is the"),
        ("prepare corpus/a.edf --out corpus --sfreq 1 --window 1", "--out corpus holds the input"),
        ("labels recordings --labels t.tsv --out t.tsv", "--out t.tsv is the input t.tsv"),
        ("labels recordings --label-map t.tsv --out t.tsv", "--out t.tsv is the input t.tsv"),
    ],
)
def test_every_command_that_writes_checks_it(
    words: str,
    told: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("corpus", "model", "recordings"):
        Path(name).mkdir()
    files = ("night.csv", "night.png", "t.tsv", "model.onnx", "corpus/state.json", "corpus/a.edf")
    for name in files:
        Path(name).write_text(name)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(words.split()) == 1
    line = only_line(capsys.readouterr().err)
    assert (told or "model") in line
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before


# what reaches the terminal ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("µV, Ω, 脳波, 🧠", "µV, Ω, 脳波, 🧠"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mEVIL\x1b]0;pwn\x07", r"\x1b[31mEVIL\x1b]0;pwn\x07"),
        ("a\rb\x7f\x9b", r"a\rb\x7f\x9b"),
        ("F4\u202eabc\u2066\u200b", r"F4\u202eabc\u2066\u200b"),
        ("line\u2028end\u0085", r"line\u2028end\x85"),
        ("a\udcff.edf", r"a\udcff.edf"),
    ],
)
def test_characters_that_act_are_shown_escaped(text: str, shown: str, capsys: Capture) -> None:
    assert visible(text) == shown
    say(text)
    assert capsys.readouterr().out == f"{shown}\n"


def test_errors_warnings_and_wrong_usage_are_shown_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def execute(_: object) -> None:
        warnings.warn("\x1b[2J", UserWarning, stacklevel=1)
        raise ConfigError("\x1b]0;pwn\x07")

    monkeypatch.setattr("biot.cli.models.evaluate._execute", execute)
    assert main(["evaluate", "model", "corpus"]) == 1
    assert main(["evaluate", "model", "corpus", "--\x1b[2J"]) == 2
    assert main(["\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_hostile_recording_is_shown_in_letters(shared_reports: Path, capsys: Capture) -> None:
    assert main(["info", str(shared_reports / "files" / "terminal_escapes.edf")]) == 0
    shown = capsys.readouterr()
    assert r"\x1b[31mEVIL\x1b]0;pwn\x07" in shown.out
    for character in ("\x1b", "\x07", "\x08", "\u202e"):
        assert character not in shown.out + shown.err


@pytest.mark.skipif(os.name != "posix", reason="of shells that close streams by >&-")
@pytest.mark.parametrize(
    ("ending", "code"),
    [(">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0), (">/dev/full", 1)],
)
def test_closed_and_full_streams_end_without_a_traceback(
    ending: str, code: int, tmp_path: Path
) -> None:
    table = tmp_path / "night.csv"
    table.write_text("Fp1,C3\n1,2\n3,4\n", encoding="utf-8")
    program = "from biot.cli import run; run()"
    script = f'"{sys.executable}" -c "{program}" info "{table}" --table-sfreq 2 {ending}'
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert result.stderr == ("biot: error: No space left on device\n" if code else "")


def test_a_terminal_without_a_letter_gets_it_escaped(tmp_path: Path) -> None:
    table = tmp_path / "night.csv"
    table.write_text("Fp1,C3\n1,2\n3,4\n", encoding="utf-8")
    words = ["info", str(table), "--table-sfreq", "2", "--table-units", "µV"]
    result = subprocess.run(
        [sys.executable, "-c", "from biot.cli import run; run()", *words],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert rb"\xb5V" in result.stdout


def test_the_first_sign_of_life_is_for_somebody_who_watches(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("biot.cli.models.evaluate._execute", lambda _: None)
    assert main(["evaluate", "model", "corpus"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("biot.cli.show_progress", lambda: True)
    assert main(["evaluate", "model", "corpus"]) == 0
    assert capsys.readouterr().err == "biot evaluate: loading …\n"


def test_folds_are_a_number_or_loso(capsys: Capture) -> None:
    assert main(["finetune", "corpus", "--out", "run", "--folds", "los"]) == 2
    told = "--folds: must be a whole number, 1 or more, got 'los'. Or loso: leave one subject out."
    assert told in capsys.readouterr().err


# options, not arguments ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("t.csv: no rate. Give sfreq=, in Hz.", "t.csv: no rate. Give --table-sfreq, in Hz."),
        ("give sfreq= or n_fft=", "give --table-sfreq or --n-fft"),
        ("class_weights=sampled, n_fft=3.", "--class-weights sampled, --n-fft 3."),
        ("epochs must be 1 or more, got 0.", "--epochs must be 1 or more, got 0."),
        ("Lower n_fft (now 3), or", "Lower --n-fft (now 3), or"),
        ("mode is 'a', but labels is 'b'.", "--mode is 'a', but --labels is 'b'."),
        ("with from_model (--from), or", "with --from, or"),
        ("made with mode None, not 'a'.", "made with --mode None, not 'a'."),
        ("pass --allow-leakage (allow_leakage=True), or", "pass --allow-leakage, or"),
        # Names of files, and what stands in them, are no options.
        ("n_fft.edf: x; a/n_fft/b, my_n_fft", "n_fft.edf: x; a/n_fft/b, my_n_fft"),
        ("config.json: n_fft must be 1", "config.json: n_fft must be 1"),
        ("columns: n_fft, n", "columns: n_fft, n"),
        # What is wrong with a recording may be an option.
        ("a.edf: n_fft must be 1", "a.edf: --n-fft must be 1"),
        (
            "2 cannot be used, and strict forbids that.",
            "2 cannot be used, and --strict forbids that.",
        ),
        ("The labels of 30 epochs.", "The labels of 30 epochs."),
        ("labels holds no label", "labels holds no label"),
    ],
)
def test_errors_name_the_options_of_the_command(message: str, told: str) -> None:
    names = ("n_fft", "class_weights", "epochs", "mode", "labels", "allow_leakage", "strict")
    options = {name: f"--{name.replace('_', '-')}" for name in names}
    assert (
        in_options(message, {**options, "sfreq=": "--table-sfreq", "from_model": "--from"}) == told
    )


def test_a_table_without_a_rate_is_told_the_option_in_every_command(
    tmp_path: Path, capsys: Capture
) -> None:
    table = str(tmp_path / "t.csv")
    Path(table).write_text("Fp1,C3\n1,2\n3,4\n", encoding="utf-8")
    words = ["--sfreq", "100", "--window", "1"]
    for command in (["info", table], ["prepare", table, "--out", str(tmp_path / "c"), *words]):
        assert main(command) == 1
        assert "Give --table-sfreq, in Hz." in only_line(capsys.readouterr().err)


@pytest.mark.parametrize("option", ["--l-freq", "--h-freq", "--notch"])
def test_a_filter_beyond_the_windows_is_the_option_s_fault(
    option: str, tmp_path: Path, capsys: Capture
) -> None:
    recording = tmp_path / "night.edf"
    words = ["prepare", str(recording), "--out", str(tmp_path / "c"), "--sfreq", "100"]
    assert main([*words, "--window", "1", option, "50.5"]) == 1
    line = only_line(capsys.readouterr().err)
    assert line.startswith(f"biot: error: {option} must be at most half of --sfreq, 50 Hz")
    assert "night.edf" not in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--causal"], "--causal goes with --l-freq, --h-freq or --notch, but none is given."),
        (
            ["--causal", "--l-freq", "1", "--resample", "fft"],
            "--causal goes with --resample polyphase; with --resample fft every sample depends",
        ),
    ],
)
def test_causal_filters_need_filters_and_polyphase_resampling(
    words: list[str], message: str, tmp_path: Path, capsys: Capture
) -> None:
    given = ["prepare", "a.edf", "--out", str(tmp_path / "c"), "--sfreq", "100", "--window", "2"]
    assert main([*given, *words]) == 1
    assert message in capsys.readouterr().err
