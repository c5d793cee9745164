"""Augmentations change what they promise, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from biot.errors import ConfigError
from biot.evaluation.tasks import Classes
from biot.training import FinetuneConfig
from biot.training.distributed import launch
from biot.training.finetuning import augment as a
from biot.training.finetuning.augment import Augmentation, require_fitting
from biot.training.finetuning.objective import Dataloaders, FinetuneObjective
from biot.training.gradients import GradientContext


@dataclass
class FakeBatch:
    signal: torch.Tensor
    label: torch.Tensor
    index: torch.Tensor


def signals(n_windows: int = 40, n_times: int = 100) -> torch.Tensor:
    x = torch.randn(n_windows, 3, n_times, generator=torch.Generator().manual_seed(0))
    x[0, 1, 10:20] = torch.nan
    return x


def make_batch() -> FakeBatch:
    return FakeBatch(signals(), torch.arange(40) % 2, torch.arange(40))


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_shift_moves_samples_and_lets_missing_ones_in():
    x = torch.arange(100.0).expand(40, 3, 100)
    shifted = a.time_shift(x, 7, generator())
    by = set()
    for window in shifted:
        first = int(window[0].isnan().logical_not().nonzero()[0])
        shift = first - int(window[0, first])
        by.add(shift)
        kept = window[0, max(0, shift) : 100 + min(0, shift)]
        expected = torch.arange(max(0, -shift), 100 - max(0, shift)).float()
        torch.testing.assert_close(kept, expected)
        assert int(window.isnan().sum()) == 3 * abs(shift)
    assert min(by) < -4
    assert max(by) > 4


def test_dropped_channels_are_missing_and_one_recorded_channel_stays():
    x = signals()
    x[5, 0] = torch.nan
    dropped = a.channel_drop(x, 0.9, generator())
    whole = dropped.isnan().all(dim=2)
    assert 0.5 < whole.float().mean() < 0.7  # 0.9 of those that need not stay
    assert not whole.all(dim=1).any()
    kept = ~whole
    torch.testing.assert_close(dropped[kept], x[kept], equal_nan=True)


def test_a_band_of_half_the_windows_is_gone_and_no_other():
    x = signals()
    stopped = a.band_stop(x, 100.0, 10.0, generator())
    changed = (stopped - x).abs().nan_to_num().amax(dim=(1, 2)) > 1e-6
    assert 10 <= int(changed.sum()) <= 30
    assert torch.equal(stopped.isnan(), x.isnan())
    for before, after in zip(x[1:][changed[1:]], stopped[1:][changed[1:]], strict=True):
        ratio = torch.fft.rfft(after).abs() / torch.fft.rfft(before).abs()
        gone = (ratio < 1e-3).all(dim=0).nonzero().squeeze(1)
        assert 9 <= int(gone[-1] - gone[0]) + 1 == len(gone) <= 11  # bins of 1 Hz
        rest = torch.ones(51, dtype=torch.bool)
        rest[gone] = False
        torch.testing.assert_close(ratio[:, rest], torch.ones_like(ratio[:, rest]), atol=1e-3,
                                   rtol=0)  # fmt: skip


def test_amplitudes_change_by_one_bounded_factor_a_channel():
    x = signals()
    factor = a.amplitude(x, 0.5, generator()) / x
    low, high = factor.nan_to_num(nan=1.0).aminmax()
    assert 1 / 1.5 <= low < 0.75 < 1.4 < high <= 1.5 + 1e-6
    spread = torch.where(factor.isnan(), factor[..., :1], factor).std(dim=2)
    assert spread.max() < 1e-5


def test_mixtures_hold_shares_of_two_windows_and_gaps_only_where_both_have_one():
    batch = make_batch()
    mixed = a.mixup(batch, 0.4, generator())
    assert not mixed.signal.isnan().any()
    assert mixed.share.std() > 0.2
    for row in range(1, 40):
        partner = [
            p for p in range(1, 40)
            if torch.allclose(mixed.signal[row], mixed.share[row] * batch.signal[row]
                              + (1 - mixed.share[row]) * batch.signal[p], atol=1e-5)
        ]  # fmt: skip
        if partner:
            assert batch.label[partner[0]] == mixed.partner_label[row] or mixed.share[row] > 0.999


def test_the_loss_of_a_mixture_is_shared_by_its_labels():
    batch = a.mixup(make_batch(), 0.4, generator())
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(300, 2))
    objective = FinetuneObjective(
        module=model, task=Classes(names=("x", "y")), metric="loss", part_size=7, n_epochs=1,
        loaders=Dataloaders(train=lambda *_: [batch], valid=lambda: [batch], n_steps=1),
    )  # fmt: skip
    fabric = launch("cpu", "32")
    context = GradientContext(fabric=fabric, model=fabric.setup_module(model), seed=0)
    loss = float(objective.gradient(context, batch, 0).loss)
    with torch.no_grad():
        log_p = model(batch.signal).log_softmax(dim=1)
    own = log_p.gather(1, batch.label[:, None])[:, 0]
    other = log_p.gather(1, batch.partner_label[:, None])[:, 0]
    expected = -(batch.share * own + (1 - batch.share) * other).mean()
    assert loss == pytest.approx(float(expected), rel=1e-5)


def make(**changes) -> Augmentation:
    return Augmentation(config=FinetuneConfig(**changes), sfreq=100.0, n_fft=50, hop_length=25)


def test_the_same_seed_gives_the_same_batch_and_the_original_is_left_alone():
    batch, before = make_batch(), signals()
    augment = make(mixup=0.2, time_shift=0.1, channel_drop=0.3, band_stop=5.0, amplitude=0.2)
    first, again, other = (augment(batch, (1, 2, n)) for n in (3, 3, 4))
    torch.testing.assert_close(first.signal, again.signal, equal_nan=True)
    assert not torch.equal(first.signal.nan_to_num(), other.signal.nan_to_num())
    torch.testing.assert_close(batch.signal, before, equal_nan=True)


def test_a_window_that_would_lose_its_last_token_stays_as_it_was():
    batch = make_batch()
    augment = Augmentation(
        config=FinetuneConfig(time_shift=0.5), sfreq=100.0, n_fft=100, hop_length=100
    )
    torch.testing.assert_close(augment(batch, (0,)).signal, batch.signal, equal_nan=True)


def test_windows_of_different_channels_are_not_mixed():
    batch = make_batch()
    batch.channel_ids = torch.tensor([[0, 1, 2], [0, 1, 3]]).repeat(20, 1)
    batch.label = torch.arange(40) % 2
    mixed = a.mixup(batch, 1.0, generator())
    assert torch.equal(mixed.partner_label, batch.label)  # label and channels go together here
    assert torch.equal(mixed.channel_ids, batch.channel_ids)


def test_a_change_that_leaves_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"band_stop=25 Hz takes all .* below 25 Hz"):
        require_fitting(FinetuneConfig(band_stop=25), 50.0, 100)
    with pytest.raises(ConfigError, match=r"time_shift=2 s moves windows of 2 s out"):
        require_fitting(FinetuneConfig(time_shift=2), 50.0, 100)
    require_fitting(FinetuneConfig(band_stop=24, time_shift=1.9), 50.0, 100)
