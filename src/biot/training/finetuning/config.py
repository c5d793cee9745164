"""Everything that a fine-tuning run can be told, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from biot.corpus.split import SplitBy
from biot.device import Device, Precision
from biot.errors import ConfigError
from biot.evaluation.tasks import RegressionLoss
from biot.training.settings import (
    require_above_zero,
    require_choice,
    require_not_negative,
    require_share,
    require_whole,
)

__all__ = [
    "NEEDS_MODEL",
    "ClassWeights",
    "FinetuneConfig",
    "LoraLayers",
    "Mode",
]

ClassWeights = Literal["balanced", "sampled", "none"]


Mode = Literal["full", "head", "ridge", "logistic", "lora"]


LoraLayers = Literal["attention", "all"]


NEEDS_MODEL = ("head", "ridge", "logistic", "lora")
"""Modes that train little, so that there must be something to start from."""


FIXED_FEATURES = ("head", "ridge", "logistic")
"""Modes that compute the features of every window once."""


AUGMENTATIONS = ("mixup", "time_shift", "channel_drop", "band_stop", "amplitude")


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """How to split, what to build and how to train.

    Fields that are None take the value of the pretrained model, or the default named there when
    training starts from scratch.
    """

    mode: Mode = "full"
    """What is trained: ``"full"`` everything, ``"head"`` the last layer on fixed features,
    ``"ridge"`` and ``"logistic"`` the same in closed form and by scikit-learn, ``"lora"`` low-rank
    additions to the encoder and the last layer."""
    lora_rank: int = 8
    """Rank of these additions."""
    lora_layers: LoraLayers = "attention"
    """``"attention"``: queries, keys, values and output; ``"all"``: the feed-forward layers too."""

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
    """Dropout on the tokens; from scratch 0."""
    att_layer_drop_prob: float | None = None
    """Dropout on what attention adds; from scratch 0."""

    epochs: int = 30
    """Passes over the training windows at most; also the length of the learning rate's cycle."""
    patience: int = 10
    """Epochs without a better validation score after which training stops."""
    metric: str | None = None
    """The validation score that decides, or ``"loss"``; None: balanced accuracy for classes, macro
    AUROC for tags, R² for numbers."""
    batch_size: int = 64
    """Windows a step."""
    micro_batch_size: int | None = None
    """Windows that go through the model at once; gradients add up over a step. None: what fits
    the cache on a CPU, the whole batch on a GPU."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    warmup: float = 0.2
    """Share of the steps in which the learning rate climbs to its peak."""
    layer_decay: float = 1.0
    """Each layer learns this much slower than the one above it; the head learns at full rate."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; longer ones are shortened."""
    class_weights: ClassWeights = "balanced"
    """``"balanced"``: every class counts as much as the others, however rare it is;
    ``"sampled"``: windows of rare classes are shown more often instead."""
    label_smoothing: float = 0.0
    """Share of each target that is spread over all classes."""
    regression_loss: RegressionLoss = "mse"
    """``"huber"`` heeds outliers less."""
    ema: float = 0.0
    """Decay a step of a running mean of the weights, which is then validated and kept instead of
    the weights themselves; 0: none. Such as 0.99."""

    mixup: float = 0.0
    """Windows are mixed in pairs, by shares from Beta(mixup, mixup); 0: not at all."""
    time_shift: float = 0.0
    """Most seconds by which a window is moved; what enters is missing."""
    channel_drop: float = 0.0
    """Share of the channels that are made missing, each by chance."""
    band_stop: float = 0.0
    """Width in Hz of a band that is taken out of every second window."""
    amplitude: float = 0.0
    """Channels are multiplied by a factor between 1 / (1 + amplitude) and 1 + amplitude."""

    device: Device = "auto"
    """``"auto"`` takes the GPU if there is one."""
    precision: Precision = "32"
    """``"bf16"`` computes in bfloat16 where that is safe; weights stay float32."""
    seed: int = 0
    """Seed of the split, the weights, the order of windows and dropout."""

    def __post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            require_choice(self, name, kind)
        require_whole(self, ("epochs", "patience", "batch_size", "lora_rank", "embed_dim",
                             "num_heads", "num_layers", "n_fft", "hop_length",
                             "micro_batch_size"), least=1)  # fmt: skip
        require_whole(self, ("seed",), least=0)
        require_above_zero(self, ("learning_rate", "clip_norm", "layer_decay"))
        require_not_negative(
            self, ("weight_decay", "mixup", "time_shift", "band_stop", "amplitude")
        )
        require_share(self, ("drop_prob", "att_layer_drop_prob", "warmup", "label_smoothing",
                             "ema", "channel_drop", "valid_share", "test_share"))  # fmt: skip
        if self.layer_decay > 1:
            raise ConfigError(
                f"layer_decay must lie above 0 and be at most 1, got {self.layer_decay}."
            )
        shares = (self.valid_share, self.test_share)
        if not (min(shares) > 0 and sum(shares) < 1):
            raise ConfigError(
                "valid_share and test_share must be above 0 and leave windows for training, got "
                f"{self.valid_share} and {self.test_share}."
            )
        self._require_moving_features()

    def _require_moving_features(self) -> None:
        """What changes windows or layers has no place where features are computed once."""
        if self.mode not in FIXED_FEATURES:
            return
        changed = [name for name in AUGMENTATIONS if getattr(self, name) > 0]
        changed += [name for name in ("drop_prob", "att_layer_drop_prob") if getattr(self, name)]
        if self.layer_decay != 1:
            changed.append("layer_decay")
        if self.mode != "head":
            changed += [name for name in ("label_smoothing", "ema") if getattr(self, name) > 0]
            changed += ["class_weights=sampled"] * (self.class_weights == "sampled")
        if changed:
            raise ConfigError(
                f"mode {self.mode!r} computes the features of each window once; "
                f"{', '.join(changed)} cannot be had with it. Leave it out, or use full or lora."
            )


_CHOICES = {
    "mode": Mode,
    "lora_layers": LoraLayers,
    "split": SplitBy,
    "class_weights": ClassWeights,
    "regression_loss": RegressionLoss,
    "device": Device,
    "precision": Precision,
}
