"""Everything that a pretraining run can be told, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from biot.choices import (
    ClassLoss,
    Negatives,
    Objective,
    PerturbationKind,
    PretrainPrecision,
    Strategy,
)
from biot.errors import ConfigError
from biot.settings import documented, setting, settings_of
from biot.training.settings import MACHINE, MODEL, TRAINING, TrainingSettings

__all__ = [
    "ClassLoss",
    "Objective",
    "PretrainConfig",
    "PretrainPrecision",
    "Strategy",
]

# Heading of the command's help.
_OBJECTIVE = "objective"

_OF_OBJECTIVE = {
    "negatives": "contrastive",
    "mask_share": "masked",
    "spread_weight": "masked",
    "spectrum_weight": "masked",
}
"""Settings that only one objective knows and that earlier versions had not."""

_NOT_OF_MASKED = {
    "temperature": "contrastive", "perturbation": "contrastive", "rotation": "contrastive",
    "symmetric": "contrastive", "gather_negatives": "contrastive", "class_loss": "supervised",
    "focal_gamma": "supervised",
}  # fmt: skip
"""Older settings, which the other two objectives take without using them."""


@documented
@dataclass(frozen=True, kw_only=True)
class PretrainConfig(TrainingSettings):
    """What to learn, with what model, how long and on which machine."""

    may_change = TrainingSettings.may_change | {"workers", "cache_gradients"}

    objective: Objective = setting(
        "contrastive",
        help="What to learn from. contrastive: two views of a window find each other (section "
        "2.3 of the paper); supervised: the labels of every corpus, with a head each; masked: what "
        "hidden tokens hold is predicted from the others.",
    )
    steps: int = setting(
        10_000,
        help="Steps of the whole run; the learning rate's cycle is as long.",
        least=1, group=TRAINING,
    )  # fmt: skip
    batch_size: int = setting(
        256, help="Windows of a step, over all processes.", least=1, group=TRAINING
    )
    seed: int = setting(
        0,
        help="Seed of the weights, the order of windows, perturbations and dropout.",
        least=0, group=TRAINING,
    )  # fmt: skip
    log_every: int = setting(
        10, help="Steps between lines of the history.", least=1, group=TRAINING
    )
    warmup: float = setting(
        0.1,
        help="Share of the steps in which the learning rate climbs to its peak.",
        least=0, below=1, group=TRAINING,
    )  # fmt: skip
    weight_decay: float = setting(
        0.01, help="Weight decay of AdamW, on matrices only.", least=0, group=TRAINING
    )
    ema: float | None = setting(
        None,
        help="Decay per step of a running mean of the weights, which the model then gets; its "
        "first steps decay faster. None if not given.",
        least=0, below=1, group=TRAINING,
    )  # fmt: skip
    mixing_temperature: float = setting(
        1.0,
        help="A corpus of n windows is drawn with a probability ∝ n^(1/temperature): 1 as they "
        "are, large values all alike.",
        above=0, group=TRAINING,
    )  # fmt: skip

    valid_share: float = setting(
        0.0,
        help="Share of each corpus's subjects whose windows are kept out of training, to validate "
        "on: the supervised objective by its loss, the others by a ridge on the features, which "
        "needs labels; the best weights are kept. 0: do not validate.",
        least=0, below=1, group=TRAINING,
    )  # fmt: skip
    valid_every: int = setting(100, help="Steps between validations.", least=1, group=TRAINING)
    patience: int | None = setting(
        None,
        help="Validations without a better one after which training stops; without it never.",
        least=1, group=TRAINING,
    )  # fmt: skip

    temperature: float = setting(
        0.2, help="Temperature of the contrastive loss.", above=0, group=_OBJECTIVE
    )
    negatives: Negatives = setting(
        "all",
        help="What a window is told from by the contrastive objective. all: every other window; "
        "recording: those of its own recording only, which are then drawn together.",
        group=_OBJECTIVE,
    )
    perturbation: PerturbationKind = setting(
        "paper",
        help="paper: each window drops channels and tokens of its own; authors: tokens only, the "
        "same ones in the whole batch.",
        group=_OBJECTIVE,
    )
    rotation: float = setting(
        0.0,
        help="Degrees, the standard deviation, by which the perturbed view turns accelerometers, "
        "gyroscopes and magnetometers about each axis; 0: not at all.",
        least=0, group=_OBJECTIVE, metavar="DEG",
    )  # fmt: skip
    symmetric: bool = setting(
        False, help="Average the contrastive loss over both directions.", group=_OBJECTIVE
    )
    gather_negatives: bool = setting(
        True,
        help="Compare a window with those of all processes; otherwise with those of its own "
        "process only.",
        group=_OBJECTIVE, option="--own-negatives",
    )  # fmt: skip
    class_loss: ClassLoss = setting(
        "cross-entropy",
        help="Loss of the supervised objective; focal weighs down what is right already, binary "
        "tags likewise.",
        group=_OBJECTIVE,
    )
    focal_gamma: float = setting(2.0, help="Exponent of the focal loss.", least=0, group=_OBJECTIVE)
    mask_share: float = setting(
        0.6,
        help="Share of the tokens of a window that the masked objective hides, in blocks of "
        "channels and time.",
        above=0, below=1, group=_OBJECTIVE,
    )  # fmt: skip
    spread_weight: float = setting(
        0.05,
        help="Weight of the term (SIGReg) that keeps the features of different windows apart in "
        "the masked objective; the error of latents counts 1.",
        least=0, group=_OBJECTIVE,
    )  # fmt: skip
    spectrum_weight: float = setting(
        1.0,
        help="Weight of the error of hidden tokens' log spectra in the masked objective.",
        least=0, group=_OBJECTIVE,
    )  # fmt: skip

    embed_dim: int = setting(256, help="Width of a token.", least=1, group=MODEL)
    num_heads: int = setting(8, help="Attention heads.", least=1, group=MODEL)
    num_layers: int = setting(4, help="Transformer layers.", least=1, group=MODEL)
    n_fft: int | None = setting(
        None,
        help="Samples of a token; without it one second, or the shortest window when that is "
        "shorter.",
        least=1, group=MODEL,
    )  # fmt: skip
    hop_length: int | None = setting(
        None,
        help="Samples between the starts of tokens; without it half of `n_fft`, and at most a "
        "second.",
        least=1, group=MODEL,
    )  # fmt: skip
    drop_prob: float = setting(0.1, help="Dropout on the tokens.", least=0, below=1, group=MODEL)
    att_layer_drop_prob: float = setting(
        0.2, help="Dropout on the output of attention.", least=0, below=1, group=MODEL
    )

    precision: PretrainPrecision = setting(
        "32",
        help="bf16 and 16 compute narrower where that is safe; weights stay float32. On a "
        "processor without instructions for bfloat16 bf16 is slower.",
        group=MACHINE,
    )
    cache_gradients: bool = setting(
        False,
        help="Go through the model twice, to hold the activations of one micro-batch only.",
        group=MACHINE,
    )
    workers: int = setting(1, help="Threads that load windows.", least=0, group=MACHINE)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_own_settings()
        if self.patience is not None and not self.valid_share:
            raise ConfigError(
                "patience (--patience) counts validations, and valid_share (--valid-share) is 0. "
                "Give both."
            )
        if self.batch_size < 2 and self.objective != "supervised":
            raise ConfigError(
                "batch_size must be at least 2: a window needs others to differ from."
            )

    def _require_own_settings(self) -> None:
        """Refuse what was set and has no effect on the objective."""
        others = {**_OF_OBJECTIVE, **(_NOT_OF_MASKED if self.objective == "masked" else {})}
        for one in settings_of(type(self)):
            objective = others.get(one.name, self.objective)
            if objective != self.objective and getattr(self, one.name) != one.default:
                raise ConfigError(
                    f"{one.name} ({one.option}) is of the {objective} objective; the objective is "
                    f"{self.objective}. Leave it out, or choose that objective (--objective)."
                )

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is learned; a resumed run must have the same.

        Settings that say nothing here are left out, as in runs of versions that had none of them:
        those of validation without it, and some of other objectives.
        """
        decide = super().identity()
        if not self.valid_share:
            for name in ("valid_share", "valid_every", "patience"):
                del decide[name]
        for name, objective in _OF_OBJECTIVE.items():
            if self.objective != objective:
                del decide[name]
        if self.negatives == "all":
            decide.pop("negatives", None)
        if self.ema:
            decide["running_mean"] = "first steps decay faster"
        return decide
