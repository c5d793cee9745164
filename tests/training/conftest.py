"""Small corpora in which a wave must be told from noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.corpus import Corpus, from_arrays
from biot.training import FinetuneConfig

SFREQ = 50.0
TINY: dict[str, Any] = {
    "embed_dim": 16,
    "num_heads": 2,
    "num_layers": 1,
    "epochs": 6,
    "batch_size": 16,
    "learning_rate": 5e-3,
    "device": "cpu",
}


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., FinetuneConfig]:
    """Builds a config of a model that trains in a second."""

    def make(**changes: Any) -> FinetuneConfig:
        return FinetuneConfig(**(TINY | changes))

    return make


@pytest.fixture(scope="session")
def make_corpus() -> Callable[..., Corpus]:
    """Builds a corpus: windows of 2 channels and 2 s, labelled by the rhythm that they hold."""

    def make(
        out: Path,
        *,
        label_names: tuple[str, ...] = ("noise", "wave"),
        n_subjects: int = 6,
        per_subject: int = 40,
        missing: int = 0,
        unlabelled: bool = False,
        seed: int = 0,
        **arguments: Any,
    ) -> Corpus:
        generator = np.random.default_rng(seed)
        # Subjects of two corpora are not the same people.
        prefix = "s" if out.name == "corpus" else f"{out.name}-"
        n_windows, n_times = n_subjects * per_subject, int(2 * SFREQ)
        y = np.arange(n_windows) % len(label_names)
        time = np.arange(n_times) / SFREQ
        X = generator.normal(size=(n_windows, 2, n_times))
        # Class 0 is noise; the rhythm of class k has 5 k Hz, whatever its name is.
        rhythm = np.array(
            [0 if name == "noise" else 5 * int(name[4:] or 2) for name in label_names]
        )
        phase = generator.uniform(0, 2 * np.pi, (n_windows, 1))
        wave = np.sin(2 * np.pi * rhythm[y][:, None] * time + phase) * (rhythm[y][:, None] > 0)
        X += 1.5 * wave[:, None]
        X[:missing, :, ::10] = np.nan  # no whole token is left
        subject = [f"{prefix}{index // per_subject}" for index in range(n_windows)]
        given = {"sfreq": SFREQ, "ch_names": ("Fz", "Cz"), "units": "µV", **arguments}
        labels = None if unlabelled else np.array(label_names)[y]
        if not unlabelled:
            given.setdefault("label_names", label_names)
        return from_arrays(X, labels, subject=subject, out=out, **given)

    return make


@pytest.fixture(scope="session")
def wave_corpus(
    make_corpus: Callable[..., Corpus], tmp_path_factory: pytest.TempPathFactory
) -> Corpus:
    """240 windows of six subjects, half of them with a 10-Hz wave."""
    return make_corpus(tmp_path_factory.mktemp("waves") / "corpus")


@pytest.fixture(scope="session")
def wave_run(
    wave_corpus: Corpus,
    tiny_config: Callable[..., FinetuneConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a finished run on the wave corpus."""
    from biot.training import finetune

    out = tmp_path_factory.mktemp("runs") / "run"
    finetune(wave_corpus.path, out, config=tiny_config(), command="biot finetune waves")
    return out
