"""Everything that a pretraining run can be told, checked once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from biot.device import Device
from biot.errors import ConfigError
from biot.training.pretraining.views import PerturbationKind
from biot.training.settings import (
    require_above_zero,
    require_choice,
    require_not_negative,
    require_share,
    require_whole,
)

__all__ = [
    "ClassLoss",
    "Objective",
    "PretrainConfig",
    "PretrainPrecision",
    "Strategy",
]

Objective = Literal["contrastive", "supervised"]


ClassLoss = Literal["cross-entropy", "focal"]


PretrainPrecision = Literal["32", "bf16", "16", "64"]


Strategy = Literal["auto", "ddp", "fsdp"]


_MAY_CHANGE = {
    "device", "devices", "nodes", "strategy", "compile", "workers", "micro_batch_size",
    "cache_gradients", "checkpoint_every", "tensorboard",
}  # fmt: skip
"""What a resumed run may be told otherwise: how it computes, not what."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """What to learn, with what model, how long and on which machine."""

    objective: Objective = "contrastive"
    """``"contrastive"``: two views of a window find each other (section 2.3 of the paper).
    ``"supervised"``: the labels of every corpus, with a head each."""
    steps: int = 10_000
    """Steps of the whole run; the learning rate's cycle is as long."""
    batch_size: int = 256
    """Windows a step, over all processes."""
    seed: int = 0
    """Seed of the weights, the order of windows, perturbations and dropout."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    log_every: int = 10
    """Steps between lines of the history."""

    embed_dim: int = 256
    """Width of a token."""
    num_heads: int = 8
    """Attention heads."""
    num_layers: int = 4
    """Transformer layers."""
    n_fft: int | None = None
    """Samples a token; None: one second, or the shortest window when that is shorter."""
    hop_length: int | None = None
    """Samples between the starts of tokens; None: half of `n_fft`."""
    drop_prob: float = 0.1
    """Dropout on the tokens."""
    att_layer_drop_prob: float = 0.2
    """Dropout on what attention adds."""

    temperature: float = 0.2
    """Of the contrastive loss."""
    perturbation: PerturbationKind = "paper"
    """``"paper"``: each window drops channels and tokens of its own; ``"authors"``: tokens only,
    the same ones in the whole batch."""
    rotation: float = 0.0
    """Degrees, the standard deviation, by which the perturbed view turns accelerometers,
    gyroscopes and magnetometers about each axis; 0: not at all."""
    symmetric: bool = False
    """Average the contrastive loss over both directions."""
    gather_negatives: bool = True
    """Compare with the windows of all processes; False: with those of the same process."""
    class_loss: ClassLoss = "cross-entropy"
    """``"focal"`` weighs down what is right already; binary tags likewise."""
    focal_gamma: float = 2.0
    """Exponent of the focal loss."""
    mixing_temperature: float = 1.0
    """A corpus of n windows is drawn with a probability ∝ n^(1/temperature): 1 as they are, large
    values all alike."""

    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate climbs to its peak."""
    weight_decay: float = 0.01
    """Weight decay of AdamW, on matrices only."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; longer ones are shortened."""
    ema: float | None = None
    """Decay of a moving average of the weights, which the model then gets; None: none."""

    micro_batch_size: int | None = None
    """Windows that go through the model at once. None: what fits the cache on a CPU, all of a
    process on a GPU."""
    cache_gradients: bool = False
    """Go through the model twice, to hold the activations of one micro-batch only."""
    device: Device = "auto"
    """``"auto"`` takes the GPU if there is one."""
    devices: int | None = None
    """Processes a node; None: what torchrun or SLURM started, else 1."""
    nodes: int | None = None
    """Nodes; None: as torchrun or SLURM says, else 1."""
    strategy: Strategy = "auto"
    """How processes work together. ``"ddp"``: each has the whole model; ``"fsdp"``: GPUs share out
    gradients and the optimiser's state; ``"auto"``: DDP where there are several."""
    precision: PretrainPrecision = "32"
    """``"bf16"`` and ``"16"`` compute narrower where that is safe; weights stay float32."""
    compile: bool = False
    """Compile the model."""
    workers: int = 1
    """Threads that load windows."""
    tensorboard: bool = False
    """Write the history for TensorBoard too."""

    def __post_init__(self) -> None:
        for name, kind in (
            ("objective", Objective), ("perturbation", PerturbationKind),
            ("class_loss", ClassLoss), ("device", Device),
            ("precision", PretrainPrecision), ("strategy", Strategy),
        ):  # fmt: skip
            require_choice(self, name, kind)
        counts = ("steps", "batch_size", "checkpoint_every", "log_every", "embed_dim", "num_heads",
                  "num_layers", "n_fft", "hop_length", "micro_batch_size", "devices",
                  "nodes")  # fmt: skip
        require_whole(self, counts, least=1)
        require_whole(self, ("seed", "workers"), least=0)
        require_above_zero(
            self, ("temperature", "mixing_temperature", "learning_rate", "clip_norm")
        )
        require_not_negative(self, ("weight_decay", "focal_gamma", "rotation"))
        require_share(self, ("drop_prob", "att_layer_drop_prob", "warmup", "ema"))
        self._require_agreement()

    def _require_agreement(self) -> None:
        if self.strategy == "fsdp" and self.ema is not None:
            raise ConfigError("ema needs the whole weights in each process; leave it or fsdp out.")
        if self.batch_size < 2 and self.objective == "contrastive":
            raise ConfigError(
                "batch_size must be at least 2: a window needs others to differ from."
            )

    def what(self) -> dict[str, Any]:
        """The settings that decide what is learned; a resumed run must have the same."""
        return {name: value for name, value in asdict(self).items() if name not in _MAY_CHANGE}

    def how(self) -> dict[str, Any]:
        """The other settings: how it is computed."""
        return {name: value for name, value in asdict(self).items() if name in _MAY_CHANGE}
