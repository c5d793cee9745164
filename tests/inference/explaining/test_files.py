"""What an explanation prints, writes and draws; its bands; and where channels lie on the head."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot import cli, plots
from biot.errors import ConfigError
from biot.inference import Predictor
from biot.inference.explaining.bands import Band, bands_of
from biot.inference.explaining.scalp import places_on_scalp
from biot.preprocessing import Preprocessing
from biot.signals import Recording
from biot.simulate import write_edf

from .conftest import detector_contract

MakeDetector = Callable[[Preprocessing], Predictor]
MakeBurst = Callable[..., Recording]
EIGHT = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2")


# bands --------------------------------------------------------------------------------------


def contract(*names: str, **changes: Any) -> Preprocessing:
    return detector_contract(names or ("Fp1",), **changes)


def test_bands_of_eeg_end_where_the_filters_of_the_model_do() -> None:
    def edges(**changes: Any) -> list[tuple[str, float, float]]:
        return [(b.name, b.low, b.high) for b in bands_of(None, contract(**changes))]

    slow = [("delta", 0.5, 4), ("theta", 4, 8), ("alpha", 8, 13), ("beta", 13, 30)]
    assert edges() == [*slow, ("gamma", 30, 50)]
    assert edges(l_freq=1, h_freq=40) == [("delta", 1, 4), *slow[1:], ("gamma", 30, 40)]
    assert edges(h_freq=20) == [*slow[:3], ("beta", 13, 20)]
    assert edges(sfreq=60) == slow


def test_bands_of_other_signals_are_octaves() -> None:
    found = bands_of(None, contract("I", "II", units=("mV", "mV"), sfreq=50, h_freq=20))
    assert [(b.low, b.high) for b in found] == [
        (0.5, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 20),
    ]  # fmt: skip
    assert found[0].name == "0.5-1 Hz"


def test_bands_are_given_as_text_pairs_or_by_name() -> None:
    wanted = (Band("0.5-4 Hz", 0.5, 4), Band("slow alpha", 8, 10.5))
    assert bands_of("0.5-4, slow alpha=8-10.5", contract()) == wanted
    assert bands_of([(8, 13)], contract()) == (Band("8-13 Hz", 8, 13),)
    assert bands_of({"all above": (13, 50)}, contract()) == (Band("all above", 13, 50),)
    assert bands_of("", contract()) == bands_of((), contract()) == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("alpha", "such as 0.5-4,4-8 or alpha=8-13; got 'alpha'"),
        ("4", "got '4'"),
        ("8-4", "got 8 to 4 Hz"),
        ("8-60", "within 0 and 50 Hz, half the model's rate"),
        ("nan-4", "got nan to 4 Hz"),
        ("0-50", "0 to 50 Hz is all of it"),
        ("4-8,4-8", "bands must differ, got 4-8 Hz, 4-8 Hz"),
        ("0.0001-4", "its filter would be longer than an hour"),
        ([(1, 2, 3)], "must be pairs of Hz, low and high"),
    ],
)
def test_bands_that_cannot_be_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bands_of(given, contract())


# places -------------------------------------------------------------------------------------


def test_places_are_right_left_front_and_back() -> None:
    places = places_on_scalp(
        ["EEG Fp1-REF", "Cz", "T4", "O2", "ECG", "V1", "Oz-Fpz", "C3-A2", "A2-A1"]
    )
    assert set(places) == {0, 1, 2, 3, 6, 7}
    assert places[0][0] < -0.2
    assert places[0][1] > 0.8
    assert np.hypot(*places[1]) < 0.2
    assert places[2][0] > 0.8
    assert abs(places[2][1]) < 0.25
    assert places[3][0] > 0.2
    assert places[3][1] < -0.8
    assert np.hypot(*places[6]) < 0.2  # halfway between Oz and Fpz
    assert -0.6 < places[7][0] < -0.3  # at C3, not halfway to the ear
    assert places_on_scalp(["ECG", "ACC_X"]) == {}


# files --------------------------------------------------------------------------------------


@pytest.fixture
def explanation(make_detector: MakeDetector, make_burst: MakeBurst) -> Any:
    predictor = make_detector(detector_contract((*EIGHT, "Cz")))
    return predictor.explain(make_burst(n_chans=8), at=1, step=1, target="alpha")


def test_the_table_shows_the_strongest_of_each_kind(explanation: Any) -> None:
    lines = str(explanation).splitlines()
    assert lines[0].startswith("<recording in memory>, 0 to 4 s:")
    assert "probability of alpha" in lines[0]
    assert f"are {explanation.baseline:.3f}" in lines[1]
    assert sum(line.startswith("channel, 5 of 8 ") for line in lines) == 1
    assert sum(line.startswith("channel and stretch, 5 of 32 ") for line in lines) == 1
    strongest = np.nanmax(np.abs(explanation.cell_scores))
    (row,) = [line for line in lines if line.startswith("channel and stretch")]
    assert abs(float(row.split()[-1])) == pytest.approx(strongest, abs=1e-3)
    assert lines[-1] == "Absent from the recording: Cz; 1 of the model's 9 channels."
    assert repr(explanation) == str(explanation)


def test_json_csv_and_the_frame_hold_every_score(explanation: Any, tmp_path: Path) -> None:
    values = json.loads(explanation.save(tmp_path / "why.json").read_text(encoding="utf-8"))
    assert values["cell_scores"][8] == [None] * 4
    np.testing.assert_allclose(values["cell_scores"][:8], explanation.cell_scores[:8])
    assert values["bands"][2] == {"name": "alpha", "low": 8, "high": 13}
    assert values["stretches"][0] == [0, 1]
    frame = explanation.to_dataframe()
    assert frame["part"].value_counts().to_dict() == {
        "channel": 9, "stretch": 4, "channel and stretch": 36, "band": 5, "channel and band": 45,
    }  # fmt: skip
    cell = frame.query("part == 'channel and stretch' and channel == 'F3' and start == 2")
    assert cell["score"].item() == explanation.cell_scores[2, 2]
    with (tmp_path / "why.csv").open("w"):
        pass
    explanation.save(tmp_path / "why.csv")
    with (tmp_path / "why.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(frame)
    assert float(rows[0]["score"]) == pytest.approx(explanation.channel_scores[0], abs=1e-6)
    assert rows[8]["score"] == ""
    with pytest.raises(ConfigError, match=r"why\.txt: an explanation ends in \.json or \.csv"):
        explanation.save(tmp_path / "why.txt")
    with pytest.raises(ConfigError, match=r"why\.svg: a figure ends in \.png"):
        explanation.to_png(tmp_path / "why.svg")


def test_the_figure_draws_cells_bars_and_head(explanation: Any, tmp_path: Path) -> None:
    figure = explanation.figure()
    cells, channels, stretches, bar, bands, head = figure.axes
    np.testing.assert_allclose(
        cells.collections[0].get_array().reshape(8, 4), explanation.cell_scores[:8]
    )
    low, high = cells.collections[0].get_clim()
    assert high == -low == np.nanmax(np.abs(explanation.cell_scores))
    assert [text.get_text() for text in cells.get_yticklabels()] == list(EIGHT)
    widths = [patch.get_width() for patch in channels.patches]
    np.testing.assert_allclose(widths, explanation.channel_scores[:8])
    np.testing.assert_allclose(
        [patch.get_height() for patch in stretches.patches], explanation.stretch_scores
    )
    np.testing.assert_allclose([p.get_height() for p in bands.patches], explanation.band_scores)
    assert bar.get_ylabel() == "lost log-odds of alpha"
    np.testing.assert_allclose(head.collections[0].get_array(), explanation.channel_scores[:8])
    assert explanation.to_png(tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")


def test_names_with_dollars_are_drawn_as_they_are_and_bad_data_without_a_figure_of_its_own(
    make_detector: MakeDetector, make_burst: MakeBurst, tmp_path: Path
) -> None:
    names = ("a$b$", "c_{d}", "<script>", "µ^ü")
    predictor = make_detector(detector_contract(names, label_names=("no $x^$", "yes $\\frac$")))
    found = predictor.explain(make_burst(ch_names=names), at=1, bands="")
    figure = found.figure()
    assert len(figure.axes) == 4  # neither bands nor head
    assert "$" in found.to_png(tmp_path / "a.png").name or figure.get_suptitle() == found.title
    plots.save_png(figure, tmp_path / "b.png")


def test_of_many_channels_the_strongest_are_drawn(
    make_detector: MakeDetector, make_burst: MakeBurst
) -> None:
    names = tuple(f"X{k}" for k in range(40))
    predictor = make_detector(detector_contract(names))
    found = predictor.explain(make_burst(n_chans=40, ch_names=names), at=1, step=4, bands="")
    figure = found.figure()
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    strongest = np.sort(np.argsort(-np.abs(found.channel_scores))[:32])
    assert shown == [names[c] for c in strongest]
    assert "Not drawn: 8 channels of the smallest scores." in " ".join(
        figure.get_supxlabel().split()
    )


# the command --------------------------------------------------------------------------------


@pytest.fixture
def folder(make_detector: MakeDetector, make_burst: MakeBurst, tmp_path: Path) -> Path:
    """A model and a recording."""
    predictor = make_detector(detector_contract(EIGHT[:4], thresholds=(0.4,)))
    model = predictor._model.save_pretrained(tmp_path / "model")
    predictor.preprocessing.save(model)
    write_edf(make_burst(1, 5.0, 8.0), tmp_path / "night.edf")
    return tmp_path


def explain(folder: Path, *words: str) -> int:
    return cli.main(["explain", str(folder / "model"), str(folder / "night.edf"), *words])


def test_the_command_prints_a_table_and_writes_what_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--at", "5", "--out", str(folder / "why.json"), "--png", str(folder / "why.png")]
    assert explain(folder, *words, "--step", "1", "--bands", "8-13") == 0
    out = capsys.readouterr().out
    assert "night.edf, 4 to 8 s: probability of alpha" in out
    assert f"scores -> {folder / 'why.json'}" in out
    values = json.loads((folder / "why.json").read_text(encoding="utf-8"))
    assert (values["recording"], values["start"], values["target"]) == ("night.edf", 4.0, "alpha")
    assert len(values["stretches"]) == 4
    assert (folder / "why.png").is_file()
    assert explain(folder, "--event", "1", "--target", "alpha", "--out", str(folder / "e.csv")) == 0
    assert (folder / "e.csv").read_text(encoding="utf-8").startswith("part,channel,start,")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "99"], "--at 99 lies outside the recording night.edf, which lasts from 0 to 12"),
        (["--at", "5", "--stride", "6"], "--at 5 lies in none of the windows of 4 s"),
        (["--event", "9"], "--event 9 is not among the events of night.edf, which has "),
        (["--at", "5", "--target", "beta"], "--target must be one of rest, alpha, got 'beta'"),
        (["--at", "5", "--step", "9"], "--step must be above 0 s and at most the window of 4 s"),
        (["--at", "5", "--bands", "x"], "--bands must be pairs of Hz"),
        (["--at", "5", "--bands", "8-99"], "--bands must lie within 0 and 50 Hz"),
        (["--at", "5", "--out", "why.txt"], "why.txt: the name must end in .json or .csv"),
        (["--at", "5", "--png", "why.jpg"], "why.jpg: the name must end in .png"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(folder, *words) == 1
    assert message in capsys.readouterr().err


def test_a_bar_counts_the_parts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(folder, "--at", "1", "--bands", "") == 0
    assert "part" not in capsys.readouterr().err
    monkeypatch.setattr("biot.cli.recordings.explain.show_progress", lambda: True)
    assert explain(folder, "--at", "1", "--bands", "") == 0
    assert "100%" in capsys.readouterr().err


def test_one_of_at_and_event_is_required(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(folder) == 2
    assert "one of the arguments --at --event is required" in capsys.readouterr().err
    assert explain(folder, "--at", "1", "--event", "1") == 2
    assert "not allowed with argument" in capsys.readouterr().err
