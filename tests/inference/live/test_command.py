"""`biot live --replay`, the file of rows, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.errors import ConfigError, counted
from biot.inference import Predictor
from biot.inference.live.lines import JsonLines
from biot.inference.live.rows import quantiles
from biot.preprocessing import Preprocessing
from biot.simulate import simulate_eeg, write_edf

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_edf(simulate_eeg(0, duration=41), tmp_path_factory.mktemp("night") / "night.edf")


def live(folder: Path, *words: object) -> int:
    return main(["live", str(folder), "--device", "cpu", *map(str, words)])


def rows_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("filters", [{}, {"l_freq": 1.0, "h_freq": 20.0, "causal": True}], ids=str)
def test_a_replayed_file_gives_the_rows_of_predict(
    model_folder: Path, night: Path, tmp_path: Path, filters: dict[str, Any]
) -> None:
    replace(Preprocessing.load(model_folder), **filters).save(model_folder)
    out, table = tmp_path / "rows.jsonl", tmp_path / "rows.csv"
    assert (
        live(model_folder, "--replay", night, "--speed", "max", "--stride", 0.5, "--out", out) == 0
    )
    words = [str(model_folder), str(night), "--stride", "0.5", "--out", str(table)]
    assert main(["predict", *words, "--device", "cpu"]) == 0
    expected = Predictor.from_pretrained(model_folder, device="cpu").predict(night, stride=0.5)
    rows = rows_in(out)
    assert [row["start"] for row in rows] == pytest.approx(expected.start.tolist())
    assert [row["stop"] for row in rows] == pytest.approx(expected.stop.tolist())
    assert [row["label"] for row in rows] == list(expected.labels)
    found = np.array([list(row["p"].values()) for row in rows])
    np.testing.assert_allclose(found, expected.probabilities, rtol=0, atol=1e-5)
    assert list(rows[0]) == ["start", "stop", "label", "p", "latency", "lost", "dropped"]
    assert len(table.read_text(encoding="utf-8").splitlines()) == len(rows) + 1


def test_rows_are_added_to_a_file_that_is_there(
    model_folder: Path, night: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "rows.jsonl"
    words = ("--replay", night, "--speed", "max", "--count", 2, "--out", out)
    assert live(model_folder, *words) == 0
    assert "     0.00 – 2.00 s  " in capsys.readouterr().out
    out.write_bytes(out.read_bytes() + b'{"start": 4')  # a process that was killed
    assert live(model_folder, *words) == 0
    assert f"{out}: holds 3 lines, which stay" in capsys.readouterr().out
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [line[:13] for line in lines] == ['{"start": 0.0', '{"start": 2.0', '{"start": 4', *(
        '{"start": 0.0', '{"start": 2.0'
    )]  # fmt: skip


def test_a_part_of_the_file_gives_whole_windows_only(
    model_folder: Path, night: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"
    words = ("--replay", night, "--speed", "max", "--duration", 5, "--out", out)
    assert live(model_folder, *words) == 0
    assert [row["stop"] for row in rows_in(out)] == [2.0, 4.0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_whole_lines_and_the_summary(
    model_folder: Path, night: Path, tmp_path: Path, capsys: Capture, number: int, code: int
) -> None:
    out, before = tmp_path / "rows.jsonl", signal.getsignal(number)

    def press() -> None:
        while not (out.exists() and out.stat().st_size):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        assert live(model_folder, "--replay", night, "--stride", 0.1, "--out", out) == code
    finally:
        thread.join()
    assert signal.getsignal(number) is before
    shown = capsys.readouterr().out
    rows = rows_in(out)
    assert 0 < len(rows) < 400
    assert f"{counted(len(rows), 'window')} -> {out}" in shown
    assert "samples lost on the way" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--replay", "NIGHT", "--out", "rows.csv"], "rows.csv: the name must end in .jsonl"),
        (["--replay", "NIGHT", "--dejitter"], "--dejitter goes with --lsl only"),
        (["--replay", "NIGHT", "--source-id", "x"], "--source-id goes with --lsl only"),
        (["--lsl", "x", "--speed", "2"], "--speed goes with --replay only"),
        (["--lsl", "x", "--table-sfreq", "2"], "--table-sfreq goes with --replay only"),
        (["--replay", "NIGHT", "--stride", "0.001"], "--stride must be at least one sample"),
        (["--replay", "NIGHT", "--out", "NOT_OURS"], "holds something else than JSON lines"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    model_folder: Path, night: Path, tmp_path: Path, capsys: Capture, words: list[str], message: str
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    places = {"NIGHT": str(night), "NOT_OURS": str(other)}
    assert live(model_folder, *(places.get(word, word) for word in words)) == 1
    assert message in capsys.readouterr().err
    assert other.read_text(encoding="utf-8") == "a,b\n1,2\n"


@pytest.mark.parametrize("speed", ["-1", "fast", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(
    model_folder: Path, night: Path, capsys: Capture, speed: str
) -> None:
    assert live(model_folder, "--replay", night, f"--speed={speed}") == 2
    assert f"must be a number from 0 on, or max; got '{speed}'" in capsys.readouterr().err


def test_zero_phase_filters_are_refused_with_the_option_that_helps(
    model_folder: Path, night: Path, capsys: Capture
) -> None:
    replace(Preprocessing.load(model_folder), l_freq=1.0).save(model_folder)
    for source in (("--replay", night), ("--lsl", "nobody")):
        assert live(model_folder, *source) == 1
        said = capsys.readouterr().err
        assert "zero-phase filters (above 1 Hz)" in said
        assert "Prepare its corpus again with --causal, and train on that." in said


def test_a_full_disk_leaves_whole_lines(
    tmp_path: Path, file_size_limit: Callable[[int], Any]
) -> None:
    path = tmp_path / "rows.jsonl"
    with JsonLines(path) as lines:
        lines.write({"text": "a" * 50})
        with file_size_limit(100), pytest.raises(OSError, match="too large"):
            lines.write({"text": "b" * 500})
    assert rows_in(path) == [{"text": "a" * 50}]


def test_an_empty_file_and_odd_text_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.touch()
    with JsonLines(path) as lines:
        lines.write({"label": "Müller\n\ud800"})
    assert path.read_bytes().count(b"\n") == 1
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="holds something else than JSON lines"):
        JsonLines(path)


def test_quantiles_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).random(1000)
    assert quantiles(values.tolist()) == tuple(np.quantile(values, [0.5, 0.95, 0.99]))
    assert np.isnan(quantiles([])).all()
