"""`biot predict --report`: the page beside the table, with reasons for the surest events."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from biot.cli import main
from biot.inference import Predictor
from biot.signals import read_recording
from biot.simulate import write_edf


@pytest.fixture
def night(tmp_path, make_recording):
    return write_edf(make_recording(30.0), tmp_path / "night.edf")


def data_of(page) -> dict:
    (found,) = re.findall(r'id="timeline-data">(.*?)</script>', page.read_text(encoding="utf-8"))
    return json.loads(found)


def test_the_page_lies_beside_the_table(tmp_path, model_folder, night, capsys):
    out = tmp_path / "table.csv"
    words = ["predict", model_folder, night, "--out", out, "--report", "--explain", "1"]
    assert main([str(word) for word in words]) == 0
    page = tmp_path / "table.html"
    assert f"written -> {page}" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert text.count("<caption>Strongest parts") == 1
    assert "<h2>Why</h2>" in text
    assert text.count("<td>used</td>") == 3
    expected = Predictor.from_pretrained(model_folder, device="cpu").predict(night).to_events()
    assert len(data_of(page)["strips"][0]["events"]) == len(expected)


def test_no_reasons_are_given_where_none_are_asked_for(tmp_path, model_folder, night):
    out = tmp_path / "table.csv"
    words = ["predict", model_folder, night, "--out", out, "--report", "--explain", "0"]
    assert main([str(word) for word in words]) == 0
    assert "<h2>Why</h2>" not in out.with_suffix(".html").read_text(encoding="utf-8")


def test_of_several_recordings_each_has_a_page(tmp_path, model_folder, make_recording):
    folder = tmp_path / "nights"
    folder.mkdir()
    for seed in (1, 2):
        write_edf(make_recording(20.0, seed=seed), folder / f"n{seed}.edf")
    out = tmp_path / "out"
    words = ["predict", model_folder, folder, "--out", out, "--report", "--explain", "0"]
    assert main([str(word) for word in words]) == 0
    pages = sorted(path.name for path in (out / "reports").rglob("*.html"))
    assert pages == ["n1.html", "n2.html"]
    assert main([str(word) for word in words]) == 0  # brought up to date


def test_reasons_without_a_page_are_refused(tmp_path, model_folder, night, capsys):
    words = ["predict", model_folder, night, "--out", tmp_path / "t.csv", "--explain", "2"]
    assert main([str(word) for word in words]) == 1
    assert "--explain belongs to the report. Give --report too." in capsys.readouterr().err


def test_the_signals_of_the_page_are_those_of_the_file(tmp_path, model_folder, night):
    out = tmp_path / "table.parquet"
    words = ["predict", model_folder, night, "--out", out, "--report", "--explain", "0"]
    assert main([str(word) for word in words]) == 0
    signals = data_of(out.with_suffix(".html"))["signals"]
    assert [one["name"] for one in signals["channels"]] == ["Fp1", "C3", "O1"]
    (whole,) = signals["stretches"]
    assert (whole["columns"], whole["perColumn"]) == (1500, 1)
    assert np.isfinite(read_recording(night).data).all()
