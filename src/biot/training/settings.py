"""The settings that every kind of training has: its steps' size and the machine that takes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from biot.choices import Device, Spectrum, Strategy
from biot.settings import Settings, setting

__all__ = ["EARLIER_SPECTRUM", "MACHINE", "MODEL", "SPECTRUM", "TRAINING", "TrainingSettings"]

# Headings of the commands' help.
MODEL, TRAINING, MACHINE = "model", "training", "machine"

SPECTRUM: Spectrum = "log"
"""What a token of a fresh model is, where nobody says."""
EARLIER_SPECTRUM: Spectrum = "magnitude"
"""The same in earlier versions, whose runs do not name it."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """What fine-tuning and pretraining both can be told."""

    may_change: ClassVar[frozenset[str]] = frozenset(
        (
            "checkpoint_every", "micro_batch_size", "device", "strategy", "devices", "nodes",
            "compile", "tensorboard", "weights_license",
        )
    )  # fmt: skip
    """What a resumed run may be told otherwise: how it computes, not what."""

    spectrum: Spectrum | None = setting(
        None,
        help="What a token holds of its patch. magnitude: the spectrum's magnitudes, as published; "
        "log: their logarithms, standardised by the training windows; +wave: the real and "
        "imaginary parts beside them, which know polarity and place. Without it that of a "
        f"pretrained model, to which +wave can be added; from scratch {SPECTRUM}.",
        group=MODEL,
    )
    learning_rate: float = setting(
        1e-3, help="Peak of the one-cycle schedule.", above=0, group=TRAINING
    )
    clip_norm: float = setting(
        1.0,
        help="Largest norm of the gradient; longer ones are shortened.",
        above=0, group=TRAINING,
    )  # fmt: skip
    micro_batch_size: int | None = setting(
        None,
        help="Windows that go through the model at once; gradients add up over a step. Without "
        "it, as many as fit the cache on a CPU, and all of a process on a GPU.",
        least=1, group=MACHINE,
    )  # fmt: skip
    checkpoint_every: int = setting(500, help="Steps between checkpoints.", least=1, group=MACHINE)
    device: Device = setting(
        "auto", help="Where to compute; auto takes the GPU if there is one.", group=MACHINE
    )
    strategy: Strategy = setting(
        "auto",
        help="How processes work together. ddp: each has the whole model; auto: ddp where there "
        "are several.",
        group=MACHINE,
    )
    devices: int | None = setting(
        None,
        help="Processes of a node; without it what torchrun or SLURM started, else 1.",
        least=1, group=MACHINE,
    )  # fmt: skip
    nodes: int | None = setting(
        None, help="Nodes; without it as torchrun or SLURM says, else 1.", least=1, group=MACHINE
    )
    compile: bool = setting(False, help="Compile the model.", group=MACHINE)
    weights_license: str | None = setting(
        None,
        help="Licence of the weights, by the Hub's short name, such as cc-by-4.0, for the model "
        "card. Without it unknown: it can depend on the terms of the recordings.",
        group=TRAINING, metavar="NAME",
    )  # fmt: skip
    tensorboard: bool = setting(False, help="Write the history for TensorBoard too.", group=MACHINE)

    @property
    def card_fields(self) -> dict[str, Any]:
        """What is told of the header of the model card, by the Hub's names."""
        return {} if self.weights_license is None else {"license": self.weights_license}

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is learned; a resumed run must have the same."""
        decide = {n: value for n, value in asdict(self).items() if n not in self.may_change}
        if self.spectrum in (None, EARLIER_SPECTRUM):  # runs of earlier versions do not name it
            del decide["spectrum"]
        return decide

    @property
    def spectrum_from_scratch(self) -> Spectrum:
        """What a token of a fresh model is."""
        return self.spectrum or SPECTRUM

    def runtime(self) -> dict[str, Any]:
        """The other settings: how it is computed."""
        return {name: value for name, value in asdict(self).items() if name in self.may_change}
