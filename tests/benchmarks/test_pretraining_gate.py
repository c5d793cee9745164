"""The gate of pretraining compares like with like."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn")

from benchmarks.pretraining_gate import (
    NO_DROPOUT,
    OBJECTIVES,
    SFREQ,
    SIZE,
    TOKENS,
    Judged,
    difference,
    encoded,
    main,
    random_encoder,
    settings,
)
from biot import BIOT


def judged(y: np.ndarray, subject: np.ndarray) -> Judged:
    x = np.zeros((len(y), 1, 64), np.float32)
    return Judged(
        name="made up", x=x, raw=x, y=y, subject=subject, ch_names=("Cz",), units=("µV",),
        label_names=("a", "b"),
    )  # fmt: skip


def test_the_random_encoder_has_the_statistics_of_the_pretrained_one_and_other_weights() -> None:
    model = BIOT(
        n_outputs=1, channels=("Cz", "Pz"), n_times=200, sfreq=SFREQ, **SIZE, **TOKENS, **NO_DROPOUT
    )
    model.fit_spectrum(torch.randn(60, 2, 200, generator=torch.Generator().manual_seed(3)))

    fresh = random_encoder(model, seed=1)

    assert not fresh.needs_spectrum
    ours, theirs = model.encoder.patch_embedding, fresh.encoder.patch_embedding
    assert torch.equal(ours.spectrum_mean, theirs.spectrum_mean)
    assert torch.equal(ours.spectrum_std, theirs.spectrum_std)
    assert not torch.equal(ours.projection.weight, theirs.projection.weight)


def test_features_are_the_mean_that_a_head_gets_and_the_mean_of_each_channel() -> None:
    model = BIOT(
        n_outputs=1, channels=("Pz", "Cz"), n_times=200, sfreq=SFREQ, **SIZE, **TOKENS, **NO_DROPOUT
    ).eval()
    x = torch.randn(5, 2, 200, generator=torch.Generator().manual_seed(3))
    model.fit_spectrum(x)
    one = replace(
        judged(np.zeros(5, np.int64), np.array(["a"] * 5)), x=x.numpy(), ch_names=("Cz", "Pz")
    )

    found = encoded(model, one)

    with torch.no_grad():
        expected = model.encoder(x, channel_ids=torch.tensor([[1, 0]]).expand(5, -1))
    np.testing.assert_allclose(found["window"], expected, atol=1e-5)
    assert found["each channel"].shape == (5, 2 * SIZE["embed_dim"])
    halves = found["each channel"].reshape(5, 2, -1)
    np.testing.assert_allclose(halves.mean(axis=1), found["window"], atol=1e-12)
    assert not np.allclose(halves[:, 0], halves[:, 1], atol=1e-3)


def test_a_gain_is_the_mean_over_subjects_of_the_share_that_is_right() -> None:
    subject = np.array(["a"] * 3 + ["b"])
    one = judged(np.array([0, 1, 0, 1]), subject)
    right, other = np.array([True, True, True, False]), np.array([True, False, False, True])

    mean, low, high = difference(one, right, other)

    assert mean == pytest.approx((2 / 3 - 1) / 2)
    assert low == pytest.approx(-1)
    assert high == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["eegmta"], "argument --only: invalid choice: 'eegmta'"),
        (["eegmat", "ptbxl"], "--only must name sets of both halves"),
    ],
)
def test_sets_that_nobody_could_judge_are_refused_before_the_training(
    names: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["pretraining_gate", "masked", "--only", *names])
    with pytest.raises(SystemExit):
        main()
    assert message in capsys.readouterr().err


def test_every_objective_that_can_be_judged_is_one_that_pretraining_takes() -> None:
    for name, given in OBJECTIVES.items():
        config = settings(name, steps=10, seed=0)
        assert config.objective == given["objective"]
    assert settings("contrastive-recording", steps=10, seed=0).negatives == "recording"
