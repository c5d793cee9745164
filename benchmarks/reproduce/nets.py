"""Nets that users would take instead, in plain PyTorch after their papers, and their training.

They are written here, since `braindecode` is no dependency of the project. Filters are as long in
seconds as the authors' are, whatever the sampling rate; missing samples are 0, the mean of their
channel.
"""

# W windows, B of a batch, C channels, T samples, K outputs, F filters

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.reproduce.sets import Problem
from biot.errors import ConfigError

__all__ = ["FCN", "NETS", "EEGNet", "ResNet1d", "ShallowFBCSPNet", "net_outputs"]

Array = npt.NDArray[Any]


class EEGNet(nn.Module):
    """EEGNet-8,2 (Lawhern et al., J. Neural Eng. 2018): filters in time, then across channels.

    The first filters last half a second; pooling ends at a 32nd of the authors' 128 Hz.
    """

    def __init__(self, n_chans: int, n_times: int, sfreq: float, n_outputs: int) -> None:
        super().__init__()
        n_filters, depth, half = 8, 2, max(2, round(sfreq / 2))
        width = n_filters * depth
        pools = max(1, min(round(sfreq / 32), n_times // 2)), 8
        self.time = nn.Conv1d(1, n_filters, half, padding=half // 2, bias=False)
        self.time_norm = nn.BatchNorm2d(n_filters, eps=1e-3)
        self.space = nn.Conv2d(n_filters, width, (n_chans, 1), groups=n_filters, bias=False)
        self.space_norm = nn.BatchNorm1d(width, eps=1e-3)
        self.depthwise = nn.Conv1d(width, width, 16, padding=8, groups=width, bias=False)
        self.pointwise = nn.Conv1d(width, width, 1, bias=False)
        self.last_norm = nn.BatchNorm1d(width, eps=1e-3)
        n_left = n_times // pools[0]
        self.first_pool = nn.AvgPool1d(pools[0])
        self.second_pool = nn.AvgPool1d(min(pools[1], n_left))
        self.drop = nn.Dropout(0.25)  # the authors' value between subjects
        self.head = nn.Linear(width * (n_left // min(pools[1], n_left)), n_outputs)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Outputs, (B, K)."""
        n_windows, n_chans, n_times = x_BCT.shape
        in_time = self.time(x_BCT.reshape(-1, 1, n_times))[..., :n_times]
        in_time = in_time.reshape(n_windows, n_chans, -1, n_times).transpose(1, 2)  # B, F, C, T
        if self.training:
            with torch.no_grad():  # the authors' bound on the norm of filters across channels
                self.space.weight.copy_(self.space.weight.renorm(2, 0, 1.0))
        across = self.space_norm(self.space(self.time_norm(in_time)).squeeze(2))
        pooled = self.drop(self.first_pool(F.elu(across)))
        separable = self.pointwise(self.depthwise(pooled)[..., : pooled.shape[-1]])
        deeper = F.elu(self.last_norm(separable))
        return self.head(self.drop(self.second_pool(deeper)).flatten(1))


class ShallowFBCSPNet(nn.Module):
    """Shallow ConvNet (Schirrmeister et al., Hum. Brain Mapp. 2017): log power of learnt filters.

    40 filters of 0.1 s, then across channels; squared; means over 0.3 s every 0.06 s; logarithm.
    """

    def __init__(self, n_chans: int, n_times: int, sfreq: float, n_outputs: int) -> None:
        super().__init__()
        n_filters, length = 40, max(1, min(round(sfreq / 10), n_times // 2))
        n_left = n_times - length + 1
        pool, stride = max(1, min(round(0.3 * sfreq), n_left)), max(1, round(0.06 * sfreq))
        self.time = nn.Conv1d(1, n_filters, length)
        self.space = nn.Conv2d(n_filters, n_filters, (n_chans, 1), bias=False)
        self.norm = nn.BatchNorm1d(n_filters)
        self.pool = nn.AvgPool1d(pool, stride)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(n_filters * ((n_left - pool) // stride + 1), n_outputs)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Outputs, (B, K)."""
        # Both are linear with nothing between them: one filter over time and channels, as cheaper.
        time, space = self.time.weight[:, 0], self.space.weight[..., 0]
        bias = torch.einsum("ofc,f->o", space, self.time.bias)
        filtered = F.conv1d(x_BCT, torch.einsum("ofc,ft->oct", space, time), bias)
        power = self.pool(self.norm(filtered) ** 2)
        return self.head(self.drop(power.clamp_min(1e-6).log()).flatten(1))


class _Residual(nn.Module):
    """Three convolutions beside a shortcut; the first halves the length if `stride` is 2."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, length in enumerate((7, 5, 3)):
            step = stride if i == 0 else 1
            layers += [
                nn.Conv1d(n_in if i == 0 else n_out, n_out, length, step, length // 2, bias=False),
                nn.BatchNorm1d(n_out),
                *([nn.ReLU()] if i < 2 else []),
            ]
        self.body = nn.Sequential(*layers)
        self.shortcut = nn.Sequential(
            nn.Conv1d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm1d(n_out)
        )

    def forward(self, x_BFT: Tensor) -> Tensor:
        """(B, F, T) or half as long."""
        return F.relu(self.body(x_BFT) + self.shortcut(x_BFT))


class ResNet1d(nn.Module):
    """Residual net for time series (Wang et al., IJCNN 2017), as for ECG by Strodthoff et al. 2021.

    Windows of 500 samples and more meet a stem that shortens them to a quarter, as in image nets.
    """

    def __init__(self, n_chans: int, n_times: int, sfreq: float, n_outputs: int) -> None:
        super().__init__()
        long = n_times >= 500
        stem: list[nn.Module] = [
            nn.Conv1d(n_chans, 64, 7, 2 if long else 1, 3, bias=False),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            *([nn.MaxPool1d(3, 2, 1)] if long else []),
        ]
        blocks = _Residual(64, 64, 1), _Residual(64, 128, 2), _Residual(128, 128, 2)
        self.body = nn.Sequential(*stem, *blocks)
        self.head = nn.Linear(128, n_outputs)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Outputs, (B, K)."""
        return self.head(self.body(x_BCT).mean(dim=2))


class FCN(nn.Module):
    """Fully convolutional net for time series (Wang et al., IJCNN 2017): three layers, then a mean.

    Windows of 500 samples and more are halved by the first layer, for time's sake.
    """

    def __init__(self, n_chans: int, n_times: int, sfreq: float, n_outputs: int) -> None:
        super().__init__()
        widths, lengths = (n_chans, 128, 256, 128), (9, 5, 3)
        layers: list[nn.Module] = []
        for i, length in enumerate(lengths):
            stride = 2 if i == 0 and n_times >= 500 else 1
            conv = nn.Conv1d(widths[i], widths[i + 1], length, stride, length // 2, bias=False)
            layers += [conv, nn.BatchNorm1d(widths[i + 1]), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], n_outputs)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Outputs, (B, K)."""
        return self.head(self.body(x_BCT).mean(dim=2))


NETS: dict[str, Callable[[int, int, float, int], nn.Module]] = {
    "eegnet": EEGNet,
    "shallow": ShallowFBCSPNet,
    "resnet1d": ResNet1d,
    "fcn": FCN,
}
"""By the names of the command."""


def net_outputs(
    name: str, train: Problem, test: Problem, *, epochs: int, seed: int, batch_size: int = 64
) -> Array:
    """Probabilities that a net gives the test windows, (W, K).

    Each channel is standardised by mean and deviation of its training windows. AdamW on one cycle
    of the learning rate that peaks at 1e-3, every class the same weight in sum, last weights.

    Raises
    ------
    ConfigError
        If no net has that name.
    """
    if name not in NETS:
        raise ConfigError(f"No net is called {name!r}; there are {', '.join(NETS)}.")
    standardised = _standardising(train.x)
    x_WCT, y = standardised(train.x), torch.from_numpy(train.y)
    n_outputs = len(train.label_names)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        net = NETS[name](train.x.shape[1], train.x.shape[2], train.sfreq, n_outputs)
        _fit(net, x_WCT, y, _loss(train), epochs, batch_size)
    net.eval()
    with torch.inference_mode():
        outputs = torch.cat([net(standardised(part)) for part in _pieces(test.x, 256)])
    tags = train.task == "multilabel"
    return (outputs.sigmoid() if tags else outputs.softmax(dim=1)).double().numpy()


def _fit(
    net: nn.Module,
    x_WCT: Tensor,
    y: Tensor,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    epochs: int,
    batch_size: int,
) -> None:
    # A last batch of one window has no variance to be normalised by: it joins the one before.
    n_batches = max(1, len(x_WCT) // batch_size)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=epochs * n_batches)
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x_WCT)).tensor_split(n_batches):
            optimiser.zero_grad()
            loss_of(net(x_WCT[rows]), y[rows]).backward()
            optimiser.step()
            schedule.step()


def _standardising(x_WCT: Array) -> Callable[[Array], Tensor]:
    """Standardise channels by these windows, and set what is missing to the mean."""
    mean_C = np.nanmean(x_WCT, axis=(0, 2), dtype=np.float64, keepdims=True)
    std_C = np.nanstd(x_WCT, axis=(0, 2), dtype=np.float64, keepdims=True)
    mean_C, std_C = np.nan_to_num(mean_C), np.where(std_C > 0, np.nan_to_num(std_C), 1.0)

    def standardised(x: Array) -> Tensor:
        scaled = (x - mean_C.astype(np.float32)) / std_C.astype(np.float32)
        return torch.from_numpy(np.nan_to_num(scaled, nan=0.0).astype(np.float32))

    return standardised


def _loss(train: Problem) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy in which every class, or each tag's yes and no, weighs the same."""
    if train.task == "multilabel":
        held = train.y.sum(axis=0)
        ratio = torch.from_numpy((len(train.y) - held) / np.maximum(held, 1)).float()
        return lambda outputs, tags: F.binary_cross_entropy_with_logits(
            outputs, tags.float(), pos_weight=ratio
        )
    counts = np.bincount(train.y, minlength=len(train.label_names))
    present = counts > 0
    weight = np.where(present, len(train.y) / (present.sum() * np.maximum(counts, 1)), 0.0)
    weights = torch.from_numpy(weight).float()
    return lambda outputs, labels: F.cross_entropy(outputs, labels, weight=weights)


def _pieces(x: Array, size: int) -> list[Array]:
    return [x[first : first + size] for first in range(0, len(x), size)]
