"""The probe of pretraining against a plain computation with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from biot import BIOT
from biot.corpus import Corpus, from_arrays, load_corpus
from biot.corpus.batch import collate
from biot.corpus.corpora import Corpora
from biot.errors import CorpusError
from biot.evaluation.baselines.ridge import RidgeBaseline
from biot.training.pretraining.config import PretrainConfig
from biot.training.pretraining.probe import FeatureProbe, probed_corpora
from biot.training.pretraining.validation import held_out_rows, validation_batches

CONFIG = PretrainConfig(objective="masked", valid_share=0.34, batch_size=7)


def model_of(seed: int) -> BIOT:
    torch.manual_seed(seed)
    return BIOT(n_outputs=1, channels=["FZ", "CZ"], n_times=100, sfreq=50, n_fft=25,
                hop_length=25, embed_dim=16, num_heads=2, num_layers=1)  # fmt: skip


@pytest.fixture
def data(make_corpus: Callable[..., Corpus], tmp_path: Path) -> Corpora:
    """A corpus with labels between two without use: one has none, one has one class only."""
    make_corpus(tmp_path / "silent", unlabelled=True, per_subject=4)
    make_corpus(tmp_path / "waves", per_subject=30)
    one = np.random.default_rng(0).normal(size=(12, 2, 100))
    from_arrays(one, ["noise"] * 12, subject=[f"o{i // 2}" for i in range(12)], sfreq=50.0,
                ch_names=("Fz", "Cz"), units="µV", out=tmp_path / "constant")  # fmt: skip
    return Corpora.of([load_corpus(tmp_path / name) for name in ("silent", "waves", "constant")])


def test_it_scores_held_out_subjects_beside_the_encoder_before_its_first_step(data: Corpora):
    train, valid = held_out_rows(data, CONFIG)
    assert train is not None
    (probed,) = probed_corpora(data, valid, seed=0)
    assert probed.name == "waves"
    waves = np.arange(24, 24 + 180)
    assert set(probed.fitted) == set(waves[train[waves]])
    assert set(probed.scored) == set(waves[~train[waves]])
    assert len(np.unique(data.subjects[probed.scored])) == 2
    assert not set(data.subjects[probed.scored]) & set(data.subjects[probed.fitted])

    before, now = model_of(0).eval(), model_of(1).eval()
    found = FeatureProbe(
        data, (probed,), before.encoder, lambda rows: validation_batches(data, rows, CONFIG, now), 0
    )(now.encoder, torch.device("cpu"))

    y = (data.labels == "wave").astype(int)
    right = {}
    for name, model in (("before", before), ("now", now)):
        whole = collate(data, np.arange(len(data)), vocabulary=model.channels)
        with torch.no_grad():
            features = model.encoder(whole.signal, channel_ids=whole.channel_ids).numpy()
        ridge = RidgeBaseline.fit(features[probed.fitted], y[probed.fitted], probed.task,
                                  groups=data.subjects[probed.fitted])  # fmt: skip
        right[name] = ridge.predict(features[probed.scored]) == y[probed.scored]
    truth, subjects = y[probed.scored], data.subjects[probed.scored]
    for name, score in (("before", found.more["probe_random"]), ("now", found.score)):
        assert score == pytest.approx(np.mean([right[name][truth == k].mean() for k in (0, 1)]))
    gain = np.mean([
        right["now"][subjects == one].mean() - right["before"][subjects == one].mean()
        for one in np.unique(subjects)
    ])  # fmt: skip
    assert found.more["probe_gain"] == pytest.approx(gain)
    assert found.rank == found.score == found.more["probe_score"]


def test_a_share_that_leaves_nobody_to_train_on_is_refused(
    make_corpus: Callable[..., Corpus], tmp_path: Path
):
    make_corpus(tmp_path / "waves")  # of six subjects
    data = Corpora.of([load_corpus(tmp_path / "waves")])

    def config(share: float) -> PretrainConfig:
        return PretrainConfig(objective="masked", valid_share=share)

    with pytest.raises(
        CorpusError,
        match=r"waves: valid_share 0\.99 \(--valid-share\) is all 6 subjects, and leaves none to "
        r"train on\. Give at most 0\.833",
    ):
        held_out_rows(data, config(0.99))
    train, valid = held_out_rows(data, config(5 / 6))
    assert train is not None
    assert len(np.unique(data.subjects[train])) == 1
    assert len(np.unique(data.subjects[valid])) == 5


def test_one_subject_cannot_be_held_out(tmp_path: Path):
    signals = np.random.default_rng(0).normal(size=(4, 1, 100))
    from_arrays(signals, ["a", "b"] * 2, subject=["one"] * 4, sfreq=50.0, ch_names=("Fz",),
                units="µV", out=tmp_path / "own")  # fmt: skip
    data = Corpora.of([load_corpus(tmp_path / "own")])
    with pytest.raises(CorpusError, match=r"--valid-share\) keeps whole subjects .* one subject"):
        held_out_rows(data, CONFIG)


def test_labels_of_a_held_out_kind_alone_do_not_serve(data: Corpora):
    waves = np.arange(24, 24 + 180)
    noise = waves[data.labels[waves] == "noise"]
    with pytest.raises(ValueError, match="None of the corpora has them: silent, waves, constant"):
        probed_corpora(data, noise[:20], seed=0)
