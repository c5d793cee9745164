"""Files and callers of braindecode: what it writes we open, what we write it opens, equal logits.

    PYTHONPATH=../shared/peers/stub peer/bin/python benchmarks/interop.py

in an environment with braindecode 1.8.1, skorch and scikit-learn; 2 minutes on two cores. Prints
the largest difference of logits for each way between the two, and what skorch's and braindecode's
classifiers and scikit-learn's searches do with the model inside. Every difference must be below
1e-5, and every row must say ok; the exit code is 1 otherwise.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mne
import numpy as np
import torch
from braindecode import EEGClassifier, models
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from tabulate import tabulate

import biot
from reference_facts import CASES as FACT_CASES
from reference_facts import differences, facts

Ours, Theirs = biot.BIOT, models.BIOT
LIMIT = 1e-5
SMALL: dict[str, Any] = {"embed_dim": 32, "num_heads": 4, "num_layers": 2, "n_outputs": 3}
CASES: dict[str, dict[str, Any]] = {
    "default size": {"n_outputs": 6, "n_chans": 16, "n_times": 2000},
    "hop 200, 30 s": {**SMALL, "n_chans": 2, "n_times": 6000, "hop_length": 200},
    "125 Hz by seconds": {**SMALL, "n_chans": 3, "input_window_seconds": 4.0, "sfreq": 125},
    "below a second": {**SMALL, "n_chans": 9, "n_times": 128, "hop_length": 16},
    "SiLU, tuple": {
        **SMALL,
        "n_chans": 4,
        "n_times": 1000,
        "activation": torch.nn.SiLU,
        "return_feature": True,
    },
    "PReLU": {**SMALL, "n_chans": 4, "n_times": 1000, "activation": torch.nn.PReLU},
    "chs_info of MNE": {**SMALL, "n_times": 1000, "chs_info": "Fp1 Cz ECG1"},
    "odd width": {**SMALL, "embed_dim": 30, "num_heads": 3, "n_chans": 2, "n_times": 700},
}


def arguments(case: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments of a case, its channels described by MNE."""
    if "chs_info" not in case:
        return case
    names = case["chs_info"].split()
    return {**case, "chs_info": mne.create_info(names, 200.0, "eeg")["chs"]}


def moved(model: torch.nn.Module) -> torch.nn.Module:
    """The model with every parameter off its initial value, so that a forgotten one shows."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=draw)
    return model.eval()


def difference(one: torch.nn.Module, other: torch.nn.Module) -> float:
    """Largest difference of the logits of two models on the same noise."""
    x = torch.randn(3, one.n_chans, one.n_times, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = one(x), other(x)
    if isinstance(found, tuple):
        found, expected = torch.cat(found, dim=1), torch.cat(expected, dim=1)
    return (found - expected).abs().max().item()


def files(folder: Path) -> Iterator[tuple[str, float]]:
    """Both ways, as made and after the head was replaced."""
    for name, case in CASES.items():
        for label, writer, reader in (
            ("ours -> theirs", Ours, Theirs),
            ("theirs -> ours", Theirs, Ours),
        ):
            model = moved(writer(**arguments(case)))
            for after in ("", ", reset_head(5)"):
                if after:
                    model.reset_head(5)
                    model = moved(model)
                model.save_pretrained(folder / "model")
                opened = reader.from_pretrained(folder / "model").eval()
                yield f"{label}: {name}{after}", difference(opened, model)


def ours_alone(folder: Path) -> Iterator[tuple[str, float]]:
    """What only we can say must not keep braindecode from opening the file."""
    named = moved(Ours(**SMALL, channels=["Fp1", "Cz", "O2"], n_times=1000))
    named.save_pretrained(folder / "named")
    yield (
        "ours -> theirs: channels in the config",
        difference(Theirs.from_pretrained(folder / "named").eval(), named),
    )
    named.extend_channels(["EMG"])
    named.save_pretrained(folder / "named")
    yield (
        "ours -> theirs: channels added",
        difference(Theirs.from_pretrained(folder / "named").eval(), named),
    )
    picked = Ours.from_pretrained(folder / "named", channels=["EMG", "Cz"], n_outputs=2)
    picked.save_pretrained(folder / "picked")
    theirs = Theirs.from_pretrained(folder / "picked").eval()
    yield "ours -> theirs: channels picked, another head", difference(theirs, picked)
    yield "theirs -> ours: load_state_dict", _by_state_dict()


def _by_state_dict() -> float:
    theirs = moved(Theirs(**CASES["below a second"]))
    ours = Ours(**CASES["below a second"]).eval()
    ours.load_state_dict(theirs.state_dict())
    return difference(ours, theirs)


def same_facts() -> Iterator[tuple[str, float]]:
    """Names, order, attributes, hooks, numbers: how many kinds of fact differ, of each case."""
    for name, case in FACT_CASES.items():
        yield f"facts: {name}", float(len(differences(facts(Ours, case), facts(Theirs, case))))


def _data() -> tuple[np.ndarray, np.ndarray]:
    """Two classes that differ in amplitude."""
    y = np.arange(40) % 2
    x = np.random.default_rng(0).normal(size=(40, 2, 300)) * (1 + 4 * y[:, None, None])
    return x.astype(np.float32), y.astype(np.int64)


SETTINGS: dict[str, Any] = {
    "module__embed_dim": 16,
    "module__num_heads": 2,
    "module__num_layers": 1,
    "module__sfreq": 100,
    "module__hop_length": 50,
    "module__drop_prob": 0.0,
    "max_epochs": 12,
    "lr": 1e-2,
    "batch_size": 10,
    "optimizer": torch.optim.AdamW,
    "criterion": torch.nn.CrossEntropyLoss,  # the model gives scores, not probabilities
    "verbose": 0,
}
SHAPE = {"module__n_chans": 2, "module__n_times": 300, "module__n_outputs": 2}


def in_skorch() -> float:
    """NeuralNetClassifier fits, predicts, clones."""
    x, y = _data()
    net = NeuralNetClassifier(Ours, **SHAPE, **SETTINGS)
    return float(clone(net.fit(x, y)).fit(x, y).score(x, y))


def in_braindecode() -> float:
    """EEGClassifier finds out the shape of the model from the data."""
    x, y = _data()
    return float(EEGClassifier(Ours, classes=[0, 1], **SETTINGS).fit(x, y).score(x, y))


def of_an_instance() -> float:
    """EEGClassifier over a pretrained model instead of its class."""
    x, y = _data()
    model = Ours(
        **{
            key.removeprefix("module__"): v
            for key, v in {**SETTINGS, **SHAPE}.items()
            if "__" in key
        }
    )
    rest = {key: value for key, value in SETTINGS.items() if "__" not in key}
    return float(EEGClassifier(model, classes=[0, 1], **rest).fit(x, y).score(x, y))


def in_a_search() -> float:
    """GridSearchCV over a setting of the model."""
    x, y = _data()
    net = NeuralNetClassifier(Ours, train_split=None, **SHAPE, **SETTINGS)
    search = GridSearchCV(net, {"module__num_layers": [1, 2]}, cv=2, error_score="raise")
    return float(search.fit(x, y).best_score_)


def callers() -> Iterator[tuple[str, float]]:
    """Accuracy on separable data, which a caller that works reaches."""
    checks: tuple[tuple[str, Callable[[], float]], ...] = (
        ("skorch NeuralNetClassifier: fit, clone, predict", in_skorch),
        ("braindecode EEGClassifier: fit, predict", in_braindecode),
        ("braindecode EEGClassifier over an instance", of_an_instance),
        ("scikit-learn GridSearchCV over num_layers", in_a_search),
    )
    for name, check in checks:
        yield name, check()


def main() -> int:
    """Run all checks, print the table; 0 when all are ok."""
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            (name, f"{value:.1e}", "ok" if value < LIMIT else "MISSED")
            for name, value in (*files(Path(folder)), *ours_alone(Path(folder)), *same_facts())
        ]
    print(tabulate(rows, headers=("files", "largest difference", "")))
    scores = [
        (name, f"{value:.2f}", "ok" if value > 0.9 else "MISSED") for name, value in callers()
    ]
    print()
    print(tabulate(scores, headers=("callers", "accuracy", "")))
    return int(any(row[-1] != "ok" for row in (*rows, *scores)))


if __name__ == "__main__":
    sys.exit(main())
