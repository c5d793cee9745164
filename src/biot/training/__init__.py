"""Training: pretraining, fine-tuning a model on a corpus, and saying how good it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biot.lazy import attach

if TYPE_CHECKING:
    from biot.evaluation.results import Evaluation
    from biot.training.finetuning.config import FinetuneConfig
    from biot.training.finetuning.cross_validate import cross_validate
    from biot.training.finetuning.finetune import finetune
    from biot.training.pretraining.config import PretrainConfig
    from biot.training.pretraining.pretrain import pretrain
    from biot.training.scoring import evaluate

__all__ = [
    "Evaluation",
    "FinetuneConfig",
    "PretrainConfig",
    "cross_validate",
    "evaluate",
    "finetune",
    "pretrain",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Evaluation": "biot.evaluation.results",
        "FinetuneConfig": "biot.training.finetuning.config",
        "PretrainConfig": "biot.training.pretraining.config",
        "cross_validate": "biot.training.finetuning.cross_validate",
        "evaluate": "biot.training.scoring",
        "finetune": "biot.training.finetuning.finetune",
        "pretrain": "biot.training.pretraining.pretrain",
    },
)
