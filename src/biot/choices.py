"""Words and bounds of settings: each set once, for checks, options and type checkers.

This module imports nothing, so that a command shows its help at once.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "HIGHEST_SFREQ",
    "LONGEST_WINDOW",
    "LOWEST_FREQ",
    "Align",
    "By",
    "ClassLoss",
    "ClassWeights",
    "Device",
    "EventScore",
    "LabelRule",
    "LabelScope",
    "LoraLayers",
    "Mode",
    "Negatives",
    "Objective",
    "Per",
    "PerturbationKind",
    "Precision",
    "PretrainPrecision",
    "RegressionLoss",
    "Resample",
    "Scale",
    "Spectrum",
    "SplitBy",
    "Strategy",
    "Task",
]

HIGHEST_SFREQ = 1_000_000
"""Hz."""
LONGEST_WINDOW = 86_400
"""Seconds."""
LOWEST_FREQ = 0.001
"""Of a high-pass filter, in Hz; a lower one would be longer than an hour."""

# where and how precisely to compute
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["32", "bf16"]
PretrainPrecision = Literal["32", "bf16", "16"]
Strategy = Literal["auto", "ddp"]

# windows and their labels
Align = Literal["grid", "events"]
LabelRule = Literal["overlap", "centre", "any"]
LabelScope = Literal["recording", "window"]
Resample = Literal["polyphase", "fft"]
Scale = Literal["q95", "none"]
SplitBy = Literal["subject", "recording", "time", "column"]
Task = Literal["classes", "multilabel", "regression"]

# what a token is
Spectrum = Literal["magnitude", "log", "magnitude+wave", "log+wave"]

# what is trained, and by which loss
ClassLoss = Literal["cross-entropy", "focal"]
ClassWeights = Literal["balanced", "sampled", "none"]
EventScore = Literal["overlap", "szcore"]
LoraLayers = Literal["attention", "all"]
Mode = Literal["full", "head", "ridge", "logistic", "lora"]
Negatives = Literal["all", "recording"]
Objective = Literal["contrastive", "supervised", "masked"]
PerturbationKind = Literal["paper", "authors"]
RegressionLoss = Literal["mse", "huber"]

# one decision for several windows
By = Literal["mean", "vote"]
"""``"mean"``: the mean probability decides; ``"vote"``: the decisions of the windows do."""
Per = Literal["recording", "subject"]
"""What one decision is of."""
