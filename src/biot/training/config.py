"""Everything that a fine-tuning run can be told, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from biot.corpus.split import SplitBy
from biot.errors import ConfigError

__all__ = ["ClassWeights", "Device", "FinetuneConfig", "Precision"]

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["32", "bf16"]
ClassWeights = Literal["balanced", "none"]


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """How to split, what to build and how to train.

    Fields that are None take the value of the pretrained model, or the default named there when
    training starts from scratch.
    """

    split: SplitBy = "subject"
    """What is never shared between training, validation and test windows."""
    valid_share: float = 0.2
    """Share of the subjects (recordings, time) kept for validation."""
    test_share: float = 0.2
    """Share kept for the test; not used when a test corpus is given."""

    embed_dim: int | None = None
    """Width of a token; from scratch 128."""
    num_heads: int | None = None
    """Attention heads; from scratch 8."""
    num_layers: int | None = None
    """Transformer layers; from scratch 4."""
    n_fft: int | None = None
    """Samples a token; from scratch one second, or the window when that is shorter."""
    hop_length: int | None = None
    """Samples between the starts of tokens; from scratch half of `n_fft`."""
    drop_prob: float | None = None
    """Dropout on the tokens; from scratch 0.2."""
    att_layer_drop_prob: float | None = None
    """Dropout on what attention adds; from scratch 0.2."""

    epochs: int = 30
    """Passes over the training windows at most; also the length of the learning rate's cycle."""
    patience: int = 10
    """Epochs without a better validation score after which training stops."""
    batch_size: int = 64
    """Windows a step."""
    micro_batch_size: int | None = None
    """Windows that go through the model at once; gradients add up over a step. None: what fits
    the cache on a CPU, the whole batch on a GPU."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    warmup: float = 0.2
    """Share of the steps in which the learning rate climbs to its peak."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; longer ones are shortened."""
    class_weights: ClassWeights = "balanced"
    """``"balanced"``: every class counts as much as the others, however rare it is."""

    device: Device = "auto"
    """``"auto"`` takes the GPU if there is one."""
    precision: Precision = "32"
    """``"bf16"`` computes in bfloat16 where that is safe; weights stay float32."""
    seed: int = 0
    """Seed of the split, the weights, the order of windows and dropout."""

    def __post_init__(self) -> None:
        _require_choice("split", self.split, get_args(SplitBy))
        _require_choice("class_weights", self.class_weights, get_args(ClassWeights))
        _require_choice("device", self.device, get_args(Device))
        _require_choice("precision", self.precision, get_args(Precision))
        for name in ("epochs", "patience", "batch_size"):
            _require_at_least_one(name, getattr(self, name))
        for name in ("embed_dim", "num_heads", "num_layers", "n_fft", "hop_length",
                     "micro_batch_size"):  # fmt: skip
            if getattr(self, name) is not None:
                _require_at_least_one(name, getattr(self, name))
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}.")
        if self.seed < 0:
            raise ConfigError(f"seed must be 0 or more, got {self.seed}.")
        if not self.weight_decay >= 0:
            raise ConfigError(f"weight_decay must be 0 or more, got {self.weight_decay}.")
        for name in ("drop_prob", "att_layer_drop_prob", "warmup"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ConfigError(f"{name} must lie in 0 to below 1, got {value}.")
        shares = (self.valid_share, self.test_share)
        if not (min(shares) > 0 and sum(shares) < 1):
            raise ConfigError(
                "valid_share and test_share must be above 0 and leave windows for training, got "
                f"{self.valid_share} and {self.test_share}."
            )


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")


def _require_at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{name} must be at least 1, got {value}.")
