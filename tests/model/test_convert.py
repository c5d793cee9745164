"""`biot convert`: what a checkpoint becomes, and what is said when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foreign_files import authors_classifier, authors_encoder, published_state
from torch import Tensor

from biot import BIOT
from biot.cli import main
from biot.corpus.leakage import SeenData
from biot.events.rules import EventRules
from biot.preprocessing import Preprocessing
from biot.signals import PREST_16

Capture = pytest.CaptureFixture[str]
SIZES = ["--num-heads", "2", "--hop-length", "50", "--sfreq", "100", "--n-times", "400"]


def test_a_classifier_becomes_a_model_folder(
    tmp_path: Path, published: Path, x: Tensor, capsys: Capture
) -> None:
    path, out = tmp_path / "classifier.ckpt", tmp_path / "converted"
    torch.save(authors_classifier(published_state()), path)
    assert (
        main(["convert", str(path), "--out", str(out), *SIZES, "--channels", "C3, C4,Cz,EMG"]) == 0
    )
    shown = capsys.readouterr().out
    assert "32 matched, 1 unused, 4 assumed, 0 adapted, 0 unexpected, 0 missing" in shown
    assert "assumed  drop_prob" in shown
    assert "  channels    4: C3, C4, Cz, EMG" in shown
    assert shown.endswith(f"\n{path} -> {out}\n")
    model = BIOT.from_pretrained(out)
    assert model.channels == ("C3", "C4", "Cz", "EMG")
    assert model.load_report is not None
    assert not model.load_report.assumed
    torch.testing.assert_close(model(x), BIOT.from_pretrained(published)(x), atol=0, rtol=0)


def test_the_published_montages_have_names(tmp_path: Path) -> None:
    path, out = tmp_path / "encoder.ckpt", tmp_path / "converted"
    torch.save(authors_encoder(published_state(n_chans=16, n_fft=200)), path)
    words = ["convert", str(path), "--out", str(out), "--n-outputs", "2", "--channels", "prest-16"]
    assert main(words) == 0
    assert BIOT.from_pretrained(out).channels == PREST_16


def test_what_cannot_be_converted_says_why_and_leaves_nothing(
    tmp_path: Path, capsys: Capture
) -> None:
    path, out = tmp_path / "encoder.ckpt", tmp_path / "converted"
    torch.save(authors_encoder(published_state()), path)
    assert main(["convert", str(path), "--out", str(out), *SIZES]) == 1
    assert capsys.readouterr().err.startswith(
        f"biot: error: {path}: holds no head; give --n-outputs"
    )
    words = ["convert", str(path), "--out", str(out), *SIZES, "--n-outputs", "2"]
    assert main([*words, "--channels", "C3,C4"]) == 1
    assert "4 channels have no names" in capsys.readouterr().err
    assert not out.exists()
    out.mkdir()
    assert main(words) == 1
    assert "converted: is there already; give the name of a new folder" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "no.ckpt"), "--out", str(tmp_path / "x")]) == 1
    assert "no.ckpt: no such folder or file" in capsys.readouterr().err


def test_a_model_of_ours_keeps_its_labels_decision_and_rules(
    tmp_path: Path, capsys: Capture
) -> None:
    source, out, other = tmp_path / "model", tmp_path / "converted", tmp_path / "other"
    contract = Preprocessing(
        sfreq=100, window=4, ch_names=("C3", "C4"), units=("µV", "µV"),
        label_names=("bckg", "seiz"), thresholds=(0.3,),
        events=EventRules(smoothing=3, on=0.7),
    )  # fmt: skip
    model = BIOT(
        embed_dim=16, num_heads=2, num_layers=1, sfreq=100, hop_length=50, n_times=400,
        n_outputs=2, channels=("C3", "C4"),
    )  # fmt: skip
    model.save_pretrained(source, preprocessing=contract)
    SeenData(recordings={"0" * 64: "a.edf"}, subjects=("a",)).save(source)
    assert main(["convert", str(source), "--out", str(out)]) == 0
    assert Preprocessing.load(out) == contract
    assert SeenData.load(out) == SeenData.load(source)
    capsys.readouterr()
    assert main(["convert", str(source), "--out", str(other), "--n-outputs", "3"]) == 0
    assert not (other / "preprocessing.json").exists()
    said = "preprocessing.json is not kept, since an option changes the model:"
    assert said in capsys.readouterr().out
