"""Makes a model and a recording for docker/check.sh, and compares what came of them."""

from __future__ import annotations

import csv
import sys
import warnings
from pathlib import Path

import torch

from biot import BIOT, Predictor, Preprocessing
from biot.inference import export_onnx
from biot.simulate import simulate_eeg, write_edf

NAMES = ("Fp1", "C3", "O1")


def make(work: Path) -> None:
    """A small model of random weights, as a folder and as ONNX, and a minute of EEG."""
    contract = Preprocessing(
        sfreq=50, window=2, ch_names=NAMES, units=("µV",) * 3, label_names=("bckg", "seiz")
    )
    torch.manual_seed(0)
    model = BIOT(
        embed_dim=16, num_heads=2, num_layers=1, sfreq=50, hop_length=25, n_times=100, n_outputs=2,
        channels=NAMES,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.final_layer.parameters():
            parameter.mul_(5)
    model.eval().save_pretrained(work / "model", preprocessing=contract)
    export_onnx(model, work / "model.onnx", preprocessing=contract)
    write_edf(simulate_eeg(0, duration=60.0), work / "data" / "sub-01" / "night.edf")


def compare(work: Path) -> None:
    """The table holds the events that the model folder gives in PyTorch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor = Predictor.from_pretrained(work / "model", device="cpu")
        events = predictor.predict(work / "data" / "sub-01" / "night.edf").to_events()
    expected = [(round(one.onset, 3), round(one.duration, 3)) for one in events]
    with (work / "output" / "sub-01" / "eeg" / "night.tsv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["eventType"] != "bckg"]
    found = [(round(float(row["onset"]), 3), round(float(row["duration"]), 3)) for row in rows]
    if found != expected:
        raise SystemExit(f"FAILED: found {found}, expected {expected}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (compare if sys.argv[2:] == ["compare"] else make)(folder)
