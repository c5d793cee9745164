"""The loop keeps the best weights, stops in time, and says when training diverges."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from biot.errors import ConfigError, CorpusError
from biot.evaluation.tasks import Classes
from biot.training import FinetuneConfig
from biot.training.distributed import launch
from biot.training.finetuning.objective import Dataloaders, fit


@dataclass
class FakeBatch:
    signal: torch.Tensor
    label: torch.Tensor
    index: torch.Tensor


class Linear(nn.Module):
    """The smallest classifier of (B, 2, 3) windows."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(1))


def make_batch(seed: int, n_windows: int = 40) -> FakeBatch:
    generator = torch.Generator().manual_seed(seed)
    signal = torch.randn(n_windows, 2, 3, generator=generator)
    label = (signal[:, 0, 0] > 0).long()
    return FakeBatch(signal=signal, label=label, index=torch.arange(n_windows))


def run(valid, *, train=None, **changes):
    torch.manual_seed(0)
    config = FinetuneConfig(**({"epochs": 8, "patience": 8, "learning_rate": 0.1} | changes))
    model, batch = Linear(), make_batch(0)
    loaders = Dataloaders(train=lambda *_: [train or batch], valid=lambda: valid(model), n_steps=1)
    fabric = launch("cpu", config.precision)
    task = Classes(names=("low", "high"))
    arguments = {"task": task, "part_size": 16, "config": config}
    return model, *fit(fabric, model, loaders, **arguments)


def test_it_ends_with_the_weights_of_the_best_epoch():
    seen = []

    def valid(model):
        seen.append(model.layer.weight.detach().clone())
        batch = make_batch(1)
        if len(seen) > 3:  # from the fourth epoch on, right is wrong
            batch.label = 1 - batch.label
        return [batch]

    model, history, best_epoch = run(valid)
    scores = [record.valid_score for record in history]
    assert best_epoch == scores.index(max(scores)) + 1
    assert best_epoch <= 3
    assert torch.equal(model.layer.weight, seen[best_epoch - 1])
    assert not torch.equal(seen[-1], seen[best_epoch - 1])
    assert not model.training


def test_among_equal_scores_the_lower_loss_wins():
    easy = FakeBatch(torch.ones(4, 2, 3), torch.ones(4, dtype=torch.int64), torch.arange(4))
    _, history, best_epoch = run(lambda _: [easy], train=easy, metric="accuracy")
    scores = [record.valid_score for record in history]
    assert scores[-1] == scores[-2] == 1.0
    assert best_epoch == len(history) == 8


def test_it_stops_when_patience_runs_out():
    calls = []

    def valid(model):
        calls.append(1)
        batch = make_batch(1)
        batch.label = 1 - batch.label if len(calls) > 1 else batch.label
        return [batch]

    _, history, best_epoch = run(valid, epochs=50, patience=3)
    assert len(history) == best_epoch + 3 < 50


def test_divergence_names_the_place_the_windows_and_the_way_out():
    broken = make_batch(0, n_windows=3)
    broken.signal[1, 0, 0] = torch.inf
    with pytest.raises(
        ConfigError,
        match=r"diverged at step 1: .*without finite features: window 1\. Lower learning_rate",
    ):
        run(lambda _: [make_batch(1)], train=broken)


def test_validation_windows_without_usable_data_alone_are_an_error():
    empty = make_batch(1, n_windows=3)
    empty.signal[:] = torch.nan
    with pytest.raises(CorpusError, match=r"None of the 3 validation windows has usable data"):
        run(lambda _: [empty])


@pytest.mark.filterwarnings("ignore::biot.device.SlowPrecisionWarning")
def test_bfloat16_learns_too():
    _, history, _ = run(lambda _: [make_batch(1)], precision="bf16", epochs=30, patience=30)
    assert history[-1].valid_score > 0.9


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"device is 'cuda', but PyTorch finds no GPU"):
        launch("cuda", "32")


def test_a_running_mean_of_the_weights_is_validated_and_kept():
    steps: list[torch.Tensor] = []

    class Spied(Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                steps.append(self.layer.weight.detach().clone())  # after the step before
            return super().forward(x)

    torch.manual_seed(0)
    model, batch = Spied(), make_batch(0)
    config = FinetuneConfig(epochs=6, patience=6, learning_rate=0.1, ema=0.5, metric="loss")
    loaders = Dataloaders(train=lambda *_: [batch] * 4, valid=lambda: [make_batch(1)], n_steps=4)
    task = Classes(names=("low", "high"))
    history, best = fit(launch("cpu", "32"), model, loaders, task=task, part_size=40, config=config)
    weights = steps[1:]  # after each step; the last one's are not seen
    mean, means = weights[0], []
    for n, now in enumerate(weights[1:], 1):
        means.append(mean)
        share = min(0.5, (1 + n) / (10 + n))
        mean = share * mean + (1 - share) * now
    means.append(mean)
    if best * 4 <= len(means):
        torch.testing.assert_close(model.layer.weight.detach(), means[best * 4 - 1])
    losses = [record.valid_score for record in history]
    assert best == losses.index(min(losses)) + 1
    assert [record.valid_loss for record in history] == losses


def test_the_metric_that_is_asked_for_decides():
    _, history, best = run(lambda _: [make_batch(1)], metric="auroc")
    scores = [record.valid_score for record in history]
    assert scores[best - 1] == max(scores)
    with pytest.raises(ConfigError, match=r"metric must be one of balanced_accuracy, .*'speed'"):
        run(lambda _: [make_batch(1)], metric="speed")
