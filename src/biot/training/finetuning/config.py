"""Everything that a fine-tuning run can be told, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from biot.choices import (
    ClassWeights,
    EventScore,
    LoraLayers,
    Mode,
    Precision,
    RegressionLoss,
    SplitBy,
)
from biot.errors import ConfigError
from biot.settings import documented, setting
from biot.training.settings import MACHINE, MODEL, TRAINING, TrainingSettings

__all__ = [
    "NEEDS_MODEL",
    "ClassWeights",
    "FinetuneConfig",
    "LoraLayers",
    "Mode",
]

NEEDS_MODEL = ("head", "ridge", "logistic", "lora")
"""Modes that train little, so that there must be something to start from."""


FIXED_FEATURES = ("head", "ridge", "logistic")
"""Modes that compute the features of every window once."""

AUGMENTATIONS = ("mixup", "time_shift", "channel_drop", "band_stop", "amplitude")

# Headings of the command's help.
_SPLIT = "split"
_AUGMENTATION = "augmentation, of training windows only"
_EVENTS = "events, chosen on the validation recordings"


@documented
@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainingSettings):
    """How to split, what to build and how to train.

    Settings that are None take the value of the pretrained model, or the one named there when
    training starts from scratch.
    """

    split: SplitBy = setting(
        "subject",
        help="What training, validation and test never share; time: early windows of each "
        "recording train, late ones test; column: the official parts that `biot prepare "
        "--split-column` kept.",
        group=_SPLIT,
    )
    valid_share: float = setting(
        0.2,
        help="Share of the subjects (recordings, time) for validation; for column of the official "
        "training part's subjects, where it has no validation part. 0: none validate, all train "
        "for `epochs` passes, and the last weights (or their running mean) are kept, without a "
        "temperature and thresholds.",
        least=0, below=1, group=_SPLIT,
    )  # fmt: skip
    test_share: float = setting(
        0.2,
        help="Share for the test; not used when a test corpus is given, or for column.",
        above=0, below=1, group=_SPLIT,
    )  # fmt: skip

    mode: Mode = setting(
        "full",
        help="What is trained. full: everything; head: the last layer on fixed features; ridge, "
        "logistic: the same in closed form and by logistic regression, in seconds; lora: low-rank "
        "additions to the encoder, and the last layer.",
        group=MODEL,
    )
    embed_dim: int | None = setting(
        None, help="Width of a token; from scratch 128.", least=1, group=MODEL
    )
    num_heads: int | None = setting(
        None, help="Attention heads; from scratch 8.", least=1, group=MODEL
    )
    num_layers: int | None = setting(
        None, help="Transformer layers; from scratch 4.", least=1, group=MODEL
    )
    n_fft: int | None = setting(
        None,
        help="Samples of a token; from scratch one second, or the window when that is shorter.",
        least=1, group=MODEL,
    )  # fmt: skip
    hop_length: int | None = setting(
        None,
        help="Samples between the starts of tokens; from scratch half of `n_fft`, and at most a "
        "second.",
        least=1, group=MODEL,
    )  # fmt: skip
    drop_prob: float | None = setting(
        None, help="Dropout on the tokens; from scratch 0.", least=0, below=1, group=MODEL
    )
    att_layer_drop_prob: float | None = setting(
        None,
        help="Dropout on the output of attention; from scratch 0.",
        least=0, below=1, group=MODEL,
    )  # fmt: skip
    lora_rank: int = setting(
        8, help="Rank of what mode lora adds to each matrix.", least=1, group=MODEL
    )
    lora_layers: LoraLayers = setting(
        "attention",
        help="What mode lora adds to. attention: queries, keys, values and output; all: the "
        "feed-forward layers too.",
        group=MODEL,
    )

    epochs: int = setting(
        30,
        help="Passes over the training windows, at most; also the length of the learning rate's "
        "cycle.",
        least=1, group=TRAINING,
    )  # fmt: skip
    patience: int = setting(
        10,
        help="Epochs without a better validation score after which training stops.",
        least=1, group=TRAINING,
    )  # fmt: skip
    metric: str | None = setting(
        None,
        help="Validation score that decides, such as auroc, or loss; without it balanced_accuracy "
        "for classes, auroc for tags, r2 for numbers.",
        group=TRAINING,
    )
    refit: bool = setting(
        False,
        help="Once validation has chosen the number of epochs, train afresh on training and "
        "validation windows together for so many, and keep the last weights (or their running "
        "mean). Temperature, thresholds and rules for events stay those that the validation chose.",
        group=TRAINING,
    )
    batch_size: int = setting(64, help="Windows of a step.", least=1, group=TRAINING)
    warmup: float = setting(
        0.2,
        help="Share of the steps in which the learning rate climbs to its peak.",
        least=0, below=1, group=TRAINING,
    )  # fmt: skip
    layer_decay: float = setting(
        1.0,
        help="Each layer's learning rate is that of the layer above times this; the head learns "
        "at full rate.",
        above=0, most=1, group=TRAINING,
    )  # fmt: skip
    weight_decay: float = setting(0.01, help="Weight decay of AdamW.", least=0, group=TRAINING)
    class_weights: ClassWeights = setting(
        "balanced",
        help="balanced: every class counts as much as the others, however rare it is; sampled: "
        "windows of rare classes are shown more often instead.",
        group=TRAINING,
    )
    label_smoothing: float = setting(
        0.0,
        help="Share of each target that is spread over all classes.",
        least=0, below=1, group=TRAINING,
    )  # fmt: skip
    calibration: bool = setting(
        True,
        help="Correct probabilities for the class weights, and by a temperature that is fitted on "
        "the validation windows; --no-calibration leaves them as the model's outputs give them.",
        group=TRAINING, option="--no-calibration",
    )  # fmt: skip
    regression_loss: RegressionLoss = setting(
        "mse", help="Loss of regression; huber heeds outliers less.", group=TRAINING
    )
    ema: float = setting(
        0.0,
        help="Decay per step of a running mean of the weights, such as 0.99; the mean is "
        "validated and kept instead of the weights themselves; its first steps decay faster. 0 "
        "for none.",
        least=0, below=1, group=TRAINING,
    )  # fmt: skip
    seed: int = setting(
        0,
        help="Seed of the split, the weights, the order of windows and dropout.",
        least=0, group=TRAINING,
    )  # fmt: skip

    mixup: float = setting(
        0.0,
        help="Mix windows in pairs, by shares from Beta(mixup, mixup); 0: not at all.",
        least=0, group=_AUGMENTATION,
    )  # fmt: skip
    time_shift: float = setting(
        0.0,
        help="Move each window by up to so many seconds; what enters is missing.",
        least=0, group=_AUGMENTATION, metavar="S",
    )  # fmt: skip
    channel_drop: float = setting(
        0.0,
        help="Share of the channels that are made missing, each by chance.",
        least=0, below=1, group=_AUGMENTATION,
    )  # fmt: skip
    band_stop: float = setting(
        0.0,
        help="Take a band of so many Hz out of every second window.",
        least=0, group=_AUGMENTATION, metavar="HZ",
    )  # fmt: skip
    amplitude: float = setting(
        0.0,
        help="Multiply channels by a factor between 1 / (1 + amplitude) and 1 + amplitude.",
        least=0, group=_AUGMENTATION,
    )  # fmt: skip

    baseline: bool = setting(
        True,
        help="Score a ridge on log band powers on the same windows, beside the model, and keep it "
        "with the model for `biot evaluate`; --no-baseline leaves it out.",
        group=TRAINING, option="--no-baseline",
    )  # fmt: skip

    tune_events: bool = setting(
        False,
        help="Choose the rules by which `biot predict --events` makes events (smoothing, "
        "thresholds, shortest event, gaps) on the validation recordings, by event F1, and keep "
        "them with the model.",
        group=_EVENTS,
    )
    event_background: str | None = setting(
        None,
        help="For `tune_events`, the label that makes no events; without it the one that is named "
        "so, such as bckg, rest or normal. An empty text: all labels make events.",
        group=_EVENTS, metavar="LABEL",
    )  # fmt: skip
    event_scoring: EventScore = setting(
        "overlap",
        help="For `tune_events`, when an event is found. overlap: where a predicted one overlaps "
        "it; longer ones than the longest labelled are split. szcore: by SzCORE's rules for "
        "seizures, as `biot evaluate --events` does.",
        group=_EVENTS,
    )

    precision: Precision = setting(
        "32",
        help="bf16 computes in bfloat16 where that is safe: faster, a little less exact; weights "
        "stay float32. On a processor without instructions for bfloat16 it is slower.",
        group=MACHINE,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.valid_share + self.test_share < 1:
            raise ConfigError(
                "valid_share and test_share must leave windows for training, got "
                f"{self.valid_share} and {self.test_share}."
            )
        self._require_moving_features()
        self._require_validation()
        if not self.tune_events and (self.event_background, self.event_scoring) != (
            None, "overlap",
        ):  # fmt: skip
            raise ConfigError(
                "event_background and event_scoring are for tune_events (--tune-events), which is "
                "not given."
            )

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is learned; a resumed run must have the same."""
        decide = super().identity()
        del decide["baseline"]  # it stands beside the model, which does not know of it
        if not self.tune_events:  # runs that were begun before it could be had go on
            for name in ("tune_events", "event_background", "event_scoring"):
                del decide[name]
        if not self.refit:
            del decide["refit"]
        return decide

    @property
    def kept_weights(self) -> tuple[str, ...]:
        """Which weights are kept, in a sentence, where it is not those that validation chose."""
        kept = "the running mean of the weights" if self.ema else "the last weights"
        if self.refit:
            return (
                f"Kept: {kept} of a training on training and validation windows together, for as "
                "many epochs as validation chose. Temperature, thresholds and rules for events are "
                "those that validation chose for the model before it; the validation scores are "
                "that model's.",
            )
        if self.valid_share:
            return ()
        return (
            f"Kept: {kept} of all {self.epochs} epochs. Nothing validated (valid_share is 0), so "
            "that there is no temperature, and no threshold was chosen.",
        )

    def _require_validation(self) -> None:
        """What validation windows decide has no place where there are none, or no epochs."""
        if self.refit and self.mode in ("ridge", "logistic"):
            raise ConfigError(
                "refit (--refit) trains again for the number of epochs that validation chose; mode "
                f"{self.mode!r} knows no epochs. Leave refit out, or use full, head or lora."
            )
        if self.valid_share:
            return
        needs = {
            "refit (--refit)": self.refit,
            "tune_events (--tune-events)": self.tune_events,
            f"metric={self.metric} (--metric)": self.metric is not None,
            f"mode={self.mode} (--mode)": self.mode in ("ridge", "logistic"),
        }
        asked = [name for name, given in needs.items() if given]
        if asked:
            raise ConfigError(
                f"{', '.join(asked)} chooses by validation windows, and valid_share "
                "(--valid-share) is 0, so that there are none. Leave it out, or give a share."
            )

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
