"""Training: pretraining, fine-tuning a model on a corpus, and saying how good it is."""

from __future__ import annotations

from biot.training.config import FinetuneConfig
from biot.training.crossval import cross_validate
from biot.training.evaluate import evaluate
from biot.training.evaluation import Evaluation
from biot.training.finetune import finetune
from biot.training.pretrain import pretrain
from biot.training.pretrain_config import PretrainConfig

__all__ = [
    "Evaluation",
    "FinetuneConfig",
    "PretrainConfig",
    "cross_validate",
    "evaluate",
    "finetune",
    "pretrain",
]
